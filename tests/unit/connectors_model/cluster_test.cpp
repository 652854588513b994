// SPDX-License-Identifier: Apache-2.0
#include "connectors/model/cluster.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>

using namespace hansa;
using namespace hansa::connectors::model;
using namespace std::chrono_literals;
using domain::Outcome;

namespace {

const UtcTime kStart = from_unix_seconds(1'000'000);

ClusterOptions options(std::int32_t nodes, std::int32_t cores) {
  return {
      .name = "m", .node_groups = {{.count = nodes, .cores = cores, .memory = Mebibytes{cores * 1000}}}, .scheduling_delay = 0ms};
}

ClusterRequest request(const std::string& name, std::int32_t cores, Seconds run, Seconds limit) {
  return {.name = name,
          .account = LocalAccount("alice"),
          .resources = {.nodes = 1, .tasks = 1, .cpus_per_task = cores},
          .time_limit = limit,
          .behaviour = {.run = run}};
}

const ClusterJob& job_of(const Cluster& cluster, const std::string& name) {
  for (const auto& job : cluster.jobs()) {
    if (job.request.name == name) return job;
  }
  FAIL("no job " << name);
  std::abort();
}

std::int64_t started(const Cluster& cluster, const std::string& name) {
  const auto& job = job_of(cluster, name);
  return job.started_at ? to_unix_seconds(*job.started_at) - 1'000'000 : -1;
}

SiteJobId submit(Cluster& cluster, ClusterRequest r) {
  auto id = cluster.submit(std::move(r));
  REQUIRE(id);
  return *id;
}

}  // namespace

TEST_CASE("a job starts when its cores are free and ends when its work is done") {
  Cluster cluster(options(1, 4), kStart);
  submit(cluster, request("a", 3, 30s, 1min));
  submit(cluster, request("b", 3, 10s, 1min));
  cluster.advance_to(kStart + 29s);
  CHECK(started(cluster, "a") == 0);
  CHECK(started(cluster, "b") == -1);
  CHECK(job_of(cluster, "b").pending_reason == "Resources");
  cluster.advance_to(kStart + 1h);
  CHECK(started(cluster, "b") == 30);
  CHECK(job_of(cluster, "b").ended_at == kStart + 40s);
  CHECK(job_of(cluster, "b").outcome == Outcome::succeeded);
}

TEST_CASE("EASY: a short job overtakes, but delays nobody at the head of the line") {
  Cluster cluster(options(1, 4), kStart);
  submit(cluster, request("running", 3, 100s, 100s));
  submit(cluster, request("head", 4, 10s, 10s));
  submit(cluster, request("too long", 1, 10s, 101s));   // would still run when the head is due
  submit(cluster, request("just right", 1, 100s, 100s));
  cluster.advance_to(kStart + 1h);
  CHECK(started(cluster, "just right") == 0);
  CHECK(started(cluster, "head") == 100);
  CHECK(started(cluster, "too long") == 110);
}

TEST_CASE("EASY: a long job may run beside the head's reservation where there is room for both") {
  Cluster cluster(options(2, 4), kStart);
  submit(cluster, request("one", 4, 100s, 100s));
  submit(cluster, request("two", 2, 500s, 500s));
  submit(cluster, request("head", 4, 10s, 10s));       // node 1, at 100 s
  submit(cluster, request("beside", 2, 300s, 1000s));  // node 2, past 100 s
  cluster.advance_to(kStart + 1h);
  CHECK(started(cluster, "beside") == 0);
  CHECK(started(cluster, "head") == 100);
}

TEST_CASE("without backfilling nobody overtakes") {
  auto o = options(1, 4);
  o.backfill = false;
  Cluster cluster(std::move(o), kStart);
  submit(cluster, request("running", 3, 100s, 100s));
  submit(cluster, request("head", 4, 10s, 10s));
  submit(cluster, request("small", 1, 1s, 1s));
  cluster.advance_to(kStart + 1h);
  CHECK(started(cluster, "small") == 110);
}

