// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site to play histories at: two nodes of 8 cores, the queue "main" on both and "service" on the last, accounts alice and bob.

#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <memory>

namespace hansa::held_against {

using boost::asio::awaitable;

class Stage {
 public:
  virtual ~Stage() = default;

  virtual ports::SiteConnector& connector() = 0;
  virtual async::Scheduler& scheduler() = 0;
  virtual boost::asio::any_io_executor executor() = 0;
  /// Runs `work` to its end.
  virtual void run(awaitable<void> work) = 0;

  // What the site's own people do. It is done when it returns.

  /// Of a running job, whatever it asked for; it may start again at once.
  virtual awaitable<void> requeue(SiteJobId id) = 0;
  virtual awaitable<void> hold(SiteJobId id, bool held) = 0;
  /// Its wall-time limit comes sooner than it asked for, where time is real.
  virtual awaitable<void> hurry_time_limit(SiteJobId id) = 0;
  /// The scheduler's controller; the accounting goes on.
  virtual awaitable<void> set_controller(bool up) = 0;
  virtual awaitable<void> set_accounting(bool up) = 0;
  virtual awaitable<void> set_last_node(bool usable) = 0;
  /// Until the queue listing has forgotten this job, which is over.
  virtual awaitable<void> wait_until_forgotten(SiteJobId id) = 0;
};

std::unique_ptr<Stage> make_model_stage();
std::unique_ptr<Stage> make_slurm_stage();

}  // namespace hansa::held_against
