// SPDX-License-Identifier: Apache-2.0
#pragma once
// Usage: each run booked into the ledger once, only for attempts of ours. A record that its site changed is taken back and booked
// anew. What was refused is counted, by reason.

#include "broker/ports/stores.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

struct BookRequest {
  SiteId site;
  std::string country;
  std::vector<domain::UsageRecord> records;
  ports::UsageCursor next;
  UtcTime at{};
  std::string salts;  // kSaltBytes for each record
};
inline constexpr std::size_t kSaltBytes = 16;

/// Returns how many were new, corrected ones among them.
Result<std::size_t> book_usage(Connection& db, BookRequest request);
Result<ports::UsageCursor> read_usage_cursor(Connection& db, const SiteId& site);
/// Rows in the order of their keys. Without groups: one row, the total.
Result<std::vector<ports::UsageRow>> read_usage_report(Connection& db, const ports::UsageQuery& query);
Result<std::vector<domain::UsageRecord>> read_usage_of(Connection& db, JobId id);
Result<ports::GpuUsePage> read_gpu_use_after(Connection& db, std::int64_t last);

}  // namespace hansa::store
