// SPDX-License-Identifier: Apache-2.0
#pragma once
// What reports are made of beside the ledger's records, as a schema step made it (migrations.cpp): never edited once released.

namespace hansa::store {

// Contexts: what many records say alike (ledger::UsageContext). Sums: of each day's runs, by end, kept in the transaction that
// books (usage_sums.hpp), so that a report reads thousands of rows and not millions. An amount is high * 2^20 + low: no number of
// records that a disk holds overflows either. Context 0: records of before this step.
inline constexpr char kReportSchema[] = R"sql(
CREATE TABLE ledger_contexts(
  row INTEGER PRIMARY KEY,
  home TEXT NOT NULL,
  home_country TEXT NOT NULL,
  funding_body TEXT NOT NULL,
  call TEXT NOT NULL,
  centre TEXT NOT NULL,
  allocation TEXT NOT NULL,
  label TEXT NOT NULL,
  resource TEXT NOT NULL,
  energy_method TEXT NOT NULL,
  energy_scope TEXT NOT NULL,
  carbon_source TEXT NOT NULL,
  pue_milli INTEGER NOT NULL,
  carbon_mg_per_kwh INTEGER NOT NULL,
  UNIQUE(home, home_country, funding_body, call, centre, allocation, label, resource, energy_method, energy_scope, carbon_source,
         pue_milli, carbon_mg_per_kwh)
) STRICT;
INSERT INTO ledger_contexts VALUES(0, '', '', '', '', '', '', '', '', '', '', '', 0, 0);
CREATE TRIGGER ledger_contexts_no_update BEFORE UPDATE ON ledger_contexts
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_contexts_no_delete BEFORE DELETE ON ledger_contexts
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
ALTER TABLE ledger ADD COLUMN context INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger ADD COLUMN energy_j INTEGER;

CREATE TABLE usage_sums(
  day INTEGER NOT NULL,
  project TEXT NOT NULL,
  site TEXT NOT NULL,
  country TEXT NOT NULL,
  queue TEXT NOT NULL,
  context INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  measured INTEGER NOT NULL,
  elapsed_high INTEGER NOT NULL,
  elapsed_low INTEGER NOT NULL,
  core_high INTEGER NOT NULL,
  core_low INTEGER NOT NULL,
  gpu_high INTEGER NOT NULL,
  gpu_low INTEGER NOT NULL,
  node_high INTEGER NOT NULL,
  node_low INTEGER NOT NULL,
  energy_high INTEGER NOT NULL,
  energy_low INTEGER NOT NULL,
  PRIMARY KEY(day, project, site, country, queue, context)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_sums SELECT ended_s / 86400, project, site, country, queue, 0, sum(runs), 0, sum(elapsed_s >> 20),
  sum(elapsed_s & 1048575), sum(core_seconds >> 20), sum(core_seconds & 1048575), sum(gpu_seconds >> 20),
  sum(gpu_seconds & 1048575), sum(node_seconds >> 20), sum(node_seconds & 1048575), 0, 0
  FROM ledger WHERE body IS NULL GROUP BY 1, 2, 3, 4, 5;
)sql";

}  // namespace hansa::store
