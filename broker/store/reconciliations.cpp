// SPDX-License-Identifier: Apache-2.0
#include "broker/store/reconciliations.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/core/encoding.hpp"
#include "broker/store/ledger.hpp"
#include "broker/store/readers.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace hansa::store {
namespace {

using domain::UsageRecord;
using ports::Difference;
using ports::DifferenceKind;

// The newest of a run stands: whatever takes one back books another in the same commit.
constexpr char kHasJob[] = "SELECT 1 FROM jobs WHERE id = ?1";
constexpr char kSelectStanding[] =
    "SELECT seq, ended_s, elapsed_s, nodes, cores, gpus, core_seconds, gpu_seconds, node_seconds, site_state, exit_code, queue, "
    "scheduler_account FROM ledger WHERE kind = 'usage' AND job = (SELECT row FROM jobs WHERE id = ?6) AND attempt = ?7 AND "
    "site_job_id = ?3 AND submitted_s = ?4 AND started_s = ?5 AND cluster = ?2 AND site = ?1 ORDER BY revision DESC LIMIT 1";
constexpr char kSelectStandingRuns[] =
    "SELECT u.seq, u.cluster, u.site_job_id, u.submitted_s, u.started_s, u.ended_s FROM ledger u WHERE u.body IS NULL AND "
    "u.kind = 'usage' AND u.site = ?1 AND u.ended_s < ?3 AND (u.ended_s, u.seq) > (?4, ?5) AND u.ended_s >= ?2 AND NOT EXISTS "
    "(SELECT 1 FROM ledger r WHERE r.refers_to = u.seq AND r.kind = 'reversal') ORDER BY u.ended_s, u.seq LIMIT ?6";
constexpr char kInsertReconciliation[] =
    "INSERT INTO reconciliations(id, site, from_s, to_s, begun_s, at_s, asked_by, ledger_size, tolerance_s, matched, "
    "missing_at_broker, missing_at_site, field_mismatch, duplicate, late, listed, others) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";
constexpr char kInsertDifference[] =
    "INSERT INTO differences(reconciliation, number, site, kind, key, cluster, site_job_id, submitted_s, started_s, ended_s, "
    "record, fields, outcome) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
constexpr char kSelectReconciliations[] =
    "SELECT r.id, r.site, r.from_s, r.to_s, r.begun_s, r.at_s, r.asked_by, r.ledger_size, r.tolerance_s, r.matched, "
    "r.missing_at_broker, r.missing_at_site, r.field_mismatch, r.duplicate, r.late, r.listed, r.others, (SELECT count(*) FROM "
    "differences d JOIN explanations e ON e.site = d.site AND e.key = d.key WHERE d.reconciliation = r.row) "
    "FROM reconciliations r WHERE (?1 IS NULL OR r.site = ?1) AND (?2 IS NULL OR r.id = ?2) AND r.to_s > ?3 AND r.from_s < ?4 "
    "ORDER BY r.row DESC LIMIT ?5";
constexpr char kSelectDifferences[] =
    "SELECT d.kind, d.key, d.cluster, d.site_job_id, d.submitted_s, d.started_s, d.ended_s, d.record, d.fields, d.outcome, "
    "e.reason, e.explained_by, e.at_ms FROM reconciliations r JOIN differences d ON d.reconciliation = r.row "
    "LEFT JOIN explanations e ON e.site = d.site AND e.key = d.key WHERE r.id = ?1 ORDER BY d.number";
constexpr char kInsertExplanation[] =
    "INSERT INTO explanations(site, key, reason, explained_by, at_ms) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
constexpr char kSelectDifferent[] = "SELECT 1 FROM differences WHERE site = ?1 AND key = ?2";
constexpr char kSelectExplanation[] = "SELECT reason, explained_by, at_ms FROM explanations WHERE site = ?1 AND key = ?2";

std::int64_t start_of(const std::optional<UtcTime>& started) { return started ? to_unix_seconds(*started) : kNeverStarted; }

/// What a run is compared by: numbers, each with how far it may be off, and texts.
struct Told {
  struct Number {
    std::string_view name;
    std::int64_t value = 0, slack = 0;
  };
  std::vector<Number> numbers;
  std::vector<std::pair<std::string_view, std::string>> texts;
};

Told told(std::int64_t slack, std::int64_t ended, std::int64_t elapsed, std::int64_t nodes, std::int64_t cores, std::int64_t gpus,
          std::int64_t core_seconds, std::int64_t gpu_seconds, std::int64_t node_seconds, std::string state,
          std::optional<std::int32_t> exit_code, std::string queue, std::string account) {
  return {.numbers = {{"ended_s", ended, slack},
                      {"elapsed_s", elapsed, slack},
                      {"nodes", nodes},
                      {"cores", cores},
                      {"gpus", gpus},
                      {"core_seconds", core_seconds, slack * cores},
                      {"gpu_seconds", gpu_seconds, slack * gpus},
                      {"node_seconds", node_seconds, slack * nodes}},
          .texts = {{"site_state", std::move(state)},
                    {"exit_code", exit_code ? std::to_string(*exit_code) : ""},
                    {"queue", std::move(queue)},
                    {"scheduler_account", std::move(account)}}};
}

Told told_by(const UsageRecord& r, Seconds slack) {
  return told(slack.count(), to_unix_seconds(r.ended_at), r.elapsed.count(), r.nodes, r.cores, r.gpus, r.core_seconds.value,
              r.gpu_seconds.value, r.node_seconds.value, r.site_state, r.exit_code, r.queue.str(), r.scheduler_account);
}

/// {"cores": ["8", "16"]}: the ledger's word, the site's.
Json differing(const Told& ledger, const Told& site) {
  Json fields = Json::object();
  for (std::size_t i = 0; i < ledger.numbers.size(); ++i) {
    const auto& a = ledger.numbers[i];
    const auto& b = site.numbers[i];
    if (std::max(a.value, b.value) - std::min(a.value, b.value) > b.slack)
      fields[std::string(a.name)] = {std::to_string(a.value), std::to_string(b.value)};
  }
  for (std::size_t i = 0; i < ledger.texts.size(); ++i) {
    if (ledger.texts[i].second != site.texts[i].second)
      fields[std::string(ledger.texts[i].first)] = {ledger.texts[i].second, site.texts[i].second};
  }
  return fields;
}

struct Standing {
  std::int64_t record = 0;
  Told says;
};

std::optional<Standing> standing(Connection& db, const SiteId& site, const UsageRecord& run) {
  const auto tag = domain::parse_tag(run.tag.str());
  if (!tag) return std::nullopt;
  auto row = db.query(kSelectStanding, site, run.cluster, run.site_job_id, to_unix_seconds(run.submitted_at),
                      start_of(run.started_at), tag->job, tag->attempt);
  if (!row.next()) return std::nullopt;
  return Standing{row.integer(0), told(0, row.integer(1), row.integer(2), row.integer(3), row.integer(4), row.integer(5),
                                       row.integer(6), row.integer(7), row.integer(8), row.string(9), row.optional_integer32(10),
                                       row.string(11), row.string(12))};
}

Difference difference(DifferenceKind kind, const UsageRecord& run, std::optional<std::int64_t> record, const Json& fields,
                      std::string outcome) {
  Difference made{.kind = kind,
                  .key = {},
                  .cluster = run.cluster,
                  .site_job_id = run.site_job_id.str(),
                  .submitted_at = run.submitted_at,
                  .started_at = run.started_at,
                  .ended_at = run.ended_at,
                  .record = record,
                  .fields = fields.empty() ? "" : canonical_json(fields),
                  .outcome = std::move(outcome),
                  .explanation = {}};
  made.key = ports::key_of(made);
  return made;
}

/// It is named as a job of this broker is. Those of another broker at that site are named alike, and are none of ours.
bool names_our_job(Connection& db, const UsageRecord& run) {
  const auto tag = domain::parse_tag(run.tag.str());
  return tag && db.query(kHasJob, tag->job).next();
}

bool no_time(const UsageRecord& run) { return to_unix_seconds(run.submitted_at) < 0 || to_unix_seconds(run.ended_at) < 0; }

/// All that a page tells of one run.
void compare_run(Connection& db, const SiteId& site, const std::vector<const UsageRecord*>& tells,
                 const std::optional<Standing>& before, Seconds tolerance, ports::Compared& compared) {
  const auto& any = *tells.front();
  const auto now = standing(db, site, any);
  if (!now) {
    const auto why = why_not_booked(db, site, any);
    if (why == kNotOurs && !names_our_job(db, any))
      ++compared.others;
    else  // named by a tag of ours, whoever's it is: somebody says what that was
      compared.differences.push_back(
          difference(DifferenceKind::missing_at_broker, any, std::nullopt, {}, std::string(why.empty() ? "left" : why)));
    return;
  }
  if (!before || before->record != now->record) {
    if (const auto tag = domain::parse_tag(any.tag.str())) compared.booked.push_back(tag->job);
  }
  bool counted = false;
  for (const auto* run : tells) {
    const auto says = told_by(*run, tolerance);
    if (!counted && differing(now->says, says).empty()) {
      counted = true;
      if (!before)
        compared.differences.push_back(difference(DifferenceKind::late, *run, now->record, {}, "booked"));
      else if (before->record != now->record)
        compared.differences.push_back(
            difference(DifferenceKind::field_mismatch, *run, now->record, differing(before->says, says), "corrected"));
      else
        compared.matched.push_back(now->record);
      continue;
    }
    const bool second = tells.size() > 1;
    compared.differences.push_back(difference(second ? DifferenceKind::duplicate : DifferenceKind::field_mismatch, *run,
                                              now->record, differing(now->says, says), "left"));
  }
}

}  // namespace

