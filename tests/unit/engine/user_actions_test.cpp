// SPDX-License-Identifier: Apache-2.0
// What a user can do to a job, in each of its states.
#include "tests/unit/engine/engine_fixture.hpp"

using namespace hansa;
using namespace hansa::engine::test;
using domain::CancelOutcome;

namespace {

std::optional<CancelOutcome> cancel_outcome(World& w, const JobId& id) {
  const auto job = w.job(id);
  return job.cancel ? job.cancel->outcome : std::nullopt;
}

}  // namespace

TEST_CASE("hold keeps a job in the broker, release lets it go", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}});
  w.advance(1s);
  const auto ids = w.submit(4, {.behaviour = "run=30s"});
  w.advance(5s);
  REQUIRE(w.state(ids[3]) == JobState::waiting);
  const auto held = w.ask(w.engine().hold(ids[3]));
  REQUIRE(held);
  CHECK(held->state == JobState::held);
  CHECK(w.ask(w.engine().hold(ids[3])));  // repeating is harmless
  w.advance(30min);
  CHECK(w.state(ids[3]) == JobState::held);
  CHECK(w.state(ids[2]) == JobState::succeeded);
  CHECK(w.payload_runs(ids[3]) == 0);
  const auto released = w.ask(w.engine().release(ids[3]));
  REQUIRE(released);
  CHECK(released->state == JobState::waiting);
  CHECK(w.ask(w.engine().release(ids[3])));
  REQUIRE(w.run_to_end({ids[3]}, 5min));
  CHECK(w.state(ids[3]) == JobState::succeeded);
}

TEST_CASE("hold is refused at a site and after the end; release of what the sites hold is refused", "[engine]") {
  World w({{.id = "alpha", .cores = 1}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=30s"});
  w.advance(10s);
  REQUIRE(w.state(id) == JobState::running);
  CHECK(w.ask(w.engine().hold(id)).error().code == "JOB_AT_SITE");
  CHECK(w.ask(w.engine().release(id)));  // it is not held: nothing to do
  REQUIRE(w.run_to_end({id}));
  CHECK(w.ask(w.engine().hold(id)).error().code == "JOB_OVER");
  CHECK(w.ask(w.engine().cancel(id, kAlice)).error().code == "JOB_OVER");
  REQUIRE(w.ask(w.engine().drain_site(SiteId("alpha"), "")));
  const auto other = w.submit();
  w.advance(2min);
  REQUIRE(w.state(other) == JobState::held);
  CHECK(w.ask(w.engine().release(other)).error().code == "NOT_HELD");
}

TEST_CASE("changes of one job happen one after the other", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}});
  w.advance(1s);
  const auto ids = w.submit(3, {.behaviour = "run=60s"});
  w.advance(5s);
  REQUIRE(w.state(ids[2]) == JobState::waiting);
  const auto held = w.start_asking(w.engine().hold(ids[2]));
  const auto released = w.start_asking(w.engine().release(ids[2]));
  const auto cancelled = w.start_asking(w.engine().cancel(ids[2], kAlice));
  const auto late = w.start_asking(w.engine().hold(ids[2]));
  w.advance(1s);
  REQUIRE(late->has_value());
  REQUIRE((**held));
  CHECK((**held)->state == JobState::held);
  REQUIRE((**released));
  CHECK((**released)->version == (**held)->version + 1);
  REQUIRE((**cancelled));
  CHECK((**cancelled)->state == JobState::cancelled);
  CHECK((**late).error().code == "JOB_OVER");
}

