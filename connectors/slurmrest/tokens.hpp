// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where tokens come from: a file that somebody renews, or a command that makes one. They are read anew before they end.
//
// Strand: the engine's. Files are read on threads of their own: one that hangs keeps nobody from the others.

#include "broker/async/lookups.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/slurmrest/token.hpp"

#include <map>
#include <string>
#include <vector>

namespace hansa::connectors::slurmrest {

struct TokenSource {
  std::string file = {};                  // "{account}" in it stands for the account; or
  std::vector<std::string> command = {};  // the same in its arguments; its output is the token
};

class Tokens {
 public:
  /// `scheduler` outlives it.
  Tokens(TokenSource source, async::Scheduler& scheduler) : source_(std::move(source)), scheduler_(scheduler) {}

  /// A token of this account's that has not ended. All errors are `unavailable`: TOKEN_MISSING, TOKEN_ODD, TOKEN_ENDED,
  /// TOKEN_OF_ANOTHER, TOKEN_COMMAND, TOKEN_HANGS (the file's reading does); or deadline_exceeded, cancelled.
  ports::Task<Secret> of(std::string account, ports::Deadline deadline);

  /// The end of the one that is in use, if it says one; outside: none is.
  [[nodiscard]] std::optional<std::optional<UtcTime>> end_of(const std::string& account) const {
    const auto known = known_.find(account);
    return known == known_.end() ? std::nullopt : std::optional(known->second.token.ends);
  }
  [[nodiscard]] bool from_file() const { return source_.command.empty(); }

  /// It was not accepted: read anew for the next use.
  void forget(const std::string& account) { known_.erase(account); }

 private:
  struct Known {
    Token token;
    UtcTime read_again_at;
  };
  ports::Task<Token> fetch(std::string account, ports::Deadline deadline);
  ports::Task<std::string> run_command(std::string account, ports::Deadline deadline);

  TokenSource source_;
  async::Scheduler& scheduler_;
  async::Lookups files_{4};
  std::map<std::string, Known> known_;  // by account
};

}  // namespace hansa::connectors::slurmrest
