// SPDX-License-Identifier: Apache-2.0
#pragma once
// A decision's input as it is kept, and the same decision from it again, bit for bit. What the sites' queues looked like is
// in the documents of their profiles (profile.hpp), what the job asked for in its specification; the input document has
// everything else, and the profiles' hashes. So all jobs of one shape that a verdict holds for share one input.

#include "policies/routing/decide.hpp"

namespace hansa::routing {

/// Canonical JSON; its SHA-256 is the decision's input_hash.
std::string input_document(const DecisionInput& input);

/// Decides again about `spec`, from the input of that hash. Errors: what `fetch` returns, BAD_DOCUMENT, BAD_STORED_JSON.
Result<domain::Decision> replay(const domain::JobSpec& spec, const std::string& input_hash, const FetchDocument& fetch);

/// What the rules were asked about, from an input document: {"job": [...], "datasets": [[...]], "sites": [{"id", "facts"}]}, the
/// facts as evidence_json.hpp has them. Null if no rule was asked.
Json evidence_in(const Json& input);

}  // namespace hansa::routing
