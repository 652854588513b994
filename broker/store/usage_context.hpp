// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a usage record says besides what its site's accounting does: whose job it was and at whose expense, what its data were,
// what energy it took.

#include "broker/domain/usage.hpp"
#include "broker/ledger/record.hpp"
#include "broker/store/usage.hpp"

#include <map>
#include <utility>

namespace hansa::store {

/// Of one page of a site's records.
class UsageContexts {
 public:
  UsageContexts(Connection& db, const BookRequest& request) : db_(db), request_(request) {}

  /// Whether the job's specification, as it is stored (domain::canonical_text), says anything that is told of its runs.
  static bool has_more(std::string_view spec);
  /// Context and energy of the run that the record tells of. `has_more`: of its specification, or of what it is charged to; most
  /// jobs have none, and looking for it costs as much as booking.
  void tell(ledger::UsageEntry& entry, const domain::UsageRecord& record, std::int64_t job_row, bool has_more);

 private:
  struct AboutJob {
    std::string gpu_model, label, allocation;
    bool is_exclusive = false;
  };
  const AboutJob& about(std::int64_t job_row, std::int32_t attempt, const domain::ProjectAccounting* project);

  Connection& db_;
  const BookRequest& request_;
  std::map<std::pair<std::int64_t, std::int32_t>, AboutJob> about_;  // by row and attempt
};

/// No revision of a run changes whose it was; and a configuration that says something else now changes no record.
void keep_context(ledger::UsageEntry& now, const ledger::UsageEntry& before, bool is_measured);

}  // namespace hansa::store
