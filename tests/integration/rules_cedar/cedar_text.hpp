// SPDX-License-Identifier: Apache-2.0
#pragma once
// Our rules as Cedar policies, and our evidence as a Cedar context. Cedar has no third truth value: what is unknown is spelled
// out, and so are the source and the age of each fact, which Cedar judges itself.

#include "broker/core/canonical_json.hpp"
#include "tests/unit/rules/random_rules.hpp"

namespace hansa::rules::test {

/// All rules of `pack` in Cedar's language.
std::string cedar_policies(const Pack& pack);

/// One context a dataset, or a single one for a job without any. Facts that Cedar's types cannot hold (ill-typed, told twice) are
/// left out: to Cedar they are missing, which is what they are to us.
Json cedar_contexts(const Question& question);

}  // namespace hansa::rules::test
