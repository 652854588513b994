// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a script's directives to the fields of a job. What the request itself says wins; a directive that cannot be translated is
// a fault, one that changes nothing here is a note: nothing is dropped silently.

#include "broker/core/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::directives {

inline constexpr std::int64_t kMaxCount = 1'000'000;               // of nodes, tasks, cores, GPUs
inline constexpr std::int64_t kMaxMebibytes = std::int64_t{1} << 40;
inline constexpr std::size_t kMaxRemarks = 100;                    // of either kind; nobody reads more

/// About one directive. `words` may be cut, and holds no control characters.
struct Remark {
  std::size_t line = 0;  // from 1; 0: about none in particular
  std::string words;     // "#SBATCH --exclusive"
  std::string message;
};
/// `line 3, "#SBATCH --exclusive": ...`
std::string to_text(const Remark& remark);

struct Fields {
  std::optional<std::int64_t> nodes;
  std::optional<std::int64_t> tasks;
  std::optional<std::int64_t> cpus_per_task;
  std::optional<std::int64_t> memory_per_node_mib;
  std::optional<std::int64_t> gpus_per_node;
  std::optional<std::string> gpu_model;
  std::optional<Seconds> time_limit;
  std::optional<std::string> name;
  std::optional<std::string> project;
  std::optional<bool> requeue;
  std::optional<bool> exclusive;
  std::optional<std::string> array;
  std::vector<std::pair<std::string, std::string>> environment;  // each name once
};

struct Settled {
  Fields fields;  // only those that the request leaves open
  std::vector<Remark> notes;
  std::vector<Remark> faults;
};

/// `stated` is what the request says; of its environment only the names count.
Settled settle(std::string_view script, const Fields& stated);

/// Whether the script has directives at all.
bool has_directives(std::string_view script);

}  // namespace hansa::directives
