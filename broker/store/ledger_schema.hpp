// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger's tables, as a schema step made them (migrations.cpp): never edited once released.

namespace hansa::store {

// Rows of runs are kept as columns, from which the bytes that are hashed are written (ledger_read.cpp); others as
// those bytes. What was booked as usage before becomes its first records.
inline constexpr char kLedgerSchema[] = R"sql(
CREATE TABLE ledger(
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK(kind IN ('usage', 'reversal', 'adjustment', 'summary', 'decision', 'policy', 'key', 'period_open',
                                    'period_close', 'tombstone')),
  at_s INTEGER NOT NULL,
  refers_to INTEGER REFERENCES ledger CHECK(refers_to < seq),
  reason TEXT,
  body TEXT,
  job INTEGER,
  attempt INTEGER,
  revision INTEGER,
  site TEXT,
  country TEXT,
  cluster TEXT,
  site_job_id TEXT,
  submitted_s INTEGER,
  started_s INTEGER,
  ended_s INTEGER,
  site_state TEXT,
  exit_code INTEGER,
  project TEXT,
  queue TEXT,
  scheduler_account TEXT,
  nodes INTEGER,
  cores INTEGER,
  gpus INTEGER,
  runs INTEGER,
  elapsed_s INTEGER,
  core_seconds INTEGER,
  gpu_seconds INTEGER,
  node_seconds INTEGER,
  personal BLOB,
  CHECK((body IS NULL) = (kind IN ('usage', 'reversal', 'adjustment'))),
  CHECK(body IS NOT NULL OR (job IS NOT NULL AND site IS NOT NULL AND project IS NOT NULL AND ended_s IS NOT NULL AND
                             runs IS NOT NULL AND elapsed_s IS NOT NULL AND core_seconds IS NOT NULL AND gpu_seconds IS NOT NULL
                             AND node_seconds IS NOT NULL)),
  CHECK((kind = 'usage') = (personal IS NOT NULL)),
  CHECK(kind NOT IN ('reversal', 'adjustment') OR (refers_to IS NOT NULL AND reason IS NOT NULL)),
  FOREIGN KEY(job, attempt) REFERENCES attempts
) STRICT;
CREATE UNIQUE INDEX ledger_runs ON ledger(site, cluster, site_job_id, submitted_s, started_s, revision) WHERE kind = 'usage';
CREATE UNIQUE INDEX ledger_reversals ON ledger(refers_to) WHERE kind = 'reversal';
CREATE INDEX ledger_by_end ON ledger(ended_s) WHERE body IS NULL;
CREATE INDEX ledger_by_job ON ledger(job) WHERE job IS NOT NULL;
CREATE INDEX ledger_others ON ledger(kind, seq) WHERE body IS NOT NULL;
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_dense BEFORE INSERT ON ledger WHEN NEW.seq <> (SELECT coalesce(max(seq), -1) + 1 FROM ledger)
BEGIN SELECT RAISE(ABORT, 'the ledger has no gaps'); END;
CREATE TRIGGER ledger_run_once BEFORE INSERT ON ledger WHEN NEW.kind = 'usage' AND NEW.revision > 0 AND NOT EXISTS(
  SELECT 1 FROM ledger u JOIN ledger r ON r.refers_to = u.seq AND r.kind = 'reversal'
  WHERE u.kind = 'usage' AND u.site = NEW.site AND u.cluster = NEW.cluster AND u.site_job_id = NEW.site_job_id AND
        u.submitted_s = NEW.submitted_s AND u.started_s = NEW.started_s AND u.revision = NEW.revision - 1)
BEGIN SELECT RAISE(ABORT, 'a run is booked once, until it is taken back'); END;

CREATE TABLE ledger_hashes(
  place INTEGER PRIMARY KEY,
  hash BLOB NOT NULL CHECK(length(hash) = 32)
) STRICT;
CREATE TRIGGER ledger_hashes_no_update BEFORE UPDATE ON ledger_hashes BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_hashes_no_delete BEFORE DELETE ON ledger_hashes BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TABLE ledger_persons(
  seq INTEGER PRIMARY KEY REFERENCES ledger,
  salt BLOB NOT NULL CHECK(length(salt) = 16),
  owner TEXT NOT NULL,
  pseudonym TEXT NOT NULL,
  account TEXT NOT NULL,
  source_line TEXT NOT NULL
) STRICT;
CREATE TRIGGER ledger_persons_no_update BEFORE UPDATE ON ledger_persons
BEGIN SELECT RAISE(ABORT, 'a personal part is erased or stays'); END;

CREATE TABLE pseudonym_keys(
  period TEXT NOT NULL PRIMARY KEY,
  key BLOB NOT NULL CHECK(length(key) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_checkpoints(
  size INTEGER PRIMARY KEY,
  note TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
CREATE TRIGGER ledger_checkpoints_no_update BEFORE UPDATE ON ledger_checkpoints
BEGIN SELECT RAISE(ABORT, 'what was signed is kept'); END;
CREATE TRIGGER ledger_checkpoints_no_delete BEFORE DELETE ON ledger_checkpoints
BEGIN SELECT RAISE(ABORT, 'what was signed is kept'); END;

CREATE TABLE ledger_cosignatures(
  size INTEGER NOT NULL REFERENCES ledger_checkpoints,
  witness TEXT NOT NULL,
  line TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY(size, witness)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_refusals(
  site TEXT NOT NULL,
  reason TEXT NOT NULL,
  records INTEGER NOT NULL,
  last_at_s INTEGER NOT NULL,
  last_site_job_id TEXT NOT NULL,
  PRIMARY KEY(site, reason)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_refusals SELECT site, 'NOT_OURS', refused, 0, '' FROM site_usage WHERE refused > 0;
ALTER TABLE site_usage DROP COLUMN refused;
)sql";

// What names a run has the attempt in it, and so finds a job's records as well. A row of hashes holds those of its place and of
// some after it: two inserts for each record are half of what booking takes.
inline constexpr char kLedgerRunsSchema[] = R"sql(
DROP TRIGGER ledger_run_once;
DROP INDEX ledger_runs;
DROP INDEX ledger_by_job;
CREATE UNIQUE INDEX ledger_runs ON ledger(job, attempt, site_job_id, submitted_s, started_s, cluster, site, revision)
  WHERE kind = 'usage';
CREATE INDEX ledger_corrections ON ledger(job) WHERE kind IN ('reversal', 'adjustment');
CREATE TRIGGER ledger_run_once BEFORE INSERT ON ledger WHEN NEW.kind = 'usage' AND NEW.revision > 0 AND NOT EXISTS(
  SELECT 1 FROM ledger u JOIN ledger r ON r.refers_to = u.seq AND r.kind = 'reversal'
  WHERE u.kind = 'usage' AND u.job = NEW.job AND u.attempt = NEW.attempt AND u.site_job_id = NEW.site_job_id AND
        u.submitted_s = NEW.submitted_s AND u.started_s = NEW.started_s AND u.cluster = NEW.cluster AND u.site = NEW.site AND
        u.revision = NEW.revision - 1)
BEGIN SELECT RAISE(ABORT, 'a run is booked once, until it is taken back'); END;

CREATE TABLE ledger_hashes_in_rows(
  place INTEGER PRIMARY KEY,
  hash BLOB NOT NULL CHECK(length(hash) > 0 AND length(hash) % 32 = 0)
) STRICT;
INSERT INTO ledger_hashes_in_rows SELECT place, hash FROM ledger_hashes ORDER BY place;
DROP TABLE ledger_hashes;
ALTER TABLE ledger_hashes_in_rows RENAME TO ledger_hashes;
CREATE TRIGGER ledger_hashes_no_update BEFORE UPDATE ON ledger_hashes BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_hashes_no_delete BEFORE DELETE ON ledger_hashes BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
)sql";

}  // namespace hansa::store
