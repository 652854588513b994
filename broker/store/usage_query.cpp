// SPDX-License-Identifier: Apache-2.0
#include "broker/store/usage_query.hpp"

#include "broker/store/ledger.hpp"
#include "broker/store/readers.hpp"
#include "broker/store/report_functions.hpp"

#include <algorithm>
#include <limits>

namespace hansa::store {
namespace {

using ports::Dimension;
using ports::ReportQuery;
using Take = std::function<Result<void>(const std::vector<std::string>& keys, const Used& used)>;

constexpr std::int64_t kDay = 86'400;

std::string_view column_of(Dimension dimension) {
  switch (dimension) {
    case Dimension::project: return "u.project";
    case Dimension::person: return "CASE WHEN p.owner = ?4 THEN p.owner ELSE coalesce(p.pseudonym, '') END";
    case Dimension::site: return "u.site";
    case Dimension::country: return "u.country";
    case Dimension::centre: return "c.centre";
    case Dimension::home: return "c.home";
    case Dimension::home_country: return "c.home_country";
    case Dimension::funding_body: return "c.funding_body";
    case Dimension::call: return "c.call";
    case Dimension::allocation: return "c.allocation";
    case Dimension::queue: return "u.queue";
    case Dimension::resource: return "c.resource";
    case Dimension::label: return "c.label";
    case Dimension::state: return "u.site_state";
    case Dimension::day: return "strftime('%Y-%m-%d', t.start, 'unixepoch')";
    case Dimension::month: return "strftime('%Y-%m', t.start, 'unixepoch')";
  }
  return "''";
}

// "t": the moment that a sum belongs to. `start` is its run's end, its day's beginning, or that of the day of a calendar.
constexpr std::string_view kOfDays =
    "wide_sum(u.runs), wide_sum(u.measured), wide_sum(u.elapsed_high, u.elapsed_low), wide_sum(u.core_high, u.core_low), "
    "wide_sum(u.gpu_high, u.gpu_low), wide_sum(u.node_high, u.node_low), wide_sum(u.energy_high, u.energy_low) "
    "FROM (SELECT *, day * 86400 AS start FROM usage_sums) u JOIN ledger_contexts c ON c.row = u.context "
    "WHERE u.start >= ?1 AND u.start < ?2 AND ?3 IS NULL AND ?4 IS NOT NULL AND ?5 IS NOT NULL";
constexpr std::string_view kOfRecords =
    "wide_sum(u.runs), wide_sum(iif(u.energy_j IS NULL, 0, u.runs)), wide_sum(u.elapsed_s), wide_sum(u.core_seconds), "
    "wide_sum(u.gpu_seconds), wide_sum(u.node_seconds), wide_sum(coalesce(u.energy_j, 0)) ";
constexpr std::string_view kOfSlices =
    "wide_sum(iif(u.ended_s >= t.start AND u.ended_s < t.stop, u.runs, 0)), "
    "wide_sum(iif(u.energy_j IS NOT NULL AND u.ended_s >= t.start AND u.ended_s < t.stop, u.runs, 0)), "
    "wide_sum(part_of(u.elapsed_s, u.begun, u.ended_s, t.start, t.stop)), "
    "wide_sum(part_of(u.core_seconds, u.begun, u.ended_s, t.start, t.stop)), "
    "wide_sum(part_of(u.gpu_seconds, u.begun, u.ended_s, t.start, t.stop)), "
    "wide_sum(part_of(u.node_seconds, u.begun, u.ended_s, t.start, t.stop)), "
    "wide_sum(part_of(coalesce(u.energy_j, 0), u.begun, u.ended_s, t.start, t.stop)) ";
// Months and days are whole days; the first and the last are cut at the period's bounds.
constexpr std::string_view kCalendar =
    "WITH RECURSIVE days(start) AS (SELECT ?1 UNION ALL SELECT (start / 86400 + 1) * 86400 FROM days "
    "WHERE (start / 86400 + 1) * 86400 < ?2), t AS (SELECT start, min((start / 86400 + 1) * 86400, ?2) AS stop FROM days) ";
constexpr std::string_view kOnePeriod = "WITH t AS (SELECT ?1 AS start, ?2 AS stop) ";

bool groups_by(const ReportQuery& query, Dimension dimension) { return std::ranges::find(query.by, dimension) != query.by.end(); }

/// What is not asked for still names its parameter.
std::string limits_of(const ReportQuery& query) {
  return std::string(query.within.projects.empty() ? " AND ?6 IS NULL" : " AND u.project IN (SELECT value FROM json_each(?6))") +
         (query.within.sites.empty() ? " AND ?7 IS NULL" : " AND u.site IN (SELECT value FROM json_each(?7))");
}

constexpr std::int64_t kFirstOfAll = std::numeric_limits<std::int64_t>::min() / 4;
constexpr std::int64_t kLastOfAll = std::numeric_limits<std::int64_t>::max() / 4;

Result<void> take_rows(Connection& db, const std::string& sql, const ReportQuery& query, std::size_t key_count,
                       const Take& take) {
  std::optional<std::string> projects, sites;
  if (!query.within.projects.empty()) projects = ids_as_json(query.within.projects);
  if (!query.within.sites.empty()) sites = ids_as_json(query.within.sites);
  auto row = db.query_composed(sql, second_of(query.from, kFirstOfAll), second_of(query.to, kLastOfAll), query.owner,
                               query.asked_by, query.size, projects, sites);
  std::vector<std::string> keys(key_count);
  while (row.next()) {
    int column = 0;
    for (auto& key : keys) key = row.string(column++);
    Used used;
    for (auto* amount : {&used.runs, &used.with_energy, &used.elapsed_s, &used.core_seconds, &used.gpu_seconds,
                         &used.node_seconds, &used.energy_j})
      *amount = wide_at(row, column++);
    if (!keys.empty() && used == Used{}) continue;
    if (auto taken = take(keys, used); !taken) return taken;
  }
  return {};
}

Result<void> run(Connection& db, const std::string& sql, const ReportQuery& query, std::size_t key_count, const Take& take) {
  auto taken = take_rows(db, sql, query, key_count, take);
  db.forget(sql);  // dimensions have more orders than a connection should keep
  return taken;
}

/// The keys, and where they stand.
std::string keys_of(const ReportQuery& query, const std::vector<std::string_view>& more, std::string_view start,
                    std::string& places) {
  std::string columns;
  int place = 0;
  const auto add = [&](std::string column) {
    if (const auto at = column.find("t.start"); at != std::string::npos) column.replace(at, 7, start);
    columns += column + ", ";
    places += (places.empty() ? "" : ", ") + std::to_string(++place);
  };
  for (const auto dimension : query.by) add(std::string(column_of(dimension)));
  for (const auto column : more) add(column == kOwnerOfRun ? "coalesce(p.owner, '')" : "c." + std::string(column));
  return columns;
}

std::string grouped(std::string sql, const std::string& places) {
  return places.empty() ? sql : sql + " GROUP BY " + places + " ORDER BY " + places;
}

}  // namespace

std::int64_t second_of(const std::optional<UtcTime>& time, std::int64_t otherwise) {
  return time ? std::chrono::ceil<Seconds>(*time).time_since_epoch().count() : otherwise;
}

Used& Used::operator+=(const Used& more) {
  runs += more.runs;
  with_energy += more.with_energy;
  elapsed_s += more.elapsed_s;
  core_seconds += more.core_seconds;
  gpu_seconds += more.gpu_seconds;
  node_seconds += more.node_seconds;
  energy_j += more.energy_j;
  return *this;
}

bool is_of_days(Connection& db, const ReportQuery& query) {
  const auto is_midnight = [](const std::optional<UtcTime>& time) { return !time || second_of(time, 0) % kDay == 0; };
  if (query.sliced || query.owner || groups_by(query, Dimension::person) || groups_by(query, Dimension::state) ||
      !is_midnight(query.from) || !is_midnight(query.to))
    return false;
  return ledger_size(db) == query.size;  // else something was booked since
}

Result<void> each_sum_of_records(Connection& db, const ReportQuery& query, const std::vector<std::string_view>& more,
                                 const Take& take) {
  std::string places;
  const auto keys = keys_of(query, more, query.sliced ? "t.start" : "u.ended_s", places);
  const bool of_persons =
      query.owner || groups_by(query, Dimension::person) || std::ranges::find(more, kOwnerOfRun) != more.end();
  const std::string source =
      "ledger_contexts c ON c.row = u.context" +
      std::string(of_persons ? " LEFT JOIN ledger_persons p ON p.seq = iif(u.kind = 'usage', u.seq, u.refers_to)" : "");
  const std::string whose = query.owner ? " AND p.owner = ?3" : " AND ?3 IS NULL";
  if (!query.sliced) {
    return run(db,
               grouped("SELECT " + keys + std::string(kOfRecords) + "FROM ledger u JOIN " + source +
                           " WHERE u.body IS NULL AND u.ended_s >= ?1 AND u.ended_s < ?2" + whose +
                           " AND ?4 IS NOT NULL AND u.seq < ?5" + limits_of(query),
                       places),
               query, query.by.size() + more.size(), take);
  }
  const bool by_time = groups_by(query, Dimension::day) || groups_by(query, Dimension::month);
  if (by_time && (!query.from || !query.to))
    return fail(ErrorKind::invalid_argument, "NO_PERIOD", "runs are cut at the bounds of days of a period: give from and to");
  return run(
      db,
      grouped(std::string(by_time ? kCalendar : kOnePeriod) + "SELECT " + keys + std::string(kOfSlices) +
                  "FROM (SELECT *, iif(started_s < 0 OR started_s > ended_s, ended_s, started_s) AS begun FROM ledger "
                  "WHERE body IS NULL AND ended_s >= ?1 AND seq < ?5) u JOIN t ON u.ended_s >= t.start AND u.begun < t.stop "
                  "JOIN " +
                  source + " WHERE u.begun < ?2 AND ?4 IS NOT NULL" + whose + limits_of(query),
              places),
      query, query.by.size() + more.size(), take);
}

Result<void> each_sum(Connection& db, const ReportQuery& query, const std::vector<std::string_view>& more, const Take& take) {
  if (!is_of_days(db, query)) return each_sum_of_records(db, query, more, take);
  std::string places;
  const auto keys = keys_of(query, more, "u.start", places);
  return run(db, grouped("SELECT " + keys + std::string(kOfDays) + limits_of(query), places), query,
             query.by.size() + more.size(), take);
}

}  // namespace hansa::store