TEST_CASE("cancel before there is a site: it never started", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}});
  SECTION("accepted") {
    const auto at_once = [](World& world) -> async::Task<domain::Job> {
      std::vector<domain::Submission> two(2);  // one alone would be decided with its acceptance
      for (auto& submission : two) submission.payload.script = "#!/bin/sh\n";
      auto accepted = co_await world.engine().intake().accept(kAlice, std::move(two), std::nullopt);
      co_await world.time.sleep_until(world.time.now_monotonic());  // the engine has it, and has done nothing yet
      co_return co_await world.engine().cancel(accepted->jobs.at(0).id, kAlice);
    };
    const auto done = w.ask(at_once(w));
    REQUIRE(done);
    const auto id = done->id;
    CHECK(done->state == JobState::cancelled);
    CHECK(done->version == 4);  // accepted, asked for, resolved, ended
    CHECK(done->cancel->outcome == CancelOutcome::never_started);
    w.advance(10min);
    CHECK(w.payload_runs(id) == 0);
  }
  SECTION("waiting and held") {
    w.advance(1s);
    const auto ids = w.submit(5, {.behaviour = "run=60s"});
    w.advance(5s);
    REQUIRE(w.state(ids[4]) == JobState::waiting);
    REQUIRE(w.ask(w.engine().hold(ids[3])));
    for (const auto& id : {ids[4], ids[3]}) {
      const auto done = w.ask(w.engine().cancel(id, kAlice));
      REQUIRE(done);
      CHECK(done->state == JobState::cancelled);
      CHECK(done->cancel->outcome == CancelOutcome::never_started);
    }
    w.advance(30min);
    CHECK(w.payload_runs(ids[4]) + w.payload_runs(ids[3]) == 0);
    CHECK(w.site_jobs("alpha", ids[4]) == 0);
  }
}

TEST_CASE("cancel while the submission is under way reaches the job once it is bound", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.latency = 10s;
  const auto id = w.submit({.behaviour = "run=600s"});
  w.advance(2s);
  REQUIRE(w.state(id) == JobState::submitting);
  REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
  REQUIRE(w.run_to_end({id}, 5min));
  CHECK(w.state(id) == JobState::cancelled);
  const auto outcome = cancel_outcome(w, id);
  CHECK((outcome == CancelOutcome::never_started || outcome == CancelOutcome::stopped));
  CHECK(w.events_of<domain::CancelResolved>(id).size() == 1);
}

TEST_CASE("cancel of a queued job: it never started", "[engine]") {
  World w({{.id = "alpha", .cores = 1}});
  w.advance(1s);
  const auto ids = w.submit(2, {.behaviour = "run=600s"});
  w.advance(20s);
  REQUIRE(w.state(ids[1]) == JobState::queued);
  REQUIRE(w.ask(w.engine().cancel(ids[1], kAlice)));
  REQUIRE(w.run_to_end({ids[1]}, 2min));
  CHECK(w.state(ids[1]) == JobState::cancelled);
  CHECK(cancel_outcome(w, ids[1]) == CancelOutcome::never_started);
  CHECK(w.payload_runs(ids[1]) == 0);
}

TEST_CASE("cancel of a running job stops it; asking again is harmless", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=600s"});
  w.advance(10s);
  REQUIRE(w.state(id) == JobState::running);
  REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
  REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
  REQUIRE(w.run_to_end({id}, 2min));
  CHECK(w.state(id) == JobState::cancelled);
  CHECK(cancel_outcome(w, id) == CancelOutcome::stopped);
  CHECK(w.count("alpha", "cancel") == 1);
}

TEST_CASE("cancel that comes too late says so, and the job keeps its own end", "[engine]") {
  World w({{.id = "alpha"}}, {.first_poll_after = 30s});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=3s"});
  w.advance(10s);
  REQUIRE_FALSE(w.over(id));  // ended there, not yet seen here
  REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
  REQUIRE(w.run_to_end({id}, 5min));
  CHECK(w.state(id) == JobState::succeeded);
  CHECK(cancel_outcome(w, id) == CancelOutcome::already_ended);
}

TEST_CASE("cancel while unknown: what is there is adopted and stopped, what is not is sealed", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  SECTION("it is there") {
    w.site("alpha").faults.lose_submit_replies = 1;
    const auto id = w.submit({.behaviour = "run=3600s"});
    w.advance(5s);
    REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
    REQUIRE(w.run_to_end({id}, 10min));
    CHECK(w.state(id) == JobState::cancelled);
    CHECK(cancel_outcome(w, id) == CancelOutcome::stopped);
    CHECK(w.payload_runs(id) == 1);
  }
  SECTION("it is on its way and comes later") {
    w.site("alpha").faults.submit_delay = 30min;
    const auto id = w.submit({.behaviour = "run=3600s"});
    w.advance(5s);
    REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
    REQUIRE(w.run_to_end({id}, 10min));
    CHECK(w.state(id) == JobState::cancelled);
    CHECK(cancel_outcome(w, id) == CancelOutcome::never_started);
    w.advance(2h);
    CHECK(w.site_jobs("alpha", id) == 1);
    CHECK(w.payload_runs(id) == 0);
  }
  SECTION("it cannot be looked for, the accounting is away") {
    w.site("alpha").faults.silent = true;
    const auto id = w.submit();
    w.advance(70s);
    w.site("alpha").faults.silent = false;
    w.site("alpha").faults.history_off = true;
    REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
    REQUIRE(w.run_to_end({id}, 10min));
    CHECK(w.state(id) == JobState::cancelled);
    CHECK(cancel_outcome(w, id) == CancelOutcome::never_started);
  }
}

