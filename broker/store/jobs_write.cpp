// SPDX-License-Identifier: Apache-2.0
#include "broker/core/digest.hpp"
#include "broker/domain/canonical_text.hpp"
#include "broker/store/allocations.hpp"
#include "broker/store/estimates.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/migrations.hpp"

#include <algorithm>

namespace hansa::store {
namespace {

using domain::Attempt;
using domain::Job;

constexpr char kSelectKey[] = "SELECT request_hash, first_job, jobs FROM idempotency WHERE key = ?1 AND owner = ?2";
constexpr char kSelectIds[] = "SELECT id FROM jobs WHERE row >= ?1 AND row < ?1 + ?2 ORDER BY row";
constexpr char kInsertKey[] =
    "INSERT INTO idempotency(key, owner, request_hash, first_job, jobs, at_ms) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
constexpr char kInsertJob[] =
    "INSERT INTO jobs(id, owner, project, broker_id, epoch, version, active, state, reason_code, reason_message, held_by_user, "
    "accepted_at_ms, spec) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING";
constexpr char kInsertPayload[] = "INSERT INTO payloads(job, script, arguments, environment) VALUES(?1, ?2, ?3, ?4)";
constexpr char kInsertEvent[] = "INSERT INTO events(job, version, at_ms, name, body) VALUES(?1, ?2, ?3, ?4, ?5)";

constexpr char kSelectVersion[] = "SELECT row, version, epoch FROM jobs WHERE id = ?1";
// `active` is left alone: naming it would rewrite the index of active jobs each time.
constexpr char kUpdateJob[] =
    "UPDATE jobs SET epoch = ?2, version = ?3, state = ?4, reason_code = ?5, reason_message = ?6, held_by_user = ?7, cancel_by = "
    "?8, "
    "cancel_at_ms = ?9, cancel_outcome = ?10, started_at_ms = ?11, ended_at_ms = ?12, exit_code = ?13, signal = ?14, "
    "cancelled_tasks = ?15 WHERE row = "
    "?1";
constexpr char kRetireJob[] = "UPDATE jobs SET active = 0 WHERE row = ?1 AND active = 1";
constexpr char kPutAttempt[] =
    "INSERT INTO attempts(job, number, site, queue, account, scheduler_account, state, intended_at_ms, site_job_id, sends, "
    "sealed, "
    "unknown_since_ms, outcome, reason_code, reason_message, move, granted, variant) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
    "?10, ?11, "
    "?12, ?13, ?14, ?15, ?16, ?17, ?18) "
    "ON CONFLICT(job, number) DO UPDATE SET state = excluded.state, site_job_id = excluded.site_job_id, sends = excluded.sends, "
    "sealed = excluded.sealed, unknown_since_ms = excluded.unknown_since_ms, outcome = excluded.outcome, "
    "reason_code = excluded.reason_code, reason_message = excluded.reason_message, move = excluded.move, granted = "
    "excluded.granted "
    "WHERE (state, site_job_id, sends, sealed, unknown_since_ms, outcome, reason_code, reason_message, move, granted) IS NOT "
    "(excluded.state, excluded.site_job_id, excluded.sends, excluded.sealed, excluded.unknown_since_ms, excluded.outcome, "
    "excluded.reason_code, excluded.reason_message, excluded.move, excluded.granted)";
constexpr char kPutRun[] =
    "INSERT INTO runs(job, attempt, task_index, number, position, started_at_ms, ended_at_ms, exit_code, signal, outcome) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "
    "ON CONFLICT(job, attempt, task_index, number) DO UPDATE SET started_at_ms = excluded.started_at_ms, ended_at_ms = "
    "excluded.ended_at_ms, "
    "exit_code = excluded.exit_code, signal = excluded.signal, outcome = excluded.outcome "
    "WHERE (started_at_ms, ended_at_ms, exit_code, signal, outcome) IS NOT "
    "(excluded.started_at_ms, excluded.ended_at_ms, excluded.exit_code, excluded.signal, excluded.outcome)";
// One verdict is often the same for thousands of jobs in line.
constexpr char kSelectVerdicts[] = "SELECT row FROM verdicts WHERE hash = ?1";
constexpr char kInsertVerdicts[] = "INSERT INTO verdicts(hash, body) VALUES(?1, ?2)";
constexpr char kInsertDecision[] = "INSERT INTO decisions(job, version, verdicts) VALUES(?1, ?2, ?3)";
constexpr char kInsertDocument[] = "INSERT INTO documents(hash, body) VALUES(?1, ?2) ON CONFLICT DO NOTHING";

constexpr std::size_t kDecisionsKept = 1'000;  // a few kilobytes each

template <typename Enum>
std::optional<std::string> spelled(const std::optional<Enum>& value) {
  return value ? std::optional(std::string(to_string(*value))) : std::nullopt;
}

std::optional<ports::AcceptedJobs> earlier_answer(Connection& db, std::int64_t first, std::int64_t count) {
  ports::AcceptedJobs earlier{.ids = {}, .repeated = true};
  auto rows = db.query(kSelectIds, first, count);
  while (rows.next()) earlier.ids.push_back(rows.job_id(0));
  return earlier;
}

void put_attempt(Connection& db, std::int64_t row, const Attempt& attempt) {
  const auto move = attempt.move ? std::optional(canonical_json(to_json(*attempt.move))) : std::nullopt;
  const auto granted = attempt.granted ? std::optional(canonical_json(to_json(*attempt.granted))) : std::nullopt;
  db.execute(kPutAttempt, row, attempt.number, attempt.site, attempt.queue, attempt.account, attempt.scheduler_account,
             to_string(attempt.state), attempt.intended_at, attempt.site_job_id, attempt.sends, attempt.sealed,
             attempt.unknown_since, spelled(attempt.outcome), attempt.reason.code, attempt.reason.message, move, granted,
             attempt.variant);
  for (std::size_t i = 0; i < attempt.runs.size(); ++i) {
    const auto& run = attempt.runs[i];
    db.execute(kPutRun, row, attempt.number, run.task_index, run.number, i, run.started_at, run.ended_at, run.exit_code,
               run.signal, spelled(run.outcome));
  }
}

void put_job(Connection& db, std::int64_t row, const Job& job) {
  const auto& cancel = job.cancel;
  db.execute(kUpdateJob, row, job.epoch, job.version, to_string(job.state), job.reason.code, job.reason.message, job.held_by_user,
             cancel ? std::optional(cancel->by) : std::nullopt, cancel ? std::optional(cancel->at) : std::nullopt,
             cancel ? spelled(cancel->outcome) : std::nullopt, job.started_at, job.ended_at, job.exit_code, job.signal,
             domain::task_ranges(job.cancelled_tasks));
  if (is_terminal(job.state)) db.execute(kRetireJob, row);
}

std::int64_t row_of(Connection& db, const VerdictText& verdicts) {
  {
    auto known = db.query(kSelectVerdicts, verdicts.hash);
    if (known.next()) return known.integer(0);
  }
  db.execute(kInsertVerdicts, verdicts.hash, verdicts.body);
  return db.last_row();
}

/// What a change leaves beside the job's own row.
void put_history(Connection& db, std::int64_t row, const RecordRequest& request) {
  const auto& job = request.job;
  for (const auto& event : request.events) db.execute(kInsertEvent, row, event.version, event.at, event.name, event.body);
  for (const auto& attempt : job.attempts) {
    // Events without a number (Ended, ResolvedLost) speak of the last attempt.
    if (&attempt == &job.attempts.back() || request.attempts.contains(attempt.number)) put_attempt(db, row, attempt);
  }
  if (request.decision) db.execute(kInsertDecision, row, job.version, row_of(db, *request.decision));
  for (const auto& [hash, body] : request.documents) db.execute(kInsertDocument, hash, body);
  if (request.score) put_wait(db, row, job.owner, *request.score);
}

}  // namespace

std::string pack(const std::vector<std::string>& parts) {
  std::string packed;
  for (const auto& part : parts) packed.append(std::to_string(part.size())).append(":").append(part).append(",");
  return packed;
}

std::optional<std::vector<std::string>> unpack(std::string_view packed) {
  std::vector<std::string> parts;
  while (!packed.empty()) {
    std::size_t size = 0;
    std::size_t digits = 0;
    while (digits < packed.size() && digits < 10 && packed[digits] >= '0' && packed[digits] <= '9') {
      size = size * 10 + static_cast<std::size_t>(packed[digits++] - '0');
    }
    if (digits == 0 || digits >= packed.size() || packed[digits] != ':') return std::nullopt;
    packed.remove_prefix(digits + 1);
    if (packed.size() <= size || packed[size] != ',') return std::nullopt;
    parts.emplace_back(packed.substr(0, size));
    packed.remove_prefix(size + 1);
  }
  return parts;
}

std::shared_ptr<const VerdictText> VerdictWriter::text_of(const domain::Decision& decision) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = written_.find(decision.input_hash);
    if (known != written_.end() && known->second.decision == decision) return known->second.text;
  }
  auto body = canonical_json(to_json(decision));
  auto hash = sha256_hex(body);
  auto text = std::make_shared<const VerdictText>(std::move(hash), std::move(body));
  const std::lock_guard lock(mutex_);
  if (written_.size() >= kDecisionsKept) written_.clear();
  written_.insert_or_assign(decision.input_hash, Written{.decision = decision, .text = text});
  return text;
}

