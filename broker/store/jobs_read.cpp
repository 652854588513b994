// SPDX-License-Identifier: Apache-2.0
#include "broker/store/jobs.hpp"
#include "broker/store/readers.hpp"

#include <algorithm>
#include <unordered_map>

namespace hansa::store {
namespace {

using domain::Attempt;
using domain::Job;
using domain::Run;

constexpr char kSelectRow[] = "SELECT row FROM jobs WHERE id = ?1";
constexpr std::string_view kSelectJobs =
    "SELECT row, id, owner, broker_id, epoch, version, state, reason_code, reason_message, held_by_user, cancel_by, "
    "cancel_at_ms, "
    "cancel_outcome, accepted_at_ms, started_at_ms, ended_at_ms, exit_code, signal, spec, cancelled_tasks FROM jobs ";
constexpr std::string_view kActiveAfter = "INDEXED BY jobs_active WHERE active = 1 AND id > ?1 ORDER BY id LIMIT ?2";

const std::string kSelectAttempts =
    "SELECT job, number, site, queue, account, scheduler_account, state, intended_at_ms, site_job_id, sends, sealed, "
    "unknown_since_ms, outcome, reason_code, reason_message, move, granted, variant FROM attempts ";
const std::string kSelectRuns =
    "SELECT job, attempt, task_index, number, position, started_at_ms, ended_at_ms, exit_code, signal, outcome FROM runs ";
// The rows of a page of jobs come as a JSON array. One job, which is what most ask for, is found in half the time without it.
const std::string kOfPage = "WHERE job IN (SELECT value FROM json_each(?1)) ORDER BY job, ";
const std::string kOfOne = "WHERE job = ?1 ORDER BY ";
const std::string kAttemptsOfPage = kSelectAttempts + kOfPage + "number";
const std::string kAttemptsOfOne = kSelectAttempts + kOfOne + "number";
const std::string kRunsOfPage = kSelectRuns + kOfPage + "attempt, position";
const std::string kRunsOfOne = kSelectRuns + kOfOne + "attempt, position";
const std::string kSelectJob = std::string(kSelectJobs) + "WHERE id = ?1";

constexpr char kSelectPayload[] =
    "SELECT script, arguments, environment FROM payloads WHERE job = (SELECT row FROM jobs WHERE id = ?1)";
constexpr char kSelectEvents[] = "SELECT sequence, ?2, version, at_ms, name, body FROM events WHERE job = ?1 ORDER BY version";
constexpr char kSelectEventsAfter[] =
    "SELECT e.sequence, j.id, e.version, e.at_ms, e.name, e.body FROM events e CROSS JOIN jobs j ON j.row = e.job "
    "WHERE e.sequence > ?1 ORDER BY e.sequence LIMIT ?2";
constexpr char kSelectTally[] = "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM attempts WHERE move IS NOT NULL)";
constexpr char kSelectLastEvent[] = "SELECT max(sequence) FROM events";
constexpr char kSelectDecision[] =
    "SELECT body FROM verdicts WHERE row = (SELECT verdicts FROM decisions WHERE job = ?1 ORDER BY sequence DESC LIMIT 1)";
constexpr char kSelectDocument[] = "SELECT body FROM documents WHERE hash = ?1";

/// `decode` of our own writing: neither depth nor duplicate keys are in question.
template <typename Decode>
auto from_stored_json(std::string_view text, Decode decode) -> decltype(decode(Json())) {
  const auto json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) return fail(ErrorKind::internal, "STORE_CORRUPT", "not JSON");
  return decode(json);
}

template <typename Enum, typename Parse>
std::optional<Enum> optional_word(const Statement& row, int column, Parse parse) {
  return row.is_null(column) ? std::nullopt : parse(row.text(column));
}

/// Jobs under construction, by their rows.
struct Page {
  std::vector<Job> jobs;
  std::vector<std::int64_t> rows;
};

Result<Job> job_of(const Statement& row) {
  Job job;
  job.id = row.job_id(1);
  job.owner = Principal(row.text(2));
  job.broker_id = row.string(3);
  job.epoch = row.integer(4);
  job.version = row.integer(5);
  const auto state = domain::parse_job_state(row.text(6));
  if (!state) return unreadable("job " + job.id.str(), "state " + row.string(6));
  job.state = *state;
  job.reason = {row.string(7), row.string(8)};
  job.held_by_user = row.boolean(9);
  if (!row.is_null(10)) {
    job.cancel = domain::CancelIntent{.by = Principal(row.text(10)),
                                      .at = row.time_ms(11),
                                      .outcome = optional_word<domain::CancelOutcome>(row, 12, domain::parse_cancel_outcome)};
  }
  job.accepted_at = row.time_ms(13);
  job.started_at = row.optional_time_ms(14);
  job.ended_at = row.optional_time_ms(15);
  job.exit_code = row.optional_integer32(16);
  job.signal = row.optional_integer32(17);
  auto spec = from_stored_json(row.text(18), domain::spec_from_json);
  if (!spec) return unreadable("job " + job.id.str(), "spec: " + spec.error().message);
  job.spec = std::move(*spec);
  if (const auto tasks = row.text(19); !tasks.empty()) {
    auto cancelled = domain::parse_task_array(tasks);
    if (!cancelled) return unreadable("job " + job.id.str(), "cancelled_tasks: " + cancelled.error().message);
    job.cancelled_tasks = std::move(cancelled->tasks);
  }
  return job;
}

Result<Attempt> attempt_of(const Statement& row) {
  const auto state = domain::parse_attempt_state(row.text(6));
  if (!state) return unreadable("an attempt", "state " + row.string(6));
  std::optional<domain::Move> move;
  if (!row.is_null(15)) {
    auto read = from_stored_json(row.text(15), [](const Json& json) { return domain::move_from_json(json); });
    if (!read) return unreadable("a move", read.error().message);
    move = std::move(*read);
  }
  std::optional<domain::Grant> granted;
  if (!row.is_null(16)) {
    auto read = from_stored_json(row.text(16), domain::grant_from_json);
    if (!read) return unreadable("a grant", read.error().message);
    granted = std::move(*read);
  }
  return Attempt{.number = row.integer32(1),
                 .site = SiteId(row.text(2)),
                 .queue = QueueName(row.text(3)),
                 .account = LocalAccount(row.text(4)),
                 .scheduler_account = row.string(5),
                 .variant = row.string(17),
                 .state = *state,
                 .intended_at = row.time_ms(7),
                 .site_job_id = SiteJobId(row.text(8)),
                 .sends = row.integer32(9),
                 .sealed = row.boolean(10),
                 .unknown_since = row.optional_time_ms(11),
                 .outcome = optional_word<domain::Outcome>(row, 12, domain::parse_outcome),
                 .reason = {row.string(13), row.string(14)},
                 .granted = std::move(granted),
                 .move = std::move(move),
                 .runs = {}};
}

Run run_of(const Statement& row) {
  return Run{.task_index = row.integer32(2),
             .number = row.integer32(3),
             .started_at = row.optional_time_ms(5),
             .ended_at = row.optional_time_ms(6),
             .exit_code = row.optional_integer32(7),
             .signal = row.optional_integer32(8),
             .outcome = optional_word<domain::Outcome>(row, 9, domain::parse_outcome)};
}

/// Two statements for the whole page.
Result<void> add_attempts(Connection& db, Page& page) {
  if (page.rows.empty()) return {};
  std::string wanted = "[";
  std::unordered_map<std::int64_t, Job*> by_row;
  by_row.reserve(page.rows.size());
  for (std::size_t i = 0; i < page.rows.size(); ++i) {
    wanted.append(i == 0 ? "" : ",").append(std::to_string(page.rows[i]));
    by_row.emplace(page.rows[i], &page.jobs[i]);
  }
  wanted += ']';

  const bool one = page.rows.size() == 1;
  bool any = false;
  auto attempts = one ? db.query(kAttemptsOfOne.c_str(), page.rows.front()) : db.query(kAttemptsOfPage.c_str(), wanted);
  while (attempts.next()) {
    auto attempt = attempt_of(attempts);
    if (!attempt) return std::unexpected(attempt.error());
    by_row.at(attempts.integer(0))->attempts.push_back(std::move(*attempt));
    any = true;
  }
  if (!any) return {};
  auto runs = one ? db.query(kRunsOfOne.c_str(), page.rows.front()) : db.query(kRunsOfPage.c_str(), wanted);
  while (runs.next()) {
    auto& of_job = by_row.at(runs.integer(0))->attempts;
    const auto of = std::ranges::find(of_job, runs.integer32(1), &Attempt::number);
    if (of == of_job.end()) return unreadable("a run", "it has no attempt");
    of->runs.push_back(run_of(runs));
  }
  return {};
}

Result<std::vector<Job>> read_page(Connection& db, Statement rows) {
  Page page;
  while (rows.next()) {
    auto job = job_of(rows);
    if (!job) return std::unexpected(job.error());
    page.jobs.push_back(std::move(*job));
    page.rows.push_back(rows.integer(0));
  }
  if (auto added = add_attempts(db, page); !added) return std::unexpected(added.error());
  return std::move(page.jobs);
}

std::string states_as_json(const std::vector<domain::JobState>& states) {
  Json names = Json::array();
  for (const auto state : states) names.push_back(to_string(state));
  return canonical_json(names);
}

Result<std::vector<ports::StoredEvent>> events_of(Statement rows) {
  std::vector<ports::StoredEvent> events;
  while (rows.next()) {
    auto body = from_stored_json(rows.text(5), [&](const Json& json) { return domain::event_from_json(rows.text(4), json); });
    if (!body) return unreadable("event " + std::to_string(rows.integer(0)), body.error().message);
    events.push_back({.sequence = rows.integer(0),
                      .job = rows.job_id(1),
                      .version = rows.integer(2),
                      .event = {.at = rows.time_ms(3), .body = std::move(*body)}});
  }
  return events;
}

}  // namespace

