// SPDX-License-Identifier: Apache-2.0
#pragma once
// A program that is talked to for as long as it lives: started as run_child starts one, but its standard streams are pipes.

#include "broker/async/child.hpp"
#include "broker/core/descriptor.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace hansa::async {

class ChildProcess;

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
  explicit LiveChild(std::unique_ptr<ChildProcess> process);
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace hansa::async
