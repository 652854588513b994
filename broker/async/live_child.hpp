// SPDX-License-Identifier: Apache-2.0
#pragma once
// A program that is talked to for as long as it lives: started as run_child starts one, but its standard streams are pipes.

#include "broker/async/child.hpp"
#include "broker/core/descriptor.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <optional>

namespace hansa::async {

/// How it ended; neither: it was killed, and the kernel has not let it go yet.
struct ChildEnd {
  std::optional<int> exit_status;
  std::optional<int> signal;
};

/// Strand: `executor`. Destroyed before its end, it takes its whole process group with it.
class LiveChild {
 public:
  /// run_child's errors. `input`, `output_limit` of the spec do not count.
  static Result<LiveChild> start(boost::asio::any_io_executor executor, ChildSpec spec);
  ~LiveChild();
  LiveChild(LiveChild&&) noexcept;
  LiveChild& operator=(LiveChild&&) noexcept;

  /// Our ends of its standard streams, not blocking; each is taken once.
  Descriptor in;
  Descriptor out;
  Descriptor err;

  /// Waits for its end, at most `grace` (the caller has closed `in`); then SIGTERM and SIGKILL to its group, as run_child does.
  boost::asio::awaitable<ChildEnd> end(Scheduler& scheduler, Milliseconds grace);

 private:
  struct State;
  explicit LiveChild(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hansa::async