TEST_CASE("higher tiers go first; queues have their own nodes") {
  ClusterOptions o{.name = "m",
                   .node_groups = {{.count = 1, .cores = 4}, {.count = 1, .cores = 4, .gpus = 2, .gpu_model = "a100"}},
                   .queues = {{.name = QueueName("cpu"), .groups = {0}},
                              {.name = QueueName("urgent"), .priority_tier = 9, .groups = {0}},
                              {.name = QueueName("gpu"), .groups = {1}}},
                   .scheduling_delay = 0ms};
  REQUIRE(validate(o));
  Cluster cluster(std::move(o), kStart);
  submit(cluster, request("running", 4, 10s, 1min));
  cluster.advance_to(kStart + 1s);
  submit(cluster, request("normal", 4, 10s, 1min));
  auto urgent = request("urgent", 4, 10s, 1min);
  urgent.queue = QueueName("urgent");
  submit(cluster, urgent);
  auto gpu = request("gpu", 1, 10s, 1min);
  gpu.queue = QueueName("gpu");
  gpu.resources.gpus_per_node = 2;
  gpu.resources.gpu_model = "a100";
  submit(cluster, gpu);
  cluster.advance_to(kStart + 1h);
  CHECK(started(cluster, "gpu") == 1);
  CHECK(started(cluster, "urgent") == 10);
  CHECK(started(cluster, "normal") == 20);

  gpu.resources.gpu_model = "h100";
  CHECK_FALSE(cluster.submit(gpu));
  gpu.queue = QueueName("cpu");
  CHECK_FALSE(cluster.submit(gpu));
}

TEST_CASE("tasks spread over nodes, the first ones take one more") {
  Cluster cluster(options(2, 4), kStart);
  auto wide = request("wide", 1, 10s, 1min);
  wide.resources = {.nodes = 2, .tasks = 5, .cpus_per_task = 1};
  submit(cluster, wide);
  submit(cluster, request("beside", 2, 10s, 1min));
  cluster.advance_to(kStart + 1s);
  CHECK(started(cluster, "wide") == 0);
  CHECK(started(cluster, "beside") == 0);
  CHECK(job_of(cluster, "wide").shares.at(0).cores == 3);
  CHECK(job_of(cluster, "wide").shares.at(1).cores == 2);
}

TEST_CASE("the wall-time limit ends a job") {
  Cluster cluster(options(1, 4), kStart);
  submit(cluster, request("a", 1, 61s, 60s));
  submit(cluster, request("b", 1, 60s, 60s));
  cluster.advance_to(kStart + 1h);
  CHECK(job_of(cluster, "a").outcome == Outcome::timed_out);
  CHECK(job_of(cluster, "a").ended_at == kStart + 60s);
  CHECK(job_of(cluster, "b").outcome == Outcome::succeeded);
}

TEST_CASE("nothing starts that would run into a reservation of its nodes") {
  auto o = options(1, 4);
  o.reservations = {{.name = "maintenance", .start = kStart + 100s, .end = kStart + 200s, .nodes = {0}}};
  Cluster cluster(std::move(o), kStart);
  submit(cluster, request("fits", 1, 50s, 100s));
  submit(cluster, request("waits", 1, 50s, 101s));
  cluster.advance_to(kStart + 1h);
  CHECK(started(cluster, "fits") == 0);
  CHECK(started(cluster, "waits") == 200);
}

TEST_CASE("a singleton waits for earlier jobs of its name and account") {
  Cluster cluster(options(1, 4), kStart);
  auto first = request("tag", 1, 10s, 1min);
  first.singleton = true;
  submit(cluster, first);
  submit(cluster, first);
  auto other = first;
  other.account = LocalAccount("bob");
  submit(cluster, other);
  cluster.advance_to(kStart + 5s);
  CHECK(cluster.jobs()[0].started_at == kStart);
  CHECK_FALSE(cluster.jobs()[1].started_at);
  CHECK(cluster.jobs()[1].pending_reason == "Dependency");
  CHECK(cluster.jobs()[2].started_at == kStart);
  cluster.advance_to(kStart + 1h);
  CHECK(cluster.jobs()[1].started_at == kStart + 10s);
}

