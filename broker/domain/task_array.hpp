// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tasks of a job array, in Slurm's grammar (sbatch(1), --array): numbers and ranges with commas between, a step after ':',
// and how many may run at a time after '%': "0-15", "0,6,16-32", "0-15:4", "0-99%10".

#include "broker/core/error.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::domain {

inline constexpr std::size_t kMaxTasks = 1'000;
inline constexpr std::int32_t kMaxTaskIndex = 4'000'000;   // Slurm's MaxArraySize is 4,000,001 at most

struct TaskArray {
  std::vector<std::int32_t> tasks;     // their indices, rising, each once; none: the job is no array
  std::int32_t at_most = 0;            // so many run at a time; 0: as many as fit

  [[nodiscard]] bool empty() const { return tasks.empty(); }
  /// How many of them want to run side by side; 1 if it is no array.
  [[nodiscard]] std::int32_t side_by_side() const;
  friend bool operator==(const TaskArray&, const TaskArray&) = default;
};

/// invalid_argument, BAD_ARRAY: the message says what is wrong and what is allowed.
Result<TaskArray> parse_task_array(std::string_view text);

/// The shortest text of it, and always the same: "0-15:4%2". parse_task_array reads it back.
std::string to_text(const TaskArray& array);

/// Indices for people, rising: "0-3,7,9-11".
std::string task_ranges(std::span<const std::int32_t> tasks);

/// The task that a scheduler's id names: "7_3" of Slurm's array "7", "7[3].server" of PBS's "7[].server". None: no one task of
/// that array, or several together ("7_[4-9]").
std::optional<std::int32_t> task_in(std::string_view array_id, std::string_view task_id);

}  // namespace hansa::domain
