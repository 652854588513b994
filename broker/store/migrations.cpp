// SPDX-License-Identifier: Apache-2.0
#include "broker/store/migrations.hpp"

#include "broker/core/digest.hpp"
#include "broker/store/break_glass.hpp"
#include "broker/store/break_glass_schema.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/ledger_schema.hpp"
#include "broker/store/periods_schema.hpp"
#include "broker/store/privacy_schema.hpp"
#include "broker/store/report_schema.hpp"
#include "broker/store/secrets_schema.hpp"

#include <array>
#include <vector>

namespace hansa::store {
namespace {

// Times: *_ms are UTC milliseconds, *_s UTC seconds, since 1970. A job's `row` is its short name inside this database: it
// keeps the indexes small, and everything that is inserted with a new job lands at the end of its table. Ids are random
// text to a B-tree only in part: ULIDs rise with time, so the index on them, too, grows at its end.
constexpr std::string_view kSchema1 = R"sql(
CREATE TABLE broker(
  only INTEGER PRIMARY KEY CHECK(only = 1),
  broker_id TEXT NOT NULL,
  epoch INTEGER NOT NULL
) STRICT;

CREATE TABLE jobs(
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK(length(id) = 16),
  owner TEXT NOT NULL,
  project TEXT NOT NULL,
  broker_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  version INTEGER NOT NULL,
  active INTEGER NOT NULL,
  state TEXT NOT NULL,
  reason_code TEXT NOT NULL,
  reason_message TEXT NOT NULL,
  held_by_user INTEGER NOT NULL,
  cancel_by TEXT,
  cancel_at_ms INTEGER,
  cancel_outcome TEXT,
  accepted_at_ms INTEGER NOT NULL,
  started_at_ms INTEGER,
  ended_at_ms INTEGER,
  exit_code INTEGER,
  signal INTEGER,
  spec TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_by_owner ON jobs(owner, id);
CREATE INDEX jobs_active ON jobs(id) WHERE active = 1;

CREATE TABLE payloads(
  job INTEGER PRIMARY KEY REFERENCES jobs,
  script BLOB NOT NULL,
  arguments BLOB NOT NULL,
  environment BLOB NOT NULL
) STRICT;

CREATE TABLE attempts(
  job INTEGER NOT NULL REFERENCES jobs,
  number INTEGER NOT NULL,
  site TEXT NOT NULL,
  queue TEXT NOT NULL,
  account TEXT NOT NULL,
  scheduler_account TEXT NOT NULL,
  state TEXT NOT NULL,
  intended_at_ms INTEGER NOT NULL,
  site_job_id TEXT NOT NULL,
  sends INTEGER NOT NULL,
  sealed INTEGER NOT NULL,
  unknown_since_ms INTEGER,
  outcome TEXT,
  reason_code TEXT NOT NULL,
  reason_message TEXT NOT NULL,
  PRIMARY KEY(job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs(
  job INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  task_index INTEGER NOT NULL,
  number INTEGER NOT NULL,
  position INTEGER NOT NULL,
  started_at_ms INTEGER,
  ended_at_ms INTEGER,
  exit_code INTEGER,
  signal INTEGER,
  outcome TEXT,
  PRIMARY KEY(job, attempt, task_index, number),
  FOREIGN KEY(job, attempt) REFERENCES attempts
) STRICT, WITHOUT ROWID;

CREATE TABLE events(
  sequence INTEGER PRIMARY KEY,
  job INTEGER NOT NULL REFERENCES jobs,
  version INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  name TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE(job, version)
) STRICT;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TABLE idempotency(
  key TEXT NOT NULL,
  owner TEXT NOT NULL,
  request_hash TEXT NOT NULL,
  first_job INTEGER NOT NULL REFERENCES jobs,
  jobs INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY(key, owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE verdicts(
  row INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE decisions(
  sequence INTEGER PRIMARY KEY,
  job INTEGER NOT NULL REFERENCES jobs,
  version INTEGER NOT NULL,
  verdicts INTEGER NOT NULL REFERENCES verdicts
) STRICT;
CREATE INDEX decisions_by_job ON decisions(job, sequence);

CREATE TABLE documents(
  hash TEXT NOT NULL UNIQUE,
  body TEXT NOT NULL
) STRICT;

CREATE TABLE site_states(
  site TEXT NOT NULL PRIMARY KEY,
  health TEXT NOT NULL,
  drained INTEGER NOT NULL,
  drain_reason TEXT NOT NULL,
  last_success_ms INTEGER,
  last_failure_ms INTEGER,
  error_code TEXT NOT NULL,
  error_message TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE site_usage(
  site TEXT NOT NULL PRIMARY KEY,
  cursor TEXT NOT NULL,
  refused INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_records(
  sequence INTEGER PRIMARY KEY,
  job INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  owner TEXT NOT NULL,
  project TEXT NOT NULL,
  site TEXT NOT NULL,
  country TEXT NOT NULL,
  cluster TEXT NOT NULL,
  site_job_id TEXT NOT NULL,
  submitted_s INTEGER NOT NULL,
  started_s INTEGER NOT NULL,
  ended_s INTEGER NOT NULL,
  account TEXT NOT NULL,
  scheduler_account TEXT NOT NULL,
  queue TEXT NOT NULL,
  site_state TEXT NOT NULL,
  exit_code INTEGER,
  elapsed_s INTEGER NOT NULL,
  nodes INTEGER NOT NULL,
  cores INTEGER NOT NULL,
  gpus INTEGER NOT NULL,
  core_seconds INTEGER NOT NULL,
  gpu_seconds INTEGER NOT NULL,
  node_seconds INTEGER NOT NULL,
  source_line TEXT NOT NULL,
  UNIQUE(site, cluster, site_job_id, submitted_s, started_s),
  FOREIGN KEY(job, attempt) REFERENCES attempts
) STRICT;
CREATE INDEX usage_by_end ON usage_records(ended_s);
CREATE INDEX usage_by_job ON usage_records(job);
CREATE TRIGGER usage_no_update BEFORE UPDATE ON usage_records BEGIN SELECT RAISE(ABORT, 'usage is append-only'); END;
CREATE TRIGGER usage_no_delete BEFORE DELETE ON usage_records BEGIN SELECT RAISE(ABORT, 'usage is append-only'); END;

CREATE TABLE tokens(
  id TEXT NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  principal TEXT NOT NULL,
  role TEXT NOT NULL,
  note TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  expires_at_ms INTEGER,
  revoked_at_ms INTEGER
) STRICT;
)sql";

constexpr std::string_view kSchema2 = R"sql(
CREATE TABLE datasets(
  id TEXT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  project TEXT NOT NULL,
  labels TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  files INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  changed_at_ms INTEGER NOT NULL,
  version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX datasets_by_content ON datasets(sha256);

CREATE TABLE replicas(
  dataset TEXT NOT NULL REFERENCES datasets,
  site TEXT NOT NULL,
  root TEXT NOT NULL,
  path TEXT NOT NULL,
  added BLOB NOT NULL CHECK(length(added) = 16),
  added_at_ms INTEGER NOT NULL,
  verified_by TEXT,
  verified_at_ms INTEGER,
  expires_at_ms INTEGER,
  PRIMARY KEY(dataset, site)
) STRICT, WITHOUT ROWID;

CREATE TABLE dataset_changes(
  id BLOB NOT NULL PRIMARY KEY CHECK(length(id) = 16),
  dataset TEXT NOT NULL REFERENCES datasets,
  version INTEGER NOT NULL,
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  needs_second_person INTEGER NOT NULL,
  name TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE(dataset, version)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER changes_no_update BEFORE UPDATE ON dataset_changes BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
CREATE TRIGGER changes_no_delete BEFORE DELETE ON dataset_changes BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;

CREATE TABLE dataset_rulings(
  change BLOB NOT NULL PRIMARY KEY REFERENCES dataset_changes,
  version INTEGER NOT NULL,
  approved INTEGER NOT NULL,
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER rulings_no_update BEFORE UPDATE ON dataset_rulings BEGIN SELECT RAISE(ABORT, 'rulings are append-only'); END;
CREATE TRIGGER rulings_no_delete BEFORE DELETE ON dataset_rulings BEGIN SELECT RAISE(ABORT, 'rulings are append-only'); END;
CREATE TRIGGER rulings_second_person BEFORE INSERT ON dataset_rulings
WHEN NOT EXISTS(SELECT 1 FROM dataset_changes WHERE id = NEW.change AND needs_second_person AND (NOT NEW.approved OR by_whom <> NEW.by_whom))
BEGIN SELECT RAISE(ABORT, 'a second person approves'); END;
)sql";

// How often sites were called in the last minute or two: `calls` rows of one time. Monotonic times, of one boot of the machine.
constexpr char kSchema3[] = R"sql(
CREATE TABLE site_calls(
  site TEXT NOT NULL,
  budget TEXT NOT NULL,
  boot TEXT NOT NULL,
  leaves_by_ms INTEGER NOT NULL,
  calls INTEGER NOT NULL,
  PRIMARY KEY(site, budget, boot, leaves_by_ms)
) STRICT, WITHOUT ROWID;
)sql";

// What became of predicted waits, a row for an attempt that has started; of each site the newest are kept (estimates.cpp).
constexpr char kSchema4[] = R"sql(
CREATE TABLE waits(
  site TEXT NOT NULL,
  number INTEGER NOT NULL,
  job INTEGER NOT NULL REFERENCES jobs,
  attempt INTEGER NOT NULL,
  owner TEXT NOT NULL,
  project TEXT NOT NULL,
  size_class TEXT NOT NULL,
  basis TEXT NOT NULL,
  predicted_s INTEGER,
  p50_s INTEGER,
  p90_s INTEGER,
  actual_s INTEGER NOT NULL,
  started_s INTEGER NOT NULL,
  PRIMARY KEY(site, number)
) STRICT, WITHOUT ROWID;
)sql";

// What was decided about a dataset elsewhere: its permit, the basis of transfers, a review.
constexpr char kSchema5[] = R"sql(
ALTER TABLE datasets ADD COLUMN terms TEXT NOT NULL DEFAULT '{}';
)sql";

// Moves that were begun are counted over all time.
constexpr char kSchema6[] = R"sql(
ALTER TABLE attempts ADD COLUMN move TEXT;
CREATE INDEX attempts_moved ON attempts(job) WHERE move IS NOT NULL;
)sql";

// A dataset is on its way to a site once at a time, whatever the broker thinks.
constexpr char kSchema7[] = R"sql(
CREATE TABLE transfers(
  id BLOB NOT NULL PRIMARY KEY,
  dataset TEXT NOT NULL REFERENCES datasets,
  from_site TEXT NOT NULL,
  to_site TEXT NOT NULL,
  body TEXT NOT NULL,
  begun_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  end_code TEXT,
  message TEXT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX transfers_under_way ON transfers(dataset, to_site) WHERE ended_at_ms IS NULL;
CREATE INDEX replicas_by_place ON replicas(site, root);

CREATE TABLE link_speeds(
  from_site TEXT NOT NULL,
  to_site TEXT NOT NULL,
  bytes_per_second INTEGER NOT NULL,
  measured_at_ms INTEGER NOT NULL,
  PRIMARY KEY(from_site, to_site)
) STRICT, WITHOUT ROWID;
)sql";

constexpr char kSchema8[] = R"sql(
CREATE TABLE fact_changes(
  id BLOB NOT NULL PRIMARY KEY CHECK(length(id) = 16),
  subject TEXT NOT NULL,
  attribute TEXT NOT NULL,
  version INTEGER NOT NULL,
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  needs_second_person INTEGER NOT NULL,
  name TEXT NOT NULL,
  body TEXT NOT NULL,
  UNIQUE(subject, attribute, version)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER fact_changes_no_update BEFORE UPDATE ON fact_changes BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
CREATE TRIGGER fact_changes_no_delete BEFORE DELETE ON fact_changes BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;

CREATE TABLE fact_rulings(
  change BLOB NOT NULL PRIMARY KEY REFERENCES fact_changes,
  version INTEGER NOT NULL,
  approved INTEGER NOT NULL,
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER fact_rulings_no_update BEFORE UPDATE ON fact_rulings BEGIN SELECT RAISE(ABORT, 'rulings are append-only'); END;
CREATE TRIGGER fact_rulings_no_delete BEFORE DELETE ON fact_rulings BEGIN SELECT RAISE(ABORT, 'rulings are append-only'); END;
CREATE TRIGGER fact_rulings_second_person BEFORE INSERT ON fact_rulings
WHEN NOT EXISTS(SELECT 1 FROM fact_changes WHERE id = NEW.change AND needs_second_person
                AND (NOT NEW.approved OR (by_whom <> NEW.by_whom AND subject <> 'person:' || NEW.by_whom)))
BEGIN SELECT RAISE(ABORT, 'a second person approves'); END;

CREATE TABLE facts(
  subject TEXT NOT NULL,
  attribute TEXT NOT NULL,
  version INTEGER NOT NULL,
  change BLOB REFERENCES fact_changes,
  changed_at_ms INTEGER,
  statement TEXT,
  PRIMARY KEY(subject, attribute)
) STRICT, WITHOUT ROWID;
)sql";

// What a site was found to be like when it was looked over last.
constexpr char kSchema9[] = R"sql(
ALTER TABLE site_states ADD COLUMN doctor TEXT;
)sql";

// What a site says that it gives an attempt.
constexpr char kSchema10[] = R"sql(
ALTER TABLE attempts ADD COLUMN granted TEXT;
)sql";

// Tasks of an array whose own cancel was asked for: "3,5-7".
constexpr char kSchema11[] = R"sql(
ALTER TABLE jobs ADD COLUMN cancelled_tasks TEXT NOT NULL DEFAULT '';
)sql";

// Which of its job's variants an attempt is.
constexpr char kSchema12[] = R"sql(
ALTER TABLE attempts ADD COLUMN variant TEXT NOT NULL DEFAULT '';
)sql";

// Sites' agents: who may enrol, which key is whose, what was taken back.
constexpr char kSchema13[] = R"sql(
CREATE TABLE agent_events(
  sequence INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  what TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  by_whom TEXT NOT NULL,
  token_hash TEXT NOT NULL,
  expires_at_ms INTEGER,
  key TEXT NOT NULL,
  peer TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE TRIGGER agent_events_no_update BEFORE UPDATE ON agent_events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER agent_events_no_delete BEFORE DELETE ON agent_events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
)sql";

// Agents that people start at sites for themselves.
constexpr char kSchema14[] = R"sql(
CREATE TABLE person_agent_events(
  sequence INTEGER PRIMARY KEY,
  site TEXT NOT NULL,
  person TEXT NOT NULL,
  what TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  token_hash TEXT NOT NULL,
  token_until_ms INTEGER NOT NULL,
  session_until_ms INTEGER NOT NULL,
  by_whom TEXT NOT NULL,
  key TEXT NOT NULL,
  peer TEXT NOT NULL,
  reason TEXT NOT NULL
) STRICT;
CREATE INDEX person_agent_events_by_end ON person_agent_events(session_until_ms);
CREATE TRIGGER person_agent_events_no_update BEFORE UPDATE ON person_agent_events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER person_agent_events_no_delete BEFORE DELETE ON person_agent_events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
)sql";

// What projects may spend, what is kept of it for attempts, what runs were charged. Amounts are of 1/3,600,000 of a unit.
constexpr char kSchema15[] = R"sql(
CREATE TABLE charge_rules(
  row INTEGER PRIMARY KEY,
  body TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE allocations(
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK(length(id) = 16),
  kind TEXT NOT NULL CHECK(kind IN ('grant', 'balance')),
  project TEXT NOT NULL,
  site TEXT NOT NULL,
  unit TEXT NOT NULL,
  granted INTEGER NOT NULL,
  from_ms INTEGER NOT NULL,
  until_ms INTEGER,
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  note TEXT NOT NULL,
  revoked_ms INTEGER,
  reserved INTEGER NOT NULL DEFAULT 0 CHECK(reserved >= 0),
  used INTEGER NOT NULL DEFAULT 0 CHECK(used >= 0)
) STRICT;
CREATE INDEX allocations_of_project ON allocations(project, unit);
CREATE UNIQUE INDEX one_balance ON allocations(project, site, unit) WHERE kind = 'balance';
CREATE TABLE allocation_events(
  sequence INTEGER PRIMARY KEY,
  allocation INTEGER NOT NULL REFERENCES allocations,
  name TEXT NOT NULL,
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  note TEXT NOT NULL
) STRICT;
CREATE INDEX allocation_events_of ON allocation_events(allocation);
CREATE TRIGGER allocation_events_no_update BEFORE UPDATE ON allocation_events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER allocation_events_no_delete BEFORE DELETE ON allocation_events BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TABLE reservations(
  job INTEGER NOT NULL REFERENCES jobs,
  attempt INTEGER NOT NULL,
  grant_row INTEGER REFERENCES allocations,
  rule INTEGER NOT NULL REFERENCES charge_rules,
  project TEXT NOT NULL,
  site TEXT NOT NULL,
  unit TEXT NOT NULL,
  asked TEXT NOT NULL,
  of_run INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  not_over INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  booked_of TEXT NOT NULL,
  booked INTEGER NOT NULL,
  reserved INTEGER NOT NULL CHECK(reserved >= 0),
  used INTEGER NOT NULL CHECK(used >= 0),
  PRIMARY KEY(job, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_kept ON reservations(project, unit, site) WHERE reserved > 0;
CREATE TABLE charges(
  sequence INTEGER PRIMARY KEY,
  job INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  grant_row INTEGER REFERENCES allocations,
  project TEXT NOT NULL,
  site TEXT NOT NULL,
  unit TEXT NOT NULL,
  cluster TEXT NOT NULL,
  submission TEXT NOT NULL,
  site_job_id TEXT NOT NULL,
  submitted_s INTEGER NOT NULL,
  started_s INTEGER NOT NULL,
  ended_s INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  reverses INTEGER UNIQUE REFERENCES charges,
  CHECK((amount >= 0) = (reverses IS NULL) OR amount = 0),
  FOREIGN KEY(job, attempt) REFERENCES reservations
) STRICT;
CREATE INDEX charges_of_run ON charges(job, attempt, site_job_id, started_s);
CREATE INDEX charges_by_end ON charges(project, unit, ended_s);
CREATE TRIGGER charges_no_update BEFORE UPDATE ON charges BEGIN SELECT RAISE(ABORT, 'charges are append-only'); END;
CREATE TRIGGER charges_no_delete BEFORE DELETE ON charges BEGIN SELECT RAISE(ABORT, 'charges are append-only'); END;
)sql";

// Whom operators have shut out; what issuers said last of people.
constexpr char kSchema19[] = R"sql(
CREATE TABLE revocations(
  number INTEGER PRIMARY KEY,
  what TEXT NOT NULL,
  value TEXT NOT NULL,
  reason TEXT NOT NULL,
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  lifted_by TEXT,
  lifted_at_ms INTEGER,
  CHECK((lifted_by IS NULL) = (lifted_at_ms IS NULL))
) STRICT;
CREATE TRIGGER revocations_no_delete BEFORE DELETE ON revocations BEGIN SELECT RAISE(ABORT, 'revocations are lifted, not deleted'); END;
CREATE TABLE memberships(
  person TEXT PRIMARY KEY,
  projects TEXT NOT NULL,
  seen_at_ms INTEGER NOT NULL
) STRICT;
)sql";

constexpr std::array kMigrations = {
    Migration{.version = 1, .name = "jobs, events, usage, sites, tokens", .sql = kSchema1},
    Migration{.version = 2, .name = "datasets, replicas, changes", .sql = kSchema2},
    Migration{.version = 3, .name = "calls to sites", .sql = kSchema3},
    Migration{.version = 4, .name = "what became of predicted waits", .sql = kSchema4},
    Migration{.version = 5, .name = "terms of datasets", .sql = kSchema5},
    Migration{.version = 6, .name = "moves", .sql = kSchema6},
    Migration{.version = 7, .name = "transfers, speeds of links", .sql = kSchema7},
    Migration{.version = 8, .name = "facts about places, projects, people", .sql = kSchema8},
    Migration{.version = 9, .name = "reports on sites", .sql = kSchema9},
    Migration{.version = 10, .name = "what sites grant", .sql = kSchema10},
    Migration{.version = 11, .name = "cancels of tasks", .sql = kSchema11},
    Migration{.version = 12, .name = "variants", .sql = kSchema12},
    Migration{.version = 13, .name = "agents of sites", .sql = kSchema13},
    Migration{.version = 14, .name = "agents of people", .sql = kSchema14},
    Migration{.version = 15, .name = "allocations", .sql = kSchema15},
    Migration{.version = 16, .name = "the ledger", .sql = kLedgerSchema, .then = carry_usage_over},
    Migration{.version = 17, .name = "runs of the ledger by attempt", .sql = kLedgerRunsSchema},
    Migration{.version = 18, .name = "what reports need", .sql = kReportSchema},
    Migration{.version = 19, .name = "revocations, memberships", .sql = kSchema19},
    Migration{.version = 20, .name = "protection of people's data", .sql = kPrivacySchema},
    Migration{.version = 21, .name = "reconciliations, periods, adjustments", .sql = kPeriodsSchema},
    Migration{.version = 22, .name = "break-glass", .sql = kBreakGlassSchema, .then = let_ledger_hold_break_glass},
    Migration{.version = 23, .name = "what closes of periods rest on", .sql = kClosesSchema},
    Migration{.version = 24, .name = "people's own secrets", .sql = kSecretsSchema}};

constexpr std::int64_t kApplicationId = 0x48414E53;  // "HANS", in the file's header: file(1) and we know it by that

constexpr char kCreateRecord[] =
    "CREATE TABLE IF NOT EXISTS schema_migrations("
    "version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at_ms INTEGER NOT NULL) STRICT";
constexpr char kSelectRecord[] = "SELECT version, sha256 FROM schema_migrations ORDER BY version";
constexpr char kInsertRecord[] = "INSERT INTO schema_migrations(version, name, sha256, applied_at_ms) VALUES(?1, ?2, ?3, ?4)";
constexpr char kCountTables[] = "SELECT count(*) FROM sqlite_schema";
constexpr char kReadApplicationId[] = "PRAGMA application_id";

constexpr char kInsertBroker[] = "INSERT INTO broker(only, broker_id, epoch) VALUES(1, ?1, 0) ON CONFLICT DO NOTHING";
constexpr char kSelectBrokerId[] = "SELECT broker_id FROM broker";
constexpr char kAdvanceEpoch[] = "UPDATE broker SET epoch = epoch + 1";
constexpr char kSelectEpoch[] = "SELECT epoch FROM broker";

std::int64_t single_integer(Connection& db, const char* sql) {
  auto answer = db.query(sql);
  return answer.next() ? answer.integer(0) : 0;
}

Result<std::size_t> check_record(Connection& db, std::span<const Migration> steps) {
  std::size_t done = 0;
  auto rows = db.query(kSelectRecord);
  while (rows.next()) {
    const auto version = rows.integer(0);
    if (version > static_cast<std::int64_t>(steps.size())) {
      return fail(ErrorKind::conflict, "SCHEMA_TOO_NEW",
                  "the database has schema version " + std::to_string(version) + ", this hansad knows " +
                      std::to_string(steps.size()) +
                      ": it was used by a later release; install that one, or restore the backup made before the upgrade");
    }
    if (version != static_cast<std::int64_t>(done) + 1 || rows.text(1) != sha256_hex(steps[done].sql)) {
      return fail(ErrorKind::conflict, "SCHEMA_ALTERED",
                  "schema step " + std::to_string(version) +
                      " of the database is not the one this hansad was built with: "
                      "use an unmodified release, or restore a backup");
    }
    ++done;
  }
  return done;
}

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

Result<std::size_t> schema_version(Connection& db, std::span<const Migration> steps) {
  const auto application = single_integer(db, kReadApplicationId);
  const auto tables = single_integer(db, kCountTables);
  if (application != kApplicationId && (application != 0 || tables != 0)) {
    return fail(ErrorKind::conflict, "NOT_A_HANSA_STORE",
                "the database file belongs to another program: give another file in store.url");
  }
  return tables == 0 ? 0 : check_record(db, steps);
}

Result<void> migrate(Connection& db, std::span<const Migration> steps, UtcTime now) {
  const auto known = schema_version(db, steps);
  if (!known) return std::unexpected(known.error());
  if (single_integer(db, kReadApplicationId) == 0) db.run_script("PRAGMA application_id=" + std::to_string(kApplicationId));
  db.execute(kCreateRecord);
  for (const auto& step : steps.subspan(*known)) {
    db.run_script("BEGIN IMMEDIATE");
    db.run_script(std::string(step.sql));
    if (step.then != nullptr) step.then(db, now);
    db.execute(kInsertRecord, step.version, step.name, sha256_hex(step.sql), now);
    db.run_script("COMMIT");
  }
  return {};
}

Result<std::string> establish_broker_id(Connection& db, const std::string& proposed) {
  db.execute(kInsertBroker, proposed);
  auto row = db.query(kSelectBrokerId);
  row.next();
  return row.string(0);
}

Result<std::int64_t> advance_epoch(Connection& db) {
  db.execute(kAdvanceEpoch);
  return current_epoch(db);
}

std::int64_t current_epoch(Connection& db) { return single_integer(db, kSelectEpoch); }

std::unexpected<Error> stale_epoch(std::int64_t writer, std::int64_t current) {
  return fail(ErrorKind::conflict, "STALE_EPOCH", "this broker process has been replaced by a later one",
              "epoch " + std::to_string(writer) + " writes, " + std::to_string(current) + " is current");
}

}  // namespace hansa::store
