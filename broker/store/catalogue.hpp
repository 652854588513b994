// SPDX-License-Identifier: Apache-2.0
#pragma once
// Datasets, replicas, and the append-only log of what was changed about them and who said so.

#include "broker/ports/catalogue.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

Result<void> record_step(Connection& db, const ports::CatalogueStep& step);
Result<domain::Dataset> read_dataset(Connection& db, const DatasetId& id);
Result<std::vector<domain::Dataset>> read_datasets(Connection& db, const ports::DatasetQuery& query);
Result<domain::DatasetChange> read_change(Connection& db, domain::ChangeId id);
Result<std::vector<domain::DatasetChange>> read_changes(Connection& db, const ports::ChangeQuery& query);

}  // namespace hansa::store
