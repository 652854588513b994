// SPDX-License-Identifier: Apache-2.0
#pragma once
// Transfers of datasets, from before their mover is told of them to their end, and how fast links were seen to be.

#include "broker/ports/transfers.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

struct EndRequest {
  domain::TransferId id;
  domain::TransferOutcome outcome;
  std::optional<ports::LinkSpeed> measured;
};

Result<void> begin_transfer(Connection& db, const ports::BegunTransfer& begun);
Result<void> end_transfer(Connection& db, const EndRequest& request);
Result<std::vector<ports::BegunTransfer>> read_transfers_under_way(Connection& db);
Result<std::vector<ports::LinkSpeed>> read_link_speeds(Connection& db);
Result<ports::Occupied> read_occupied(Connection& db, const SiteId& site, const domain::RootName& root, UtcTime now);

}  // namespace hansa::store