Result<ports::Compared> compare_usage(Connection& db, const BookRequest& request, Seconds tolerance) {
  using Key = std::tuple<Tag, std::string, SiteJobId, UtcTime, std::optional<UtcTime>>;
  std::map<Key, std::vector<const UsageRecord*>> runs;
  for (const auto& record : request.records) {
    auto& tells = runs[{record.tag, record.cluster, record.site_job_id, record.submitted_at, record.started_at}];
    if (std::ranges::none_of(tells, [&](const auto* other) { return *other == record; })) tells.push_back(&record);
  }
  std::map<Key, std::optional<Standing>> before;
  BookRequest news{.site = request.site,
                   .country = request.country,
                   .records = {},
                   .next = {},
                   .at = request.at,
                   .salts = {},
                   .place = request.place,
                   .projects = request.projects};
  for (const auto& [key, tells] : runs) {
    auto& stood = before[key] = no_time(*tells.front()) ? std::nullopt : standing(db, request.site, *tells.front());
    if (tells.size() == 1 && stood && differing(stood->says, told_by(*tells.front(), tolerance)).empty()) continue;
    for (const auto* record : tells) {
      if (why_not_booked(db, request.site, *record) == kNotOurs) continue;  // nothing to book: compare_run tells
      const auto at = static_cast<std::size_t>(record - request.records.data());
      news.records.push_back(*record);
      news.salts += request.salts.substr(at * kSaltBytes, kSaltBytes);
    }
  }
  if (!news.records.empty()) {
    auto cursor = read_usage_cursor(db, request.site);
    if (!cursor) return std::unexpected(cursor.error());
    news.next = std::move(*cursor);
    if (auto booked = book_usage(db, news); !booked) return std::unexpected(booked.error());
  }
  ports::Compared compared;
  for (const auto& [key, tells] : runs) compare_run(db, request.site, tells, before[key], tolerance, compared);
  return compared;
}

