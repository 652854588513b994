// SPDX-License-Identifier: Apache-2.0
// Reports on what was granted: budgets from the allocations, what was used from the ledger.
#include "broker/domain/allocation.hpp"
#include "broker/store/allocations.hpp"
#include "broker/store/report_functions.hpp"
#include "broker/store/reports.hpp"
#include "broker/store/usage_query.hpp"

#include <map>
#include <tuple>

namespace hansa::store {
namespace {

using domain::Allocation;
using ports::Cell;
using ports::Dimension;
using ports::ReportQuery;
using ports::RowSink;

constexpr char kSelectProjects[] = "SELECT DISTINCT project FROM allocations ORDER BY project";
constexpr char kSelectCharged[] =
    "SELECT strftime('%Y-%m', ended_s, 'unixepoch'), project, unit, wide_sum(amount) FROM charges WHERE ended_s >= ?1 AND "
    "ended_s < ?2 "
    "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
constexpr char kSelectGranted[] =
    "SELECT strftime('%Y-%m', from_ms / 1000, 'unixepoch'), project, unit, wide_sum(granted) FROM allocations WHERE kind = "
    "'grant' "
    "AND revoked_ms IS NULL AND from_ms / 1000 >= ?1 AND from_ms / 1000 < ?2 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";

const domain::ProjectAccounting& told_of(const Options& options, const std::string& project) {
  static const domain::ProjectAccounting kNothing;
  const auto at = options.projects.find(ProjectId(project));
  return at == options.projects.end() ? kNothing : at->second;
}

Cell units(const std::optional<domain::Charge>& charge) { return charge ? Cell(Wide{charge->value}) : Cell(); }

}  // namespace

Result<void> write_funding(Connection& db, const Options& options, const ReportQuery& query, const RowSink& sink) {
  // funding body, call, project, allocation: as many as there are allocations, and what was used without any
  std::map<std::tuple<std::string, std::string, std::string, std::string>, std::pair<std::optional<Allocation>, Used>> rows;
  std::vector<std::string> projects;
  for (auto row = db.query(kSelectProjects); row.next();) {
    if (query.within.has(ProjectId(row.text(0)))) projects.push_back(row.string(0));
  }
  const auto since = query.now - domain::kForecastWindow;
  std::map<std::string, std::tuple<std::string, std::string, std::string>> owner_of;  // of an allocation, by its id
  for (const auto& project : projects) {
    auto all = read_allocations(db, ProjectId(project), since);
    if (!all) return std::unexpected(all.error());
    const auto& told = told_of(options, project);
    for (auto& allocation : *all) {
      const auto id = allocation.id.str();
      owner_of[id] = {told.funding_body, told.call, project};
      rows[{told.funding_body, told.call, project, id}].first = std::move(allocation);
    }
  }
  ReportQuery used = query;
  used.by = {Dimension::funding_body, Dimension::call, Dimension::project, Dimension::allocation};
  auto taken = each_sum(db, used, {}, [&](const std::vector<std::string>& keys, const Used& more) -> Result<void> {
    // Beside its budget, whoever paid for it when the run was booked: an allocation is one project's.
    const auto at = owner_of.find(keys[3]);
    const auto& [body, call, project] =
        at != owner_of.end() ? at->second : std::tuple<std::string, std::string, std::string>(keys[0], keys[1], keys[2]);
    rows[{body, call, project, keys[3]}].second += more;
    return {};
  });
  if (!taken) return taken;
  for (const auto& [key, row] : rows) {
    const auto& [body, call, project, id] = key;
    const auto& [allocation, sums] = row;
    std::vector<Cell> cells{body, call, project, id};
    if (allocation) {
      const auto ahead = domain::forecast(*allocation, query.now);
      for (auto text : {std::string(to_string(allocation->kind)), allocation->site.str(), allocation->unit})
        cells.emplace_back(text);
      for (const auto& charge : {allocation->granted, allocation->reserved, allocation->used, allocation->left(), ahead.per_day})
        cells.push_back(units(charge));
      cells.push_back(ahead.spent_at ? Cell(Wide{to_unix_seconds(*ahead.spent_at)}) : Cell());
      cells.push_back(units(ahead.left_at_end));
    } else {
      cells.insert(cells.end(), {std::string(), std::string(), std::string()});
      cells.resize(cells.size() + 7);
    }
    for (const auto amount : {sums.runs, sums.core_seconds, sums.gpu_seconds, sums.node_seconds}) cells.emplace_back(amount);
    if (auto told = sink(cells); !told) return told;
  }
  return {};
}

Result<void> write_grants(Connection& db, const Options& options, const ReportQuery& query, const RowSink& sink) {
  struct Row {
    std::optional<Wide> granted, charged;
    std::optional<Used> used;
  };
  std::map<std::tuple<std::string, std::string, std::string, std::string>, Row> rows;  // funding body, call, month, unit
  const auto from = second_of(query.from, 0), to = second_of(query.to, INT64_MAX);
  const auto read = [&](const char* sql, std::optional<Wide> Row::* into) {
    for (auto row = db.query(sql, from, to); row.next();) {
      if (!query.within.has(ProjectId(row.text(1)))) continue;
      const auto& told = told_of(options, row.string(1));
      auto& sum = rows[{told.funding_body, told.call, row.string(0), row.string(2)}].*into;
      sum = sum.value_or(0) + wide_at(row, 3);
    }
  };
  read(kSelectGranted, &Row::granted);
  read(kSelectCharged, &Row::charged);
  ReportQuery used = query;
  used.by = {Dimension::funding_body, Dimension::call, Dimension::month};
  auto taken = each_sum(db, used, {}, [&](const std::vector<std::string>& keys, const Used& more) -> Result<void> {
    rows[{keys[0], keys[1], keys[2], ""}].used = more;
    return {};
  });
  if (!taken) return taken;
  for (const auto& [key, row] : rows) {
    const auto& [body, call, month, unit] = key;
    std::vector<Cell> cells{body, call, month, unit};
    for (const auto& amount : {row.granted, row.charged}) cells.push_back(amount ? Cell(*amount) : Cell());
    if (row.used) {
      for (const auto amount : {row.used->runs, row.used->core_seconds, row.used->gpu_seconds, row.used->node_seconds})
        cells.emplace_back(amount);
    } else {
      cells.resize(cells.size() + 4);
    }
    if (auto told = sink(cells); !told) return told;
  }
  return {};
}

}  // namespace hansa::store
