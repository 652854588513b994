// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where tokens come from: a file that somebody renews, or a command that makes one. They are read anew before they end.
//
// Strand: the engine's. Files are read on a thread of `pool`.

#include "broker/async/on_thread.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/slurmrest/token.hpp"

#include <boost/asio/thread_pool.hpp>

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
  /// `scheduler` and `pool` outlive it.
  Tokens(TokenSource source, async::Scheduler& scheduler, boost::asio::thread_pool& pool)
      : source_(std::move(source)), scheduler_(scheduler), pool_(pool) {}

  /// A token of this account's that has not ended. All errors are `unavailable`: TOKEN_MISSING, TOKEN_ODD, TOKEN_ENDED,
  /// TOKEN_OF_ANOTHER, TOKEN_COMMAND; or deadline_exceeded, cancelled.
  ports::Task<Secret> of(std::string account, ports::Deadline deadline);

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
  boost::asio::thread_pool& pool_;
  std::map<std::string, Known> known_;  // by account
};

}  // namespace hansa::connectors::slurmrest
