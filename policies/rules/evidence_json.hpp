// SPDX-License-Identifier: Apache-2.0
#pragma once
// Evidence as it is stored with a decision. What is read back is the same, whatever it is worth.

#include "broker/core/canonical_json.hpp"
#include "broker/core/error.hpp"
#include "policies/rules/facts.hpp"

namespace hansa::rules {

Json to_json(const Evidence& evidence);
/// Error: BAD_STORED_JSON.
Result<Evidence> evidence_from_json(const Json& json);

}  // namespace hansa::rules
