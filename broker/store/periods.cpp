// SPDX-License-Identifier: Apache-2.0
#include "broker/store/periods.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/wide.hpp"
#include "broker/domain/two_persons.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/readers.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace hansa::store {
namespace {

using ledger::Kind;

constexpr char kSelectMonths[] =
    "SELECT seq, kind, at_s, body ->> '$.period', body ->> '$.sites', body ->> '$.reconciliations', body ->> '$.apart_s' "
    "FROM ledger WHERE kind IN ('period_open', 'summary', 'period_close') AND body IS NOT NULL ORDER BY seq";
// By the index of ends, whose entries are in the order of records where ends are the same.
constexpr char kSelectAmounts[] =
    "SELECT seq, ended_s, runs, elapsed_s, core_seconds, gpu_seconds, node_seconds FROM ledger WHERE body IS NULL AND ended_s < "
    "?1 AND (ended_s, seq) > (?2, ?3) AND seq < ?4 ORDER BY ended_s, seq LIMIT ?5";
// A record is seen by a reconciliation that asked about its end when it was there already.
constexpr char kCountUnseen[] =
    "SELECT count(*) FROM ledger l WHERE l.body IS NULL AND l.kind <> 'adjustment' AND l.ended_s >= ?1 AND l.ended_s < ?2 AND "
    "NOT "
    "EXISTS (SELECT 1 FROM reconciliations r WHERE r.site = l.site AND r.ledger_size > l.seq AND r.from_s <= l.ended_s AND "
    "r.to_s > l.ended_s) AND NOT EXISTS (SELECT 1 FROM explanations e WHERE e.site = l.site AND e.key = ?3)";
// In the order of records: a month has more of them than were booked since a moment ago.
constexpr char kSelectSince[] =
    "SELECT seq, kind, runs, elapsed_s, core_seconds, gpu_seconds, node_seconds FROM ledger NOT INDEXED WHERE seq >= ?1 AND body "
    "IS NULL AND ended_s >= ?2 AND ended_s < ?3";
constexpr char kSelectNewestLook[] =
    "SELECT id FROM reconciliations WHERE site = ?1 AND to_s > ?2 AND from_s < ?3 ORDER BY row DESC LIMIT 1";
const std::string kSelectNext = std::string(kSelectSince) + " AND seq < ?4";
constexpr std::int64_t kMostSince = 50'000;  // that the writer reads
constexpr char kInsertClose[] = "INSERT INTO period_closes(record, rests_on) VALUES(?1, ?2)";
constexpr char kSelectClose[] = "SELECT rests_on FROM period_closes WHERE record = ?1";
constexpr char kSelectSites[] =
    "SELECT DISTINCT site FROM ledger WHERE body IS NULL AND ended_s >= ?1 AND ended_s < ?2 ORDER BY site";
constexpr char kSelectTakenBack[] =
    "SELECT job, EXISTS (SELECT 1 FROM ledger r WHERE r.refers_to = l.seq AND r.kind = "
    "'reversal') FROM ledger l WHERE l.seq = ?1 AND l.kind = 'usage'";
constexpr char kInsertAdjustment[] =
    "INSERT INTO adjustments(id, record, core_seconds, gpu_seconds, node_seconds, reason, asked_by, at_ms) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
constexpr char kSelectAdjustments[] =
    "SELECT a.row, a.id, a.record, a.core_seconds, a.gpu_seconds, a.node_seconds, a.reason, a.asked_by, a.at_ms, r.approved, "
    "r.ruled_by, r.reason, r.at_ms, r.record FROM adjustments a LEFT JOIN adjustment_rulings r ON r.adjustment = a.row "
    "WHERE ?1 IS NULL OR a.id = ?1 ORDER BY a.row DESC LIMIT ?2";
constexpr char kSelectAdjustmentRow[] = "SELECT row FROM adjustments WHERE id = ?1";
constexpr char kInsertAdjustmentRuling[] =
    "INSERT INTO adjustment_rulings(adjustment, approved, ruled_by, reason, at_ms, record) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
constexpr char kSelectNewestRecord[] = "SELECT body FROM ledger WHERE kind = ?1 AND body IS NOT NULL ORDER BY seq DESC LIMIT 1";
constexpr char kSelectLeaves[] =
    "SELECT d.sequence, j.id, d.version, v.row, v.hash FROM decisions d JOIN verdicts v ON v.row = d.verdicts JOIN jobs j ON "
    "j.row = d.job WHERE d.sequence >= ?1 ORDER BY d.sequence LIMIT ?2";
constexpr std::size_t kSha256Digits = 64;  // of verdicts.hash; more follows once a name was taken out (erasure.cpp)
constexpr char kSelectVerdict[] = "SELECT body FROM verdicts WHERE row = ?1";

std::optional<ports::Month> find_month(Connection& db, const std::string& period) {
  const auto all = read_months(db);
  for (const auto& one : *all) {
    if (one.period == period) return one;
  }
  return std::nullopt;
}

/// The amounts in the columns from the third on.
Result<void> add(ports::MonthSums& sums, const Statement& row) {
  int column = 2;
  for (auto* sum : {&sums.runs, &sums.elapsed_s, &sums.core_seconds, &sums.gpu_seconds, &sums.node_seconds}) {
    if (__builtin_add_overflow(*sum, row.integer(column++), sum))
      return fail(ErrorKind::internal, "SUM_TOO_LARGE", "a month whose sum is beyond 64 bits cannot be summed up");
  }
  return {};
}

Result<ports::Adjustment> find_adjustment(Connection& db, const std::string& id) {
  auto found = read_adjustments(db, id, 1);
  if (found && !found->empty()) return std::move(found->front());
  return fail(ErrorKind::not_found, "NO_SUCH_ADJUSTMENT",
              "there is no adjustment " + id.substr(0, 40) + "; see: hansa ledger adjustments");
}

/// The job's row of a usage record that nothing has taken back.
Result<std::int64_t> job_of_standing(Connection& db, std::int64_t record) {
  auto row = db.query(kSelectTakenBack, record);
  if (row.next() && !row.boolean(1)) return row.integer(0);
  return fail(ErrorKind::not_found, "NO_SUCH_RECORD",
              "record " + std::to_string(record) +
                  " of the ledger is no run's, or was taken back: hansa ledger prove JOB shows "
                  "the records of a job");
}

/// No run used less than nothing, whatever is agreed about it.
Result<void> check_left(std::int64_t record, const ledger::UsageEntry& entry, const ledger::Amounts& added,
                        const ports::Adjustment& asked) {
  const auto stands = [&](std::int64_t used, std::int64_t more, std::int64_t wanted, const char* what) -> Result<void> {
    const auto now = Wide{used} + more;
    if (now + wanted >= 0) return {};
    return fail(ErrorKind::conflict, "BELOW_ZERO",
                "record " + std::to_string(record) + " has " + std::to_string(static_cast<std::int64_t>(now)) + " " + what +
                    ", of which " + std::to_string(wanted) + " would leave less than nothing: reject it, and ask for less");
  };
  const auto& used = entry.amounts;
  if (auto cores = stands(used.core_seconds, added.core_seconds, asked.core_seconds.value, "core-seconds"); !cores) return cores;
  if (auto gpus = stands(used.gpu_seconds, added.gpu_seconds, asked.gpu_seconds.value, "GPU-seconds"); !gpus) return gpus;
  return stands(used.node_seconds, added.node_seconds, asked.node_seconds.value, "node-seconds");
}

}  // namespace

