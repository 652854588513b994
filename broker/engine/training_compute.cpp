// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/training_compute.hpp"

#include "broker/core/wide.hpp"

#include <algorithm>
#include <limits>

namespace hansa::engine {
std::int64_t TrainingCompute::petaflop(std::int64_t gpu_seconds, std::string_view model) const {
  auto rate = teraflops_.find(std::string(model));
  if (rate == teraflops_.end()) rate = std::ranges::max_element(teraflops_, {}, [](const auto& known) { return known.second; });
  const auto exact = (Wide{gpu_seconds} * rate->second + 999) / 1000;
  return static_cast<std::int64_t>(std::min(exact, Wide{std::numeric_limits<std::int64_t>::max() / 4}));
}

std::int64_t TrainingCompute::at_most(const domain::JobSpec& spec) const {
  if (teraflops_.empty()) return 0;
  const auto tasks = std::max<std::int64_t>(1, std::ssize(spec.array.tasks));
  const auto of = [&](const domain::Resources& wanted) {
    return wanted.gpus_per_node == 0
               ? 0
               : petaflop(tasks * wanted.nodes * wanted.gpus_per_node * spec.time_limit.count(), wanted.gpu_model);
  };
  if (spec.variants.empty()) return of(spec.resources);
  std::int64_t most = 0;
  for (const auto& variant : spec.variants) most = std::max(most, of(variant.resources));
  return most;
}

void TrainingCompute::close(std::map<JobId, Open>::iterator at) {
  open_by_project_[at->second.project] -= at->second.petaflop;
  open_.erase(at);
}

void TrainingCompute::job_changed(const domain::Job* before, const domain::Job& after) {
  if (teraflops_.empty() || (after.spec.resources.gpus_per_node == 0 && after.spec.variants.empty())) return;
  auto at = open_.find(after.id);
  if (at == open_.end()) {
    if (is_terminal(after.state) || after.live_attempt() == nullptr) return;
    at = open_.emplace(after.id, Open{.project = after.spec.project, .petaflop = at_most(after.spec)}).first;
    open_by_project_[after.spec.project] += at->second.petaflop;
  }
  auto& open = at->second;
  if (before != nullptr && before->started_at != after.started_at) open.booked = false;  // it runs, or runs again
  open.over = is_terminal(after.state);
  if (open.over ? open.booked || !after.started_at : after.live_attempt() == nullptr) close(at);
}

async::Task<> TrainingCompute::booked(std::vector<JobId> jobs) {
  if (teraflops_.empty()) co_return Result<void>{};
  if (auto read = co_await read_on(); !read) co_return read;
  for (const auto& id : jobs) {
    const auto at = open_.find(id);
    if (at == open_.end()) continue;
    at->second.booked = true;
    if (at->second.over) close(at);
  }
  co_return Result<void>{};
}

async::Task<> TrainingCompute::read_on() {
  if (teraflops_.empty()) co_return Result<void>{};
  Result<ports::GpuUsePage> page;
  for (auto from = last_;; from = last_) {
    page = co_await usage_.gpu_use_after(from);
    if (!page) co_return std::unexpected(page.error());
    if (last_ == from) break;  // else another read went between, and has some of it
  }
  last_ = page->last;
  for (const auto& use : page->uses) booked_[use.project] += petaflop(use.gpu_seconds.value, use.gpu_model);
  co_return Result<void>{};
}

std::optional<std::int64_t> TrainingCompute::with(const domain::JobSpec& spec, const std::optional<JobId>& id) const {
  if (teraflops_.empty()) return std::nullopt;
  const auto of = [&](const std::map<ProjectId, std::int64_t>& sums) {
    const auto at = sums.find(spec.project);
    return at == sums.end() ? 0 : at->second;
  };
  const bool counted = id && open_.contains(*id);
  return of(booked_) + of(open_by_project_) + (counted ? 0 : at_most(spec));
}

}  // namespace hansa::engine
