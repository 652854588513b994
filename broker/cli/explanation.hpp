// SPDX-License-Identifier: Apache-2.0
#pragma once
// A decision for people: where the job goes and why in one sentence, then one line for each site.

#include "broker/cli/text.hpp"
#include "broker/core/canonical_json.hpp"

#include <string>

namespace hansa::cli {

/// `decision` as GET /v1/jobs/{id}/explain and a dry run have it.
std::string explanation(const Json& decision, const Look& look);

/// No site could ever take it.
bool is_never(const Json& decision);

}  // namespace hansa::cli
