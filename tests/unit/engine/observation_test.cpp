// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/observation.hpp"

#include <catch2/catch.hpp>

#include <chrono>

using namespace hansa;
using namespace hansa::domain;
using namespace hansa::engine;
using namespace std::chrono_literals;
using ports::JobStatus;
using ports::Phase;

namespace {

const UtcTime kStart = from_unix_seconds(1'800'000'000);

JobId some_id() { return *Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV"); }

Job with(std::vector<EventBody> events) {
  auto job = new_job(some_id(), 1, kStart, {.owner = Principal("local:alice"), .broker_id = "b", .spec = {}});
  for (auto& body : events) {
    const auto done = apply(job, {.at = kStart, .body = std::move(body)});
    if (!done) FAIL(done.error().message << done.error().detail);
  }
  return job;
}

Job bound(std::vector<EventBody> more = {}) {
  std::vector<EventBody> events{
      AttemptIntended{
          .attempt = 1, .site = SiteId("a"), .queue = QueueName("q"), .account = LocalAccount("alice"), .scheduler_account = ""},
      AttemptBound{1, SiteJobId("7"), false}};
  for (auto& e : more) events.push_back(std::move(e));
  return with(std::move(events));
}

JobStatus status(Phase phase, std::optional<UtcTime> started = std::nullopt, std::int32_t run = 0) {
  return {.id = SiteJobId("7"), .phase = phase, .run = run, .started_at = started};
}

std::string names(const Job& job, const JobStatus& s) {
  std::string text;
  auto copy = job;
  for (auto& event : observe(job, s)) {
    text += (text.empty() ? "" : " ") + std::string(event_name(event));
    const auto done = apply(copy, {.at = kStart, .body = event});
    if (!done) FAIL("illegal: " << event_name(event) << ": " << done.error().message);
  }
  return text;
}

JobStatus ended(Outcome outcome, std::optional<UtcTime> started = kStart) {
  auto s = status(Phase::ended, started);
  s.ended_at = kStart + 9s;
  s.outcome = outcome;
  return s;
}

const RunStarted kRunning{.attempt = 1, .run = 0, .started_at = kStart};

}  // namespace

TEST_CASE("what a site says of a job, and what that means") {
  const auto unknown = AttemptUnknown{1, {"NOT_SEEN", ""}};
  const auto cancel = CancelRequested{Principal("local:alice")};
  struct Row {
    const char* what;
    Job job;
    JobStatus status;
    const char* events;
  };
  const std::vector<Row> table{
      {"queued, as known", bound(), status(Phase::queued), ""},
      {"not seen", bound(), status(Phase::not_seen), "attempt_unknown"},
      {"not seen again", bound({unknown}), status(Phase::not_seen), ""},
      {"seen again, still queued", bound({unknown}), status(Phase::queued), "attempt_seen_again"},
      {"started", bound(), status(Phase::running, kStart), "run_started"},
      {"running, as known", bound({kRunning}), status(Phase::running, kStart), ""},
      {"running without a start time", bound(), status(Phase::running), ""},
      {"seen again, started meanwhile", bound({unknown}), status(Phase::running, kStart), "attempt_seen_again run_started"},
      {"cleaning up", bound({kRunning}), status(Phase::finishing, kStart), "run_finishing"},
      {"cleaning up, never seen running", bound(), status(Phase::finishing, kStart), "run_started run_finishing"},
      {"still cleaning up", bound({kRunning, RunFinishing{1}}), status(Phase::finishing, kStart), ""},
      {"requeued", bound({kRunning}), status(Phase::queued, std::nullopt, 1), "run_requeued"},
      {"accounting lags: no requeue", bound({kRunning}), status(Phase::queued), ""},
      {"second run", bound({kRunning, RunRequeued{.attempt = 1, .run = 0}}), status(Phase::running, kStart + 5s, 1),
       "run_started"},
      {"requeue missed, second run seen", bound({kRunning}), status(Phase::running, kStart + 5s, 1), "run_started"},
      {"done", bound({kRunning}), ended(Outcome::succeeded), "attempt_ended"},
      {"done, never seen running", bound(), ended(Outcome::failed), "attempt_ended"},
      {"done while unknown", bound({unknown}), ended(Outcome::succeeded), "attempt_seen_again attempt_ended"},
      {"cancelled as asked", bound({kRunning, cancel}), ended(Outcome::cancelled), "attempt_ended cancel_resolved"},
      {"ended in spite of the cancel", bound({kRunning, cancel}), ended(Outcome::succeeded), "attempt_ended cancel_resolved"},
      {"cancel has its outcome", bound({kRunning, cancel, CancelResolved{CancelOutcome::stopped}}), ended(Outcome::cancelled),
       "attempt_ended"},
      {"cancel was unknown", bound({kRunning, cancel, CancelResolved{CancelOutcome::unknown}}), ended(Outcome::cancelled),
       "attempt_ended cancel_resolved"},
      {"never started, goes elsewhere", bound(), ended(Outcome::never_started, std::nullopt), "attempt_ended"},
      {"never started and cancelled", bound({cancel}), ended(Outcome::never_started, std::nullopt),
       "attempt_ended cancel_resolved ended"},
      {"no attempt alive", with({}), ended(Outcome::succeeded), ""},
      {"not bound yet",
       with(
           {AttemptIntended{.attempt = 1, .site = SiteId("a"), .queue = QueueName("q"), .account = {}, .scheduler_account = ""}}),
       ended(Outcome::succeeded), ""},
  };
  for (const auto& row : table) {
    INFO(row.what);
    CHECK(names(row.job, row.status) == row.events);
  }
}

TEST_CASE("the outcome of a cancel follows the end of the job") {
  const auto cancelled = bound({kRunning, CancelRequested{Principal("local:alice")}});
  const auto outcome = [&](const JobStatus& s) {
    for (const auto& event : observe(cancelled, s)) {
      if (const auto* resolved = std::get_if<CancelResolved>(&event)) return resolved->outcome;
    }
    return CancelOutcome::unknown;
  };
  CHECK(outcome(ended(Outcome::cancelled)) == CancelOutcome::stopped);
  CHECK(outcome(ended(Outcome::cancelled, std::nullopt)) == CancelOutcome::never_started);
  CHECK(outcome(ended(Outcome::never_started, std::nullopt)) == CancelOutcome::never_started);
  CHECK(outcome(ended(Outcome::succeeded)) == CancelOutcome::already_ended);
  CHECK(outcome(ended(Outcome::timed_out)) == CancelOutcome::already_ended);
}

TEST_CASE("an end without an outcome is a failure") {
  auto s = ended(Outcome::succeeded);
  s.outcome.reset();
  const auto events = observe(bound({kRunning}), s);
  REQUIRE(events.size() == 1);
  CHECK(std::get<AttemptEnded>(events[0]).outcome == Outcome::failed);
}

TEST_CASE("whose sighting it is") {
  Attempt attempt{.number = 1,
                  .site = SiteId("a"),
                  .queue = {},
                  .account = LocalAccount("alice"),
                  .scheduler_account = {},
                  .intended_at = kStart};
  const auto sighting = [](const char* cluster, const char* account, UtcTime at) {
    return ports::Sighting{
        .tag = {}, .cluster = cluster, .account = LocalAccount(account), .submitted_at = at, .status = {.id = SiteJobId("1")}};
  };
  const auto code = [&](const ports::Sighting& s, const char* cluster = "c") {
    const auto reason = why_foreign(attempt, s, cluster, 120s);
    return reason ? reason->code : std::string("ours");
  };
  CHECK(code(sighting("c", "alice", kStart)) == "ours");
  CHECK(code(sighting("c", "alice", kStart - 120s)) == "ours");
  CHECK(code(sighting("c", "alice", kStart - 121s)) == "OLDER_THAN_INTENT");
  CHECK(code(sighting("c", "alice", kStart + 24h)) == "ours");
  CHECK(code(sighting("c", "bob", kStart)) == "FOREIGN_ACCOUNT");
  CHECK(code(sighting("d", "alice", kStart)) == "FOREIGN_CLUSTER");
  CHECK(code(sighting("", "alice", kStart)) == "ours");         // the site does not say
  CHECK(code(sighting("c", "alice", kStart), "") == "ours");    // we do not know yet
  attempt.account = {};                                          // the broker's own account
  CHECK(code(sighting("c", "anybody", kStart)) == "ours");
}

TEST_CASE("an attempt that can never start any more ends, and a cancelled job with it") {
  const auto intended = AttemptIntended{.attempt = 1, .site = SiteId("a"), .queue = {}, .account = {}, .scheduler_account = ""};
  auto free = with({intended, AttemptUnknown{1, {"X", ""}}});
  for (const auto& event : end_never_started(free, {"NOT_TAKEN", ""}, true).events)
    REQUIRE(apply(free, {.at = kStart, .body = event}));
  CHECK(free.state == JobState::waiting);
  CHECK(free.attempts[0].sealed);
  auto cancelled = with({intended, CancelRequested{Principal("local:alice")}});
  for (const auto& event : end_never_started(cancelled, {"NOT_TAKEN", ""}, false).events)
    REQUIRE(apply(cancelled, {.at = kStart, .body = event}));
  CHECK(cancelled.state == JobState::cancelled);
  CHECK(cancelled.cancel->outcome == CancelOutcome::never_started);
  CHECK(end_never_started(with({}), {"X", ""}, true).events.empty());
}