TEST_CASE("the fence lets one payload through") {
  Cluster cluster(options(1, 4), kStart);
  auto fenced = request("tag", 1, 10s, 1min);
  fenced.fenced = true;
  SECTION("a second job of the same tag is a duplicate") {
    submit(cluster, fenced);
    submit(cluster, fenced);
    cluster.advance_to(kStart + 1h);
    CHECK(cluster.jobs()[0].outcome == Outcome::succeeded);
    CHECK(cluster.jobs()[0].payload_starts == 1);
    CHECK(cluster.jobs()[1].reason.code == "DUPLICATE");
    CHECK(cluster.jobs()[1].payload_starts == 0);
  }
  SECTION("another account's folder is another fence") {
    submit(cluster, fenced);
    fenced.account = LocalAccount("bob");
    submit(cluster, fenced);
    cluster.advance_to(kStart + 1h);
    CHECK(cluster.jobs()[1].payload_starts == 1);
  }
  SECTION("a seal before the start keeps it out for ever") {
    SiteJobId holder;
    CHECK(cluster.seal(LocalAccount("alice"), "tag", 0, holder));
    CHECK(cluster.seal(LocalAccount("alice"), "tag", 0, holder));
    submit(cluster, fenced);
    cluster.advance_to(kStart + 1h);
    CHECK(cluster.jobs()[0].payload_starts == 0);
    CHECK(cluster.jobs()[0].reason.code == "DUPLICATE");
    CHECK(cluster.jobs()[0].exit_code == 113);
  }
  SECTION("a seal after the start loses, and says to whom") {
    const auto id = submit(cluster, fenced);
    cluster.advance_to(kStart + 1s);
    SiteJobId holder;
    CHECK_FALSE(cluster.seal(LocalAccount("alice"), "tag", 0, holder));
    CHECK(holder == id);
  }
  SECTION("a requeue that nobody asked for does not pass") {
    const auto id = submit(cluster, fenced);
    cluster.advance_to(kStart + 5s);
    REQUIRE(cluster.requeue(id));
    cluster.advance_to(kStart + 1h);
    CHECK(cluster.jobs()[0].payload_starts == 1);
    CHECK(cluster.jobs()[0].run == 1);
    CHECK(cluster.jobs()[0].reason.code == "SITE_REQUEUED");
    CHECK(cluster.accounting().size() == 2);
  }
  SECTION("a requeue that was asked for runs again") {
    fenced.requeue = true;
    fenced.behaviour.node_fails_after = 3s;
    submit(cluster, fenced);
    cluster.advance_to(kStart + 1h);
    CHECK(cluster.jobs()[0].payload_starts == 2);
    CHECK(cluster.jobs()[0].outcome == Outcome::succeeded);
    REQUIRE(cluster.jobs()[0].past_runs.size() == 1);
    CHECK(cluster.jobs()[0].past_runs[0].site_state == "NODE_FAIL");
  }
  SECTION("a fence that cannot be taken fails the job loudly") {
    fenced.behaviour.fence_error = true;
    submit(cluster, fenced);
    cluster.advance_to(kStart + 1h);
    CHECK(cluster.jobs()[0].payload_starts == 0);
    CHECK(cluster.jobs()[0].reason.code == "FENCE_FAILED");
    CHECK(cluster.jobs()[0].outcome == Outcome::failed);
  }
}

TEST_CASE("listing and history show a job with their own lags") {
  auto o = options(1, 4);
  o.visibility_lag = 2s;
  o.accounting_lag = 20s;
  o.min_job_age = 60s;
  Cluster cluster(std::move(o), kStart);
  submit(cluster, request("a", 1, 10s, 1min));
  const auto seen = [&](Milliseconds t) {
    cluster.advance_to(kStart + t);
    return std::pair(cluster.listed("a").size(), cluster.recorded("a").size());
  };
  CHECK(seen(1s) == std::pair<std::size_t, std::size_t>(0, 0));
  CHECK(seen(2s) == std::pair<std::size_t, std::size_t>(1, 0));
  CHECK(seen(20s) == std::pair<std::size_t, std::size_t>(1, 1));
  CHECK(seen(69s) == std::pair<std::size_t, std::size_t>(1, 1));
  CHECK(seen(70s) == std::pair<std::size_t, std::size_t>(0, 1));
}

TEST_CASE("ids are recycled, names tell the jobs apart") {
  auto o = options(1, 4);
  o.first_job_id = 7;
  o.last_job_id = 8;
  Cluster cluster(std::move(o), kStart);
  const auto a = submit(cluster, request("a", 1, 1s, 1min));
  const auto b = submit(cluster, request("b", 1, 3h, 4h));
  cluster.advance_to(kStart + 1h);  // a has left the listing, b runs
  const auto c = submit(cluster, request("c", 1, 1s, 1min));
  CHECK(a.str() == "7");
  CHECK(b.str() == "8");
  CHECK(c == a);
  CHECK(cluster.job(a, "a")->serial == 1);
  CHECK(cluster.job(a, "c")->serial == 3);
  CHECK(cluster.job(a, "b") == nullptr);
  cluster.advance_to(kStart + 2h);
  CHECK(submit(cluster, request("d", 1, 1s, 1min)) == a);  // not b's, which is listed still
  cluster.advance_to(kStart + 2h + 10s);                   // d has ended and is listed
  CHECK(submit(cluster, request("e", 1, 1s, 1min)) == a);  // not b's, which runs
}

