// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/run.hpp"

#include "broker/cli/commands.hpp"

namespace hansa::cli {
namespace {

config::ClientSettings flags_of(const Invocation& call) {
  config::ClientSettings flags;
  if (const auto url = call.value("--url")) flags.url = std::string(*url);
  if (const auto file = call.value("--token-file")) flags.token_file = std::string(*file);
  if (const auto file = call.value("--ca-file")) flags.ca_file = std::string(*file);
  return flags;
}

}  // namespace

ExitStatus run(std::span<const char* const> arguments, Surroundings& outside) {
  const auto call = parse_command_line(commands(), arguments);
  Session session(outside, call ? flags_of(*call) : config::ClientSettings{});
  if (!call) {
    session.complain(call.error());
    return exit_status(call.error().kind);
  }
  if (call->has("--help")) {
    session.print(call->command() == nullptr ? overview(commands()) : help(commands(), *call->command()));
    return ExitStatus::done;
  }
  const auto status = call->has("--version") ? version(session, *call) : call->command()->run(session, *call);
  if (status) return *status;
  session.complain(status.error());
  return exit_status(status.error().kind);
}

}  // namespace hansa::cli
