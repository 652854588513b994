// SPDX-License-Identifier: Apache-2.0
#include "broker/store/sites.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/store/migrations.hpp"

#include <algorithm>

namespace hansa::store {
namespace {

constexpr char kPut[] =
    "INSERT OR REPLACE INTO site_states(site, health, drained, drain_reason, last_success_ms, last_failure_ms, error_code, "
    "error_message, doctor) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
constexpr char kSelect[] =
    "SELECT site, health, drained, drain_reason, last_success_ms, last_failure_ms, error_code, error_message, "
    "doctor FROM site_states ORDER BY site";

constexpr Milliseconds kBudgetWindow{60'000};
constexpr Milliseconds kCallsKept{120'000};  // longer than any of them is asked for

constexpr char kForgetCalls[] = "DELETE FROM site_calls WHERE site = ?1 AND budget = ?2 AND boot = ?3 AND leaves_by_ms < ?4";
constexpr char kPutCall[] =
    "INSERT INTO site_calls(site, budget, boot, leaves_by_ms, calls) VALUES(?1, ?2, ?3, ?4, 1) "
    "ON CONFLICT DO UPDATE SET calls = calls + 1";
constexpr char kAdoptCalls[] =  // of earlier boots
    "INSERT INTO site_calls(site, budget, boot, leaves_by_ms, calls) "
    "SELECT site, budget, ?1, ?2, sum(calls) FROM site_calls WHERE boot <> ?1 GROUP BY site, budget "
    "ON CONFLICT DO UPDATE SET calls = calls + excluded.calls";
constexpr char kForgetOldCalls[] = "DELETE FROM site_calls WHERE boot <> ?1 OR leaves_by_ms <= ?2";
constexpr char kSelectCalls[] = "SELECT site, budget, leaves_by_ms, calls FROM site_calls ORDER BY leaves_by_ms";

constexpr std::string_view kBudgetNames[] = {"queries", "submits", "cancels"};

std::string_view budget_name(ports::CallBudget budget) { return kBudgetNames[static_cast<std::size_t>(budget)]; }

Result<ports::CallBudget> parse_budget(std::string_view text) {
  const auto at = std::ranges::find(kBudgetNames, text);
  if (at == std::end(kBudgetNames))
    return fail(ErrorKind::internal, "STORE_CORRUPT", "a stored call cannot be read", "budget " + std::string(text));
  return static_cast<ports::CallBudget>(at - std::begin(kBudgetNames));
}

Result<domain::SiteHealth> parse_health(std::string_view text) {
  for (const auto health : {domain::SiteHealth::unseen, domain::SiteHealth::up, domain::SiteHealth::down}) {
    if (text == to_string(health)) return health;
  }
  return fail(ErrorKind::internal, "STORE_CORRUPT", "the stored state of a site cannot be read", "health " + std::string(text));
}

}  // namespace

Result<void> record_site_state(Connection& db, const domain::SiteState& state) {
  const auto doctor = state.doctor ? std::optional(canonical_json(domain::to_json(*state.doctor))) : std::nullopt;
  db.execute(kPut, state.id, to_string(state.health), state.drained, state.drain_reason, state.last_success, state.last_failure,
             state.last_error.code, state.last_error.message, doctor);
  return {};
}

Result<std::vector<domain::SiteState>> read_site_states(Connection& db) {
  std::vector<domain::SiteState> states;
  auto rows = db.query(kSelect);
  while (rows.next()) {
    const auto health = parse_health(rows.text(1));
    if (!health) return std::unexpected(health.error());
    std::optional<domain::DoctorReport> doctor;
    if (!rows.is_null(8)) {
      const auto json = parse_json(rows.text(8));
      auto report = json ? domain::doctor_report_from_json(*json) : std::unexpected(json.error());
      if (!report)
        return fail(ErrorKind::internal, "STORE_CORRUPT", "a site's report cannot be read as it is stored",
                    report.error().message);
      doctor = std::move(*report);
    }
    states.push_back({.id = SiteId(rows.text(0)),
                      .health = *health,
                      .drained = rows.boolean(2),
                      .drain_reason = rows.string(3),
                      .last_success = rows.optional_time_ms(4),
                      .last_failure = rows.optional_time_ms(5),
                      .last_error = {rows.string(6), rows.string(7)},
                      .doctor = std::move(doctor)});
  }
  return states;
}

Result<void> record_call(Connection& db, const ports::SiteCall& call, const std::string& boot) {
  if (const auto current = current_epoch(db); call.epoch < current) return stale_epoch(call.epoch, current);
  const auto budget = budget_name(call.budget);
  db.execute(kForgetCalls, call.site, budget, boot, (call.leaves_by.since_origin - kCallsKept).count());
  db.execute(kPutCall, call.site, budget, boot, call.leaves_by.since_origin.count());
  return {};
}

Result<std::vector<ports::SiteCall>> recent_calls(Connection& db, MonotonicTime now, const std::string& boot) {
  db.execute(kAdoptCalls, boot, now.since_origin.count());
  db.execute(kForgetOldCalls, boot, (now.since_origin - kBudgetWindow).count());
  std::vector<ports::SiteCall> recent;
  for (auto rows = db.query(kSelectCalls); rows.next();) {
    const auto budget = parse_budget(rows.text(1));
    if (!budget) return std::unexpected(budget.error());
    const ports::SiteCall call{.site = SiteId(rows.text(0)),
                               .budget = *budget,
                               .leaves_by = std::min(MonotonicTime{Milliseconds{rows.integer(2)}}, now)};
    recent.insert(recent.end(), static_cast<std::size_t>(std::max<std::int64_t>(rows.integer(3), 0)), call);
  }
  return recent;
}

}  // namespace hansa::store
