// SPDX-License-Identifier: Apache-2.0
#include "broker/async/real_scheduler.hpp"
#include "broker/ledger/note.hpp"
#include "broker/store/ledger.hpp"

#include <map>
#include <span>

namespace hansa::store {
namespace {

using ledger::Kind;
using ledger::Personal;
using ledger::UsageEntry;

constexpr char kInsertHash[] = "INSERT INTO ledger_hashes(place, hash) VALUES(?1, ?2)";
constexpr char kInsertUsage[] =
    "INSERT INTO ledger(seq, kind, at_s, refers_to, reason, job, attempt, revision, site, country, cluster, site_job_id, "
    "submitted_s, started_s, ended_s, site_state, exit_code, project, queue, scheduler_account, nodes, cores, gpus, runs, "
    "elapsed_s, core_seconds, gpu_seconds, node_seconds, personal, context, energy_j, original_period) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, "
    "?26, ?27, ?28, ?29, ?30, ?31, ?32)";
// As step 16 made the table.
constexpr char kInsertCarried[] =
    "INSERT INTO ledger(seq, kind, at_s, job, attempt, revision, site, country, cluster, site_job_id, submitted_s, started_s, "
    "ended_s, site_state, exit_code, project, queue, scheduler_account, nodes, cores, gpus, runs, elapsed_s, core_seconds, "
    "gpu_seconds, node_seconds, personal) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, "
    "?18, "
    "?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)";
constexpr char kSelectClosed[] = "SELECT body ->> '$.period' FROM ledger WHERE kind = 'period_close' AND body IS NOT NULL";
constexpr char kInsertOther[] = "INSERT INTO ledger(seq, kind, at_s, refers_to, body) VALUES(?1, ?2, ?3, ?4, ?5)";
constexpr char kInsertPerson[] =
    "INSERT INTO ledger_persons(seq, salt, owner, pseudonym, account, source_line) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
constexpr char kSelectPersonKey[] = "SELECT key FROM pseudonym_keys WHERE owner = ?1 AND period = ?2";
constexpr char kInsertPersonKey[] = "INSERT INTO pseudonym_keys(owner, period, key) VALUES(?1, ?2, ?3)";
constexpr char kSelectLastKey[] =
    "SELECT body ->> '$.key' FROM ledger WHERE kind = 'key' AND body IS NOT NULL ORDER BY seq DESC LIMIT 1";
constexpr char kSelectCheckpoint[] = "SELECT note FROM ledger_checkpoints WHERE size = ?1";
constexpr char kInsertCheckpoint[] = "INSERT INTO ledger_checkpoints(size, note, at_ms) VALUES(?1, ?2, ?3)";
constexpr char kInsertCosignature[] =
    "INSERT INTO ledger_cosignatures(size, witness, line, at_ms) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
// Of what this step found.
constexpr char kSelectOldUsage[] =
    "SELECT u.job, j.id, u.attempt, u.owner, u.project, u.site, u.country, u.cluster, u.site_job_id, u.submitted_s, u.started_s, "
    "u.ended_s, u.account, u.scheduler_account, u.queue, u.site_state, u.exit_code, u.elapsed_s, u.nodes, u.cores, u.gpus, "
    "u.core_seconds, u.gpu_seconds, u.node_seconds, u.source_line FROM usage_records u JOIN jobs j ON j.row = u.job ORDER BY "
    "u.sequence";

Blob blob_of(const Sha256& hash) { return {ledger::bytes_of(hash)}; }

}  // namespace

std::string random_bytes(std::size_t count) {
  async::SystemRandom random;
  std::string bytes(count, '\0');
  random.fill(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

LedgerAppender::LedgerAppender(Connection& db, std::size_t hashes_a_row)
    : db_(db),
      row_bytes_(hashes_a_row * std::tuple_size_v<Sha256>),
      tree_(ledger_size(db), StoredHashes{db}.reader()),
      place_(ledger::stored_count(tree_.size())) {}

void LedgerAppender::add_leaf(std::string_view text) {
  tree_.add(ledger::leaf_hash(text), [&](const Sha256& hash) {
    hashes_ += ledger::bytes_of(hash);
    if (hashes_.size() >= row_bytes_) write_hashes();
  });
}

void LedgerAppender::finish() {
  write_hashes();
  sums_.write(db_);
}

void LedgerAppender::write_hashes() {
  if (hashes_.empty()) return;
  db_.execute(kInsertHash, place_, Blob{hashes_});
  place_ += static_cast<std::int64_t>(hashes_.size() / std::tuple_size_v<Sha256>);
  hashes_.clear();
}

std::int64_t LedgerAppender::add(UsageEntry entry, std::int64_t job_row, const Personal* personal) {
  entry.seq = tree_.size();
  if (personal != nullptr) entry.personal = ledger::commitment(personal->salt, ledger::personal_text(*personal));
  const auto period = ledger::period_of(entry.ended_s);
  entry.original_period = is_closed(period) ? period : "";
  const auto context = contexts_.row_of(entry.context);
  sums_.add(entry, context);
  db_.execute(kInsertUsage, entry.seq, to_string(entry.kind), entry.at_s, entry.refers_to,
              entry.reason.empty() ? std::nullopt : std::optional(entry.reason), job_row, entry.attempt, entry.revision,
              entry.site, entry.country, entry.cluster, entry.site_job_id, entry.submitted_s,
              entry.started_s.value_or(kNeverStarted), entry.ended_s, entry.site_state, entry.exit_code, entry.project,
              entry.queue, entry.scheduler_account, entry.nodes, entry.cores, entry.gpus, entry.amounts.runs,
              entry.amounts.elapsed_s, entry.amounts.core_seconds, entry.amounts.gpu_seconds, entry.amounts.node_seconds,
              entry.personal ? std::optional(blob_of(*entry.personal)) : std::nullopt, context, entry.energy_j,
              entry.original_period.empty() ? std::nullopt : std::optional(entry.original_period));
  if (personal != nullptr) add_person(entry.seq, *personal);
  add_leaf(record_text(entry));
  return entry.seq;
}

bool LedgerAppender::is_closed(const std::string& period) {
  if (!closed_) {
    closed_.emplace();
    auto row = db_.query(kSelectClosed);
    while (row.next()) closed_->insert(row.string(0));
  }
  return closed_->contains(period);
}

void LedgerAppender::add_person(std::int64_t seq, const Personal& personal) {
  db_.execute(kInsertPerson, seq, Blob{personal.salt}, personal.owner, personal.pseudonym, personal.account,
              personal.source_line);
}

void LedgerAppender::carry_over(UsageEntry entry, std::int64_t job_row, const Personal& personal) {
  entry.seq = tree_.size();
  entry.personal = ledger::commitment(personal.salt, ledger::personal_text(personal));
  db_.execute(kInsertCarried, entry.seq, to_string(entry.kind), entry.at_s, job_row, entry.attempt, entry.revision, entry.site,
              entry.country, entry.cluster, entry.site_job_id, entry.submitted_s, entry.started_s.value_or(kNeverStarted),
              entry.ended_s, entry.site_state, entry.exit_code, entry.project, entry.queue, entry.scheduler_account, entry.nodes,
              entry.cores, entry.gpus, entry.amounts.runs, entry.amounts.elapsed_s, entry.amounts.core_seconds,
              entry.amounts.gpu_seconds, entry.amounts.node_seconds, blob_of(*entry.personal));
  add_person(entry.seq, personal);
  add_leaf(record_text(entry));
}

Result<std::int64_t> LedgerAppender::add(Kind kind, std::int64_t at_s, const Json& fields) {
  const auto seq = tree_.size();
  const auto text = ledger::record_text(seq, kind, at_s, fields);
  if (!text) return std::unexpected(text.error());
  if (kind == Kind::period_close) closed_.reset();
  const auto refers_to = fields.find("refers_to");
  db_.execute(kInsertOther, seq, to_string(kind), at_s,
              refers_to == fields.end() ? std::nullopt : std::optional(refers_to->get<std::int64_t>()), *text);
  add_leaf(*text);
  return seq;
}

std::string person_key(Connection& db, const std::string& owner, const std::string& period) {
  {
    auto row = db.query(kSelectPersonKey, owner, period);
    if (row.next()) return row.string(0);
  }
  auto key = random_bytes(32);
  db.execute(kInsertPersonKey, owner, period, Blob{key});
  return key;
}

void carry_usage_over(Connection& db, UtcTime now) {
  {
    std::map<std::string, std::string> keys;  // of the months: the next step has others, and these are of no more use
    LedgerAppender ledger(db);
    auto row = db.query(kSelectOldUsage);
    while (row.next()) {
      UsageEntry entry;
      entry.at_s = to_unix_seconds(now);
      entry.job = row.job_id(1);
      entry.attempt = row.integer32(2);
      Personal personal{
          .salt = random_bytes(kSaltBytes), .owner = row.string(3), .account = row.string(12), .source_line = row.string(24)};
      entry.project = row.string(4);
      entry.site = row.string(5);
      entry.country = row.string(6);
      entry.cluster = row.string(7);
      entry.site_job_id = row.string(8);
      entry.submitted_s = row.integer(9);
      if (row.integer(10) != kNeverStarted) entry.started_s = row.integer(10);
      entry.ended_s = row.integer(11);
      entry.scheduler_account = row.string(13);
      entry.queue = row.string(14);
      entry.site_state = row.string(15);
      entry.exit_code = row.optional_integer32(16);
      entry.nodes = row.integer32(18);
      entry.cores = row.integer32(19);
      entry.gpus = row.integer32(20);
      entry.amounts = {1, row.integer(17), row.integer(21), row.integer(22), row.integer(23)};
      auto& key = keys[ledger::period_of(entry.ended_s)];
      if (key.empty()) key = random_bytes(32);
      personal.pseudonym = ledger::pseudonym_of(personal.owner, key);
      ledger.carry_over(std::move(entry), row.integer(0), personal);
    }
  }
  db.run_script("DROP TABLE usage_records");
}

Result<std::int64_t> append_record(Connection& db, const ports::LedgerAddition& addition) {
  const auto kind = ledger::kind_of(addition.kind);
  if (!kind) return fail(ErrorKind::invalid_argument, "BAD_RECORD", "there is no record of kind " + addition.kind);
  if (addition.after_key) {
    auto row = db.query(kSelectLastKey);
    if ((row.next() ? row.string(0) : "") != *addition.after_key)
      return fail(ErrorKind::conflict, "KEY_CHANGED", "the ledger has another key by now: look at it again");
  }
  return LedgerAppender(db).add(*kind, to_unix_seconds(addition.at), addition.fields);
}

Result<void> keep_checkpoint(Connection& db, const ports::KeptCheckpoint& checkpoint) {
  {
    auto row = db.query(kSelectCheckpoint, checkpoint.size);
    if (row.next()) {
      if (row.text(0) == checkpoint.note) return {};
      return fail(ErrorKind::conflict, "CHECKPOINT_EXISTS", "a checkpoint of this size was signed before");
    }
  }
  db.execute(kInsertCheckpoint, checkpoint.size, checkpoint.note, checkpoint.at);
  return {};
}

Result<void> keep_cosignature(Connection& db, std::int64_t size, const ports::Cosignature& cosignature) {
  {
    auto row = db.query(kSelectCheckpoint, size);
    if (!row.next())
      return fail(ErrorKind::not_found, "NO_SUCH_CHECKPOINT",
                  "no checkpoint of " + std::to_string(size) + " records was signed here");
  }
  db.execute(kInsertCosignature, size, cosignature.witness, cosignature.line, cosignature.at);
  return {};
}

}  // namespace hansa::store
