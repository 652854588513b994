// SPDX-License-Identifier: Apache-2.0
#include "broker/store/estimates.hpp"

#include <algorithm>
#include <map>

namespace hansa::store {
namespace {

constexpr char kInsertWait[] =
    "INSERT INTO waits(site, number, job, attempt, owner, project, size_class, basis, predicted_s, p50_s, p90_s, actual_s, "
    "started_s) "
    "SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 FROM waits WHERE site = ?1";
constexpr char kForgetWaits[] =
    "DELETE FROM waits WHERE site = ?1 AND number <= (SELECT max(number) FROM waits WHERE site = ?1) - ?2";
constexpr char kSelectRecentWaits[] =
    "SELECT attempt, project, size_class, basis, predicted_s, p50_s, p90_s, actual_s, started_s FROM waits WHERE site = ?1 "
    "ORDER BY number DESC LIMIT ?2";
constexpr char kSelectWaits[] =
    "SELECT site, size_class, project, basis, p50_s, p90_s, actual_s FROM waits WHERE started_s >= ?1 AND (?2 IS NULL OR owner = "
    "?2)";

std::optional<std::int64_t> count_of(const std::optional<Seconds>& s) { return s ? std::optional(s->count()) : std::nullopt; }

std::optional<Seconds> optional_seconds(const Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(Seconds{row.integer(column)});
}

int column_of(ports::EstimateGroup group) {  // of kSelectWaits
  switch (group) {
    case ports::EstimateGroup::site: return 0;
    case ports::EstimateGroup::size_class: return 1;
    case ports::EstimateGroup::project: return 2;
    case ports::EstimateGroup::basis: return 3;
  }
  return 0;
}

struct Sums {
  ports::EstimateRow row;
  std::vector<Seconds> actual;
  std::vector<Seconds> predicted;
  std::vector<Seconds> errors;
};

/// The lower one of two in the middle.
Seconds median(std::vector<Seconds>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

void put_wait(Connection& db, std::int64_t job, const Principal& owner, const domain::WaitScore& score) {
  db.execute(kInsertWait, score.site, job, score.attempt, owner, score.project, score.size_class, to_string(score.basis),
             count_of(score.predicted), count_of(score.p50), count_of(score.p90), score.actual.count(),
             to_unix_seconds(score.started_at));
  db.execute(kForgetWaits, score.site, kWaitsKept);
}

Result<std::vector<domain::WaitScore>> read_recent_waits(Connection& db, const SiteId& site, std::size_t limit) {
  std::vector<domain::WaitScore> scores;
  auto rows = db.query(kSelectRecentWaits, site, limit);
  while (rows.next()) {
    scores.push_back({.attempt = rows.integer32(0),
                      .site = site,
                      .project = ProjectId(rows.text(1)),
                      .size_class = rows.string(2),
                      .basis = domain::parse_basis(rows.text(3)).value_or(domain::Basis::none),
                      .predicted = optional_seconds(rows, 4),
                      .p50 = optional_seconds(rows, 5),
                      .p90 = optional_seconds(rows, 6),
                      .actual = Seconds{rows.integer(7)},
                      .started_at = from_unix_seconds(rows.integer(8))});
  }
  std::ranges::reverse(scores);
  return scores;
}

Result<std::vector<ports::EstimateRow>> read_estimate_report(Connection& db, const ports::EstimateQuery& query) {
  std::map<std::vector<std::string>, Sums> groups;
  const auto since = query.since ? std::chrono::ceil<Seconds>(*query.since).time_since_epoch().count() : 0;
  auto rows = db.query(kSelectWaits, since, query.owner);
  while (rows.next()) {
    if (!query.within.has(SiteId(rows.text(0))) || !query.within.has(ProjectId(rows.text(2)))) continue;
    std::vector<std::string> keys;
    for (const auto group : query.by) keys.push_back(rows.string(column_of(group)));
    auto& [row, actual, predicted, errors] = groups[std::move(keys)];
    const auto p50 = optional_seconds(rows, 4);
    const auto p90 = optional_seconds(rows, 5);
    const Seconds waited{rows.integer(6)};
    ++row.starts;
    actual.push_back(waited);
    if (p50) {
      ++row.estimated;
      row.within_p50 += waited <= *p50 + ports::kOnTime ? 1 : 0;
      predicted.push_back(*p50);
      errors.push_back(waited > *p50 ? waited - *p50 : *p50 - waited);
    }
    if (p90) {
      ++row.ranged;
      row.within_p90 += waited <= *p90 + ports::kOnTime ? 1 : 0;
    }
  }
  std::vector<ports::EstimateRow> report;
  for (auto& [keys, sums] : groups) {
    auto& row = report.emplace_back(std::move(sums.row));
    row.keys = keys;
    row.actual = median(sums.actual);
    if (row.estimated > 0) {
      row.predicted = median(sums.predicted);
      row.error = median(sums.errors);
    }
  }
  return report;
}

}  // namespace hansa::store
