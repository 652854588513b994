// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the handlers of the registers share: of datasets, and of facts about places, projects and people.

#include "broker/api/answers.hpp"

namespace hansa::api {

/// What the caller may see of the datasets, where that is not everything.
std::optional<ports::Audience> audience(const Exchange& exchange);
/// The dataset, if the caller may do this to it; as if it did not exist to whom may not even see it.
async::Task<domain::Dataset> find_dataset(const Exchange& exchange, DatasetId id, identity::Action action);
identity::Object object_of(const domain::Dataset& dataset);
identity::Object object_of(const domain::FactSubject& subject);

http::Response outcome_answer(const Exchange& exchange, int status, const engine::CatalogueOutcome& outcome);
http::Response outcome_answer(int status, const engine::FactOutcome& outcome);

/// What rules may ask of somebody, who said it, and whether it counts at that moment.
Json facts_view(const engine::RegisterFacts& facts, UtcTime now);

}  // namespace hansa::api
