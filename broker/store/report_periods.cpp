// SPDX-License-Identifier: Apache-2.0
// Reports on the ledger's months, and on what its reconciliations with sites' accounting saw.
#include "broker/ledger/note.hpp"
#include "broker/ledger/record.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/periods.hpp"
#include "broker/store/reconciliations.hpp"
#include "broker/store/reports.hpp"
#include "broker/store/usage_query.hpp"

#include <array>
#include <limits>
#include <map>

namespace hansa::store {
namespace {

using ports::Cell;
using ports::Dimension;
using ports::ReportQuery;
using ports::RowSink;

constexpr char kSelectPublished[] =
    "SELECT body ->> '$.runs', body ->> '$.core_seconds', body ->> '$.gpu_seconds', body ->> '$.node_seconds' FROM ledger WHERE "
    "seq = ?1 AND kind = 'summary'";
constexpr char kSelectSigners[] =
    "SELECT DISTINCT witness FROM ledger_cosignatures WHERE size > ?1 AND size <= ?2 ORDER BY witness";

Cell count(std::int64_t number) { return Wide{number}; }
Cell time_of(UtcTime time) { return Wide{to_unix_seconds(time)}; }

/// Size and root of the first checkpoint that has the record; nothing if none was signed.
Result<std::array<Cell, 2>> checkpoint_of(Connection& db, std::int64_t record) {
  const auto kept = read_first_checkpoint(db, record + 1);
  if (!kept) return std::unexpected(kept.error());
  if (!*kept) return std::array<Cell, 2>{};
  const auto note = ledger::parse_note((*kept)->note);
  if (!note) return std::unexpected(note.error());
  const auto checkpoint = ledger::parse_checkpoint(note->text);
  if (!checkpoint) return std::unexpected(checkpoint.error());
  return std::array<Cell, 2>{count(checkpoint->size), ledger::base64_of(checkpoint->root)};
}

/// What its summary says, which no later record changes.
std::array<Cell, 4> published(Connection& db, std::int64_t summary) {
  std::array<Cell, 4> cells;
  auto row = db.query(kSelectPublished, summary);
  if (!row.next()) return cells;
  for (int i = 0; i < 4; ++i) cells[static_cast<std::size_t>(i)] = count(row.integer(i));
  return cells;
}

std::string signers(Connection& db, std::int64_t close, std::int64_t size) {
  std::string names;
  for (auto row = db.query(kSelectSigners, close, size); row.next();) names.append(names.empty() ? "" : " ").append(row.text(0));
  return names;
}

bool lies_in(const std::string& period, const ReportQuery& query) {
  const auto span = ledger::span_of(period);
  return span && (!query.from || second_of(query.from, 0) < span->to_s) && (!query.to || second_of(query.to, 0) > span->from_s);
}

}  // namespace

Result<void> write_period(Connection& db, const Options&, const ReportQuery& query, const RowSink& sink) {
  const auto months = read_months(db);
  if (!months) return std::unexpected(months.error());
  std::map<std::string, Used> sums;
  auto whole = query;  // of each month all of it, whichever part was asked about
  whole.by = {Dimension::month};
  whole.from = whole.to = std::nullopt;
  auto summed = each_sum(db, whole, {}, [&](const std::vector<std::string>& keys, const Used& used) -> Result<void> {
    sums.emplace(keys.front(), used);
    return {};
  });
  if (!summed) return summed;
  for (const auto& month : *months) {
    if (!lies_in(month.period, query) || month.opened >= query.size) continue;
    const bool is_closed = month.closed && *month.closed < query.size;
    const auto opening = checkpoint_of(db, month.opened);
    if (!opening) return std::unexpected(opening.error());
    const auto closing = is_closed ? checkpoint_of(db, *month.closed) : Result<std::array<Cell, 2>>{};
    if (!closing) return std::unexpected(closing.error());
    const auto before = is_closed && month.summary ? published(db, *month.summary) : std::array<Cell, 4>{};
    const auto now = sums[month.period];
    const std::array<Cell, 4> corrected{now.runs, now.core_seconds, now.gpu_seconds, now.node_seconds};
    std::vector<Cell> cells{month.period,
                            std::string(is_closed ? "closed" : "open"),
                            time_of(month.opened_at),
                            (*opening)[0],
                            (*opening)[1],
                            is_closed ? time_of(month.closed_at) : Cell(),
                            is_closed ? count(*month.closed) : Cell(),
                            (*closing)[0],
                            (*closing)[1],
                            is_closed ? Cell(signers(db, *month.closed, query.size)) : Cell(),
                            is_closed ? Cell(month.sites) : Cell(),
                            is_closed ? Cell(month.reconciliations) : Cell(),
                            is_closed ? count(month.apart.count()) : Cell()};
    for (std::size_t i = 0; i < before.size(); ++i) cells.insert(cells.end(), {before[i], corrected[i]});
    if (auto taken = sink(cells); !taken) return taken;
  }
  return {};
}

Result<void> write_reconciliation(Connection& db, const Options&, const ReportQuery& query, const RowSink& sink) {
  ports::ReconciliationQuery wanted{.site = {}, .id = {}, .limit = std::numeric_limits<std::int64_t>::max()};
  if (query.from) wanted.from = *query.from;
  if (query.to) wanted.to = *query.to;
  return each_reconciliation(db, wanted, [&](const ports::Reconciliation& one) -> Result<void> {
    if (!query.within.has(one.site)) return {};
    // A row for what was seen as a whole, then one for each difference that is kept.
    const std::vector<Cell> names{one.id, one.site.str()};
    auto whole = names;
    whole.insert(whole.end(), {time_of(one.from), time_of(one.to), time_of(one.at),
                               std::string(one.by.str().starts_with("broker:") ? "daily" : "operator"), count(one.matched),
                               count(one.differing()), count(one.unexplained), one.others ? count(*one.others) : Cell()});
    const auto own = whole.size();
    whole.resize(own + 7);
    if (auto taken = sink(whole); !taken) return taken;
    const auto differences = read_differences(db, one.id);
    if (!differences) return std::unexpected(differences.error());
    for (const auto& d : *differences) {
      auto cells = names;
      cells.resize(own);
      cells.insert(cells.end(),
                   {std::string(to_string(d.kind)), d.key, d.site_job_id, d.record ? count(*d.record) : Cell(),
                    d.fields.empty() ? Cell() : Cell(d.fields), d.outcome, d.explanation ? Cell(d.explanation->reason) : Cell()});
      if (auto taken = sink(cells); !taken) return taken;
    }
    return {};
  });
}

}  // namespace hansa::store
