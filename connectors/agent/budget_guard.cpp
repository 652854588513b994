// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/budget_guard.hpp"

#include "broker/core/time_text.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace hansa::connectors::agent {

using ports::Deadline;
using ports::Task;

namespace {

constexpr Milliseconds kMostPatience{30'000};
constexpr Milliseconds kLookAgain{50};  // for what other processes of the agent give back, which nobody tells
constexpr Milliseconds kTold{600'000};  // between two lines of the log about one limit
constexpr std::int32_t kMostOfALook = 201;  // questions of one doctor() that count: it is the site's own word
constexpr int kTries = 20;
constexpr std::size_t kConcurrent = domain::LoadMeter::kRates;
constexpr std::string_view kKinds[] = {"queries", "submissions", "cancels", "calls"};

std::string limit_of(std::size_t kind, const domain::LoadBudget& budget) {
  if (kind == kConcurrent) return std::to_string(budget.concurrent_calls) + " calls at the same time";
  const auto rate = kind == 0 ? budget.queries_per_minute : kind == 1 ? budget.submits_per_minute : budget.cancels_per_minute;
  return std::to_string(rate) + " " + std::string(kKinds[kind]) + " a minute";
}

}  // namespace

/// Among the calls at the same time.
class BudgetGuard::Place {
 public:
  Place(std::shared_ptr<LoadBook> book, async::Event& left, std::size_t number)
      : book_(std::move(book)), left_(left), number_(number) {}
  ~Place() {
    book_->leave(number_);
    left_.set();
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  std::shared_ptr<LoadBook> book_;
  async::Event& left_;
  std::size_t number_;
};

Error BudgetGuard::over_budget(std::optional<Rate> rate, const LoadBook& book, std::optional<MonotonicTime> next) {
  const auto kind = rate ? static_cast<std::size_t>(*rate) : kConcurrent;
  const auto now = scheduler_.now_monotonic();
  auto& refused = refused_[kind];
  ++refused.calls;
  if (!refused.told_at || now - *refused.told_at >= kTold) {
    log_.write(ports::LogLevel::info, "the site's load budget is the limit",
               {{"budget", limit_of(kind, book.budget())}, {"refused", std::to_string(refused.calls)}});
    refused = {.calls = 0, .told_at = now};
  }
  auto message = "the load budget of site " + id_.str() + ", its own, is used up: " + limit_of(kind, book.budget());
  if (rate == Rate::queries) message += " (a quarter of that in quiet hours)";
  if (next) message += "; the next may go in " + format_duration(std::chrono::ceil<Seconds>(*next - now));
  return fail(ErrorKind::rate_limited, "OVER_BUDGET", std::move(message)).error();
}

Task<void> BudgetGuard::wait_for_turn(std::optional<Rate> rate, Deadline deadline, std::optional<Place>& place) {
  const auto book = book_;
  if (!book) co_return Result<void>{};
  const auto patience = scheduler_.now_monotonic() + std::min(deadline.remaining(scheduler_) / 2, kMostPatience);
  while (true) {
    const auto now = scheduler_.now_monotonic();
    const auto quiet = book->quiet_until(scheduler_.now_utc());  // which sets the rate of queries
    if (quiet && rate == Rate::submits) {
      co_return fail(ErrorKind::rate_limited, "SITE_QUIET",
                     "site " + id_.str() + " has quiet hours until " + format_utc(*quiet) + ": nothing new is taken");
    }
    const auto number = book->enter();
    if (!number) {
      if (now >= patience) co_return std::unexpected(over_budget(std::nullopt, *book, std::nullopt));
      co_await left_.wait_until(scheduler_, std::min(patience, now + kLookAgain));
      continue;
    }
    place.emplace(book, left_, *number);
    if (!rate) co_return Result<void>{};
    const auto turn = book->take(*rate, now);
    if (turn && !*turn) co_return Result<void>{};
    place.reset();
    if (!turn && turn.error().code != "BOOK_BUSY") co_return std::unexpected(turn.error());
    const auto next = turn ? **turn : now + kLookAgain;
    if (next > patience || now >= patience)
      co_return std::unexpected(over_budget(rate, *book, turn ? std::optional(next) : std::nullopt));
    co_await scheduler_.sleep_until(next);
  }
}

template <typename T>
Task<T> BudgetGuard::in_turn(std::optional<Rate> rate, Deadline deadline, Task<T> call) {
  std::optional<Place> place;
  if (auto turn = co_await wait_for_turn(rate, deadline, place); !turn) co_return std::unexpected(turn.error());
  co_return co_await std::move(call);
}

Task<domain::SiteSnapshot> BudgetGuard::snapshot(Deadline deadline) {
  auto snapshot = co_await in_turn(Rate::queries, deadline, site_.snapshot(deadline));
  if (snapshot && book_) {
    snapshot->quiet_until = book_->quiet_until(scheduler_.now_utc());
    snapshot->own_budget = book_->use(scheduler_.now_monotonic());
  }
  co_return snapshot;
}

Task<ports::SubmitReceipt> BudgetGuard::submit(ports::SubmitRequest request, Deadline deadline) {
  return in_turn(Rate::submits, deadline, site_.submit(std::move(request), deadline));
}

Task<ports::FindResult> BudgetGuard::find(std::vector<ports::SiteJob> wanted, Deadline deadline) {
  return in_turn(Rate::queries, deadline, site_.find(std::move(wanted), deadline));
}

Task<std::vector<ports::JobStatus>> BudgetGuard::status(std::vector<ports::SiteJob> jobs, Deadline deadline) {
  return in_turn(Rate::queries, deadline, site_.status(std::move(jobs), deadline));
}

Task<domain::CancelOutcome> BudgetGuard::cancel(ports::SiteJob job, ports::CancelWhen when, Deadline deadline) {
  return in_turn(Rate::cancels, deadline, site_.cancel(std::move(job), when, deadline));
}

Task<ports::SealOutcome> BudgetGuard::seal(ports::Fence fence, Deadline deadline) {
  return in_turn(std::nullopt, deadline, site_.seal(std::move(fence), deadline));
}

Task<ports::UsagePage> BudgetGuard::usage(ports::UsageCursor from, Deadline deadline) {
  return in_turn(Rate::queries, deadline, site_.usage(std::move(from), deadline));
}

Task<ports::OutputChunk> BudgetGuard::read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset,
                                                  std::size_t limit, Deadline deadline) {
  return in_turn(std::nullopt, deadline, site_.read_output(std::move(job), stream, offset, limit, deadline));
}

Task<std::vector<ports::FileFacts>> BudgetGuard::look_at(ports::SiteJob job, std::vector<std::string> paths, Deadline deadline) {
  return in_turn(std::nullopt, deadline, site_.look_at(std::move(job), std::move(paths), deadline));
}

Task<ports::FileChunk> BudgetGuard::read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                              Deadline deadline) {
  return in_turn(std::nullopt, deadline, site_.read_file(std::move(job), std::move(path), offset, limit, deadline));
}

Task<> BudgetGuard::remove_secrets(ports::SiteJob job, std::vector<std::string> files, Deadline deadline) {
  return in_turn(std::nullopt, deadline, site_.remove_secrets(std::move(job), std::move(files), deadline));
}

Task<ports::AccountLimits> BudgetGuard::account_limits(std::vector<ports::ProjectAccount> wanted, Deadline deadline) {
  return in_turn(Rate::queries, deadline, site_.account_limits(std::move(wanted), deadline));
}

Task<domain::DoctorReport> BudgetGuard::doctor(ports::DoctorRequest request, Deadline deadline) {
  const auto book = book_;
  auto report = co_await in_turn(Rate::queries, deadline, site_.doctor(std::move(request), deadline));
  if (!report || !book) co_return report;
  // How many questions it asks is known afterwards only: what went over the limit, later queries wait for.
  const auto more = std::clamp(report->questions, 1, kMostOfALook) - 1;
  for (int tries = 0; more > 0 && tries < kTries; ++tries) {
    const auto charged = book->charge(Rate::queries, more, scheduler_.now_monotonic());
    if (charged || charged.error().code != "BOOK_BUSY") break;
    co_await scheduler_.sleep_until(scheduler_.now_monotonic() + kLookAgain);
  }
  co_return report;
}

}  // namespace hansa::connectors::agent
