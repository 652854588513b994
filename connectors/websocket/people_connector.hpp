// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site that nobody serves but its people, each by an agent of their own that they have started by their own login there
// (hansa connect). Whoever is not connected is absent: nothing is asked of the site for them. What the site is like is asked of
// one of those who are there, in turn. Of a snapshot all is taken but what that agent keeps for itself (quiet hours, budget,
// rules); of what a doctor finds the words, which decide about nobody's jobs.
//
// Strand: `executor`.

#include "broker/async/event.hpp"
#include "broker/async/task_group.hpp"
#include "broker/ports/presence.hpp"
#include "connectors/remote/as_persons.hpp"
#include "connectors/websocket/berths.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace hansa::connectors::websocket {

/// What the site's terms of use say of agents that people start for themselves, as the broker's operator states.
enum class PeopleTerms { not_stated, allowed, forbidden };

struct PeopleOptions {
  SiteId site;
  std::string name;  // what this end calls itself
  Milliseconds ping_after{20'000};
  Milliseconds dead_after{90'000};
  boost::asio::thread_pool* readers = nullptr;  // as SessionOptions have it
  remote::CallRates rates;
  PeopleTerms terms = PeopleTerms::not_stated;
  std::string terms_evidence;  // where they are written down
  /// Until when the connection of this person may stay; none: there is none.
  std::function<std::optional<UtcTime>(const Principal&)> connected_until;
  remote::OwnerOf owner_of;
};

/// The code of what cannot be done while somebody is not connected.
inline constexpr std::string_view kNotConnected = "CREDENTIAL_NOT_CONNECTED";
/// The code of a question about the site that there is nobody to ask: it says nothing of the site.
inline constexpr std::string_view kNobodyConnected = "NOBODY_CONNECTED";

class PeopleConnector final : public remote::AsPersons, public ports::Presence {
 public:
  /// `scheduler`, `random`, `log` and `berths` outlive it.
  PeopleConnector(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random, ports::Log& log,
                  Berths& berths, PeopleOptions options);
  ~PeopleConnector() override;

  /// Ends all connections. Afterwards, and after all calls have returned, it may be destroyed.
  async::Task<> close();

  [[nodiscard]] std::optional<domain::Reason> absent(const Principal& person) const override;
  void when_present(std::function<void(const Principal&)> tell) override { tell_present_ = std::move(tell); }
  void when_reachable(std::function<void()> tell) override { tell_reachable_ = std::move(tell); }

  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline deadline) override;
  /// One person's word is none about others: findings are told, and bar, offer and lack nothing. With nobody there, that
  /// (PEOPLE, not checked), and what the terms say.
  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline deadline) override;

 private:
  struct Arrivals {
    explicit Arrivals(boost::asio::any_io_executor executor) : some(std::move(executor)) {}
    async::Event some;
    std::deque<Principal> people;
  };
  ports::Task<remote::PersonPool::Hold> hold_of(remote::Login login, ports::Deadline deadline) override;
  ports::Task<> may_submit(remote::Login login, Seconds time_limit, ports::Deadline deadline) override;
  [[nodiscard]] bool is_there(const remote::Login& login) const override { return !absent(login.person); }

  ports::Task<UtcTime> good_until(remote::Login login, ports::Deadline deadline);
  async::Task<> greet_all();
  async::Task<> greet(Principal person);
  std::optional<Principal> next_to_ask();
  template <class T>
  ports::Task<T> ask_somebody(std::function<ports::Task<T>(remote::RemoteConnector&, ports::Deadline)> what,
                              ports::Deadline deadline);
  [[nodiscard]] domain::Finding terms_found() const;

  boost::asio::any_io_executor executor_;
  async::Scheduler& scheduler_;
  ports::Log& log_;
  Berths& berths_;
  PeopleOptions options_;
  std::function<void(const Principal&)> tell_present_;
  std::function<void()> tell_reachable_;
  std::deque<Principal> turn_;  // who is there, by when they were asked about the site last
  std::shared_ptr<Arrivals> arrivals_;  // shared with what is posted to the strand
  remote::PersonPool pool_;
  async::TaskGroup tasks_;
};

}  // namespace hansa::connectors::websocket
