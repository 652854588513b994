// SPDX-License-Identifier: Apache-2.0
// Any bytes are what somebody writes for an array. What is taken is small, in order, and reads back from its own text.

#include "broker/domain/task_array.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::domain;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto array = parse_task_array(as_text(bytes, size));
  if (!array) {
    require(!array.error().message.empty() && array.error().message.size() < 300);
    return 0;
  }
  const auto& tasks = array->tasks;
  require(!tasks.empty() && tasks.size() <= kMaxTasks && tasks.front() >= 0 && tasks.back() <= kMaxTaskIndex);
  require(std::ranges::adjacent_find(tasks, std::greater_equal()) == tasks.end());
  require(parse_task_array(to_text(*array)) == *array);
  require(parse_task_array(task_ranges(tasks))->tasks == tasks);
  require(array->side_by_side() >= 1 && array->side_by_side() <= std::ssize(tasks));
  return 0;
}
