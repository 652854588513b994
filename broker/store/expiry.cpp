// SPDX-License-Identifier: Apache-2.0
// What ends by age. Each call looks at so many rows behind a place, and ends a transaction that others wait for.
#include "broker/core/canonical_json.hpp"
#include "broker/domain/nobody.hpp"
#include "broker/ledger/record.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/privacy.hpp"
#include "broker/store/readers.hpp"

namespace hansa::store {
namespace {

using domain::Holding;
using ports::ErasedSome;

constexpr std::int64_t kRowsLookedAt = 2'000;  // rows, for one call
constexpr std::int64_t kJobsEndedAtOnce = 50;   // each has some twenty rows

constexpr char kOpenGate[] = "INSERT INTO erasing(only) VALUES(1)";
constexpr char kShutGate[] = "DELETE FROM erasing";
constexpr char kLogExpired[] = "INSERT INTO retention_log(at_ms, holding, before_ms, rows) VALUES(?1, ?2, ?3, ?4)";

// Payloads go with their rows, so that only those that are left are walked over.
constexpr char kPayloadsDue[] =
    "SELECT p.job, j.active = 0 AND coalesce(j.ended_at_ms, j.accepted_at_ms) < ?2 FROM payloads p JOIN jobs j ON j.row = p.job "
    "WHERE p.job > ?1 ORDER BY p.job LIMIT ?3";
constexpr char kEndPayload[] = "DELETE FROM payloads WHERE job = ?1";
constexpr char kDropRequests[] =
    "DELETE FROM idempotency WHERE (key, owner) IN (SELECT key, owner FROM idempotency WHERE at_ms < ?1 LIMIT ?2)";
constexpr char kWalked[] = "SELECT place FROM retention_places WHERE holding = ?1";
constexpr char kPutWalked[] =
    "INSERT INTO retention_places(holding, place) VALUES(?1, ?2) ON CONFLICT(holding) DO UPDATE SET place = excluded.place";
// Beside them: how often something has ended since the file was gone over.
constexpr char kOweWipe[] =
    "INSERT INTO retention_places(holding, place) VALUES('wipe', 1) ON CONFLICT(holding) DO UPDATE SET place = place + 1";
constexpr char kSettleWipe[] = "DELETE FROM retention_places WHERE holding = 'wipe' AND place = ?1";
// Verdicts have rows that rise with time, and their time at the beginning of their text (decisions.cpp).
constexpr char kVerdictsDue[] =
    "SELECT row, CAST(substr(body, 10, 20) AS INTEGER), body ->> '$.input_hash' FROM verdicts WHERE row > ?1 ORDER BY row LIMIT "
    "?2";
constexpr char kEndInput[] = "DELETE FROM documents WHERE hash = ?1";
constexpr char kJobsDue[] =
    "SELECT row, active = 0 AND owner <> ?2 AND coalesce(ended_at_ms, accepted_at_ms) < ?3 AND (coalesce(ended_at_ms, "
    "accepted_at_ms) < ?5 OR NOT EXISTS(SELECT 1 FROM secret_copies c WHERE c.job = jobs.row)) FROM jobs WHERE row > ?1 ORDER BY "
    "row LIMIT ?4";
constexpr char kSecretsLeft[] =
    "SELECT a.site, count(*) FROM secret_copies c JOIN attempts a ON a.job = c.job AND a.number = c.attempt WHERE c.job = ?1 "
    "GROUP BY a.site";
constexpr char kWaitsToNobody[] = "UPDATE waits SET owner = ?1 WHERE started_s < ?2 AND owner <> ?1";
constexpr char kPersonsDue[] =
    "SELECT p.seq, u.ended_s < ?2 FROM ledger_persons p JOIN ledger u ON u.seq = p.seq WHERE p.seq > ?1 ORDER BY p.seq LIMIT ?3";
constexpr char kEndPerson[] = "DELETE FROM ledger_persons WHERE seq = ?1";
constexpr char kDropKeys[] = "DELETE FROM pseudonym_keys WHERE period < ?1";
constexpr char kDropTokens[] = "DELETE FROM tokens WHERE min(coalesce(revoked_at_ms, ?2), coalesce(expires_at_ms, ?2)) < ?1";
constexpr char kDropMemberships[] = "DELETE FROM memberships WHERE seen_at_ms < ?1";  // they count for a week
constexpr char kDropSessions[] = "DELETE FROM person_agent_events WHERE session_until_ms < ?1";
constexpr char kDropAccesses[] =
    "DELETE FROM access_log WHERE sequence IN (SELECT sequence FROM access_log WHERE at_s < ?1 ORDER BY sequence LIMIT ?2)";
constexpr char kDropReaders[] =
    "DELETE FROM access_people WHERE row NOT IN (SELECT reader FROM access_log UNION ALL SELECT subject FROM access_log WHERE "
    "subject IS NOT NULL)";
// Registers are small: a statement each. A ruling's own trigger is of its insertion.
constexpr const char* kChangesToNobody[] = {
    "UPDATE dataset_changes SET by_whom = ?1, reason = '' WHERE at_ms < ?2 AND (by_whom <> ?1 OR reason <> '')",
    "UPDATE dataset_rulings SET by_whom = ?1, reason = '' WHERE at_ms < ?2 AND (by_whom <> ?1 OR reason <> '')",
    "UPDATE fact_changes SET by_whom = ?1, reason = '' WHERE at_ms < ?2 AND (by_whom <> ?1 OR reason <> '')",
    "UPDATE fact_rulings SET by_whom = ?1, reason = '' WHERE at_ms < ?2 AND (by_whom <> ?1 OR reason <> '')",
    "UPDATE allocation_events SET by_whom = ?1, note = '' WHERE at_ms < ?2 AND (by_whom <> ?1 OR note <> '')",
    "UPDATE allocations SET by_whom = ?1, note = '' WHERE at_ms < ?2 AND (by_whom <> ?1 OR note <> '')",
    "UPDATE agent_events SET by_whom = ?1, reason = '' WHERE at_ms < ?2 AND by_whom <> '' AND (by_whom <> ?1 OR reason <> '')",
    "UPDATE reconciliations SET asked_by = ?1 WHERE at_s < ?2 / 1000 AND asked_by NOT IN (?1, 'broker:daily')",
    "UPDATE explanations SET explained_by = ?1, reason = '' WHERE at_ms < ?2 AND (explained_by <> ?1 OR reason <> '')",
    "UPDATE adjustments SET asked_by = ?1, reason = '' WHERE at_ms < ?2 AND (asked_by <> ?1 OR reason <> '')",
    "UPDATE adjustment_rulings SET ruled_by = ?1, reason = '' WHERE at_ms < ?2 AND (ruled_by <> ?1 OR reason <> '')",
    ("UPDATE break_glass_steps SET salt = NULL, personal = NULL WHERE at_ms < ?2 AND ?1 IS NOT NULL AND personal IS NOT NULL AND "
     "glass IN (SELECT row FROM break_glass WHERE state <> 'open' AND at_ms < ?2)"),
    ("UPDATE break_glass SET person = ?1, by_whom = ?1, ruled_by = iif(ruled_by IS NULL, NULL, ?1), ended_by = iif(ended_by IS "
     "NULL, NULL, ?1), reason = '', makers = '[]' WHERE state <> 'open' AND at_ms < ?2 AND (by_whom <> ?1 OR reason <> '' OR "
     "person <> ?1 OR "
     "coalesce(ruled_by, ?1) <> ?1 OR coalesce(ended_by, ?1) <> ?1)"),
    ("UPDATE erasures SET by_whom = ?1, ruled_by = ?1, reason = '' WHERE state IN ('done', 'rejected') AND at_ms < ?2 AND "
     "(by_whom <> ?1 OR ruled_by <> ?1 OR reason <> '')")};

struct RowsSeen {
  std::vector<std::int64_t> due;
  std::int64_t looked_at = 0;
  std::int64_t last = 0;
};
/// Of rows that say in their second column whether they are due.
RowsSeen look_at_rows(Statement rows) {
  RowsSeen seen;
  while (rows.next()) {
    ++seen.looked_at;
    seen.last = rows.integer(0);
    if (rows.boolean(1)) seen.due.push_back(seen.last);
  }
  return seen;
}
std::optional<std::int64_t> next_after(const RowsSeen& seen, std::int64_t limit) {
  return seen.looked_at == limit ? std::optional(seen.last) : std::nullopt;
}

Result<ErasedSome> expire_payloads(Connection& db, UtcTime before, std::int64_t after) {
  const auto seen = look_at_rows(db.query(kPayloadsDue, after, before, kRowsLookedAt));
  for (const auto job : seen.due) db.execute(kEndPayload, job);
  return ErasedSome{.rows = std::ssize(seen.due), .next = next_after(seen, kRowsLookedAt)};
}

Result<ErasedSome> expire_requests(Connection& db, UtcTime before) {
  const auto gone = db.execute(kDropRequests, before, kRowsLookedAt);
  return ErasedSome{.rows = gone, .next = gone == kRowsLookedAt ? std::optional<std::int64_t>(1) : std::nullopt};
}

Result<ErasedSome> expire_inputs(Connection& db, UtcTime before) {
  const auto name = domain::retention_of(Holding::decision_inputs).key;
  std::int64_t place = 0;
  if (auto row = db.query(kWalked, name); row.next()) place = row.integer(0);
  std::vector<std::string> hashes;
  const auto from = place;
  std::int64_t looked_at = 0;
  {
    auto rows = db.query(kVerdictsDue, place, kRowsLookedAt);
    for (; rows.next() && rows.integer(1) < to_unix_ms(before); ++looked_at) {
      place = rows.integer(0);
      if (!rows.text(2).empty()) hashes.push_back(rows.string(2));
    }
  }
  std::int64_t gone = 0;
  for (const auto& hash : hashes) gone += db.execute(kEndInput, hash);
  if (place != from) db.execute(kPutWalked, name, place);
  return ErasedSome{.rows = gone, .next = looked_at == kRowsLookedAt ? std::optional(place) : std::nullopt};
}

Result<ErasedSome> expire_jobs(Connection& db, UtcTime before, std::int64_t after, UtcTime now) {
  auto seen = look_at_rows(db.query(kJobsDue, after, domain::kNobody, before, kRowsLookedAt, now - kSecretsWait));
  auto next = next_after(seen, kRowsLookedAt);
  if (std::ssize(seen.due) > kJobsEndedAtOnce) {
    seen.due.resize(kJobsEndedAtOnce);
    next = seen.due.back();
  }
  ErasureGate gate(db);
  ports::SecretsLeft secrets;
  for (const auto row : seen.due) {
    {
      auto left = db.query(kSecretsLeft, row);
      while (left.next()) secrets[SiteId(left.text(0))] += left.integer(1);
    }
    domain::Names names;
    if (auto done = make_nobodys(db, row, names); !done) return std::unexpected(done.error());
  }
  if (after == 0) db.execute(kWaitsToNobody, domain::kNobody, to_unix_seconds(before));
  gate.shut();
  return ErasedSome{.rows = std::ssize(seen.due), .next = next, .secrets_left = std::move(secrets)};
}

Result<ErasedSome> expire_persons(Connection& db, UtcTime before, std::int64_t after, UtcTime now) {
  const auto seen = look_at_rows(db.query(kPersonsDue, after, to_unix_seconds(before), kRowsLookedAt));
  ErasureGate gate(db);
  for (const auto seq : seen.due) db.execute(kEndPerson, seq);
  if (auto said = add_tombstone(db, std::ssize(seen.due), "RETENTION", now); !said) return std::unexpected(said.error());
  const auto next = next_after(seen, kRowsLookedAt);
  if (!next) db.execute(kDropKeys, ledger::period_of(to_unix_seconds(before)));  // months that are over and have no part left
  gate.shut();
  return ErasedSome{.rows = std::ssize(seen.due), .next = next};
}

Result<ErasedSome> expire_changes(Connection& db, UtcTime before) {
  std::int64_t changed = 0;
  ErasureGate gate(db);
  for (const auto* statement : kChangesToNobody) changed += db.execute(statement, domain::kNobody, before);
  gate.shut();
  return ErasedSome{.rows = changed};
}

Result<ErasedSome> expire_accesses(Connection& db, UtcTime before) {
  ErasureGate gate(db);
  const auto gone = db.execute(kDropAccesses, to_unix_seconds(before), kRowsLookedAt);
  const bool more = gone == kRowsLookedAt;
  if (gone > 0 && !more) db.execute(kDropReaders);
  gate.shut();
  return ErasedSome{.rows = gone, .next = more ? std::optional<std::int64_t>(1) : std::nullopt};
}

Result<ErasedSome> expire_some(Connection& db, Holding holding, UtcTime before, std::int64_t after, UtcTime now) {
  switch (holding) {
    case Holding::payloads: return expire_payloads(db, before, after);
    case Holding::requests: return expire_requests(db, before);
    case Holding::decision_inputs: return expire_inputs(db, before);
    case Holding::jobs: return expire_jobs(db, before, after, now);
    case Holding::usage_persons: return expire_persons(db, before, after, now);
    case Holding::tokens: return ErasedSome{.rows = db.execute(kDropTokens, before, to_unix_ms(now))};
    case Holding::sessions: {
      ErasureGate gate(db);
      const auto gone = db.execute(kDropSessions, before) + db.execute(kDropMemberships, before);
      gate.shut();
      return ErasedSome{.rows = gone};
    }
    case Holding::changes: return expire_changes(db, before);
    case Holding::accesses: return expire_accesses(db, before);
    default: return ErasedSome{};
  }
}

/// How many rows of a holding there are, and the oldest by what its period runs from.
const char* count_of(Holding holding) {
  switch (holding) {
    case Holding::payloads:
      return "SELECT count(*), min(coalesce(j.ended_at_ms, j.accepted_at_ms)) FROM payloads p JOIN jobs j ON j.row = p.job";
    case Holding::requests: return "SELECT count(*), min(at_ms) FROM idempotency";
    case Holding::decision_inputs: return "SELECT count(*), NULL FROM documents";
    case Holding::jobs:
      return "SELECT count(*), min(coalesce(ended_at_ms, accepted_at_ms)) FROM jobs WHERE owner <> 'erased:nobody'";
    case Holding::usage_persons:
      return "SELECT count(*), min(u.ended_s) * 1000 FROM ledger_persons p JOIN ledger u ON u.seq = p.seq";
    case Holding::tokens: return "SELECT count(*), min(coalesce(revoked_at_ms, expires_at_ms)) FROM tokens";
    case Holding::sessions:
      return "SELECT sum(n), min(t) FROM (SELECT count(*) n, min(session_until_ms) t FROM person_agent_events UNION ALL SELECT "
             "count(*), min(seen_at_ms) FROM memberships)";
    case Holding::changes:
      return "SELECT sum(n), min(t) FROM ("
             "SELECT count(*) n, min(at_ms) t FROM dataset_changes WHERE by_whom <> 'erased:nobody' UNION ALL "
             "SELECT count(*), min(at_ms) FROM dataset_rulings WHERE by_whom <> 'erased:nobody' UNION ALL "
             "SELECT count(*), min(at_ms) FROM fact_changes WHERE by_whom <> 'erased:nobody' UNION ALL "
             "SELECT count(*), min(at_ms) FROM fact_rulings WHERE by_whom <> 'erased:nobody' UNION ALL "
             "SELECT count(*), min(at_ms) FROM allocation_events WHERE by_whom <> 'erased:nobody' UNION ALL "
             "SELECT count(*), min(at_ms) FROM agent_events WHERE by_whom NOT IN ('', 'erased:nobody') UNION ALL "
             "SELECT count(*), min(at_s) * 1000 FROM reconciliations WHERE asked_by NOT IN ('broker:daily', 'erased:nobody') "
             "UNION "
             "ALL SELECT count(*), min(at_ms) FROM explanations WHERE explained_by <> 'erased:nobody' UNION ALL "
             "SELECT count(*), min(at_ms) FROM adjustments WHERE asked_by <> 'erased:nobody' UNION ALL "
             "SELECT count(*), min(at_ms) FROM adjustment_rulings WHERE ruled_by <> 'erased:nobody' UNION ALL "
             "SELECT count(*), min(at_ms) FROM break_glass WHERE person <> 'erased:nobody' OR by_whom <> 'erased:nobody' OR "
             "coalesce(ruled_by, 'erased:nobody') <> 'erased:nobody' OR coalesce(ended_by, 'erased:nobody') <> 'erased:nobody' "
             "UNION ALL "
             "SELECT count(*), min(at_ms) FROM erasures WHERE by_whom <> 'erased:nobody')";
    case Holding::accesses: return "SELECT count(*), min(at_s) * 1000 FROM access_log";
    case Holding::secrets: return "SELECT count(*), NULL FROM secrets";
    case Holding::person_facts: return "SELECT count(*), NULL FROM facts WHERE subject LIKE 'person:%' AND statement IS NOT NULL";
    default: return nullptr;
  }
}

}  // namespace

ErasureGate::ErasureGate(Connection& db) : db_(db) { db_.execute(kOpenGate); }
void ErasureGate::shut() { db_.execute(kShutGate); }

Result<void> add_tombstone(Connection& db, std::int64_t records, std::string_view reason, UtcTime now) {
  if (records == 0) return {};
  auto added = LedgerAppender(db).add(ledger::Kind::tombstone, to_unix_seconds(now), {{"reason", reason}, {"records", records}});
  return added ? Result<void>{} : std::unexpected(added.error());
}

Result<ErasedSome> expire(Connection& db, Holding holding, UtcTime before, std::int64_t after, UtcTime now) {
  auto done = expire_some(db, holding, before, after, now);
  if (done && done->rows > 0) {
    db.execute(kLogExpired, now, domain::retention_of(holding).key, before, done->rows);
    db.execute(kOweWipe);
  }
  return done;
}

Result<std::int64_t> read_wipe_owed(Connection& db) {
  auto row = db.query(kWalked, "wipe");
  return row.next() ? row.integer(0) : 0;
}

Result<void> settle_wipe(Connection& db, std::int64_t owed) {
  db.execute(kSettleWipe, owed);
  return {};
}

Result<ports::DueHolding> read_held(Connection& db, Holding holding) {
  ports::DueHolding held;
  const auto* sql = count_of(holding);
  if (sql == nullptr) return held;
  auto row = db.query(sql);
  if (!row.next()) return held;
  held.held = row.integer(0);
  if (!row.is_null(1)) held.oldest = row.time_ms(1);
  return held;
}

}  // namespace hansa::store
