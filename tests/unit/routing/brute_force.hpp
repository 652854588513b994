// SPDX-License-Identifier: Apache-2.0
#pragma once
// A second scheduler with nothing in common with the first: a table of nodes by seconds, every second visited, every start
// tried. Written from the rules in play_forward.hpp, for one group of queues, and slow.

#include "policies/routing/play_forward.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace hansa::routing::test {

inline constexpr std::int64_t kSpan = 700;  // seconds in the table

class BruteForce {
 public:
  explicit BruteForce(const domain::SiteSnapshot& snapshot, std::int64_t now) : site_(snapshot), now_(now) {
    for (const auto& node : site_.nodes) {
      const Cell full = node.usable ? Cell{node.cores, node.memory.value, node.gpus} : Cell{};
      table_.emplace_back(static_cast<std::size_t>(kSpan), full);
    }
    for (const auto& work : site_.running) {
      auto end = to_unix_seconds(work.expected_end) - now_;
      if (end <= 0) end = 30;
      for (const auto& share : work.shares) {
        if (site_.nodes[share.node].usable) take(share.node, 0, end, {share.cores, share.memory.value, share.gpus});
      }
    }
    for (const auto& reservation : site_.reservations) {
      for (const auto n : reservation.nodes) {
        const auto& node = site_.nodes[n];
        if (!node.usable) continue;
        take(n, std::max<std::int64_t>(to_unix_seconds(reservation.start) - now_, 0), to_unix_seconds(reservation.end) - now_,
             {node.cores, node.memory.value, node.gpus});
      }
    }
  }

  /// Start of each waiting job, seconds from now.
  std::vector<std::optional<std::int64_t>> play() {
    std::vector<std::size_t> line(site_.waiting.size());
    std::iota(line.begin(), line.end(), 0U);
    std::ranges::sort(line, [&](std::size_t a, std::size_t b) {
      const auto key = [&](std::size_t i) { return std::pair(queue_of(i).priority_tier, site_.waiting[i].priority); };
      return key(a) != key(b) ? key(a) > key(b) : a < b;
    });
    starts_.assign(site_.waiting.size(), std::nullopt);
    std::int64_t reserved_until = -1;
    for (std::int64_t t = 0; t < kSpan / 2; ++t) {
      for (const auto job : line) {
        if (starts_[job] || !in_line(job, t)) continue;
        if (place(job, t)) continue;
        if (reserved_until > t) continue;
        for (auto later = t + 1; later < kSpan; ++later) {
          if (!place(job, later)) continue;
          reserved_until = later;
          break;
        }
      }
    }
    return starts_;
  }

  /// First second from `from` on at which the job fits into what is left.
  std::optional<std::int64_t> hole(const domain::WaitingWork& job, std::int64_t from) const {
    for (auto t = from; t < kSpan; ++t) {
      if (!nodes_at(job, t).empty()) return t;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool over_allocated() const {
    return std::ranges::any_of(table_, [](const auto& row) {
      return std::ranges::any_of(row, [](const Cell& cell) { return std::ranges::any_of(cell, [](auto x) { return x < 0; }); });
    });
  }

  using Cell = std::array<std::int64_t, 3>;  // free cores, memory, GPUs
  void take(std::uint32_t node, std::int64_t from, std::int64_t until, const Cell& amount) {
    for (auto t = from; t < std::min(until, kSpan); ++t) {
      for (std::size_t i = 0; i < 3; ++i) table_[node][static_cast<std::size_t>(t)][i] -= amount[i];
    }
  }

 private:
  /// None: the node has not got it.
  [[nodiscard]] std::optional<Cell> need(const domain::Resources& r, std::uint32_t node) const {
    const Cell asked{(r.tasks + r.nodes - 1) / r.nodes * r.cpus_per_task, r.memory_per_node.value, r.gpus_per_node};
    const auto& n = site_.nodes[node];
    const Cell all{n.cores, n.memory.value, n.gpus};
    for (std::size_t i = 0; i < 3; ++i) {
      if (asked[i] > all[i]) return std::nullopt;
    }
    return r.exclusive ? all : asked;
  }
  [[nodiscard]] const domain::Queue& queue_of(std::size_t job) const { return queue_of(site_.waiting[job]); }
  [[nodiscard]] const domain::Queue& queue_of(const domain::WaitingWork& job) const {
    return *std::ranges::find(site_.queues, job.queue, &domain::Queue::name);
  }
  [[nodiscard]] bool in_line(std::size_t job, std::int64_t t) const {
    const auto& work = site_.waiting[job];
    if (!queue_of(job).up) return false;
    if (work.eligible_at) return to_unix_seconds(*work.eligible_at) - now_ <= t;
    return work.eligible;
  }
  [[nodiscard]] std::vector<std::uint32_t> nodes_at(const domain::WaitingWork& job, std::int64_t t) const {
    std::vector<std::uint32_t> found;
    const auto end = t + job.time_limit.count();
    for (const auto node : queue_of(job).nodes) {
      if (job.resources.gpus_per_node > 0 && !job.resources.gpu_model.empty() &&
          site_.nodes[node].gpu_model != job.resources.gpu_model)
        continue;
      const auto cell = need(job.resources, node);
      bool fits = cell.has_value();
      for (auto s = t; fits && s < end && s < kSpan; ++s) {
        for (std::size_t i = 0; i < 3; ++i) fits = fits && table_[node][static_cast<std::size_t>(s)][i] >= (*cell)[i];
      }
      if (fits) found.push_back(node);
      if (found.size() == static_cast<std::size_t>(job.resources.nodes)) return found;
    }
    return {};
  }
  bool place(std::size_t job, std::int64_t t) {
    const auto& work = site_.waiting[job];
    const auto nodes = nodes_at(work, t);
    if (nodes.empty()) return false;
    for (const auto node : nodes) take(node, t, t + work.time_limit.count(), *need(work.resources, node));
    starts_[job] = t;
    return true;
  }

  const domain::SiteSnapshot& site_;
  std::int64_t now_;
  std::vector<std::vector<Cell>> table_;  // by node, by second
  std::vector<std::optional<std::int64_t>> starts_;
};

}  // namespace hansa::routing::test
