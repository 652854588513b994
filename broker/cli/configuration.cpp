// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "config/broker_config.hpp"
#include "config/reference.hpp"

namespace hansa::cli {

Result<ExitStatus> config_check(Session& session, const Invocation& call) {
  const auto& file = call.operands()[0];
  const auto config = config::load_broker_config(file);
  if (call.has("--json")) {
    Json told{{"file", file}, {"valid", config.has_value()}, {"errors", Json::array()}};
    if (config) {
      told["sites"] = config->sites.size();
      told["projects"] = config->projects.size();
    } else if (config.error().faults.empty()) {
      told["errors"].push_back({{"place", file}, {"detail", config.error().message}});
    } else {
      for (const auto& [place, detail] : config.error().faults) told["errors"].push_back({{"place", place}, {"detail", detail}});
    }
    session.print(told.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    return config ? ExitStatus::done : ExitStatus::usage;
  }
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

Result<ExitStatus> version(Session& session, const Invocation& call) {
  session.print(call.has("--json") ? "{\"version\":\"" HANSA_VERSION "\"}\n" : "hansa " HANSA_VERSION "\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