TEST_CASE("a cancel whose answer is lost is unknown first and resolved later", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=3600s"});
  w.advance(10s);
  w.site("alpha").faults.garbage = true;
  REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
  w.advance(10s);
  CHECK(cancel_outcome(w, id) == CancelOutcome::unknown);
  CHECK_FALSE(w.over(id));
  w.site("alpha").faults.garbage = false;
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.state(id) == JobState::cancelled);
  CHECK(cancel_outcome(w, id) == CancelOutcome::stopped);
}

TEST_CASE("a cancel is carried to a silent site when it is back", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=36000s", .limit = 40'000s});
  w.advance(10s);
  w.site("alpha").faults.silent = true;
  REQUIRE(w.ask(w.engine().cancel(id, kAlice)));
  w.advance(3h);
  CHECK_FALSE(w.over(id));
  CHECK(w.count("alpha", "cancel") < 60);
  w.site("alpha").faults.silent = false;
  REQUIRE(w.run_to_end({id}, 15min));
  CHECK(w.state(id) == JobState::cancelled);
  CHECK(cancel_outcome(w, id) == CancelOutcome::stopped);
}

TEST_CASE("an operator's word ends what a site will never tell", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=3600s"});
  w.advance(10s);
  w.site("alpha").faults.down = true;
  w.advance(1h);
  const auto lost = w.ask(w.engine().resolve_lost(id, Principal("local:root"), "the cluster burned down"));
  REQUIRE(lost);
  CHECK(lost->state == JobState::lost);
  w.site("alpha").faults.down = false;
  w.advance(3h);
  CHECK(w.state(id) == JobState::lost);  // final, whatever the site says now
}

TEST_CASE("a job given up while it is looked for leaves nothing behind", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  w.site("alpha").faults.silent = true;
  const auto id = w.submit();
  w.advance(30s);  // the submission hangs
  REQUIRE(w.ask(w.engine().resolve_lost(id, Principal("local:root"), "gone")));
  w.advance(1h);
  w.site("alpha").faults.silent = false;
  const auto from = w.time.now_monotonic();
  w.advance(1h);
  CHECK(w.count("alpha", "find", from) == 0);
  CHECK(w.state(id) == JobState::lost);
}

TEST_CASE("waiting for a change ends with the change, the deadline, or at once", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=30s"});
  const auto version = w.job(id).version;
  const auto soon = [&](Milliseconds t) { return async::Deadline::in(w.time, t); };
  const auto seen = w.ask(w.engine().wait_any(-1, soon(1h)));
  REQUIRE(seen);
  const auto any = w.start_asking(w.engine().wait_any(*seen, soon(1h)));
  const auto changed = w.ask(w.engine().wait_beyond(id, version, soon(10min)));
  REQUIRE(changed);
  CHECK(changed->version > version);
  CHECK(*changed == w.job(id));  // as the store has it
  REQUIRE(any->has_value());
  CHECK(any->value().value() > *seen);
  CHECK(w.ask(w.engine().wait_any(*seen, soon(1h))).value() > *seen);  // what has changed already is not waited for
  w.advance(10s);
  const auto now = w.time.now_monotonic();
  const auto late = w.ask(w.engine().wait_beyond(id, w.job(id).version, soon(5s)));
  REQUIRE_FALSE(late);
  CHECK(late.error().kind == ErrorKind::deadline_exceeded);
  CHECK(w.time.now_monotonic() - now == 5s);
  REQUIRE(w.run_to_end({id}));
  CHECK(w.ask(w.engine().wait_beyond(id, 1'000'000, soon(1h))).error().kind == ErrorKind::not_found);  // over
  const auto last = w.ask(w.engine().wait_any(-1, soon(1s))).value();
  CHECK(w.ask(w.engine().wait_any(last, soon(1s))).value() == last);
}

