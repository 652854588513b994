// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the registers of places, projects and people are asked to say from now on. Every fault is found at once, each with its
// JSON pointer. Error: invalid_argument, code BAD_REQUEST.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/fact.hpp"

#include <optional>
#include <string>

namespace hansa::wire {

struct FactRequest {
  domain::FactKey key;                // of the vocabulary and such a subject, or not
  std::optional<Json> value;          // none: null, nothing is to be known; what it may be is the vocabulary's question
  std::optional<UtcTime> as_of;
  std::optional<UtcTime> until;
  std::string evidence;
  std::string reason;
};
/// {"subject", "attribute", "value", "as_of", "until", "evidence", "reason"}; beside "value": null only the reason.
Result<FactRequest> fact_from_json(const Json& json);

}  // namespace hansa::wire
