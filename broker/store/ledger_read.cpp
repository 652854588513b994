// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/export_check.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/periods.hpp"
#include "broker/store/readers.hpp"

namespace hansa::store {
namespace {

using ledger::Kind;

constexpr char kSelectSize[] = "SELECT coalesce(max(seq), -1) + 1 FROM ledger";
// A row holds the hashes of its place and of some after it.
constexpr char kSelectStored[] =
    "SELECT substr(hash, (?1 - place) * 32 + 1, 32) FROM ledger_hashes WHERE place <= ?1 ORDER BY place DESC LIMIT 1";
constexpr char kSelectKeys[] = "SELECT seq, body ->> '$.key' FROM ledger WHERE kind = 'key' AND body IS NOT NULL ORDER BY seq";
constexpr char kPlacesOfJob[] =
    "SELECT l.seq FROM jobs j JOIN ledger l ON l.job = j.row WHERE j.id = ?1 AND l.kind = 'usage' UNION ALL "
    "SELECT l.seq FROM jobs j JOIN ledger l ON l.job = j.row WHERE j.id = ?1 AND l.kind IN ('reversal', 'adjustment') ORDER BY 1";
constexpr char kSelectRecords[] =
    "SELECT l.seq, l.kind, l.body, l.at_s, l.refers_to, l.reason, j.id, l.attempt, l.revision, l.site, l.country, l.cluster, "
    "l.site_job_id, l.submitted_s, l.started_s, l.ended_s, l.site_state, l.exit_code, l.project, l.queue, l.scheduler_account, "
    "l.nodes, l.cores, l.gpus, l.runs, l.elapsed_s, l.core_seconds, l.gpu_seconds, l.node_seconds, l.personal, l.context, "
    "l.energy_j, l.original_period "
    "FROM ledger l LEFT JOIN jobs j ON j.row = l.job WHERE l.seq >= ?1 ORDER BY l.seq LIMIT ?2";
constexpr char kSelectPerson[] = "SELECT salt, owner, pseudonym, account, source_line FROM ledger_persons WHERE seq = ?1";
constexpr char kSumAdjustments[] =
    "SELECT coalesce(sum(runs), 0), coalesce(sum(elapsed_s), 0), coalesce(sum(core_seconds), 0), coalesce(sum(gpu_seconds), 0), "
    "coalesce(sum(node_seconds), 0) FROM ledger WHERE kind = 'adjustment' AND refers_to = ?1";
constexpr char kSelectLastCheckpoint[] = "SELECT size, note, at_ms FROM ledger_checkpoints ORDER BY size DESC LIMIT 1";
constexpr char kSelectFirstCheckpoint[] =
    "SELECT size, note, at_ms FROM ledger_checkpoints WHERE size >= ?1 ORDER BY size LIMIT 1";
constexpr char kSelectCosignatures[] = "SELECT witness, line, at_ms FROM ledger_cosignatures WHERE size = ?1 ORDER BY witness";
constexpr char kSelectLastCosignatures[] =
    "SELECT max(size), witness, line, at_ms FROM ledger_cosignatures GROUP BY witness ORDER BY witness";
constexpr char kSelectRefusals[] =
    "SELECT site, reason, records, last_at_s, last_site_job_id FROM usage_refusals ORDER BY site, reason";

ledger::UsageEntry entry_of(const Statement& row, Kind kind, std::map<std::int64_t, ledger::UsageContext>& contexts,
                            Contexts& stored) {
  ledger::UsageEntry entry;
  entry.seq = row.integer(0);
  entry.kind = kind;
  entry.at_s = row.integer(3);
  if (!row.is_null(4)) entry.refers_to = row.integer(4);
  entry.reason = row.string(5);
  entry.job = row.job_id(6);
  entry.attempt = row.integer32(7);
  entry.revision = row.integer(8);
  entry.site = row.string(9);
  entry.country = row.string(10);
  entry.cluster = row.string(11);
  entry.site_job_id = row.string(12);
  entry.submitted_s = row.integer(13);
  if (row.integer(14) != kNeverStarted) entry.started_s = row.integer(14);
  entry.ended_s = row.integer(15);
  entry.site_state = row.string(16);
  entry.exit_code = row.optional_integer32(17);
  entry.project = row.string(18);
  entry.queue = row.string(19);
  entry.scheduler_account = row.string(20);
  entry.nodes = row.integer32(21);
  entry.cores = row.integer32(22);
  entry.gpus = row.integer32(23);
  entry.amounts = {row.integer(24), row.integer(25), row.integer(26), row.integer(27), row.integer(28)};
  if (row.text(29).size() == std::tuple_size_v<Sha256>) {
    entry.personal.emplace();
    std::ranges::copy(row.text(29), entry.personal->begin());
  }
  const auto [context, is_new] = contexts.try_emplace(row.integer(30));
  if (is_new) context->second = stored.at(context->first);
  entry.context = context->second;
  if (!row.is_null(31)) entry.energy_j = row.integer(31);
  entry.original_period = row.string(32);
  return entry;
}

std::string personal_of(Connection& db, std::int64_t seq) {
  auto row = db.query(kSelectPerson, seq);
  if (!row.next()) return {};
  return ledger::personal_line({.salt = row.string(0),
                                .owner = row.string(1),
                                .pseudonym = row.string(2),
                                .account = row.string(3),
                                .source_line = row.string(4)});
}

Result<void> check_size(Connection& db, std::int64_t size) {
  if (const auto length = ledger_size(db); size > length || size < 0) {
    return fail(ErrorKind::not_found, "NO_SUCH_TREE",
                "the ledger has " + std::to_string(length) + " records, there is no tree of " + std::to_string(size));
  }
  return {};
}

/// Of the row, with who vouched for it.
std::optional<ports::KeptCheckpoint> checkpoint_in(Connection& db, Statement row) {
  if (!row.next()) return std::nullopt;
  ports::KeptCheckpoint kept{.size = row.integer(0), .note = row.string(1), .at = row.time_ms(2), .cosignatures = {}};
  auto by = db.query(kSelectCosignatures, kept.size);
  while (by.next()) kept.cosignatures.push_back({.witness = by.string(0), .line = by.string(1), .at = by.time_ms(2)});
  return kept;
}

}  // namespace

ledger::ReadHash StoredHashes::reader() {
  return [this](std::int64_t place) {
    auto row = db.query(kSelectStored, place);
    Sha256 hash{};
    if (row.next() && row.text(0).size() == hash.size())
      std::ranges::copy(row.text(0), hash.begin());
    else
      whole = false;
    return hash;
  };
}

Result<void> StoredHashes::check() const {
  if (!whole) return unreadable("the ledger's tree", "a hash is missing");
  return {};
}

Result<ports::LedgerHead> read_ledger_head(Connection& db) {
  ports::LedgerHead head{.size = ledger_size(db)};
  StoredHashes stored{db};
  head.root = ledger::root_of(head.size, stored.reader());
  if (auto whole = stored.check(); !whole) return std::unexpected(whole.error());
  const auto keys = read_ledger_keys(db);
  if (!keys) return std::unexpected(keys.error());
  if (!keys->empty()) head.key = keys->back().second;
  return head;
}

Result<std::vector<ports::LedgerRecord>> read_ledger_records(Connection& db, std::int64_t from, std::size_t limit,
                                                             bool personal) {
  std::vector<ports::LedgerRecord> records;
  std::size_t bytes = 0;
  std::map<std::int64_t, ledger::UsageContext> contexts;
  Contexts stored(db);
  auto row = db.query(kSelectRecords, from, bounded(limit));
  while (bytes < ports::kLedgerPageBytes && row.next()) {
    const auto kind = ledger::kind_of(row.text(1));
    if (!kind) return unreadable("record " + std::to_string(row.integer(0)) + " of the ledger", "kind " + row.string(1));
    ports::LedgerRecord record{.seq = row.integer(0), .of_person = *kind == Kind::usage};
    record.text = has_amounts(*kind) ? record_text(entry_of(row, *kind, contexts, stored)) : row.string(2);
    if (personal && record.of_person) record.personal = personal_of(db, record.seq);
    if (*kind == Kind::period_close) record.rests_on = read_close(db, record.seq);
    bytes += record.text.size() + record.personal.size() + record.rests_on.size();
    records.push_back(std::move(record));
  }
  return records;
}

std::optional<ledger::UsageEntry> read_entry(Connection& db, std::int64_t seq) {
  auto row = db.query(kSelectRecords, seq, 1);
  const auto kind = row.next() && row.integer(0) == seq ? ledger::kind_of(row.text(1)) : std::nullopt;
  if (!kind || !has_amounts(*kind)) return std::nullopt;
  std::map<std::int64_t, ledger::UsageContext> contexts;
  Contexts stored(db);
  return entry_of(row, *kind, contexts, stored);
}

std::int64_t ledger_size(Connection& db) {
  auto row = db.query(kSelectSize);
  return row.next() ? row.integer(0) : 0;
}

ledger::Amounts adjustments_of(Connection& db, std::int64_t record) {
  auto row = db.query(kSumAdjustments, record);
  if (!row.next()) return {};
  return {row.integer(0), row.integer(1), row.integer(2), row.integer(3), row.integer(4)};
}

Result<std::vector<std::int64_t>> read_ledger_records_of(Connection& db, JobId id) {
  if (!find_row(db, id)) return no_such_job(id);
  std::vector<std::int64_t> records;
  auto row = db.query(kPlacesOfJob, id);
  while (row.next()) records.push_back(row.integer(0));
  return records;
}

Result<ports::LedgerProof> prove_record(Connection& db, std::int64_t seq, std::int64_t size) {
  if (auto there = check_size(db, size); !there) return std::unexpected(there.error());
  if (seq < 0 || seq >= size)
    return fail(ErrorKind::not_found, "NO_SUCH_RECORD",
                "the ledger's first " + std::to_string(size) + " records have no " + std::to_string(seq));
  auto records = read_ledger_records(db, seq, 1, false);
  if (!records) return std::unexpected(records.error());
  if (records->empty() || records->front().seq != seq)
    return unreadable("the ledger", "record " + std::to_string(seq) + " is missing");
  StoredHashes stored{db};
  ports::LedgerProof proof{
      .record = std::move(records->front()), .size = size, .path = ledger::inclusion_proof(seq, size, stored.reader())};
  if (auto whole = stored.check(); !whole) return std::unexpected(whole.error());
  return proof;
}

Result<std::vector<Sha256>> prove_growth(Connection& db, std::int64_t from, std::int64_t to) {
  if (auto there = check_size(db, to); !there) return std::unexpected(there.error());
  if (from < 0 || from > to) return fail(ErrorKind::not_found, "NO_SUCH_TREE", "a tree cannot have grown from a larger one");
  if (from == 0) return std::vector<Sha256>{};
  StoredHashes stored{db};
  auto path = ledger::consistency_proof(from, to, stored.reader());
  if (auto whole = stored.check(); !whole) return std::unexpected(whole.error());
  return path;
}

Result<Sha256> read_ledger_root(Connection& db, std::int64_t size) {
  if (auto there = check_size(db, size); !there) return std::unexpected(there.error());
  StoredHashes stored{db};
  const auto root = ledger::root_of(size, stored.reader());
  if (auto whole = stored.check(); !whole) return std::unexpected(whole.error());
  return root;
}

Result<std::vector<std::pair<std::int64_t, std::string>>> read_ledger_keys(Connection& db) {
  std::vector<std::pair<std::int64_t, std::string>> keys;
  auto row = db.query(kSelectKeys);
  while (row.next()) keys.emplace_back(row.integer(0), row.string(1));
  return keys;
}

Result<std::optional<ports::KeptCheckpoint>> read_last_checkpoint(Connection& db) {
  return checkpoint_in(db, db.query(kSelectLastCheckpoint));
}

Result<std::optional<ports::KeptCheckpoint>> read_first_checkpoint(Connection& db, std::int64_t size) {
  return checkpoint_in(db, db.query(kSelectFirstCheckpoint, size));
}

Result<std::vector<std::pair<std::int64_t, ports::Cosignature>>> read_last_cosignatures(Connection& db) {
  std::vector<std::pair<std::int64_t, ports::Cosignature>> all;
  auto row = db.query(kSelectLastCosignatures);
  while (row.next())
    all.emplace_back(row.integer(0), ports::Cosignature{.witness = row.string(1), .line = row.string(2), .at = row.time_ms(3)});
  return all;
}

std::string corrections_query(std::string_view which) {
  std::string sql =
      "SELECT r.at_s, u.ended_s, r.kind, r.reason, r.project, r.site, r.site_job_id, j.id, r.refers_to, r.seq, n.seq";
  for (const std::string amount : {"core_seconds", "gpu_seconds", "node_seconds"}) {
    const auto published = "u." + amount + " + coalesce((SELECT sum(a." + amount +
                           ") FROM ledger a WHERE a.kind = 'adjustment' AND a.refers_to = u.seq AND a.seq < r.seq), 0)";
    sql.append(", ").append(published);
    sql.append(", iif(r.kind = 'reversal', coalesce(n." + amount + ", 0), " + published + " + r." + amount + ")");
  }
  // That index has the corrections alone; by place the whole ledger would be read.
  sql +=
      " FROM ledger r INDEXED BY ledger_corrections JOIN ledger u ON u.seq = r.refers_to JOIN jobs j ON j.row = r.job "
      "LEFT JOIN ledger n ON r.kind = 'reversal' AND n.kind = 'usage' AND n.job = u.job AND n.attempt = u.attempt AND "
      "n.site_job_id = u.site_job_id AND n.submitted_s = u.submitted_s AND n.started_s = u.started_s AND n.cluster = u.cluster "
      "AND "
      "n.site = u.site AND n.revision = u.revision + 1 AND n.seq < ?1 "
      "WHERE r.kind IN ('reversal', 'adjustment') AND r.seq < ?1 AND ";
  return sql.append(which);
}

Result<std::vector<ports::Correction>> read_corrections(Connection& db, std::size_t limit) {
  std::vector<ports::Correction> all;
  auto row = db.query_composed(corrections_query("r.kind = 'reversal' ORDER BY r.seq DESC LIMIT ?2"), INT64_MAX, bounded(limit));
  while (row.next()) {
    ports::Correction correction{.reversed = row.integer(8),
                                 .reversal = row.integer(9),
                                 .at = from_unix_seconds(row.integer(0)),
                                 .reason = row.string(3),
                                 .site = SiteId(row.text(5)),
                                 .site_job_id = SiteJobId(row.text(6)),
                                 .project = ProjectId(row.text(4)),
                                 .before = {row.integer(11)},
                                 .after = {row.integer(12)},
                                 .gpu_before = {row.integer(13)},
                                 .gpu_after = {row.integer(14)}};
    if (!row.is_null(10)) correction.replaced_by = row.integer(10);
    all.push_back(std::move(correction));
  }
  return all;
}

Result<std::vector<ports::UsageRefusal>> read_usage_refusals(Connection& db) {
  std::vector<ports::UsageRefusal> all;
  auto row = db.query(kSelectRefusals);
  while (row.next()) {
    all.push_back({.site = SiteId(row.text(0)),
                   .reason = row.string(1),
                   .records = row.integer(2),
                   .last_at = from_unix_seconds(row.integer(3)),
                   .last_site_job_id = row.string(4)});
  }
  return all;
}

}  // namespace hansa::store
