// SPDX-License-Identifier: Apache-2.0
#include "broker/store/usage.hpp"

#include "broker/core/encoding.hpp"
#include "broker/domain/nobody.hpp"
#include "broker/store/charging.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/usage_context.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

namespace hansa::store {
namespace {

using domain::UsageRecord;

// The fifth: whether something is kept for the attempt's runs, or was.
constexpr char kSelectAttempt[] =
    "SELECT j.row, j.owner, j.project, a.account, EXISTS(SELECT 1 FROM reservations r WHERE r.job = j.row AND r.attempt = "
    "a.number), j.spec FROM jobs j JOIN attempts a ON a.job = j.row "
    "WHERE j.id = ?1 AND a.number = ?2 AND a.site = ?3 AND a.site_job_id = ?4";
// A further submission of the attempt, which the engine has recorded as such.
constexpr char kSelectTwin[] =
    "SELECT j.row, j.owner, j.project, a.account, EXISTS(SELECT 1 FROM reservations r WHERE r.job = j.row AND r.attempt = "
    "a.number), j.spec FROM jobs j JOIN attempts a ON a.job = j.row "
    "WHERE j.id = ?1 AND a.number = ?2 AND a.site = ?3 AND EXISTS (SELECT 1 FROM events e WHERE e.job = j.row "
    "AND e.name = 'sighting_quarantined' AND e.body ->> '$.attempt' = ?2 AND e.body ->> '$.site_job_id' = ?4 "
    "AND e.body ->> '$.reason_code' = 'DUPLICATE')";
constexpr char kSelectBooked[] =
    "SELECT seq, revision, ended_s, scheduler_account, queue, site_state, exit_code, elapsed_s, nodes, cores, gpus, "
    "core_seconds, gpu_seconds, node_seconds, country, project, context, energy_j FROM ledger WHERE kind = 'usage' AND job = ?1 "
    "AND attempt = ?2 AND site_job_id = ?3 AND submitted_s = ?4 AND started_s = ?5 AND cluster = ?6 AND site = ?7 "
    "ORDER BY revision DESC LIMIT 1";
constexpr char kMoveCursor[] =
    "INSERT INTO site_usage(site, cursor) VALUES(?1, ?2) ON CONFLICT(site) DO UPDATE SET cursor = excluded.cursor";
constexpr char kCountRefused[] =
    "INSERT INTO usage_refusals(site, reason, records, last_at_s, last_site_job_id) VALUES(?1, ?2, 1, ?3, ?4) "
    "ON CONFLICT(site, reason) DO UPDATE SET records = records + 1, last_at_s = excluded.last_at_s, "
    "last_site_job_id = excluded.last_site_job_id";
constexpr char kSelectCursor[] = "SELECT cursor FROM site_usage WHERE site = ?1";
constexpr char kSelectOfJob[] =
    "SELECT u.site, u.cluster, u.site_job_id, j.id, u.attempt, p.account, u.scheduler_account, u.queue, u.submitted_s, "
    "u.started_s, u.ended_s, u.site_state, u.exit_code, u.elapsed_s, u.nodes, u.cores, u.gpus, u.core_seconds, u.gpu_seconds, "
    "u.node_seconds, p.source_line FROM jobs j JOIN ledger u ON u.job = j.row LEFT JOIN ledger_persons p ON p.seq = u.seq "
    "WHERE j.id = ?1 AND u.kind = 'usage' AND NOT EXISTS (SELECT 1 FROM ledger r WHERE r.refers_to = u.seq AND r.kind = "
    "'reversal') "
    "ORDER BY u.seq";
// Pages go from one place in the ledger to another: `last` is the first place that is not in them.
constexpr char kSelectGpuUse[] =
    "SELECT u.project, iif(j.spec ->> '$.variants' IS NULL, j.spec ->> '$.gpu_model', NULL), sum(u.gpu_seconds), max(u.seq) + 1 "
    "FROM ledger u JOIN jobs j ON j.row = u.job WHERE u.seq >= ?1 AND u.gpu_seconds <> 0 GROUP BY 1, 2 ORDER BY 1, 2";
constexpr std::string_view kSums =
    "coalesce(sum(runs), 0), coalesce(sum(elapsed_s), 0), coalesce(sum(core_seconds), 0), coalesce(sum(gpu_seconds), 0), "
    "coalesce(sum(node_seconds), 0)";
constexpr std::string_view kAnything =
    " HAVING sum(runs) <> 0 OR sum(elapsed_s) <> 0 OR sum(core_seconds) <> 0 OR sum(gpu_seconds) <> 0 OR sum(node_seconds) <> 0";
// A reversal takes back what its person used.
constexpr std::string_view kOfPersons = " LEFT JOIN ledger_persons p ON p.seq = iif(u.kind = 'usage', u.seq, u.refers_to)";

constexpr std::size_t kShownId = 64;          // of a job whose record was refused
constexpr std::int64_t kMostRevisions = 100;  // of one run: a site that goes on changing its mind fills no disk

std::string_view column_of(ports::UsageGroup group) {
  using enum ports::UsageGroup;
  switch (group) {
    case project: return "project";
    case owner: return "coalesce(p.owner, '')";
    case site: return "site";
    case country: return "country";
    case queue: return "queue";
    case account: return "coalesce(p.account, '')";
    case day: return "strftime('%Y-%m-%d', ended_s, 'unixepoch')";
    case month: return "strftime('%Y-%m', ended_s, 'unixepoch')";
    case state: return "site_state";
  }
  return "''";
}

/// No run used less than nothing, or more than ten million cores in ten days. What is booked is never changed: a larger amount
/// would spoil every sum, or overflow it and leave no report at all. A million of the largest still fit.
bool is_possible(const UsageRecord& record) {
  return std::ranges::all_of(
      std::to_array<std::int64_t>({record.elapsed.count(), record.nodes, record.cores, record.gpus, record.core_seconds.value,
                                   record.gpu_seconds.value, record.node_seconds.value, record.energy_j.value_or(0)}),
      [](std::int64_t amount) { return amount >= 0 && amount <= kMostAmount; });
}

/// From 1970 to 9999: before that kNeverStarted lies, and no calendar has what comes after.
bool is_in_calendar(const UsageRecord& record) {
  constexpr std::int64_t kLast = 253'402'300'799;
  return std::ranges::all_of(
      std::to_array<UtcTime>({record.submitted_at, record.started_at.value_or(UtcTime{}), record.ended_at}),
      [](UtcTime time) { return to_unix_seconds(time) >= 0 && to_unix_seconds(time) <= kLast; });
}

/// What does not fit into a line of an export would leave the whole ledger unverifiable.
bool is_short(const UsageRecord& record) {
  constexpr std::size_t kText = std::size_t{1} << 10, kLine = std::size_t{256} << 10;
  return record.source_line.size() <= kLine &&
         std::ranges::all_of(
             std::to_array<std::string_view>({record.cluster, record.site_job_id.str(), record.account.str(),
                                              record.scheduler_account, record.queue.str(), record.site_state, record.gpu_model}),
             [](std::string_view text) { return text.size() <= kText; });
}

// Other reasons why a record was not booked.
constexpr std::string_view kImpossible = "IMPOSSIBLE_AMOUNT";
constexpr std::string_view kNoTime = "IMPOSSIBLE_TIME";
constexpr std::string_view kTooLong = "TEXT_TOO_LONG";
constexpr std::string_view kSecond = "SECOND_RECORD_OF_A_RUN";
constexpr std::string_view kFickle = "CHANGED_TOO_OFTEN";

constexpr char kChanged[] = "CHANGED_BY_SITE";  // why a record, and what was added to it, is taken back

/// Of two records for one run that one counts which tells of more, whichever order they come in.
bool tells_less(const UsageRecord& a, const UsageRecord& b) {
  return std::tie(a.ended_at, a.elapsed, a.core_seconds, a.source_line) <
         std::tie(b.ended_at, b.elapsed, b.core_seconds, b.source_line);
}

/// Whose run a record tells of, or why it is not booked.
struct Claim {
  std::string_view refused = kNotOurs;
  std::int64_t job_row = 0;
  domain::TagParts attempt;
  std::string owner, project;
  bool is_charged = false;
  bool has_context = false;  // more is told of the job than its project says
};

/// What names a run, in a page of one site. The attempt is part of it: no end that speaks for one person takes the run of
/// another's job, whatever site job it says that its own job is.
auto run_key(const UsageRecord& r, const Claim& of) {
  return std::tie(of.job_row, of.attempt.attempt, r.cluster, r.site_job_id, r.submitted_at, r.started_at);
}

Claim claim_of(Connection& db, const SiteId& site, const UsageRecord& record) {
  Claim claim;
  const auto tag = domain::parse_tag(record.tag.str());
  if (!tag || record.site != site || record.site_job_id.empty()) return claim;
  claim.attempt = *tag;
  const auto& bound_to = record.array_id.empty() ? record.site_job_id : record.array_id;
  for (const auto* attempt : {kSelectAttempt, kSelectTwin}) {
    auto row = db.query(attempt, tag->job, tag->attempt, record.site, bound_to);
    if (!row.next()) continue;
    const auto account = row.text(3);
    if (!account.empty() && account != record.account.str()) continue;  // empty: the broker's own, whatever its name there
    claim.refused = {};
    claim.job_row = row.integer(0);
    claim.owner = well_formed(row.string(1));
    claim.project = well_formed(row.string(2));
    claim.is_charged = row.boolean(4);
    claim.has_context = claim.is_charged || UsageContexts::has_more(row.text(5));
    break;
  }
  if (claim.refused.empty() && !is_possible(record)) claim.refused = kImpossible;
  if (claim.refused.empty() && !is_in_calendar(record)) claim.refused = kNoTime;
  if (claim.refused.empty() && !is_short(record)) claim.refused = kTooLong;
  return claim;
}

void refuse_second_records(const std::vector<UsageRecord>& records, std::vector<Claim>& claims) {
  std::vector<std::size_t> ours;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    if (claims[i].refused.empty()) ours.push_back(i);
  }
  std::ranges::sort(ours, [&](std::size_t a, std::size_t b) {
    const auto order = run_key(records[a], claims[a]) <=> run_key(records[b], claims[b]);
    return order < 0 || (order == 0 && a < b);
  });
  for (std::size_t i = 1; i < ours.size(); ++i) {
    const auto before = ours[i - 1];
    auto& at = ours[i];
    if (run_key(records[before], claims[before]) != run_key(records[at], claims[at]) || records[before] == records[at]) continue;
    if (tells_less(records[before], records[at])) {
      claims[before].refused = kSecond;
    } else {
      claims[at].refused = kSecond;
      at = before;
    }
  }
}

ledger::UsageEntry entry_for(const BookRequest& request, const UsageRecord& record, const Claim& claim) {
  ledger::UsageEntry entry;
  entry.at_s = to_unix_seconds(request.at);
  entry.job = claim.attempt.job;
  entry.attempt = claim.attempt.attempt;
  entry.site = record.site.str();
  entry.country = request.country;
  entry.cluster = record.cluster;
  entry.site_job_id = record.site_job_id.str();
  entry.submitted_s = to_unix_seconds(record.submitted_at);
  if (record.started_at) entry.started_s = to_unix_seconds(*record.started_at);
  entry.ended_s = to_unix_seconds(record.ended_at);
  entry.site_state = record.site_state;
  entry.exit_code = record.exit_code;
  entry.project = claim.project;
  entry.queue = record.queue.str();
  entry.scheduler_account = record.scheduler_account;
  entry.nodes = record.nodes;
  entry.cores = record.cores;
  entry.gpus = record.gpus;
  entry.amounts = {1, record.elapsed.count(), record.core_seconds.value, record.gpu_seconds.value, record.node_seconds.value};
  return entry;
}

class Booking {
 public:
  Booking(Connection& db, const BookRequest& request) : db_(db), request_(request) {}

