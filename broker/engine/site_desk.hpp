// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything the engine knows about one site, and the only way to call it: within its budget, with its health kept.
// Strand: the engine's.

#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/with_deadline.hpp"
#include "broker/domain/load_meter.hpp"
#include "broker/domain/nobody.hpp"
#include "broker/domain/snapshot.hpp"
#include "broker/engine/breaker.hpp"
#include "broker/engine/budget_use.hpp"
#include "broker/engine/call_figures.hpp"
#include "broker/engine/options.hpp"
#include "broker/ports/log.hpp"
#include "broker/ports/presence.hpp"
#include "broker/ports/site_connector.hpp"
#include "broker/ports/stores.hpp"

#include <array>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace hansa::engine {

inline constexpr std::size_t kJobStates = static_cast<std::size_t>(domain::JobState::rejected) + 1;

/// What the error that a call ended with says of its site.
enum class Heard {
  answer,   // it is there; its no is an answer, whatever it is about
  silence,  // it is out of reach, or beside itself
  nothing,  // the call ended on our side, or over something else than the site
};
Heard heard_in(CallKind kind, const Error& error);

/// The code of what is refused while a site is left alone.
inline constexpr std::string_view kLeftAlone = "SITE_LEFT_ALONE";

class SiteDesk {
 public:
  SiteDesk(boost::asio::any_io_executor strand, async::Scheduler& scheduler, const EngineOptions& options,
           ports::SiteStore& store, ports::Log& log, domain::Site site, std::unique_ptr<ports::SiteConnector> connector);

  [[nodiscard]] const domain::Site& site() const { return site_; }
  [[nodiscard]] const domain::SiteState& state() const { return state_; }
  /// Each person is asked for as themselves: the jobs of a call are one person's.
  [[nodiscard]] bool asks_as_persons() const { return connector_->asks_as_persons(); }
  /// Why nothing of this person's can be done there now (ports::Presence): it is not even tried.
  [[nodiscard]] std::optional<domain::Reason> absent(const Principal& person) const {
    return presence_ == nullptr ? std::nullopt : presence_->absent(person);
  }
  /// Calls `tell` whenever somebody has come who may have been absent.
  void when_present(std::function<void(const Principal&)> tell) {
    if (presence_ != nullptr) presence_->when_present(std::move(tell));
  }
  [[nodiscard]] const std::optional<domain::SiteSnapshot>& snapshot() const { return snapshot_; }
  [[nodiscard]] MonotonicTime snapshot_at() const { return snapshot_at_; }
  [[nodiscard]] const CallFigures& calls() const { return calls_; }
  /// Submissions and cancels: what the site's people feel of us.
  [[nodiscard]] std::int64_t messages() const { return messages_; }
  void restore(domain::SiteState state) { state_ = std::move(state); }
  /// A call of an earlier life, against the budget of this one.
  void restore(const ports::SiteCall& call) { window(call.budget).take(call.leaves_by); }
  void take_snapshot(domain::SiteSnapshot snapshot);

  /// Calls the connector once the budget allows it, and the store remembers the call: the budget is kept over restarts.
  /// A site is down from a snapshot that failed, or when its breaker opened, to one that came. While the breaker is open a
  /// snapshot that is due is the probe, and all else is refused at once: unavailable, SITE_LEFT_ALONE. In quiet hours nothing is
  /// submitted: unavailable, SITE_QUIET. `asked`, if given, outlives the call: still false at its end, nothing was asked of the
  /// site.
  template <class T>
  async::Task<T> call(CallKind kind, async::Deadline deadline,
                      std::function<async::Task<T>(ports::SiteConnector&, async::Deadline)> what, const bool* asked = nullptr) {
    std::optional<CallInFlight> in_flight;
    if (auto turn = co_await wait_for_turn(kind, deadline, in_flight); !turn) co_return std::unexpected(turn.error());
    const bool hurried =
        deadline.remaining(scheduler_) * 2 < (kind == CallKind::submit ? options_.submit_timeout : options_.call_timeout);
    const auto began = scheduler_.now_monotonic();
    auto answer = co_await async::with_deadline<T>(scheduler_, deadline, what(*connector_, deadline));
    // Cut off by our own line, or never begun: that says nothing of the site.
    if (asked != nullptr && !*asked) co_return answer;
    if (hurried && !answer && deadline.passed(scheduler_)) co_return answer;
    calls_.ended(kind, scheduler_.now_monotonic() - began);
    if (!answer) calls_.failed(answer.error(), heard_in(kind, answer.error()) == Heard::silence);
    if (auto noted = co_await heard(kind, in_flight->probe, answer ? nullptr : &answer.error()); !noted)
      co_return std::unexpected(noted.error());
    co_return answer;
  }

