// SPDX-License-Identifier: Apache-2.0
// Fills a store through the real SqliteStore: jobs that are over (one attempt, one run, a decision, five events each) and, after
// them, jobs that wait (a decision, two events each). What the broker would have written, without the months of waiting for it.
//
//   fill_store --dir STATE_DIR --jobs N --waiting N [--ids FILE] [--projects N] [--charged]
//     --ids: a random sample of 20,000 job ids, one a line; --projects: p0, p1, ... by turns instead of ai-lab; --charged:
//     something is kept for each job of a grant of its project, until its usage is told
//
// Job number n (from 0) has the site job id n + 1, the project n mod N, and the owner (n div 250) mod 20.

#include "broker/domain/allocation.hpp"
#include "broker/domain/transition.hpp"
#include "broker/store/sqlite_store.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

namespace {

using namespace hansa;
using namespace hansa::domain;

constexpr int kCallers = 8;
constexpr std::size_t kBulk = 250;                // jobs accepted in one request; their changes are recorded side by side
constexpr std::size_t kOwners = 20;
constexpr std::size_t kSample = 20'000;

struct SystemClock final : Clock {
  UtcTime now_utc() const override { return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now()); }
  MonotonicTime now_monotonic() const override { return {}; }
};
struct Mersenne final : Random {
  std::mt19937_64 engine{1};
  void fill(std::span<std::byte> out) override {
    for (auto& byte : out) byte = static_cast<std::byte>(engine());
  }
};

