// SPDX-License-Identifier: Apache-2.0
#pragma once
// The decisions of the past, to ask them again. As with the other stores (stores.hpp): callable from any strand.

#include "broker/async/task.hpp"
#include "broker/domain/decision.hpp"

#include <cstdint>
#include <vector>

namespace hansa::ports {

struct StoredDecision {
  std::int64_t sequence = 0;          // over all jobs, in commit order
  JobId job;
  domain::Decision decision;
};

struct DecisionQuery {
  UtcTime from{};                     // taken at or after
  UtcTime to{};                       // taken before
  std::int64_t after = 0;             // cursor: sequences above this one
  std::size_t limit = 100;
};

/// Bounded in time as well: so many decisions are looked at for one page, whether or not they are of the period. A page may be
/// empty although more follow.
struct DecisionPage {
  std::vector<StoredDecision> decisions;  // by sequence
  std::optional<std::int64_t> next;       // cursor; none: there are no more
};

class DecisionStore {
 public:
  virtual ~DecisionStore() = default;
  virtual async::Task<DecisionPage> decisions(DecisionQuery query) = 0;
  /// What a decision was taken from, by hash; not_found, NO_DOCUMENT.
  virtual async::Task<std::string> document(std::string hash) = 0;
};

}  // namespace hansa::ports
