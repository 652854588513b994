// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/site_desk.hpp"

#include <algorithm>

namespace hansa::engine {

namespace {

/// A call whose record took longer is not made on it: time enough for a slow disk, little for the next life to wait.
constexpr Milliseconds kLeavesWithin{10'000};

/// Nothing: not limited by rate.
std::optional<ports::CallBudget> budget_of(CallKind kind) {
  switch (kind) {
    case CallKind::snapshot:
    case CallKind::query: return ports::CallBudget::queries;
    case CallKind::submit: return ports::CallBudget::submits;
    case CallKind::cancel: return ports::CallBudget::cancels;
    case CallKind::read: break;
  }
  return std::nullopt;
}

}  // namespace

SiteDesk::SiteDesk(boost::asio::any_io_executor strand, async::Scheduler& scheduler, const EngineOptions& options,
                   ports::SiteStore& store, ports::Log& log, domain::Site site, std::unique_ptr<ports::SiteConnector> connector)
    : wake_status(strand),
      wake_usage(strand),
      wake_snapshot(strand),
      wake_reconciler(strand),
      scheduler_(scheduler),
      options_(options),
      store_(store),
      log_(log),
      site_(std::move(site)),
      connector_(std::move(connector)),
      windows_{RateWindow(site_.budget.queries_per_minute), RateWindow(site_.budget.submits_per_minute),
               RateWindow(site_.budget.cancels_per_minute)},
      call_ended_(strand) {
  state_.id = site_.id;
}

void SiteDesk::take_snapshot(domain::SiteSnapshot snapshot) {
  snapshot_ = std::move(snapshot);
  snapshot_at_ = scheduler_.now_monotonic();
}

async::Task<> SiteDesk::wait_for_turn(CallKind kind, async::Deadline deadline, std::optional<CallInFlight>& place) {
  // The event lets one waiter through. However this one leaves, also cancelled or too late, a place that is free is handed on.
  struct HandOn {
    SiteDesk& desk;
    ~HandOn() {
      if (desk.calls_in_flight_ < desk.site_.budget.concurrent_calls) desk.call_ended_.set();
    }
  } hand_on{*this};
  const auto budget = budget_of(kind);
  while (true) {
    const auto now = scheduler_.now_monotonic();
    if (now >= deadline.at) {
      co_return fail(ErrorKind::deadline_exceeded, "SITE_BUDGET",
                     "the load budget of site " + site_.id.str() + " left no room for this call in time; try again later");
    }
    const auto free = budget ? window(*budget).free_at(now) : now;
    if (free > now) {
      co_await scheduler_.sleep_until(std::min(free, deadline.at));
    } else if (calls_in_flight_ >= site_.budget.concurrent_calls) {
      co_await call_ended_.wait_until(scheduler_, deadline.at);
    } else {
      place.emplace(*this);
      if (budget) {
        auto& rate = window(*budget);
        rate.take(now);
        const auto leaves_by = std::min(now + kLeavesWithin, deadline.at);
        auto recorded =
            co_await store_.record_call({.site = site_.id, .budget = *budget, .leaves_by = leaves_by, .epoch = options_.epoch});
        if (!recorded) co_return recorded;
        const auto then = scheduler_.now_monotonic();
        rate.move(now, then);
        if (then >= leaves_by) {
          place.reset();
          continue;
        }
      }
      ++calls_made_;
      if (kind == CallKind::submit || kind == CallKind::cancel) ++messages_;
      co_return Result<void>{};
    }
  }
}

async::Task<> SiteDesk::note(const Error* error) {
  const bool answered = error == nullptr;
  if (error != nullptr && (error->kind == ErrorKind::cancelled || error->code == "SITE_BUDGET")) co_return Result<void>{};
  const auto before = state_.health;
  if (answered) {
    state_.health = domain::SiteHealth::up;
    state_.last_success = scheduler_.now_utc();
  } else {
    state_.health = domain::SiteHealth::down;
    state_.last_failure = scheduler_.now_utc();
    state_.last_error = {error->code, error->message};
  }
  if (before == state_.health) co_return Result<void>{};
  if (answered) {
    log_.write(ports::LogLevel::info, "site answers", {{"site", site_.id.str()}});
    wake_status.set();
  } else {
    log_.write(ports::LogLevel::warning, "site does not answer",
               {{"site", site_.id.str()}, {"code", error->code}, {"error", error->message}, {"detail", error->detail}});
  }
  // Health is a convenience after a restart; that it could not be stored must not fail the call that told it.
  (void)co_await store_.record_site_state(state_);
  co_return Result<void>{};
}

MonotonicTime SiteDesk::spare_query_at(Spare share) {
  const auto per_minute = [](Milliseconds interval) {
    return std::int32_t(60'000 / std::max<std::int64_t>(1'000, interval.count()));
  };
  // An early look at the states begins their cadence anew: the one that then comes later makes room for a page of accounting.
  const auto regular =
      per_minute(options_.status_interval) + per_minute(options_.snapshot_interval) + per_minute(options_.usage_interval);
  auto& queries = window(ports::CallBudget::queries);
  auto reserve = std::min(regular, queries.limit() / 2);
  if (share == Spare::half) reserve += (queries.limit() - reserve) / 2;
  return queries.free_at(scheduler_.now_monotonic(), reserve);
}

async::Task<> SiteDesk::set_drained(bool drained, std::string reason) {
  // Set first: a change of health that is stored meanwhile must not store the drain as it was.
  const auto before = state_;
  state_.drained = drained;
  state_.drain_reason = std::move(reason);
  auto stored = co_await store_.record_site_state(state_);
  if (!stored) {
    state_.drained = before.drained;
    state_.drain_reason = before.drain_reason;
  }
  co_return stored;
}

std::int32_t SiteDesk::room() {
  const auto places = site_.budget.waiting_jobs - static_cast<std::int32_t>(waiting_there.size());
  const auto calls = std::max(1, site_.budget.concurrent_calls) - submitting;
  const auto submits = window(ports::CallBudget::submits).left(scheduler_.now_monotonic()) - unsent;
  return std::max(0, std::min({places, calls, submits}));
}

}  // namespace hansa::engine
