// SPDX-License-Identifier: Apache-2.0
// Histories of reserving and settling, side by side: no allocation is exceeded, and every sum is that of its records.
#include "allocations_under_test.hpp"
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

using namespace hansa;
using namespace hansa::contract;
using namespace hansa::contract::allocations;

namespace {

/// Runs a store's task on this thread alone.
template <typename T>
Result<T> wait_here(async::Task<T> task) {
  boost::asio::io_context context;
  std::optional<Result<T>> outcome;
  boost::asio::co_spawn(context, std::move(task),
                        [&](const std::exception_ptr&, Result<T> result) { outcome = std::move(result); });
  context.run();
  if (!outcome) throw std::logic_error("the store left its caller waiting");
  return std::move(*outcome);
}

/// What the threads share. `excess` is what may be over: of runs that cost more than was kept for them, and of those that nobody
/// kept anything for; added to before the store hears of it.
struct Field {
  StoreUnderTest& store;
  std::mutex ids;
  std::atomic<std::int64_t> excess{0}, charged{0}, refused{0}, open{0};
  std::mutex faults_mutex;
  std::string fault;

  void check(bool holds, const std::string& what) {
    if (holds) return;
    const std::lock_guard lock(faults_mutex);
    if (fault.empty()) fault = what;
  }
  template <typename T>
  T sure(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().code + ": " + result.error().message);
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }
};

class History {
 public:
  History(Field& field, std::mt19937_64& random, std::int64_t number) : field_(field), random_(random), number_(number) {}

  void play() {
    const auto tasks = below(4) == 0 ? 1 + below(4) : 0;
    accept(tasks);
    hold_ = cores(1 + below(8), std::max<std::int64_t>(tasks, 1));
    hold_.most.time = Seconds{60 * (1 + below(60))};
    of_run_ = domain::charge(hold_.rule, hold_.most).value;
    if (!intended()) return;
    const auto fate = below(8);
    if (fate == 0) return record({ended(1, domain::Outcome::never_started)});
    if (fate == 1) {
      ++field_.open;  // a broker died here
      return;
    }
    record({domain::AttemptBound{.attempt = 1, .site_job_id = SiteJobId(id())}});
    if (fate == 2) return record({domain::AttemptEnded{.attempt = 1, .outcome = domain::Outcome::cancelled}});  // in its queue
    tasks == 0 ? play_job(fate == 3) : play_array(tasks);
  }

