// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/one_range.hpp"

#include <algorithm>

namespace hansa::domain {

std::optional<std::string> one_range(const TaskArray& array) {
  const auto& tasks = array.tasks;
  if (tasks.size() < 2) return std::nullopt;
  const auto step = tasks[1] - tasks[0];
  const auto other = [step](std::int32_t before, std::int32_t after) { return after - before != step; };
  if (std::ranges::adjacent_find(tasks, other) != tasks.end()) return std::nullopt;
  auto text = std::to_string(tasks.front()) + '-' + std::to_string(tasks.back());
  if (step > 1) text += ':' + std::to_string(step);
  if (array.at_most > 0) text += '%' + std::to_string(array.at_most);
  return text;
}

}  // namespace hansa::domain
