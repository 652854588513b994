// SPDX-License-Identifier: Apache-2.0
#pragma once
// What people's own secrets need, as a schema step made it (migrations.cpp): never edited once released.

namespace hansa::store {

// A copy is known by its attempt alone: whose it is and where stands there.
inline constexpr char kSecretsSchema[] = R"sql(
CREATE TABLE secrets(
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  key_id TEXT NOT NULL,
  sealed BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  changed_at_ms INTEGER NOT NULL,
  PRIMARY KEY(owner, name)
) STRICT;

CREATE TABLE secret_copies(
  job INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  PRIMARY KEY(job, attempt),
  FOREIGN KEY(job, attempt) REFERENCES attempts
) STRICT, WITHOUT ROWID;
)sql";

}  // namespace hansa::store
