// SPDX-License-Identifier: Apache-2.0
#include "broker/store/usage_context.hpp"

#include "broker/core/wide.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace hansa::store {
namespace {

// Of a balance, where there is no grant.
constexpr char kSelectAbout[] =
    "SELECT j.spec ->> '$.gpu_model', coalesce(j.spec ->> '$.exclusive', 0), coalesce(g.id, b.id) FROM jobs j "
    "LEFT JOIN reservations r ON r.job = j.row AND r.attempt = ?2 LEFT JOIN allocations g ON g.row = r.grant_row "
    "LEFT JOIN allocations b ON b.kind = 'balance' AND b.project = r.project AND b.site = r.site AND b.unit = r.unit "
    "WHERE j.row = ?1";
constexpr char kSelectLabels[] =
    "SELECT l.value FROM jobs j, json_each(j.spec, '$.labels') l WHERE j.row = ?1 UNION SELECT l.value FROM jobs j, "
    "json_each(j.spec, '$.datasets') d JOIN datasets s ON s.id = d.value, json_each(s.labels) l WHERE j.row = ?1";

/// Those of project and job, in their order.
std::string text_of_labels(std::set<std::string> labels, const domain::ProjectAccounting* project) {
  if (project != nullptr) {
    for (const auto& label : project->labels) labels.insert(label.str());
  }
  std::string text;
  for (const auto& label : labels) text += (text.empty() ? "" : "+") + label;
  return well_formed(std::move(text));
}

/// As its site measured it, or as the site says that it may be worked out from what was used; otherwise nothing is said.
void tell_energy(ledger::UsageEntry& entry, const domain::UsageRecord& record, const domain::SiteAccounting& place,
                 bool is_exclusive) {
  auto& context = entry.context;
  if (record.energy_j) {
    entry.energy_j = record.energy_j;
    context.energy_method = place.energy_method.empty() ? "unstated" : place.energy_method;
    context.energy_scope = is_exclusive ? "exclusive" : "shared";
  } else if (place.core_milliwatts > 0 || place.gpu_milliwatts > 0 || place.node_milliwatts > 0) {
    const auto millijoules = Wide{record.core_seconds.value} * place.core_milliwatts +
                             Wide{record.gpu_seconds.value} * place.gpu_milliwatts +
                             Wide{record.node_seconds.value} * place.node_milliwatts;
    if (millijoules / 1000 > kMostAmount) return;
    entry.energy_j = static_cast<std::int64_t>(millijoules / 1000);
    context.energy_method = "model";
    context.energy_scope = "estimated";
  } else {
    return;
  }
  context.pue_milli = place.pue_milli;
  context.carbon_mg_per_kwh = place.carbon_mg_per_kwh;
  context.carbon_source = place.carbon_source;
}

}  // namespace

bool UsageContexts::has_more(std::string_view spec) {
  static constexpr auto kMembers =
      std::to_array<std::string_view>({"\"datasets\":", "\"exclusive\":", "\"gpu_model\":", "\"labels\":"});
  return std::ranges::any_of(kMembers, [&](std::string_view member) { return spec.find(member) != std::string_view::npos; });
}

void UsageContexts::tell(ledger::UsageEntry& entry, const domain::UsageRecord& record, std::int64_t job_row, bool has_more) {
  const domain::ProjectAccounting* project = nullptr;
  if (request_.projects != nullptr) {
    const auto told = request_.projects->find(ProjectId(entry.project));
    if (told != request_.projects->end()) project = &told->second;
  }
  AboutJob plain;
  if (!has_more) plain.label = text_of_labels({}, project);
  const auto& job = has_more ? about(job_row, entry.attempt, project) : plain;
  auto& context = entry.context;
  context.centre = request_.place.centre;
  context.allocation = job.allocation;
  context.label = job.label;
  context.resource = record.gpus == 0 ? "cpu" : !record.gpu_model.empty() ? record.gpu_model : job.gpu_model;
  if (context.resource.empty()) context.resource = "gpu";
  if (project != nullptr) {
    context.home = project->home;
    context.home_country = project->home_country;
    context.funding_body = project->funding_body;
    context.call = project->call;
  }
  tell_energy(entry, record, request_.place, job.is_exclusive);
}

const UsageContexts::AboutJob& UsageContexts::about(std::int64_t job_row, std::int32_t attempt,
                                                    const domain::ProjectAccounting* project) {
  const auto [at, is_new] = about_.try_emplace({job_row, attempt});
  auto& about = at->second;
  if (!is_new) return about;
  {
    auto row = db_.query(kSelectAbout, job_row, attempt);
    if (!row.next()) return about;
    about.gpu_model = well_formed(row.string(0));
    about.is_exclusive = row.boolean(1);
    if (!row.is_null(2)) about.allocation = row.job_id(2).str();
  }
  about.label = labels_of(db_, job_row, project);
  return about;
}

void keep_context(ledger::UsageEntry& now, const ledger::UsageEntry& before, bool is_measured) {
  if (before.context == ledger::UsageContext{}) {  // booked before any of this was told
    now.context = {};
    now.energy_j.reset();
    return;
  }
  const bool was_measured = before.energy_j && before.context.energy_method != "model";
  const bool same_energy =
      is_measured ? was_measured && now.energy_j == before.energy_j : !was_measured && now.amounts == before.amounts;
  const auto resource = std::move(now.context.resource);
  const auto energy = now.context;
  now.context = before.context;
  now.context.resource = resource;
  if (same_energy) {
    now.energy_j = before.energy_j;
    return;
  }
  now.context.energy_method = energy.energy_method;
  now.context.energy_scope = energy.energy_scope;
  now.context.carbon_source = energy.carbon_source;
  now.context.pue_milli = energy.pue_milli;
  now.context.carbon_mg_per_kwh = energy.carbon_mg_per_kwh;
}

std::string labels_of(Connection& db, std::int64_t job_row, const domain::ProjectAccounting* project) {
  std::set<std::string> labels;
  for (auto row = db.query(kSelectLabels, job_row); row.next();) labels.insert(row.string(0));
  return text_of_labels(std::move(labels), project);
}

}  // namespace hansa::store
