// SPDX-License-Identifier: Apache-2.0
// What was decided about jobs on restricted data.
#include "broker/domain/decision.hpp"
#include "broker/domain/label.hpp"
#include "broker/store/readers.hpp"
#include "broker/store/reports.hpp"
#include "broker/store/usage.hpp"

namespace hansa::store {
namespace {

using ports::Cell;
using ports::ReportQuery;
using ports::RowSink;

// The time stands first in a decision's canonical JSON (decisions.cpp). Everybody's are read in their order, as no index knows
// their times; somebody's own by their jobs.
constexpr char kSelectAllDecisions[] =
    "SELECT j.row, j.id, j.project, v.body FROM decisions d CROSS JOIN verdicts v ON v.row = d.verdicts CROSS JOIN jobs j ON "
    "j.row = d.job WHERE CAST(substr(v.body, 10, 20) AS INTEGER) >= ?1 AND CAST(substr(v.body, 10, 20) AS INTEGER) < ?2 "
    "AND ?3 IS NULL ORDER BY d.sequence";
constexpr char kSelectOwnDecisions[] =
    "SELECT j.row, j.id, j.project, v.body FROM jobs j CROSS JOIN decisions d ON d.job = j.row CROSS JOIN verdicts v ON v.row = "
    "d.verdicts WHERE j.owner = ?3 AND CAST(substr(v.body, 10, 20) AS INTEGER) >= ?1 AND CAST(substr(v.body, 10, 20) AS INTEGER) "
    "< ?2 ORDER BY d.sequence";
constexpr char kSelectExceptions[] =
    "SELECT c.id FROM jobs j, json_each(j.spec, '$.datasets') d JOIN dataset_changes c ON c.dataset = d.value JOIN "
    "dataset_rulings r "
    "ON r.change = c.id WHERE j.row = ?1 AND c.needs_second_person AND r.approved AND r.at_ms <= ?2 ORDER BY c.id";

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all.append(all.empty() ? "" : " ").append(text);
  return all;
}

}  // namespace

Result<void> write_sovereignty(Connection& db, const Options& options, const ReportQuery& query, const RowSink& sink) {
  const auto bound = [](const std::optional<UtcTime>& t, std::int64_t otherwise) { return t ? to_unix_ms(*t) : otherwise; };
  auto row = db.query(query.owner ? kSelectOwnDecisions : kSelectAllDecisions, bound(query.from, INT64_MIN),
                      bound(query.to, INT64_MAX), query.owner);
  while (row.next()) {
    if (!query.within.has(ProjectId(row.text(2)))) continue;
    const auto job = row.integer(0);
    const auto told = options.projects.find(ProjectId(row.text(2)));
    const auto labels = labels_of(db, job, told == options.projects.end() ? nullptr : &told->second);
    if (labels.empty() || labels == domain::kOpenLabel) continue;
    const auto json = parse_json(row.text(3));
    const auto decision = json ? domain::decision_from_json(*json) : Result<domain::Decision>(std::unexpected(json.error()));
    if (!decision) return unreadable("a decision about job " + row.job_id(1).str(), decision.error().message);
    std::vector<std::string> exceptions;
    for (auto change = db.query(kSelectExceptions, job, to_unix_ms(decision->at)); change.next();)
      exceptions.push_back(change.job_id(0).str());
    for (const auto& verdict : decision->verdicts) {
      const bool is_placed = decision->chosen == verdict.site;
      const bool is_denied = verdict.rules && verdict.rules->code != "PERMITTED";
      if (!is_placed && !is_denied) continue;
      const auto country = options.countries.find(verdict.site);
      const auto rules = verdict.rules.value_or(domain::RuleVerdict{});
      const std::vector<Cell> cells{Wide{to_unix_seconds(decision->at)},
                                    row.job_id(1).str(),
                                    row.string(2),
                                    labels,
                                    std::string(is_placed ? "placed" : "denied"),
                                    verdict.site.str(),
                                    country == options.countries.end() ? std::string() : country->second,
                                    rules.code,
                                    joined(rules.rules),
                                    joined(rules.obligations),
                                    joined(exceptions),
                                    decision->policy_hash};
      if (auto taken = sink(cells); !taken) return taken;
    }
  }
  return {};
}

}  // namespace hansa::store