Result<std::vector<ports::StandingRun>> read_standing_runs(Connection& db, const SiteId& site, UtcTime from, UtcTime to,
                                                           const std::optional<ports::StandingRun>& after, std::size_t limit) {
  std::vector<ports::StandingRun> runs;
  auto row = db.query(kSelectStandingRuns, site, to_unix_seconds(from), to_unix_seconds(to),
                      after ? to_unix_seconds(after->ended_at) : -1, after ? after->record : -1, bounded(limit));
  while (row.next()) {
    ports::StandingRun run{.record = row.integer(0),
                           .cluster = row.string(1),
                           .site_job_id = row.string(2),
                           .submitted_at = from_unix_seconds(row.integer(3)),
                           .started_at = {},
                           .ended_at = from_unix_seconds(row.integer(5))};
    if (row.integer(4) != kNeverStarted) run.started_at = from_unix_seconds(row.integer(4));
    runs.push_back(std::move(run));
  }
  return runs;
}

Result<void> keep_reconciliation(Connection& db, const ports::Reconciliation& made, const std::vector<Difference>& differences) {
  const auto& counts = made.differences;
  db.execute(kInsertReconciliation, made.id, made.site, to_unix_seconds(made.from), to_unix_seconds(made.to),
             to_unix_seconds(made.begun_at), to_unix_seconds(made.at), made.by, made.ledger_size, made.tolerance.count(),
             made.matched, counts[0], counts[1], counts[2], counts[3], counts[4], differences.size(), made.others);
  const auto row = db.last_row();
  for (std::size_t i = 0; i < differences.size(); ++i) {
    const auto& d = differences[i];
    db.execute(kInsertDifference, row, i, made.site, to_string(d.kind), d.key, d.cluster, d.site_job_id,
               to_unix_seconds(d.submitted_at), start_of(d.started_at), to_unix_seconds(d.ended_at), d.record, d.fields,
               d.outcome);
  }
  return {};
}