TEST_CASE("explain tells where a job is or would go", "[engine]") {
  World w({{.id = "alpha", .cores = 1, .budget = {.waiting_jobs = 1}}, {.id = "beta", .cores = 2}});
  w.advance(1s);
  const auto running = w.submit({.behaviour = "run=600s", .sites = {"alpha"}});
  w.advance(5s);
  const auto placed = w.ask(w.engine().explain(w.job(running)));
  REQUIRE(placed);
  CHECK(placed->chosen == SiteId("alpha"));
  CHECK(placed->verdicts.at(1).code == "NOT_REQUESTED");
  domain::JobSpec spec;
  spec.resources.tasks = 2;
  const auto dry = w.ask(w.engine().consider(kAlice, spec));
  REQUIRE(dry);
  CHECK(dry->chosen == SiteId("beta"));
  CHECK(dry->verdicts.at(0).code == "TOO_FEW_CORES");
  CHECK(w.counters().accepted == 1);
}

TEST_CASE("output is read while the job runs and after it has ended", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=60s\n#model-out hello"});
  const auto read = [&] {
    return w.ask(w.engine().read_output(w.job(id), ports::Stream::out, 0, 100, async::Deadline::in(w.time, 30s)));
  };
  const auto early = w.submit({.behaviour = "run=1s", .sites = {"nowhere"}});
  w.advance(10s);
  REQUIRE(read());
  CHECK(read()->bytes == "hello\n");
  REQUIRE(w.run_to_end({id}));
  CHECK(read()->bytes == "hello\n");
  CHECK(w.ask(w.engine().read_output(w.job(early), ports::Stream::out, 0, 100, async::Deadline::in(w.time, 30s))).error().code ==
        "NO_OUTPUT");
}

TEST_CASE("the outputs that a job names are looked at and read, each as it is", "[engine]") {
  World w({{.id = "alpha"}});
  w.advance(1s);
  const auto id = w.submit({.behaviour = "run=60s\n#model-file out/m=text\n#model-folder out/d\n#model-link l",
                            .outputs = {{"model", "out/m"}, {"folder", "out/d"}, {"link", "l"}, {"later", "x"}}});
  const auto early = w.submit({.sites = {"nowhere"}, .outputs = {{"model", "m"}}});
  const auto soon = [&] { return async::Deadline::in(w.time, 30s); };
  const auto read = [&](const JobId& job, const std::string& name) {
    return w.ask(w.engine().read_named_output(w.job(job), name, 1, 2, soon()));
  };
  w.advance(10s);
  const auto seen = w.ask(w.engine().look_at_outputs(w.job(id), soon()));
  REQUIRE(seen);
  using ports::FileState;
  const FileState states[] = {FileState::folder, FileState::missing, FileState::link, FileState::file};  // as their names come
  REQUIRE(seen->size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(seen->at(i).state == states[i]);
  CHECK(w.count("alpha", "look_at") == 1);
  CHECK(read(id, "model")->bytes == "ex");
  CHECK(read(id, "folder").error().code == "OUTPUT_NOT_A_FILE");
  CHECK(read(id, "link").error().code == "OUTPUT_IS_LINK");
  CHECK(read(id, "later").error().code == "OUTPUT_MISSING");
  CHECK(read(id, "later").error().message.contains("not there yet"));
  CHECK(read(id, "modle").error().code == "NO_SUCH_OUTPUT");
  CHECK(read(id, "modle").error().message.contains("did you mean \"model\"?"));
  CHECK(read(early, "model").error().code == "NO_OUTPUT");
  CHECK(w.ask(w.engine().look_at_outputs(w.job(early), soon()))->at(0) == ports::FileFacts{});
  REQUIRE(w.run_to_end({id}));
  CHECK(read(id, "model")->bytes == "ex");
  CHECK(read(id, "later").error().message.contains("did not write it"));
}
