// SPDX-License-Identifier: Apache-2.0
// A person is forgotten, step by step: each is a transaction, and says in the erasure's row how far it has come. A crash between
// two of them costs nothing but the step.
#include "broker/core/canonical_json.hpp"
#include "broker/domain/canonical_text.hpp"
#include "broker/domain/nobody.hpp"
#include "broker/domain/two_persons.hpp"
#include "broker/store/privacy.hpp"
#include "broker/store/readers.hpp"

namespace hansa::store {
namespace {

using domain::kNobody;
using domain::Names;
using ports::Erasure;

constexpr std::int64_t kJobsAtOnce = 50;
constexpr std::int64_t kWindow = 20'000;  // rows of a table, for one step

constexpr char kJobToErase[] = "SELECT owner, spec FROM jobs WHERE row = ?1";
constexpr char kAccountsOf[] = "SELECT DISTINCT account FROM attempts WHERE job = ?1";
constexpr char kJobToNobody[] =
    "UPDATE jobs SET owner = ?2, spec = ?3, reason_message = '', cancel_by = iif(cancel_by IS NULL, NULL, ?2) WHERE row = ?1";
constexpr char kAttemptsToNobody[] =
    "UPDATE attempts SET account = '', reason_message = '', move = iif(move IS NULL, NULL, json_set(move, '$.why', '')) WHERE "
    "job = ?1";
constexpr char kDropPayload[] = "DELETE FROM payloads WHERE job = ?1";
constexpr char kDropSecretCopies[] = "DELETE FROM secret_copies WHERE job = ?1";
constexpr char kEventsOf[] = "SELECT sequence, name, body FROM events WHERE job = ?1";
constexpr char kPutEvent[] = "UPDATE events SET body = ?2 WHERE sequence = ?1";
constexpr char kVerdictsOf[] =
    "SELECT DISTINCT v.row, v.body, v.body ->> '$.input_hash' FROM decisions d JOIN verdicts v ON v.row = d.verdicts WHERE d.job "
    "= ?1";
// Of somebody's: what is nobody's any more holds nothing up. The newest first, as they end last.
constexpr char kOthersVerdicts[] =
    "SELECT 1 FROM decisions d CROSS JOIN jobs j ON j.row = d.job WHERE d.verdicts = ?1 AND d.job <> ?2 AND j.owner <> ?3 ORDER "
    "BY "
    "d.sequence DESC LIMIT 1";
// The ledger vouches for what the text was: its hash stays, and what follows says that the text is another now.
constexpr char kPutVerdicts[] = "UPDATE verdicts SET hash = substr(hash, 1, 64) || '-' || row, body = ?2 WHERE row = ?1";
constexpr char kDropDocument[] = "DELETE FROM documents WHERE hash = ?1";

constexpr char kOwnJobs[] = "SELECT row FROM jobs WHERE owner = ?1 AND active = 0 ORDER BY id LIMIT ?2";
constexpr char kOwnRecords[] =
    "SELECT p.seq FROM ledger u JOIN ledger_persons p ON p.seq = u.seq WHERE u.job = ?1 AND u.kind = 'usage'";
constexpr char kDropPerson[] = "DELETE FROM ledger_persons WHERE seq = ?1";
constexpr char kDropPersonsOf[] = "DELETE FROM ledger_persons WHERE seq > ?1 AND seq <= ?2 AND owner = ?3";

constexpr char kPutPlace[] = "UPDATE erasures SET phase = ?2, place = ?3, jobs = jobs + ?4, records = records + ?5 WHERE id = ?1";

/// Tables whose texts may name the person, although they are about others: row, a text that is JSON or a sentence.
struct Mention {
  const char* last;    // the greatest row
  const char* select;  // row, text; of rows behind ?1 up to ?2 in which ?3 stands
  const char* put;     // ?2 in place of that text
};
constexpr Mention kMentions[] = {
    {"SELECT max(sequence) FROM events",
     "SELECT sequence, body FROM events WHERE sequence > ?1 AND sequence <= ?2 AND instr(body, ?3)", kPutEvent},
    {"SELECT max(row) FROM jobs",
     "SELECT row, reason_message FROM jobs WHERE row > ?1 AND row <= ?2 AND instr(reason_message, ?3)",
     "UPDATE jobs SET reason_message = ?2 WHERE row = ?1"},
    {"SELECT max(row) FROM jobs", "SELECT row, cancel_by FROM jobs WHERE row > ?1 AND row <= ?2 AND cancel_by = ?3",
     "UPDATE jobs SET cancel_by = 'erased:nobody' WHERE row = ?1 AND ?2 IS NOT NULL"},
    {"SELECT max(row) FROM jobs",
     "SELECT job, reason_message FROM attempts WHERE job > ?1 AND job <= ?2 AND instr(reason_message, ?3)",
     "UPDATE attempts SET reason_message = '' WHERE job = ?1 AND ?2 IS NOT NULL"},
    {"SELECT max(row) FROM verdicts", "SELECT row, body FROM verdicts WHERE row > ?1 AND row <= ?2 AND instr(body, ?3)", nullptr},
    {"SELECT max(rowid) FROM documents", "SELECT rowid, body FROM documents WHERE rowid > ?1 AND rowid <= ?2 AND instr(body, ?3)",
     "DELETE FROM documents WHERE rowid = ?1 AND ?2 IS NOT NULL"},
};
constexpr int kPhaseJobs = 0, kPhaseRecords = 1, kPhaseMentions = 2;
constexpr int kPhaseRegisters = kPhaseMentions + static_cast<int>(std::size(kMentions)), kPhaseFiles = kPhaseRegisters + 1;

// Of what is the person's, and of what they did for others. ?1 is the principal, ?2 nobody.
constexpr const char* kForget[] = {
    "DELETE FROM idempotency WHERE owner = ?1 AND ?2 IS NOT NULL",
    "UPDATE waits SET owner = ?2 WHERE owner = ?1",
    "DELETE FROM tokens WHERE principal = ?1 AND ?2 IS NOT NULL",
    "DELETE FROM secrets WHERE owner = ?1 AND ?2 IS NOT NULL",
    "DELETE FROM pseudonym_keys WHERE owner = ?1 AND ?2 IS NOT NULL",
    "DELETE FROM memberships WHERE person = ?1 AND ?2 IS NOT NULL",
    "UPDATE revocations SET by_whom = ?2, reason = '' WHERE by_whom = ?1",
    "UPDATE revocations SET lifted_by = ?2 WHERE lifted_by = ?1",
    // One that stands goes on shutting them out.
    "UPDATE revocations SET value = ?2 WHERE what = 'person' AND value = ?1 AND lifted_by IS NOT NULL",
    "DELETE FROM person_agent_events WHERE person = ?1 AND ?2 IS NOT NULL",
    "UPDATE person_agent_events SET by_whom = ?2, reason = '' WHERE by_whom = ?1",
    "UPDATE agent_events SET by_whom = ?2, reason = '' WHERE by_whom = ?1",
    "DELETE FROM fact_rulings WHERE change IN (SELECT id FROM fact_changes WHERE subject = 'person:' || ?1) AND ?2 IS NOT NULL",
    "DELETE FROM facts WHERE subject = 'person:' || ?1 AND ?2 IS NOT NULL",
    "DELETE FROM fact_changes WHERE subject = 'person:' || ?1 AND ?2 IS NOT NULL",
    "UPDATE fact_changes SET by_whom = ?2, reason = '' WHERE by_whom = ?1",
    "UPDATE fact_rulings SET by_whom = ?2, reason = '' WHERE by_whom = ?1",
    "UPDATE datasets SET owner = ?2 WHERE owner = ?1",
    "UPDATE dataset_changes SET by_whom = ?2, reason = '' WHERE by_whom = ?1",
    "UPDATE dataset_rulings SET by_whom = ?2, reason = '' WHERE by_whom = ?1",
    "UPDATE replicas SET verified_by = ?2 WHERE verified_by = ?1",
    "UPDATE allocations SET by_whom = ?2, note = '' WHERE by_whom = ?1",
    "UPDATE allocation_events SET by_whom = ?2, note = '' WHERE by_whom = ?1",
    "UPDATE reconciliations SET asked_by = ?2 WHERE asked_by = ?1",
    "UPDATE explanations SET explained_by = ?2, reason = '' WHERE explained_by = ?1",
    "UPDATE adjustments SET asked_by = ?2, reason = '' WHERE asked_by = ?1",
    "UPDATE adjustment_rulings SET ruled_by = ?2, reason = '' WHERE ruled_by = ?1",
    "UPDATE erasures SET by_whom = ?2 WHERE by_whom = ?1",
    "UPDATE erasures SET ruled_by = ?2 WHERE ruled_by = ?1",
    ("UPDATE break_glass_steps SET salt = NULL, personal = NULL WHERE ?2 IS NOT NULL AND glass IN (SELECT row FROM break_glass "
     "WHERE ?1 IN (person, by_whom, ruled_by, ended_by))"),
    "UPDATE break_glass SET person = ?2, reason = '' WHERE person = ?1",
    "UPDATE break_glass SET by_whom = ?2, reason = '' WHERE by_whom = ?1",
    "UPDATE break_glass SET ruled_by = ?2 WHERE ruled_by = ?1",
    "UPDATE break_glass SET ended_by = ?2 WHERE ended_by = ?1",
    "UPDATE access_people SET principal = NULL WHERE principal = ?1 AND ?2 IS NOT NULL",
};
/// Small tables, gone through whole: row, text; what is put in its place.
struct Texts {
  const char* select;  // of those in which ?1 stands
  const char* put;
  bool by_id = false;  // bytes name the row
};
constexpr Texts kTexts[] = {
    {"SELECT id, body FROM dataset_changes WHERE instr(body, ?1)", "UPDATE dataset_changes SET body = ?2 WHERE id = ?1", true},
    {"SELECT id, reason FROM dataset_changes WHERE instr(reason, ?1)", "UPDATE dataset_changes SET reason = ?2 WHERE id = ?1",
     true},
    {"SELECT change, reason FROM dataset_rulings WHERE instr(reason, ?1)",
     "UPDATE dataset_rulings SET reason = ?2 WHERE change = ?1", true},
    {"SELECT id, body FROM fact_changes WHERE instr(body, ?1)", "UPDATE fact_changes SET body = ?2 WHERE id = ?1", true},
    {"SELECT id, reason FROM fact_changes WHERE instr(reason, ?1)", "UPDATE fact_changes SET reason = ?2 WHERE id = ?1", true},
    {"SELECT change, reason FROM fact_rulings WHERE instr(reason, ?1)", "UPDATE fact_rulings SET reason = ?2 WHERE change = ?1",
     true},
    {"SELECT row, note FROM allocations WHERE instr(note, ?1)", "UPDATE allocations SET note = ?2 WHERE row = ?1"},
    {"SELECT sequence, note FROM allocation_events WHERE instr(note, ?1)",
     "UPDATE allocation_events SET note = ?2 WHERE sequence = ?1"},
    {"SELECT sequence, reason FROM access_log WHERE instr(reason, ?1)", "UPDATE access_log SET reason = ?2 WHERE sequence = ?1"},
    {"SELECT sequence, reason FROM agent_events WHERE instr(reason, ?1)",
     "UPDATE agent_events SET reason = ?2 WHERE sequence = ?1"},
    {"SELECT id, note FROM tokens WHERE instr(note, ?1)", "UPDATE tokens SET note = ?2 WHERE id = ?1"},
    {"SELECT id, makers FROM tokens WHERE instr(makers, ?1)", "UPDATE tokens SET makers = ?2 WHERE id = ?1"},
    {"SELECT json_array(site, key), reason FROM explanations WHERE instr(reason, ?1)",
     "UPDATE explanations SET reason = ?2 WHERE json_array(site, key) = ?1"},
    {"SELECT row, reason FROM adjustments WHERE instr(reason, ?1)", "UPDATE adjustments SET reason = ?2 WHERE row = ?1"},
    {"SELECT adjustment, reason FROM adjustment_rulings WHERE instr(reason, ?1)",
     "UPDATE adjustment_rulings SET reason = ?2 WHERE adjustment = ?1"},
    {"SELECT number, reason FROM revocations WHERE instr(reason, ?1)", "UPDATE revocations SET reason = ?2 WHERE number = ?1"},
    {"SELECT sequence, reason FROM person_agent_events WHERE instr(reason, ?1)",
     "UPDATE person_agent_events SET reason = ?2 WHERE sequence = ?1"},
    {"SELECT id, message FROM transfers WHERE instr(message, ?1)", "UPDATE transfers SET message = ?2 WHERE id = ?1", true},
    {"SELECT row, reason FROM break_glass WHERE instr(reason, ?1)", "UPDATE break_glass SET reason = ?2 WHERE row = ?1"},
    {"SELECT row, makers FROM break_glass WHERE instr(makers, ?1)", "UPDATE break_glass SET makers = ?2 WHERE row = ?1"},
    // Without what was hashed nobody is the wiser: no name is put into another's place in there.
    {"SELECT record, personal FROM break_glass_steps WHERE instr(personal, ?1)",
     "UPDATE break_glass_steps SET salt = NULL, personal = NULL WHERE record = ?1 AND ?2 IS NOT NULL"},
    {"SELECT id, reason FROM erasures WHERE instr(reason, ?1)", "UPDATE erasures SET reason = ?2 WHERE id = ?1", true},
    {"SELECT site, drain_reason FROM site_states WHERE instr(drain_reason, ?1)",
     "UPDATE site_states SET drain_reason = ?2 WHERE site = ?1"},
    {"SELECT site, error_message FROM site_states WHERE instr(error_message, ?1)",
     "UPDATE site_states SET error_message = ?2 WHERE site = ?1"},
    // It is found out anew.
    {"SELECT site, doctor FROM site_states WHERE instr(doctor, ?1)",
     "UPDATE site_states SET doctor = NULL WHERE site = ?1 AND ?2 IS NOT NULL"},
};

constexpr char kSelectErasures[] =
    "SELECT id, principal, reason, by_whom, at_ms, state, ruled_by, ruled_at_ms, done_at_ms, jobs, records, phase, place FROM "
    "erasures ";
const std::string kSelectErasure = std::string(kSelectErasures) + "WHERE id = ?1";
const std::string kSelectNewestErasures = std::string(kSelectErasures) + "ORDER BY row DESC LIMIT ?1";
constexpr char kAsk[] =
    "INSERT INTO erasures(id, principal, reason, by_whom, at_ms, state) VALUES(?1, ?2, ?3, ?4, ?5, 'pending') ON CONFLICT DO "
    "NOTHING";
constexpr char kRule[] =
    "UPDATE erasures SET state = ?2, ruled_by = ?3, ruled_at_ms = ?4, principal = iif(?2 = 'rejected', NULL, principal), reason "
    "= "
    "?5 WHERE id = ?1";
constexpr char kEnd[] =
    "UPDATE erasures SET state = 'done', done_at_ms = ?2 WHERE id = ?1 AND state = 'approved' AND principal IS NULL";
constexpr char kAnyJobs[] = "SELECT EXISTS(SELECT 1 FROM jobs WHERE owner = ?1)";
constexpr char kUnname[] = "UPDATE erasures SET principal = NULL, reason = ?2 WHERE id = ?1";

struct Stored {
  Erasure erasure;
  int phase = 0;
  std::int64_t place = 0;
};

Stored stored_of(const Statement& row) {
  using State = Erasure::State;
  Stored stored{.erasure = {.id = row.job_id(0),
                            .of = Principal(row.text(1)),
                            .reason = row.string(2),
                            .by = Principal(row.text(3)),
                            .at = row.time_ms(4),
                            .ruled_by = Principal(row.text(6)),
                            .ruled_at = row.optional_time_ms(7),
                            .done_at = row.optional_time_ms(8),
                            .jobs = row.integer(9),
                            .records = row.integer(10)},
                .phase = row.integer32(11),
                .place = row.integer(12)};
  const auto state = row.text(5);
  stored.erasure.state = state == "done"       ? State::done
                         : state == "approved" ? State::approved
                         : state == "rejected" ? State::rejected
                                               : State::pending;
  return stored;
}

Result<Stored> find_erasure(Connection& db, ports::ErasureId id) {
  auto row = db.query(kSelectErasure.c_str(), id);
  if (!row.next()) return fail(ErrorKind::not_found, "ERASURE_NOT_FOUND", "there is no erasure " + id.str());
  return stored_of(row);
}

/// The verdicts of a decision are shared by whoever was told the same: what names the person goes from all of them.
void put_verdicts(Connection& db, std::int64_t row, const std::string& body) { db.execute(kPutVerdicts, row, body); }

Json object_in(const std::string& text) {
  return text.starts_with('{') ? Json::parse(text, nullptr, false) : Json(Json::value_t::discarded);
}

/// JSON whole, a sentence as it is. A text that is not JSON any more would not be read again.
std::string told_without(const Names& names, const std::string& text) {
  const auto json = object_in(text);
  return json.is_discarded() ? names.without(text) : canonical_json(names.without_in(json));
}

/// SQL finds the letters, this the name: "local:al" is not told of where "local:alice" is. As bytes, too: keys of JSON.
bool tells_of(const Names& names, const std::string& text) {
  if (names.in(text)) return true;
  const auto json = object_in(text);
  return !json.is_discarded() && names.without_in(json) != json;
}

std::int64_t greatest(Connection& db, const char* sql) {
  auto row = db.query(sql);
  return row.next() ? row.integer(0) : 0;
}

Result<void> erase_jobs(Connection& db, const Stored& at, Names names, UtcTime now) {
  std::vector<std::int64_t> rows;
  {
    auto row = db.query(kOwnJobs, at.erasure.of, kJobsAtOnce);
    while (row.next()) rows.push_back(row.integer(0));
  }
  std::vector<std::int64_t> records;
  for (const auto job : rows) {
    {
      auto row = db.query(kOwnRecords, job);
      while (row.next()) records.push_back(row.integer(0));
    }
    if (auto done = make_nobodys(db, job, names); !done) return done;
  }
  for (const auto seq : records) db.execute(kDropPerson, seq);
  if (auto said = add_tombstone(db, std::ssize(records), "ERASURE", now); !said) return said;
  const bool more = std::ssize(rows) == kJobsAtOnce;
  db.execute(kPutPlace, at.erasure.id, more ? kPhaseJobs : kPhaseRecords, 0, rows.size(), records.size());
  return {};
}

/// Of jobs that were nobody's already.
Result<void> erase_records(Connection& db, const Stored& at, UtcTime now) {
  const auto last = greatest(db, "SELECT max(seq) FROM ledger_persons");
  const auto end = std::min(at.place + kWindow, last);
  const auto gone = db.execute(kDropPersonsOf, at.place - 1, end, at.erasure.of);
  if (auto said = add_tombstone(db, gone, "ERASURE", now); !said) return said;
  db.execute(kPutPlace, at.erasure.id, end < last ? kPhaseRecords : kPhaseMentions, end < last ? end + 1 : 0, 0, gone);
  return {};
}

void erase_told(Connection& db, const Stored& at, const Names& names) {
  const auto& of = kMentions[at.phase - kPhaseMentions];
  const auto last = greatest(db, of.last);
  const auto end = std::min(at.place + kWindow, last);
  Names person;
  person.add(at.erasure.of.str());
  std::vector<std::pair<std::int64_t, std::string>> found;
  {
    auto rows = db.query(of.select, at.place, end, at.erasure.of);
    while (rows.next()) {
      const auto text = rows.string(1);
      if (!tells_of(person, text)) continue;
      auto without = told_without(names, text);
      if (of.put != nullptr || without != text) found.emplace_back(rows.integer(0), std::move(without));
    }
  }
  for (const auto& [row, without] : found) {
    if (of.put == nullptr)
      put_verdicts(db, row, without);
    else
      db.execute(of.put, row, without);
  }
  db.execute(kPutPlace, at.erasure.id, end < last ? at.phase : at.phase + 1, end < last ? end : 0, 0, 0);
}

bool has_jobs(Connection& db, const Principal& person) {
  auto row = db.query(kAnyJobs, person);
  return row.next() && row.boolean(0);
}

void erase_registers(Connection& db, const Stored& at, const Names& names, const std::vector<std::string>& called) {
  const auto& person = at.erasure.of;
  for (const auto* statement : kForget) db.execute(statement, person, kNobody);
  auto needles = called;
  needles.push_back(person.str());
  for (const auto& [select, put, by_id] : kTexts) {
    for (const auto& needle : needles) {
      std::vector<std::pair<std::string, std::string>> found;
      {
        auto rows = db.query(select, needle);
        while (rows.next()) {
          const auto text = rows.string(1);
          if (tells_of(names, text)) found.emplace_back(rows.string(0), told_without(names, text));
        }
      }
      for (const auto& [key, without] : found) {
        if (by_id)
          db.execute(put, Blob{key}, without);
        else
          db.execute(put, key, without);
      }
    }
  }
  db.execute(kUnname, at.erasure.id, names.without(at.erasure.reason));
  db.execute(kPutPlace, at.erasure.id, kPhaseFiles, 0, 0, 0);
}

}  // namespace

Result<void> make_nobodys(Connection& db, std::int64_t row, Names& names) {
  Json spec;
  {
    auto job = db.query(kJobToErase, row);
    if (!job.next()) return {};
    names.add(job.text(0));
    spec = Json::parse(job.text(1), nullptr, false);
  }
  {
    auto accounts = db.query(kAccountsOf, row);
    while (accounts.next()) names.add(accounts.text(0));
  }
  auto read = spec.is_discarded() ? Result<domain::JobSpec>(unreadable("a job", "spec")) : domain::spec_from_json(spec);
  if (!read) return std::unexpected(read.error());
  db.execute(kJobToNobody, row, kNobody, domain::canonical_text(domain::without_names(std::move(*read))));
  db.execute(kAttemptsToNobody, row);
  db.execute(kDropPayload, row);
  db.execute(kDropSecretCopies, row);  // as whom they would be removed is not known any more

  std::vector<std::pair<std::int64_t, std::string>> changed;
  {
    auto events = db.query(kEventsOf, row);
    while (events.next()) {
      const auto json = Json::parse(events.text(2), nullptr, false);
      auto body = json.is_discarded() ? Result<domain::EventBody>(unreadable("an event", "JSON"))
                                      : domain::event_from_json(events.text(1), json);
      if (!body) return std::unexpected(body.error());
      changed.emplace_back(events.integer(0), domain::canonical_text(domain::without_names(std::move(*body))));
    }
  }
  for (const auto& [sequence, body] : changed) db.execute(kPutEvent, sequence, body);

  std::vector<std::pair<std::int64_t, std::string>> inputs;
  changed.clear();
  {
    auto verdicts = db.query(kVerdictsOf, row);
    while (verdicts.next()) {
      inputs.emplace_back(verdicts.integer(0), verdicts.string(2));
      if (names.in(verdicts.text(1))) changed.emplace_back(verdicts.integer(0), verdicts.string(1));
    }
  }
  for (const auto& [of, body] : changed) {
    if (const auto without = told_without(names, body); without != body) put_verdicts(db, of, without);
  }
  for (const auto& [of, hash] : inputs) {
    const bool shared = db.query(kOthersVerdicts, of, row, kNobody).next();
    if (!shared) db.execute(kDropDocument, hash);
  }
  return {};
}

Result<ports::InTheWay> read_in_the_way(Connection& db, const Principal& person, UtcTime now) {
  static constexpr char kActive[] = "SELECT id FROM jobs WHERE owner = ?1 AND active = 1 ORDER BY id LIMIT 20";
  // Accounting that has not come within three days does not come: an erasure does not wait for it for ever.
  static constexpr char kUnbooked[] =
      "SELECT id FROM jobs j WHERE owner = ?1 AND active = 0 AND started_at_ms IS NOT NULL AND ended_at_ms > ?2 AND NOT "
      "EXISTS(SELECT 1 FROM ledger u WHERE u.job = j.row AND u.kind = 'usage') ORDER BY id LIMIT 20";
  static constexpr char kOwnDatasets[] = "SELECT id FROM datasets WHERE owner = ?1 ORDER BY id LIMIT 20";
  // Without the name of who asked, nobody could be told from the second person.
  static constexpr char kPending[] =
      "SELECT 'change of dataset ' || dataset, id FROM dataset_changes c WHERE by_whom = ?1 AND needs_second_person AND NOT "
      "EXISTS(SELECT 1 FROM dataset_rulings r WHERE r.change = c.id) UNION ALL "
      "SELECT 'change of fact ' || attribute, id FROM fact_changes c WHERE by_whom = ?1 AND needs_second_person AND NOT "
      "EXISTS(SELECT 1 FROM fact_rulings r WHERE r.change = c.id) UNION ALL "
      "SELECT 'erasure', id FROM erasures WHERE by_whom = ?1 AND state = 'pending' AND principal <> ?1 LIMIT 20";
  static constexpr char kPendingAdjustments[] =
      "SELECT id FROM adjustments a WHERE asked_by = ?1 AND NOT EXISTS(SELECT 1 FROM adjustment_rulings r WHERE r.adjustment = "
      "a.row) ORDER BY row LIMIT 20";
  // What it would open afterwards is nobody's.
  static constexpr char kBreakGlass[] =
      "SELECT id FROM break_glass WHERE state IN ('pending', 'open') AND ?1 IN (person, by_whom, ruled_by) ORDER BY row LIMIT 20";
  // As whom they would be removed is not known afterwards. A site that has been away for a week is not waited for.
  static constexpr char kSecrets[] =
      "SELECT DISTINCT j.id FROM secret_copies c JOIN jobs j ON j.row = c.job WHERE j.owner = ?1 AND j.active = 0 AND "
      "coalesce(j.ended_at_ms, j.accepted_at_ms) >= ?2 ORDER BY j.id LIMIT 20";
  static constexpr char kSecretsBehind[] =
      "SELECT a.site, count(*) FROM secret_copies c JOIN jobs j ON j.row = c.job JOIN attempts a ON a.job = c.job AND a.number = "
      "c.attempt WHERE j.owner = ?1 AND j.active = 0 AND coalesce(j.ended_at_ms, j.accepted_at_ms) < ?2 GROUP BY a.site";
  ports::InTheWay found;
  auto active = db.query(kActive, person);
  while (active.next()) found.active.push_back(active.job_id(0));
  auto unbooked = db.query(kUnbooked, person, now - std::chrono::days{3});
  while (unbooked.next()) found.unbooked.push_back(unbooked.job_id(0));
  auto secrets = db.query(kSecrets, person, now - kSecretsWait);
  while (secrets.next()) found.secrets.push_back(secrets.job_id(0));
  auto left = db.query(kSecretsBehind, person, now - kSecretsWait);
  while (left.next()) found.secrets_left[SiteId(left.text(0))] = left.integer(1);
  auto datasets = db.query(kOwnDatasets, person);
  while (datasets.next()) found.datasets.push_back(datasets.string(0));
  auto pending = db.query(kPending, person);
  while (pending.next()) found.pending.push_back(pending.string(0) + " " + pending.job_id(1).str());
  auto adjustments = db.query(kPendingAdjustments, person);
  while (adjustments.next()) found.pending.push_back("adjustment " + adjustments.string(0));
  auto glasses = db.query(kBreakGlass, person);
  while (glasses.next()) found.break_glass.push_back(glasses.job_id(0));
  return found;
}

Result<void> ask_erasure(Connection& db, const Erasure& erasure) {
  if (db.execute(kAsk, erasure.id, erasure.of, erasure.reason, erasure.by, erasure.at) == 0)
    return fail(ErrorKind::conflict, "ERASURE_UNDER_WAY",
                "an erasure of " + erasure.of.str() + " waits or is under way; see: hansa privacy erasures");
  return {};
}

Result<Erasure> rule_erasure(Connection& db, ports::ErasureId id, const Principal& by, UtcTime at, bool approve) {
  const auto stored = find_erasure(db, id);
  if (!stored) return std::unexpected(stored.error());
  const auto& erasure = stored->erasure;
  if (erasure.state != Erasure::State::pending)
    return fail(ErrorKind::conflict, "NOT_PENDING",
                "erasure " + id.str() + " does not wait any more; see: hansa privacy erasures");
  if (approve) {
    if (auto second = domain::second_person(domain::TwoPersons::erasure, "erasure " + id.str(), {by}, erasure.by, erasure.of);
        !second)
      return std::unexpected(second.error());
  }
  Names names;
  names.add(erasure.of.str());
  db.execute(kRule, id, approve ? "approved" : "rejected", by, at, approve ? erasure.reason : names.without(erasure.reason));
  auto now = find_erasure(db, id);
  if (!now) return std::unexpected(now.error());
  return std::move(now->erasure);
}

Result<Erasure> read_erasure(Connection& db, ports::ErasureId id) {
  auto found = find_erasure(db, id);
  if (!found) return std::unexpected(found.error());
  return std::move(found->erasure);
}

Result<std::vector<Erasure>> read_erasures(Connection& db, std::size_t limit) {
  std::vector<Erasure> all;
  auto rows = db.query(kSelectNewestErasures.c_str(), bounded(limit));
  while (rows.next()) all.push_back(stored_of(rows).erasure);
  return all;
}

Result<bool> erase_some(Connection& db, ports::ErasureId id, const std::vector<std::string>& called, UtcTime now) {
  const auto at = find_erasure(db, id);
  if (!at) return std::unexpected(at.error());
  if (at->erasure.state != Erasure::State::approved || at->phase >= kPhaseFiles) return false;
  Names names;
  names.add(at->erasure.of.str());
  for (const auto& name : called) names.add(name);
  ErasureGate gate(db);
  Result<void> done;
  if (at->phase == kPhaseJobs)
    done = erase_jobs(db, *at, names, now);
  else if (at->phase == kPhaseRecords)
    done = erase_records(db, *at, now);
  else if (at->phase < kPhaseRegisters)
    erase_told(db, *at, names);
  else if (has_jobs(db, at->erasure.of))  // that have come since: from the beginning
    db.execute(kPutPlace, id, kPhaseJobs, 0, 0, 0);
  else
    erase_registers(db, *at, names, called);
  gate.shut();
  if (!done) return std::unexpected(done.error());
  return find_erasure(db, id)->phase != kPhaseFiles;
}

Result<void> end_erasure(Connection& db, ports::ErasureId id, UtcTime at) {
  db.execute(kEnd, id, at);
  return {};
}

}  // namespace hansa::store
