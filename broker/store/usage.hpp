// SPDX-License-Identifier: Apache-2.0
#pragma once
// Usage: each run booked into the ledger once, only for attempts of ours. A record that its site changed is taken back and booked
// anew. What was refused is counted, by reason.

#include "broker/domain/accounting.hpp"
#include "broker/ports/stores.hpp"
#include "broker/store/connection.hpp"

#include <map>

namespace hansa::store {

struct BookRequest {
  SiteId site;
  std::string country;  // as the records: well_formed()
  std::vector<domain::UsageRecord> records;  // make_well_formed()
  ports::UsageCursor next;
  UtcTime at{};
  std::string salts;  // kSaltBytes for each record
  domain::SiteAccounting place = {};
  const std::map<ProjectId, domain::ProjectAccounting>* projects = nullptr;  // null: nothing is told of any
};
/// The most of anything that one run may have used. What is booked is never changed: a larger amount would spoil every sum.
inline constexpr std::int64_t kMostAmount = 9'000'000'000'000;
/// As canonical JSON writes it, so that columns and index hold what is hashed.
std::string well_formed(std::string text);

/// Why a record is not booked (ports::UsageRefusal): it is of no attempt of ours.
inline constexpr std::string_view kNotOurs = "NOT_OURS";
/// What alone would keep a record from being booked; "": nothing.
std::string_view why_not_booked(Connection& db, const SiteId& site, const domain::UsageRecord& record);
/// All texts that are hashed as they are; of the source line the hash is, and its bytes are evidence.
void make_well_formed(domain::UsageRecord& record);

/// Returns how many were new, corrected ones among them.
Result<std::size_t> book_usage(Connection& db, const BookRequest& request);
Result<ports::UsageCursor> read_usage_cursor(Connection& db, const SiteId& site);
/// What the job's data are: the labels of its script, its datasets as they are registered now, and its project, in their order,
/// joined by "+".
std::string labels_of(Connection& db, std::int64_t job_row, const domain::ProjectAccounting* project);
/// Rows in the order of their keys. Without groups: one row, the total.
Result<std::vector<ports::UsageRow>> read_usage_report(Connection& db, const ports::UsageQuery& query);
Result<std::vector<domain::UsageRecord>> read_usage_of(Connection& db, JobId id);
Result<ports::GpuUsePage> read_gpu_use_after(Connection& db, std::int64_t last);

}  // namespace hansa::store
