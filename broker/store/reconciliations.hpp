// SPDX-License-Identifier: Apache-2.0
#pragma once
// What sites' accounting says when it is asked anew, held against the ledger; the statements of that, and what people said of the
// differences.

#include "broker/ports/reconciliation.hpp"
#include "broker/store/usage.hpp"

#include <functional>

namespace hansa::store {

/// `request.next` is not used: the cursor stays.
Result<ports::Compared> compare_usage(Connection& db, const BookRequest& request, Seconds tolerance);
Result<std::vector<ports::StandingRun>> read_standing_runs(Connection& db, const SiteId& site, UtcTime from, UtcTime to,
                                                           const std::optional<ports::StandingRun>& after, std::size_t limit);
Result<void> keep_reconciliation(Connection& db, const ports::Reconciliation& made,
                                 const std::vector<ports::Difference>& differences);
/// Newest first, as many as are wanted. What `take` answers ends it.
Result<void> each_reconciliation(Connection& db, const ports::ReconciliationQuery& query,
                                 const std::function<Result<void>(ports::Reconciliation)>& take);
Result<std::vector<ports::Reconciliation>> read_reconciliations(Connection& db, ports::ReconciliationQuery query);
Result<std::vector<ports::Difference>> read_differences(Connection& db, const std::string& reconciliation);
Result<void> explain(Connection& db, const SiteId& site, const std::string& key, const ports::Explanation& explanation);
Result<std::optional<ports::Explanation>> read_explanation(Connection& db, const SiteId& site, const std::string& key);

}  // namespace hansa::store
