// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tables of break-glass, who made whose tokens, and what issuers vouch for, as a schema step made them (migrations.cpp): never
// edited once released.

namespace hansa::store {

inline constexpr char kBreakGlassSchema[] = R"sql(
CREATE TABLE break_glass(
  row INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK(length(id) = 16),
  job BLOB CHECK(length(job) = 16),
  person TEXT NOT NULL,
  reason TEXT NOT NULL,
  by_whom TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  lasts_s INTEGER NOT NULL CHECK(lasts_s > 0),
  state TEXT NOT NULL CHECK(state IN ('pending', 'rejected', 'open', 'ended')),
  ruled_by TEXT,
  ruled_at_ms INTEGER,
  until_ms INTEGER CHECK(until_ms <= ruled_at_ms + lasts_s * 1000),
  seen_ms INTEGER,
  ended_by TEXT,
  ended_at_ms INTEGER,
  why TEXT NOT NULL DEFAULT '',
  uses INTEGER NOT NULL DEFAULT 0,
  makers TEXT NOT NULL,
  CHECK(state <> 'open' OR (ruled_by IS NOT NULL AND until_ms IS NOT NULL))
) STRICT;
CREATE INDEX break_glass_not_over ON break_glass(state) WHERE state IN ('pending', 'open');
CREATE TRIGGER break_glass_no_delete BEFORE DELETE ON break_glass BEGIN SELECT RAISE(ABORT, 'break-glass is on record'); END;
CREATE TRIGGER break_glass_second_person BEFORE UPDATE OF state ON break_glass
WHEN NEW.state = 'open' AND (OLD.state <> 'pending' OR NEW.ruled_by IS NULL OR NEW.ruled_by = OLD.by_whom OR
                             NEW.ruled_by = OLD.person OR NEW.ruled_by IN (SELECT value FROM json_each(OLD.makers)))
BEGIN SELECT RAISE(ABORT, 'a second person approves'); END;
CREATE TRIGGER break_glass_over BEFORE UPDATE OF state, until_ms, lasts_s, job ON break_glass
WHEN OLD.state IN ('rejected', 'ended') OR NEW.lasts_s <> OLD.lasts_s OR NEW.job IS NOT OLD.job OR
     (OLD.until_ms IS NOT NULL AND NEW.until_ms IS NOT OLD.until_ms)
BEGIN SELECT RAISE(ABORT, 'what was opened is not opened again, nor for longer'); END;

CREATE TABLE break_glass_uses(
  glass INTEGER NOT NULL REFERENCES break_glass,
  operation TEXT NOT NULL,
  job BLOB NOT NULL CHECK(length(job) = 16),
  first_ms INTEGER NOT NULL,
  last_ms INTEGER NOT NULL,
  times INTEGER NOT NULL,
  PRIMARY KEY(glass, job, operation)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER break_glass_uses_no_delete BEFORE DELETE ON break_glass_uses
BEGIN SELECT RAISE(ABORT, 'what was done is on record'); END;
CREATE TRIGGER break_glass_uses_grow BEFORE UPDATE ON break_glass_uses WHEN NEW.times <= OLD.times
BEGIN SELECT RAISE(ABORT, 'what was done is on record'); END;

CREATE TABLE break_glass_steps(
  record INTEGER PRIMARY KEY REFERENCES ledger,
  glass INTEGER NOT NULL REFERENCES break_glass,
  event TEXT NOT NULL,
  at_ms INTEGER NOT NULL,
  salt BLOB,
  personal TEXT
) STRICT;
CREATE INDEX break_glass_steps_of ON break_glass_steps(glass, record);
CREATE TRIGGER break_glass_steps_no_update BEFORE UPDATE ON break_glass_steps WHEN NOT EXISTS(SELECT 1 FROM erasing)
BEGIN SELECT RAISE(ABORT, 'what was done is on record'); END;
CREATE TRIGGER break_glass_steps_no_delete BEFORE DELETE ON break_glass_steps
BEGIN SELECT RAISE(ABORT, 'what was done is on record'); END;

ALTER TABLE tokens ADD COLUMN makers TEXT NOT NULL DEFAULT '[]';
UPDATE tokens SET makers = '["unknown:"]' WHERE id IS NOT (
  SELECT id FROM (SELECT * FROM tokens ORDER BY created_at_ms, id LIMIT 1)
  WHERE principal = 'local:operator' AND role = 'operator' AND note = 'made by hansad for operator.token');
ALTER TABLE memberships ADD COLUMN assurance TEXT NOT NULL DEFAULT '';
ALTER TABLE memberships ADD COLUMN authentication TEXT NOT NULL DEFAULT '';
)sql";

}  // namespace hansa::store
