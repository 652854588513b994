// SPDX-License-Identifier: Apache-2.0
#pragma once
// The connections of persons to one site: each opened when it is needed, as that person, kept while it is used, closed when it is
// idle, when another needs its place, or when what it rests on (a certificate, a session) ends. So many at once, and one new one
// in so long: over all persons.
//
// Strand: `executor`.

#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/task_group.hpp"
#include "broker/ports/log.hpp"
#include "connectors/remote/carrier.hpp"
#include "connectors/remote/remote_connector.hpp"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>

namespace hansa::connectors::remote {

/// Who logs in, and as whom.
struct Login {
  Principal person;
  LocalAccount account;
  friend auto operator<=>(const Login&, const Login&) = default;
};

struct PoolOptions {
  SiteId site;
  std::string name;  // what this end calls itself
  std::size_t connections = 8;  // open at once
  Milliseconds open_every{2'000};  // between two new ones
  Milliseconds idle{300'000};  // then it is closed
  Milliseconds silence{10'000};  // a call that waited so long in vain says something of whoever answers there
  Milliseconds greet_within = LinkOptions{}.greet_within;
  protocol::SessionOptions session = LinkOptions{}.session;
};

class PersonPool {
 public:
  /// Until when a connection of this person may stay, if it were opened now; an error of which nothing has left for the site.
  /// A time that is past is one as well: CREDENTIAL_ENDS_TOO_EARLY.
  using GoodUntil = std::function<async::Task<UtcTime>(Login, async::Deadline)>;
  using MakeCarrier = std::function<std::unique_ptr<Carrier>(const Login&)>;

  /// `scheduler`, `random` and `log` outlive it.
  PersonPool(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random, ports::Log& log,
             PoolOptions options, GoodUntil good_until, MakeCarrier make_carrier);

  struct Seat;
  /// A person's connection while somebody uses it.
  class Hold {
   public:
    Hold(PersonPool& pool, std::shared_ptr<Seat> seat);
    ~Hold();
    Hold(Hold&& other) noexcept = default;
    Hold& operator=(Hold&&) = delete;
    /// To ask it something, once.
    [[nodiscard]] RemoteConnector& connector();
    /// It has answered, whatever.
    void heard();

   private:
    PersonPool* pool_;
    std::shared_ptr<Seat> seat_;
    std::optional<MonotonicTime> asked_at_;
  };

  /// Who may be there now. Errors: those of GoodUntil and of a connection, of which nothing has left for the site;
  /// deadline_exceeded (SITE_BUDGET): there was no place for it in time; unavailable (LOGIN_SILENT): their agent has kept us
  /// waiting again and again, which is at others' cost, and is left alone for a while.
  async::Task<Hold> hold(Login login, async::Deadline deadline);

  /// The next use opens another connection: what there was is over, though nobody may have noticed yet.
  void renew(const Login& login);

  /// Ends all connections. Nobody holds one.
  async::Task<> close();

  [[nodiscard]] std::size_t open() const { return seats_.size() + leaving_.size(); }
  [[nodiscard]] std::int64_t opened() const { return opened_; }  // ever

 private:
  using Seats = std::map<Login, std::shared_ptr<Seat>>;
  std::shared_ptr<Seat> open_seat(const Login& login, UtcTime ends);
  [[nodiscard]] bool make_room();
  void leave(Seats::iterator seat);
  void kept_waiting(const std::shared_ptr<Seat>& seat);
  async::Task<> see_off(std::shared_ptr<Seat> seat);
  async::Task<> sweep();

  boost::asio::any_io_executor executor_;
  async::Scheduler& scheduler_;
  Random& random_;
  ports::Log& log_;
  PoolOptions options_;
  GoodUntil good_until_;
  MakeCarrier make_carrier_;
  struct Silence {
    int times = 0;  // in a row
    MonotonicTime left_alone_until{};
  };
  Seats seats_;
  std::map<Login, Silence> silent_;
  std::list<std::shared_ptr<Seat>> leaving_;
  MonotonicTime next_open_{};
  std::int64_t opened_ = 0;
  bool closed_ = false;
  async::Event changed_;  // a place may have come free
  async::Event filled_;
  async::TaskGroup tasks_;
};

}  // namespace hansa::connectors::remote