Result<void> each_reconciliation(Connection& db, const ports::ReconciliationQuery& query,
                                 const std::function<Result<void>(ports::Reconciliation)>& take) {
  auto row =
      db.query(kSelectReconciliations, query.site, query.id, to_unix_seconds(query.from), to_unix_seconds(query.to), query.limit);
  while (row.next()) {
    ports::Reconciliation one{
        .id = row.string(0),
        .site = SiteId(row.text(1)),
        .from = from_unix_seconds(row.integer(2)),
        .to = from_unix_seconds(row.integer(3)),
        .begun_at = from_unix_seconds(row.integer(4)),
        .at = from_unix_seconds(row.integer(5)),
        .by = Principal(row.text(6)),
        .ledger_size = row.integer(7),
        .tolerance = Seconds{row.integer(8)},
        .matched = row.integer(9),
        .differences = {row.integer(10), row.integer(11), row.integer(12), row.integer(13), row.integer(14)},
        .listed = row.integer(15),
        .unexplained = 0,
        .others = {}};
    if (!row.is_null(16)) one.others = row.integer(16);
    one.unexplained = one.differing() - row.integer(17);
    if (auto taken = take(std::move(one)); !taken) return taken;
  }
  return {};
}

Result<std::vector<ports::Reconciliation>> read_reconciliations(Connection& db, ports::ReconciliationQuery query) {
  std::vector<ports::Reconciliation> all;
  query.limit = static_cast<std::size_t>(bounded(query.limit));
  auto read = each_reconciliation(db, query, [&all](ports::Reconciliation one) {
    all.push_back(std::move(one));
    return Result<void>{};
  });
  if (!read) return std::unexpected(read.error());
  return all;
}

Result<std::vector<Difference>> read_differences(Connection& db, const std::string& reconciliation) {
  std::vector<Difference> all;
  auto row = db.query(kSelectDifferences, reconciliation);
  while (row.next()) {
    const auto kind = std::ranges::find(ports::kDifferenceKinds, row.text(0));
    if (kind == ports::kDifferenceKinds.end()) return unreadable("a difference", "kind " + row.string(0));
    Difference one{.kind = static_cast<DifferenceKind>(kind - ports::kDifferenceKinds.begin()),
                   .key = row.string(1),
                   .cluster = row.string(2),
                   .site_job_id = row.string(3),
                   .submitted_at = from_unix_seconds(row.integer(4)),
                   .started_at = {},
                   .ended_at = from_unix_seconds(row.integer(6)),
                   .record = {},
                   .fields = row.string(8),
                   .outcome = row.string(9),
                   .explanation = {}};
    if (row.integer(5) != kNeverStarted) one.started_at = from_unix_seconds(row.integer(5));
    if (!row.is_null(7)) one.record = row.integer(7);
    if (!row.is_null(10))
      one.explanation = ports::Explanation{.reason = row.string(10), .by = Principal(row.text(11)), .at = row.time_ms(12)};
    all.push_back(std::move(one));
  }
  return all;
}

Result<void> explain(Connection& db, const SiteId& site, const std::string& key, const ports::Explanation& explanation) {
  if (!ledger::span_of(key)) {
    auto row = db.query(kSelectDifferent, site, key);
    if (!row.next()) {
      return fail(ErrorKind::not_found, "NO_SUCH_DIFFERENCE",
                  "no reconciliation of site " + site.str() + " has seen a difference " + key +
                      "; hansa ledger reconciliations ID shows them");
    }
  }
  if (db.execute(kInsertExplanation, site, key, explanation.reason, explanation.by, explanation.at) == 0)
    return fail(ErrorKind::conflict, "EXPLAINED", "the difference " + key + " of site " + site.str() + " is explained already");
  return {};
}

Result<std::optional<ports::Explanation>> read_explanation(Connection& db, const SiteId& site, const std::string& key) {
  auto row = db.query(kSelectExplanation, site, key);
  if (!row.next()) return std::nullopt;
  return ports::Explanation{.reason = row.string(0), .by = Principal(row.text(1)), .at = row.time_ms(2)};
}

}  // namespace hansa::store
