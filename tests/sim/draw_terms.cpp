// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/draw_jobs.hpp"

#include <algorithm>
#include <limits>

namespace hansa::sim {

using namespace std::chrono_literals;

namespace {

std::string either_side(Draw& draw, const char* point) { return std::string(point) + (draw.one_in(2) ? ".before" : ".after"); }

void draw_hardware(Draw& draw, Plan& plan) {
  for (auto& site : plan.sites) {
    auto& nodes = site.cluster.node_groups.front();
    switch (draw.below(3)) {
      case 0: nodes.gpus = 2, nodes.gpu_model = "a100", site.gpu_vendor = "nvidia"; break;
      case 1: nodes.gpus = 2, nodes.gpu_model = "mi250x", site.gpu_vendor = "amd", site.devices_per_gpu = 2; break;
      default: break;
    }
  }
}

/// Several cores, whole nodes, variants. Every site can run each of them.
void draw_shapes(Draw& draw, Plan& plan) {
  int nodes = std::numeric_limits<int>::max(), cores = nodes;
  for (const auto& site : plan.sites) {
    nodes = std::min(nodes, site.cluster.node_groups.front().count);
    cores = std::min(cores, site.cluster.node_groups.front().cores);
  }
  const int submissions = draw.between(1, 4);
  for (int i = 0; i < submissions; ++i) {
    Item item{.what = What::submit,
              .at = draw.time(0s, plan.length * 3 / 4),
              .site = draw.below(static_cast<int>(plan.sites.size())),
              .n = 5'000 + i,
              .text = draw_behaviour(draw),
              .count = draw.one_in(3) ? 2 : 1,
              .person = draw.of(kPeople),
              .pinned = draw.one_in(3),
              .requeue = draw.one_in(3)};
    item.nodes = draw.one_in(3) ? draw.between(1, nodes) : 1;
    item.tasks = draw.between(item.nodes, item.nodes * cores);
    item.exclusive = draw.one_in(2);
    if (draw.one_in(2)) {
      for (const auto* vendor : {"nvidia", "amd", "none"}) {
        if (draw.one_in(2)) item.variants += std::string(item.variants.empty() ? "" : " ") + vendor;
      }
    }
    plan.items.push_back(std::move(item));
  }
}

void draw_task_cancels(Draw& draw, Plan& plan) {
  std::vector<Item> arrays;
  std::ranges::copy_if(plan.items, std::back_inserter(arrays),
                       [](const Item& item) { return item.what == What::submit && !item.array.empty(); });
  for (const auto& array : arrays) {
    for (int i = draw.between(0, 2); i > 0; --i) {
      plan.items.push_back(
          {.what = What::cancel_tasks, .at = array.at + draw.time(1s, 180s), .n = array.n, .count = draw.between(1, 255)});
    }
  }
  if (arrays.empty()) return;
  constexpr const char* kOnTheWay[] = {"task_cancel_requested", "tasks_seen", "cancel", "never_started"};
  plan.items.push_back({.what = What::crash,
                        .lasts = draw.time(1s, 60s),
                        .text = either_side(draw, draw.of(kOnTheWay)),
                        .count = draw.between(1, 2)});
}

void draw_alterations(Draw& draw, Plan& plan) {
  for (auto& site : plan.sites) site.cluster.queues.push_back({.name = QueueName("spare")});
  for (int i = draw.between(1, 3); i > 0; --i) {
    plan.items.push_back({.what = What::site_alters,
                          .at = draw.time(0s, plan.length / 2),
                          .lasts = draw.time(30s, plan.length / 2),
                          .site = draw.below(static_cast<int>(plan.sites.size())),
                          .n = draw.below(6)});
  }
  constexpr const char* kOnTheWay[] = {"attempt_granted", "attempt_granted", "seal", "cancel", "never_started"};
  plan.items.push_back({.what = What::crash, .lasts = draw.time(1s, 60s), .text = either_side(draw, draw.of(kOnTheWay))});
}

void draw_findings(Draw& draw, Plan& plan) {
  for (int i = draw.between(1, 2); i > 0; --i) {
    const Item found{.what = What::finding,
                     .at = draw.time(0s, plan.length / 2),
                     .lasts = draw.time(20s, plan.length / 2),
                     .site = draw.below(static_cast<int>(plan.sites.size())),
                     .n = draw.below(8),
                     .person = draw.of(kPeople)};
    plan.items.push_back(found);
    for (const auto after : {draw.time(1s, 30s), found.lasts + draw.time(1s, 60s)}) {
      if (draw.one_in(4)) continue;
      plan.items.push_back({.what = What::look_over, .at = found.at + after, .site = found.site});
    }
  }
  constexpr const char* kOnTheWay[] = {"doctor", "doctor", "site_state", "site_call"};
  plan.items.push_back({.what = What::crash,
                        .at = draw.time(0s, plan.length / 4),
                        .lasts = draw.time(1s, 60s),
                        .text = either_side(draw, draw.of(kOnTheWay))});
}

}  // namespace

void draw_terms(Plan& plan) {
  Draw draw(plan.seed ^ 0x7E12'0000'0000);
  draw_hardware(draw, plan);
  if (draw.one_in(2)) draw_shapes(draw, plan);
  draw_task_cancels(draw, plan);
  if (draw.one_in(3)) draw_alterations(draw, plan);
  if (draw.one_in(3)) draw_findings(draw, plan);
}

}  // namespace hansa::sim