  /// "": it is booked, now or before; otherwise why not.
  Result<std::string_view> book(std::size_t index, const Claim& claim) {
    const auto& record = request_.records[index];
    auto entry = entry_for(request_, record, claim);
    std::int64_t seq = 0;
    contexts_.tell(entry, record, claim.job_row, claim.has_context);
    if (auto before = booked_before(entry, claim.job_row, seq)) {
      // As it was booked: no run moves into another country or project after the fact.
      entry.country = before->country;
      entry.project = before->project;
      keep_context(entry, *before, record.energy_j.has_value());
      entry.revision = before->revision;
      before->at_s = entry.at_s;
      if (record_text(entry) == record_text(*before)) return {};
      if (++entry.revision > kMostRevisions) return kFickle;
      take_back_adjustments(*before, seq, claim.job_row);
      before->kind = ledger::Kind::reversal;
      before->refers_to = seq;
      before->reason = kChanged;
      before->amounts = before->amounts.negated();
      if (before->energy_j) *before->energy_j = -*before->energy_j;
      appender().add(std::move(*before), claim.job_row, nullptr);
    }
    ledger::Personal personal{.salt = request_.salts.substr(index * kSaltBytes, kSaltBytes),
                              .owner = claim.owner,
                              .pseudonym = pseudonym_of(claim.owner, entry.ended_s),
                              .account = record.account.str(),
                              .source_line = record.source_line};
    if (claim.owner == domain::kNobody.str()) personal.account = personal.source_line = "";  // it is not to be known any more
    const bool is_first = entry.revision == 0;
    appender().add(std::move(entry), claim.job_row, &personal);
    ++booked_;
    if (!claim.is_charged) return {};
    if (auto charged = charging_.charge(claim.job_row, claim.attempt.attempt, record, is_first); !charged)
      return std::unexpected(charged.error());
    return {};
  }
  void finish() {
    if (appender_) appender_->finish();
    charging_.finish();
  }
  [[nodiscard]] std::size_t booked() const { return booked_; }

