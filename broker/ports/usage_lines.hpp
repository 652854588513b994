// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger's usage records that are in force, one run a line, in the order in which the runs ended: what formats for exchange
// are made of. Pages, so that neither side holds more than one; all of them of one size of the ledger, so that what is booked
// meanwhile does not show.
//
// Strand: any.

#include "broker/async/task.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hansa::ports {

/// A line's place: no two have the same.
struct UsagePlace {
  std::int64_t ended_s = 0;  // UTC seconds
  std::int64_t seq = 0;      // of the record
};

struct UsageLinesQuery {
  UtcTime from{}, to{};              // ended at or after, and before
  std::optional<SiteId> site;        // none: all
  std::int64_t size = 0;             // the first so many records of the ledger alone
  std::optional<UsagePlace> after;   // none: from the first on
  std::size_t limit = 1'000;         // and no more once they come to kLedgerPageBytes
};

struct UsageLine {
  UsagePlace place;
  std::string record;  // what is hashed, of kind usage; not reversed
  // What adjustments of it add, all of them together; mostly 0.
  std::int64_t adjusted_elapsed_s = 0, adjusted_core_seconds = 0, adjusted_gpu_seconds = 0, adjusted_node_seconds = 0;
  std::string pseudonym, owner, account;  // of the personal part; "" once it is erased
};

class UsageLineStore {
 public:
  virtual ~UsageLineStore() = default;
  /// Empty only behind the last.
  virtual async::Task<std::vector<UsageLine>> usage_lines(UsageLinesQuery query) = 0;
};

}  // namespace hansa::ports