Result<AcceptRequest> prepare_accept(std::vector<ports::NewJob> jobs, std::optional<ports::Idempotency> idempotency,
                                     VerdictWriter& verdicts) {
  if (jobs.empty()) return fail(ErrorKind::invalid_argument, "NO_JOBS", "there is no job in this request");
  AcceptRequest request{.entries = {}, .idempotency = std::move(idempotency), .bytes = 0};
  request.entries.reserve(jobs.size());
  const auto owner = jobs.front().job.owner;
  for (auto& [job, payload, decided] : jobs) {
    if (job.version != 1 || job.state != domain::JobState::accepted || !job.attempts.empty()) {
      return fail(ErrorKind::invalid_argument, "NOT_A_NEW_JOB",
                  "job " + job.id.str() + " is not new: only an accepted job can be taken in");
    }
    if (request.idempotency && job.owner != owner) {
      return fail(ErrorKind::invalid_argument, "MIXED_OWNERS",
                  "the jobs of one request with an Idempotency-Key belong to one person");
    }
    std::vector<std::string> environment;
    for (auto& [name, value] : payload.environment) {
      environment.push_back(std::move(name));
      environment.push_back(std::move(value));
    }
    AcceptRequest::Entry entry;
    entry.spec = canonical_text(job.spec);
    entry.event = domain::accepted_text(job.owner, job.broker_id, entry.spec);
    entry.script = std::move(payload.script);
    entry.arguments = pack(payload.arguments);
    entry.environment = pack(environment);
    if (decided) {
      auto change = prepare_record(std::move(*decided), verdicts);
      if (!change) return std::unexpected(change.error());
      const auto& now = change->job;
      if (now.id != job.id || change->events.empty() || change->events.front().version != 2 || is_terminal(now.state) ||
          now.cancel || change->hold) {
        return fail(ErrorKind::invalid_argument, "NOT_A_NEW_JOB",
                    "what is decided about job " + job.id.str() + " is not a first step that leaves it alive");
      }
      request.bytes += change->bytes;
      entry.decided = std::move(*change);
    }
    entry.job = std::move(job);
    request.bytes +=
        256 + entry.spec.size() + entry.event.size() + entry.script.size() + entry.arguments.size() + entry.environment.size();
    request.entries.push_back(std::move(entry));
  }
  return request;
}

