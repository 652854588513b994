// SPDX-License-Identifier: Apache-2.0
// What the ledger may lack. One pass over its records; memory for a row of each site.
#include "broker/store/reports.hpp"
#include "broker/store/usage_query.hpp"

#include <algorithm>
#include <map>

namespace hansa::store {
namespace {

using ports::Cell;
using ports::ReportQuery;
using ports::RowSink;

constexpr std::int64_t kOnTime = 86'400;  // from a run's end to its record
constexpr char kCountRecords[] = "SELECT count(*), coalesce(min(seq), 0) FROM ledger WHERE seq < ?1";
constexpr char kSelectGap[] =
    "SELECT l.seq + 1 FROM ledger l WHERE l.seq + 1 < ?1 AND NOT EXISTS(SELECT 1 FROM ledger n WHERE n.seq = l.seq + 1) "
    "ORDER BY l.seq LIMIT 1";
constexpr char kCountBooked[] =
    "SELECT site, max(at_s), max(ended_s), sum(is_in), sum(is_in AND is_late), max(iif(is_in AND is_late, at_s - ended_s, "
    "NULL)), "
    "sum(is_in AND original_period IS NOT NULL) FROM (SELECT site, at_s, ended_s, original_period, ended_s >= ?2 AND ended_s < "
    "?3 "
    "AS is_in, kind = 'usage' AND revision = 0 AND at_s - ended_s > ?4 AS is_late FROM ledger WHERE body IS NULL AND seq < ?1) "
    "GROUP BY site";
constexpr char kSelectReconciled[] = "SELECT site, max(at_s), max(to_s) FROM reconciliations GROUP BY site";
constexpr char kSelectRead[] = "SELECT site FROM site_usage";
constexpr char kSelectRefused[] = "SELECT site, sum(records) FROM usage_refusals GROUP BY site";
constexpr char kSelectUnbooked[] =
    "SELECT (SELECT a.site FROM attempts a WHERE a.job = j.row ORDER BY a.number DESC LIMIT 1), count(*) FROM jobs j WHERE "
    "j.active = 0 AND j.started_at_ms IS NOT NULL AND j.ended_at_ms >= ?1 AND j.ended_at_ms < ?2 AND NOT EXISTS(SELECT 1 FROM "
    "ledger u WHERE u.job = j.row AND u.kind = 'usage') GROUP BY 1";

struct Site {
  std::optional<std::int64_t> booked_at, ended_at, reconciled_at, reconciled_to, latest;
  std::int64_t records = 0, late = 0, after_close = 0, unbooked = 0, refused = 0;
};

std::optional<std::int64_t> number_at(const Statement& row, int column) {
  return row.is_null(column) ? std::nullopt : std::optional(row.integer(column));
}
Cell cell(const std::optional<std::int64_t>& number) { return number ? Cell(Wide{*number}) : Cell(); }

/// The row of the ledger as a whole.
std::vector<Cell> of_all(Connection& db, std::int64_t size) {
  std::int64_t there = 0, first = 0;
  if (auto row = db.query(kCountRecords, size); row.next()) {
    there = row.integer(0);
    first = row.integer(1);
  }
  std::optional<std::int64_t> gap;
  if (there < size) {
    auto row = db.query(kSelectGap, size);
    gap = there == 0 || first > 0 ? 0 : row.next() ? row.integer(0) : size - 1;
  }
  std::vector<Cell> cells{std::string(), Wide{there}, Wide{size - there}, cell(gap)};
  cells.resize(14);
  return cells;
}

std::map<std::string, Site> read_sites(Connection& db, const Options& options, const ReportQuery& query) {
  const auto from = second_of(query.from, INT64_MIN), to = second_of(query.to, INT64_MAX);
  const auto now = to_unix_seconds(query.now);
  std::map<std::string, Site> sites;
  for (const auto& [site, country] : options.countries) sites.try_emplace(site.str());
  for (auto row = db.query(kCountBooked, query.size, from, to, kOnTime); row.next();) {
    auto& site = sites[row.string(0)];
    site.booked_at = number_at(row, 1);
    site.ended_at = number_at(row, 2);
    site.records = row.integer(3);
    site.late = row.integer(4);
    site.latest = number_at(row, 5);
    site.after_close = row.integer(6);
  }
  for (auto row = db.query(kSelectReconciled); row.next();) {
    auto& site = sites[row.string(0)];
    site.reconciled_at = number_at(row, 1);
    site.reconciled_to = number_at(row, 2);
  }
  for (auto row = db.query(kSelectRead); row.next();) sites.try_emplace(row.string(0));
  for (auto row = db.query(kSelectRefused); row.next();) sites[row.string(0)].refused = row.integer(1);
  constexpr std::int64_t kMost = INT64_MAX / 1'000;  // seconds, of which there are as many milliseconds
  const auto until = std::min(to, now - kOnTime);  // what ended since may still come in time
  for (auto row = db.query(kSelectUnbooked, std::max(from, -kMost) * 1'000, std::clamp(until, -kMost, kMost) * 1'000);
       row.next();)
    sites[row.string(0)].unbooked = row.integer(1);
  return sites;
}

}  // namespace

Result<void> write_completeness(Connection& db, const Options& options, const ReportQuery& query, const RowSink& sink) {
  if (!query.within.any()) {
    if (auto taken = sink(of_all(db, query.size)); !taken) return taken;
  }
  const auto now = to_unix_seconds(query.now);
  for (const auto& [name, site] : read_sites(db, options, query)) {
    if (!query.within.has(SiteId(name))) continue;
    const auto heard = std::max(site.booked_at, site.reconciled_at);
    const std::vector<Cell> cells{name,
                                  Wide{site.records},
                                  Cell(),
                                  Cell(),
                                  cell(site.booked_at),
                                  cell(site.ended_at),
                                  cell(site.reconciled_at),
                                  cell(site.reconciled_to),
                                  heard ? Cell(Wide{std::max<std::int64_t>(now - *heard, 0)}) : Cell(),
                                  Wide{site.unbooked},
                                  Wide{site.late},
                                  cell(site.latest),
                                  Wide{site.after_close},
                                  Wide{site.refused}};
    if (auto taken = sink(cells); !taken) return taken;
  }
  return {};
}

}  // namespace hansa::store