  /// When a query beyond the regular cadence may go. What nobody waits for leaves half of what the cadence does not need.
  enum class Spare { all, half };
  [[nodiscard]] MonotonicTime spare_query_at(Spare share = Spare::all);
  /// The same for one of many that follow each other, the last at `last`: what a minute has left lasts until more comes.
  [[nodiscard]] MonotonicTime spread_query_at(MonotonicTime last);

  /// Something was done to a job there: a look at it soon.
  void stir(const JobId& id) {
    if (asks_as_persons()) stirred.insert(id);
    wake_status.set();
  }

  /// One of ours has ended there: a snapshot soon, out of what the budget can spare.
  void place_came_free() {
    free_place_ = true;
    wake_snapshot.set();
  }
  /// When a snapshot that somebody asked for may go.
  [[nodiscard]] MonotonicTime early_snapshot_at();

  async::Task<> set_drained(bool drained, std::string reason);
  async::Task<> keep_report(domain::DoctorReport report);
  /// The state is written whole whenever a part of it changes: so that it brings no name back that the store has forgotten.
  void forget(const domain::Names& names);
  /// Queries that one call has made beside the one it was counted as: what comes next waits for its share of the rate.
  async::Task<> charge_queries(std::int32_t more);

  /// When the site's quiet hours are over, if they are now: by its entry here, or by its own end's word.
  [[nodiscard]] std::optional<UtcTime> quiet_until();
  /// Between two looks: four times as long in quiet hours.
  [[nodiscard]] Milliseconds interval(Milliseconds usual) { return quiet_until() ? 4 * usual : usual; }
  [[nodiscard]] const Breaker& breaker() const { return breaker_; }
  /// While the breaker is open: when the next snapshot may go. Else now.
  [[nodiscard]] MonotonicTime snapshot_allowed_at() const;
  [[nodiscard]] std::vector<BudgetUse> budget_use();
  [[nodiscard]] std::int64_t times_left_alone() const { return times_left_alone_; }

  // Our jobs there, by what they need next. Kept by the engine's observers.
  std::set<JobId> live;  // attempts that are not ended
  std::set<JobId> bound;  // with a site job id: status is asked for them
  std::set<JobId> unresolved;  // unknown: looked for
  std::set<JobId> unseen;  // bound, and in no listing of the site any more: looked for as well
  std::set<std::pair<UtcTime, JobId>> unknown;  // attempts with an unknown_since, by it
  std::array<std::int64_t, kJobStates> jobs_in{};  // how many of `live` are in each state
  std::set<JobId> waiting_there;  // ours in its queue or on their way: held against budget.waiting_jobs
  std::set<JobId> stirred;  // where persons are asked one by one: of these there is news to be had

  /// The site's own end takes no more submissions for the moment.
  [[nodiscard]] bool slowed_down() { return slowed_down(ports::CallBudget::submits).until > scheduler_.now_monotonic(); }
  /// How many jobs could be sent there at once.
  [[nodiscard]] std::int32_t room();
  /// When the rate of submissions and the quiet hours allow one; in the past or now if they do.
  [[nodiscard]] MonotonicTime next_submit_at();
  std::int32_t submitting = 0;  // submissions placed and not yet answered
  std::int32_t unsent = 0;  // of those, without their share of the rate yet

