// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the connections of a server share: all of them its limits, those of one thread that thread's context.

#include "broker/async/real_scheduler.hpp"
#include "broker/async/task_group.hpp"
#include "broker/http/response_head.hpp"
#include "broker/http/server.hpp"
#include "broker/http/threshold.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <thread>
#include <utility>

namespace hansa::http {

/// Some of a bounded amount; given back when it goes.
class Share {
 public:
  Share() = default;
  Share(Share&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), amount_(std::exchange(other.amount_, 0)) {}
  Share& operator=(Share&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(amount_, other.amount_);
    return *this;
  }
  ~Share() { release(); }

  /// False, and nothing taken, if the pool would hold more than `limit`.
  [[nodiscard]] bool take(std::atomic<std::size_t>& pool, std::size_t amount, std::size_t limit) {
    if (pool.fetch_add(amount, std::memory_order_relaxed) + amount > limit) {
      pool.fetch_sub(amount, std::memory_order_relaxed);
      return false;
    }
    pool_ = &pool;
    amount_ += amount;
    return true;
  }
  void release() {
    if (pool_ != nullptr) pool_->fetch_sub(amount_, std::memory_order_relaxed);
    pool_ = nullptr;
    amount_ = 0;
  }

 private:
  std::atomic<std::size_t>* pool_ = nullptr;  // one share, one pool
  std::size_t amount_ = 0;
};

/// Of a whole server. Thread-safe.
struct Shared {
  Shared(ServerOptions o, Handler h) : options(std::move(o)), handler(std::move(h)) {}

  const ServerOptions options;
  const Handler handler;
  async::RealScheduler clock;
  std::atomic<std::size_t> connections{0};
  std::atomic<std::size_t> streams{0};
  std::atomic<std::size_t> body_bytes{0};
  std::atomic<std::size_t> answer_bytes{0};
  std::atomic<std::uint64_t> last_request{0};
  std::string id_prefix;  // random, so that ids of two starts differ
  const std::string hsts = "max-age=" + std::to_string(options.hsts_max_age.count());

  void report(const ServerEvent& event) const {
    if (options.on_event) options.on_event(event);
  }
};

/// A connection as others see it. On its worker's thread.
class Stoppable {
 public:
  virtual ~Stoppable() = default;
  /// Nothing is lost by closing it now: it closes. Else it closes after its present answer.
  virtual void stop_when_idle() = 0;
  /// The same, for another's sake. False: it is not idle.
  virtual bool give_way() = 0;
};

/// A thread and its connections.
struct Worker {
  explicit Worker(Shared& server)
      : shared(server),
        group(io.get_executor(), server.options.max_connections + 100, [this](std::string_view, const Error& error) {
          shared.report({.kind = ServerEvent::Kind::dropped, .code = error.code, .detail = error.detail});
        }) {}

  boost::asio::io_context io{1};
  Shared& shared;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io.get_executor()};
  std::list<Stoppable*> connections;  // whoever came first is first
  Threshold strangers{limits_of_strangers(shared.options)};
  bool stopping = false;
  std::string date;  // cached for its second
  std::int64_t date_second = -1;
  std::thread thread;
  async::TaskGroup group;

  /// Connections come to the workers in turn, so each has its part of those that a network may have.
  static Threshold::Limits limits_of_strangers(const ServerOptions& options) {
    return {.all = options.max_connections,
            .of_network = std::max<std::size_t>(1, options.max_strangers_of_network / std::max(1U, options.threads))};
  }

  /// Somebody leaves, if anybody may.
  bool make_room() {
    return strangers.make_room() || std::ranges::any_of(connections, [](Stoppable* one) { return one->give_way(); });
  }

  std::string_view now_as_date() {
    const auto now = shared.clock.now_utc();
    if (const auto second = to_unix_seconds(now); second != date_second) {
      date_second = second;
      date = imf_fixdate(now);
    }
    return date;
  }
};

}  // namespace hansa::http
