// SPDX-License-Identifier: Apache-2.0
#include "connectors/batch/programs.hpp"

#include <set>

namespace hansa::connectors::batch {

namespace {

constexpr std::size_t kMaxAnswer = std::size_t{100} << 20;

}  // namespace

std::vector<Viewer> viewers_among(const std::vector<ports::SiteJob>& jobs) {
  std::set<LocalAccount> seen;
  std::vector<Viewer> viewers;
  for (const auto& job : jobs) {
    if (seen.insert(job.account).second) viewers.push_back({job.account, job.person});
  }
  return viewers;
}

std::vector<std::string> join_in_pieces(const std::vector<std::string>& items, char separator) {
  std::vector<std::string> pieces;
  for (const auto& item : items) {
    if (pieces.empty() || pieces.back().size() + 1 + item.size() > kMaxSelection) {
      pieces.push_back(item);
    } else {
      pieces.back().append(1, separator).append(item);
    }
  }
  return pieces;
}

transport::Command Programs::command(Viewer viewer, std::string_view program, std::vector<std::string> arguments) const {
  transport::Command command{.program = bin_dir_ + '/' + std::string(program),
                             .arguments = std::move(arguments),
                             .environment = {{"TZ", "UTC"}, {"LC_ALL", "C"}},
                             .account = std::move(viewer.account),
                             .person = std::move(viewer.person)};
  command.environment.insert(command.environment.end(), environment_.begin(), environment_.end());
  return command;
}

ports::Task<transport::CommandResult> Programs::run(transport::Command command, ports::Deadline deadline) const {
  command.output_limit = kMaxAnswer;
  auto result = co_await transport_.run(std::move(command), deadline);
  if (!result && result.error().kind == ErrorKind::unknown_outcome) {
    result.error().kind = ErrorKind::unavailable;
    result.error().retryable = true;
  }
  co_return result;
}

}  // namespace hansa::connectors::batch
