// SPDX-License-Identifier: Apache-2.0
// What the site tells of itself: room, grants, usage, the look at it.
#include "tests/contract/connectors/contract_bench.hpp"

namespace hansa::contract {

TEST_CASE("connector: finished runs turn up in the site's usage", "[contract]") {
  Bench bench;
  const auto job = bench.submit({.runs = Seconds{2}});
  const auto ended = bench.wait_for_phase(job, Phase::ended);
  ports::UsageCursor cursor;
  std::optional<domain::UsageRecord> record;
  const bool found = bench.wait_for([&] {
    for (bool complete = false; !complete;) {
      const auto page = bench.ask(bench.connector().usage(cursor, bench.soon()));
      INFO((page ? "" : page.error().code + ": " + page.error().message));
      REQUIRE(page.has_value());
      for (const auto& each : page->records) {
        CHECK(domain::parse_tag(each.tag.str()).has_value());
        if (each.tag == job.tag) record = each;
      }
      cursor = page->next;
      complete = page->complete;
    }
    return record.has_value();
  });
  REQUIRE(found);
  CHECK(record->site_job_id == job.id);
  CHECK(record->account == job.account);
  CHECK(record->started_at == ended.started_at);
  CHECK(record->ended_at == ended.ended_at);
  CHECK(record->elapsed >= Seconds{1});
  CHECK(record->cores >= 1);
  CHECK(record->nodes == 1);
  CHECK(record->core_seconds.value == record->elapsed.count() * record->cores);
  CHECK(record->node_seconds.value == record->elapsed.count());
  CHECK(record->exit_code == 0);

  // The cursor went past it, and later ones still come.
  const auto later = bench.submit(Behaviour{});
  bench.wait_for_phase(later, Phase::ended);
  CHECK(bench.wait_for([&] {
    const auto page = bench.ask(bench.connector().usage(cursor, bench.soon()));
    REQUIRE(page.has_value());
    cursor = page->next;
    return std::ranges::any_of(page->records, [&](const auto& each) { return each.tag == later.tag; });
  }));
}

TEST_CASE("connector: a snapshot shows what the site has, runs and keeps waiting", "[contract]") {
  Bench bench;
  const auto blocker = bench.block_site();
  const auto job = bench.submit({.runs = Seconds{1}});
  bench.wait_for_phase(job, Phase::queued);
  const auto start = bench.site().site_calls();
  const auto snapshot = bench.ask(bench.connector().snapshot(bench.soon()));
  INFO((snapshot ? "" : snapshot.error().code + ": " + snapshot.error().message));
  REQUIRE(snapshot.has_value());
  CHECK(bench.site().site_calls() - start <= bench.site().snapshot_calls());
  CHECK_FALSE(snapshot->cluster.empty());
  const auto queue = std::ranges::find(snapshot->queues, bench.site().queue(), &domain::Queue::name);
  REQUIRE(queue != snapshot->queues.end());
  CHECK(queue->up);
  REQUIRE_FALSE(queue->nodes.empty());
  for (const auto node : queue->nodes) {
    REQUIRE(node < snapshot->nodes.size());
    CHECK(snapshot->nodes[node].usable);
    CHECK(snapshot->nodes[node].cores > 0);
  }
  const auto running = std::ranges::find(snapshot->running, blocker.id, &domain::RunningWork::id);
  REQUIRE(running != snapshot->running.end());
  std::int32_t cores = 0;
  for (const auto& share : running->shares) cores += share.cores;
  const auto whole = bench.site().whole_site();
  CHECK(cores >= whole.tasks * whole.cpus_per_task);
  CHECK(running->expected_end > snapshot->taken_at);
  const auto waiting = std::ranges::find(snapshot->waiting, job.id, &domain::WaitingWork::id);
  REQUIRE(waiting != snapshot->waiting.end());
  CHECK(waiting->eligible);
  CHECK(waiting->resources.nodes == 1);
  CHECK(waiting->time_limit >= Seconds{600});
}

TEST_CASE("connector: what the site gives a job is read back with its state", "[contract][T10]") {
  Bench bench;
  auto wanted = bench.request({.runs = Seconds{500}});
  wanted.spec.resources.cpus_per_task = 2;
  wanted.spec.time_limit = Seconds{590};  // no whole number of minutes
  const auto job = bench.submit(wanted);
  const auto running = bench.wait_for_phase(job, Phase::running);
  if (!bench.site().reads_back()) return;
  REQUIRE(running.granted.has_value());
  const auto& granted = *running.granted;
  CHECK(granted.nodes == 1);
  CHECK(granted.cores >= 2);
  CHECK(granted.time_limit >= Seconds{590});
  CHECK(granted.time_limit < Seconds{650});
  CHECK(granted.queue == bench.site().queue());
  CHECK(granted.exclusive.value_or(false) == false);
  domain::Attempt attempt{.site = SiteId("site"), .queue = wanted.queue, .scheduler_account = wanted.scheduler_account};
  CHECK(domain::compare(wanted.spec, attempt, granted).message.empty());
  if (attempt.scheduler_account.empty()) attempt.scheduler_account = "somebody-else";
  if (!granted.account.empty() && granted.account != wanted.scheduler_account)
    CHECK(domain::compare(wanted.spec, attempt, granted).code == domain::kOtherAccount);
}

TEST_CASE("connector: a job that wants its nodes for itself alone has them whole", "[contract]") {
  Bench bench;
  const auto nodes = bench.site().whole_site().nodes;
  auto wanted = bench.request({.runs = Seconds{500}});
  wanted.spec.resources = {.nodes = nodes, .tasks = nodes, .cpus_per_task = 1, .exclusive = true};
  const auto job = bench.submit(wanted);
  const auto running = bench.wait_for_phase(job, Phase::running);
  const auto other = bench.submit({.runs = Seconds{500}});  // of one core, for which there is room beside it
  (void)bench.wait_for([&] { return bench.status(other).phase == Phase::running; }, Milliseconds{1'500});

  const auto snapshot = bench.ask(bench.connector().snapshot(bench.soon()));
  REQUIRE(snapshot.has_value());
  const auto shares_of = [&](const SiteJobId& id) {
    const auto work = std::ranges::find(snapshot->running, id, &domain::RunningWork::id);
    return work == snapshot->running.end() ? std::vector<domain::NodeShare>{} : work->shares;
  };
  const auto shares = shares_of(job.id);
  REQUIRE(std::ssize(shares) == nodes);
  for (const auto& share : shares) {
    REQUIRE(share.node < snapshot->nodes.size());
    CHECK(share.cores == snapshot->nodes[share.node].cores);
    for (const auto& beside : shares_of(other.id)) CHECK(beside.node != share.node);
  }
  if (running.granted) CHECK(running.granted->exclusive.value_or(true));
}

TEST_CASE("connector: what projects have left is told of those that are asked about, or it is said that none is told",
          "[contract]") {
  Bench bench;
  const ports::ProjectAccount asked{.project = ProjectId("some-project"), .account = bench.site().scheduler_account()};
  const auto answer = bench.ask(bench.connector().account_limits({asked}, bench.soon()));
  if (!answer) {  // the site has limits, but counts nothing against them
    CAPTURE(answer.error().code, answer.error().message);
    CHECK(answer.error().kind == ErrorKind::conflict);
    return;
  }
  CHECK((answer->told || answer->limits.empty()));
  CHECK(answer->age.count() >= 0);
  for (const auto& [project, limit] : answer->limits) {
    CAPTURE(project.str(), limit.resource);
    CHECK(project == asked.project);
    CHECK_FALSE(limit.resource.empty());
    CHECK(limit.left().value >= 0);
  }
  const auto nobody = bench.ask(bench.connector().account_limits({}, bench.soon()));
  REQUIRE(nobody.has_value());
  CHECK(nobody->limits.empty());
}

TEST_CASE("connector: a look at the site says what was found and keeps nobody from a site that works", "[contract]") {
  Bench bench;
  const auto report =
      bench.ask(bench.connector().doctor({.accounts = {bench.site().account()}, .person = bench.site().person()}, bench.soon()));
  INFO((report ? "" : report.error().code + ": " + report.error().message));
  REQUIRE(report.has_value());
  CHECK_FALSE(report->findings.empty());
  CHECK(report->questions >= 0);
  for (const auto& found : report->findings) {
    CAPTURE(found.check, found.subject, found.value, found.remedy);
    CHECK_FALSE(found.check.empty());
    CHECK_FALSE(found.source.empty());
    CHECK_FALSE(found.bars);
    CHECK((found.subject.empty() || found.subject == bench.site().account().str()));
  }
}

}  // namespace hansa::contract
