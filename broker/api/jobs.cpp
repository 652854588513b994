// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/digest.hpp"
#include "broker/wire/job_request.hpp"
#include "broker/wire/job_text.hpp"
#include "policies/rules/vocabulary.hpp"

#include <algorithm>
#include <functional>

namespace hansa::api {

namespace {

constexpr std::int64_t kMaxWait = 55;                 // seconds; below the request's own time-out
constexpr Seconds kMaxDecisionWait{5};                // of a submission; a stop has more patience than that
constexpr std::int64_t kMaxChunk = std::int64_t{1} << 20;
constexpr std::size_t kMaxKey = 255;
constexpr std::string_view kJobStates[] = {"accepted",  "waiting",   "held",   "staging",   "submitting", "queued", "running",
                                           "finishing", "succeeded", "failed", "timed_out", "cancelled",  "lost",   "rejected"};

/// Of what is canonical JSON already.
http::Response text_answer(int status, std::string json) {
  return {.status = status, .content_type = "application/json", .body = std::move(json += '\n')};
}

/// The client's key with the hash of what it asks: the same bytes are the same request.
Result<std::optional<ports::Idempotency>> idempotency_of(const http::Request& request) {
  const auto key = request.headers.get("idempotency-key");
  if (!key) return std::nullopt;
  const bool good =
      !key->empty() && key->size() <= kMaxKey && std::ranges::all_of(*key, [](char c) { return c > 0x20 && c < 0x7F; });
  if (!good) {
    return fail(ErrorKind::invalid_argument, "BAD_IDEMPOTENCY_KEY",
                "the header Idempotency-Key must be 1 to 255 visible ASCII characters");
  }
  return ports::Idempotency{.key = std::string(*key), .request_hash = sha256_hex(request.body)};
}

wire::KnownNames known_names(const Exchange& exchange) { return {.sites = exchange.api.sites(), .labels = rules::data_labels()}; }

Result<bool> dry_run_of(const http::Request& request) {
  QueryReader query(request.query);
  const bool dry_run = query.flag("dry_run");
  if (auto done = query.finish(); !done) return std::unexpected(done.error());
  return dry_run;
}

/// The jobs once the engine has decided about them, or when the client's time for that is up. They are stored by now: whatever
/// goes wrong here, they are accepted, and that is what is answered.
boost::asio::awaitable<std::vector<domain::Job>> decided(const Exchange& exchange, std::vector<domain::Job> jobs, Seconds wait) {
  auto& parts = exchange.api.parts();
  const auto until = exchange.request.deadline.shortened_to(parts.scheduler, wait);
  for (auto& job : jobs) {
    while (job.state == domain::JobState::accepted) {
      auto now = co_await on_engine(exchange, parts.engine.wait_beyond(job.id, job.version, until));
      if (!now && now.error().kind == ErrorKind::not_found) now = co_await parts.jobs.job(job.id);
      if (!now) break;
      job = std::move(*now);
    }
  }
  co_return jobs;
}

/// Whoever prefers it gets the answer after the decision.
boost::asio::awaitable<http::Response> acceptance_answer(const Exchange& exchange, engine::Acceptance accepted,
                                                         std::function<std::string(const std::vector<domain::Job>& jobs)> view) {
  const auto wait = preferred_wait(exchange.request.headers, kMaxDecisionWait);
  if (wait) accepted.jobs = co_await decided(exchange, std::move(accepted.jobs), *wait);
  auto answer = text_answer(accepted.repeated ? 200 : 201, view(accepted.jobs));
  if (wait) answer.headers.emplace_back("Preference-Applied", "wait=" + std::to_string(wait->count()));
  co_return answer;
}

/// The task whose output is asked for: of an array one of its own, of any other job none (-1).
Result<std::optional<std::int32_t>> task_of(const domain::Job& job, std::int64_t asked) {
  const auto refuse = [](std::string message) {
    auto error = fail(ErrorKind::invalid_argument, "WHICH_TASK", message);
    error.error().faults.push_back({.where = "task", .message = std::move(message)});
    return error;
  };
  const auto& tasks = job.spec.array.tasks;
  if (tasks.empty() && asked < 0) return std::nullopt;
  if (tasks.empty()) return refuse("job " + job.id.str() + " is no array, it has no tasks");
  const auto text = domain::task_ranges(tasks);
  if (asked < 0) return refuse("job " + job.id.str() + " is an array: name one of its tasks, " + text);
  if (!std::ranges::binary_search(tasks, static_cast<std::int32_t>(asked)))
    return refuse("job " + job.id.str() + " has no task " + std::to_string(asked) + "; its tasks are " + text);
  return static_cast<std::int32_t>(asked);
}

std::unexpected<Error> over(const domain::Job& job) {
  return fail(ErrorKind::conflict, "JOB_OVER", "job " + job.id.str() + " is over: " + std::string(domain::to_string(job.state)));
}

async::Task<http::Response> changed(Exchange exchange,
                                    async::Task<domain::Job> (*change)(const Exchange& exchange, const JobId& id)) {
  auto job = co_await find_job(exchange);
  if (!job) co_return std::unexpected(job.error());
  if (auto read = BodyReader(exchange.request).finish(); !read) co_return std::unexpected(read.error());
  if (domain::is_terminal(job->state)) co_return over(*job);
  auto after = co_await change(exchange, job->id);
  if (!after) co_return std::unexpected(after.error());
  co_return json_answer(200, wire::job_view(*after));
}

}  // namespace

async::Task<http::Response> submit_job(Exchange exchange) {
  auto dry_run = dry_run_of(exchange.request);
  if (!dry_run) co_return std::unexpected(dry_run.error());
  const auto& caller = exchange.caller;
  auto idempotency = idempotency_of(exchange.request);
  if (!idempotency) co_return std::unexpected(idempotency.error());
  wire::Notes notes;
  auto submission = wire::job_from_text(exchange.request.body, known_names(exchange), &notes);
  if (!submission) co_return std::unexpected(submission.error());

  if (*dry_run) {
    auto decision = co_await on_engine(exchange, exchange.api.parts().engine.consider(caller.principal, submission->spec));
    if (!decision) co_return std::unexpected(decision.error());
    auto view = wire::decision_view(*decision);
    view["submission"] = wire::submission_view(*submission);
    if (!notes.empty()) view["notes"] = notes;
    co_return json_answer(200, view);
  }
  std::vector<domain::Submission> one;
  one.push_back(std::move(*submission));
  auto accepted = co_await exchange.api.parts().engine.intake().accept(caller.principal, std::move(one), std::move(*idempotency));
  if (!accepted) co_return std::unexpected(accepted.error());
  const auto location = "/v1/jobs/" + accepted->jobs.front().id.str();
  auto answer = co_await acceptance_answer(exchange, std::move(*accepted),
                                           [&notes](const auto& jobs) { return wire::job_text(jobs.front(), notes); });
  answer.headers.emplace_back("Location", location);
  co_return answer;
}

async::Task<http::Response> submit_jobs(Exchange exchange) {
  const auto& caller = exchange.caller;
  auto idempotency = idempotency_of(exchange.request);
  if (!idempotency) co_return std::unexpected(idempotency.error());
  std::vector<wire::Notes> notes;
  auto submissions = wire::jobs_from_text(exchange.request.body, known_names(exchange), &notes);
  if (!submissions) co_return std::unexpected(submissions.error());
  const bool one = submissions->size() == 1;
  auto accepted =
      co_await exchange.api.parts().engine.intake().accept(caller.principal, std::move(*submissions), std::move(*idempotency));
  if (!accepted && one) {  // told as of a job that comes alone
    for (auto& fault : accepted.error().faults) fault.where.insert(0, "/jobs/0");
  }
  if (!accepted) co_return std::unexpected(accepted.error());
  co_return co_await acceptance_answer(exchange, std::move(*accepted),
                                       [&notes](const auto& jobs) { return R"({"jobs":)" + wire::job_texts(jobs, notes) + "}"; });
}

async::Task<http::Response> list_jobs(Exchange exchange) {
  QueryReader query(exchange.request.query);
  ports::JobQuery wanted;
  for (const auto& state : query.list("state")) {
    const auto known = domain::parse_job_state(state);
    if (known)
      wanted.states.push_back(*known);
    else
      query.fault("state", no_such("state", state, kJobStates));
  }
  if (const auto project = query.text("project")) wanted.project = ProjectId{*project};
  if (const auto owner = query.text("owner")) wanted.owner = Principal{*owner};
  wanted.accepted_since = query.time("since");
  wanted.limit = static_cast<std::size_t>(query.integer("limit", 100, 1, kMaxPage));
  if (const auto cursor = query.text("cursor")) {
    wanted.before = JobId::parse(*cursor);
    if (!wanted.before) query.fault("cursor", "must be the \"next_cursor\" of an earlier answer");
  }
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());

