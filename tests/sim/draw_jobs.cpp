// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/draw_jobs.hpp"

#include <algorithm>

namespace hansa::sim {

using namespace std::chrono_literals;

std::string draw_behaviour(Draw& draw) {
  constexpr int kRuns[] = {0, 1, 5, 20, 60, 200, 500};
  std::string text = "run=" + std::to_string(draw.of(kRuns)) + "s";
  switch (draw.below(10)) {
    case 0: text += " exit=3"; break;
    case 1: text += " signal=9"; break;
    case 2: text += " node_fail=3s"; break;
    case 3: text += " fence=error"; break;
    default: break;
  }
  return text;
}

void draw_moves(Plan& plan) {
  Draw draw(~plan.seed);
  constexpr Seconds kGains[] = {20s, 60s, 150s};
  constexpr int kCaps[] = {1'000, 1'000, 500, 200};
  constexpr Seconds kPlaces[] = {0s, 60s, 7'200s};
  plan.options.move_gain = draw.of(kGains);
  plan.options.moves_per_thousand = draw.of(kCaps);
  plan.options.place_after = draw.of(kPlaces);
  if (plan.sites.size() < 2 || draw.one_in(3)) return;
  // Somebody fills the smallest site while the others are drained: what waits there is moved when they are back.
  const auto cores = [](const SitePlan& site) {
    return site.cluster.node_groups.front().count * site.cluster.node_groups.front().cores;
  };
  const auto small = std::ranges::min_element(plan.sites, {}, cores) - plan.sites.begin();
  const auto back = draw.time(40s, 150s);
  for (auto& site : plan.sites)
    site.cluster.last_job_id = std::max<std::int64_t>(site.cluster.last_job_id, 64);  // none twice at once
  for (int site = 0; site < static_cast<int>(plan.sites.size()); ++site) {
    if (site == small) continue;
    plan.items.push_back({.what = What::drain, .at = 1s, .site = site});
    plan.items.push_back({.what = What::resume, .at = back, .site = site});
  }
  plan.items.push_back({.what = What::submit,
                        .at = draw.time(5s, 15s),
                        .n = 1'000,
                        .text = "run=200s",
                        .count = cores(plan.sites[static_cast<std::size_t>(small)]) + draw.between(1, 3),
                        .person = "local:alice"});
  constexpr const char* kOnTheWay[] = {"move_intended", "moved", "cancel", "seal"};
  plan.items.push_back({.what = What::crash,
                        .lasts = draw.time(1s, 30s),
                        .text = std::string(draw.of(kOnTheWay)) + (draw.one_in(2) ? ".before" : ".after")});
}

void draw_data(Plan& plan) {
  const auto sites = static_cast<int>(plan.sites.size());
  Draw draw(plan.seed ^ 0xDA7A'0000'0000);
  if (sites < 2 || !draw.one_in(3)) return;
  constexpr int kBytes[] = {0, 1'000, 20'000, 200'000};
  constexpr Seconds kLasts[] = {300s, 3'600s, 30 * 86'400s};
  constexpr Seconds kLingers[] = {30s, 600s};
  plan.link_speed = 1'000;
  plan.copies_last = draw.of(kLasts);
  plan.options.transfer_interval = draw.one_in(2) ? 5s : 30s;
  plan.options.transfer_linger = draw.of(kLingers);
  const int datasets = draw.between(1, 2);
  for (int i = 0; i < datasets; ++i)
    plan.datasets.push_back({.id = i == 0 ? "genomes" : "weather", .bytes = draw.of(kBytes), .site = draw.below(sites)});
  const int submissions = draw.between(2, 5);
  for (int i = 0; i < submissions; ++i) {
    Item item{.what = What::submit,
              .at = draw.time(0s, plan.length / 2),
              .site = draw.below(sites),
              .n = 2'000 + i,
              .text = draw_behaviour(draw),
              .count = draw.one_in(3) ? 2 : 1,
              .person = "local:alice",
              .datasets = {},
              .pinned = draw.one_in(2)};
    for (const auto& dataset : plan.datasets) {
      if (item.datasets.empty() || draw.one_in(2)) item.datasets.push_back(dataset.id);
    }
    plan.items.push_back(item);
  }
  const auto sometimes = [&](What what, int in) {
    if (!draw.one_in(in)) return;
    plan.items.push_back({.what = what,
                          .at = draw.time(5s, plan.length),
                          .lasts = draw.time(10s, plan.length / 2),
                          .site = plan.datasets.front().site,
                          .n = draw.below(8)});
  };
  sometimes(What::drain, 2);
  sometimes(What::resume, 2);
  sometimes(What::site_suspended, 4);
  sometimes(What::mover_silent, 2);
  sometimes(What::mover_killed, 2);
  sometimes(What::mover_killed, 2);
  sometimes(What::transfer_fails, 1);
  constexpr const char* kOnTheWay[] = {"transfer_begun", "transfer_ended", "dataset", "move"};
  const int crashes = draw.between(1, 2);
  for (int i = 0; i < crashes; ++i) {
    plan.items.push_back({.what = What::crash,
                          .lasts = draw.time(1s, 60s),
                          .text = std::string(draw.of(kOnTheWay)) + (draw.one_in(2) ? ".before" : ".after"),
                          .count = draw.one_in(3) ? 2 : 1});
  }
}

void draw_chains(Plan& plan) {
  Draw draw(plan.seed ^ 0xC4A1'0000'0000);
  if (!draw.one_in(3)) return;
  const int submissions = draw.between(1, 4);
  for (int i = 0; i < submissions; ++i) {
    const bool chained = draw.one_in(2);
    plan.items.push_back({.what = What::submit,
                          .at = draw.time(0s, plan.length * 3 / 4),
                          .site = draw.below(static_cast<int>(plan.sites.size())),
                          .n = 3'000 + i,
                          .text = draw_behaviour(draw),
                          .count = chained ? draw.between(2, 4) : 1,
                          .person = draw.of(kPeople),
                          .pinned = draw.one_in(3),
                          .after = chained ? draw.between(0, 1) : draw.between(1, 3),
                          .chained = chained});
  }
}

void draw_arrays(Plan& plan) {
  Draw draw(plan.seed ^ 0xA44A'0000'0000);
  if (!draw.one_in(3)) return;
  const auto sites = static_cast<int>(plan.sites.size());
  constexpr int kRuns[] = {1, 5, 20, 60, 200};
  const int arrays = draw.between(1, 3);
  for (int i = 0; i < arrays; ++i) {
    const int first = draw.below(3), step = draw.one_in(3) ? 2 : 1, tasks = draw.between(1, 8);
    std::string list = std::to_string(first);
    if (tasks > 1) list += '-' + std::to_string(first + (tasks - 1) * step) + (step > 1 ? ":" + std::to_string(step) : "");
    if (draw.one_in(2)) list += '%' + std::to_string(draw.between(1, 3));
    auto behaviour = draw.one_in(3) ? draw_behaviour(draw) : "run=" + std::to_string(draw.of(kRuns)) + "s";
    if (draw.one_in(3)) behaviour += " fails=" + std::to_string(first);
    plan.items.push_back({.what = What::submit,
                          .at = draw.time(0s, plan.length / 2),
                          .site = draw.below(sites),
                          .n = 4'000 + i,
                          .text = std::move(behaviour),
                          .person = draw.of(kPeople),
                          .datasets = {},
                          .pinned = draw.one_in(4),
                          .requeue = draw.one_in(3),
                          .array = std::move(list)});
    const auto sent = plan.items.back();
    if (draw.one_in(4)) {
      plan.items.push_back(sent);
      plan.items.back().what = What::repeat_submit;
      plan.items.back().at += draw.time(0s, 60s);
    }
    if (draw.one_in(3)) {  // its submission arrives when nobody waits for it any more
      plan.items.push_back({.what = What::accepts_late,
                            .at = sent.at,
                            .lasts = draw.time(5s, 120s),
                            .site = draw.below(sites),
                            .count = draw.between(20, 400)});
    }
  }
  constexpr What kWays[] = {What::reply_lost, What::reply_lost, What::request_twice, What::reply_truncated};
  for (int i = draw.between(0, 3); i > 0; --i) {
    plan.items.push_back({.what = draw.of(kWays),
                          .lasts = draw.time(1s, 55s),
                          .site = draw.below(sites),
                          .n = draw.between(1, 8),
                          .text = draw.one_in(2) ? "submit" : "status"});
  }
  constexpr What kMishaps[] = {What::site_requeue, What::controller_restart, What::node_lost, What::history_off, What::cancel};
  for (int i = draw.between(0, 3); i > 0; --i) {
    plan.items.push_back({.what = draw.of(kMishaps),
                          .at = draw.time(5s, plan.length),
                          .lasts = draw.time(0s, 60s),
                          .site = draw.below(sites),
                          .n = draw.below(16)});
  }
  constexpr const char* kOnTheWay[] = {"tasks_seen",    "tasks_seen", "attempt_granted", "submit",
                                       "attempt_bound", "status",     "attempt_ended",   "seal"};
  for (int i = draw.between(1, 2); i > 0; --i) {
    plan.items.push_back({.what = What::crash,
                          .lasts = draw.time(1s, 60s),
                          .text = std::string(draw.of(kOnTheWay)) + (draw.one_in(2) ? ".before" : ".after"),
                          .count = draw.one_in(2) ? 1 : draw.between(2, 4)});
  }
}

}  // namespace hansa::sim
