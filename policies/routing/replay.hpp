// SPDX-License-Identifier: Apache-2.0
#pragma once
// A decision's input as it is kept, and the same decision from it again, bit for bit. What the sites' queues looked like is
// in the documents of their profiles (profile.hpp); here stands everything else, and the documents' hashes.

#include "policies/routing/decide.hpp"

namespace hansa::routing {

Json to_json(const DecisionInput& input);

/// Decides again. Errors: what `fetch` returns, BAD_REDUCED_SNAPSHOT, BAD_STORED_JSON.
Result<domain::Decision> replay(const Json& input, const FetchDocument& fetch);

}  // namespace hansa::routing