 private:
  /// What operators added to a record goes with it: the site's new word has it, or they ask again.
  void take_back_adjustments(ledger::UsageEntry record, std::int64_t seq, std::int64_t job_row) {
    record.amounts = adjustments_of(db_, seq).negated();
    if (record.amounts == ledger::Amounts{}) return;
    record.kind = ledger::Kind::adjustment;
    record.refers_to = seq;
    record.reason = kChanged;
    record.energy_j.reset();
    appender().add(std::move(record), job_row, nullptr);
  }
  std::optional<ledger::UsageEntry> booked_before(const ledger::UsageEntry& entry, std::int64_t job_row, std::int64_t& seq) {
    auto row = db_.query(kSelectBooked, job_row, entry.attempt, entry.site_job_id, entry.submitted_s,
                         entry.started_s.value_or(kNeverStarted), entry.cluster, entry.site);
    if (!row.next()) return std::nullopt;
    seq = row.integer(0);
    auto before = entry;
    before.revision = row.integer(1);
    before.ended_s = row.integer(2);
    before.scheduler_account = row.string(3);
    before.queue = row.string(4);
    before.site_state = row.string(5);
    before.exit_code = row.optional_integer32(6);
    before.nodes = row.integer32(8);
    before.cores = row.integer32(9);
    before.gpus = row.integer32(10);
    before.amounts = {1, row.integer(7), row.integer(11), row.integer(12), row.integer(13)};
    before.country = row.string(14);
    before.project = row.string(15);
    before.context = Contexts(db_).at(row.integer(16));
    before.energy_j = row.is_null(17) ? std::nullopt : std::optional(row.integer(17));
    return before;
  }

