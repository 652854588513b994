// SPDX-License-Identifier: Apache-2.0
#pragma once
// What people tell the registers of places, projects and people: which attributes, and their values as requests have them.

#include "broker/core/canonical_json.hpp"
#include "broker/core/error.hpp"
#include "policies/rules/facts.hpp"

#include <string_view>
#include <vector>

namespace hansa::rules {

/// Names of the attributes that begin with `prefix` ("site.", "project.", "user.") and that a register tells: not the ids and the
/// kind of a place, which the broker itself knows.
std::vector<std::string_view> told_attributes(std::string_view prefix);

/// true, 12, "FI", "2027-01-31", ["iso-27001"]. Error: invalid_argument, BAD_FACT; each fault says what is allowed and what was
/// probably meant, where = "/value".
Result<Value> read_told(const Json& json, const AttributeRecord& record);

}  // namespace hansa::rules
