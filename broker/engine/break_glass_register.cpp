// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/break_glass_register.hpp"

#include "broker/async/run_on.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::engine {

using domain::BreakGlass;
using domain::BreakGlassId;
using domain::BreakGlassState;

namespace {

constexpr Seconds kSeenEvery{60};
constexpr Seconds kTryEndAgain{1};  // an end that could not be written; nothing is opened by it meanwhile
constexpr Milliseconds kLookForStale{3'600'000};  // at the latest: the wall clock, by which a request lapses, can be set
constexpr std::size_t kMostOpen = 100'000;

std::unexpected<Error> glass_ended(BreakGlassId id) {
  return fail(ErrorKind::permission_denied, "BREAK_GLASS_ENDED",
              "break-glass " + id.str() + " is over; if there is still need, ask again: hansa break-glass request");
}

}  // namespace

BreakGlassRegister::BreakGlassRegister(Parts parts)
    : parts_(std::move(parts)), opened_(parts_.strand), tasks_(parts_.strand, 1, [this](std::string_view, const Error& error) {
        parts_.log.write(ports::LogLevel::error, "break-glass is not tended any more",
                         {{"code", error.code}, {"error", error.message}});
      }) {}

async::Task<> BreakGlassRegister::start() {
  auto found = co_await parts_.store.break_glasses({.state = BreakGlassState::open, .by = std::nullopt, .limit = kMostOpen});
  if (!found) co_return std::unexpected(found.error());
  for (auto& glass : *found) open(std::move(glass));
  auto waiting = co_await parts_.store.break_glasses({.state = BreakGlassState::pending, .by = std::nullopt, .limit = kMostOpen});
  if (!waiting) co_return std::unexpected(waiting.error());
  for (const auto& glass : *waiting) await_second(glass.id);
  co_return tasks_.spawn("break-glass", loop());
}

bool BreakGlassRegister::is_over(const Open& one) const {
  return parts_.scheduler.now_monotonic() >= one.good_until || parts_.scheduler.now_utc() >= *one.glass.until;
}

void BreakGlassRegister::open(BreakGlass glass, bool approved) {
  const auto now = parts_.scheduler.now_monotonic();
  const auto left = domain::left_of(glass, parts_.scheduler.now_utc());
  const std::lock_guard lock(mutex_);
  const auto id = glass.id;
  if (approved) ++approved_;
  const bool waited = pending_.erase(id) > 0;
  if (approved && !waited) return;  // end_as() was faster: both records were in one commit
  open_.insert_or_assign(id, Open{.glass = std::move(glass), .good_until = now + left, .look_again = now + kSeenEvery});
}

void BreakGlassRegister::await_second(BreakGlassId id) {
  const std::lock_guard lock(mutex_);
  pending_.insert(id);
}

void BreakGlassRegister::forget(BreakGlassId id) {
  const std::lock_guard lock(mutex_);
  open_.erase(id);
  pending_.erase(id);
}

BreakGlassRegister::Figures BreakGlassRegister::figures() const {
  const std::lock_guard lock(mutex_);
  return {.open = std::ranges::count_if(open_, [this](const auto& one) { return !is_over(one.second); }),
          .pending = std::ssize(pending_),
          .approved = approved_};
}

async::Task<> BreakGlassRegister::wake() {
  opened_.set();
  co_return Result<void>{};
}

async::Task<> BreakGlassRegister::loop() {
  for (;;) {
    std::vector<Open> all;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, one] : open_) all.push_back(one);
    }
    for (auto& one : all) (void)co_await look(std::move(one));
    auto next = (co_await end_stale()).value_or(parts_.scheduler.now_monotonic() + kSeenEvery);
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, one] : open_) {
        const auto at = is_over(one) ? one.look_again : std::min(one.good_until, one.look_again);
        next = next ? std::min(*next, at) : at;
      }
    }
    if (next)
      co_await opened_.wait_until(parts_.scheduler, *next);
    else if (!co_await opened_.wait())
      co_return Result<void>{};
  }
}

/// Ends it if it is over, or says that it has been seen open.
async::Task<> BreakGlassRegister::look(Open one) {
  const auto id = one.glass.id;
  Result<void> done;
  if (is_over(one)) {
    auto over = co_await end_as(id, {}, domain::kEndedInTime);
    if (!over) done = std::unexpected(over.error());
  } else if (parts_.scheduler.now_monotonic() >= one.look_again) {
    done = co_await parts_.store.see_break_glass(id, parts_.scheduler.now_utc(), parts_.epoch);
  }
  if (!done && done.error().kind != ErrorKind::cancelled) {
    parts_.log.write(ports::LogLevel::error, "break-glass cannot be kept on record; trying again",
                     {{"id", id.str()}, {"code", done.error().code}, {"error", done.error().message}});
  }
  const std::lock_guard lock(mutex_);
  if (const auto at = open_.find(id); at != open_.end())
    at->second.look_again = parts_.scheduler.now_monotonic() + (done ? kSeenEvery : kTryEndAgain);
  co_return done;
}