TEST_CASE("a controller that starts again may have forgotten its last second, and only the accounting has what it forgot") {
  Cluster cluster(options(1, 4), kStart);
  submit(cluster, request("a", 4, 1h, 2h));
  cluster.advance_to(kStart + 10s);
  const auto b = submit(cluster, request("b", 4, 1s, 1min));
  cluster.restart_controller(0s);
  CHECK(cluster.listed("b").size() == 1);
  cluster.restart_controller(1s);
  CHECK(cluster.listed("a").size() == 1);
  CHECK(cluster.listed("b").empty());
  CHECK(cluster.cancel(b, "b", false) == Killed::no_such_job);
  cluster.advance_to(kStart + 3h);
  CHECK(cluster.recorded("b").size() == 1);
  CHECK(cluster.job(b, "b") == nullptr);
  CHECK(started(cluster, "a") == 0);
  CHECK(cluster.accounting().size() == 1);
}

TEST_CASE("a history that is purged forgets what ended long enough ago, and nothing else") {
  Cluster cluster(options(1, 4), kStart);
  submit(cluster, request("a", 1, 1s, 1min));
  submit(cluster, request("b", 1, 10min, 1h));
  submit(cluster, request("c", 1, 9min, 1h));
  cluster.advance_to(kStart + 9min + 30s);
  cluster.purge_history(5min);
  CHECK(cluster.recorded("a").empty());
  CHECK(cluster.recorded("b").size() == 1);
  CHECK(cluster.recorded("c").size() == 1);
  cluster.purge_history(0s);
  CHECK(cluster.recorded("b").size() == 1);  // it runs
  CHECK(cluster.recorded("c").empty());
}

TEST_CASE("a clock that steps changes what is told, not what happens, and not what was told before") {
  Cluster cluster(options(1, 4), kStart);
  cluster.advance_to(kStart + 10s);
  cluster.step_clock(1h);
  cluster.advance_to(kStart + 20s);
  cluster.step_clock(-1h);
  CHECK(cluster.told(kStart + 5s) == kStart + 5s);
  CHECK(cluster.told(kStart + 15s) == kStart + 15s + 1h);
  CHECK(cluster.told(kStart + 25s) == kStart + 25s);
  CHECK(cluster.now() == kStart + 20s);
}

TEST_CASE("a pass that ends at its depth is followed by another when it has started something") {
  auto o = options(1, 8);
  o.backfill_depth = 2;
  Cluster cluster(std::move(o), kStart);
  for (const auto* name : {"a", "b", "c", "d", "e"}) submit(cluster, request(name, 1, 1h, 2h));
  cluster.advance_to(kStart + 5s);
  CHECK(started(cluster, "e") == 0);
}

TEST_CASE("a node that goes down takes its jobs with it and starts nothing until it is back") {
  Cluster cluster(options(1, 4), kStart);
  submit(cluster, request("a", 1, 1h, 2h));
  cluster.advance_to(kStart + 1s);
  cluster.set_node_usable(0, false);
  submit(cluster, request("b", 1, 1s, 1min));
  cluster.advance_to(kStart + 1min);
  CHECK(job_of(cluster, "a").reason.code == "NODE_FAIL");
  CHECK(started(cluster, "b") == -1);
  cluster.set_node_usable(0, true);
  cluster.advance_to(kStart + 2min);
  CHECK(started(cluster, "b") == 60);
}

TEST_CASE("other people's work comes at its rhythm") {
  auto o = options(1, 4);
  o.background = {{.every = 100s, .resources = {.nodes = 1, .tasks = 4, .cpus_per_task = 1}, .run = 50s, .time_limit = 50s}};
  Cluster cluster(std::move(o), kStart);
  cluster.advance_to(kStart + 20s);
  submit(cluster, request("ours", 1, 10s, 60s));
  cluster.advance_to(kStart + 1000s);
  CHECK(started(cluster, "ours") == 50);
  CHECK(cluster.jobs().size() == 12);
}

TEST_CASE("every fault of the options is named") {
  ClusterOptions o{.name = "",
                   .node_groups = {{.count = 0, .cores = 0}},
                   .queues = {{.name = QueueName("q"), .groups = {3}}, {.name = QueueName("q")}},
                   .backfill_depth = 0};
  const auto checked = validate(o);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().faults.size() == 7);
}

TEST_CASE("a hundred thousand waiting jobs cost little") {
  auto o = options(4, 16);
  o.scheduling_delay = 1s;
  Cluster cluster(std::move(o), kStart);
  for (int i = 0; i < 100'000; ++i) REQUIRE(cluster.submit(request("j" + std::to_string(i), 1, 1min, 1h)));
  cluster.advance_to(kStart + 10min);
  domain::SiteSnapshot snapshot;
  cluster.describe(snapshot);
  CHECK(snapshot.running.size() == 64);
  CHECK(snapshot.waiting.size() + snapshot.running.size() + cluster.accounting().size() == 100'000);
}