  const auto& caller = exchange.caller;
  if (!identity::reaches_all(caller, exchange.action)) {
    // Others' jobs are as if they did not exist.
    if (caller.leads.empty() && caller.sites.empty()) {  // by the index of owners
      if (wanted.owner && *wanted.owner != caller.principal)
        co_return json_answer(200, {{"jobs", Json::array()}, {"next_cursor", Json()}});
      wanted.owner = caller.principal;
    } else {
      wanted.audience = {.person = caller.principal, .projects = caller.leads, .sites = caller.sites};
    }
  }
  auto jobs = co_await exchange.api.parts().jobs.jobs(wanted);
  if (!jobs) co_return std::unexpected(jobs.error());
  const bool more = jobs->size() == wanted.limit;
  co_return text_answer(200, R"({"jobs":)" + wire::job_texts(*jobs) + R"(,"next_cursor":)" +
                                 (more ? '"' + jobs->back().id.str() + '"' : "null") + "}");
}

async::Task<http::Response> get_job(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const auto wait = query.integer("wait_s", 0, 0, kMaxWait);
  const auto version = query.integer("version", 0, 0, std::numeric_limits<std::int64_t>::max());
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto job = co_await find_job(exchange);
  if (!job) co_return std::unexpected(job.error());
  if (wait > 0 && job->version <= version && !domain::is_terminal(job->state)) {
    auto& parts = exchange.api.parts();
    const auto deadline = async::Deadline::in(parts.scheduler, Seconds{wait});
    auto changed = co_await on_engine(exchange, parts.engine.wait_beyond(job->id, version, deadline));
    if (!changed && changed.error().kind == ErrorKind::not_found) changed = co_await parts.jobs.job(job->id);
    if (!changed && changed.error().kind != ErrorKind::deadline_exceeded) co_return std::unexpected(changed.error());
    if (changed) job = std::move(changed);
  }
  auto view = wire::job_details_view(*job);
  for (auto& before : view["after"]) {
    const auto earlier = co_await exchange.api.parts().jobs.job(JobId::parse(before["id"].get<std::string>()).value());
    if (!earlier) co_return std::unexpected(earlier.error());
    before["state"] = domain::to_string(earlier->state);
  }
  if (job->state == domain::JobState::staging) {
    auto transfers = co_await transfers_of(exchange, job->spec.datasets);
    if (!transfers) co_return std::unexpected(transfers.error());
    view["transfers"] = std::move(*transfers);
  }
  co_return json_answer(200, view);
}