std::unexpected<Error> no_such_job(JobId id) {
  return fail(ErrorKind::not_found, "JOB_NOT_FOUND", "there is no job " + id.str());
}

std::optional<std::int64_t> find_row(Connection& db, JobId id) {
  auto row = db.query(kSelectRow, id);
  return row.next() ? std::optional(row.integer(0)) : std::nullopt;
}

Result<Job> read_job(Connection& db, JobId id) {
  auto found = read_page(db, db.query(kSelectJob.c_str(), id));
  if (!found) return std::unexpected(found.error());
  if (found->empty()) return no_such_job(id);
  return std::move(found->front());
}

Result<std::vector<Job>> read_jobs(Connection& db, const ports::JobQuery& query) {
  // A condition that is not asked for still names its parameter, so that every form of the query has the same nine.
  const bool only_active = !query.states.empty() && std::ranges::none_of(query.states, domain::is_terminal);
  std::string sql(kSelectJobs);
  sql += only_active ? "INDEXED BY jobs_active WHERE active = 1" : "WHERE 1";
  sql += query.owner ? " AND owner = ?1" : " AND ?1 IS NULL";
  sql += query.project ? " AND project = ?2" : " AND ?2 IS NULL";
  sql += query.states.empty() ? " AND ?3 IS NULL" : " AND state IN (SELECT value FROM json_each(?3))";
  sql += query.accepted_since ? " AND accepted_at_ms >= ?4" : " AND ?4 IS NULL";
  sql += query.before ? " AND id < ?5" : " AND ?5 IS NULL";
  sql += query.audience
             ? " AND (owner = ?7 OR project IN (SELECT value FROM json_each(?8)) OR (SELECT site FROM attempts WHERE job = "
               "jobs.row ORDER BY number DESC LIMIT 1) IN (SELECT value FROM json_each(?9)))"
             : " AND ?7 IS NULL AND ?8 IS NULL AND ?9 IS NULL";
  sql += " ORDER BY id DESC LIMIT ?6";
  std::optional<Principal> person;
  std::optional<std::string> projects, sites;
  if (const auto& audience = query.audience) {
    person = audience->person;
    projects = ids_as_json(audience->projects);
    sites = ids_as_json(audience->sites);
  }
  const auto states = query.states.empty() ? std::nullopt : std::optional(states_as_json(query.states));
  return read_page(db, db.query_composed(sql, query.owner, query.project, states, query.accepted_since, query.before,
                                         bounded(query.limit), person, projects, sites));
}

