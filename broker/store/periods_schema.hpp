// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tables of reconciliations, explanations and adjustments, as a schema step made them (migrations.cpp): never edited once
// released.

namespace hansa::store {

inline constexpr char kPeriodsSchema[] = R"sql(
ALTER TABLE ledger ADD COLUMN original_period TEXT;
CREATE INDEX ledger_adjustments ON ledger(refers_to) WHERE kind = 'adjustment';

CREATE TABLE reconciliations(
  row INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  site TEXT NOT NULL,
  from_s INTEGER NOT NULL,
  to_s INTEGER NOT NULL CHECK(to_s > from_s),
  begun_s INTEGER NOT NULL,
  at_s INTEGER NOT NULL,
  asked_by TEXT NOT NULL,
  ledger_size INTEGER NOT NULL,
  tolerance_s INTEGER NOT NULL,
  matched INTEGER NOT NULL,
  missing_at_broker INTEGER NOT NULL,
  missing_at_site INTEGER NOT NULL,
  field_mismatch INTEGER NOT NULL,
  duplicate INTEGER NOT NULL,
  late INTEGER NOT NULL,
  listed INTEGER NOT NULL,
  others INTEGER
) STRICT;
CREATE INDEX reconciliations_by_site ON reconciliations(site, ledger_size);
CREATE TRIGGER reconciliations_no_update BEFORE UPDATE ON reconciliations WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'what was seen is kept'); END;
CREATE TRIGGER reconciliations_no_delete BEFORE DELETE ON reconciliations
BEGIN SELECT RAISE(ABORT, 'what was seen is kept'); END;

CREATE TABLE differences(
  reconciliation INTEGER NOT NULL REFERENCES reconciliations,
  number INTEGER NOT NULL,
  site TEXT NOT NULL,
  kind TEXT NOT NULL CHECK(kind IN ('missing_at_broker', 'missing_at_site', 'field_mismatch', 'duplicate', 'late')),
  key TEXT NOT NULL,
  cluster TEXT NOT NULL,
  site_job_id TEXT NOT NULL,
  submitted_s INTEGER NOT NULL,
  started_s INTEGER NOT NULL,
  ended_s INTEGER NOT NULL,
  record INTEGER REFERENCES ledger,
  fields TEXT NOT NULL,
  outcome TEXT NOT NULL,
  PRIMARY KEY(reconciliation, number)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER differences_no_update BEFORE UPDATE ON differences BEGIN SELECT RAISE(ABORT, 'what was seen is kept'); END;
CREATE TRIGGER differences_no_delete BEFORE DELETE ON differences BEGIN SELECT RAISE(ABORT, 'what was seen is kept'); END;

CREATE TABLE explanations(
  site TEXT NOT NULL,
  key TEXT NOT NULL,
  reason TEXT NOT NULL,
  explained_by TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  PRIMARY KEY(site, key)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER explanations_no_update BEFORE UPDATE ON explanations WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'an explanation is on record'); END;
CREATE TRIGGER explanations_no_delete BEFORE DELETE ON explanations BEGIN SELECT RAISE(ABORT, 'an explanation is on record'); END;

CREATE TABLE adjustments(
  row INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  record INTEGER NOT NULL REFERENCES ledger,
  core_seconds INTEGER NOT NULL,
  gpu_seconds INTEGER NOT NULL,
  node_seconds INTEGER NOT NULL,
  reason TEXT NOT NULL,
  asked_by TEXT NOT NULL,
  at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE adjustment_rulings(
  adjustment INTEGER PRIMARY KEY REFERENCES adjustments,
  approved INTEGER NOT NULL,
  ruled_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  record INTEGER REFERENCES ledger,
  CHECK((approved = 1) = (record IS NOT NULL))
) STRICT;
CREATE TRIGGER adjustments_no_update BEFORE UPDATE ON adjustments WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'what was asked is kept'); END;
CREATE TRIGGER adjustments_no_delete BEFORE DELETE ON adjustments BEGIN SELECT RAISE(ABORT, 'what was asked is kept'); END;
CREATE TRIGGER adjustment_rulings_no_update BEFORE UPDATE ON adjustment_rulings WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'a ruling is kept'); END;
CREATE TRIGGER adjustment_rulings_no_delete BEFORE DELETE ON adjustment_rulings BEGIN SELECT RAISE(ABORT, 'a ruling is kept'); END;
CREATE TRIGGER adjustments_by_two BEFORE INSERT ON adjustment_rulings WHEN NEW.approved = 1 AND
  NEW.ruled_by = (SELECT asked_by FROM adjustments WHERE row = NEW.adjustment)
BEGIN SELECT RAISE(ABORT, 'nobody approves what they asked for'); END;
)sql";

inline constexpr char kClosesSchema[] = R"sql(
CREATE TABLE period_closes(
  record INTEGER PRIMARY KEY REFERENCES ledger,
  rests_on TEXT NOT NULL
) STRICT;
CREATE TRIGGER period_closes_no_update BEFORE UPDATE ON period_closes BEGIN SELECT RAISE(ABORT, 'what a close rests on is kept'); END;
CREATE TRIGGER period_closes_no_delete BEFORE DELETE ON period_closes BEGIN SELECT RAISE(ABORT, 'what a close rests on is kept'); END;
)sql";

}  // namespace hansa::store