Result<RecordRequest> prepare_record(ports::JobChange change, VerdictWriter& verdicts) {
  if (change.events.empty() && !change.decision)
    return fail(ErrorKind::invalid_argument, "NO_CHANGE", "a change has an event or a decision");
  RecordRequest request;
  request.bytes = 1024;
  auto version = change.job.version - static_cast<std::int64_t>(change.events.size());
  for (const auto& event : change.events) {
    request.events.push_back({.version = ++version,
                              .at = event.at,
                              .name = std::string(event_name(event.body)),
                              .body = domain::canonical_text(event.body)});
    request.bytes += request.events.back().body.size();
    std::visit(
        [&](const auto& body) {
          if constexpr (requires { body.attempt; }) request.attempts.insert(body.attempt);
        },
        event.body);
  }
  for (const auto& [hash, body] : change.documents) {
    if (sha256_hex(body) != hash) {
      return fail(ErrorKind::invalid_argument, "DOCUMENT_HASH_MISMATCH",
                  "a document is stored under its own SHA-256, and " + hash + " is not");
    }
    request.bytes += body.size();
  }
  if (change.decision) {
    request.decision = verdicts.text_of(*change.decision);
    request.bytes += request.decision->body.size();
  }
  request.documents = std::move(change.documents);
  request.score = std::move(change.score);
  request.hold = std::move(change.hold);
  request.job = std::move(change.job);
  return request;
}

