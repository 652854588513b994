// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the test cases of the suite are written with.

#include "broker/async/real_scheduler.hpp"
#include "tests/contract/connectors/connector_contract.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>

namespace Catch {
/// For whoever reads what a plug-in said.
template <typename T>
struct StringMaker<std::optional<T>> {
  static std::string convert(const std::optional<T>& value) { return value ? StringMaker<T>::convert(*value) : "nothing"; }
};
}  // namespace Catch

namespace hansa::contract {

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

}  // namespace hansa::contract
