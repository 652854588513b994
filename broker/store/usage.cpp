// SPDX-License-Identifier: Apache-2.0
#include "broker/store/usage.hpp"

#include "broker/store/jobs.hpp"

#include <algorithm>
#include <array>

namespace hansa::store {
namespace {

using domain::UsageRecord;

constexpr std::int64_t kNeverStarted = -1;  // a NULL would be distinct from every other NULL in the unique key

constexpr char kSelectAttempt[] =
    "SELECT j.row, j.owner, j.project, a.account FROM jobs j JOIN attempts a ON a.job = j.row "
    "WHERE j.id = ?1 AND a.number = ?2 AND a.site = ?3 AND a.site_job_id = ?4";
// A further submission of the attempt, which the engine has recorded as such.
constexpr char kSelectTwin[] =
    "SELECT j.row, j.owner, j.project, a.account FROM jobs j JOIN attempts a ON a.job = j.row "
    "WHERE j.id = ?1 AND a.number = ?2 AND a.site = ?3 AND EXISTS (SELECT 1 FROM events e WHERE e.job = j.row "
    "AND e.name = 'sighting_quarantined' AND e.body ->> '$.attempt' = ?2 AND e.body ->> '$.site_job_id' = ?4 "
    "AND e.body ->> '$.reason_code' = 'DUPLICATE')";
constexpr char kInsertRecord[] =
    "INSERT INTO usage_records(job, attempt, owner, project, site, country, cluster, site_job_id, submitted_s, started_s, "
    "ended_s, account, "
    "scheduler_account, queue, site_state, exit_code, elapsed_s, nodes, cores, gpus, core_seconds, gpu_seconds, node_seconds, "
    "source_line) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24) "
    "ON CONFLICT DO NOTHING";
constexpr char kMoveCursor[] =
    "INSERT INTO site_usage(site, cursor, refused) VALUES(?1, ?2, ?3) "
    "ON CONFLICT(site) DO UPDATE SET cursor = excluded.cursor, refused = refused + excluded.refused";
constexpr char kSelectCursor[] = "SELECT cursor FROM site_usage WHERE site = ?1";
constexpr char kSelectOfJob[] =
    "SELECT u.site, u.cluster, u.site_job_id, j.id, u.attempt, u.account, u.scheduler_account, u.queue, u.submitted_s, "
    "u.started_s, u.ended_s, "
    "u.site_state, u.exit_code, u.elapsed_s, u.nodes, u.cores, u.gpus, u.core_seconds, u.gpu_seconds, u.node_seconds, "
    "u.source_line "
    "FROM jobs j JOIN usage_records u ON u.job = j.row WHERE j.id = ?1 ORDER BY u.sequence";
constexpr char kSelectGpuUse[] =
    "SELECT u.project, iif(j.spec ->> '$.variants' IS NULL, j.spec ->> '$.gpu_model', NULL), sum(u.gpu_seconds), max(u.sequence) "
    "FROM usage_records u JOIN jobs j ON j.row = "
    "u.job "
    "WHERE u.sequence > ?1 AND u.gpu_seconds > 0 GROUP BY 1, 2 ORDER BY 1, 2";
constexpr std::string_view kSums =
    "count(*), coalesce(sum(elapsed_s), 0), coalesce(sum(core_seconds), 0), coalesce(sum(gpu_seconds), 0), "
    "coalesce(sum(node_seconds), 0)";

std::string_view column_of(ports::UsageGroup group) {
  using enum ports::UsageGroup;
  switch (group) {
    case project: return "project";
    case owner: return "owner";
    case site: return "site";
    case country: return "country";
    case queue: return "queue";
    case account: return "account";
    case day: return "strftime('%Y-%m-%d', ended_s, 'unixepoch')";
    case month: return "strftime('%Y-%m', ended_s, 'unixepoch')";
    case state: return "site_state";
  }
  return "''";
}

/// No run used less than nothing, or more than ten million cores in three years. What is booked is never changed: one
/// such amount would spoil every sum, or overflow it and leave no report at all.
bool is_possible(const UsageRecord& record) {
  constexpr std::int64_t kMost = 1'000'000'000'000'000;
  return std::ranges::all_of(
      std::to_array<std::int64_t>({record.elapsed.count(), record.nodes, record.cores, record.gpus, record.core_seconds.value,
                                   record.gpu_seconds.value, record.node_seconds.value}),
      [](std::int64_t amount) { return amount >= 0 && amount <= kMost; });
}

/// The row that `attempt` stands at says whose the run is.
bool book_for(Connection& db, const BookRequest& request, const UsageRecord& record, std::int32_t number, Statement attempt,
              std::size_t& booked) {
  if (!attempt.next()) return false;
  const auto account = attempt.text(3);
  if (!account.empty() && account != record.account.str()) return false;  // empty: the broker's own, whatever its name there

  booked += static_cast<std::size_t>(db.execute(
      kInsertRecord, attempt.integer(0), number, attempt.text(1), attempt.text(2), record.site, request.country, record.cluster,
      record.site_job_id, to_unix_seconds(record.submitted_at),
      record.started_at ? to_unix_seconds(*record.started_at) : kNeverStarted, to_unix_seconds(record.ended_at), record.account,
      record.scheduler_account, record.queue, record.site_state, record.exit_code, record.elapsed.count(), record.nodes,
      record.cores, record.gpus, record.core_seconds, record.gpu_seconds, record.node_seconds, record.source_line));
  return true;
}

/// False: not ours, or nonsense. Anybody can give a job of their own one of our tags.
bool book(Connection& db, const BookRequest& request, const UsageRecord& record, std::size_t& booked) {
  const auto tag = domain::parse_tag(record.tag.str());
  if (!tag || record.site != request.site || record.site_job_id.empty() || !is_possible(record)) return false;
  const auto book_as = [&](const char* attempt) {
    const auto& bound_to = record.array_id.empty() ? record.site_job_id : record.array_id;
    return book_for(db, request, record, tag->attempt, db.query(attempt, tag->job, tag->attempt, record.site, bound_to), booked);
  };
  return book_as(kSelectAttempt) || book_as(kSelectTwin);
}

}  // namespace

Result<std::size_t> book_usage(Connection& db, const BookRequest& request) {
  std::size_t booked = 0;
  std::int64_t refused = 0;
  for (const auto& record : request.records) {
    if (!book(db, request, record, booked)) ++refused;
  }
  db.execute(kMoveCursor, request.site, request.next.text, refused);
  return booked;
}

Result<ports::UsageCursor> read_usage_cursor(Connection& db, const SiteId& site) {
  auto row = db.query(kSelectCursor, site);
  return ports::UsageCursor{row.next() ? row.string(0) : ""};
}

Result<std::vector<ports::UsageRow>> read_usage_report(Connection& db, const ports::UsageQuery& query) {
  std::string columns;
  std::string places;  // "1, 2": by position, so that an expression is computed once
  for (std::size_t i = 0; i < query.by.size(); ++i) {
    columns.append(column_of(query.by[i])).append(", ");
    places.append(i == 0 ? "" : ", ").append(std::to_string(i + 1));
  }
  std::string sql = "SELECT " + columns + std::string(kSums) + " FROM usage_records WHERE 1";
  sql += query.from ? " AND ended_s >= ?1" : " AND ?1 IS NULL";
  sql += query.to ? " AND ended_s < ?2" : " AND ?2 IS NULL";
  sql += query.owner ? " AND owner = ?3" : " AND ?3 IS NULL";
  if (!places.empty()) sql += " GROUP BY " + places + " ORDER BY " + places;

  // Whole seconds are stored: a bound within a second is rounded up, so that "at or after" and "before" keep their meaning.
  const auto seconds = [](const std::optional<UtcTime>& t) {
    return t ? std::optional(std::chrono::ceil<Seconds>(*t).time_since_epoch().count()) : std::nullopt;
  };
  std::vector<ports::UsageRow> report;
  auto rows = db.query_composed(sql, seconds(query.from), seconds(query.to), query.owner);
  while (rows.next()) {
    ports::UsageRow row;
    int column = 0;
    for (; column < static_cast<int>(query.by.size()); ++column) row.keys.push_back(rows.string(column));
    row.runs = rows.integer(column);
    row.elapsed = Seconds(rows.integer(column + 1));
    row.core_seconds = {rows.integer(column + 2)};
    row.gpu_seconds = {rows.integer(column + 3)};
    row.node_seconds = {rows.integer(column + 4)};
    report.push_back(std::move(row));
  }
  return report;
}

Result<ports::GpuUsePage> read_gpu_use_after(Connection& db, std::int64_t last) {
  ports::GpuUsePage page{.uses = {}, .last = last};
  auto rows = db.query(kSelectGpuUse, last);
  while (rows.next()) {
    page.uses.push_back({.project = ProjectId(rows.text(0)), .gpu_model = rows.string(1), .gpu_seconds = {rows.integer(2)}});
    page.last = std::max(page.last, rows.integer(3));
  }
  return page;
}

Result<std::vector<UsageRecord>> read_usage_of(Connection& db, JobId id) {
  if (!find_row(db, id)) return no_such_job(id);
  std::vector<UsageRecord> records;
  auto rows = db.query(kSelectOfJob, id);
  while (rows.next()) {
    UsageRecord record;
    record.site = SiteId(rows.text(0));
    record.cluster = rows.string(1);
    record.site_job_id = SiteJobId(rows.text(2));
    record.tag = domain::make_tag(rows.job_id(3), rows.integer32(4));
    record.account = LocalAccount(rows.text(5));
    record.scheduler_account = rows.string(6);
    record.queue = QueueName(rows.text(7));
    record.submitted_at = from_unix_seconds(rows.integer(8));
    if (rows.integer(9) != kNeverStarted) record.started_at = from_unix_seconds(rows.integer(9));
    record.ended_at = from_unix_seconds(rows.integer(10));
    record.site_state = rows.string(11);
    record.exit_code = rows.optional_integer32(12);
    record.elapsed = Seconds(rows.integer(13));
    record.nodes = rows.integer32(14);
    record.cores = rows.integer32(15);
    record.gpus = rows.integer32(16);
    record.core_seconds = {rows.integer(17)};
    record.gpu_seconds = {rows.integer(18)};
    record.node_seconds = {rows.integer(19)};
    record.source_line = rows.string(20);
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace hansa::store
