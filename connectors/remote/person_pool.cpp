// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/person_pool.hpp"

#include "broker/core/time_text.hpp"

#include <algorithm>
#include <utility>

namespace hansa::connectors::remote {

using async::Deadline;
using async::Task;

namespace {

constexpr Milliseconds kLeftAlone{30'000}, kLongestLeftAlone{300'000};  // after two silences in a row; then twice as long
constexpr Milliseconds kSaidBefore{1'000};  // of a deadline: so that our own word arrives, and not that time ran out

std::unexpected<Error> no_place(const PoolOptions& options) {
  return fail(ErrorKind::deadline_exceeded, "SITE_BUDGET",
              "site " + options.site.str() + " lets " + std::to_string(options.connections) +
                  " people's connections be open at a time, and one new one in " + std::to_string(options.open_every.count()) +
                  " ms: there was no place in time; try again later");
}

}  // namespace

struct PersonPool::Seat {
  Seat(Login l, std::unique_ptr<RemoteConnector> c, UtcTime e, MonotonicTime now, const boost::asio::any_io_executor& executor)
      : login(std::move(l)), connector(std::move(c)), ends(e), used_at(now), released(executor) {}

  Login login;
  std::unique_ptr<RemoteConnector> connector;
  UtcTime ends;                  // what it rests on
  MonotonicTime used_at;
  std::int32_t calls = 0;        // that hold it
  bool was_ready = false;
  async::Event released;
};

PersonPool::Hold::Hold(PersonPool& pool, std::shared_ptr<Seat> seat) : pool_(&pool), seat_(std::move(seat)) { ++seat_->calls; }

PersonPool::Hold::~Hold() {
  if (!seat_) return;
  const auto now = pool_->scheduler_.now_monotonic();
  seat_->used_at = now;
  if (asked_at_ && now - *asked_at_ >= pool_->options_.silence) pool_->kept_waiting(seat_);
  if (--seat_->calls > 0) return;
  seat_->released.set();
  pool_->changed_.set();
}

RemoteConnector& PersonPool::Hold::connector() {
  asked_at_ = pool_->scheduler_.now_monotonic();
  return *seat_->connector;
}

void PersonPool::Hold::heard() {
  asked_at_.reset();
  pool_->silent_.erase(seat_->login);
}

/// Called while the seat is still held.
void PersonPool::kept_waiting(const std::shared_ptr<Seat>& seat) {
  auto& silence = silent_[seat->login];
  if (++silence.times < 2) return;
  const auto pause = std::min(kLeftAlone * (1 << std::min(silence.times - 2, 5)), kLongestLeftAlone);
  silence.left_alone_until = scheduler_.now_monotonic() + pause;
  if (const auto at = seats_.find(seat->login); at != seats_.end() && at->second == seat) leave(at);
}

PersonPool::PersonPool(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random, ports::Log& log,
                       PoolOptions options, GoodUntil good_until, MakeCarrier make_carrier)
    : executor_(executor),
      scheduler_(scheduler),
      random_(random),
      log_(log),
      options_(std::move(options)),
      good_until_(std::move(good_until)),
      make_carrier_(std::move(make_carrier)),
      changed_(executor),
      filled_(executor),
      tasks_(std::move(executor), 2 * options_.connections + 2,
             [&log, site = options_.site](std::string_view name, const Error& error) {
               log.write(ports::LogLevel::error, "a task of a person's connection failed",
                         {{"site", site.str()}, {"task", std::string(name)}, {"error", error.message}});
             }) {
  (void)tasks_.spawn("sweep", sweep());
}

Task<PersonPool::Hold> PersonPool::hold(Login login, Deadline deadline) {
  const auto left = deadline.remaining(scheduler_);
  const auto until = Deadline::in(scheduler_, left - std::min<Milliseconds>(kSaidBefore, left / 2));
  struct HandOn {  // the event lets one waiter through
    async::Event& changed;
    ~HandOn() { changed.set(); }
  } hand_on{changed_};
  while (true) {
    if (closed_) co_return fail(ErrorKind::unavailable, "LINK_CLOSED", "this broker is stopping");
    if (const auto silence = silent_.find(login);
        silence != silent_.end() && scheduler_.now_monotonic() < silence->second.left_alone_until) {
      co_return fail(ErrorKind::unavailable, "LOGIN_SILENT",
                     "the agent that answers for " + login.person.str() + " at site " + options_.site.str() +
                         " has not answered in time again and again, and is left alone for some minutes");
    }
    if (const auto at = seats_.find(login); at != seats_.end()) {
      if (at->second->ends > scheduler_.now_utc()) {
        Hold hold(*this, at->second);
        const auto seat = at->second;
        const auto ready = co_await seat->connector->ready(until);
        if (ready) {
          seat->was_ready = true;
          co_return hold;
        }
        const auto now = seats_.find(login);
        const bool timed_out = until.passed(scheduler_);
        if (!timed_out && now != seats_.end() && now->second == seat) leave(now);
        if (!timed_out && seat->was_ready) continue;  // it broke since: another
        co_return std::unexpected(ready.error());
      }
      leave(at);
    }
    const auto ends = co_await good_until_(login, until);
    if (!ends) co_return std::unexpected(ends.error());
    if (*ends <= scheduler_.now_utc()) {  // a seat would be left as soon as it is opened, and another opened
      co_return fail(ErrorKind::unavailable, "CREDENTIAL_ENDS_TOO_EARLY",
                     "what " + login.person.str() + " logs in to site " + options_.site.str() + " with ended at " +
                         format_utc(*ends) + ": log in again");
    }
    if (closed_ || seats_.contains(login)) continue;
    const auto now = scheduler_.now_monotonic();
    if (now >= until.at) co_return no_place(options_);
    if (now >= next_open_ && make_room()) {
      next_open_ = now + options_.open_every;
      seats_.emplace(login, open_seat(login, *ends));
      continue;
    }
    if (now < next_open_)
      co_await scheduler_.sleep_until(std::min(next_open_, until.at));
    else
      co_await changed_.wait_until(scheduler_, until.at);
  }
}

std::shared_ptr<PersonPool::Seat> PersonPool::open_seat(const Login& login, UtcTime ends) {
  ++opened_;
  filled_.set();
  log_.write(ports::LogLevel::info, "opens a person's connection",
             {{"site", options_.site.str()}, {"person", login.person.str()}, {"account", login.account.str()}});
  auto connector = std::make_unique<RemoteConnector>(executor_, scheduler_, random_, log_, make_carrier_(login),
                                                     LinkOptions{.site = options_.site,
                                                                 .name = options_.name,
                                                                 .greet_within = options_.greet_within,
                                                                 .once = true,
                                                                 .session = options_.session});
  return std::make_shared<Seat>(login, std::move(connector), ends, scheduler_.now_monotonic(), executor_);
}

/// The one that has been idle longest gives its place up.
bool PersonPool::make_room() {
  if (open() < options_.connections) return true;
  if (!leaving_.empty()) return false;  // soon
  auto longest = seats_.end();
  for (auto at = seats_.begin(); at != seats_.end(); ++at) {
    if (at->second->calls == 0 && (longest == seats_.end() || at->second->used_at < longest->second->used_at)) longest = at;
  }
  if (longest != seats_.end()) leave(longest);
  return false;
}

void PersonPool::leave(Seats::iterator at) {
  const auto seat = leaving_.emplace_back(std::move(at->second));
  seats_.erase(at);
  (void)tasks_.spawn("leave", see_off(seat));  // closing: close() ends it
}

void PersonPool::renew(const Login& login) {
  silent_.erase(login);
  if (const auto at = seats_.find(login); at != seats_.end() && !closed_) leave(at);
}

Task<> PersonPool::see_off(std::shared_ptr<Seat> seat) {
  while (seat->calls > 0) co_await seat->released.wait();
  auto ended = co_await seat->connector->close();
  leaving_.remove(seat);
  changed_.set();
  co_return ended;
}

Task<> PersonPool::sweep() {
  while (true) {
    if (seats_.empty()) {
      co_await filled_.wait();
      continue;
    }
    co_await scheduler_.sleep_until(scheduler_.now_monotonic() +
                                    std::clamp<Milliseconds>(options_.idle / 4, Milliseconds{100}, Milliseconds{15'000}));
    for (auto at = seats_.begin(); at != seats_.end();) {
      const auto seat = at++;
      const bool idle = scheduler_.now_monotonic() - seat->second->used_at >= options_.idle;
      if (seat->second->calls == 0 && (idle || seat->second->ends <= scheduler_.now_utc())) leave(seat);
    }
  }
}

Task<> PersonPool::close() {
  closed_ = true;
  for (auto& [login, seat] : seats_) leaving_.push_back(std::move(seat));
  seats_.clear();
  const auto leaving = leaving_;
  for (const auto& seat : leaving) (void)co_await seat->connector->close();
  auto closed = co_await tasks_.close();
  leaving_.clear();
  co_return closed;
}

}  // namespace hansa::connectors::remote
