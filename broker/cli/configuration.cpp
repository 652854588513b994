// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "config/broker_config.hpp"
#include "config/reference.hpp"

namespace hansa::cli {

Result<ExitStatus> config_check(Session& session, const Invocation& call) {
  const auto& file = call.operands()[0];
  const auto config = config::load_broker_config(file);
  if (!config) {
    // A file that is not there is as wrong as one with faults in it; "not found" is for what the broker has.
    auto error = config.error();
    error.kind = ErrorKind::invalid_argument;
    return std::unexpected(std::move(error));
  }
  session.print(printable(file) + ": good; sites: " + std::to_string(config->sites.size()) +
                ", projects: " + std::to_string(config->projects.size()) + "\n");
  return ExitStatus::done;
}

Result<ExitStatus> config_reference(Session& session, const Invocation& call) {
  session.print(call.has("--man") ? config::reference_man() : config::reference_markdown());
  return ExitStatus::done;
}

Result<ExitStatus> version(Session& session, const Invocation& /*call*/) {
  session.print("hansa " HANSA_VERSION "\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
