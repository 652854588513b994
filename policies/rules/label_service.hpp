// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether there is a place for data of each label: for some person, project and dataset, at some time.

#include "policies/rules/check.hpp"

namespace hansa::rules {

/// A fault for each label that rules speak of and that none of `sites` could ever hold, with what stands in the way at each.
std::vector<Fault> unserved_labels(std::span<const Pack> packs, std::span<const SiteFacts> sites, const std::string& sites_file);

}  // namespace hansa::rules