 private:
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(n)); }
  [[nodiscard]] std::string id() const { return std::to_string(1'000 + number_); }

  void accept(std::int64_t tasks) {
    std::optional<ports::NewJob> fresh;
    {
      const std::lock_guard lock(field_.ids);
      fresh = new_job({.project = "p" + std::to_string(number_ % 3)});
    }
    if (tasks > 0) fresh->job.spec.array = domain::parse_task_array("1-" + std::to_string(tasks)).value();
    job_ = fresh->job;
    std::vector<ports::NewJob> jobs;
    jobs.push_back(std::move(*fresh));
    field_.sure(wait_here(field_.store.jobs().accept_jobs(std::move(jobs), std::nullopt)));
  }

  bool intended() {
    auto next = job_;
    auto made = change(next, {intent(1, number_ % 2 == 0 ? "alpha" : "beta")});
    made.hold = hold_;
    const auto done = wait_here(field_.store.jobs().record(std::move(made)));
    if (done) job_ = std::move(next);
    if (!done) {
      field_.check(done.error().code == domain::kAllocationSpent, done.error().code + ": " + done.error().message);
      ++field_.refused;
    }
    return done.has_value();
  }

  void record(std::vector<domain::EventBody> events) {
    field_.sure(wait_here(field_.store.jobs().record(change(job_, std::move(events)))));
  }

  /// As long as it was kept for at most, but for one in ten that overruns.
  void book(std::int64_t begun, const std::string& task = "") {
    auto lasted = 1 + below(hold_.most.time.count());
    if (below(10) == 0) lasted = hold_.most.time.count() + 1 + below(600);
    auto run = run_of(job_, hold_.most.cores, begun, lasted);
    if (!task.empty()) {
      run.array_id = run.site_job_id;
      run.site_job_id = SiteJobId(id() + "_" + task);
    }
    const auto amount = domain::charge(hold_.rule, {.nodes = 1, .cores = hold_.most.cores, .time = Seconds{lasted}}).value;
    field_.excess += std::max<std::int64_t>(0, amount - of_run_);
    field_.charged += amount;
    const auto again = below(2) == 0 ? 2U : 1U;
    for (auto i = 0U; i < again; ++i) {
      const auto news = field_.sure(wait_here(field_.store.usage().book_usage(run.site, {run}, {"c"}, at(0))));
      field_.check(news == (i == 0 ? 1U : 0U), "booked " + std::to_string(news));
    }
  }

  void play_job(bool requeued) {
    record({domain::RunStarted{.attempt = 1, .run = 0, .started_at = at(100)}});
    if (requeued) {
      field_.excess += of_run_;  // of the second run nobody had been told
      record({domain::RunRequeued{.attempt = 1, .run = 0}});
      book(100);
    }
    const bool told_first = below(2) == 0;
    if (told_first) book(10'000);
    record({ended(1, below(2) == 0 ? domain::Outcome::succeeded : domain::Outcome::timed_out, requeued ? 1 : 0)});
    if (!told_first) book(10'000);
  }

  void play_array(std::int64_t tasks) {
    for (std::int64_t task = 1; task <= tasks; ++task) {
      const auto index = static_cast<std::int32_t>(task);
      record({domain::TasksSeen{
          .attempt = 1,
          .runs = {{.task_index = index, .started_at = at(100), .ended_at = at(200), .outcome = domain::Outcome::succeeded}}}});
      book(100 + task, std::to_string(task));
    }
    record({ended(1, domain::Outcome::succeeded)});
  }

  Field& field_;
  std::mt19937_64& random_;
  std::int64_t number_;
  domain::Job job_;
  domain::Hold hold_;
  std::int64_t of_run_ = 0;
};

/// Of HANSA_ALLOCATION_HISTORIES, else 600: half a second.
std::int64_t histories() {
  const auto* many = std::getenv("HANSA_ALLOCATION_HISTORIES");
  return many == nullptr ? 600 : std::max<std::int64_t>(1, std::atoll(many));
}

}  // namespace

TEST_CASE("however many reserve and settle at once no allocation is exceeded and every balance is the sum of its records",
          "[allocations]") {
  auto store = next_store();
  Field field{.store = *store};
  const auto count = histories();
  std::vector<domain::AllocationId> grants;
  for (int project = 0; project < 3; ++project) {
    for (const auto* site : {"", "alpha", "alpha"}) {
      const auto grant = a_grant(count / 10, site, "p" + std::to_string(project));
      REQUIRE(store->wait(store->allocations().grant(grant)));
      grants.push_back(grant.id);
    }
  }
  ports::BalanceReport told{.balances = {}, .by = Principal("local:root"), .at = at(0), .note = ""};
  told.balances.push_back(
      {.project = ProjectId("p0"), .site = SiteId("beta"), .unit = "core-hours", .left = units(count / 40), .as_of = at(0)});
  REQUIRE(store->wait(store->allocations().tell_balances(told, {next_id()})));

  std::atomic<bool> over{false};
  const auto watch = [&] {
    do {
      const auto all = wait_here(store->allocations().allocations(std::nullopt, at(0)));
      const auto allowed = field.excess.load();  // rises before the store hears why
      for (const auto& one : all.value()) {
        const auto beyond = (one.reserved + one.used - one.granted).value;
        field.check(beyond <= allowed, "exceeded by " + std::to_string(beyond) + ", allowed " + std::to_string(allowed));
      }
    } while (!over);
  };
  const auto threads = store->takes_threads() ? 4 : 1;
  const auto play = [&](std::int64_t first) {
    std::mt19937_64 random(static_cast<std::uint64_t>(first) + 1);
    try {
      for (auto number = first; number < count; number += threads) History(field, random, number).play();
    } catch (const std::exception& failed) { field.check(false, failed.what()); }
  };
  {
    std::vector<std::thread> all;
    for (std::int64_t i = 0; i < threads && threads > 1; ++i) all.emplace_back(play, i);
    if (threads == 1)
      play(0);
    else {
      std::thread watcher(watch);
      for (auto& thread : all) thread.join();
      over = true;
      watcher.join();
    }
  }
  over = true;
  watch();
  INFO(field.fault);
  REQUIRE(field.fault.empty());
  CHECK(field.refused > 0);
  CHECK(field.open > 0);

  Charge used{}, reserved{};
  std::int64_t kept_runs = 0;
  for (const auto& id : grants) {
    const auto one = read(*store, id);
    const auto kept = store->wait(store->allocations().reservations(id, 1'000'000)).value();
    Charge sum{};
    for (const auto& reservation : kept) sum += reservation.reserved;
    CHECK(one.reserved == sum);
    CHECK(one.used == one.lately);  // the sum of its charges, made anew
    used += one.used;
    reserved += one.reserved;
    kept_runs += std::ssize(kept);
  }
  const auto all = store->wait(store->allocations().allocations(std::nullopt, at(0))).value();
  for (const auto& one : all) {
    if (one.kind != domain::AllocationKind::balance) continue;
    CHECK(one.used == one.lately);
    const auto kept = store->wait(store->allocations().reservations(one.id, 1'000'000)).value();
    Charge sum{};
    for (const auto& reservation : kept) sum += reservation.reserved;
    CHECK(one.reserved == sum);
  }
  CHECK(kept_runs == field.open);  // nothing else is kept
  CHECK(used.value == field.charged);
  CHECK((reserved.value > 0) == (field.open > 0));
}