/// Ends what nobody approved in time: it would stand in the way of an erasure for good. When to look again; none: nothing waits.
async::Task<std::optional<MonotonicTime>> BreakGlassRegister::end_stale() {
  auto waiting = co_await parts_.store.break_glasses({.state = BreakGlassState::pending, .by = std::nullopt, .limit = kMostOpen});
  std::optional<Error> problem;
  if (!waiting) problem = waiting.error();
  std::optional<MonotonicTime> next;
  for (const auto& glass : waiting ? *waiting : std::vector<BreakGlass>{}) {
    const auto now = parts_.scheduler.now_utc();
    auto wait = std::clamp(glass.at + domain::kBreakGlassWaits - now + Milliseconds{1}, Milliseconds{1}, kLookForStale);
    if (!domain::may_be_ruled(glass, now)) {
      auto over = co_await end_as(glass.id, {}, domain::kEndedStale);
      if (over) continue;
      problem = over.error();
      wait = kSeenEvery;
    }
    const auto at = parts_.scheduler.now_monotonic() + wait;
    next = next ? std::min(*next, at) : at;
  }
  if (!problem) co_return next;
  if (problem->kind != ErrorKind::cancelled)
    parts_.log.write(ports::LogLevel::error, "break-glass that nobody approved cannot be ended; trying again",
                     {{"code", problem->code}, {"error", problem->message}});
  co_return std::unexpected(*std::move(problem));
}

async::Task<BreakGlass> BreakGlassRegister::ask(Asking asking, std::vector<Principal> makers, domain::BreakGlassScope scope,
                                                Seconds lasts) {
  const auto bad = [](std::string message) { return fail(ErrorKind::invalid_argument, "BAD_BREAK_GLASS", std::move(message)); };
  if (lasts < domain::kBreakGlassShortest || lasts > parts_.longest)
    co_return bad("break-glass lasts from " + std::to_string(domain::kBreakGlassShortest.count()) + " s to " +
                  std::to_string(parts_.longest.count()) + " s here (break_glass.longest_s)");
  if (scope.person == asking.by) co_return bad("what is your own is open to you");
  auto waiting = co_await parts_.store.break_glasses({.state = BreakGlassState::pending, .by = asking.by, .limit = 100});
  if (!waiting) co_return std::unexpected(waiting.error());
  const auto now = parts_.scheduler.now_utc();
  for (const auto& one : *waiting) {
    if (one.scope == scope && domain::may_be_ruled(one, now))
      co_return fail(ErrorKind::conflict, "ALREADY_PENDING",
                     "you have asked for that already: break-glass " + one.id.str() +
                         " waits for a second operator (hansa break-glass approve)");
  }
  BreakGlass glass{.id = parts_.ids.next(),
                   .scope = std::move(scope),
                   .reason = std::move(asking.reason),
                   .by = std::move(asking.by),
                   .at = now,
                   .lasts = lasts,
                   .makers = std::move(makers)};
  await_second(glass.id);  // before anybody can rule on it
  if (auto asked = co_await parts_.store.ask_break_glass(glass, parts_.epoch); !asked) {
    forget(glass.id);
    co_return std::unexpected(asked.error());
  }
  parts_.log.write(ports::LogLevel::warning, "break-glass waits for a second person",
                   {{"id", glass.id.str()}, {"by", glass.by.str()}, {"scope", glass.scope.str()}});
  (void)co_await async::run_on(parts_.strand, wake());
  co_return glass;
}

async::Task<BreakGlass> BreakGlassRegister::rule(BreakGlassId id, ports::BreakGlassRuling ruling) {
  auto ruled = co_await parts_.store.rule_break_glass(id, std::move(ruling), parts_.scheduler.now_utc(), parts_.epoch);
  if (!ruled) co_return ruled;
  const bool opens = ruled->state == BreakGlassState::open;
  parts_.log.write(ports::LogLevel::warning, opens ? "break-glass is open" : "break-glass is rejected",
                   {{"id", id.str()},
                    {"by", ruled->ruled_by.str()},
                    {"scope", ruled->scope.str()},
                    {"until", ruled->until ? format_utc(*ruled->until) : ""}});
  if (!opens) {
    forget(id);
    co_return ruled;
  }
  open(*ruled, true);
  (void)co_await async::run_on(parts_.strand, wake());
  co_return ruled;
}