Result<std::vector<ports::Month>> read_months(Connection& db) {
  std::map<std::string, ports::Month> months;
  auto row = db.query(kSelectMonths);
  while (row.next()) {
    auto& one = months[row.string(3)];
    one.period = row.string(3);
    const auto at = from_unix_seconds(row.integer(2));
    if (row.text(1) == "summary") {
      one.summary = row.integer(0);
    } else if (row.text(1) == "period_open") {
      one.opened = row.integer(0);
      one.opened_at = at;
    } else {
      one.closed = row.integer(0);
      one.closed_at = at;
      one.sites = row.string(4);
      one.reconciliations = row.string(5);
      one.apart = Seconds{row.integer(6)};
    }
  }
  std::vector<ports::Month> all;
  for (auto& [period, one] : months) all.push_back(std::move(one));
  return all;
}

Result<std::int64_t> open_month(Connection& db, const std::string& period, UtcTime at) {
  if (auto span = ledger::month_named(period); !span) return std::unexpected(span.error());
  if (const auto there = find_month(db, period)) return there->opened;
  LedgerAppender ledger(db);
  auto opened = ledger.add(Kind::period_open, to_unix_seconds(at), {{"period", period}});
  ledger.finish();
  return opened;
}

Result<std::pair<std::int64_t, std::int64_t>> count_unseen(Connection& db, const std::string& period) {
  const auto span = ledger::month_named(period);
  if (!span) return std::unexpected(span.error());
  auto row = db.query(kCountUnseen, span->from_s, span->to_s, period);
  return std::pair(row.next() ? row.integer(0) : 0, ledger_size(db));
}

