// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/transition.hpp"

#include <catch2/catch.hpp>

#include <chrono>

using namespace hansa;
using namespace hansa::domain;
using namespace std::chrono_literals;

namespace {

JobSpec wanted() {
  JobSpec spec;
  spec.resources = {.nodes = 2, .tasks = 4, .cpus_per_task = 2, .memory_per_node = {1'000}, .gpus_per_node = 1};
  spec.time_limit = 3'590s;
  return spec;
}

Attempt sent() {
  return {.site = SiteId("alpha"), .queue = QueueName("main"), .account = LocalAccount("alice"), .scheduler_account = "proj1"};
}

/// As it was asked for, give or take what schedulers round up.
Grant as_asked() {
  return {.nodes = 2,
          .tasks = 4,
          .cores = 8,
          .gpus = 2,
          .memory = {2'000},
          .time_limit = 3'600s,
          .queue = QueueName("main"),
          .account = "proj1",
          .exclusive = false};
}

struct Difference {
  void (*change)(Grant&);
  std::string code;
  std::string words;
};

}  // namespace

TEST_CASE("what is granted as asked, or more, or not told, is no difference") {
  const auto reason = [](const Grant& grant) { return compare(wanted(), sent(), grant); };
  CHECK(reason(as_asked()) == Reason{});
  CHECK(reason({}) == Reason{});
  auto more = as_asked();
  more.cores = 64;
  more.nodes = 3;
  more.memory = {64'000};
  more.time_limit = 24h;
  more.exclusive = true;
  more.account = "PROJ1";  // Slurm keeps accounts in small letters
  CHECK(reason(more) == Reason{});
  // An account's own default is whatever it is, and so is the site's memory.
  auto attempt = sent();
  attempt.scheduler_account.clear();
  auto grant = as_asked();
  grant.account = "whatever";
  CHECK(compare(wanted(), attempt, grant) == Reason{});
}

TEST_CASE("what is granted otherwise is told in numbers, under the gravest code") {
  const Difference kTable[] = {
      {[](Grant& g) { g.nodes = 1; }, "GRANTED_LESS", "1 of 2 nodes"},
      {[](Grant& g) { g.tasks = 2; }, "GRANTED_LESS", "2 of 4 tasks"},
      {[](Grant& g) { g.cores = 7; }, "GRANTED_LESS", "7 of 8 cores"},
      {[](Grant& g) { g.gpus = 1; }, "GRANTED_LESS", "1 of 2 GPUs"},
      {[](Grant& g) { g.memory = {1'999}; }, "GRANTED_LESS", "1999 of 2000 MiB of memory"},
      {[](Grant& g) { g.time_limit = 600s; }, "GRANTED_LESS", "a time limit of 10m, not 59m50s"},
      {[](Grant& g) { g.queue = QueueName("short"); }, "GRANTED_ELSEWHERE", "queue short, not main"},
      {[](Grant& g) { g.account = "proj2"; }, "OTHER_ACCOUNT", "account proj2, not proj1"},
      {[](Grant& g) { g.queue = QueueName("short"), g.nodes = 1; }, "GRANTED_LESS", "queue short, not main; 1 of 2 nodes"},
      {[](Grant& g) { g.account = "proj2", g.nodes = 1; }, "OTHER_ACCOUNT", "1 of 2 nodes; account proj2, not proj1"},
  };
  for (const auto& row : kTable) {
    auto grant = as_asked();
    row.change(grant);
    const auto reason = compare(wanted(), sent(), grant);
    INFO(reason.message);
    CHECK(reason.code == row.code);
    CHECK(reason.message == "site alpha has changed what was asked for: it gives " + row.words);
  }
  auto spec = wanted();
  spec.resources.exclusive = true;
  CHECK(compare(spec, sent(), as_asked()).message.ends_with("nodes that others share"));
}

TEST_CASE("what is not told any more is as it was told before") {
  const auto grant = joined({.nodes = 3, .queue = QueueName("short"), .exclusive = true}, as_asked());
  CHECK(grant.nodes == 3);
  CHECK(grant.queue.str() == "short");
  CHECK(grant.exclusive == true);
  CHECK(grant.cores == 8);
  CHECK(grant.account == "proj1");
  CHECK(joined({}, as_asked()) == as_asked());
}

TEST_CASE("what was said of a grant stands until the job has ended or all is as asked") {
  const auto at = from_unix_seconds(1'800'000'000);
  auto job = new_job(*Ulid::parse("01ARZ3NDEKTSV4RRFFQ69G5FAV"), 1, at,
                     {.owner = Principal("local:a"), .broker_id = "b", .spec = wanted()});
  const auto then = [&](EventBody body) {
    const auto done = apply(job, {.at = at, .body = std::move(body)});
    INFO((done ? "" : done.error().message));
    REQUIRE(done.has_value());
  };
  const Reason less{"GRANTED_LESS", "site alpha has ..."};
  CHECK_FALSE(apply(job, {.at = at, .body = AttemptGranted{1, as_asked(), less}}));  // nothing is bound
  then(AttemptIntended{.attempt = 1, .site = SiteId("alpha"), .queue = QueueName("main")});
  then(AttemptBound{1, SiteJobId("7"), false});
  then(AttemptGranted{1, as_asked(), less});
  CHECK(job.reason == less);
  CHECK(job.state == JobState::queued);
  CHECK(job.attempts.back().granted == as_asked());
  then(RunStarted{.attempt = 1, .started_at = at});
  CHECK(job.reason == less);
  then(AttemptGranted{1, as_asked(), {}});
  CHECK(job.reason == Reason{});
  then(AttemptBound{1, SiteJobId("8"), true});  // of another submission nothing is known
  CHECK_FALSE(job.attempts.back().granted.has_value());
}