/// First of all nothing is opened by it any more, whatever becomes of the record.
async::Task<BreakGlass> BreakGlassRegister::end_as(BreakGlassId id, Principal by, std::string_view why) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = open_.find(id); at != open_.end()) at->second.good_until = MonotonicTime{};
  }
  auto over =
      co_await parts_.store.end_break_glass(id, std::move(by), std::string(why), parts_.scheduler.now_utc(), parts_.epoch);
  if (!over) co_return over;
  forget(id);
  parts_.log.write(ports::LogLevel::warning, "break-glass is over",
                   {{"id", id.str()}, {"why", over->why}, {"uses", std::to_string(over->uses)}});
  co_return over;
}

async::Task<BreakGlass> BreakGlassRegister::end(BreakGlassId id, Principal by) {
  auto over = co_await end_as(id, std::move(by), domain::kEndedByHand);
  if (!over && over.error().kind != ErrorKind::not_found) (void)co_await async::run_on(parts_.strand, wake());  // it tries again
  co_return over;
}

async::Task<> BreakGlassRegister::end_those_of(std::string shut_out, Principal by) {
  const bool issuer = !shut_out.contains(':');
  const auto is_out = [&](const Principal& person) {
    return issuer ? person.str().starts_with(shut_out + ':') : person.str() == shut_out;
  };
  for (const auto state : {BreakGlassState::open, BreakGlassState::pending}) {
    auto found = co_await parts_.store.break_glasses({.state = state, .by = std::nullopt, .limit = kMostOpen});
    if (!found) co_return std::unexpected(found.error());
    for (const auto& glass : *found) {
      if (!is_out(glass.by) && !is_out(glass.ruled_by)) continue;
      if (auto over = co_await end_as(glass.id, by, domain::kEndedRevoked); !over) co_return std::unexpected(over.error());
    }
  }
  co_return Result<void>{};
}

std::optional<BreakGlass> BreakGlassRegister::open_for(const Principal& by, const std::optional<JobId>& job,
                                                       const Principal& owner) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, one] : open_) {
    if (one.glass.by == by && one.glass.scope.covers(job, owner) && !is_over(one)) return one.glass;
  }
  return std::nullopt;
}

async::Task<BreakGlass> BreakGlassRegister::use(Principal by, std::optional<JobId> job, Principal owner, std::string operation) {
  const auto glass = open_for(by, job, owner);
  if (!glass) co_return co_await refuse(std::move(by), job, std::move(owner));
  auto used = co_await parts_.store.use_break_glass(glass->id, {.operation = std::move(operation), .job = job.value_or(JobId{})},
                                                    parts_.scheduler.now_utc(), parts_.epoch);
  if (!used) co_return std::unexpected(used.error());
  if (auto still = still_open(glass->id); !still) co_return std::unexpected(still.error());
  co_return *glass;
}

Result<void> BreakGlassRegister::still_open(BreakGlassId id) const {
  const std::lock_guard lock(mutex_);
  const auto at = open_.find(id);
  if (at == open_.end() || is_over(at->second)) return glass_ended(id);
  return {};
}

/// Says what is missing.
async::Task<BreakGlass> BreakGlassRegister::refuse(Principal by, std::optional<JobId> job, Principal owner) {
  auto asked = co_await parts_.store.break_glasses({.state = std::nullopt, .by = std::move(by), .limit = 100});
  if (!asked) co_return std::unexpected(asked.error());
  const auto now = parts_.scheduler.now_utc();
  for (const auto& one : *asked) {
    if (!one.scope.covers(job, owner)) continue;
    if (domain::may_be_ruled(one, now))
      co_return fail(ErrorKind::permission_denied, "BREAK_GLASS_PENDING",
                     "break-glass " + one.id.str() + " waits for a second operator, who is not you: hansa break-glass approve " +
                         one.id.str());
    if (one.state == BreakGlassState::open || one.state == BreakGlassState::ended) co_return glass_ended(one.id);
    break;
  }
  const domain::BreakGlassScope wanted{.job = job, .person = std::move(owner)};
  co_return fail(
      ErrorKind::permission_denied, "BREAK_GLASS_NEEDED",
      "what a job was given and what it wrote is its owner's alone. In an incident ask for it (hansa break-glass request "
      "--scope " +
          wanted.str() + " --for 1h --reason TEXT); it opens when a second operator approves it");
}

}  // namespace hansa::engine
