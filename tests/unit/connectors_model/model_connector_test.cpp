// SPDX-License-Identifier: Apache-2.0
#include "connectors/model/model_connector.hpp"

#include "simulation/virtual_scheduler.hpp"

#include <boost/asio/co_spawn.hpp>
#include <catch2/catch.hpp>

#include <chrono>

using namespace hansa;
using namespace hansa::connectors::model;
using namespace std::chrono_literals;
using async::Deadline;
using domain::CancelOutcome;
using ports::Phase;

namespace {

const Tag kTag("hansa-01ARZ3NDEKTSV4RRFFQ69G5FAV-1");

struct World {
  World() : World(ClusterOptions{.name = "m", .scheduling_delay = Milliseconds{0}}) {}
  explicit World(ClusterOptions options)
      : site(std::make_shared<ModelSite>(time, std::move(options))), connector(time, SiteId("m"), site) {}

  template <class T>
  Result<T> run(async::Task<T> task) {
    std::optional<Result<T>> result;
    boost::asio::co_spawn(time.executor(), std::move(task), [&](const std::exception_ptr& e, Result<T> r) {
      if (e) std::rethrow_exception(e);
      result = std::move(r);
    });
    time.run_until([&] { return result.has_value(); });
    REQUIRE(result);
    return std::move(*result);
  }
  Deadline soon() { return Deadline::in(time, 30s); }
  Result<ports::SubmitReceipt> submit(const std::string& script, Seconds limit = Seconds{3600}) {
    ports::SubmitRequest request;
    request.tag = kTag;
    request.account = LocalAccount("alice");
    request.spec.time_limit = limit;
    request.payload.script = "#!/bin/sh\n" + script;
    return run(connector.submit(request, soon()));
  }
  ports::SiteJob known(const SiteJobId& id) { return {.id = id, .tag = kTag, .account = LocalAccount("alice"), .person = {}}; }
  ports::JobStatus status(const SiteJobId& id) {
    auto answer = run(connector.status({known(id)}, soon()));
    REQUIRE(answer);
    REQUIRE(answer->size() == 1);
    return answer->front();
  }
  ports::FindResult find() {
    auto found = run(connector.find({known(SiteJobId())}, soon()));
    REQUIRE(found);
    return *found;
  }

  simulation::VirtualScheduler time;
  std::shared_ptr<ModelSite> site;
  ModelConnector connector;
};

}  // namespace

TEST_CASE("a job goes through its life") {
  World w;
  const auto receipt = w.submit("#model run=30s exit=3\n#model-out hello\n");
  REQUIRE(receipt);
  const auto id = receipt->site_job_id;
  CHECK(w.status(id).phase == Phase::running);
  w.time.advance(30s);
  const auto ended = w.status(id);
  CHECK(ended.phase == Phase::ended);
  CHECK(ended.outcome == domain::Outcome::failed);
  CHECK(ended.exit_code == 3);
  w.time.advance(1h);  // gone from the queue, kept by the history
  CHECK(w.status(id).phase == Phase::ended);

  const auto page = w.run(w.connector.usage({}, w.soon()));
  REQUIRE(page);
  REQUIRE(page->records.size() == 1);
  CHECK(page->records[0].elapsed == 30s);
  CHECK(page->records[0].core_seconds == CoreSeconds{30});
  const auto again = w.run(w.connector.usage(page->next, w.soon()));
  CHECK(again->records.empty());

  const auto chunk = w.run(w.connector.read_output(w.known(id), ports::Stream::out, 2, 3, w.soon()));
  CHECK(chunk->bytes == "llo");
  CHECK(chunk->next_offset == 5);
}

TEST_CASE("usage comes in pages and skips other people's jobs") {
  ClusterOptions options{.name = "m", .scheduling_delay = 0ms};
  options.background = {{.every = 1s, .resources = {}, .run = 1s, .time_limit = 1s}};
  World w(options);
  for (int i = 0; i < 1500; ++i) { REQUIRE(w.submit("#model run=1s")); }
  w.time.advance(24h);
  std::size_t records = 0;
  ports::UsagePage page;
  int pages = 0;
  do {
    auto next = w.run(w.connector.usage(page.next, w.soon()));
    REQUIRE(next);
    page = *next;
    records += page.records.size();
    ++pages;
  } while (!page.complete);
  CHECK(records == 1500);
  CHECK(pages == 2);
}

TEST_CASE("a silent site costs the deadline and decides nothing") {
  World w;
  w.site->faults.silent = true;
  const auto before = w.time.now_monotonic();
  CHECK(w.submit("").error().kind == ErrorKind::unknown_outcome);
  CHECK(w.time.now_monotonic() - before == 30s);
  CHECK(w.run(w.connector.snapshot(w.soon())).error().kind == ErrorKind::deadline_exceeded);
  w.site->faults.silent = false;
  const auto found = w.find();
  CHECK(found.sightings.empty());
  CHECK(found.queue_seen);
  CHECK(found.history_seen);
}

TEST_CASE("a site that is down says so at once, and surely has nothing") {
  World w;
  w.site->faults.down = true;
  CHECK(w.submit("").error().kind == ErrorKind::unavailable);
  CHECK(w.run(w.connector.find({}, w.soon())).error().kind == ErrorKind::unavailable);
  CHECK(w.time.now_monotonic().since_origin == 0ms);
}

