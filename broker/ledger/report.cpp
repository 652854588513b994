// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/report.hpp"

#include "broker/core/wide.hpp"
#include "broker/ledger/report_registers.hpp"

#include <algorithm>

namespace hansa::ledger {
namespace {

using ports::Dimension;

constexpr Column kRuns{.name = "runs", .kind = CellKind::count, .summed = true, .about = "runs that ended in the period"};
constexpr Column kCoreSeconds{.name = "core_seconds", .kind = CellKind::seconds, .summed = true, .about = "cores times seconds"};
constexpr Column kGpuSeconds{.name = "gpu_seconds", .kind = CellKind::seconds, .summed = true, .about = "GPUs times seconds"};
constexpr Column kNodeSeconds{.name = "node_seconds", .kind = CellKind::seconds, .summed = true, .about = "nodes times seconds"};

const std::vector<Column>& usage_columns() {
  static const std::vector<Column> kColumns{
      kRuns,
      {.name = "elapsed_s", .kind = CellKind::seconds, .summed = true, .about = "from their starts to their ends"},
      kCoreSeconds,
      kGpuSeconds,
      kNodeSeconds};
  return kColumns;
}

const std::vector<Dimension>& any_dimension() {
  static const std::vector<Dimension> kAll = [] {
    std::vector<Dimension> all;
    for (std::size_t i = 0; i < ports::kDimensions.size(); ++i) all.push_back(static_cast<Dimension>(i));
    return all;
  }();
  return kAll;
}

std::vector<ReportKind> make_kinds() {
  const auto balance = [](std::string_view given, std::string_view taken, std::string_view left) {
    return std::vector<Column>{{.name = given,
                                .kind = CellKind::seconds,
                                .summed = true,
                                .about = "used at the centre's sites by people of the home centre"},
                               {.name = taken,
                                .kind = CellKind::seconds,
                                .summed = true,
                                .about = "used at the home centre's sites by people of the centre"},
                               {.name = left, .kind = CellKind::seconds, .summed = true, .about = "given less taken"}};
  };
  std::vector<Column> clearing = balance("given_core_seconds", "taken_core_seconds", "balance_core_seconds");
  for (auto& column : balance("given_gpu_seconds", "taken_gpu_seconds", "balance_gpu_seconds")) clearing.push_back(column);
  for (auto& column : balance("given_node_seconds", "taken_node_seconds", "balance_node_seconds")) clearing.push_back(column);
  return {
      {.name = "usage",
       .title = "What was used",
       .audience = Audience::own,
       .may_by = any_dimension(),
       .usual_by = {Dimension::project, Dimension::site},
       .may_slice = true,
       .may_withhold = true,
       .is_graded = true,
       .of_projects = true,
       .of_sites = true,
       .columns = usage_columns()},
      {.name = "countries",
       .title = "Where it ran, for whom: country of the site by home country of the project",
       .audience = Audience::own,
       .may_by = any_dimension(),
       .usual_by = {Dimension::country, Dimension::home_country},
       .may_slice = true,
       .may_withhold = true,
       .is_graded = true,
       .of_projects = true,
       .of_sites = true,
       .columns = usage_columns()},
      {.name = "funding",
       .title = "What was granted, used and is left, by who pays for it",
       .is_graded = true,
       .of_projects = true,
       .columns = {{.name = "funding_body", .about = "as the project's configuration names it"},
                   {.name = "call"},
                   {.name = "project"},
                   {.name = "allocation", .about = "its id; empty: used without one"},
                   {.name = "kind", .about = "grant; or balance, as the site told it"},
                   {.name = "site", .about = "empty: any"},
                   {.name = "unit"},
                   {.name = "granted_exact",
                    .kind = CellKind::units,
                    .about = "in 1/3,600,000 of the unit, as all that is exact here"},
                   {.name = "reserved_exact", .kind = CellKind::units, .about = "for what may still cost something"},
                   {.name = "used_exact", .kind = CellKind::units, .about = "charged"},
                   {.name = "left_exact", .kind = CellKind::units, .about = "granted, less reserved and used"},
                   {.name = "a_day_exact", .kind = CellKind::units, .about = "charged a day, over the last seven"},
                   {.name = "spent_at", .kind = CellKind::time, .about = "when nothing will be left at that rate"},
                   {.name = "left_at_end_exact", .kind = CellKind::units, .about = "at that rate, when it ends"},
                   {.name = "runs",
                    .kind = CellKind::count,
                    .summed = true,
                    .about = "that ended in the period, and the ledger says were charged to it"},
                   kCoreSeconds,
                   kGpuSeconds,
                   kNodeSeconds}},
      {.name = "corrections",
       .title = "Records that were corrected: as published, as corrected",
       .of_projects = true,
       .of_sites = true,
       .of_jobs = true,
       .columns = {{.name = "corrected_at", .kind = CellKind::time, .about = "when the correction was booked"},
                   {.name = "period", .about = "month that the run ended in, which was published"},
                   {.name = "posted", .about = "month that the correction was booked in"},
                   {.name = "kind", .about = "reversal, or adjustment"},
                   {.name = "reason"},
                   {.name = "project"},
                   {.name = "site"},
                   {.name = "site_job_id"},
                   {.name = "job"},
                   {.name = "corrected_record", .kind = CellKind::count, .about = "its place in the ledger"},
                   {.name = "correction_record", .kind = CellKind::count},
                   {.name = "new_record", .kind = CellKind::count, .about = "that took its place"},
                   {.name = "published_core_seconds", .kind = CellKind::seconds, .summed = true},
                   {.name = "corrected_core_seconds", .kind = CellKind::seconds, .summed = true},
                   {.name = "published_gpu_seconds", .kind = CellKind::seconds, .summed = true},
                   {.name = "corrected_gpu_seconds", .kind = CellKind::seconds, .summed = true},
                   {.name = "published_node_seconds", .kind = CellKind::seconds, .summed = true},
                   {.name = "corrected_node_seconds", .kind = CellKind::seconds, .summed = true}}},
      {.name = "sovereignty",
       .title = "Jobs on restricted data: where they went, where they might not go, and by which rules",
       .audience = Audience::own,
       .of_projects = true,
       .of_jobs = true,
       .columns = {{.name = "decided_at", .kind = CellKind::time},
                   {.name = "job"},
                   {.name = "project"},
                   {.name = "labels", .about = "of its script, its datasets and its project, joined by +"},
                   {.name = "outcome", .about = "placed, or denied"},
                   {.name = "site"},
                   {.name = "country"},
                   {.name = "verdict", .about = "PERMITTED, NO_PERMIT, FORBIDDEN, EVIDENCE_MISSING; empty: no rule was asked"},
                   {.name = "rules", .about = "that applied, or that evidence was lacking for"},
                   {.name = "obligations"},
                   {.name = "exceptions",
                    .about = "changes of its datasets that needed a second person, and were approved before"},
                   {.name = "policy", .about = "SHA-256 of the rules in force"}}},
      {.name = "energy",
       .title = "Energy as sites measured it, as they let it be estimated, and CO2e by what they state",
       .audience = Audience::own,
       .may_by = any_dimension(),
       .usual_by = {Dimension::project, Dimension::site},
       .may_slice = true,
       .may_withhold = true,
       .is_graded = true,
       .of_projects = true,
       .of_sites = true,
       .columns = {kRuns,
                   {.name = "runs_with_energy",
                    .kind = CellKind::count,
                    .summed = true,
                    .about = "of which anything is known; nothing is said of the others"},
                   {.name = "measured_j", .kind = CellKind::joules, .summed = true, .about = "of nodes that were the runs' own"},
                   {.name = "shared_j",
                    .kind = CellKind::joules,
                    .summed = true,
                    .about = "measured of nodes that others used at the same time: too much"},
                   {.name = "estimated_j",
                    .kind = CellKind::joules,
                    .summed = true,
                    .about = "from what was used, by the site's stated power"},
                   {.name = "measured_share", .kind = CellKind::permille, .about = "of these three, the first; rounded"},
                   {.name = "with_carbon_j",
                    .kind = CellKind::joules,
                    .summed = true,
                    .about = "of these three, where the site states PUE and carbon intensity"},
                   {.name = "co2e_g",
                    .kind = CellKind::grams,
                    .summed = true,
                    .about = "of that: energy times PUE times carbon intensity"}}},
      {.name = "clearing",
       .title = "What centres gave to each other and took",
       .may_by = {Dimension::centre, Dimension::home, Dimension::day, Dimension::month},
       .usual_by = {Dimension::centre, Dimension::home},
       .may_slice = true,
       .may_withhold = true,
       .is_graded = true,
       .of_sites = true,
       .columns = std::move(clearing)},
      {.name = "grants",
       .title = "Granted and used, by call and month",
       .is_graded = true,
       .of_projects = true,
       .columns = {{.name = "funding_body"},
                   {.name = "call"},
                   {.name = "month"},
                   {.name = "unit", .about = "empty: what the ledger has, whatever it was charged"},
                   {.name = "granted_exact",
                    .kind = CellKind::units,
                    .about = "by grants that began in the month, and were not revoked"},
                   {.name = "used_exact", .kind = CellKind::units, .about = "charged to runs that ended in it"},
                   {.name = "runs", .kind = CellKind::count, .summed = true},
                   kCoreSeconds,
                   kGpuSeconds,
                   kNodeSeconds}},
  };
}

}  // namespace

std::span<const ReportKind> report_kinds() {
  static const std::vector<ReportKind> kAll = [] {
    auto all = make_kinds();
    for (auto& kind : register_kinds()) all.push_back(std::move(kind));
    return all;
  }();
  return kAll;
}

const ReportKind* find_report(std::string_view name) {
  const auto kinds = report_kinds();
  const auto at = std::ranges::find(kinds, name, &ReportKind::name);
  return at == kinds.end() ? nullptr : &*at;
}

std::vector<Column> columns_of(const ReportKind& kind, const std::vector<Dimension>& by, bool for_third_party) {
  std::vector<Column> columns;
  for (const auto dimension : by) columns.push_back({.name = to_string(dimension)});
  columns.insert(columns.end(), kind.columns.begin(), kind.columns.end());
  if (for_third_party) columns.push_back({.name = "withheld"});
  return columns;
}

std::int64_t part_of(std::int64_t amount, std::int64_t start, std::int64_t end, std::int64_t from, std::int64_t to) {
  if (start >= end) return from <= end && end < to ? amount : 0;
  const auto used_by = [&](std::int64_t moment) -> Wide {
    const auto passed = std::clamp(moment, start, end) - start;
    return Wide{amount} * passed / (end - start);  // toward 0: a reversal's is the negative
  };
  return to <= from ? 0 : static_cast<std::int64_t>(used_by(to) - used_by(from));
}

}  // namespace hansa::ledger
