// SPDX-License-Identifier: Apache-2.0
#include "broker/store/usage_sums.hpp"

namespace hansa::store {
namespace {

constexpr char kSelectContext[] =
    "SELECT row FROM ledger_contexts WHERE home = ?1 AND home_country = ?2 AND funding_body = ?3 AND call = ?4 AND centre = ?5 "
    "AND allocation = ?6 AND label = ?7 AND resource = ?8 AND energy_method = ?9 AND energy_scope = ?10 AND carbon_source = ?11 "
    "AND pue_milli = ?12 AND carbon_mg_per_kwh = ?13";
constexpr char kInsertContext[] =
    "INSERT INTO ledger_contexts(home, home_country, funding_body, call, centre, allocation, label, resource, energy_method, "
    "energy_scope, carbon_source, pue_milli, carbon_mg_per_kwh) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
constexpr char kContextAt[] =
    "SELECT home, home_country, funding_body, call, centre, allocation, label, resource, energy_method, energy_scope, "
    "carbon_source, pue_milli, carbon_mg_per_kwh FROM ledger_contexts WHERE row = ?1";
constexpr char kAddSums[] =
    "INSERT INTO usage_sums VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) "
    "ON CONFLICT(day, project, site, country, queue, context) DO UPDATE SET runs = runs + excluded.runs, "
    "measured = measured + excluded.measured, elapsed_high = elapsed_high + excluded.elapsed_high, "
    "elapsed_low = elapsed_low + excluded.elapsed_low, core_high = core_high + excluded.core_high, "
    "core_low = core_low + excluded.core_low, gpu_high = gpu_high + excluded.gpu_high, gpu_low = gpu_low + excluded.gpu_low, "
    "node_high = node_high + excluded.node_high, node_low = node_low + excluded.node_low, "
    "energy_high = energy_high + excluded.energy_high, energy_low = energy_low + excluded.energy_low";

constexpr std::int64_t kSecondsOfDay = 86'400;

/// Both halves of a sum are small: what is booked in one transaction is below 2^83.
std::int64_t high(Wide amount) { return static_cast<std::int64_t>(amount >> 20); }
std::int64_t low(Wide amount) { return static_cast<std::int64_t>(amount & 1'048'575); }

}  // namespace

std::int64_t Contexts::row_of(const ledger::UsageContext& c) {
  const auto [at, is_new] = known_.try_emplace(c);
  if (!is_new) return at->second;
  {
    auto row = db_.query(kSelectContext, c.home, c.home_country, c.funding_body, c.call, c.centre, c.allocation, c.label,
                         c.resource, c.energy_method, c.energy_scope, c.carbon_source, c.pue_milli, c.carbon_mg_per_kwh);
    if (row.next()) return at->second = row.integer(0);
  }
  db_.execute(kInsertContext, c.home, c.home_country, c.funding_body, c.call, c.centre, c.allocation, c.label, c.resource,
              c.energy_method, c.energy_scope, c.carbon_source, c.pue_milli, c.carbon_mg_per_kwh);
  return at->second = db_.last_row();
}

ledger::UsageContext Contexts::at(std::int64_t row_id) {
  ledger::UsageContext c;
  auto row = db_.query(kContextAt, row_id);
  if (!row.next()) return c;
  int column = 0;
  for (auto* text : {&c.home, &c.home_country, &c.funding_body, &c.call, &c.centre, &c.allocation, &c.label, &c.resource,
                     &c.energy_method, &c.energy_scope, &c.carbon_source})
    *text = row.string(column++);
  c.pue_milli = row.integer(column++);
  c.carbon_mg_per_kwh = row.integer(column);
  return c;
}

void UsageSums::add(const ledger::UsageEntry& entry, std::int64_t context) {
  auto& sum = sums_[{entry.ended_s / kSecondsOfDay, entry.project, entry.site, entry.country, entry.queue, context}];
  sum.runs += entry.amounts.runs;
  if (entry.energy_j) sum.measured += entry.amounts.runs;
  const std::array<std::int64_t, 5> amounts{entry.amounts.elapsed_s, entry.amounts.core_seconds, entry.amounts.gpu_seconds,
                                            entry.amounts.node_seconds, entry.energy_j.value_or(0)};
  for (std::size_t i = 0; i < amounts.size(); ++i) sum.amounts[i] += amounts[i];
}

void UsageSums::write(Connection& db) {
  for (const auto& [key, sum] : sums_) {
    const auto& [day, project, site, country, queue, context] = key;
    const auto& a = sum.amounts;
    db.execute(kAddSums, day, project, site, country, queue, context, sum.runs, sum.measured, high(a[0]), low(a[0]), high(a[1]),
               low(a[1]), high(a[2]), low(a[2]), high(a[3]), low(a[3]), high(a[4]), low(a[4]));
  }
  sums_.clear();
}

}  // namespace hansa::store
