// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/site_desk.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>
#include <iterator>

namespace hansa::engine {

namespace {

/// A call whose record took longer is not made on it: time enough for a slow disk, little for the next life to wait.
constexpr Milliseconds kLeavesWithin{10'000};
constexpr Milliseconds kLimitTold{600'000};  // between two lines of the log about one limit
constexpr Milliseconds kFirstSlowDown{5'000}, kLongestSlowDown{300'000};
constexpr std::size_t kConcurrent = 3;           // into SiteDesk::limited_
constexpr std::string_view kBudgetKinds[] = {"queries", "submits", "cancels", "concurrent_calls", "waiting_jobs"};

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

Heard heard_in(CallKind kind, const Error& error) {
  // Of a job's code or secrets that are not there yet the account's folders may be the reason, or its size; and where people's
  // own agents serve a site it is no silence that there is nobody to ask.
  constexpr std::string_view kOurs[] = {"SITE_BUDGET", "SITE_DRAINED", "CODE_NOT_STAGED", "SECRETS_NOT_STAGED",
                                        "NOBODY_CONNECTED"};
  if (error.kind == ErrorKind::cancelled || std::ranges::find(kOurs, error.code) != std::end(kOurs)) return Heard::nothing;
  switch (error.kind) {
    case ErrorKind::deadline_exceeded:
    case ErrorKind::unavailable: return Heard::silence;
    case ErrorKind::unknown_outcome: return error.code == "SITE_REFUSED" ? Heard::answer : Heard::silence;
    case ErrorKind::internal:  // not understood
      return kind == CallKind::snapshot || kind == CallKind::query ? Heard::silence : Heard::answer;
    case ErrorKind::rate_limited: return Heard::nothing;  // of the scheduler: its own end keeps a budget of its own
    default: return Heard::answer;
  }
}

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
      presence_(dynamic_cast<ports::Presence*>(connector_.get())),
      meter_(site_.budget),
      breaker_({.failures = options_.breaker_failures,
                .first_probe_after = options_.first_probe_after,
                .longest_probe_after = options_.longest_probe_after},
               options_.broker_id + ' ' + site_.id.str()),
      call_ended_(strand) {
  state_.id = site_.id;
  connector_->when_reachable([this] { way_is_back(); });
}

/// A snapshot at once: the probe, if the site is left alone. Where a network comes back many sites do; they are spread over a
/// second, by no dice, so that a history plays twice the same.
void SiteDesk::way_is_back() {
  constexpr std::size_t kSpreadMs = 1'000;
  const auto mixed = std::hash<std::string>{}(options_.broker_id + ' ' + site_.id.str() + std::to_string(++ways_back_));
  way_back_at_ = scheduler_.now_monotonic() + Milliseconds{static_cast<std::int64_t>(mixed % kSpreadMs)};
  breaker_.probe_at_once(*way_back_at_);
  if (breaker_.open() || state_.health == domain::SiteHealth::down) wake_snapshot.set();
}

MonotonicTime SiteDesk::early_snapshot_at() {
  const auto share = std::exchange(free_place_, false) ? Spare::half : Spare::all;
  if (breaker_.open()) return snapshot_allowed_at();
  const auto now = scheduler_.now_monotonic();
  const bool had_its_turn = regular_taken_at_ && now - *regular_taken_at_ < interval(options_.snapshot_interval);
  if (!way_back_at_ || had_its_turn) return std::max(spare_query_at(share), way_back_at_.value_or(now));
  regular_taken_at_ = now;  // it comes instead of the next regular one: the rest that is kept for that is its own
  return std::max(free_at(ports::CallBudget::queries, now), *way_back_at_);
}

void SiteDesk::take_snapshot(domain::SiteSnapshot snapshot) {
  snapshot_ = std::move(snapshot);
  snapshot_at_ = scheduler_.now_monotonic();
}

std::optional<Error> SiteDesk::refusal(CallKind kind, MonotonicTime now) {
  if (breaker_.open() && !(kind == CallKind::snapshot && breaker_.may_probe(now))) {
    const auto next = scheduler_.now_utc() + std::max(Milliseconds{0}, breaker_.next_probe() - now);
    return fail(ErrorKind::unavailable, kLeftAlone,
                "site " + site_.id.str() + " has not answered " + std::to_string(breaker_.failures()) +
                    " times in a row and is left alone; it is tried again at " + format_utc(next))
        .error();
  }
  if (kind == CallKind::submit) {
    if (const auto end = quiet_until()) {
      return fail(ErrorKind::unavailable, "SITE_QUIET",
                  "site " + site_.id.str() + " has quiet hours until " + format_utc(*end) + ": nothing new is sent there")
          .error();
    }
  }
  return std::nullopt;
}

async::Task<> SiteDesk::wait_for_turn(CallKind kind, async::Deadline deadline, std::optional<CallInFlight>& place) {
  // The event lets one waiter through. However this one leaves, also cancelled or too late, a place that is free is handed on.
  struct HandOn {
    SiteDesk& desk;
    ~HandOn() {
      if (desk.calls_in_flight_ < desk.calls_at_once()) desk.call_ended_.set();
    }
  } hand_on{*this};
  const auto budget = budget_of(kind);
  bool waited = false;
  while (true) {
    const auto now = scheduler_.now_monotonic();
    if (now >= deadline.at) {
      co_return fail(ErrorKind::deadline_exceeded, "SITE_BUDGET",
                     "the load budget of site " + site_.id.str() + " left no room for this call in time; try again later");
    }
    if (auto refused = refusal(kind, now)) co_return std::unexpected(std::move(*refused));
    (void)quiet_until();  // which sets the rate
    const auto free = budget ? free_at(*budget, now) : now;
    if (kind == CallKind::submit && slowed_down() && free >= deadline.at) {  // waiting would be for nothing
      co_return fail(ErrorKind::rate_limited, "OVER_BUDGET",
                     "the own end of site " + site_.id.str() + " takes no more submissions for the moment");
    }
    if (free > now) {
      is_the_limit(static_cast<std::size_t>(*budget), std::exchange(waited, true) ? 0 : 1);
      co_await scheduler_.sleep_until(std::min(free, deadline.at));
    } else if (calls_in_flight_ >= calls_at_once()) {
      is_the_limit(kConcurrent, std::exchange(waited, true) ? 0 : 1);
      co_await call_ended_.wait_until(scheduler_, deadline.at);
    } else {
      place.emplace(*this, breaker_.open());
      if (budget) {
        auto& rate = window(*budget);
        rate.take(now);
        const auto leaves_by = std::min(now + kLeavesWithin, deadline.at);
        auto recorded =
            co_await store_.record_call({.site = site_.id, .budget = *budget, .leaves_by = leaves_by, .epoch = options_.epoch});
        if (!recorded) co_return recorded;
        const auto then = scheduler_.now_monotonic();
        rate.move(now, then);
        const bool opened = breaker_.open() && !place->probe;
        if (then >= leaves_by || opened || (kind == CallKind::submit && quiet_until())) {
          place.reset();
          continue;
        }
      }
      calls_.begun(kind);
      if (kind == CallKind::snapshot) way_back_at_.reset();
      if (kind == CallKind::submit || kind == CallKind::cancel) ++messages_;
      co_return Result<void>{};
    }
  }
}

void SiteDesk::is_the_limit(std::size_t kind, std::int64_t calls) {
  auto& limited = limited_[kind];
  limited.held_back += calls;
  const auto now = scheduler_.now_monotonic();
  if (limited.told_at && now - *limited.told_at < kLimitTold) return;
  const auto use = budget_use()[kind];
  log_.write(ports::LogLevel::info, "the load budget of a site is the limit",
             {{"site", site_.id.str()},
              {"budget", std::string(kBudgetKinds[kind])},
              {"limit", std::to_string(use.limit)},
              {"held_back", std::to_string(limited.held_back - limited.told)}});
  limited.told_at = now;
  limited.told = limited.held_back;
}

std::vector<BudgetUse> SiteDesk::budget_use() {
  (void)quiet_until();
  const auto now = scheduler_.now_monotonic();
  std::vector<BudgetUse> use;
  for (std::size_t i = 0; i < domain::LoadMeter::kRates; ++i) {
    auto& rate = window(static_cast<ports::CallBudget>(i));
    const std::int64_t limit = rate.limit();
    use.push_back({.kind = kBudgetKinds[i], .used = limit - rate.left(now), .limit = limit});
  }
  use.push_back({.kind = kBudgetKinds[kConcurrent], .used = calls_in_flight_, .limit = calls_at_once()});
  for (std::size_t i = 0; i < limited_.size(); ++i) use[i].held_back = limited_[i].held_back;
  use.push_back({.kind = kBudgetKinds[kConcurrent + 1],
                 .used = static_cast<std::int64_t>(waiting_there.size()),
                 .limit = site_.budget.waiting_jobs});
  return use;
}

std::optional<UtcTime> SiteDesk::quiet_until() {
  const auto now = scheduler_.now_utc();
  const auto ours = meter_.quiet_until(now);
  const auto told = snapshot_ ? snapshot_->quiet_until : std::nullopt;
  return told && *told > now ? std::max(ours.value_or(*told), *told) : ours;
}

MonotonicTime SiteDesk::next_submit_at() {
  const auto now = scheduler_.now_monotonic();
  const auto free = free_at(ports::CallBudget::submits, now);
  const auto quiet = quiet_until();
  return quiet ? std::max(free, now + (*quiet - scheduler_.now_utc())) : free;
}

MonotonicTime SiteDesk::snapshot_allowed_at() const {
  return breaker_.open() ? breaker_.next_probe() : scheduler_.now_monotonic();
}

async::Task<> SiteDesk::heard(CallKind kind, bool probe, const Error* error) {
  const auto word = error == nullptr ? Heard::answer : heard_in(kind, *error);
  if (error != nullptr && error->kind == ErrorKind::rate_limited) slow_down(kind, *error);
  // What one person was asked for says nothing but of that person's login.
  const bool of_a_person = error != nullptr && asks_as_persons() && kind != CallKind::snapshot;
  if (word == Heard::nothing || of_a_person) co_return Result<void>{};
  const auto now = scheduler_.now_monotonic();
  if (const auto budget = budget_of(kind); budget && slowed_down(*budget).until <= now) slowed_down(*budget).pause = {};
  bool opened = false;
  if (word == Heard::silence) {
    opened = breaker_.failed(now, probe);
    if (opened) {
      ++times_left_alone_;
      left_alone_at_ = now;
      log_.write(ports::LogLevel::warning, "site is left alone: it does not answer",
                 {{"site", site_.id.str()},
                  {"failures", std::to_string(breaker_.failures())},
                  {"code", error->code},
                  {"error", error->message},
                  {"next_probe_s", std::to_string((breaker_.next_probe() - now).count() / 1000)}});
    }
  } else if (breaker_.answered()) {
    warmth_ = 1;
    log_.write(ports::LogLevel::info, "site is asked again",
               {{"site", site_.id.str()}, {"after_s", std::to_string((now - left_alone_at_.value_or(now)).count() / 1000)}});
    wake_reconciler.set();
    if (kind != CallKind::snapshot) wake_snapshot.set();
  } else if (warmth_ < site_.budget.concurrent_calls) {
    ++warmth_;
  }
  if (opened || (kind == CallKind::query && error != nullptr)) wake_snapshot.set();  // is it the site?
  if (kind == CallKind::snapshot || opened) co_return co_await note(error);
  co_return Result<void>{};
}

void SiteDesk::slow_down(CallKind kind, const Error& error) {
  const auto budget = budget_of(kind);
  if (!budget) return;
  const auto now = scheduler_.now_monotonic();
  auto& slowed = slowed_down(*budget);
  if (slowed.until > now) return;  // one of those that were under way
  slowed.pause = std::clamp(slowed.pause * 2, kFirstSlowDown, kLongestSlowDown);
  slowed.until = now + slowed.pause;
  log_.write(ports::LogLevel::info, "the site's own end asks for fewer calls",
             {{"site", site_.id.str()},
              {"budget", std::string(kBudgetKinds[static_cast<std::size_t>(*budget)])},
              {"code", error.code},
              {"error", error.message},
              {"pause_ms", std::to_string(slowed.pause.count())}});
}

async::Task<> SiteDesk::note(const Error* error) {
  const bool answered = error == nullptr;
  const auto before = state_.health;
  if (answered) {
    state_.health = domain::SiteHealth::up;
    state_.last_success = scheduler_.now_utc();
  } else {
    state_.health = domain::SiteHealth::down;
    state_.last_failure = scheduler_.now_utc();
    state_.last_error = {error->code, error->message};
  }
  if (!answered && way_back_at_) wake_snapshot.set();  // it has come about while this failed
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

std::int32_t SiteDesk::queries_of_the_cadence() {
  const auto per_minute = [](Milliseconds interval) {
    return std::int32_t(60'000 / std::max<std::int64_t>(1'000, interval.count()));
  };
  // An early look at the states begins their cadence anew: the one that then comes later makes room for a page of accounting.
  const auto regular = per_minute(interval(options_.status_interval)) + per_minute(interval(options_.snapshot_interval)) +
                       per_minute(interval(options_.usage_interval));
  return std::min(regular, window(ports::CallBudget::queries).limit() / 2);
}

MonotonicTime SiteDesk::spare_query_at(Spare share) {
  const auto limit = window(ports::CallBudget::queries).limit();
  auto reserve = queries_of_the_cadence();
  if (share == Spare::half) reserve += (limit - reserve) / 2;
  return free_at(ports::CallBudget::queries, scheduler_.now_monotonic(), reserve);
}

MonotonicTime SiteDesk::spread_query_at(MonotonicTime last) {
  const auto now = scheduler_.now_monotonic();
  auto& queries = window(ports::CallBudget::queries);
  const auto left = std::max(1, queries.left(now) - queries_of_the_cadence());
  return std::max(spare_query_at(), last + (queries.first_leaves_at(now) - now) / left);
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

async::Task<> SiteDesk::keep_report(domain::DoctorReport report) {
  const auto before = std::exchange(state_.doctor, std::move(report));
  auto stored = co_await store_.record_site_state(state_);
  if (!stored) state_.doctor = before;
  co_return stored;
}

void SiteDesk::forget(const domain::Names& names) {
  state_.drain_reason = names.without(state_.drain_reason);
  state_.last_error.message = names.without(state_.last_error.message);
  if (state_.doctor && names.in(canonical_json(domain::to_json(*state_.doctor)))) state_.doctor.reset();  // it is found out anew
}

async::Task<> SiteDesk::charge_queries(std::int32_t more) {
  constexpr std::int32_t kMost = 200;  // what a site's own end says of itself is bounded
  for (auto left = std::min(more, kMost); left > 0; --left) {
    const auto now = scheduler_.now_monotonic();
    window(ports::CallBudget::queries).take(now);
    auto recorded = co_await store_.record_call(
        {.site = site_.id, .budget = ports::CallBudget::queries, .leaves_by = now, .epoch = options_.epoch});
    if (!recorded) co_return recorded;
  }
  co_return Result<void>{};
}

std::int32_t SiteDesk::room() {
  if (quiet_until() || breaker_.open() || slowed_down()) return 0;
  const auto places = site_.budget.waiting_jobs - static_cast<std::int32_t>(waiting_there.size());
  // After its own end has asked for fewer, one first.
  const bool tries = slowed_down(ports::CallBudget::submits).pause.count() > 0;
  const auto calls = (tries ? 1 : std::max(1, calls_at_once())) - submitting;
  const auto submits = window(ports::CallBudget::submits).left(scheduler_.now_monotonic()) - unsent;
  if (submits <= 0 && places > 0) is_the_limit(static_cast<std::size_t>(ports::CallBudget::submits), 0);
  return std::max(0, std::min({places, calls, submits}));
}

}  // namespace hansa::engine
