// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/connectors/connector_contract.hpp"

#include "broker/async/real_scheduler.hpp"
#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"
#include "broker/domain/code_archive.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <map>

namespace Catch {
/// For whoever reads what a plug-in said.
template <typename T>
struct StringMaker<std::optional<T>> {
  static std::string convert(const std::optional<T>& value) { return value ? StringMaker<T>::convert(*value) : "nothing"; }
};
}  // namespace Catch

namespace hansa::contract {

namespace {

using async::Task;
using domain::CancelOutcome;
using domain::Outcome;
using ports::CancelWhen;
using ports::JobStatus;
using ports::Phase;
using ports::SiteJob;

/// A test case's own end of the connector: makes jobs, asks, waits.
class Bench {
 public:
  Bench() : site_(make_connector_under_test()), ids_(clock_, random_) {}
  /// A test case leaves nothing behind that the next one would wait for.
  ~Bench() {
    for (const auto& job : submitted_) { (void)ask(connector().cancel(job, CancelWhen::always, soon())); }
    (void)wait_for([&] {
      const auto statuses = ask(connector().status(submitted_, soon()));
      return statuses &&
             std::ranges::all_of(*statuses, [](const auto& s) { return s.phase == Phase::ended || s.phase == Phase::not_seen; });
    });
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  ports::SiteConnector& connector() { return site_->connector(); }
  ConnectorUnderTest& site() { return *site_; }
  [[nodiscard]] async::Deadline soon() { return async::Deadline::in(site_->scheduler(), Seconds{60}); }

  template <class T>
  Result<T> ask(Task<T> question) {
    std::optional<Result<T>> answer;
    site_->run(keep(std::move(question), answer));
    REQUIRE(answer.has_value());
    return std::move(*answer);
  }

  ports::SubmitRequest request(const Behaviour& behaviour) {
    ports::SubmitRequest request;
    request.job = ids_.next();
    request.tag = domain::make_tag(request.job, request.attempt);
    request.person = site_->person();
    request.account = site_->account();
    request.scheduler_account = site_->scheduler_account();
    request.queue = site_->queue();
    request.spec.name = "contract";
    request.spec.time_limit = Seconds{600};
    request.payload = site_->payload(behaviour);
    return request;
  }

  SiteJob submit(const ports::SubmitRequest& request) {
    auto job = expected_job(request);
    const auto receipt = ask(connector().submit(request, soon()));
    INFO((receipt ? "" : receipt.error().code + ": " + receipt.error().message + " / " + receipt.error().detail));
    REQUIRE(receipt.has_value());
    REQUIRE(!receipt->site_job_id.empty());
    job.id = receipt->site_job_id;
    submitted_.push_back(job);
    return job;
  }
  SiteJob submit(const Behaviour& behaviour) { return submit(request(behaviour)); }

  /// As the broker knows it before it has an id.
  SiteJob expected_job(const ports::SubmitRequest& request) {
    return {.id = {},
            .tag = request.tag,
            .account = request.account,
            .person = request.person,
            .intended_at = site_->scheduler().now_utc(),
            .tasks = request.spec.array.tasks};
  }

  /// An array of one-core tasks.
  ports::SubmitRequest array(std::string_view tasks, const Behaviour& behaviour) {
    auto wanted = request(behaviour);
    auto parsed = domain::parse_task_array(tasks);
    REQUIRE(parsed.has_value());
    wanted.spec.array = std::move(*parsed);
    return wanted;
  }

  /// Takes the whole site and waits until it has it.
  SiteJob block_site() {
    auto blocker = request({.prints = "", .runs = Seconds{500}});
    blocker.spec.resources = site_->whole_site();
    const auto job = submit(blocker);
    wait_for_phase(job, Phase::running);
    return job;
  }

  JobStatus status(const SiteJob& job) {
    const auto statuses = ask(connector().status({job}, soon()));
    INFO((statuses ? "" : statuses.error().code + ": " + statuses.error().message + " / " + statuses.error().detail));
    REQUIRE(statuses.has_value());
    REQUIRE(statuses->size() == 1);
    return statuses->front();
  }

  JobStatus wait_for_phase(const SiteJob& job, Phase phase, Seconds beyond_patience = Seconds{0}) {
    JobStatus last;
    const bool reached = wait_for([&] { return (last = status(job)).phase == phase; }, beyond_patience);
    INFO("last seen: " << last.site_state << " " << last.pending_reason << " " << last.reason.message);
    REQUIRE(reached);
    return last;
  }

  bool wait_for(const std::function<bool()>& condition, Seconds beyond_patience = Seconds{0}) {
    return wait_for(condition, Milliseconds{site_->patience() + beyond_patience});
  }
  bool wait_for(const std::function<bool()>& condition, Milliseconds at_most) {
    const auto deadline = async::Deadline::in(site_->scheduler(), at_most);
    while (!condition()) {
      if (deadline.passed(site_->scheduler())) return false;
      site_->advance(Milliseconds{200});
    }
    return true;
  }

  std::string output(const SiteJob& job, ports::Stream stream = ports::Stream::out) {
    const auto chunk = ask(connector().read_output(job, stream, 0, std::size_t{1} << 20, soon()));
    INFO((chunk ? "" : chunk.error().code + ": " + chunk.error().message));
    REQUIRE(chunk.has_value());
    return chunk->bytes;
  }

 private:
  template <class T>
  static boost::asio::awaitable<void> keep(Task<T> question, std::optional<Result<T>>& answer) {
    answer.emplace(co_await async::without_exceptions(std::move(question)));
  }

  std::unique_ptr<ConnectorUnderTest> site_;
  async::RealScheduler clock_;
  async::SystemRandom random_;
  UlidSource ids_;
  std::vector<SiteJob> submitted_;
};

}  // namespace

TEST_CASE("connector: a job runs to its end and says how it ended", "[contract]") {
  Bench bench;
  const auto before = bench.site().scheduler().now_utc() - Seconds{2};
  const auto job = bench.submit({.prints = "hello", .runs = Seconds{2}});
  const auto running = bench.wait_for_phase(job, Phase::running);
  CHECK(running.id == job.id);
  REQUIRE(running.started_at.has_value());
  CHECK(*running.started_at >= before);
  CHECK_FALSE(running.outcome.has_value());

  const auto ended = bench.wait_for_phase(job, Phase::ended);
  CHECK(ended.outcome == Outcome::succeeded);
  CHECK(ended.exit_code == 0);
  CHECK_FALSE(ended.signal.has_value());
  CHECK(ended.run == 0);
  REQUIRE(ended.started_at.has_value());
  REQUIRE(ended.ended_at.has_value());
  CHECK(*ended.ended_at >= *ended.started_at);
}

TEST_CASE("connector: exit codes and signals arrive as they were", "[contract]") {
  Bench bench;
  const auto three = bench.submit({.exit_code = 3});
  const auto reserved = bench.submit({.exit_code = 113});  // also the code that marks a duplicate: here it is the payload's own
  const auto killed = bench.submit({.signal = SIGUSR1});
  auto ended = bench.wait_for_phase(three, Phase::ended);
  CHECK(ended.outcome == Outcome::failed);
  CHECK(ended.exit_code == 3);
  ended = bench.wait_for_phase(reserved, Phase::ended);
  CHECK(ended.outcome == Outcome::failed);
  CHECK(ended.exit_code == 113);
  CHECK(ended.reason.code != "DUPLICATE");
  ended = bench.wait_for_phase(killed, Phase::ended);
  CHECK(ended.outcome == Outcome::failed);
  CHECK(ended.signal == SIGUSR1);
}

TEST_CASE("connector: a job past its wall time is stopped and says so", "[contract][slow]") {
  Bench bench;
  auto request = bench.request({.runs = Seconds{500}});
  request.spec.time_limit = bench.site().time_unit();
  const auto job = bench.submit(request);
  const auto ended = bench.wait_for_phase(job, Phase::ended, bench.site().time_unit() + Seconds{60});
  CHECK(ended.outcome == Outcome::timed_out);
  CHECK_FALSE(ended.reason.code.empty());
}

TEST_CASE("connector: a pending job is cancelled and never starts", "[contract]") {
  const auto when = GENERATE(CancelWhen::always, CancelWhen::only_while_pending);
  Bench bench;
  bench.block_site();
  const auto job = bench.submit({.prints = "must not run"});
  CHECK(bench.wait_for_phase(job, Phase::queued).phase == Phase::queued);
  const auto outcome = bench.ask(bench.connector().cancel(job, when, bench.soon()));
  REQUIRE(outcome.has_value());
  CHECK(*outcome == CancelOutcome::never_started);
  const auto ended = bench.wait_for_phase(job, Phase::ended);
  CHECK(ended.outcome == Outcome::cancelled);
  CHECK_FALSE(ended.started_at.has_value());
  const auto again = bench.ask(bench.connector().cancel(job, when, bench.soon()));
  REQUIRE(again.has_value());
  CHECK(*again == CancelOutcome::never_started);  // still true, however often it is asked
}

TEST_CASE("connector: a running job is stopped, an ended one is left as it is", "[contract]") {
  Bench bench;
  const auto job = bench.submit({.runs = Seconds{500}});
  bench.wait_for_phase(job, Phase::running);
  auto outcome = bench.ask(bench.connector().cancel(job, CancelWhen::always, bench.soon()));
  REQUIRE(outcome.has_value());
  CHECK(*outcome == CancelOutcome::stopped);
  const auto ended = bench.wait_for_phase(job, Phase::ended);
  CHECK(ended.outcome == Outcome::cancelled);
  CHECK(ended.started_at.has_value());

  const auto done = bench.submit(Behaviour{});
  bench.wait_for_phase(done, Phase::ended);
  outcome = bench.ask(bench.connector().cancel(done, CancelWhen::always, bench.soon()));
  REQUIRE(outcome.has_value());
  CHECK(*outcome == CancelOutcome::already_ended);
}

TEST_CASE("connector: 'only while pending' leaves a running job alone", "[contract]") {
  Bench bench;
  const auto job = bench.submit({.runs = Seconds{3}});
  bench.wait_for_phase(job, Phase::running);
  const auto outcome = bench.ask(bench.connector().cancel(job, CancelWhen::only_while_pending, bench.soon()));
  REQUIRE(outcome.has_value());
  CHECK(*outcome == CancelOutcome::unknown);  // nothing was cancelled: ask for its status
  CHECK(bench.wait_for_phase(job, Phase::ended).outcome == Outcome::succeeded);
}

TEST_CASE("connector: a job is found by its tag while it waits, runs and when it is over", "[contract]") {
  Bench bench;
  const auto blocker = bench.block_site();
  const auto request = bench.request({.runs = Seconds{8}});  // longer than a site takes to say that the blocker is gone
  const auto by_tag = bench.expected_job(request);
  const auto unknown = bench.expected_job(bench.request(Behaviour{}));
  const auto job = bench.submit(request);

  const auto find = [&] {
    const auto found = bench.ask(bench.connector().find({unknown, by_tag}, bench.soon()));
    INFO((found ? "" : found.error().code + ": " + found.error().message));
    REQUIRE(found.has_value());
    CHECK(found->queue_seen);
    CHECK(found->history_seen);
    REQUIRE(found->sightings.size() == 1);
    const auto& sighting = found->sightings.front();
    CHECK(sighting.tag == request.tag);
    CHECK(sighting.status.id == job.id);
    CHECK(sighting.account == bench.site().account());  // as it was asked for: empty for the broker's own
    CHECK(sighting.submitted_at >= by_tag.intended_at - Seconds{2});
    CHECK(sighting.submitted_at <= bench.site().scheduler().now_utc() + Seconds{2});
    return sighting.status.phase;
  };
  CHECK(find() == Phase::queued);
  REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
  bench.wait_for_phase(job, Phase::running);
  CHECK(find() == Phase::running);
  bench.wait_for_phase(job, Phase::ended);
  CHECK(find() == Phase::ended);
}

TEST_CASE("connector: the status of many jobs costs what the status of one does", "[contract]") {
  Bench bench;
  std::vector<SiteJob> jobs;
  for (int i = 0; i < 8; ++i) jobs.push_back(bench.submit({.exit_code = i}));
  auto never_submitted = bench.expected_job(bench.request(Behaviour{}));
  never_submitted.id = SiteJobId("99999999");
  for (const auto& job : jobs) bench.wait_for_phase(job, Phase::ended);

  const auto start = bench.site().site_calls();
  bench.status(jobs.front());
  const auto one = bench.site().site_calls() - start;
  jobs.push_back(never_submitted);
  const auto statuses = bench.ask(bench.connector().status(jobs, bench.soon()));
  const auto many = bench.site().site_calls() - start - one;
  REQUIRE(statuses.has_value());
  CHECK(many <= 2);
  CHECK(one <= 2);
  REQUIRE(statuses->size() == jobs.size());
  for (int i = 0; i < 8; ++i) {
    const auto& status = (*statuses)[static_cast<std::size_t>(i)];
    CHECK(status.id == jobs[static_cast<std::size_t>(i)].id);
    CHECK(status.exit_code == i);
  }
  CHECK(statuses->back().phase == Phase::not_seen);
}

TEST_CASE("connector: a recycled id is not taken for the job", "[contract]") {
  Bench bench;
  auto job = bench.submit(Behaviour{});
  bench.wait_for_phase(job, Phase::ended);
  auto other = bench.expected_job(bench.request(Behaviour{}));
  other.id = job.id;  // the same number under another tag
  CHECK(bench.status(other).phase == Phase::not_seen);
}

TEST_CASE("connector: a sealed fence keeps the payload from ever starting", "[contract]") {
  Bench bench;
  const auto blocker = bench.block_site();
  const auto job = bench.submit({.prints = "must not run"});
  const ports::Fence fence{.tag = job.tag, .task_index = 0, .account = job.account, .person = job.person};
  for (int i = 0; i < 2; ++i) {  // repeating is safe
    const auto sealed = bench.ask(bench.connector().seal(fence, bench.soon()));
    INFO((sealed ? "" : sealed.error().code + ": " + sealed.error().message));
    REQUIRE(sealed.has_value());
    CHECK(sealed->sealed);
  }
  REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
  const auto ended = bench.wait_for_phase(job, Phase::ended);
  CHECK(ended.outcome != Outcome::succeeded);
  CHECK(ended.reason.code == "DUPLICATE");
  const auto found = bench.ask(bench.connector().find({job}, bench.soon()));  // tells the same
  REQUIRE(found.has_value());
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings.front().status.reason.code == "DUPLICATE");
  CHECK(found->sightings.front().status.exit_code == ended.exit_code);
  if (bench.site().executes()) CHECK(bench.output(job).empty());
}

TEST_CASE("connector: the seal of a started job names its holder", "[contract]") {
  Bench bench;
  const auto job = bench.submit({.prints = "started", .runs = Seconds{4}});
  bench.wait_for_phase(job, Phase::running);
  if (bench.site().executes()) REQUIRE(bench.wait_for([&] { return bench.output(job) == "started\n"; }));
  const auto sealed = bench.ask(bench.connector().seal({job.tag, 0, job.account, job.person}, bench.soon()));
  REQUIRE(sealed.has_value());
  CHECK_FALSE(sealed->sealed);
  CHECK(sealed->holder == job.id);
  CHECK(bench.wait_for_phase(job, Phase::ended).outcome == Outcome::succeeded);
}

TEST_CASE("connector: of two submissions under one tag one payload runs", "[contract]") {
  Bench bench;
  const auto request = bench.request({.prints = "once", .runs = Seconds{1}});
  const auto first = bench.submit(request);
  const auto second_receipt = bench.ask(bench.connector().submit(request, bench.soon()));
  REQUIRE(second_receipt.has_value());
  auto second = first;
  second.id = second_receipt->site_job_id;
  const auto a = bench.wait_for_phase(first, Phase::ended);
  const auto b = bench.wait_for_phase(second, Phase::ended);
  if (second.id != first.id) {  // a way that journals tags answers with the first receipt
    CHECK((a.outcome == Outcome::succeeded) != (b.outcome == Outcome::succeeded));
    const auto& loser = a.outcome == Outcome::succeeded ? b : a;
    CHECK(loser.outcome == Outcome::failed);
    CHECK(loser.reason.code == "DUPLICATE");
  } else {
    CHECK(a.outcome == Outcome::succeeded);
  }
  if (bench.site().executes()) CHECK(bench.output(first) == "once\n");
}

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

TEST_CASE("connector: what the site gives a job is read back with its state", "[contract]") {
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

TEST_CASE("connector: an unknown queue is the site's refusal, in its own words", "[contract]") {
  Bench bench;
  auto request = bench.request(Behaviour{});
  request.queue = QueueName("no-such-queue");
  const auto by_tag = bench.expected_job(request);
  const auto receipt = bench.ask(bench.connector().submit(request, bench.soon()));
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().kind == ErrorKind::unknown_outcome);
  CHECK(receipt.error().code == "SITE_REFUSED");
  CHECK_FALSE(receipt.error().message.empty());
  const auto found = bench.ask(bench.connector().find({by_tag}, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(found->sightings.empty());
}

TEST_CASE("connector: an account that is not allowed runs nothing", "[contract]") {
  Bench bench;
  const auto refused = bench.site().refused_account();
  if (!refused) return;
  auto request = bench.request(Behaviour{});
  request.account = *refused;
  const auto by_tag = bench.expected_job(request);
  const auto receipt = bench.ask(bench.connector().submit(request, bench.soon()));
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().kind == ErrorKind::permission_denied);
  const auto found = bench.ask(bench.connector().find({by_tag}, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(found->sightings.empty());
}

TEST_CASE("connector: past its deadline nothing leaves for the site", "[contract]") {
  Bench bench;
  const auto request = bench.request(Behaviour{});
  const auto by_tag = bench.expected_job(request);
  const auto receipt =
      bench.ask(bench.connector().submit(request, async::Deadline::in(bench.site().scheduler(), Milliseconds{0})));
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().kind == ErrorKind::deadline_exceeded);
  const auto found = bench.ask(bench.connector().find({by_tag}, bench.soon()));
  REQUIRE(found.has_value());
  CHECK(found->sightings.empty());
}

TEST_CASE("connector: output is read in pieces, both streams apart", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  const auto blocker = bench.block_site();
  auto request = bench.request(Behaviour{});
  request.payload.script = "#!/bin/bash\nprintf 0123456789\nprintf 'to stderr' >&2\n";
  const auto job = bench.submit(request);
  const auto nothing = bench.ask(bench.connector().read_output(job, ports::Stream::out, 0, 100, bench.soon()));
  REQUIRE(nothing.has_value());
  CHECK_FALSE(nothing->exists);
  CHECK(nothing->bytes.empty());

  REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
  bench.wait_for_phase(job, Phase::ended);
  CHECK(bench.output(job) == "0123456789");
  CHECK(bench.output(job, ports::Stream::err) == "to stderr");
  const auto piece = bench.ask(bench.connector().read_output(job, ports::Stream::out, 3, 4, bench.soon()));
  REQUIRE(piece.has_value());
  CHECK(piece->bytes == "3456");
  CHECK(piece->next_offset == 7);
  const auto past_the_end = bench.ask(bench.connector().read_output(job, ports::Stream::out, 10, 4, bench.soon()));
  REQUIRE(past_the_end.has_value());
  CHECK(past_the_end->bytes.empty());
  CHECK(past_the_end->next_offset == 10);
  CHECK(past_the_end->exists);
}

TEST_CASE("connector: what a job leaves is looked at and read in pieces, and nothing leads out of its folder", "[contract]") {
  using ports::FileState;
  using enum Behaviour::Left::Kind;
  Bench bench;
  std::string large;
  while (large.size() < std::size_t{1'500'000})
    large += std::to_string(large.size()) + " 0123456789abcdefghijklmnopqrstuvwxyz ABCDEFG\n";
  const std::string odd = "a b/\xC3\xA4\xE6\x97\xA5 -x $(id)*";
  const auto job = bench.submit({.leaves = {{file, "large", large},
                                            {file, "empty"},
                                            {file, odd, "odd\n"},
                                            {file, "-n", "a dash\n"},
                                            {folder, "results"},
                                            {link, "passwd", "/etc/passwd"},
                                            {link, "etc", "/etc"},
                                            {link, "within", "large"},
                                            {file, "deep/er/file", "deep\n"}}});
  const std::vector<std::string> paths{"large",  "empty",   odd,       "-n",      "results",      "passwd",    "etc/passwd",
                                       "within", "no-such", "large/x", "deep/er", "deep/er/file", "results/no"};
  const std::vector<FileState> states{FileState::file,    FileState::file,    FileState::file,   FileState::file,
                                      FileState::folder,  FileState::link,    FileState::link,   FileState::link,
                                      FileState::missing, FileState::missing, FileState::folder, FileState::file,
                                      FileState::missing};
  bench.wait_for_phase(job, Phase::ended);
  const auto look = [&](const SiteJob& of) {
    auto facts = bench.ask(bench.connector().look_at(of, paths, bench.soon()));
    INFO((facts ? "" : facts.error().code + ": " + facts.error().message + " / " + facts.error().detail));
    REQUIRE(facts.has_value());
    REQUIRE(facts->size() == paths.size());
    return *facts;
  };
  const auto facts = look(job);
  const auto read = [&](const std::string& path, std::uint64_t offset, std::size_t limit) {
    auto chunk = bench.ask(bench.connector().read_file(job, path, offset, limit, bench.soon()));
    INFO((chunk ? "" : chunk.error().code + ": " + chunk.error().message + " / " + chunk.error().detail));
    REQUIRE(chunk.has_value());
    return *chunk;
  };
  for (std::size_t i = 0; i < paths.size(); ++i) {
    CAPTURE(paths[i]);
    CHECK(facts[i].state == states[i]);
    CHECK(facts[i].version.empty() == (states[i] != FileState::file));
    const auto chunk = read(paths[i], 0, 100);
    CHECK(chunk.facts == facts[i]);
    if (states[i] != FileState::file) CHECK(chunk.bytes.empty());
  }
  CHECK(facts[0].size == large.size());
  CHECK(facts[1].size == 0);
  CHECK(read(odd, 0, 100).bytes == "odd\n");
  CHECK(read("-n", 2, 4).bytes == "dash");
  CHECK(read("large", large.size(), 100).bytes.empty());
  CHECK(read("empty", 0, 100).bytes.empty());
  std::string whole;
  while (whole.size() < large.size()) {
    const auto piece = read("large", whole.size(), 400'000);
    REQUIRE(!piece.bytes.empty());
    whole += piece.bytes;
  }
  CHECK((whole == large));  // not shown: it is large

  // A job that leaves nothing has nothing.
  const auto other = bench.submit(Behaviour{});
  bench.wait_for_phase(other, Phase::ended);
  for (const auto& fact : look(other)) CHECK(fact == ports::FileFacts{});
  CHECK(bench.ask(bench.connector().look_at(job, {}, bench.soon()))->empty());
}

TEST_CASE("connector: a file that is written to is another version, and a job that has not begun has none", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  const auto blocker = bench.block_site();
  auto request = bench.request(Behaviour{});
  request.payload.script =
      "#!/bin/bash\nprintf one >f; touch written; while [ ! -e go ]; do sleep 0.1; done\nprintf two >f; chmod 000 f; mkfifo "
      "pipe\n";
  // It goes on when another job of the same account lets it.
  const auto job = bench.submit(request);
  const auto look = [&](const std::string& path) {
    auto facts = bench.ask(bench.connector().look_at(job, {path}, bench.soon()));
    REQUIRE(facts.has_value());
    return facts->front();
  };
  CHECK(look("f").state == ports::FileState::missing);
  REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
  REQUIRE(bench.wait_for([&] { return look("written").state == ports::FileState::file; }));
  const auto before = look("f");
  CHECK(before.size == 3);
  auto go = bench.request(Behaviour{});
  go.payload.script = "#!/bin/bash\ntouch ../" + request.tag.str() + "/go\n";
  bench.submit(go);
  bench.wait_for_phase(job, Phase::ended);
  const auto after = look("f");
  CHECK(after.version != before.version);
  const auto unreadable = bench.ask(bench.connector().read_file(job, "f", 0, 10, bench.soon()));
  REQUIRE(unreadable.has_value());
  const bool root_reads_all = ::geteuid() == 0 && job.account.empty();
  CHECK(unreadable->facts.state == (root_reads_all ? ports::FileState::file : ports::FileState::unreadable));
  CHECK(unreadable->bytes == (root_reads_all ? "two" : ""));
  CHECK(look("pipe").state == ports::FileState::special);
}

TEST_CASE("connector: script, arguments and environment arrive byte for byte", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  auto request = bench.request(Behaviour{});
  // No line's end at the end, CRLF inside, quotes, an expansion, UTF-8: the script prints itself, then what it was given.
  request.payload.script =
      "#!/bin/bash\n# \xc3\xa4\xe6\x97\xa5\xf0\x9f\x98\x80 'x' \"y\" $(touch /tmp/hansa-must-not-exist) `z` \\\r\n"
      "base64 -w0 <\"$0\"; echo\nfor a in \"$@\"; do printf '%s' \"$a\" | base64 -w0; echo; done\n"
      "printf '%s' \"$ODD\" | base64 -w0; echo; printf '%s' \"$EMPTY\" | base64 -w0; echo; pwd -P | grep -c jobs; exit 0 # end";
  request.payload.arguments = {"plain",
                               "",
                               "-n",
                               "--",
                               "two  spaces",
                               "a'b\"c",
                               "line\nbreak\n",
                               "$(id) `id` $HOME ${x}",
                               "*",
                               "\\n\\",
                               "\xc3\xa4\xe6\x97\xa5",
                               std::string("tab\tcr\r"),
                               "%j %%"};
  request.payload.environment = {{"ODD", "first\nsecond 'x' \"y\" $(id) \\ = \xc3\xa4"}, {"EMPTY", ""}};
  const auto job = bench.submit(request);
  const auto ended = bench.wait_for_phase(job, Phase::ended);
  INFO(bench.output(job, ports::Stream::err));
  CHECK(ended.outcome == Outcome::succeeded);
  std::string expected = to_base64(request.payload.script) + '\n';
  for (const auto& argument : request.payload.arguments) expected += to_base64(argument) + '\n';
  expected += to_base64(request.payload.environment[0].second) + "\n\n1\n";
  CHECK(bench.output(job) == expected);
}

TEST_CASE("connector: code is in the working folder before the script starts, and is brought once", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  // Of this run alone: what an account has brought once stays with it.
  const auto text = "#!/bin/sh\n# " + bench.request(Behaviour{}).tag.str() + "\nwc -c <data/large | tr -d ' '\n";
  std::string large(5'000'000, '\0');
  for (std::size_t i = 0; i < large.size(); i += 4'093) large[i] = static_cast<char>(i % 251);
  const auto archive =
      domain::code_header({.path = "count", .kind = domain::CodeEntry::Kind::program, .size = text.size()}) + text +
      domain::code_padding(text.size()) + domain::code_header({.path = "data/large", .size = large.size()}) + large +
      domain::code_padding(large.size()) +
      domain::code_header({.path = "data/up", .kind = domain::CodeEntry::Kind::link, .size = 0, .target = "../count"}) +
      domain::code_end();
  std::size_t read = 0;
  const auto submit = [&](std::string script) {
    auto request = bench.request(Behaviour{});
    request.payload.script = std::move(script);
    request.code = {.id = domain::code_id_of(sha256_hex(archive)),
                    .size = archive.size(),
                    .read = [&](std::uint64_t offset, std::size_t limit) -> Task<std::string> {
                      read += 1;
                      co_return archive.substr(offset, limit);
                    }};
    return bench.submit(request);
  };
  const auto first = submit("#!/bin/sh\n./data/up\nsha256sum <data/large | cut -c 1-64\n");
  const auto ended = bench.wait_for_phase(first, Phase::ended);
  INFO(bench.output(first, ports::Stream::err));
  CHECK(ended.outcome == Outcome::succeeded);
  CHECK(bench.output(first) == "5000000\n" + sha256_hex(large) + "\n");
  CHECK(read > 1);
  const auto pieces = read;
  const auto second = submit("#!/bin/sh\n./count\n");
  CHECK(bench.wait_for_phase(second, Phase::ended).outcome == Outcome::succeeded);
  CHECK(bench.output(second) == "5000000\n");
  CHECK(read == pieces);
}

TEST_CASE("connector: a variant's modules and container are the script's and its GPUs are counted as programs do", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  auto request = bench.request(Behaviour{});
  request.variant = "amd";
  request.payload.script = "#!/bin/sh\necho \"$HANSA_VARIANT $LOADED $IN_IMAGE\"\n";
  SECTION("where the site's profile has them") {
    if (!bench.site().has_profile()) return;
    request.spec.software = {.image = "oras://r.example.org/x@sha256:" + std::string(64, 'a'), .binds = {}, .modules = {"torch"}};
    const auto seen = bench.ask(bench.connector().snapshot(bench.soon()));
    REQUIRE(seen);
    const bool gpus = std::ranges::any_of(seen->nodes, [](const domain::Node& node) { return node.gpus > 0; });
    request.spec.resources.gpus_per_node = gpus ? 1 : 0;
    request.devices_per_gpu = 2;
    request.payload.script += "echo \"$HANSA_GPUS_PER_NODE\"\n";
    const auto job = bench.submit(request);
    const auto ended = bench.wait_for_phase(job, Phase::ended);
    INFO(bench.output(job, ports::Stream::err));
    CHECK(ended.outcome == Outcome::succeeded);
    CHECK(bench.output(job) ==
          "amd GCC/13.2 PyTorch/2.3 oras://r.example.org/x@sha256:" + std::string(64, 'a') + (gpus ? "\n2\n" : "\n0\n"));
  }
  SECTION("where it does not nothing leaves for the site") {
    request.spec.software.modules = {"no-such"};
    const auto receipt = bench.ask(bench.connector().submit(request, bench.soon()));
    REQUIRE_FALSE(receipt);
    CHECK(ports::surely_not_sent(receipt.error()));
    CHECK(receipt.error().message.contains("no-such"));
  }
  SECTION("without any it is told which it is") {
    const auto job = bench.submit(request);
    CHECK(bench.wait_for_phase(job, Phase::ended).outcome == Outcome::succeeded);
    CHECK(bench.output(job) == "amd  \n");
  }
}

TEST_CASE("connector: a script of 2.5 MiB arrives", "[contract]") {
  Bench bench;
  if (!bench.site().executes()) return;
  auto request = bench.request(Behaviour{});
  std::string& script = request.payload.script;
  script = "#!/bin/bash\nwc -c <\"$0\"\nexit 7\n";
  while (script.size() < (std::size_t{5} << 19)) script += "# 0123456789 0123456789 0123456789 0123456789 0123456789\n";
  script.resize(std::size_t{5} << 19);
  const auto job = bench.submit(request);
  CHECK(bench.wait_for_phase(job, Phase::ended).exit_code == 7);
  CHECK(bench.output(job) == "2621440\n");
}

TEST_CASE("connector: a site that runs no arrays says so and takes none", "[contract]") {
  Bench bench;
  const auto snapshot = bench.ask(bench.connector().snapshot(bench.soon()));
  REQUIRE(snapshot.has_value());
  CHECK(snapshot->arrays.has_value() == bench.site().runs_arrays());
  if (bench.site().runs_arrays()) return;
  const auto receipt = bench.ask(bench.connector().submit(bench.array("0-3", {.prints = "must not run"}), bench.soon()));
  REQUIRE_FALSE(receipt.has_value());
  CHECK(receipt.error().code == "NO_SUCH_ARRAY");
  CHECK(ports::surely_not_sent(receipt.error()));
}

TEST_CASE("connector: an array is one submission of tasks that end each for itself and so many at a time", "[contract]") {
  Bench bench;
  if (!bench.site().runs_arrays()) return;
  const auto job = bench.submit(bench.array("1-5%2", {.prints = "task", .runs = Seconds{2}, .exit_code = 3, .failing = {2, 5}}));
  std::size_t most = 0;
  JobStatus ended;
  REQUIRE(bench.wait_for(
      [&] {
        ended = bench.status(job);
        most = std::max(most, static_cast<std::size_t>(std::ranges::count(ended.tasks, Phase::running, &JobStatus::phase)));
        return ended.phase == Phase::ended;
      },
      Seconds{60}));
  CHECK(most >= 1);
  CHECK(most <= 2);
  CHECK(ended.id == job.id);
  CHECK(ended.outcome == Outcome::failed);
  CHECK(ended.exit_code == 3);
  CHECK(ended.reason.message == "3 of 5 tasks succeeded; 2 failed (2,5)");
  REQUIRE(ended.tasks.size() == 5);
  for (int task = 1; task <= 5; ++task) {
    const auto& of_task = ended.tasks[static_cast<std::size_t>(task) - 1];
    const bool fails = task == 2 || task == 5;
    INFO("task " << task << ": " << of_task.site_state << " " << of_task.reason.message);
    CHECK(of_task.task_index == task);
    CHECK(of_task.phase == Phase::ended);
    CHECK(of_task.outcome == (fails ? Outcome::failed : Outcome::succeeded));
    CHECK(of_task.exit_code == (fails ? 3 : 0));
    CHECK(of_task.run == 0);
    REQUIRE(of_task.started_at.has_value());
    REQUIRE(of_task.ended_at.has_value());
    auto one = job;
    one.tasks = {task};
    const auto alone = bench.status(one);  // only what is asked about is told
    REQUIRE(alone.tasks.size() == 1);
    CHECK(alone.phase == Phase::ended);
    CHECK(alone.tasks.front().exit_code == of_task.exit_code);
    if (bench.site().executes()) CHECK(bench.output(one) == "task " + std::to_string(task) + "\n");
  }
  const auto found = bench.ask(bench.connector().find({job}, bench.soon()));
  REQUIRE(found.has_value());
  REQUIRE(found->sightings.size() == 1);
  CHECK(found->sightings.front().status.id == job.id);
  CHECK(found->sightings.front().status.outcome == Outcome::failed);
  CHECK(found->sightings.front().account == job.account);

  std::map<SiteJobId, domain::UsageRecord> records;
  REQUIRE(bench.wait_for([&] {
    ports::UsageCursor cursor;
    for (bool complete = false; !complete;) {
      const auto page = bench.ask(bench.connector().usage(cursor, bench.soon()));
      REQUIRE(page.has_value());
      for (const auto& each : page->records) {
        if (each.tag == job.tag) records.insert_or_assign(each.site_job_id, each);
      }
      cursor = page->next;
      complete = page->complete;
    }
    return records.size() >= 5;
  }));
  CHECK(records.size() == 5);
  for (const auto& of_task : ended.tasks) {
    REQUIRE(records.contains(of_task.id));
    const auto& record = records.at(of_task.id);
    CHECK(record.array_id == job.id);
    CHECK(record.started_at == of_task.started_at);
    CHECK(record.ended_at == of_task.ended_at);
    if (of_task.exit_code == 0 || bench.site().books_exit_codes()) CHECK(record.exit_code == of_task.exit_code);
    CHECK(record.core_seconds.value == record.elapsed.count() * record.cores);
  }
}

TEST_CASE("connector: an array is cancelled as a whole and what it had begun is told", "[contract]") {
  Bench bench;
  if (!bench.site().runs_arrays()) return;
  SECTION("before any of it has started") {
    const auto when = GENERATE(CancelWhen::always, CancelWhen::only_while_pending);
    bench.block_site();
    const auto job = bench.submit(bench.array("0-3", {.prints = "must not run"}));
    const auto waits = bench.wait_for_phase(job, Phase::queued);
    CHECK(waits.tasks.size() == 4);
    const auto outcome = bench.ask(bench.connector().cancel(job, when, bench.soon()));
    REQUIRE(outcome.has_value());
    CHECK(*outcome == CancelOutcome::never_started);
    const auto ended = bench.wait_for_phase(job, Phase::ended);
    CHECK(ended.outcome == Outcome::cancelled);
    CHECK_FALSE(ended.started_at.has_value());
    REQUIRE(ended.tasks.size() == 4);
    for (const auto& task : ended.tasks) CHECK_FALSE(task.started_at.has_value());
  }
  SECTION("half-way") {
    const auto job = bench.submit(bench.array("0-5%2", {.prints = "task", .runs = Seconds{300}}));
    const auto two_run = [&] { return std::ranges::count(bench.status(job).tasks, Phase::running, &JobStatus::phase) == 2; };
    REQUIRE(bench.wait_for(two_run));
    const auto left_alone = bench.ask(bench.connector().cancel(job, CancelWhen::only_while_pending, bench.soon()));
    REQUIRE(left_alone.has_value());
    CHECK(*left_alone == CancelOutcome::unknown);
    CHECK(two_run());
    const auto outcome = bench.ask(bench.connector().cancel(job, CancelWhen::always, bench.soon()));
    REQUIRE(outcome.has_value());
    CHECK(*outcome == CancelOutcome::stopped);
    const auto ended = bench.wait_for_phase(job, Phase::ended);
    CHECK(ended.outcome == Outcome::cancelled);
    REQUIRE(ended.tasks.size() == 6);
    CHECK(std::ranges::count_if(ended.tasks, [](const auto& task) { return task.started_at.has_value(); }) == 2);
  }
}

TEST_CASE("connector: tasks of an array are cancelled alone and again and after their end", "[contract]") {
  Bench bench;
  if (!bench.site().runs_arrays()) return;
  const auto some = [](SiteJob job, std::vector<std::int32_t> tasks) {
    job.tasks = std::move(tasks);
    job.these_tasks_only = true;
    return job;
  };
  const auto cancel = [&](const SiteJob& tasks) {
    const auto outcome = bench.ask(bench.connector().cancel(tasks, CancelWhen::always, bench.soon()));
    REQUIRE(outcome.has_value());
    return *outcome;
  };
  const auto in_phase = [](const JobStatus& status, Phase phase) {
    std::vector<std::int32_t> tasks;
    for (const auto& task : status.tasks) {
      if (task.phase == phase) tasks.push_back(task.task_index);
    }
    return tasks;
  };
  SECTION("half-way") {
    const auto job = bench.submit(bench.array("0-5%2", {.prints = "task", .runs = Seconds{300}}));
    REQUIRE(bench.wait_for([&] { return in_phase(bench.status(job), Phase::running).size() == 2; }));
    const auto before = in_phase(bench.status(job), Phase::running);
    const auto waits = in_phase(bench.status(job), Phase::queued);
    REQUIRE(waits.size() == 4);
    const auto running = before.front(), waiting = waits.back();
    for (int i = 0; i < 2; ++i) CHECK(cancel(some(job, {running, waiting})) == CancelOutcome::stopped);
    // A site may forget what never began (Slurm does): then its own fence is free, and says so once it is sealed.
    const auto outcome = cancel(some(job, {waiting}));
    CHECK((outcome == CancelOutcome::never_started || outcome == CancelOutcome::unknown));
    const bool forgotten = bench.status(some(job, {waiting})).tasks.empty();
    CHECK(forgotten == (outcome == CancelOutcome::unknown));
    if (forgotten) {
      const auto seal = bench.ask(bench.connector().seal(
          {.tag = job.tag, .task_index = waiting, .account = job.account, .person = job.person}, bench.soon()));
      REQUIRE(seal.has_value());
      CHECK(seal->sealed);
    }
    const auto over = forgotten ? std::vector{running} : std::vector{running, waiting};
    JobStatus now;
    REQUIRE(bench.wait_for([&] {
      now = bench.status(job);
      return in_phase(now, Phase::ended) == over && in_phase(now, Phase::running).size() == 2;
    }));
    CHECK(now.phase == Phase::running);
    for (const auto& task : now.tasks) {
      if (task.phase != Phase::ended) continue;
      CHECK(task.outcome == Outcome::cancelled);
      CHECK(task.started_at.has_value() == (task.task_index == running));
    }
    CHECK(std::ranges::count(in_phase(now, Phase::running), before.back()) == 1);  // which nobody meant
    auto rest = job;
    if (forgotten) std::erase(rest.tasks, waiting);
    REQUIRE(bench.ask(bench.connector().cancel(rest, CancelWhen::always, bench.soon())).has_value());
    CHECK(bench.wait_for_phase(rest, Phase::ended).outcome == Outcome::cancelled);
  }
  SECTION("after their end") {
    const auto job = bench.submit(bench.array("3-5", {.prints = "task"}));
    bench.wait_for_phase(job, Phase::ended);
    CHECK(cancel(some(job, {3})) == CancelOutcome::already_ended);
    CHECK(bench.status(job).outcome == Outcome::succeeded);
  }
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

TEST_CASE("connector: one seal is that of all tasks of an array and one start holds it for all", "[contract]") {
  Bench bench;
  if (!bench.site().runs_arrays()) return;
  const auto right_of = [](const SiteJob& job) {
    return ports::Fence{.tag = job.tag, .task_index = 0, .account = job.account, .person = job.person, .whole_array = true};
  };
  SECTION("sealed first") {
    const auto blocker = bench.block_site();
    const auto job = bench.submit(bench.array("0-2", {.prints = "must not run"}));
    for (int i = 0; i < 2; ++i) {
      const auto sealed = bench.ask(bench.connector().seal(right_of(job), bench.soon()));
      REQUIRE(sealed.has_value());
      CHECK(sealed->sealed);
    }
    REQUIRE(bench.ask(bench.connector().cancel(blocker, CancelWhen::always, bench.soon())).has_value());
    const auto ended = bench.wait_for_phase(job, Phase::ended);
    CHECK(ended.reason.code == "DUPLICATE");
    CHECK_FALSE(ended.started_at.has_value());
    for (const auto& task : ended.tasks) CHECK(task.reason.code == "DUPLICATE");
  }
  SECTION("started first") {
    const auto job = bench.submit(bench.array("0-2%1", {.prints = "task", .runs = Seconds{2}}));
    bench.wait_for_phase(job, Phase::running);
    if (bench.site().executes()) {
      auto first = job;
      first.tasks = {0};
      REQUIRE(bench.wait_for([&] { return bench.output(first) == "task 0\n"; }));
    }
    const auto sealed = bench.ask(bench.connector().seal(right_of(job), bench.soon()));
    REQUIRE(sealed.has_value());
    CHECK_FALSE(sealed->sealed);
    CHECK(sealed->holder == job.id);
    const auto ended = bench.wait_for_phase(job, Phase::ended, Seconds{30});
    CHECK(ended.outcome == Outcome::succeeded);  // the others pass by the right that the first has taken
  }
}

std::string behaving_script(const Behaviour& behaviour) {
  std::string script = "#!/bin/bash\n";
  if (!behaviour.prints.empty()) script += "echo '" + behaviour.prints + "'${HANSA_ARRAY_INDEX:+ $HANSA_ARRAY_INDEX}\n";
  for (const auto& [kind, path, text] : behaviour.leaves) {
    using enum Behaviour::Left::Kind;
    const auto slash = path.rfind('/');
    if (slash != std::string::npos) script += "mkdir -p -- '" + path.substr(0, slash) + "'\n";
    if (kind == file) script += "printf '%s' '" + text + "' >'" + path + "'\n";
    if (kind == folder) script += "mkdir -p -- '" + path + "'\n";
    if (kind == link) script += "ln -s -- '" + text + "' '" + path + "'\n";
  }
  if (behaviour.runs.count() > 0) script += "sleep " + std::to_string(behaviour.runs.count()) + "\n";
  if (behaviour.signal) script += "kill -" + std::to_string(*behaviour.signal) + " $$\nsleep 5\n";
  for (const auto task : behaviour.failing)
    script += "[ \"$HANSA_ARRAY_INDEX\" != " + std::to_string(task) + " ] || exit " + std::to_string(behaviour.exit_code) + "\n";
  script += "exit " + std::to_string(behaviour.failing.empty() ? behaviour.exit_code : 0) + "\n";
  return script;
}

}  // namespace hansa::contract
