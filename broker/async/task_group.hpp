// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tasks that live no longer than their owner: the only way to start one that nobody awaits on the spot.

#include "broker/async/task.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace hansa::async {

/// The last member of its owner, whose tasks may use all other members. The owner closes it before it goes: a group
/// must be empty when it is destroyed, unless its executor never runs again.
/// Strand: everything here, the tasks and `on_error` included, runs on `executor`.
class TaskGroup {
 public:
  using OnError = std::function<void(std::string_view name, const Error& error)>;

  /// At most `limit` tasks at a time.
  TaskGroup(boost::asio::any_io_executor executor, std::size_t limit, OnError on_error);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Starts `task` (not before this returns). Its Error, or its exception made an Error, goes to `on_error` with `name`;
  /// the cancellation that close() causes does not. Refused with ErrorKind::unavailable when closed (GROUP_CLOSED) or
  /// full (GROUP_FULL).
  Result<void> spawn(std::string_view name, Task<void> task);

  /// Refuses new tasks, cancels all and waits for their end. May be called again, and by several.
  Task<void> close();

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool closed() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the tasks' completions
};

}  // namespace hansa::async
