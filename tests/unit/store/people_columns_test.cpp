// SPDX-License-Identifier: Apache-2.0
// No text of the database is forgotten about when people are: a new column is named here, and if people or somebody's own words
// may stand in it, in broker/store/erasure.cpp, expiry.cpp and persons.cpp first.
#include "broker/store/migrations.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <sstream>
#include <string>

using namespace hansa;
using namespace hansa::store;

namespace {

// An erasure empties them, puts nobody in their place or deletes the row. A revocation of a person goes on while it stands.
constexpr const char* kOfPeople[] = {
    "access_log: reason",
    "access_people: principal",
    "adjustment_rulings: reason ruled_by",
    "adjustments: asked_by reason",
    "agent_events: by_whom reason",
    "allocation_events: by_whom note",
    "allocations: by_whom note",
    "attempts: account move reason_message",
    "break_glass: by_whom ended_by makers person reason ruled_by",
    "break_glass_steps: personal",
    "dataset_changes: body by_whom reason",
    "dataset_rulings: by_whom reason",
    "datasets: owner",
    "documents: body",
    "erasures: by_whom principal reason ruled_by",
    "events: body",
    "explanations: explained_by reason",
    "fact_changes: body by_whom reason subject",
    "fact_rulings: by_whom reason",
    "facts: statement subject",
    "idempotency: key owner",
    "jobs: cancel_by owner reason_message spec",
    "ledger_persons: account owner pseudonym source_line",
    "memberships: assurance authentication person projects",
    "person_agent_events: by_whom key peer person reason token_hash",
    "pseudonym_keys: owner",
    "reconciliations: asked_by",
    "replicas: verified_by",
    "revocations: by_whom lifted_by reason value",
    "secrets: name owner",
    "site_states: doctor drain_reason error_message",
    "tokens: hash id makers note principal",
    "transfers: message",
    "verdicts: body",
    "waits: owner",
};
// Names of sites, projects and things; codes, hashes and amounts; what the operator configures.
constexpr const char* kOfNobody[] = {
    "access_log: role route",
    "adjustments: id",
    "agent_events: key peer site token_hash what",
    "allocation_events: name",
    "allocations: kind project site unit",
    "attempts: granted outcome queue reason_code scheduler_account site site_job_id state variant",
    "break_glass: state why",
    "break_glass_steps: event",
    "break_glass_uses: operation",
    "broker: broker_id",
    "charge_rules: body",
    "charges: cluster project site site_job_id submission unit",
    "dataset_changes: dataset name",
    "datasets: id labels project sha256 terms",
    "differences: cluster fields key kind outcome site site_job_id",
    "documents: hash",
    "erasures: state",
    "events: name",
    "explanations: key site",
    "fact_changes: attribute name",
    "facts: attribute",
    "idempotency: request_hash",
    "jobs: broker_id cancel_outcome cancelled_tasks project reason_code state",
    "ledger: body cluster country kind original_period project queue reason scheduler_account site site_job_id site_state",
    "ledger_checkpoints: note",
    "ledger_contexts: allocation call carbon_source centre energy_method energy_scope funding_body home home_country",
    "ledger_contexts: label resource",
    "ledger_cosignatures: line witness",
    "link_speeds: from_site to_site",
    "period_closes: rests_on",
    "person_agent_events: site what",
    "pseudonym_keys: period",
    "reconciliations: id site",
    "replicas: dataset path root site",
    "reservations: asked booked_of project site unit",
    "retention_log: holding",
    "retention_places: holding",
    "revocations: what",
    "runs: outcome",
    "schema_migrations: name sha256",
    "secrets: key_id",
    "site_calls: boot budget site",
    "site_states: error_code health site",
    "site_usage: cursor site",
    "tokens: role",
    "transfers: body dataset end_code from_site to_site",
    "usage_refusals: last_site_job_id reason site",
    "usage_sums: country project queue site",
    "verdicts: hash",
    "waits: basis project site size_class",
};

template <std::size_t size>
void put_columns(const char* const (&lines)[size], std::set<std::string>& into) {
  for (const auto* line : lines) {
    std::istringstream words(line);
    std::string table, column;
    words >> table;
    table.back() = '.';
    while (words >> column) {
      INFO(table + column);
      CHECK(into.insert(table + column).second);
    }
  }
}

}  // namespace

TEST_CASE("every text of the database is erased with a person or of nobody") {
  Connection db({.path = ":memory:", .vfs = "", .busy_timeout = Milliseconds{0}, .cache_kib = 1024},
                Connection::Mode::read_write);
  REQUIRE(migrate(db, migrations(), UtcTime{}));
  std::set<std::string> named, there;
  put_columns(kOfPeople, named);
  put_columns(kOfNobody, named);
  auto rows = db.query(
      "SELECT t.name || '.' || c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND c.type IN "
      "('TEXT', 'ANY')");
  while (rows.next()) there.insert(rows.string(0));
  for (const auto& column : there) {
    INFO(column);
    CHECK(named.contains(column));
  }
  for (const auto& column : named) {
    INFO(column);
    CHECK(there.contains(column));
  }
}
