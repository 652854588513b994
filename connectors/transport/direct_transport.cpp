// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/direct_transport.hpp"

#include "connectors/transport/own_account.hpp"

#include <algorithm>

namespace hansa::connectors::transport {

DirectTransport::DirectTransport(async::Scheduler& scheduler) : scheduler_(scheduler) {
  auto own = own_account().value_or(MachineAccount{.name = "", .home = "/", .shell = "/bin/sh"});
  account_ = std::move(own.name);
  home_ = std::move(own.home);
  environment_ = {
      {"HOME", home_}, {"USER", account_}, {"LOGNAME", account_}, {"SHELL", own.shell}, {"PATH", "/usr/local/bin:/usr/bin:/bin"}};
}

async::Task<CommandResult> DirectTransport::run(Command command, async::Deadline deadline) {
  if (auto valid = check(command); !valid) co_return std::unexpected(valid.error());
  if (!command.account.empty() && command.account.str() != account_) {
    co_return fail(ErrorKind::permission_denied, "OTHER_ACCOUNT",
                   "commands run here as \"" + account_ + "\" only, not as \"" + command.account.str() +
                       "\": the site's run_as must be \"switch\" for accounts of their own");
  }
  async::ChildSpec spec{.environment = environment_, .output_limit = command.output_limit};
  for (auto& [name, value] : command.environment) {
    std::erase_if(spec.environment, [&](const auto& variable) { return variable.first == name; });
    spec.environment.emplace_back(std::move(name), std::move(value));
  }
  spec.argv = std::move(command.arguments);
  spec.argv.insert(spec.argv.begin(), std::move(command.program));
  spec.working_directory = command.working_directory.empty() ? home_ : home_ + "/" + command.working_directory;
  spec.input = std::move(command.input);
  spec.self_limit = limit_of(command, deadline, scheduler_);
  co_return co_await async::run_child(scheduler_, deadline, std::move(spec));
}

}  // namespace hansa::connectors::transport
