// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/retention.hpp"

#include <algorithm>

namespace hansa::domain {
namespace {

constexpr std::string_view kErased = "tests/e2e/privacy.py";
constexpr std::string_view kContract = "tests/contract/store/privacy_contract.cpp";

constexpr RetentionItem kTable[] = {
    {Holding::payloads, "payloads", "scripts, their arguments and environment", "database: payloads",
     "to run the job and, until this period is over, to say what was run", 30, "the job's end", Keeper::broker,
     "the row is deleted", kContract},
    {Holding::requests, "requests", "idempotency keys of clients and the hashes of what they asked", "database: idempotency",
     "a request that is repeated is answered, not done again", 7, "the request", Keeper::broker, "the row is deleted", kContract},
    {Holding::decision_inputs, "decision_inputs",
     "what a decision was taken from: the evidence of rules, people's facts among it", "database: documents",
     "to take a decision again and see that it was right", 30, "the decision", Keeper::broker,
     "the document is deleted; the verdicts and reduced snapshots, which name nobody, stay", kContract},
    {Holding::jobs, "jobs", "whose a job was: owner, account, name, outputs, image, who cancelled it, messages about it",
     "database: jobs, attempts, events, waits", "to show people their jobs and to answer questions about them", 548,
     "the job's end", Keeper::broker, "the job becomes nobody's, its events with it; amounts, times and codes stay", kContract},
    {Holding::usage_persons, "usage_persons",
     "whose usage it was: principal, account, pseudonym and its key, the site's own line",
     "database: ledger_persons, pseudonym_keys", "accounting towards funders and sites, and its audit", 548, "the run's end",
     Keeper::broker, "the personal part is deleted, a tombstone in the ledger says that; records, tree and sums stay", kContract},
    {Holding::tokens, "tokens", "API tokens that are of no use any more: principal, role, note, hash", "database: tokens",
     "to say whose a token was", 30, "its revocation or expiry", Keeper::broker, "the row is deleted", kContract},
    {Holding::sessions, "sessions",
     "sessions of people's own agents: person, address, key, times; the projects that an issuer named of a person, and the "
     "assurance "
     "that it vouched for",
     "database: person_agent_events, memberships", "to find out misuse of a login; to let people into their projects", 90,
     "the session's end, the person's last visit", Keeper::broker, "the row is deleted", kContract},
    {Holding::changes, "changes",
     "who changed or approved what: datasets, facts, grants, sites' agents, erasures, break-glass, the ledger's reconciliations "
     "and adjustments, "
     "with reasons",
     "database: dataset_changes, dataset_rulings, fact_changes, fact_rulings, allocation_events, agent_events, erasures, "
     "break_glass, break_glass_steps, reconciliations, explanations, adjustments, adjustment_rulings",
     "accountability of whoever decides about others' data and money", 2190, "the change", Keeper::broker,
     "the change stays, made by nobody and without its reason", kContract},
    {Holding::accesses, "accesses", "who read whose data, when and by which way", "database: access_log, access_people",
     "to find out, and to tell people, who has read what is held of them", 548, "the reading", Keeper::broker,
     "the row is deleted", kContract},
    {Holding::secrets, "secrets", "secrets that people keep for their jobs, sealed, and their names",
     "database: secrets, secret_copies", "to bring them to their owner's jobs", 0, "for as long as their owner keeps them",
     Keeper::elsewhere, "deleted by their owner, or with the person; at a site with the job", kContract},
    {Holding::code, "code.keep_s", "the code that people bring for their jobs", "state_dir/code", "to run the job", 30,
     "its last use", Keeper::elsewhere, "the archive is deleted", "tests/unit/store/code_folder_test.cpp"},
    {Holding::local_jobs, "local_jobs", "jobs of sites with connector \"local\": script, environment, owner, state",
     "state_dir/local", "to run the job and to account for it", 30, "the job's end", Keeper::elsewhere, "the folder is deleted",
     "tests/integration/connectors_local/local_site_test.cpp"},
    {Holding::person_facts, "person_facts", "what rules may ask of a person: country, assurance, affiliation",
     "database: facts, fact_changes; hansad.toml", "to decide where a person's jobs may go", 0,
     "for as long as somebody says so (`until`)", Keeper::elsewhere, "withdrawn by an operator, or deleted with the person",
     kErased},
    {Holding::site_files, "site_files", "scripts, output, code and fences in the account's own folder at a site",
     "site: work_dir", "to run the job; the output is its owner's", 0, "the job's end", Keeper::others,
     "by its owner or by the site's own rule; at local sites of the broker an erasure deletes it", kErased},
    {Holding::logs, "logs", "log lines, of warnings and refusals also with the client's address",
     "standard error of hansad, kept by its host", "to run the broker and to find out misuse", 30, "the line", Keeper::others,
     "by the host's journal (journald.conf: MaxRetentionSec=)", kErased},
    {Holding::backups, "backups", "copies of the database",
     "state_dir/backups, state_dir/*.before-restore-*; where the operator keeps others", "to bring the broker back", 35,
     "the copy", Keeper::others,
     "the broker deletes what it put aside itself, the operator all others: what was erased is gone with the last older copy",
     "tests/unit/store/old_copies_test.cpp"},
};
static_assert(std::ranges::is_sorted(kTable, {}, &RetentionItem::holding));

}  // namespace

std::span<const RetentionItem> retention_table() { return kTable; }

const RetentionItem& retention_of(Holding holding) { return kTable[static_cast<std::size_t>(holding)]; }

std::optional<Holding> holding_named(std::string_view key) {
  const auto* at = std::ranges::find(kTable, key, &RetentionItem::key);
  return at == std::end(kTable) ? std::nullopt : std::optional(at->holding);
}

}  // namespace hansa::domain