  LedgerAppender& appender() {
    if (!appender_) appender_.emplace(db_, kHashesARow);
    return *appender_;
  }
  const std::string& pseudonym_of(const std::string& owner, std::int64_t ended_s) {
    const auto [at, is_new] = pseudonyms_.try_emplace({owner, ledger::period_of(ended_s)});
    if (is_new) at->second = ledger::pseudonym_of(owner, person_key(db_, owner, at->first.second));
    return at->second;
  }

  Connection& db_;
  const BookRequest& request_;
  std::optional<LedgerAppender> appender_;  // once there is something to book
  std::map<std::pair<std::string, std::string>, std::string> pseudonyms_;  // of owner and month
  UsageContexts contexts_{db_, request_};
  Charging charging_{db_};
  std::size_t booked_ = 0;
};

}  // namespace

std::string well_formed(std::string text) {
  if (is_utf8(text)) return text;
  const auto written = parse_json(canonical_json(Json(text)), 1);
  return written && written->is_string() ? written->get<std::string>() : std::string();
}

void make_well_formed(UsageRecord& record) {
  for (auto* text : {&record.cluster, &record.scheduler_account, &record.site_state, &record.gpu_model})
    *text = well_formed(std::move(*text));
  record.site_job_id = SiteJobId(well_formed(record.site_job_id.str()));
  record.account = LocalAccount(well_formed(record.account.str()));
  record.queue = QueueName(well_formed(record.queue.str()));
}

std::string_view why_not_booked(Connection& db, const SiteId& site, const UsageRecord& record) {
  return claim_of(db, site, record).refused;
}

Result<std::size_t> book_usage(Connection& db, const BookRequest& request) {
  std::vector<Claim> claims;
  claims.reserve(request.records.size());
  for (const auto& record : request.records) claims.push_back(claim_of(db, request.site, record));
  refuse_second_records(request.records, claims);
  Booking booking(db, request);
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const auto refused = claims[i].refused.empty() ? booking.book(i, claims[i]) : claims[i].refused;
    if (!refused) return std::unexpected(refused.error());
    if (!refused->empty()) {
      db.execute(kCountRefused, request.site, *refused, to_unix_seconds(request.at),
                 well_formed(request.records[i].site_job_id.str().substr(0, kShownId)));
    }
  }
  booking.finish();
  db.execute(kMoveCursor, request.site, request.next.text);
  return booking.booked();
}

