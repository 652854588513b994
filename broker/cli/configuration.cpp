// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "config/broker_config.hpp"
#include "config/reference.hpp"
#include "config/text_file.hpp"
#include "policies/rules/load.hpp"
#include "policies/rules/parse_pack.hpp"

#include <filesystem>

namespace hansa::cli {
namespace {

/// Where an installed `hansa` finds the packs that came with it, as `hansad` does.
std::filesystem::path shipped_packs() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return program.parent_path().parent_path() / "share" / "hansa" / "packs";
}

/// The packs that the file names: read, checked and tested, as a start of `hansad` would. How many rules they have.
Result<std::size_t> check_packs(const config::RulesConfig& rules) {
  std::vector<rules::PackText> texts;
  std::vector<Fault> faults;
  for (const auto& file : config::pack_files(rules, shipped_packs())) {
    if (auto text = config::read_text_file(file.string(), rules::kMostPackBytes))
      texts.push_back({.file = file.string(), .text = std::move(*text)});
    else
      faults.push_back({.where = file.string(), .message = text.error().message});
  }
  if (!faults.empty()) {
    auto error = fail(ErrorKind::invalid_argument, "BAD_RULE_PACK", "rules.packs names what cannot be read");
    error.error().faults = std::move(faults);
    return error;
  }
  if (texts.empty()) return std::size_t{0};
  const auto loaded = rules::load(texts);
  if (!loaded) return std::unexpected(loaded.error());
  return loaded->rules().size();
}

Result<config::BrokerConfig> checked(const std::string& file, std::size_t& rules) {
  auto config = config::load_broker_config(file);
  if (!config) return config;
  const auto packs = check_packs(config->rules);
  if (!packs) return std::unexpected(packs.error());
  rules = *packs;
  return config;
}

}  // namespace

Result<ExitStatus> config_check(Session& session, const Invocation& call) {
  const auto& file = call.operands()[0];
  std::size_t rules = 0;
  const auto config = checked(file, rules);
  if (call.has("--json")) {
    Json told{{"file", file}, {"valid", config.has_value()}, {"errors", Json::array()}};
    if (config) {
      told["sites"] = config->sites.size();
      told["projects"] = config->projects.size();
      told["rules"] = rules;
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
                ", projects: " + std::to_string(config->projects.size()) + ", rules: " + std::to_string(rules) + "\n");
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
