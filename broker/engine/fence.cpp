// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/fence.hpp"

namespace hansa::engine {

async::Task<ports::SealOutcome> seal_fence(Context& context, SiteDesk& desk, ports::Fence fence) {
  auto outcome = co_await desk.call<ports::SealOutcome>(
      CallKind::read, context.call_deadline(),
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.seal(fence, until); });
  if (outcome && !outcome->sealed && outcome->holder.empty())
    co_return fail(ErrorKind::internal, "BAD_SEAL", "the fence is neither sealed nor held by a site job");
  co_return outcome;
}

}  // namespace hansa::engine
