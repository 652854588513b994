// SPDX-License-Identifier: Apache-2.0
#pragma once
// From configuration to what rules rest on, for hansad and hansa-agent alike.

#include "broker/core/error.hpp"
#include "config/broker_config.hpp"
#include "policies/rules/load.hpp"
#include "policies/rules/register_facts.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace hansa::connectors::assembly {

/// Id and kind (of the vocabulary's words) are the configuration's own; the rest counts from the day on which the place's
/// operator said it.
rules::RegisterFacts facts_of_place(const std::string& id, std::string kind, const std::string& country,
                                    const config::PlaceFacts& told);
rules::RegisterFacts facts_of_project(const config::ProjectFacts& told);
rules::RegisterFacts facts_of_person(const config::PersonConfig& person);

/// Where the packs lie that come with Hansa: beside the folder of its programs, in the build tree as where it is installed.
std::filesystem::path shipped_packs(const std::filesystem::path& program_folder);

/// BAD_RULE_PACK: files that cannot be read.
Result<std::vector<rules::PackText>> read_packs(const config::RulesConfig& config, const std::filesystem::path& shipped);

/// "gdpr-eea 1.0.0, open-science 1.0.0"
std::string packs_in(const rules::RuleSet& rules);

}  // namespace hansa::connectors::assembly
