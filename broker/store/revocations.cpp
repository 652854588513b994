// SPDX-License-Identifier: Apache-2.0
#include "broker/store/revocations.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/store/readers.hpp"

namespace hansa::store {
namespace {

using ports::Membership;

constexpr char kInsertRevocation[] = "INSERT INTO revocations(what, value, reason, by_whom, at_ms) VALUES(?1, ?2, ?3, ?4, ?5)";
constexpr char kLiftRevocation[] =
    "UPDATE revocations SET lifted_by = ?2, lifted_at_ms = ?3 WHERE number = ?1 AND lifted_at_ms IS NULL";
constexpr char kSelectRevocations[] =
    "SELECT number, what, value, reason, by_whom, at_ms, lifted_by, lifted_at_ms FROM revocations ORDER BY number";
constexpr char kKeepMembership[] =
    "INSERT INTO memberships(person, projects, seen_at_ms, assurance, authentication) VALUES(?1, ?2, ?3, ?4, ?5) "
    "ON CONFLICT(person) DO UPDATE SET projects = excluded.projects, seen_at_ms = excluded.seen_at_ms, "
    "assurance = excluded.assurance, authentication = excluded.authentication";
constexpr char kSelectMemberships[] =
    "SELECT person, projects, seen_at_ms, assurance, authentication FROM memberships ORDER BY person";

constexpr std::pair<ports::Revocation::What, std::string_view> kRevocationWords[] = {{ports::Revocation::What::person, "person"},
                                                                                     {ports::Revocation::What::token, "token"},
                                                                                     {ports::Revocation::What::key, "key"},
                                                                                     {ports::Revocation::What::issuer, "issuer"}};

}  // namespace

Result<std::int64_t> record_revocation(Connection& db, const ports::Revocation& revocation) {
  std::string_view word;
  for (const auto& [what, spelt] : kRevocationWords) {
    if (what == revocation.what) word = spelt;
  }
  db.execute(kInsertRevocation, word, revocation.value, revocation.reason, revocation.by, revocation.at);
  return db.last_row();
}

Result<void> lift_revocation(Connection& db, std::int64_t number, const Principal& by, UtcTime at) {
  if (db.execute(kLiftRevocation, number, by, at) == 0)
    return fail(ErrorKind::not_found, "NOT_REVOKED", "nothing is revoked under this number: see hansa token revocations");
  return {};
}

Result<std::vector<ports::Revocation>> read_revocations(Connection& db) {
  std::vector<ports::Revocation> all;
  auto row = db.query(kSelectRevocations);
  while (row.next()) {
    ports::Revocation one{.number = row.integer(0),
                          .value = row.string(2),
                          .reason = row.string(3),
                          .by = Principal(row.text(4)),
                          .at = row.time_ms(5),
                          .lifted_at = row.optional_time_ms(7)};
    bool known = false;
    for (const auto& [what, spelt] : kRevocationWords) {
      if (spelt != row.text(1)) continue;
      one.what = what;
      known = true;
    }
    if (!known) return unreadable("a revocation", "of " + row.string(1));
    if (one.lifted_at) one.lifted_by = Principal(row.text(6));
    all.push_back(std::move(one));
  }
  return all;
}

Result<void> keep_membership(Connection& db, const Membership& membership) {
  Json projects = Json::array();
  for (const auto& project : membership.projects) projects.push_back(project.str());
  db.execute(kKeepMembership, membership.person, canonical_json(projects), membership.seen_at, membership.assurance,
             membership.authentication);
  return {};
}

Result<std::vector<Membership>> read_memberships(Connection& db) {
  std::vector<Membership> all;
  auto row = db.query(kSelectMemberships);
  while (row.next()) {
    Membership one{.person = Principal(row.text(0)),
                   .projects = {},
                   .seen_at = row.time_ms(2),
                   .assurance = row.string(3),
                   .authentication = row.string(4)};
    const auto projects = parse_json(row.text(1));
    if (!projects || !projects->is_array()) return unreadable("a membership", "projects of " + one.person.str());
    for (const auto& project : *projects) {
      if (!project.is_string()) return unreadable("a membership", "projects of " + one.person.str());
      one.projects.emplace_back(project.get<std::string>());
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace hansa::store
