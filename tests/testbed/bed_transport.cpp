// SPDX-License-Identifier: Apache-2.0
#include "tests/testbed/bed_transport.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>

namespace hansa::testbed {

std::string path_in_bed(std::string_view below) {
  const char* folder = std::getenv("HANSA_TESTBED_DIR");
  return std::string(folder == nullptr ? "/var/tmp/hansa-testbed" : folder) + '/' + std::string(below);
}

async::Task<connectors::transport::CommandResult> BedTransport::run(connectors::transport::Command command,
                                                                    async::Deadline deadline) {
  if (auto valid = check(command); !valid) co_return std::unexpected(valid.error());
  const auto& account = command.account.str();
  if (!account.empty() && account != "alice" && account != "bob") {
    co_return fail(ErrorKind::permission_denied, "OTHER_ACCOUNT", "nobody may act as \"" + account + "\" here");
  }
  constexpr std::array kQuestions{"squeue", "sacct", "scontrol", "sacctmgr", "qstat", "qselect", "pbsnodes"};
  if (account.empty() && std::ranges::any_of(kQuestions, [&](auto name) { return command.program.ends_with(name); }))
    ++questions_;

  const std::string home = account.empty() ? "/" : "/home/" + account;
  async::ChildSpec spec{.argv = {},
                        .environment = std::move(command.environment),
                        .working_directory = home,
                        .input = std::move(command.input),
                        .output_limit = command.output_limit,
                        .self_limit = limit_of(command, deadline, scheduler_)};
  spec.environment.emplace_back("PATH", "/usr/bin:/bin");
  if (!account.empty()) {
    spec.environment.emplace_back("HOME", home);
    spec.environment.emplace_back("USER", account);
    spec.argv = {"/usr/bin/setpriv", "--reuid=" + account, "--regid=" + account, "--init-groups", "--"};
  }
  spec.argv.push_back(std::move(command.program));
  std::ranges::move(command.arguments, std::back_inserter(spec.argv));
  co_return co_await async::run_child(scheduler_, deadline, std::move(spec));
}

}  // namespace hansa::testbed
