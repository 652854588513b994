// SPDX-License-Identifier: Apache-2.0
#include "broker/store/sites.hpp"

namespace hansa::store {
namespace {

constexpr char kPut[] =
    "INSERT OR REPLACE INTO site_states(site, health, drained, drain_reason, last_success_ms, last_failure_ms, error_code, "
    "error_message) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
constexpr char kSelect[] =
    "SELECT site, health, drained, drain_reason, last_success_ms, last_failure_ms, error_code, error_message FROM site_states "
    "ORDER BY site";

Result<domain::SiteHealth> parse_health(std::string_view text) {
  for (const auto health : {domain::SiteHealth::unseen, domain::SiteHealth::up, domain::SiteHealth::down}) {
    if (text == to_string(health)) return health;
  }
  return fail(ErrorKind::internal, "STORE_CORRUPT", "the stored state of a site cannot be read", "health " + std::string(text));
}

}  // namespace

Result<void> record_site_state(Connection& db, const domain::SiteState& state) {
  db.execute(kPut, state.id, to_string(state.health), state.drained, state.drain_reason, state.last_success, state.last_failure,
             state.last_error.code, state.last_error.message);
  return {};
}

Result<std::vector<domain::SiteState>> read_site_states(Connection& db) {
  std::vector<domain::SiteState> states;
  auto rows = db.query(kSelect);
  while (rows.next()) {
    const auto health = parse_health(rows.text(1));
    if (!health) return std::unexpected(health.error());
    states.push_back({.id = SiteId(rows.text(0)),
                      .health = *health,
                      .drained = rows.boolean(2),
                      .drain_reason = rows.string(3),
                      .last_success = rows.optional_time_ms(4),
                      .last_failure = rows.optional_time_ms(5),
                      .last_error = {rows.string(6), rows.string(7)}});
  }
  return states;
}

}  // namespace hansa::store
