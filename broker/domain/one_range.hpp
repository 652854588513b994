// SPDX-License-Identifier: Apache-2.0
#pragma once
// For schedulers that know no lists of tasks: PBS's qsub -J takes one range with one step and nothing else.

#include "broker/domain/task_array.hpp"

#include <optional>
#include <string>

namespace hansa::domain {

/// "3-5:2%1", which a list of the same tasks, "3,5%1", is as well; none: they are no two or more with one step between them.
std::optional<std::string> one_range(const TaskArray& array);

}  // namespace hansa::domain