Result<std::optional<ports::AcceptedJobs>> accepted_under(Connection& db, const Principal& owner,
                                                          const ports::Idempotency& idempotency) {
  auto row = db.query(kSelectKey, idempotency.key, owner);
  if (!row.next()) return std::nullopt;
  if (row.text(0) != idempotency.request_hash) {
    return fail(ErrorKind::conflict, "IDEMPOTENCY_KEY_REUSED",
                "this Idempotency-Key was used for another request: repeat that request unchanged, or use a new key");
  }
  return earlier_answer(db, row.integer(1), row.integer(2));
}

Result<ports::AcceptedJobs> accept_jobs(Connection& db, const AcceptRequest& request) {
  const auto& idempotency = request.idempotency;
  const auto& owner = request.entries.front().job.owner;
  if (idempotency) {
    auto known = accepted_under(db, owner, *idempotency);
    if (!known) return std::unexpected(known.error());
    if (*known) return std::move(**known);
  }
  const auto epoch = current_epoch(db);
  ports::AcceptedJobs accepted;
  std::int64_t first_row = 0;
  for (const auto& entry : request.entries) {
    const auto& job = entry.job;
    if (job.epoch < epoch) return stale_epoch(job.epoch, epoch);
    const auto& now = entry.decided ? entry.decided->job : job;
    const auto added =
        db.execute(kInsertJob, job.id, job.owner, job.spec.project, job.broker_id, job.epoch, now.version, to_string(now.state),
                   now.reason.code, now.reason.message, now.held_by_user, job.accepted_at, entry.spec);
    if (added == 0) return fail(ErrorKind::conflict, "JOB_EXISTS", "there is a job " + job.id.str() + " already");
    const auto row = db.last_row();
    // Rows of one request follow each other: one writer, and nothing is ever deleted from jobs.
    if (accepted.ids.empty()) first_row = row;
    db.execute(kInsertPayload, row, Blob{entry.script}, Blob{entry.arguments}, Blob{entry.environment});
    db.execute(kInsertEvent, row, 1, job.accepted_at, "accepted", entry.event);
    if (entry.decided) put_history(db, row, *entry.decided);
    accepted.ids.push_back(job.id);
  }
  if (idempotency) {
    db.execute(kInsertKey, idempotency->key, owner, idempotency->request_hash, first_row, accepted.ids.size(),
               request.entries.front().job.accepted_at);
  }
  return accepted;
}

Result<void> record(Connection& db, const RecordRequest& request) {
  const auto& job = request.job;
  std::int64_t row = 0;
  {
    auto stored = db.query(kSelectVersion, job.id);
    if (!stored.next()) return no_such_job(job.id);
    row = stored.integer(0);
    const auto version = stored.integer(1);
    const auto latest = std::max(stored.integer(2), current_epoch(db));
    if (job.epoch < latest) return stale_epoch(job.epoch, latest);
    if (version + static_cast<std::int64_t>(request.events.size()) != job.version) {
      return fail(ErrorKind::conflict, "STALE_VERSION", "job " + job.id.str() + " has changed meanwhile: read it again",
                  "stored version " + std::to_string(version) + ", " + std::to_string(request.events.size()) + " events up to " +
                      std::to_string(job.version));
    }
  }
  if (request.hold) {
    if (auto kept = reserve(db, row, job, *request.hold); !kept) return kept;
  }
  put_job(db, row, job);
  put_history(db, row, request);
  if (!request.hold && !job.attempts.empty()) keep_what_is_open(db, row, job);
  return {};
}

}  // namespace hansa::store