[[noreturn]] void die(const Error& error) {
  std::fprintf(stderr, "fill_store: %s %s %s\n", error.code.c_str(), error.message.c_str(), error.detail.c_str());
  std::_Exit(1);
}
template <typename T>
T must(Result<T> result) {
  if (!result) die(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

ProjectId project_of(std::size_t number, std::size_t projects) {
  return ProjectId(projects == 1 ? "ai-lab" : "p" + std::to_string(number % projects));
}

class Filler {
 public:
  Filler(store::SqliteStore& store, std::int64_t epoch, std::size_t jobs, std::size_t waiting, std::size_t projects, bool charged)
      : store_(store), epoch_(epoch), jobs_(jobs), over_(jobs - waiting), projects_(projects), charged_(charged) {}

  void run() {
    if (charged_) grant_plenty();
    for (int i = 0; i < kCallers; ++i) {
      boost::asio::co_spawn(context_, caller(), [](const std::exception_ptr& e, const Result<void>&) {
        if (e) std::rethrow_exception(e);
      });
    }
    context_.run();
  }

  std::vector<JobId> sample() {
    std::vector<JobId> sample;
    std::ranges::sample(ids_, std::back_inserter(sample), kSample, random_.engine);
    return sample;
  }

 private:
  ports::NewJob make(std::size_t number, std::size_t owner) {
    JobSpec spec;
    spec.name = "train-" + std::to_string(number % 1000);
    spec.project = project_of(number, projects_);
    spec.time_limit = Seconds{600};
    return {
        .job = new_job(ids_source_.next(), epoch_, clock_.now_utc(),
                       Accepted{.owner = Principal("local:user" + std::to_string(owner)), .broker_id = "bench", .spec = spec}),
        .payload = {.script = "#!/bin/bash\n#model run=3600s\nmodule load python\nsrun python train.py --epochs 3 --lr 0.001\n" +
                              std::string(200, '#') + "\n",
                    .arguments = {"--epochs", "3"},
                    .environment = {{"OMP_NUM_THREADS", "8"}, {"MODE", "train"}}}};
  }

  static Decision decision(UtcTime at, bool placed) {
    Verdict verdict{.site = SiteId("model"),
                    .source = "snapshot",
                    .age = Seconds{12},
                    .queue = QueueName("batch"),
                    .method = "queue played forward (EASY)"};
    if (placed) {
      verdict.code = "OK";
      verdict.wait = Seconds{40};
    } else {
      verdict.obstacle = Obstacle::temporary;
      verdict.code = "BUDGET_FULL";
      verdict.message = "1 of our jobs waits there, the budget allows 1";
    }
    Decision decision{.at = at, .queue = placed ? QueueName("batch") : QueueName(), .verdicts = {verdict}};
    if (placed) decision.chosen = SiteId("model");
    return decision;
  }

  async::Task<> caller() {
    while (next_ < jobs_) {
      std::vector<ports::NewJob> request;
      std::vector<Job> jobs;
      const auto owner = owners_++ % kOwners;
      const auto first = next_;
      const auto count = std::min(kBulk, jobs_ - next_);
      next_ += count;
      for (std::size_t i = 0; i < count; ++i) {
        request.push_back(make(first + i, owner));
        jobs.push_back(request.back().job);
      }
      const auto key = ports::Idempotency{.key = ids_source_.next().str(), .request_hash = std::string(64, 'a')};
      must(co_await store_.accept_jobs(std::move(request), key));
      for (std::size_t i = 0; i < count; ++i) {
        ids_.push_back(jobs[i].id);
        std::vector<ports::JobChange> changes;
        if (first + i >= over_) {
          changes.push_back(waiting(std::move(jobs[i])));
        } else {
          if (charged_) changes.push_back(intended(jobs[i]));
          changes.push_back(ended(std::move(jobs[i]), first + i));
        }
        boost::asio::co_spawn(context_, recorded(std::move(changes)), [](const std::exception_ptr& e, const Result<void>&) {
          if (e) std::rethrow_exception(e);
        });
      }
      co_await caught_up();
    }
    co_return Result<void>{};
  }

  async::Task<> recorded(std::vector<ports::JobChange> changes) {
    for (auto& change : changes) must(co_await store_.record(std::move(change)));
    co_return Result<void>{};
  }

  void grant_plenty() {
    for (std::size_t i = 0; i < projects_; ++i) {
      Allocation grant;
      grant.id = ids_source_.next();
      grant.project = project_of(i, projects_);
      grant.unit = "core-hours";
      grant.granted = {kChargesPerUnit * 1'000'000'000};
      grant.by = Principal("local:root");
      grant.note = "bench";
      boost::asio::co_spawn(context_, store_.grant(std::move(grant)), [](const std::exception_ptr& e, Result<void> done) {
        if (e) std::rethrow_exception(e);
        must(std::move(done));
      });
    }
    context_.run();
    context_.restart();
  }

  /// Lets the writer catch up: its queue is bounded.
  async::Task<> caught_up() {
    while (store_.figures().queued > 2'000) (void)co_await store_.last_event();
    co_return Result<void>{};
  }

  static ports::JobChange change(Job job, std::vector<EventBody> bodies, bool placed) {
    ports::JobChange made;
    const auto at = job.accepted_at;
    for (auto& body : bodies) {
      made.events.push_back({.at = at, .body = std::move(body)});
      must(apply(job, made.events.back()));
    }
    made.job = std::move(job);
    made.decision = decision(at, placed);
    return made;
  }

  static AttemptIntended intent() {
    return {.attempt = 1,
            .site = SiteId("model"),
            .queue = QueueName("batch"),
            .account = LocalAccount("alice"),
            .scheduler_account = "proj1"};
  }

  /// And `job` follows it. The most that a run of it costs is that of 64 cores.
  static ports::JobChange intended(Job& job) {
    auto made = change(job, {intent()}, true);
    made.hold =
        Hold{.rule = {.unit = "core-hours", .per_core = 1'000}, .most = {.nodes = 1, .cores = 64, .time = Seconds{7'260}}};
    job = made.job;
    return made;
  }

  static ports::JobChange ended(Job job, std::size_t number) {
    const auto at = job.accepted_at;
    std::vector<EventBody> events;
    if (job.attempts.empty()) events.emplace_back(intent());
    events.emplace_back(AttemptBound{.attempt = 1, .site_job_id = SiteJobId(std::to_string(number + 1))});
    events.emplace_back(RunStarted{.attempt = 1, .started_at = at + Seconds{40}});
    events.emplace_back(AttemptEnded{.attempt = 1,
                                     .outcome = Outcome::succeeded,
                                     .started_at = at + Seconds{40},
                                     .ended_at = at + Seconds{340},
                                     .exit_code = 0});
    return change(std::move(job), std::move(events), true);
  }

  static ports::JobChange waiting(Job job) {
    return change(
        std::move(job),
        {Waiting{{"IN_LINE", "sites that can take it have as many of our jobs as they allow; it is next as they start"}}}, false);
  }

  store::SqliteStore& store_;
  std::int64_t epoch_;
  std::size_t jobs_;
  std::size_t over_;
  std::size_t projects_;
  bool charged_;
  std::size_t next_ = 0;
  std::size_t owners_ = 0;
  SystemClock clock_;
  Mersenne random_;
  UlidSource ids_source_{clock_, random_};
  std::vector<JobId> ids_;
  boost::asio::io_context context_{1};
};

}  // namespace

int main(int argc, char** argv) {
  std::filesystem::path dir;
  std::filesystem::path ids;
  std::size_t jobs = 0;
  std::size_t waiting = 0;
  std::size_t projects = 1;
  bool charged = false;
  CLI::App command("Fills a store.");
  command.add_option("--dir", dir)->required();
  command.add_option("--jobs", jobs)->required();
  command.add_option("--waiting", waiting)->required();
  command.add_option("--ids", ids);
  command.add_option("--projects", projects)->check(CLI::PositiveNumber);
  command.add_flag("--charged", charged);
  CLI11_PARSE(command, argc, argv);
  if (waiting > jobs) return std::fprintf(stderr, "fill_store: more waiting jobs than jobs\n"), 2;
  store::Options options;
  options.state_dir = dir;
  options.broker_id = "bench";
  auto store = must(store::SqliteStore::open(std::move(options)));
  Filler filler(*store, must(store->begin_epoch()), jobs, waiting, projects, charged);
  filler.run();
  must(store->close());
  if (!ids.empty()) {
    std::ofstream out(ids);
    for (const auto& id : filler.sample()) out << id.str() << '\n';
    out.close();
    if (!out) return std::fprintf(stderr, "fill_store: cannot write %s\n", ids.c_str()), 1;
  }
  return 0;
}
