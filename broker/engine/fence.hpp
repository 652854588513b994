// SPDX-License-Identifier: Apache-2.0
#pragma once
// The fence is the last word on an attempt: it is sealed, and nothing of the attempt can ever start; or it has a holder, and that
// site job is the attempt's job, whatever listings and receipts say (ADR 0008).

#include "broker/engine/context.hpp"

namespace hansa::engine {

inline ports::Fence fence_of(const domain::Job& job, const domain::Attempt& attempt) {
  return {.tag = domain::make_tag(job.id, attempt.number),
          .task_index = 0,
          .account = attempt.account,
          .person = job.owner,
          .whole_array = !job.spec.array.empty()};
}

/// Takes the fence, or learns who has it. internal (BAD_SEAL) for an answer that says neither.
async::Task<ports::SealOutcome> seal_fence(Context& context, SiteDesk& desk, ports::Fence fence);

}  // namespace hansa::engine
