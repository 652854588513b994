// SPDX-License-Identifier: Apache-2.0
#pragma once
// The site's own programs, in one folder, under one environment.

#include "broker/ports/site_connector.hpp"
#include "connectors/transport/transport.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::batch {

/// Through whose eyes a question is asked; an empty account is the broker's own.
struct Viewer {
  LocalAccount account;
  Principal person;
};

/// The accounts of these jobs, each once.
std::vector<Viewer> viewers_among(const std::vector<ports::SiteJob>& jobs);

/// In as few lists as fit one argument each (MAX_ARG_STRLEN).
std::vector<std::string> join_in_pieces(const std::vector<std::string>& items, char separator);
inline constexpr std::size_t kMaxSelection = std::size_t{120} << 10;

class Programs {
 public:
  /// `environment` besides TZ=UTC and LC_ALL=C. `transport` outlives it.
  Programs(std::string bin_dir, std::vector<std::pair<std::string, std::string>> environment, transport::Transport& transport)
      : bin_dir_(std::move(bin_dir)), environment_(std::move(environment)), transport_(transport) {}

  /// One of them for this account; nothing runs yet.
  [[nodiscard]] transport::Command command(Viewer viewer, std::string_view program, std::vector<std::string> arguments) const;

  /// What may be repeated: an outcome that is not known is only a failure.
  ports::Task<transport::CommandResult> run(transport::Command command, ports::Deadline deadline) const;

 private:
  std::string bin_dir_;
  std::vector<std::pair<std::string, std::string>> environment_;
  transport::Transport& transport_;
};

}  // namespace hansa::connectors::batch
