// SPDX-License-Identifier: Apache-2.0
#pragma once
// What more than one file of Cluster has use for.

#include "connectors/model/cluster.hpp"

#include <string>

namespace hansa::connectors::model {

/// Whether a node, all of it free, is such as a job asks for.
inline bool has_gpus(const domain::Resources& r, const domain::Node& node) {
  return r.gpus_per_node == 0 || (node.gpus >= r.gpus_per_node && (r.gpu_model.empty() || r.gpu_model == node.gpu_model));
}

inline bool is_large_enough(const domain::Resources& r, const domain::Node& node) {
  return node.cores >= r.cores_per_node() && node.memory >= r.memory_per_node && has_gpus(r, node);
}

/// Of all tasks of its array: ids come round.
inline std::string array_key(const ClusterJob& job) { return job.array_id.str() + ' ' + job.request.name; }

}  // namespace hansa::connectors::model