  async::Event wake_status;  // something happened there: look soon
  async::Event wake_usage;
  async::Event wake_snapshot;
  async::Event wake_reconciler;

 private:
  struct CallInFlight {
    CallInFlight(SiteDesk& desk, bool is_probe) : probe(is_probe), desk_(desk) {
      ++desk_.calls_in_flight_;
      if (probe) desk_.breaker_.probe_begins();
    }
    ~CallInFlight() {
      --desk_.calls_in_flight_;
      if (probe) desk_.breaker_.probe_ends();
      desk_.call_ended_.set();
    }
    CallInFlight(const CallInFlight&) = delete;
    CallInFlight& operator=(const CallInFlight&) = delete;
    const bool probe;
    SiteDesk& desk_;
  };

  struct SlowedDown {
    MonotonicTime until{};
    Milliseconds pause{0};  // of the last time; none since a call of the kind went through
  };

  /// Then `place` is held, the call counted and on record.
  async::Task<> wait_for_turn(CallKind kind, async::Deadline deadline, std::optional<CallInFlight>& place);
  /// Why a call of this kind is not made at all now, whatever the budget has left.
  [[nodiscard]] std::optional<Error> refusal(CallKind kind, MonotonicTime now);
  async::Task<> heard(CallKind kind, bool probe, const Error* error);
  void way_is_back();
  async::Task<> note(const Error* error);
  /// `calls` more had to wait. Told in the log once in a while, with their number.
  void is_the_limit(std::size_t kind, std::int64_t calls);
  /// At once: fewer just after an outage, one more with each answer.
  [[nodiscard]] std::int32_t calls_at_once() const { return std::min(site_.budget.concurrent_calls, warmth_); }
  domain::RateWindow& window(ports::CallBudget budget) { return meter_.window(static_cast<domain::LoadMeter::Rate>(budget)); }
  [[nodiscard]] SlowedDown& slowed_down(ports::CallBudget budget) { return slowed_down_[static_cast<std::size_t>(budget)]; }
  /// Of a minute, kept back from those that are beyond it.
  [[nodiscard]] std::int32_t queries_of_the_cadence();
  /// When a call of that kind may go, by our count and by the word of the site's own end.
  [[nodiscard]] MonotonicTime free_at(ports::CallBudget budget, MonotonicTime now, std::int32_t reserve = 0) {
    return std::max(window(budget).free_at(now, reserve), slowed_down(budget).until);
  }
  /// The site's own end keeps a budget as well, and has said that this was too much: nothing of the kind goes for a while.
  void slow_down(CallKind kind, const Error& error);

  async::Scheduler& scheduler_;
  const EngineOptions& options_;
  ports::SiteStore& store_;
  ports::Log& log_;
  domain::Site site_;
  std::unique_ptr<ports::SiteConnector> connector_;
  ports::Presence* presence_;  // of the connector, if its people come and go
  domain::SiteState state_;
  std::optional<domain::SiteSnapshot> snapshot_;
  MonotonicTime snapshot_at_{};
  domain::LoadMeter meter_;
  std::array<SlowedDown, domain::LoadMeter::kRates> slowed_down_;  // by CallBudget
  Breaker breaker_;
  std::int64_t times_left_alone_ = 0;
  std::optional<MonotonicTime> left_alone_at_;
  std::int32_t warmth_ = std::numeric_limits<std::int32_t>::max();
  struct Limited {
    std::int64_t held_back = 0;  // since the start
    std::int64_t told = 0;  // of those, in the log
    std::optional<MonotonicTime> told_at;
  };
  std::array<Limited, 4> limited_;  // by CallBudget; then calls at once
  std::int32_t calls_in_flight_ = 0;
  CallFigures calls_;
  std::int64_t messages_ = 0;
  bool free_place_ = false;
  std::optional<MonotonicTime> way_back_at_;  // since the last snapshot began: when the next may go for it
  std::optional<MonotonicTime> regular_taken_at_;  // by a snapshot for a way that had come about again
  std::int64_t ways_back_ = 0;
  async::Event call_ended_;
};

}  // namespace hansa::engine