Result<std::vector<Job>> read_active_jobs(Connection& db, std::optional<JobId> after, std::size_t limit) {
  const auto sql = std::string(kSelectJobs).append(kActiveAfter);
  return after ? read_page(db, db.query_composed(sql, *after, bounded(limit)))
               : read_page(db, db.query_composed(sql, Blob{}, bounded(limit)));  // the empty blob is below every id
}

Result<domain::JobPayload> read_payload(Connection& db, JobId id) {
  auto row = db.query(kSelectPayload, id);
  if (!row.next()) return no_such_job(id);
  auto arguments = unpack(row.text(1));
  auto environment = unpack(row.text(2));
  if (!arguments || !environment || environment->size() % 2 != 0) return unreadable("the payload of job " + id.str(), "packing");
  domain::JobPayload payload{.script = row.string(0), .arguments = std::move(*arguments), .environment = {}};
  for (std::size_t i = 0; i < environment->size(); i += 2) {
    payload.environment.emplace_back(std::move((*environment)[i]), std::move((*environment)[i + 1]));
  }
  return payload;
}

Result<std::vector<ports::StoredEvent>> read_events(Connection& db, JobId id) {
  const auto row = find_row(db, id);
  if (!row) return no_such_job(id);
  return events_of(db.query(kSelectEvents, *row, id));
}

Result<std::vector<ports::StoredEvent>> read_events_after(Connection& db, std::int64_t after, std::size_t limit) {
  return events_of(db.query(kSelectEventsAfter, after, bounded(limit)));
}

Result<ports::Tally> read_tally(Connection& db) {
  auto row = db.query(kSelectTally);
  row.next();
  return ports::Tally{.accepted = row.integer(0), .moves = row.integer(1)};
}

Result<std::int64_t> read_last_event(Connection& db) {
  auto row = db.query(kSelectLastEvent);
  return row.next() ? row.integer(0) : 0;  // the NULL of an empty table reads as 0
}

Result<domain::Decision> read_decision(Connection& db, JobId id) {
  const auto row = find_row(db, id);
  if (!row) return no_such_job(id);
  auto stored = db.query(kSelectDecision, *row);
  if (!stored.next())
    return fail(ErrorKind::not_found, "NO_DECISION", "no decision has been taken about job " + id.str() + " yet");
  auto decision = from_stored_json(stored.text(0), domain::decision_from_json);
  if (!decision) return unreadable("the decision about job " + id.str(), decision.error().message);
  return decision;
}

Result<std::string> read_document(Connection& db, const std::string& hash) {
  auto row = db.query(kSelectDocument, hash);
  if (!row.next()) return fail(ErrorKind::not_found, "NO_DOCUMENT", "no document " + hash + " is kept");
  return row.string(0);
}

}  // namespace hansa::store