Result<std::int64_t> close_month(Connection& db, const ports::MonthClose& close) {
  const auto span = ledger::month_named(close.period);
  if (!span) return std::unexpected(span.error());
  const auto there = find_month(db, close.period);
  if (!there) {
    return fail(ErrorKind::not_found, "NOT_OPENED",
                "the period " + close.period + " was not opened: hansa ledger period open " + close.period);
  }
  if (there->closed) return *there->closed;
  for (const auto& [site, seen] : close.newest) {
    auto row = db.query(kSelectNewestLook, site, span->from_s, span->to_s);
    if ((row.next() ? row.string(0) : std::string()) != seen)
      return fail(ErrorKind::conflict, "LEDGER_MOVED", "site " + site.str() + " was reconciled meanwhile: ask again");
  }
  auto sums = close.sums;
  const auto size = ledger_size(db);
  const auto since = std::min(close.looked_at, sums.size);
  auto moved = fail(ErrorKind::conflict, "LEDGER_MOVED", "something was booked into " + close.period + " meanwhile: ask again");
  if (!sums.whole) return moved;
  if (size - since > kMostSince) {
    return fail(ErrorKind::conflict, "LEDGER_MOVED",
                std::to_string(size - since) + " records were booked while " + close.period +
                    " was summed up, too many to look at in one commit: ask again when less is booked");
  }
  for (auto row = db.query(kSelectSince, since, span->from_s, span->to_s); row.next();) {
    if (row.integer(0) >= close.looked_at && row.text(1) != to_string(Kind::adjustment)) return moved;
    if (row.integer(0) < sums.size) continue;
    if (auto added = add(sums, row); !added) return std::unexpected(added.error());
  }
  LedgerAppender ledger(db);
  const auto at = to_unix_seconds(close.at);
  auto summed = ledger.add(Kind::summary, at,
                           {{"period", close.period},
                            {"runs", sums.runs},
                            {"elapsed_s", sums.elapsed_s},
                            {"core_seconds", sums.core_seconds},
                            {"gpu_seconds", sums.gpu_seconds},
                            {"node_seconds", sums.node_seconds}});
  if (!summed) return summed;
  auto closed = ledger.add(Kind::period_close, at,
                           {{"period", close.period},
                            {"sites", close.sites},
                            {"reconciliations", sha256_hex(close.rests_on)},
                            {"apart_s", close.apart.count()},
                            {"kept", 1}});
  if (!closed) return closed;
  db.execute(kInsertClose, *closed, close.rests_on);
  ledger.finish();
  return closed;
}

std::string read_close(Connection& db, std::int64_t record) {
  auto row = db.query(kSelectClose, record);
  return row.next() ? row.string(0) : "-";
}

Result<ports::MonthSums> sum_month(Connection& db, const std::string& period, ports::MonthSums sums, std::size_t limit) {
  const auto span = ledger::month_named(period);
  if (!span) return std::unexpected(span.error());
  if (sums.size == 0) sums = {.size = ledger_size(db), .ended_s = span->from_s, .seq = -1};
  const auto most = bounded(limit);
  if (sums.whole) {
    const auto to = sums.size + std::min(ledger_size(db) - sums.size, most);
    for (auto row = db.query(kSelectNext.c_str(), std::exchange(sums.size, to), span->from_s, span->to_s, to); row.next();) {
      if (auto added = add(sums, row); !added) return std::unexpected(added.error());
    }
    return sums;
  }
  std::int64_t rows = 0;
  for (auto row = db.query(kSelectAmounts, span->to_s, sums.ended_s, sums.seq, sums.size, most); row.next(); ++rows) {
    sums.seq = row.integer(0);
    sums.ended_s = row.integer(1);
    if (auto added = add(sums, row); !added) return std::unexpected(added.error());
  }
  sums.whole = rows < most;
  return sums;
}

Result<std::vector<SiteId>> read_sites_in(Connection& db, const std::string& period) {
  const auto span = ledger::month_named(period);
  if (!span) return std::unexpected(span.error());
  std::vector<SiteId> sites;
  auto row = db.query(kSelectSites, span->from_s, span->to_s);
  while (row.next()) sites.emplace_back(row.text(0));
  return sites;
}

Result<void> propose_adjustment(Connection& db, const ports::Adjustment& a) {
  if (auto job = job_of_standing(db, a.record); !job) return std::unexpected(job.error());
  db.execute(kInsertAdjustment, a.id, a.record, a.core_seconds, a.gpu_seconds, a.node_seconds, a.reason, a.by, a.at);
  return {};
}

