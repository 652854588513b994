// SPDX-License-Identifier: Apache-2.0
#include "broker/store/decisions.hpp"

#include "broker/core/canonical_json.hpp"

#include <algorithm>

namespace hansa::store {
namespace {

constexpr std::int64_t kMostInPage = 1'000;      // in one page
constexpr std::int64_t kMostLookedAt = 20'000;  // for one page

constexpr char kSelectEnd[] =
    "SELECT max(sequence), count(*) FROM (SELECT sequence FROM decisions WHERE sequence > ?1 ORDER BY sequence LIMIT ?2)";
// The time stands first in a decision's canonical JSON, `{"at_ms":1780000000000,`: looking at it there spares parsing the rest.
constexpr char kSelectDecisions[] =
    "SELECT d.sequence, j.id, v.body FROM decisions d CROSS JOIN verdicts v ON v.row = d.verdicts CROSS JOIN jobs j ON j.row = "
    "d.job "
    "WHERE d.sequence > ?1 AND d.sequence <= ?2 AND CAST(substr(v.body, 10, 20) AS INTEGER) >= ?3 "
    "AND CAST(substr(v.body, 10, 20) AS INTEGER) < ?4 ORDER BY d.sequence LIMIT ?5";

}  // namespace

Result<ports::DecisionPage> read_decisions(Connection& db, const ports::DecisionQuery& query) {
  ports::DecisionPage page;
  std::int64_t end = 0;
  bool more = false;
  {
    auto row = db.query(kSelectEnd, query.after, kMostLookedAt);
    if (!row.next() || row.integer(1) == 0) return page;
    end = row.integer(0);
    more = row.integer(1) == kMostLookedAt;
  }
  const auto limit = std::clamp<std::int64_t>(static_cast<std::int64_t>(query.limit), 1, kMostInPage);
  auto rows = db.query(kSelectDecisions, query.after, end, query.from, query.to, limit);
  while (rows.next()) {
    const auto json = parse_json(rows.text(2));
    auto decision = json ? domain::decision_from_json(*json) : Result<domain::Decision>(std::unexpected(json.error()));
    if (!decision) {
      return fail(ErrorKind::internal, "STORE_CORRUPT",
                  "what is stored of a decision about job " + rows.job_id(1).str() + " cannot be read", decision.error().message);
    }
    page.decisions.push_back({.sequence = rows.integer(0), .job = rows.job_id(1), .decision = std::move(*decision)});
  }
  if (std::ssize(page.decisions) == limit)
    page.next = page.decisions.back().sequence;
  else if (more)
    page.next = end;
  return page;
}

}  // namespace hansa::store
