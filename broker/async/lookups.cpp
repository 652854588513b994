// SPDX-License-Identifier: Apache-2.0
#include "broker/async/lookups.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstdint>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

namespace hansa::async {

namespace asio = boost::asio;

/// Outlives its owner while threads hang, and then holds nothing of Asio's: executors and their contexts may be gone as well.
struct Lookups::Shared {
  explicit Shared(std::size_t most) : at_once(most) {}
  struct Waiting {
    asio::any_io_executor executor;
    std::shared_ptr<Event> done;
    bool over = false;
  };
  const std::size_t at_once;
  mutable std::mutex mutex;  // of all that follows
  std::size_t running = 0;
  std::uint64_t last = 0;
  std::map<std::uint64_t, Waiting> waiting;  // who has not left

  void answered(std::uint64_t number) {
    const std::scoped_lock lock(mutex);
    --running;
    const auto at = waiting.find(number);
    if (at == waiting.end()) return;
    at->second.over = true;
    asio::post(at->second.executor, [done = at->second.done] { done->set(); });
  }
  bool over(std::uint64_t number) const {
    const std::scoped_lock lock(mutex);
    return waiting.at(number).over;
  }
};

Lookups::Lookups(std::size_t at_once) : shared_(std::make_shared<Shared>(at_once)) {}

Lookups::~Lookups() = default;

std::size_t Lookups::running() const {
  const std::scoped_lock lock(shared_->mutex);
  return shared_->running;
}

Task<> Lookups::run_until(Scheduler& scheduler, Deadline deadline, std::function<void()> ask) {
  const auto executor = co_await asio::this_coro::executor;
  const auto shared = shared_;
  const auto done = std::make_shared<Event>(executor);
  std::uint64_t number = 0;
  {
    const std::scoped_lock lock(shared->mutex);
    if (shared->running >= shared->at_once) {
      co_return fail(ErrorKind::unavailable, "LOOKUPS_HANG",
                     std::to_string(shared->running) +
                         " look-ups of names or files hang on the broker's machine: see its resolver, its directory of accounts "
                         "and the file systems that it mounts");
    }
    ++shared->running;
    number = ++shared->last;
    shared->waiting.emplace(number, Shared::Waiting{.executor = executor, .done = done});
  }
  struct Leave {
    Shared& shared;
    std::uint64_t number;
    ~Leave() {
      const std::scoped_lock lock(shared.mutex);
      shared.waiting.erase(number);
    }
  } leave{*shared, number};
  try {
    std::thread([shared, number, ask = std::move(ask)] {  // nothing can end it; it holds all that it uses
      ask();
      shared->answered(number);
    })
        .detach();
  } catch (const std::system_error& error) {
    const std::scoped_lock lock(shared->mutex);
    --shared->running;
    co_return fail(ErrorKind::unavailable, "NO_THREAD", std::string("no thread for a look-up: ") + error.what());
  }
  while (!shared->over(number)) {
    if (co_await done->wait_until(scheduler, deadline.at) || shared->over(number)) continue;
    if (!deadline.passed(scheduler)) co_return std::unexpected(detail::cancelled());
    co_return fail(ErrorKind::deadline_exceeded, "LOOKUP_HANGS",
                   "a look-up of a name or a file on the broker's machine gave no answer in time");
  }
  co_return Result<void>{};
}

}  // namespace hansa::async
