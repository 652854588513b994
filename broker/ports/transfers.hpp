// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the broker keeps of transfers: each before its mover is told of it, its end before the mover may forget it, and how fast
// each pair of sites was seen to be. As with the other stores: a write returns when it is durable; callable from any strand.

#include "broker/async/task.hpp"
#include "broker/core/clock.hpp"
#include "broker/domain/transfer.hpp"

#include <vector>

namespace hansa::ports {

struct BegunTransfer {
  domain::Transfer transfer;
  UtcTime begun_at{};
  friend bool operator==(const BegunTransfer&, const BegunTransfer&) = default;
};

/// Of one direction between two sites.
struct LinkSpeed {
  SiteId from;
  SiteId to;
  domain::Bytes per_second{0};
  friend bool operator==(const LinkSpeed&, const LinkSpeed&) = default;
};

/// What the register believes to lie beneath a root.
struct Occupied {
  domain::Bytes bytes{0};
  std::int64_t files = 0;
  friend bool operator==(const Occupied&, const Occupied&) = default;
};

class TransferStore {
 public:
  virtual ~TransferStore() = default;

  /// Conflict, TRANSFER_UNDER_WAY: the dataset is on its way to that site already, or that id was used.
  virtual async::Task<> begin_transfer(BegunTransfer begun) = 0;
  /// How it ended, with what was measured if it was worth measuring. Repeating it changes nothing.
  virtual async::Task<> end_transfer(domain::TransferId id, domain::TransferOutcome outcome,
                                     std::optional<LinkSpeed> measured) = 0;
  /// In the order in which they began.
  virtual async::Task<std::vector<BegunTransfer>> transfers_under_way() = 0;
  /// What was measured last.
  virtual async::Task<std::vector<LinkSpeed>> link_speeds() = 0;
  /// What is on its way is not in it. Copies whose verification has ended do not count: the site has purged them, or may.
  virtual async::Task<Occupied> occupied(SiteId site, domain::RootName root, UtcTime now) = 0;
};

}  // namespace hansa::ports
