// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/berths.hpp"

#include "broker/async/deadline.hpp"
#include "broker/async/run_on.hpp"

#include <utility>

namespace hansa::connectors::websocket {

using async::Task;

namespace {

/// A connection as the strand sees it that took it: every step is made on the connection's own.
class TakenLines final : public protocol::Lines {
 public:
  TakenLines(Berths& berths, BerthId id, std::shared_ptr<WebSocket> connection)
      : berths_(berths), id_(std::move(id)), connection_(std::move(connection)) {}

  Task<std::string> read() override { return async::run_on(connection_->executor(), connection_->read()); }
  Task<> write(std::string line) override { return async::run_on(connection_->executor(), connection_->write(std::move(line))); }
  boost::asio::awaitable<Error> end(Error why) override {
    auto close = [](std::shared_ptr<WebSocket> connection, Error reason) -> Task<Error> {
      co_return co_await connection->end(std::move(reason));
    };
    auto ended = co_await async::run_on(connection_->executor(), close(connection_, std::move(why)));
    auto told = ended ? std::move(*ended) : std::move(ended.error());
    berths_.gone(id_, connection_.get(), told);
    co_return told;
  }

 private:
  Berths& berths_;
  BerthId id_;
  std::shared_ptr<WebSocket> connection_;
};

}  // namespace

Task<Berths::Room> Berths::make_room(Visitor visitor) {
  std::shared_ptr<WebSocket> first;
  Visitor who;
  {
    const std::scoped_lock lock(mutex_);
    auto& berth = berths_[visitor.berth];
    if (berth.mooring)
      co_return fail(ErrorKind::conflict, "AGENT_CONNECTED", "another agent of this site connects at the same moment");
    if (berth.taken) {
      first = berth.connection;
      who = berth.visitor;
    }
    berth.mooring = true;
  }
  Room room(this, [id = visitor.berth](Berths* all) {
    const std::scoped_lock lock(all->mutex_);
    all->berths_[id].mooring = false;
  });
  if (!first) co_return room;
  if (co_await first->probe(scheduler_, async::Deadline::in(scheduler_, probe_within_))) {
    const auto where = "is connected, from " + who.peer + " (" + who.name + "), and answers: ";
    if (!visitor.berth.person.empty())
      co_return fail(ErrorKind::conflict, "AGENT_CONNECTED",
                     "another agent of " + visitor.berth.person.str() + " at this site " + where +
                         "it serves you as well as this one would; to end it: hansa disconnect " + visitor.berth.site.str());
    co_return fail(ErrorKind::conflict, "AGENT_CONNECTED",
                   "another agent of this site " + where +
                       "stop one of the two; if nobody knows of it, its key was copied, and an operator of the broker revokes it "
                       "(hansa site revoke)");
  }
  auto why = fail(ErrorKind::unavailable, "AGENT_REPLACED",
                  "the agent connects anew, from " + visitor.peer + ": this connection was dead")
                 .error();
  co_await first->cut(scheduler_, why);
  gone(visitor.berth, first.get(), why);
  co_return room;
}

Error Berths::replaced() { return fail(ErrorKind::unavailable, "AGENT_REPLACED", "the agent has connected anew").error(); }

std::shared_ptr<WebSocket> Berths::moor(const Room&, Visitor visitor, std::shared_ptr<WebSocket> connection) {
  std::function<void()> arrived;
  std::function<void(const Principal&)> person_arrived;
  const auto person = visitor.berth.person;
  {
    const std::scoped_lock lock(mutex_);
    auto& berth = berths_[visitor.berth];
    if (const auto at = people_arrived_.find(visitor.berth.site); at != people_arrived_.end() && !person.empty())
      person_arrived = at->second;
    if (berth.connection && watchers_.left) watchers_.left(berth.visitor, replaced());
    berth.visitor = std::move(visitor);
    berth.connection.swap(connection);
    berth.taken = false;
    arrived = berth.arrived;
    if (watchers_.arrived) watchers_.arrived(berth.visitor);
  }
  if (arrived) arrived();
  if (person_arrived) person_arrived(person);
  return connection;
}

void Berths::clear() {
  const std::scoped_lock lock(mutex_);
  for (auto& [id, berth] : berths_) berth.connection.reset();
}

std::unique_ptr<protocol::Lines> Berths::take(const BerthId& id) {
  const std::scoped_lock lock(mutex_);
  const auto at = berths_.find(id);
  if (at == berths_.end() || !at->second.connection || at->second.taken) return nullptr;
  at->second.taken = true;
  return std::make_unique<TakenLines>(*this, id, at->second.connection);
}

bool Berths::waits(const BerthId& id) {
  const std::scoped_lock lock(mutex_);
  const auto at = berths_.find(id);
  return at != berths_.end() && at->second.connection && !at->second.taken;
}

void Berths::watch(const BerthId& id, std::function<void()> arrived) {
  const std::scoped_lock lock(mutex_);
  berths_[id].arrived = std::move(arrived);
}

void Berths::watch_people(const SiteId& site, std::function<void(const Principal&)> arrived) {
  const std::scoped_lock lock(mutex_);
  if (arrived)
    people_arrived_[site] = std::move(arrived);
  else
    people_arrived_.erase(site);
}

boost::asio::awaitable<void> Berths::cut(BerthId id, Error why) {
  std::shared_ptr<WebSocket> connection;
  bool taken = false;
  {
    const std::scoped_lock lock(mutex_);
    const auto at = berths_.find(id);
    if (at == berths_.end() || !at->second.connection) co_return;
    connection = at->second.connection;
    taken = at->second.taken;
  }
  if (!taken) gone(id, connection.get(), why);
  auto end = [](std::shared_ptr<WebSocket> ended, async::Scheduler* scheduler, Error reason) -> Task<> {
    co_await ended->cut(*scheduler, std::move(reason));
    co_return Result<void>{};
  };
  (void)co_await async::run_on(connection->executor(), end(connection, &scheduler_, std::move(why)));
}

void Berths::gone(const BerthId& id, const WebSocket* connection, const Error& why) {
  const std::scoped_lock lock(mutex_);
  const auto at = berths_.find(id);
  if (at == berths_.end() || at->second.connection.get() != connection) return;
  at->second.connection.reset();
  at->second.taken = false;
  if (watchers_.left) watchers_.left(at->second.visitor, why);
}

}  // namespace hansa::connectors::websocket
