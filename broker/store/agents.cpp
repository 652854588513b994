// SPDX-License-Identifier: Apache-2.0
#include "broker/store/agents.hpp"

#include <algorithm>
#include <array>

namespace hansa::store {
namespace {

using ports::AgentEvent;
using ports::PersonAgentEvent;

constexpr char kInsertAgentEvent[] =
    "INSERT INTO agent_events(site, what, at_ms, by_whom, token_hash, expires_at_ms, key, peer, reason) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
constexpr char kSelectAgentEvents[] =
    "SELECT sequence, site, what, at_ms, by_whom, token_hash, expires_at_ms, key, peer, reason FROM agent_events ORDER BY "
    "sequence";

constexpr char kInsertPersonAgentEvent[] =
    "INSERT INTO person_agent_events(site, person, what, at_ms, token_hash, token_until_ms, session_until_ms, by_whom, key, "
    "peer, "
    "reason) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
constexpr char kSelectPersonAgentEvents[] =
    "SELECT sequence, site, person, what, at_ms, token_hash, token_until_ms, session_until_ms, by_whom, key, peer, reason FROM "
    "person_agent_events WHERE session_until_ms > ?1 ORDER BY sequence";

constexpr std::array<std::pair<AgentEvent::What, std::string_view>, 3> kWhat{
    {{AgentEvent::What::invited, "invited"}, {AgentEvent::What::enrolled, "enrolled"}, {AgentEvent::What::revoked, "revoked"}}};
constexpr std::array<std::pair<PersonAgentEvent::What, std::string_view>, 4> kPersonWhat{
    {{PersonAgentEvent::What::invited, "invited"},
     {PersonAgentEvent::What::begun, "begun"},
     {PersonAgentEvent::What::ended, "ended"},
     {PersonAgentEvent::What::misused, "misused"}}};

std::unexpected<Error> unreadable_event(const std::string& kind) {
  return fail(ErrorKind::internal, "STORE_CORRUPT", "a stored event of an agent cannot be read", "kind " + kind);
}

}  // namespace

Result<std::int64_t> record_agent_event(Connection& db, const AgentEvent& event) {
  const auto what = std::ranges::find(kWhat, event.what, &decltype(kWhat)::value_type::first)->second;
  db.execute(kInsertAgentEvent, event.site, what, event.at, event.by, event.token_hash, event.expires_at, event.key, event.peer,
             event.reason);
  return db.last_row();
}

Result<std::vector<AgentEvent>> read_agent_events(Connection& db) {
  std::vector<AgentEvent> events;
  auto row = db.query(kSelectAgentEvents);
  while (row.next()) {
    const auto what = std::ranges::find(kWhat, row.text(2), &decltype(kWhat)::value_type::second);
    if (what == kWhat.end()) return unreadable_event(row.string(2));
    events.push_back({.sequence = row.integer(0),
                      .site = SiteId(row.text(1)),
                      .what = what->first,
                      .at = row.time_ms(3),
                      .by = Principal(row.text(4)),
                      .token_hash = row.string(5),
                      .expires_at = row.optional_time_ms(6),
                      .key = row.string(7),
                      .peer = row.string(8),
                      .reason = row.string(9)});
  }
  return events;
}

Result<std::int64_t> record_person_agent_event(Connection& db, const PersonAgentEvent& event) {
  const auto what = std::ranges::find(kPersonWhat, event.what, &decltype(kPersonWhat)::value_type::first)->second;
  db.execute(kInsertPersonAgentEvent, event.site, event.person, what, event.at, event.token_hash, event.token_until,
             event.session_until, event.by, event.key, event.peer, event.reason);
  return db.last_row();
}

Result<std::vector<PersonAgentEvent>> read_person_agent_events(Connection& db, UtcTime since) {
  std::vector<PersonAgentEvent> events;
  auto row = db.query(kSelectPersonAgentEvents, since);
  while (row.next()) {
    const auto what = std::ranges::find(kPersonWhat, row.text(3), &decltype(kPersonWhat)::value_type::second);
    if (what == kPersonWhat.end()) return unreadable_event(row.string(3));
    events.push_back({.sequence = row.integer(0),
                      .site = SiteId(row.text(1)),
                      .person = Principal(row.text(2)),
                      .what = what->first,
                      .at = row.time_ms(4),
                      .token_hash = row.string(5),
                      .token_until = row.time_ms(6),
                      .session_until = row.time_ms(7),
                      .by = Principal(row.text(8)),
                      .key = row.string(9),
                      .peer = row.string(10),
                      .reason = row.string(11)});
  }
  return events;
}

}  // namespace hansa::store
