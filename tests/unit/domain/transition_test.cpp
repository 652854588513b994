// SPDX-License-Identifier: Apache-2.0
// The state machine, spelt out: what each event does to a job in each situation, and the marks that are no states.
#include "broker/domain/transition.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <vector>

using namespace hansa;
using namespace hansa::domain;

namespace {

const JobId kId = *JobId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV");
constexpr UtcTime second(std::int64_t s) { return from_unix_seconds(1'767'225'600 + s); }

Job accepted_job() {
  return new_job(
      kId, 7, second(0),
      Accepted{.owner = Principal("local:alice"), .broker_id = "b1", .spec = {.name = "n", .project = ProjectId("p")}});
}

/// Applies events one second apart; each must be legal.
Job after(std::vector<EventBody> events, Job job = accepted_job()) {
  for (auto& event : events) {
    const auto done = apply(job, {second(job.version), std::move(event)});
    if (!done) throw std::logic_error(done.error().message);
  }
  return job;
}
std::vector<EventBody> operator+(std::vector<EventBody> one, std::vector<EventBody> more) {
  one.insert(one.end(), more.begin(), more.end());
  return one;
}

AttemptIntended intended(std::int32_t attempt = 1) {
  return {.attempt = attempt,
          .site = SiteId("alpha"),
          .queue = QueueName("main"),
          .account = LocalAccount("alice"),
          .scheduler_account = "acc"};
}
AttemptBound bound(const char* id = "4711", std::int32_t attempt = 1) {
  return {.attempt = attempt, .site_job_id = SiteJobId(id)};
}
RunStarted started(std::int32_t run = 0, std::int64_t when = 100) {
  return {.attempt = 1, .task_index = 0, .run = run, .started_at = second(when)};
}
AttemptEnded ended(Outcome outcome, std::int32_t attempt = 1) {
  AttemptEnded e{.attempt = attempt, .outcome = outcome, .reason = {"WORD", "the site's word"}};
  if (outcome == Outcome::never_started) return e;
  e.started_at = second(100);
  e.ended_at = second(200);
  e.exit_code = 3;
  return e;
}

const std::vector<EventBody> kQueued{intended(), bound()};
const std::vector<EventBody> kRunning = kQueued + std::vector<EventBody>{started()};
const CancelRequested kCancel{.by = Principal("local:alice")};

char letter(JobState state) {
  switch (state) {
    case JobState::accepted: return 'a';
    case JobState::waiting: return 'w';
    case JobState::held: return 'h';
    case JobState::staging: return 'g';
    case JobState::submitting: return 's';
    case JobState::queued: return 'q';
    case JobState::running: return 'r';
    case JobState::finishing: return 'f';
    case JobState::succeeded: return 'S';
    case JobState::failed: return 'F';
    case JobState::timed_out: return 'T';
    case JobState::cancelled: return 'C';
    case JobState::lost: return 'L';
    case JobState::rejected: return 'R';
  }
  return '?';
}

/// The columns of the table: every event, aimed at the job's last attempt (AttemptIntended at the next).
std::vector<EventBody> every_event(const Job& job) {
  const auto last = std::max(1, static_cast<std::int32_t>(job.attempts.size()));
  return {Accepted{},
          Waiting{},
          Held{},
          Released{},
          Rejected{},
          intended(static_cast<std::int32_t>(job.attempts.size()) + 1),
          AttemptResent{last},
          AttemptUnknown{last, {"SILENT", "no word"}},
          AttemptSeenAgain{last},
          bound("4711", last),
          SightingQuarantined{last, SiteJobId("5"), {}},
          AttemptSealed{last},
          started(),
          RunRequeued{last, 0, 0},
          RunFinishing{last},
          ended(Outcome::succeeded, last),
          ended(Outcome::never_started, last),
          kCancel,
          CancelResolved{CancelOutcome::stopped},
          Ended{JobState::cancelled, {}},
          ResolvedLost{Principal("local:op"), "burnt down"},
          MoveIntended{last, {SiteId("elsewhere"), SiteJobId("4711"), "it starts there now"}},
          Staging{{"EARLIEST_START", "data first"}},
          TasksSeen{last, {Run{.task_index = 0, .started_at = second(100)}}},
          TaskCancelRequested{Principal("local:alice"), {0}}};
}

struct Row {
  const char* situation;
  std::vector<EventBody> history;
  const char* expected;  // '.': refused; otherwise the state after it
};

}  // namespace

TEST_CASE("a job that comes after others goes nowhere before it was told that they have succeeded") {
  auto job = accepted_job();
  job.spec.after = {kId};
  const auto refused = [](Job at, const EventBody& event) { return !apply(at, {second(100), event}); };
  const Held dependency{.reason = {std::string(kDependency), "waits for job X"}};
  for (const auto& waits : {job, after({dependency}, job)}) {
    CHECK(waits.awaits_others());
    CHECK(refused(waits, intended()));
    CHECK(refused(waits, Staging{}));
    CHECK_FALSE(refused(waits, Ended{}));
    CHECK_FALSE(refused(waits, kCancel));
  }
  const auto held = after({dependency, Held{{"HELD_BY_USER", "x"}, true}}, job);
  CHECK(refused(held, intended()));
  CHECK(refused(after({Released{}, dependency}, held), intended()));
  const auto free = after({dependency, Waiting{{"DEPENDENCY_SATISFIED", "x"}}}, job);
  CHECK_FALSE(free.awaits_others());
  CHECK_FALSE(refused(free, intended()));
  CHECK_FALSE(refused(after({Held{{"NO_SITE", "x"}}}, free), intended()));  // held for want of a site: it is in line
  CHECK_FALSE(accepted_job().awaits_others());
  CHECK_FALSE(after({dependency}).awaits_others());
}

TEST_CASE("tasks of an array: each run ends once, the job goes on until it is told what they come to") {
  auto job = accepted_job();
  job.spec.array = {.tasks = {0, 1, 7}, .at_most = 2};
  const auto seen = [](std::vector<Run> runs) { return TasksSeen{1, std::move(runs)}; };
  const auto refused = [](Job at, const EventBody& event) { return !apply(at, {second(300), event}); };
  const Run first{.task_index = 0, .started_at = second(50)}, second_one{.task_index = 7, .started_at = second(40)};
  const auto queued = after(kQueued, job);
  CHECK(queued.open_tasks(queued.attempts[0]) == std::vector{0, 1, 7});
  CHECK(refused(queued, seen({})));
  CHECK(refused(queued, seen({Run{.task_index = 2, .started_at = second(50)}})));
  const auto running = after({seen({first}), seen({second_one})}, queued);
  CHECK(running.state == JobState::running);
  CHECK(running.started_at == second(40));  // the first of all
  CHECK(refused(running, seen({Run{.task_index = 0, .started_at = second(51)}})));
  CHECK(refused(running, AttemptSealed{1}));
  CHECK(refused(running, MoveIntended{1, {SiteId("elsewhere"), SiteJobId("4711"), "x"}}));
  auto over = first;
  over.ended_at = second(60);
  over.outcome = Outcome::failed;
  over.exit_code = 3;
  const auto half = after({seen({over})}, running);
  CHECK(half.state == JobState::running);
  CHECK(half.open_tasks(half.attempts[0]) == std::vector{1, 7});
  CHECK(refused(half, seen({over})));
  const auto again = after({seen({Run{.task_index = 0, .number = 1, .started_at = second(70)}})}, half);  // a requeue
  CHECK(again.open_tasks(again.attempts[0]) == std::vector{0, 1, 7});
  CHECK(again.attempts[0].last_run(0)->number == 1);
  const auto ended_job = after({ended(Outcome::failed)}, half);
  CHECK(ended_job.state == JobState::failed);
  CHECK(ended_job.attempts[0].runs.size() == 2);  // no run of its own
}

TEST_CASE("tasks whose cancel was asked for: each once, and those of before an attempt are none of it") {
  auto job = accepted_job();
  job.spec.array = {.tasks = {0, 1, 3, 7}, .at_most = 2};
  const auto refused = [](Job at, const EventBody& event) { return !apply(at, {second(300), event}); };
  const auto asks = [](std::vector<std::int32_t> tasks) {
    return TaskCancelRequested{Principal("local:alice"), std::move(tasks)};
  };
  for (const auto& event : {asks({}), asks({2}), asks({0, 2})}) CHECK(refused(job, event));
  const auto asked = after({asks({3})}, job);
  CHECK(asked.state == job.state);
  CHECK(asked.cancelled_tasks == std::vector{3});
  CHECK(refused(asked, asks({3})));
  CHECK(asked.array_left() == TaskArray{.tasks = {0, 1, 7}, .at_most = 2});
  const auto sent = after({intended()}, asked);
  CHECK(sent.attempts[0].runs == std::vector{Run{.task_index = 3, .outcome = Outcome::cancelled}});
  CHECK(sent.open_tasks(sent.attempts[0]) == std::vector{0, 1, 7});
  CHECK(sent.tasks_to_cancel(sent.attempts[0]).empty());
  const auto more = after({bound(), asks({0, 7})}, sent);
  CHECK(more.cancelled_tasks == std::vector{0, 3, 7});
  CHECK(more.tasks_to_cancel(more.attempts[0]) == std::vector{0, 7});
  CHECK_FALSE(refused(more, MoveIntended{1, {SiteId("elsewhere"), SiteJobId("4711"), "x"}}));  // none of it has started
  CHECK_FALSE(refused(more, AttemptSealed{1}));
  // Another site job takes the place: what was left out stays so.
  const auto adopted = after({TasksSeen{1, {Run{.task_index = 1, .started_at = second(50)}}},
                              AttemptBound{.attempt = 1, .site_job_id = SiteJobId("4712"), .adopted = true}},
                             more);
  CHECK(adopted.attempts[0].last_run(3)->outcome == Outcome::cancelled);
  CHECK_FALSE(adopted.attempts[0].last_run(1)->started_at.has_value());
  const auto again = after({ended(Outcome::never_started), intended(2)}, more);
  CHECK(again.open_tasks(again.attempts[1]) == std::vector{1});
  CHECK(refused(after({kCancel}, asked), asks({0})));
  CHECK(refused(after({ended(Outcome::failed)}, more), asks({1})));
}

TEST_CASE("every event in every situation: refused, or to which state") {
  const std::vector<EventBody> none;
  const Row kTable[] = {
      //                                                              A W H R R I R U S B Q S R R R E E C C E L M S T
      //                                                              c a e e e n e n e n u e s r f n n a r n o o t a
      //                                                              c i l l j t s k n d a a t q i d n n s d s v g s
      {"accepted", none, ".wh.Rs...........a.CL.g.."},
      {"waiting", {Waiting{}}, ".wh.Rs...........w.CL.g.."},
      {"staging", {Staging{}}, ".wh.Rs...........g.CL.g.."},
      {"held by the broker", {Held{}}, ".wh.Rs...........h.CL.g.."},
      {"held by its user", {Held{{}, true}}, "..hwR............h.CL...."},
      {"released", {Held{{}, true}, Released{}}, ".wh.Rs...........w.CL.g.."},
      {"waiting, cancel asked for", {Waiting{}, kCancel}, ".wh.R.............wCL.g.."},
      {"intended", {intended()}, "......ss.qss....ws..L...."},
      {"sent, unknown", {intended(), AttemptUnknown{}}, "......sssqss....ws..L...."},
      {"sent, seen again", {intended(), AttemptUnknown{}, AttemptSeenAgain{}}, "......ss.qss....ws..L...."},
      {"intended, sealed", {intended(), AttemptSealed{}}, ".......s.qs.....ws..L...."},
      {"intended, cancel asked for", {intended(), kCancel}, "......ss.qss....w.s.L...."},
      {"queued", kQueued, ".......q..qqr.fSwq..Lq..."},
      {"queued, unknown", kQueued + std::vector<EventBody>{AttemptUnknown{}}, ".......qq.qqr.fSwq..Lq..."},
      {"queued, sealed", kQueued + std::vector<EventBody>{AttemptSealed{}}, ".......q..q.r.fSwq..Lq..."},
      {"running", kRunning, ".......r..r..qfSwr..L...."},
      {"running, unknown", kRunning + std::vector<EventBody>{AttemptUnknown{}}, ".......rr.r..qfSwr..L...."},
      {"running, cancel asked for", kRunning + std::vector<EventBody>{kCancel}, ".......r..r..qfSw.r.L...."},
      {"finishing", kRunning + std::vector<EventBody>{RunFinishing{}}, ".......f..f..q.Swf..L...."},
      {"requeued by the site", kRunning + std::vector<EventBody>{RunRequeued{}}, ".......q..q...fSwq..L...."},
      {"back from a site", {intended(), ended(Outcome::never_started)}, ".wh.Rs....ww.....w.CL.g.."},
      {"back, cancel asked for", {intended(), kCancel, ended(Outcome::never_started)}, ".wh.R.....ww......wCL.g.."},
      {"succeeded", kRunning + std::vector<EventBody>{ended(Outcome::succeeded)}, "..........S.............."},
      {"failed", kRunning + std::vector<EventBody>{ended(Outcome::failed)}, "..........F.............."},
      {"timed out", kRunning + std::vector<EventBody>{ended(Outcome::timed_out)}, "..........T.............."},
      {"cancelled at the site", kRunning + std::vector<EventBody>{kCancel, ended(Outcome::cancelled)},
       "..........C.......C......"},
      {"cancelled, and told so",
       kRunning + std::vector<EventBody>{kCancel, CancelResolved{CancelOutcome::stopped}, ended(Outcome::cancelled)},
       "..........C.............."},
      {"cancelled by the broker", {kCancel, Ended{}}, "..................C......"},
      {"given up by the broker", {Ended{JobState::failed, {}}}, "........................."},
      {"lost", {intended(), ResolvedLost{}}, "..........LL............."},
      {"lost without a site", {ResolvedLost{}}, "........................."},
      {"rejected", {Rejected{}}, "........................."},
  };
  for (const auto& [situation, history, expected] : kTable) {
    const auto job = after(history);
    std::string found;
    for (const auto& event : every_event(job)) {
      auto next = job;
      const auto done = apply(next, {second(1000), event});
      found += done ? letter(next.state) : '.';
      if (done) {
        CHECK(next.version == job.version + 1);
        continue;
      }
      CHECK(next == job);
      CHECK(done.error().kind == ErrorKind::conflict);
      CHECK(done.error().code == "ILLEGAL_TRANSITION");
      CHECK(done.error().message.starts_with("job " + kId.str() + " is " + std::string(to_string(job.state)) + ": "));
      CHECK(done.error().detail == "event " + std::string(event_name(event)) + " at version " + std::to_string(job.version));
    }
    CAPTURE(situation);
    CHECK(found == expected);
  }
}

TEST_CASE("acceptance makes the whole job") {
  const auto job = accepted_job();
  CHECK(job.id == kId);
  CHECK(job.epoch == 7);
  CHECK(job.version == 1);
  CHECK(job.state == JobState::accepted);
  CHECK(job.accepted_at == second(0));
  CHECK(job.spec.project.str() == "p");
  CHECK(job.live_attempt() == nullptr);
  CHECK(job.last_attempt() == nullptr);
}

TEST_CASE("an intent holds where the job goes and counts as the first send") {
  const auto job = after({intended(), AttemptResent{1}, AttemptResent{1}});
  REQUIRE(job.live_attempt() != nullptr);
  const auto& attempt = *job.live_attempt();
  CHECK(attempt.number == 1);
  CHECK(attempt.site.str() == "alpha");
  CHECK(attempt.queue.str() == "main");
  CHECK(attempt.account.str() == "alice");
  CHECK(attempt.scheduler_account == "acc");
  CHECK(attempt.intended_at == second(1));
  CHECK(attempt.state == AttemptState::intended);
  CHECK(attempt.sends == 3);
}

TEST_CASE("attempts are numbered one by one, and an event of another attempt is refused") {
  auto job = after({intended(), ended(Outcome::never_started)});
  for (const auto wrong : {-1, 0, 1, 3}) CHECK_FALSE(apply(job, {second(9), intended(wrong)}));
  job = after({intended(2)}, std::move(job));
  CHECK(job.live_attempt()->number == 2);
  for (const auto wrong : {-1, 0, 1, 3}) {
    CHECK_FALSE(apply(job, {second(9), bound("1", wrong)}));
    CHECK_FALSE(apply(job, {second(9), AttemptUnknown{wrong, {}}}));
    CHECK_FALSE(apply(job, {second(9), ended(Outcome::never_started, wrong)}));
  }
  CHECK(apply(job, {second(9), SightingQuarantined{1, SiteJobId("9"), {}}}));  // of an attempt that is over: recorded
  CHECK(apply(job, {second(9), AttemptSealed{1}}));
  CHECK_FALSE(apply(job, {second(9), SightingQuarantined{3, SiteJobId("9"), {}}}));
}

TEST_CASE("only a site's job id binds, once, whether returned or found") {
  auto job = after({intended(), AttemptUnknown{1, {"SILENT", "no word"}}});
  CHECK_FALSE(apply(job, {second(9), bound("")}));
  job = after({AttemptBound{1, SiteJobId("12_3"), true}}, std::move(job));
  CHECK(job.live_attempt()->site_job_id.str() == "12_3");
  CHECK_FALSE(job.live_attempt()->unknown_since);
  CHECK(job.live_attempt()->reason == Reason{});
  CHECK_FALSE(apply(job, {second(9), bound("13")}));
}

TEST_CASE("the holder of the fence takes the place of a duplicate, and begins anew") {
  auto job = after(kRunning);
  CHECK_FALSE(apply(job, {second(9), AttemptBound{1, job.live_attempt()->site_job_id, true}}));
  job = after({AttemptBound{1, SiteJobId("12"), true}}, std::move(job));
  CHECK(job.state == JobState::queued);
  CHECK(job.live_attempt()->site_job_id.str() == "12");
  CHECK_FALSE(job.started_at);
  CHECK_FALSE(job.live_attempt()->runs.at(0).started_at);
  job = after({RunStarted{.attempt = 1, .started_at = second(7)}}, std::move(job));
  CHECK(job.state == JobState::running);
  CHECK(job.started_at == second(7));
}

TEST_CASE("unknown is a mark with the time of its first word, taken off when the site is seen again") {
  auto job = after(kRunning);
  job = after({AttemptUnknown{1, {"DOWN", "first"}}, AttemptUnknown{1, {"DOWN", "second"}}}, std::move(job));
  CHECK(job.state == JobState::running);
  CHECK(job.live_attempt()->unknown_since == second(4));
  CHECK(job.live_attempt()->reason.message == "second");
  CHECK(job.live_attempt()->state == AttemptState::bound);
  job = after({AttemptSeenAgain{1}}, std::move(job));
  CHECK_FALSE(job.live_attempt()->unknown_since);
  CHECK(job.live_attempt()->reason == Reason{});
  CHECK(after({intended(), AttemptUnknown{}}).live_attempt()->state == AttemptState::sent);
}

TEST_CASE("a run's end becomes the job's: times, exit code, signal, reason") {
  const std::pair<Outcome, JobState> kEnds[] = {{Outcome::succeeded, JobState::succeeded},
                                                {Outcome::failed, JobState::failed},
                                                {Outcome::timed_out, JobState::timed_out},
                                                {Outcome::cancelled, JobState::cancelled}};
  for (const auto& [outcome, state] : kEnds) {
    auto e = ended(outcome);
    e.signal = 9;
    const auto job = after(kRunning + std::vector<EventBody>{AttemptUnknown{}, e});
    CHECK(job.state == state);
    CHECK(job.started_at == second(100));
    CHECK(job.ended_at == second(200));
    CHECK(job.exit_code == 3);
    CHECK(job.signal == 9);
    CHECK(job.reason.code == "WORD");
    REQUIRE(job.attempts.size() == 1);
    CHECK(job.attempts[0].state == AttemptState::ended);
    CHECK(job.attempts[0].outcome == outcome);
    CHECK_FALSE(job.attempts[0].unknown_since);
    CHECK(job.attempts[0].runs ==
          std::vector{Run{.started_at = second(100), .ended_at = second(200), .exit_code = 3, .signal = 9, .outcome = outcome}});
    CHECK(job.live_attempt() == nullptr);
    CHECK(job.last_attempt() == &job.attempts[0]);
  }
}

TEST_CASE("a job that ends without the site's time has the broker's") {
  auto e = ended(Outcome::failed);
  e.ended_at.reset();
  CHECK(after(kRunning + std::vector<EventBody>{e}).ended_at == second(4));
  CHECK(after({Rejected{}}).ended_at == second(1));
  CHECK(after({Ended{}}).ended_at == second(1));
  CHECK(after({ResolvedLost{}}).ended_at == second(1));
}

TEST_CASE("what never was bound cannot have run; what never started goes back, to its user's hold if there is one") {
  for (const auto outcome : {Outcome::succeeded, Outcome::failed, Outcome::timed_out, Outcome::cancelled}) {
    auto job = after({intended()});
    CHECK_FALSE(apply(job, {second(9), ended(outcome)}));
  }
  const auto back = after(kRunning + std::vector<EventBody>{ended(Outcome::never_started)});
  CHECK(back.state == JobState::waiting);
  CHECK(back.reason.code == "WORD");
  CHECK_FALSE(back.started_at);
  CHECK_FALSE(back.ended_at);
  CHECK(back.attempts[0].outcome == Outcome::never_started);
}

TEST_CASE("a requeue at the site is a new run of the same attempt") {
  auto job = after(kRunning + std::vector<EventBody>{RunFinishing{}, RunRequeued{1, 0, 0}});
  CHECK(job.state == JobState::queued);
  CHECK(job.reason.code == "SITE_REQUEUED");
  CHECK(job.attempts[0].runs == std::vector{Run{.number = 0, .started_at = second(100), .ended_at = second(5)}});
  CHECK_FALSE(apply(job, {second(9), started(0)}));
  job = after({started(1, 300)}, std::move(job));
  CHECK(job.state == JobState::running);
  CHECK(job.started_at == second(300));
  CHECK(job.attempts[0].runs.size() == 2);
  CHECK(job.attempts[0].site_job_id.str() == "4711");
}

TEST_CASE("a seal cannot have won against a payload that has started") {
  auto job = after(kRunning);
  CHECK_FALSE(apply(job, {second(9), AttemptSealed{1}}));
  job = after({intended(), AttemptSealed{1}, ended(Outcome::never_started)});
  CHECK(job.attempts[0].sealed);
  CHECK_FALSE(apply(job, {second(9), AttemptSealed{1}}));
}

TEST_CASE("a cancel is asked for once; its outcome may come late and is final unless unknown") {
  auto job =
      after({intended(), bound(), kCancel, CancelResolved{CancelOutcome::unknown}, CancelResolved{CancelOutcome::unknown}});
  REQUIRE(job.cancel);
  CHECK(job.cancel->by.str() == "local:alice");
  CHECK(job.cancel->at == second(3));
  CHECK(job.state == JobState::queued);
  job = after({ended(Outcome::succeeded), CancelResolved{CancelOutcome::already_ended}}, std::move(job));
  CHECK(job.cancel->outcome == CancelOutcome::already_ended);
  CHECK(job.state == JobState::succeeded);
  CHECK_FALSE(apply(job, {second(9), CancelResolved{CancelOutcome::stopped}}));
}

TEST_CASE("a job moves once, from the site job that it is bound to, to another site") {
  const Move move{SiteId("elsewhere"), SiteJobId("4711"), "it starts there now"};
  auto job = after(kQueued);
  CHECK_FALSE(job.move_begun());
  CHECK_FALSE(apply(job, {.body = MoveIntended{1, {job.attempts[0].site, SiteJobId("4711"), ""}}}));
  CHECK_FALSE(apply(job, {.body = MoveIntended{1, {SiteId("elsewhere"), SiteJobId("1"), ""}}}));
  REQUIRE(apply(job, {.body = MoveIntended{1, move}}));
  CHECK(job.attempts[0].move == move);
  CHECK(job.state == JobState::queued);
  CHECK_FALSE(apply(job, {.body = MoveIntended{1, move}}));
  for (const auto& event : {EventBody(ended(Outcome::never_started)), EventBody(intended(2)), EventBody(bound("4711", 2))})
    REQUIRE(apply(job, {.body = event}));
  CHECK(job.move_begun());
  CHECK_FALSE(apply(job, {.body = MoveIntended{2, move}}));
}

TEST_CASE("a user's hold outlives the broker's own and keeps the job from every site") {
  auto job = after({Held{{"BY_USER", "held"}, true}, Held{{"NO_SITE", "none"}, false}});
  CHECK(job.held_by_user);
  CHECK(job.reason.code == "NO_SITE");
  CHECK_FALSE(apply(job, {second(9), intended()}));
  CHECK_FALSE(apply(job, {second(9), Waiting{}}));
  job = after({Released{}}, std::move(job));
  CHECK_FALSE(job.held_by_user);
  CHECK(job.reason.code == "RELEASED");
  CHECK(apply(job, {second(9), intended()}));
}

TEST_CASE("the broker's own word for an end is cancelled or failed, nothing else") {
  for (int i = 0; i <= static_cast<int>(JobState::rejected); ++i) {
    const auto state = static_cast<JobState>(i);
    auto job = accepted_job();
    CHECK(apply(job, {second(9), Ended{state, {"X", "y"}}}).has_value() ==
          (state == JobState::cancelled || state == JobState::failed));
  }
}

TEST_CASE("lost is an operator's word, with the reason on the job and its attempt") {
  const auto job = after(kRunning + std::vector<EventBody>{ResolvedLost{Principal("local:op"), "burnt down"}});
  CHECK(job.state == JobState::lost);
  CHECK(job.reason == Reason{"LOST", "burnt down"});
  CHECK(job.attempts[0].state == AttemptState::ended);
  CHECK(job.attempts[0].reason == Reason{"LOST", "burnt down"});
  CHECK_FALSE(job.attempts[0].outcome);
}

TEST_CASE("events that do not begin with the acceptance, or that are illegal, rebuild nothing") {
  const JobEvent accepted{second(0), Accepted{}};
  const JobEvent waiting{second(1), Waiting{}};
  const JobEvent bound_early{second(1), bound()};
  CHECK(replay(kId, 1, {}).error().code == "BAD_EVENTS");
  CHECK(replay(kId, 1, std::vector{waiting, accepted}).error().code == "BAD_EVENTS");
  CHECK(replay(kId, 1, std::vector{accepted, accepted}).error().code == "ILLEGAL_TRANSITION");
  CHECK(replay(kId, 1, std::vector{accepted, bound_early}).error().code == "ILLEGAL_TRANSITION");
  CHECK(replay(kId, 3, std::vector{accepted, waiting})->epoch == 3);
}