Result<ports::UsageCursor> read_usage_cursor(Connection& db, const SiteId& site) {
  auto row = db.query(kSelectCursor, site);
  return ports::UsageCursor{row.next() ? row.string(0) : ""};
}

Result<std::vector<ports::UsageRow>> read_usage_report(Connection& db, const ports::UsageQuery& query) {
  std::string columns;
  std::string places;  // "1, 2": by position, so that an expression is computed once
  for (std::size_t i = 0; i < query.by.size(); ++i) {
    columns.append(column_of(query.by[i])).append(", ");
    places.append(i == 0 ? "" : ", ").append(std::to_string(i + 1));
  }
  std::string sql = "SELECT " + columns + std::string(kSums) + " FROM ledger u";
  using enum ports::UsageGroup;
  if (query.owner || std::ranges::find_first_of(query.by, std::array{owner, account}) != query.by.end()) sql += kOfPersons;
  sql += " WHERE u.body IS NULL";
  sql += query.from ? " AND ended_s >= ?1" : " AND ?1 IS NULL";
  sql += query.to ? " AND ended_s < ?2" : " AND ?2 IS NULL";
  sql += query.owner ? " AND p.owner = ?3" : " AND ?3 IS NULL";
  if (!places.empty()) sql += " GROUP BY " + places + std::string(kAnything) + " ORDER BY " + places;

  // Whole seconds are stored: a bound within a second is rounded up, so that "at or after" and "before" keep their meaning.
  const auto seconds = [](const std::optional<UtcTime>& t) {
    return t ? std::optional(std::chrono::ceil<Seconds>(*t).time_since_epoch().count()) : std::nullopt;
  };
  std::vector<ports::UsageRow> report;
  auto rows = db.query_composed(sql, seconds(query.from), seconds(query.to), query.owner);
  while (rows.next()) {
    ports::UsageRow row;
    int column = 0;
    for (; column < static_cast<int>(query.by.size()); ++column) row.keys.push_back(rows.string(column));
    row.runs = rows.integer(column);
    row.elapsed = Seconds(rows.integer(column + 1));
    row.core_seconds = {rows.integer(column + 2)};
    row.gpu_seconds = {rows.integer(column + 3)};
    row.node_seconds = {rows.integer(column + 4)};
    report.push_back(std::move(row));
  }
  return report;
}

Result<ports::GpuUsePage> read_gpu_use_after(Connection& db, std::int64_t last) {
  ports::GpuUsePage page{.uses = {}, .last = last};
  auto rows = db.query(kSelectGpuUse, last);
  while (rows.next()) {
    page.uses.push_back({.project = ProjectId(rows.text(0)), .gpu_model = rows.string(1), .gpu_seconds = {rows.integer(2)}});
    page.last = std::max(page.last, rows.integer(3));
  }
  return page;
}

Result<std::vector<UsageRecord>> read_usage_of(Connection& db, JobId id) {
  if (!find_row(db, id)) return no_such_job(id);
  std::vector<UsageRecord> records;
  auto rows = db.query(kSelectOfJob, id);
  while (rows.next()) {
    UsageRecord record;
    record.site = SiteId(rows.text(0));
    record.cluster = rows.string(1);
    record.site_job_id = SiteJobId(rows.text(2));
    record.tag = domain::make_tag(rows.job_id(3), rows.integer32(4));
    record.account = LocalAccount(rows.text(5));
    record.scheduler_account = rows.string(6);
    record.queue = QueueName(rows.text(7));
    record.submitted_at = from_unix_seconds(rows.integer(8));
    if (rows.integer(9) != kNeverStarted) record.started_at = from_unix_seconds(rows.integer(9));
    record.ended_at = from_unix_seconds(rows.integer(10));
    record.site_state = rows.string(11);
    record.exit_code = rows.optional_integer32(12);
    record.elapsed = Seconds(rows.integer(13));
    record.nodes = rows.integer32(14);
    record.cores = rows.integer32(15);
    record.gpus = rows.integer32(16);
    record.core_seconds = {rows.integer(17)};
    record.gpu_seconds = {rows.integer(18)};
    record.node_seconds = {rows.integer(19)};
    record.source_line = rows.string(20);
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace hansa::store
