// SPDX-License-Identifier: Apache-2.0
#include "broker/store/usage_lines.hpp"

#include "broker/store/ledger.hpp"
#include "broker/store/readers.hpp"

#include <algorithm>

namespace hansa::store {
namespace {

// The index by end has the order of the lines: a page begins where the last one ended.
constexpr char kSelectPlaces[] =
    "SELECT l.ended_s, l.seq, p.pseudonym, p.owner, p.account FROM ledger l "
    "LEFT JOIN ledger_persons p ON p.seq = l.seq "
    "WHERE l.body IS NULL AND l.ended_s >= ?1 AND l.ended_s < ?2 AND (l.ended_s > ?1 OR l.seq > ?3) AND l.kind = 'usage' AND "
    "l.seq < ?4 AND (?5 IS NULL OR l.site = ?5) AND "
    "NOT EXISTS(SELECT 1 FROM ledger r WHERE r.kind = 'reversal' AND r.refers_to = l.seq AND r.seq < ?4) "
    "ORDER BY l.ended_s, l.seq LIMIT ?6";
// An adjustment has the end of what it adjusts.
constexpr char kSelectAdjusted[] =
    "SELECT refers_to, sum(elapsed_s), sum(core_seconds), sum(gpu_seconds), sum(node_seconds) FROM ledger "
    "WHERE body IS NULL AND kind = 'adjustment' AND ended_s >= ?1 AND ended_s <= ?2 AND seq < ?3 GROUP BY refers_to";

void add_adjustments(Connection& db, std::int64_t size, std::vector<ports::UsageLine>& lines) {
  auto row = db.query(kSelectAdjusted, lines.front().place.ended_s, lines.back().place.ended_s, size);
  while (row.next()) {
    const auto line = std::ranges::find(lines, row.integer(0), [](const ports::UsageLine& of) { return of.place.seq; });
    if (line == lines.end()) continue;  // of a record that was reversed, or of another page or site
    line->adjusted_elapsed_s = row.integer(1);
    line->adjusted_core_seconds = row.integer(2);
    line->adjusted_gpu_seconds = row.integer(3);
    line->adjusted_node_seconds = row.integer(4);
  }
}

}  // namespace

Result<std::vector<ports::UsageLine>> read_usage_lines(Connection& db, const ports::UsageLinesQuery& query) {
  std::vector<ports::UsageLine> lines;
  auto from = to_unix_ms(query.from) / 1'000;
  std::int64_t behind = -1;
  if (query.after && query.after->ended_s >= from) {
    from = query.after->ended_s;
    behind = query.after->seq;
  }
  std::size_t bytes = 0;
  auto row = db.query(kSelectPlaces, from, to_unix_ms(query.to) / 1'000, behind, query.size, query.site, bounded(query.limit));
  while (bytes < ports::kLedgerPageBytes && row.next()) {
    auto& line = lines.emplace_back();
    line.place = {row.integer(0), row.integer(1)};
    line.pseudonym = row.string(2);
    line.owner = row.string(3);
    line.account = row.string(4);
    auto records = read_ledger_records(db, line.place.seq, 1, false);
    if (!records) return std::unexpected(std::move(records.error()));
    if (records->empty() || records->front().seq != line.place.seq)
      return unreadable("the ledger", "record " + std::to_string(line.place.seq) + " is missing");
    line.record = std::move(records->front().text);
    bytes += line.record.size();
  }
  if (!lines.empty()) add_adjustments(db, query.size, lines);
  return lines;
}

}  // namespace hansa::store
