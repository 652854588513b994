// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the API answers about changes of facts. Fields without a value are null.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/fact.hpp"

namespace hansa::wire {

/// true, 12, "FI", "2027-01-31T00:00:00Z", ["iso-27001"].
Json value_view(const domain::FactValue& value);
/// As change_view of a dataset's, with "subject" and "attribute" for the dataset.
Json change_view(const domain::FactChange& change);

}  // namespace hansa::wire
