// SPDX-License-Identifier: Apache-2.0
// Who has read whose data, and what of people's data has ended.
#include "broker/domain/nobody.hpp"
#include "broker/store/reports.hpp"
#include "broker/store/usage_query.hpp"

#include <limits>

namespace hansa::store {
namespace {

using ports::Cell;
using ports::ReportQuery;
using ports::RowSink;

constexpr char kIsGlass[] = "SELECT 1 FROM break_glass WHERE id = ?1";
constexpr char kSelectAccesses[] =
    "SELECT a.at_s, r.principal, a.role, a.subject IS NOT NULL, s.principal, a.route, a.times, a.reason, a.sequence FROM "
    "access_log a JOIN access_people r ON r.row = a.reader LEFT JOIN access_people s ON s.row = a.subject WHERE a.at_s >= ?1 AND "
    "a.at_s < ?2 AND (?3 IS NULL OR a.subject = (SELECT row FROM access_people WHERE principal = ?3)) "
    "ORDER BY a.sequence DESC LIMIT ?4";
// The clean-up day by day, as its log has many rows a day. An erasure's reason may name the person until it is over: then the
// name was taken out.
constexpr char kSelectEnded[] =
    "SELECT at_ms / 86400000 * 86400, 'expired', holding, sum(rows), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM "
    "retention_log WHERE at_ms >= ?1 AND at_ms < ?2 GROUP BY 1, 3 UNION ALL "
    "SELECT at_ms / 1000, 'erasure', NULL, NULL, id, state, ruled_at_ms / 1000, done_at_ms / 1000, jobs, records, NULL, NULL, "
    "iif(state IN ('rejected', 'done'), reason, NULL) FROM erasures WHERE at_ms >= ?1 AND at_ms < ?2 UNION ALL "
    "SELECT at_s, 'tombstone', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, seq, body ->> '$.records', body ->> '$.reason' "
    "FROM ledger WHERE kind = 'tombstone' AND body IS NOT NULL AND seq < ?3 AND at_s * 1000 >= ?1 AND at_s * 1000 < ?2 "
    "ORDER BY 1 DESC, 2, 3, 5, 11";

/// Of who was erased nothing is left but that it was somebody.
std::string name_at(const Statement& row, int column) { return row.is_null(column) ? domain::kNobody.str() : row.string(column); }

/// Of what break-glass opened, and of its steps, the reason begins with it (reason_of() of api/break_glass.cpp); a reason that
/// somebody typed names none that there is.
bool is_by_glass(Connection& db, std::string_view reason) {
  constexpr std::string_view kFirst = "break-glass ";
  constexpr std::size_t kIdLength = 26;
  if (!reason.starts_with(kFirst)) return false;
  const auto id = Ulid::parse(reason.substr(kFirst.size(), kIdLength));
  return id && db.query(kIsGlass, *id).next();
}

}  // namespace

Result<void> write_access(Connection& db, const Options&, const ReportQuery& query, const RowSink& sink) {
  constexpr std::size_t kAll = std::numeric_limits<std::int64_t>::max();
  auto row = db.query(kSelectAccesses, second_of(query.from, INT64_MIN), second_of(query.to, INT64_MAX), query.person,
                      query.limit.value_or(kAll));
  while (row.next()) {
    const std::vector<Cell> cells{Wide{row.integer(0)},
                                  std::string(is_by_glass(db, row.text(7)) ? "break_glass" : "access"),
                                  name_at(row, 1),
                                  row.string(2),
                                  row.boolean(3) ? Cell(name_at(row, 4)) : Cell(),
                                  row.string(5),
                                  Wide{row.integer(6)},
                                  row.text(7).empty() ? Cell() : Cell(row.string(7)),
                                  Wide{row.integer(8)}};
    if (auto taken = sink(cells); !taken) return taken;
  }
  return {};
}

Result<void> write_retention(Connection& db, const Options&, const ReportQuery& query, const RowSink& sink) {
  const auto bound = [](const std::optional<UtcTime>& t, std::int64_t otherwise) { return t ? to_unix_ms(*t) : otherwise; };
  auto row = db.query(kSelectEnded, bound(query.from, INT64_MIN), bound(query.to, INT64_MAX), query.size);
  while (row.next()) {
    const auto text = [&row](int column) { return row.is_null(column) ? Cell() : Cell(row.string(column)); };
    const auto number = [&row](int column) { return row.is_null(column) ? Cell() : Cell(Wide{row.integer(column)}); };
    const std::vector<Cell> cells{
        number(0),  text(1),    text(2),   number(3), row.is_null(4) ? Cell() : Cell(row.job_id(4).str()),
        text(5),    number(6),  number(7), number(8), number(9),
        number(10), number(11), text(12)};
    if (auto taken = sink(cells); !taken) return taken;
  }
  return {};
}

}  // namespace hansa::store
