// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the protection of data needs, as a schema step made it (migrations.cpp): never edited once released.

namespace hansa::store {

// `erasing` has a row while a transaction takes people's names out, and never when it is committed: what is append-only stays so
// to everything else. Pseudonyms are made with a key of the person's own for each month, so that one person's can go alone.
inline constexpr char kPrivacySchema[] = R"sql(
CREATE INDEX decisions_by_verdicts ON decisions(verdicts);

CREATE TABLE erasing(only INTEGER PRIMARY KEY CHECK(only = 1)) STRICT;

DROP TRIGGER events_no_update;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
WHEN NOT EXISTS(SELECT 1 FROM erasing) OR NEW.sequence <> OLD.sequence OR NEW.job <> OLD.job OR NEW.version <> OLD.version OR
     NEW.at_ms <> OLD.at_ms OR NEW.name <> OLD.name
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
DROP TRIGGER changes_no_update;
CREATE TRIGGER changes_no_update BEFORE UPDATE ON dataset_changes WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
DROP TRIGGER rulings_no_update;
CREATE TRIGGER rulings_no_update BEFORE UPDATE ON dataset_rulings WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'rulings are append-only'); END;
DROP TRIGGER fact_changes_no_update;
CREATE TRIGGER fact_changes_no_update BEFORE UPDATE ON fact_changes WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
DROP TRIGGER fact_changes_no_delete;
CREATE TRIGGER fact_changes_no_delete BEFORE DELETE ON fact_changes WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'changes are append-only'); END;
DROP TRIGGER fact_rulings_no_update;
CREATE TRIGGER fact_rulings_no_update BEFORE UPDATE ON fact_rulings WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'rulings are append-only'); END;
DROP TRIGGER fact_rulings_no_delete;
CREATE TRIGGER fact_rulings_no_delete BEFORE DELETE ON fact_rulings WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'rulings are append-only'); END;
DROP TRIGGER agent_events_no_update;
CREATE TRIGGER agent_events_no_update BEFORE UPDATE ON agent_events WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
DROP TRIGGER person_agent_events_no_update;
CREATE TRIGGER person_agent_events_no_update BEFORE UPDATE ON person_agent_events WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
DROP TRIGGER person_agent_events_no_delete;
CREATE TRIGGER person_agent_events_no_delete BEFORE DELETE ON person_agent_events WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
DROP TRIGGER allocation_events_no_update;
CREATE TRIGGER allocation_events_no_update BEFORE UPDATE ON allocation_events WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER ledger_persons_no_delete BEFORE DELETE ON ledger_persons WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'a personal part is erased with a tombstone'); END;

DROP TABLE pseudonym_keys;
CREATE TABLE pseudonym_keys(
  owner TEXT NOT NULL,
  period TEXT NOT NULL,
  key BLOB NOT NULL CHECK(length(key) = 32),
  PRIMARY KEY(owner, period)
) STRICT, WITHOUT ROWID;

CREATE TABLE retention_log(
  sequence INTEGER PRIMARY KEY,
  at_ms INTEGER NOT NULL,
  holding TEXT NOT NULL,
  before_ms INTEGER NOT NULL,
  rows INTEGER NOT NULL
) STRICT;
CREATE TRIGGER retention_log_no_update BEFORE UPDATE ON retention_log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER retention_log_no_delete BEFORE DELETE ON retention_log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TABLE retention_places(
  holding TEXT NOT NULL PRIMARY KEY,
  place INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE erasures(
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK(length(id) = 16),
  principal TEXT,
  reason TEXT NOT NULL,
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('pending', 'rejected', 'approved', 'done')),
  ruled_by TEXT,
  ruled_at_ms INTEGER,
  done_at_ms INTEGER,
  phase INTEGER NOT NULL DEFAULT 0,
  place INTEGER NOT NULL DEFAULT 0,
  jobs INTEGER NOT NULL DEFAULT 0,
  records INTEGER NOT NULL DEFAULT 0,
  CHECK(principal IS NULL OR state IN ('pending', 'approved'))
) STRICT;
CREATE UNIQUE INDEX erasures_of ON erasures(principal) WHERE principal IS NOT NULL;
CREATE TRIGGER erasures_no_delete BEFORE DELETE ON erasures BEGIN SELECT RAISE(ABORT, 'erasures are on record'); END;
CREATE TRIGGER erasures_second_person BEFORE UPDATE OF state ON erasures
WHEN NEW.state = 'approved' AND (OLD.state <> 'pending' OR NEW.ruled_by IS NULL OR NEW.ruled_by = OLD.by_whom)
BEGIN SELECT RAISE(ABORT, 'a second person approves'); END;

CREATE TABLE access_people(
  row INTEGER PRIMARY KEY,
  principal TEXT UNIQUE
) STRICT;
CREATE TABLE access_log(
  sequence INTEGER PRIMARY KEY,
  at_s INTEGER NOT NULL,
  reader INTEGER NOT NULL REFERENCES access_people,
  role TEXT NOT NULL,
  subject INTEGER REFERENCES access_people,
  route TEXT NOT NULL,
  reason TEXT NOT NULL,
  times INTEGER NOT NULL
) STRICT;
CREATE INDEX access_log_about ON access_log(subject, sequence) WHERE subject IS NOT NULL;
CREATE TRIGGER access_log_no_update BEFORE UPDATE ON access_log
WHEN NOT EXISTS(SELECT 1 FROM erasing) OR NEW.sequence <> OLD.sequence OR NEW.at_s <> OLD.at_s OR NEW.reader <> OLD.reader OR
     NEW.role <> OLD.role OR NEW.subject IS NOT OLD.subject OR NEW.route <> OLD.route OR NEW.times <> OLD.times
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
CREATE TRIGGER access_log_no_delete BEFORE DELETE ON access_log WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
)sql";

}  // namespace hansa::store