async::Task<http::Response> explain_job(Exchange exchange) {
  auto job = co_await find_job(exchange);
  if (!job) co_return std::unexpected(job.error());
  auto decision = co_await on_engine(exchange, exchange.api.parts().engine.explain(*job));
  if (!decision && decision.error().kind == ErrorKind::not_found) {
    co_return fail(ErrorKind::not_found, "NO_DECISION", "job " + job->id.str() + " ended before anything was decided about it");
  }
  if (!decision) co_return std::unexpected(decision.error());
  auto view = wire::decision_view(*decision);
  view["job"] = wire::job_view(*job);
  if (const auto share = co_await on_engine(exchange, exchange.api.parts().engine.fair_share(job->spec.project));
      share && *share) {
    view["fair_share"] = {{"project", job->spec.project.str()},
                          {"share_ppm", (*share)->share_ppm},
                          {"used_ppm", (*share)->used_ppm},
                          {"factor_ppm", (*share)->factor_ppm}};
  }
  co_return json_answer(200, view);
}

async::Task<http::Response> list_job_events(Exchange exchange) {
  auto job = co_await find_job(exchange);
  if (!job) co_return std::unexpected(job.error());
  auto events = co_await exchange.api.parts().jobs.events(job->id);
  if (!events) co_return std::unexpected(events.error());
  Json list = Json::array();
  for (const auto& stored : *events) list.push_back(wire::event_view(stored.event, stored.version));
  co_return json_answer(200, {{"events", std::move(list)}});
}

