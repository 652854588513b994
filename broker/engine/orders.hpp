// SPDX-License-Identifier: Apache-2.0
#pragma once
// What people want of a job that is not over: hold, release, cancel, give up. Each is durable before anything is done about it.
// Strand: the engine's.

#include "broker/engine/context.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hansa::engine {

class Dependencies;
class Dispatch;

class Orders {
 public:
  /// All outlive it.
  Orders(Context& context, Dispatch& dispatch, const Dependencies& dependencies)
      : context_(context), dispatch_(dispatch), dependencies_(dependencies) {}

  // Each returns the job after the change, see Engine. conflict: JOB_OVER, JOB_AT_SITE, NOT_HELD. Repeating is harmless.
  async::Task<domain::Job> hold(JobId id);
  async::Task<domain::Job> release(JobId id);
  async::Task<domain::Job> cancel(JobId id, Principal by);
  async::Task<domain::Job> cancel_tasks(JobId id, Principal by, std::vector<std::int32_t> tasks);
  async::Task<domain::Job> resolve_lost(JobId id, Principal by, std::string reason);

 private:
  async::Task<domain::Job> change(JobId id, std::function<Result<Step>(const domain::Job&)> decide);
  /// What may still lie at the site must not start when that is back: goes on until there is a word.
  async::Task<> seal_given_up(SiteDesk& desk, ports::Fence fence);

  Context& context_;
  Dispatch& dispatch_;
  const Dependencies& dependencies_;
};

}  // namespace hansa::engine
