// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/task_array.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

namespace hansa::domain {
namespace {

std::optional<std::int32_t> number(std::string_view text) {
  std::int32_t value = 0;
  const auto* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  const bool plain = !text.empty() && text.front() >= '0' && text.front() <= '9';
  return plain && error == std::errc{} && at == end ? std::optional(value) : std::nullopt;
}

std::string_view cut(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const auto piece = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return piece;
}

/// A run of indices with one step between them.
struct Piece {
  std::int32_t first = 0, last = 0, step = 1;

  [[nodiscard]] std::string text(bool with_step) const {
    auto text = std::to_string(first);
    if (last > first) text += '-' + std::to_string(last);
    if (last > first && with_step && step > 1) text += ':' + std::to_string(step);
    return text;
  }
};

/// As long as they go on with the same step, which has to be `only` if that is given. A step that is not 1 needs three.
Piece piece_at(std::span<const std::int32_t> tasks, std::size_t at, std::int32_t only) {
  Piece run{.first = tasks[at], .last = tasks[at]};
  if (at + 1 == tasks.size()) return run;
  const auto step = tasks[at + 1] - tasks[at];
  if (only != 0 && step != only) return run;
  std::size_t end = at + 1;
  while (end + 1 < tasks.size() && tasks[end + 1] - tasks[end] == step) ++end;
  if (step > 1 && end - at < 2) return run;
  return {.first = tasks[at], .last = tasks[end], .step = step};
}

std::string joined(std::span<const std::int32_t> tasks, std::int32_t only_step) {
  std::string text;
  for (std::size_t at = 0; at < tasks.size();) {
    const auto run = piece_at(tasks, at, only_step);
    text += (text.empty() ? "" : ",") + run.text(only_step == 0);
    at += static_cast<std::size_t>((run.last - run.first) / run.step) + 1;
  }
  return text;
}

}  // namespace

std::int32_t TaskArray::side_by_side() const {
  const auto all = std::max<std::int32_t>(1, static_cast<std::int32_t>(tasks.size()));
  return at_most > 0 ? std::min(at_most, all) : all;
}

Result<TaskArray> parse_task_array(std::string_view text) {
  const auto wrong = [](std::string_view piece, const std::string& why) {
    return fail(ErrorKind::invalid_argument, "BAD_ARRAY", "\"" + std::string(piece.substr(0, 40)) + "\" " + why);
  };
  constexpr const char* kGrammar = "is no set of tasks: write 0-15, 0,6,16-32, 0-15:4, and %N at the end for N at a time";
  TaskArray array;
  auto rest = text;
  auto list = cut(rest, '%');
  if (list.size() < text.size()) {
    const auto most = number(rest);
    if (!most || *most < 1) return wrong(text.substr(list.size()), "must be % and how many tasks may run at a time, 1 or more");
    array.at_most = *most;
  }
  if (list.empty() || list.ends_with(',')) return wrong(text, kGrammar);
  std::set<std::int32_t> tasks;
  while (!list.empty()) {
    const auto piece = cut(list, ',');
    auto end = piece;
    const auto first = number(cut(end, '-'));
    const bool is_range = piece.contains('-');
    auto step_text = end;
    const auto last = is_range ? number(cut(step_text, ':')) : first;
    const bool has_step = is_range && end.contains(':');
    const auto step = has_step ? number(step_text) : std::optional(1);
    if (!first || !last || !step) return wrong(piece, kGrammar);
    if (*last > kMaxTaskIndex || *first > kMaxTaskIndex)
      return wrong(piece, "goes beyond the largest task index, " + std::to_string(kMaxTaskIndex));
    if (*last < *first) return wrong(piece, "runs backwards: the smaller index comes first");
    if (*step < 1) return wrong(piece, "needs a step of 1 or more");
    for (std::int64_t task = *first; task <= *last; task += *step) {
      if (tasks.size() > kMaxTasks) break;  // no more than it takes to say so
      if (!tasks.insert(static_cast<std::int32_t>(task)).second)
        return wrong(piece, "names task " + std::to_string(task) + " a second time");
    }
  }
  if (tasks.size() > kMaxTasks)
    return wrong(text, "has more than " + std::to_string(kMaxTasks) + " tasks, the most of one job; submit several");
  array.tasks.assign(tasks.begin(), tasks.end());
  return array;
}

std::string to_text(const TaskArray& array) {
  return joined(array.tasks, 0) + (array.at_most > 0 ? '%' + std::to_string(array.at_most) : "");
}

std::string task_ranges(std::span<const std::int32_t> tasks) { return joined(tasks, 1); }

std::optional<std::int32_t> task_in(std::string_view array_id, std::string_view task_id) {
  const auto open = array_id.find('[');
  const auto before = open == std::string_view::npos ? array_id : array_id.substr(0, open);
  const auto after = open == std::string_view::npos ? std::string_view() : array_id.substr(open + 1);
  const char separator = open == std::string_view::npos ? '_' : '[';
  if (before.empty() || !task_id.starts_with(before) || task_id.size() < before.size() + 1 + after.size() ||
      task_id[before.size()] != separator || !task_id.ends_with(after))
    return std::nullopt;
  const auto digits = task_id.substr(before.size() + 1, task_id.size() - before.size() - 1 - after.size());
  const auto task = number(digits);
  return task && *task <= kMaxTaskIndex ? task : std::nullopt;
}

}  // namespace hansa::domain
