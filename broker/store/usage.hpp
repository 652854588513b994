// SPDX-License-Identifier: Apache-2.0
#pragma once
// Usage records: booked once each, only for attempts of ours, never changed.

#include "broker/ports/stores.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

struct BookRequest {
  SiteId site;
  std::string country;
  std::vector<domain::UsageRecord> records;
  ports::UsageCursor next;
};

/// Returns how many were new.
Result<std::size_t> book_usage(Connection& db, const BookRequest& request);
Result<ports::UsageCursor> read_usage_cursor(Connection& db, const SiteId& site);
/// Rows in the order of their keys. Without groups: one row, the total.
Result<std::vector<ports::UsageRow>> read_usage_report(Connection& db, const ports::UsageQuery& query);
Result<std::vector<domain::UsageRecord>> read_usage_of(Connection& db, JobId id);
Result<ports::GpuUsePage> read_gpu_use_after(Connection& db, std::int64_t last);

}  // namespace hansa::store
