// SPDX-License-Identifier: Apache-2.0
#include "broker/store/charging.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/domain/task_array.hpp"
#include "broker/store/readers.hpp"

#include <algorithm>
#include <limits>

namespace hansa::store {
namespace {

using domain::Charge;

/// No `used` is more, whatever sites report: what a run would add to that it is not charged.
constexpr Charge kMostUsed{std::int64_t{1} << 62};

// Last: whether the last run of that task of the attempt's is known to have begun, and not to have been put back into the queue
// since.
constexpr char kReservationOfRun[] =
    "SELECT r.grant_row, r.project, r.site, r.unit, r.of_run, r.not_over, r.ended, r.booked_of, r.booked, r.reserved, r.used, "
    "r.asked, c.body, a.granted, (SELECT u.started_at_ms IS NOT NULL AND (u.ended_at_ms IS NULL OR u.outcome IS NOT NULL) FROM "
    "runs u WHERE u.job = r.job AND u.attempt = r.attempt AND u.task_index = ?3 ORDER BY u.number DESC LIMIT 1) FROM "
    "reservations r JOIN charge_rules c ON c.row = r.rule JOIN attempts a ON a.job = r.job AND a.number = r.attempt WHERE r.job "
    "= ?1 AND r.attempt = ?2";
// The one that is not reversed: a run is charged again only in the commit that reverses its last. "+": not by the index of what
// is reversed, in which all that reverses nothing is one value.
constexpr char kSelectLastCharge[] =
    "SELECT sequence, ended_s, amount FROM charges WHERE job = ?1 AND attempt = ?2 AND site_job_id = ?3 AND started_s = ?4 AND "
    "cluster = ?5 AND submitted_s = ?6 AND +reverses IS NULL ORDER BY sequence DESC LIMIT 1";
constexpr char kInsertCharge[] =
    "INSERT INTO charges(job, attempt, grant_row, project, site, unit, cluster, submission, site_job_id, submitted_s, started_s, "
    "ended_s, amount) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
constexpr char kReverseCharge[] =
    "INSERT INTO charges(job, attempt, grant_row, project, site, unit, cluster, submission, site_job_id, submitted_s, started_s, "
    "ended_s, amount, reverses) SELECT job, attempt, grant_row, project, site, unit, cluster, submission, site_job_id, "
    "submitted_s, started_s, ended_s, -amount, sequence FROM charges WHERE sequence = ?1";
constexpr char kBalanceOf[] = "SELECT row FROM allocations WHERE kind = 'balance' AND project = ?1 AND site = ?2 AND unit = ?3";
constexpr char kSelectAccount[] = "SELECT used, iif(kind = 'balance', from_ms, NULL) FROM allocations WHERE row = ?1";
constexpr char kAddToAccount[] = "UPDATE allocations SET reserved = reserved + ?2, used = used + ?3 WHERE row = ?1";

/// What a stored text says; each text is read once.
template <typename T>
Result<const T*> read_once(std::map<std::string, T, std::less<>>& known, std::string_view text, Result<T> (*read)(const Json&),
                           const std::string& what) {
  if (const auto at = known.find(text); at != known.end()) return &at->second;
  auto value = read(parse_json(text).value_or(Json()));
  if (!value) return unreadable(what, value.error().message);
  return &known.emplace(text, std::move(*value)).first->second;
}

}  // namespace

Result<std::optional<Charging::Basis>> Charging::basis_of(std::int64_t job_row, std::int32_t attempt, std::int32_t task) {
  auto row = db_.query(kReservationOfRun, job_row, attempt, task);
  if (!row.next()) return std::nullopt;
  Basis basis{.kept = {.attempt = attempt,
                       .grant = optional_row(row, 0),
                       .project = row.string(1),
                       .site = row.string(2),
                       .unit = row.string(3),
                       .of_run = {row.integer(4)},
                       .open = {.not_over = row.integer(5), .ended = row.integer(6)},
                       .booked_of = row.string(7),
                       .booked = row.integer(8),
                       .reserved = {row.integer(9)}},
              .used = {row.integer(10)},
              .asked = {},
              .last_run_began = row.boolean(14)};
  const auto asked = read_once(asked_, row.text(11), domain::use_from_json, "what an attempt asked for");
  if (!asked) return std::unexpected(asked.error());
  basis.asked = **asked;
  const auto rule = read_once(rules_, row.text(12), domain::charge_rule_from_json, "a charge rule");
  if (!rule) return std::unexpected(rule.error());
  basis.rule = *rule;
  if (!row.is_null(13)) {  // how much memory it really got
    const auto granted = domain::grant_from_json(parse_json(row.text(13)).value_or(Json()));
    if (granted && granted->memory.value > 0) basis.asked.memory = granted->memory;
  }
  return basis;
}

Charging::Account* Charging::account_at(std::int64_t row_id) {
  const auto [at, is_new] = accounts_.try_emplace(row_id);
  if (is_new) {
    auto row = db_.query(kSelectAccount, row_id);
    if (row.next())
      at->second = {.since_ms = row.is_null(1) ? std::numeric_limits<std::int64_t>::min() : row.integer(1),
                    .used = {row.integer(0)},
                    .more_reserved = {},
                    .more_used = {}};
  }
  return &at->second;
}

std::array<Charging::Account*, 2> Charging::accounts_of(const Kept& kept) {
  const auto [balance, is_new] = balances_.try_emplace({kept.project, kept.site, kept.unit});
  if (is_new) {
    auto row = db_.query(kBalanceOf, kept.project, kept.site, kept.unit);
    if (row.next()) balance->second = row.integer(0);
  }
  return {kept.grant ? account_at(*kept.grant) : nullptr, balance->second ? account_at(*balance->second) : nullptr};
}

void Charging::settle(std::int64_t job_row, Basis& basis, Charge used, std::int64_t ended_s) {
  const auto reserved = follow(db_, job_row, basis.kept, used);
  basis.used += used;
  for (auto* account : accounts_of(basis.kept)) {
    if (account == nullptr) continue;
    account->more_reserved += reserved;
    if (ended_s * 1'000 > account->since_ms) account->more_used += used;
  }
}

/// As of its own end, so that a balance told since has it neither twice nor less than nothing. False: it was not charged.
bool Charging::take_back(std::int64_t job_row, Basis& basis, const domain::UsageRecord& record) {
  std::int64_t sequence = 0;
  std::int64_t ended = 0;
  Charge amount;
  {
    auto last = db_.query(kSelectLastCharge, job_row, basis.kept.attempt, record.site_job_id, to_unix_seconds(*record.started_at),
                          record.cluster, to_unix_seconds(record.submitted_at));
    if (!last.next()) return false;
    sequence = last.integer(0);
    ended = last.integer(1);
    amount = {last.integer(2)};
  }
  db_.execute(kReverseCharge, sequence);
  settle(job_row, basis, Charge{0} - amount, ended);
  return true;
}

Result<void> Charging::charge(std::int64_t job_row, std::int32_t attempt, const domain::UsageRecord& record, bool is_first) {
  const auto task = record.array_id.empty() ? std::optional(0) : domain::task_in(record.array_id.str(), record.site_job_id.str());
  auto found = basis_of(job_row, attempt, task.value_or(0));
  if (!found) return std::unexpected(found.error());
  if (!*found) return {};
  auto& basis = **found;
  auto& kept = basis.kept;
  const auto& submission = record.array_id.empty() ? record.site_job_id : record.array_id;
  const bool is_its_own = submission.str() == kept.booked_of;
  if (!record.started_at) {
    // Else it tells of a run that nothing is kept for any more, as that of a task that was cancelled in the queue; of several
    // tasks together none has begun.
    if (!is_first || !is_its_own || !task || !basis.last_run_began) return {};
    ++kept.booked;
    settle(job_row, basis, {0}, 0);
    return {};
  }
  // What the accounting does not tell is as it was asked for.
  auto& use = basis.asked;
  if (record.nodes > 0) use.nodes = record.nodes;
  if (record.cores > 0) use.cores = record.cores;
  use.gpus = record.gpus;
  use.time = record.elapsed;
  const bool was_charged = !is_first && take_back(job_row, basis, record);
  if (!was_charged && is_its_own) ++kept.booked;
  auto most_used = basis.used;
  for (const auto* account : accounts_of(kept)) {
    if (account != nullptr) most_used = std::max(most_used, account->used + account->more_used);
  }
  const auto amount = std::clamp(kMostUsed - most_used, Charge{0}, domain::charge(*basis.rule, use));
  const auto ended = to_unix_seconds(record.ended_at);
  db_.execute(kInsertCharge, job_row, attempt, kept.grant, kept.project, kept.site, kept.unit, record.cluster, submission,
              record.site_job_id, to_unix_seconds(record.submitted_at), to_unix_seconds(*record.started_at), ended, amount);
  settle(job_row, basis, amount, ended);
  return {};
}

void Charging::finish() {
  for (const auto& [row, account] : accounts_) {
    if (account.more_reserved.value != 0 || account.more_used.value != 0)
      db_.execute(kAddToAccount, row, account.more_reserved, account.more_used);
  }
  accounts_.clear();
  balances_.clear();
}

}  // namespace hansa::store
