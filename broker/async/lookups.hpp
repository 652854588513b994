// SPDX-License-Identifier: Apache-2.0
#pragma once
// Questions that block and that nothing can cut short: a name's address, an account of a directory, a file that may lie on
// another machine. Each is asked on a thread of its own; whoever waits leaves at the deadline, and the thread ends when it may.
// So many that hang are all that one owner has: the next is refused at once.
//
// Strand: the executor of whoever awaits. May be destroyed while questions hang, once nobody waits.

#include "broker/async/deadline.hpp"
#include "broker/async/event.hpp"
#include "broker/async/task.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace hansa::async {

class Lookups {
 public:
  explicit Lookups(std::size_t at_once);
  ~Lookups();
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;

  /// `ask` owns all that it uses, for it may go on after everything else. Errors, beside its own: deadline_exceeded
  /// (LOOKUP_HANGS), unavailable (LOOKUPS_HANG: all threads wait for an answer), cancelled.
  template <class T>
  Task<T> run(Scheduler& scheduler, Deadline deadline, std::function<Result<T>()> ask) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    auto done = co_await run_until(scheduler, deadline, [answer, ask = std::move(ask)] {
      try {
        answer->emplace(ask());
      } catch (...) { answer->emplace(std::unexpected(to_error(std::current_exception()))); }
    });
    if (!done) co_return std::unexpected(std::move(done.error()));
    co_return std::move(**answer);
  }

  /// That hang, or are under way.
  [[nodiscard]] std::size_t running() const;

 private:
  struct Shared;
  Task<> run_until(Scheduler& scheduler, Deadline deadline, std::function<void()> ask);

  std::shared_ptr<Shared> shared_;
};

}  // namespace hansa::async