TEST_CASE("a lost receipt leaves a job behind") {
  World w;
  w.site->faults.lose_submit_replies = 1;
  CHECK(w.submit("").error().kind == ErrorKind::unknown_outcome);
  CHECK(w.find().sightings.size() == 1);
  CHECK(w.submit(""));
}

TEST_CASE("garbage is never a receipt, but may have been one") {
  World w;
  w.site->faults.garbage = true;
  CHECK(w.submit("").error().kind == ErrorKind::unknown_outcome);
  CHECK(w.run(w.connector.snapshot(w.soon())).error().kind == ErrorKind::internal);
  w.site->faults.garbage = false;
  CHECK(w.find().sightings.size() == 1);
}

TEST_CASE("a late submission is accepted after the client gave up") {
  World w;
  w.site->faults.submit_delay = 60s;
  CHECK(w.submit("").error().kind == ErrorKind::unknown_outcome);
  CHECK(w.find().sightings.empty());
  w.time.advance(60s);
  CHECK(w.find().sightings.size() == 1);
  w.site->faults.submit_delay = 10s;
  CHECK(w.submit(""));
}

TEST_CASE("a refusal carries the site's words") {
  World w;
  w.site->faults.refuse = "Invalid account";
  const auto refused = w.submit("");
  CHECK(refused.error().kind == ErrorKind::unknown_outcome);
  CHECK(refused.error().code == "SITE_REFUSED");
  CHECK(refused.error().message.find("Invalid account") != std::string::npos);
  w.site->faults.refuse.reset();
  CHECK(w.submit("#model bad").error().code == "SITE_REFUSED");
  CHECK(w.site->cluster().jobs().empty());
}

TEST_CASE("without its history a purged job is not seen") {
  World w;
  const auto id = w.submit("#model run=1s")->site_job_id;
  w.time.advance(1h);
  w.site->faults.history_off = true;
  CHECK(w.status(id).phase == Phase::not_seen);
  CHECK_FALSE(w.find().history_seen);
  CHECK(w.run(w.connector.usage({}, w.soon())).error().kind == ErrorKind::unavailable);
  w.site->faults.history_off = false;
  CHECK(w.status(id).phase == Phase::ended);
}

TEST_CASE("latency passes and is cut by the deadline") {
  World w;
  w.site->faults.latency = 10s;
  REQUIRE(w.submit(""));
  CHECK(w.time.now_monotonic().since_origin == 10s);
  const auto cut = w.run(w.connector.snapshot(Deadline::in(w.time, 5s)));
  CHECK(cut.error().kind == ErrorKind::deadline_exceeded);
  CHECK(w.time.now_monotonic().since_origin == 15s);
  w.site->faults.latency = 50s;  // the request arrives, the receipt does not
  CHECK(w.submit("").error().kind == ErrorKind::unknown_outcome);
  w.site->faults.latency = 0ms;
  CHECK(w.find().sightings.size() == 2);
}

TEST_CASE("an account that the site does not have is refused for certain") {
  World w(ClusterOptions{.name = "m", .accounts = {LocalAccount("bob")}});
  CHECK(w.submit("").error().kind == ErrorKind::permission_denied);
}

TEST_CASE("cancelling says what it did") {
  World w(ClusterOptions{.name = "m", .node_groups = {{.count = 1, .cores = 1}}, .scheduling_delay = 0ms});
  const auto first = w.submit("#model run=30s")->site_job_id;
  const auto second = w.submit("#model run=30s")->site_job_id;
  const auto cancel = [&](const SiteJobId& id, ports::CancelWhen when) {
    return w.run(w.connector.cancel(w.known(id), when, w.soon()));
  };
  CHECK(w.status(first).phase == Phase::running);
  CHECK(cancel(first, ports::CancelWhen::only_while_pending) == CancelOutcome::unknown);
  CHECK(w.status(first).phase == Phase::running);
  CHECK(cancel(second, ports::CancelWhen::only_while_pending) == CancelOutcome::never_started);
  CHECK(w.status(second).outcome == domain::Outcome::cancelled);
  CHECK(cancel(second, ports::CancelWhen::always) == CancelOutcome::never_started);
  CHECK(cancel(first, ports::CancelWhen::always) == CancelOutcome::stopped);
  CHECK(cancel(first, ports::CancelWhen::always) == CancelOutcome::stopped);
  const auto third = w.submit("#model run=0s")->site_job_id;
  w.time.advance(1s);
  CHECK(cancel(third, ports::CancelWhen::always) == CancelOutcome::already_ended);
  CHECK(cancel(SiteJobId("99"), ports::CancelWhen::always) == CancelOutcome::unknown);
}

TEST_CASE("the site's clock does not step with the broker's") {
  World w;
  w.time.step_utc(-1h);
  const auto id = w.submit("#model run=1s")->site_job_id;
  CHECK(w.status(id).started_at == simulation::VirtualScheduler::kStart);
}

TEST_CASE("a new connector finds the site where time has put it") {
  World w;
  const auto id = w.submit("#model run=30s")->site_job_id;
  ModelConnector reborn(w.time, SiteId("m"), w.site);
  w.time.advance(1min);
  CHECK(w.run(reborn.status({w.known(id)}, w.soon()))->front().phase == Phase::ended);
  CHECK(w.site->calls.submit == 1);
  CHECK(w.site->calls.total() == 2);
}
