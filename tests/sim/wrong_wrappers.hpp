// SPDX-License-Identifier: Apache-2.0
#pragma once
// Wrappers around the payload that take their fence wrongly.

#include "connectors/model/cluster.hpp"

#include <optional>

namespace hansa::sim::wrong {

using namespace domain;

using connectors::model::ClusterJob;
using connectors::model::Fences;

inline std::optional<Reason> no_fence(Fences&, const ClusterJob&) { return std::nullopt; }

/// A lock that does not say whose it is: who may be started again takes it for its own.
inline std::optional<Reason> without_holder(Fences& fences, const ClusterJob& job) {
  auto refused = connectors::model::take_fence(fences, job);
  if (refused && refused->code == "DUPLICATE" && job.request.requeue) return std::nullopt;
  return refused;
}

inline std::optional<Reason> any_error_is_duplicate(Fences& fences, const ClusterJob& job) {
  auto refused = connectors::model::take_fence(fences, job);
  if (refused) refused->code = "DUPLICATE";
  return refused;
}

inline std::optional<Reason> requeue_is_duplicate(Fences& fences, const ClusterJob& job) {
  if (job.run > 0 && job.request.requeue) return Reason{"DUPLICATE", "the fence is taken"};
  return connectors::model::take_fence(fences, job);
}

/// One fence for all attempts of a job.
inline std::optional<Reason> shared(Fences& fences, const ClusterJob& job) {
  auto of_job = job;
  if (const auto tag = parse_tag(job.request.name)) of_job.request.name = make_tag(tag->job, 1).str();
  return connectors::model::take_fence(fences, of_job);
}

/// Each task has a fence, and the array has none.
inline std::optional<Reason> tasks_alone(Fences& fences, const ClusterJob& job) {
  auto task = job;
  task.array_id = {};
  return connectors::model::take_fence(fences, task);
}

}  // namespace hansa::sim::wrong