async::Task<http::Response> get_job_usage(Exchange exchange) {
  auto job = co_await find_job(exchange);
  if (!job) co_return std::unexpected(job.error());
  auto records = co_await exchange.api.parts().usage.usage_of(job->id);
  if (!records) co_return std::unexpected(records.error());
  Json list = Json::array();
  for (const auto& record : *records) list.push_back(wire::usage_record_view(record));
  co_return json_answer(200, {{"records", std::move(list)}});
}

async::Task<http::Response> read_job_output(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const auto stream = query.text("stream").value_or("out");
  if (stream != "out" && stream != "err") query.fault("stream", "must be out or err");
  const auto offset = query.integer("offset", 0, 0, std::numeric_limits<std::int64_t>::max());
  const auto limit = query.integer("limit", kMaxChunk, 1, kMaxChunk);
  const auto task = query.integer("task", -1, 0, domain::kMaxTaskIndex);
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto opened = co_await open_job(exchange);
  if (!opened) co_return std::unexpected(opened.error());
  const auto* job = &opened->job;
  auto which = task_of(*job, task);
  if (!which) co_return std::unexpected(which.error());
  auto& parts = exchange.api.parts();
  auto chunk =
      co_await on_engine(exchange, parts.engine.read_output(*job, stream == "out" ? ports::Stream::out : ports::Stream::err,
                                                            static_cast<std::uint64_t>(offset), static_cast<std::size_t>(limit),
                                                            exchange.request.deadline, *which));
  if (!chunk) co_return std::unexpected(chunk.error());
  http::Response answer{.status = 200, .content_type = "application/octet-stream", .body = std::move(chunk->bytes)};
  answer.headers.emplace_back("Hansa-Next-Offset", std::to_string(chunk->next_offset));
  answer.headers.emplace_back("Hansa-Job-State", domain::to_string(job->state));
  // Somebody else's bytes: no browser is to guess what they are.
  answer.headers.emplace_back("X-Content-Type-Options", "nosniff");
  co_return answer;
}

async::Task<http::Response> hold_job(Exchange exchange) {
  return changed(std::move(exchange),
                 [](const Exchange& e, const JobId& id) { return on_engine(e, e.api.parts().engine.hold(id)); });
}

async::Task<http::Response> release_job(Exchange exchange) {
  return changed(std::move(exchange),
                 [](const Exchange& e, const JobId& id) { return on_engine(e, e.api.parts().engine.release(id)); });
}

async::Task<http::Response> cancel_job(Exchange exchange) {
  const auto given = parse_json(exchange.request.body);
  const bool all = exchange.request.body.empty() || (given && given->is_object() && given->empty());
  if (all) {
    co_return co_await changed(std::move(exchange), [](const Exchange& e, const JobId& id) {
      return on_engine(e, e.api.parts().engine.cancel(id, e.caller.principal));
    });
  }
  auto job = co_await find_job(exchange);
  if (!job) co_return std::unexpected(job.error());
  BodyReader body(exchange.request);
  const auto text = body.required("tasks");
  auto tasks = domain::parse_task_array(text);
  if (!text.empty() && !tasks) body.fault("tasks", tasks.error().message);
  if (tasks && tasks->at_most != 0) body.fault("tasks", "names tasks, as in 3,5-7; %N is for submissions");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  if (domain::is_terminal(job->state)) co_return over(*job);
  auto& engine = exchange.api.parts().engine;
  auto after = co_await on_engine(exchange, engine.cancel_tasks(job->id, exchange.caller.principal, std::move(tasks->tasks)));
  if (!after) co_return std::unexpected(after.error());
  co_return json_answer(200, wire::job_details_view(*after));
}

async::Task<http::Response> resolve_job(Exchange exchange) {
  auto job = co_await find_job(exchange);
  if (!job) co_return std::unexpected(job.error());
  BodyReader body(exchange.request);
  const auto as = body.required("as");
  const auto reason = body.required("reason");
  if (!as.empty() && as != "lost") body.fault("as", "must be \"lost\": a job can be resolved as nothing else");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  auto after = co_await on_engine(exchange, exchange.api.parts().engine.resolve_lost(job->id, exchange.caller.principal, reason));
  if (!after) co_return std::unexpected(after.error());
  co_return json_answer(200, wire::job_view(*after));
}

}  // namespace hansa::api