Result<std::vector<ports::Adjustment>> read_adjustments(Connection& db, const std::optional<std::string>& id, std::size_t limit) {
  std::vector<ports::Adjustment> all;
  auto row = db.query(kSelectAdjustments, id, bounded(limit));
  while (row.next()) {
    ports::Adjustment one{.id = row.string(1),
                          .record = row.integer(2),
                          .core_seconds = {row.integer(3)},
                          .gpu_seconds = {row.integer(4)},
                          .node_seconds = {row.integer(5)},
                          .reason = row.string(6),
                          .by = Principal(row.text(7)),
                          .at = row.time_ms(8),
                          .ruling = {}};
    if (!row.is_null(9)) {
      one.ruling = ports::Adjustment::Ruling{.approved = row.boolean(9),
                                             .by = Principal(row.text(10)),
                                             .reason = row.string(11),
                                             .at = row.time_ms(12),
                                             .record = {}};
      if (!row.is_null(13)) one.ruling->record = row.integer(13);
    }
    all.push_back(std::move(one));
  }
  return all;
}

Result<ports::Adjustment> rule_on_adjustment(Connection& db, const std::string& id, const ports::Adjustment::Ruling& ruling) {
  auto asked = find_adjustment(db, id);
  if (!asked) return asked;
  if (asked->ruling) {
    return fail(ErrorKind::conflict, "NOT_PENDING",
                "adjustment " + id + " was " + (asked->ruling->approved ? "approved" : "rejected") + " before");
  }
  if (ruling.approved) {
    if (auto second = domain::second_person(domain::TwoPersons::adjustment, "adjustment " + id, {ruling.by}, asked->by); !second)
      return std::unexpected(second.error());
  }
  std::optional<std::int64_t> record;
  if (ruling.approved) {
    const auto job = job_of_standing(db, asked->record);
    if (!job) return std::unexpected(job.error());
    auto entry = read_entry(db, asked->record);
    if (!entry) return unreadable("record " + std::to_string(asked->record), "no usage record");
    if (auto left = check_left(asked->record, *entry, adjustments_of(db, asked->record), *asked); !left)
      return std::unexpected(left.error());
    entry->kind = Kind::adjustment;
    entry->at_s = to_unix_seconds(ruling.at);
    entry->refers_to = asked->record;
    entry->reason = "sha256:" + sha256_hex(asked->reason);  // the text may name somebody, and a leaf is for good
    entry->personal.reset();
    entry->amounts = {0, 0, asked->core_seconds.value, asked->gpu_seconds.value, asked->node_seconds.value};
    entry->energy_j.reset();
    LedgerAppender ledger(db);
    record = ledger.add(std::move(*entry), *job, nullptr);
    ledger.finish();
  }
  std::int64_t row = 0;
  {
    auto found = db.query(kSelectAdjustmentRow, id);
    row = found.next() ? found.integer(0) : 0;
  }
  db.execute(kInsertAdjustmentRuling, row, ruling.approved, ruling.by, ruling.reason, ruling.at, record);
  return find_adjustment(db, id);
}

Result<std::string> read_newest_record(Connection& db, const std::string& kind) {
  auto row = db.query(kSelectNewestRecord, kind);
  return row.next() ? row.string(0) : std::string();
}

Result<std::vector<ports::DecisionLeaf>> read_decision_leaves(Connection& db, std::int64_t from, std::size_t limit, bool anew) {
  std::vector<ports::DecisionLeaf> leaves;
  struct Hash {
    std::string of_body;
    bool erased = false;
  };
  std::map<std::int64_t, Hash> hashes;  // of verdicts: many decisions share one
  auto row = db.query(kSelectLeaves, from, bounded(limit));
  while (row.next()) {
    const auto [at, is_new] = hashes.try_emplace(row.integer(3));
    auto& hash = at->second;
    if (is_new) {
      const auto stored = row.text(4);
      hash = {.of_body = std::string(stored.substr(0, kSha256Digits)), .erased = stored.size() > kSha256Digits};
      if (anew && !hash.erased) {
        auto verdict = db.query(kSelectVerdict, row.integer(3));
        hash.of_body = verdict.next() ? sha256_hex(verdict.text(0)) : "";
      }
    }
    leaves.push_back(
        {.sequence = row.integer(0),
         .text = canonical_json(
             {{"job", row.job_id(1).str()}, {"sequence", row.integer(0)}, {"sha256", hash.of_body}, {"version", row.integer(2)}}),
         .erased = hash.erased});
  }
  return leaves;
}

}  // namespace hansa::store
