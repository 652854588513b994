// SPDX-License-Identifier: Apache-2.0
#pragma once
// One timer per connection, not one per read: setting a later deadline only stores it.
//
// A cancel reaches only what is waiting at that moment. What ends just then goes on unknowing, and an operation of several parts
// (a handshake, a long write) begins its next part: so it is cancelled again and again until set() or clear().

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>

namespace hansa::http {

/// Cancels what the socket waits for once its deadline has passed. On the socket's executor.
class Watchdog {
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kAgain{100};

 public:
  explicit Watchdog(boost::asio::ip::tcp::socket& socket)
      : state_(std::make_shared<State>(&socket, boost::asio::steady_timer(socket.get_executor()))) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() {
    state_->socket = nullptr;
    state_->timer.cancel();
  }

  void set(Clock::duration from_now) { set_at(Clock::now() + from_now); }
  void set_at(Clock::time_point deadline) {
    state_->expired = false;
    state_->deadline = deadline;
    if (deadline < state_->armed_for) State::arm(state_);
  }
  void clear() { state_->deadline = Clock::time_point::max(); }
  [[nodiscard]] bool expired() const { return state_->expired; }

 private:
  struct State {
    State(boost::asio::ip::tcp::socket* watched, boost::asio::steady_timer clock) : socket(watched), timer(std::move(clock)) {}

    boost::asio::ip::tcp::socket* socket;  // null once the watchdog is gone
    boost::asio::steady_timer timer;
    Clock::time_point deadline = Clock::time_point::max();
    Clock::time_point armed_for = Clock::time_point::max();  // max: not armed
    bool expired = false;

    static void arm(const std::shared_ptr<State>& state) {
      state->armed_for = state->deadline;
      state->timer.expires_at(state->armed_for);
      state->timer.async_wait([state](const boost::system::error_code& aborted) {
        if (aborted || state->socket == nullptr) return;
        state->armed_for = Clock::time_point::max();
        if (state->deadline == Clock::time_point::max()) return;
        if (Clock::now() < state->deadline) return arm(state);
        state->expired = true;
        boost::system::error_code ignored;
        state->socket->cancel(ignored);
        state->deadline = Clock::now() + kAgain;
        arm(state);
      });
    }
  };
  std::shared_ptr<State> state_;  // shared with the timer's handler
};

}  // namespace hansa::http
