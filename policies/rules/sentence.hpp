// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rules as sentences, made from the rules themselves, so that what people read is what is evaluated.

#include "policies/rules/pack.hpp"

#include <span>
#include <string>

namespace hansa::rules {

/// "the site's country is in EEA@2026-01"
std::string sentence(const Clause& clause);
/// "Forbids place and stage_in when the dataset's labels include any of personal, unless the site's country is in EEA@2026-01."
std::string sentence(const Rule& rule);
/// "all copies at the site must be wiped within 24 h of the job's end"
std::string sentence_of_obligation(const std::string& obligation);

/// "a", "a and b", "a, b and c".
std::string conjunction(std::span<const std::string> parts);

}  // namespace hansa::rules
