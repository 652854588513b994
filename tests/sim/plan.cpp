// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/plan.hpp"

#include "tests/sim/draw.hpp"
#include "tests/sim/draw_jobs.hpp"
#include "tests/sim/profiles.hpp"

#include <algorithm>
#include <array>
#include <tuple>

namespace hansa::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::array<std::string_view, kKinds> kNames{"submit",
                                                      "repeat_submit",
                                                      "cancel",
                                                      "cancel_tasks",
                                                      "hold",
                                                      "release",
                                                      "drain",
                                                      "resume",
                                                      "read_output",
                                                      "look_over",
                                                      "reply_lost",
                                                      "reply_delayed",
                                                      "reply_truncated",
                                                      "reply_garbage",
                                                      "request_twice",
                                                      "connection_refused",
                                                      "gateway_timeout",
                                                      "errors_in_200",
                                                      "record_lost",
                                                      "cable_cut",
                                                      "login_cut",
                                                      "site_down",
                                                      "site_silent",
                                                      "site_mute",
                                                      "site_slow",
                                                      "accepts_late",
                                                      "queue_off",
                                                      "history_off",
                                                      "history_lags",
                                                      "history_empty",
                                                      "max_jobs",
                                                      "site_refuses",
                                                      "queue_down",
                                                      "clock_off",
                                                      "node_lost",
                                                      "site_hold",
                                                      "partial_start",
                                                      "login_lapses",
                                                      "finding",
                                                      "site_vetoes",
                                                      "over_budget",
                                                      "site_alters",
                                                      "site_requeue",
                                                      "controller_restart",
                                                      "history_purged",
                                                      "same_name",
                                                      "crash",
                                                      "kill",
                                                      "disk_full",
                                                      "clock_step",
                                                      "takeover",
                                                      "account_withdrawn",
                                                      "site_dropped",
                                                      "budget_changed",
                                                      "site_suspended",
                                                      "mover_silent",
                                                      "mover_killed",
                                                      "transfer_fails"};

/// Kinds of writes that a process can die at.
constexpr const char* kWrites[] = {
    "accepted",
    "waiting",
    "held",
    "attempt_intended",
    "attempt_resent",
    "attempt_unknown",
    "attempt_bound",
    "attempt_ended",
    "never_started",
    "run_started",
    "cancel_requested",
    "cancel_resolved",
    "attempt_seen_again",
    "usage_booked",
    "site_state",
    "sighting_quarantined",
    "run_requeued",
    "ended",
    "site_call",
    "tasks_seen",
    "attempt_granted",
    "task_cancel_requested",
};

/// Calls and writes that few histories have: a process that shall die there is given the whole history to come to it.
constexpr const char* kRare[] = {"attempt_resent",
                                 "attempt_seen_again",
                                 "cancel",
                                 "cancel_requested",
                                 "cancel_resolved",
                                 "never_started",
                                 "ended",
                                 "read_output",
                                 "seal",
                                 "waiting",
                                 "held",
                                 "sighting_quarantined",
                                 "run_requeued"};

SitePlan draw_site(Draw& draw, int index) {
  constexpr Milliseconds kSchedulingDelays[] = {200ms, 1s, 5s};
  constexpr int kQueries[] = {6, 10, 30};
  SitePlan site{.id = index == 0 ? "alpha" : index == 1 ? "beta" : "gamma"};
  site.budget.queries_per_minute = draw.of(kQueries);
  site.budget.submits_per_minute = draw.one_in(3) ? 4 : 60;
  site.budget.cancels_per_minute = draw.one_in(3) ? 2 : 60;
  site.budget.concurrent_calls = draw.between(1, 4);
  site.budget.waiting_jobs = draw.between(1, 6);
  auto& cluster = site.cluster;
  cluster.name = site.id;
  cluster.node_groups = {{.count = draw.between(1, 3), .cores = draw.between(1, 4)}};
  cluster.scheduling_delay = draw.of(kSchedulingDelays);
  cluster.completing = draw.one_in(2) ? 0s : 3s;
  cluster.visibility_lag = draw.one_in(3) ? draw.time(1s, 20s) : 0s;
  cluster.accounting_lag = draw.one_in(2) ? 1s : draw.time(5s, 60s);
  cluster.min_job_age = draw.one_in(3) ? 5s : 300s;
  if (draw.one_in(3)) {  // ids come round again
    cluster.first_job_id = 1;
    cluster.last_job_id = draw.between(8, 24);
  }
  if (draw.one_in(4)) {
    cluster.background = {
        {.every = Seconds(draw.between(120, 600)), .run = Seconds(draw.between(30, 300)), .time_limit = Seconds(600)}};
  }
  if (draw.one_in(3)) site.skew = draw.time(-100s, 100s);
  return site;
}

void draw_people(Draw& draw, Plan& plan, int jobs) {
  const auto sites = static_cast<int>(plan.sites.size());
  const auto half = plan.length / 2;
  int submissions = 0;
  for (int left = jobs; left > 0; ++submissions) {
    const int count = std::min(left, draw.one_in(3) ? draw.between(2, 3) : 1);
    left -= count;
    plan.items.push_back({.what = What::submit,
                          .at = draw.one_in(4) ? draw.time(0s, 5s) : draw.time(0s, half),
                          .site = draw.below(sites),
                          .n = submissions,
                          .text = draw_behaviour(draw),
                          .count = count,
                          .person = draw.of(kPeople),
                          .pinned = draw.one_in(4),
                          .requeue = draw.one_in(3)});
    if (draw.one_in(4)) {
      auto again = plan.items.back();
      again.what = What::repeat_submit;
      again.at += draw.time(0s, 120s);
      plan.items.push_back(again);
    }
  }
  const auto sometimes = [&](What what, int in, int times = 1) {
    for (int i = 0; i < times; ++i) {
      if (!draw.one_in(in)) continue;
      plan.items.push_back({.what = what,
                            .at = draw.time(5s, plan.length),
                            .lasts = draw.time(10s, plan.length / 2),
                            .site = draw.below(sites),
                            .n = draw.below(jobs)});
    }
  };
  sometimes(What::cancel, 2, 3);
  sometimes(What::hold, 3);
  sometimes(What::release, 3);
  sometimes(What::drain, 4);
  sometimes(What::resume, 4);
  sometimes(What::read_output, 2);
}

void draw_call_faults(Draw& draw, Plan& plan) {
  // Calls that are rare come early in the count.
  constexpr std::pair<const char*, int> kOften[] = {{"snapshot", 16}, {"submit", 5}, {"submit", 5},  {"submit", 3},
                                                    {"find", 6},      {"find", 3},   {"status", 24}, {"status", 24},
                                                    {"cancel", 2},    {"seal", 2},   {"usage", 6},   {"read_output", 1}};
  constexpr What kWays[] = {What::reply_lost,    What::reply_lost,    What::reply_delayed,     What::reply_truncated,
                            What::reply_garbage, What::request_twice, What::connection_refused};
  const int faults = draw.between(24, 72);
  for (int i = 0; i < faults; ++i) {
    const auto& [call, most] = draw.of(kOften);
    plan.items.push_back({.what = draw.of(kWays),
                          .lasts = draw.time(1s, 55s),
                          .site = draw.below(static_cast<int>(plan.sites.size())),
                          .n = draw.between(1, most),
                          .text = call});
  }
}

void draw_site_faults(Draw& draw, Plan& plan, bool hours) {
  constexpr What kTimes[] = {What::site_down,    What::site_silent,   What::site_mute, What::site_slow,
                             What::accepts_late, What::accepts_late,  What::queue_off, What::history_off,
                             What::history_lags, What::history_empty, What::max_jobs,  What::site_refuses,
                             What::queue_down,   What::clock_off,     What::node_lost, What::site_hold};
  constexpr What kAtOnce[] = {What::site_requeue, What::controller_restart, What::controller_restart, What::same_name};
  const auto sites = static_cast<int>(plan.sites.size());
  const int faults = draw.between(1, 7);
  for (int i = 0; i < faults; ++i) {
    Item item{.what = draw.of(kTimes),
              .at = draw.time(0s, plan.length * 3 / 4),
              .lasts = draw.time(5s, plan.length / 3),
              .site = draw.below(sites),
              .n = draw.below(8)};
    if (item.what == What::clock_off) item.n = draw.one_in(2) ? 1 : -1;
    if (item.what == What::accepts_late) item.count = draw.between(2, 400);  // seconds
    plan.items.push_back(item);
  }
  if (draw.one_in(3)) {  // so soon after a submission that the job may not have been saved
    plan.items.push_back({.what = What::controller_restart,
                          .lasts = draw.one_in(4) ? 0s : 1s,
                          .site = draw.below(sites),
                          .n = draw.between(1, 4),
                          .text = "submit",
                          .count = draw.between(1, 12)});  // tenths of a second
  }
  const int sudden = draw.below(4);
  for (int i = 0; i < sudden; ++i) {
    plan.items.push_back({.what = draw.of(kAtOnce),
                          .at = draw.time(1s, plan.length),
                          .lasts = draw.one_in(2) ? 0s : 1s,  // what a controller forgets
                          .site = draw.below(sites),
                          .n = draw.below(8)});
  }
  if (hours) {
    const Item item{.what = draw.one_in(2) ? What::site_silent : What::site_down,
                    .at = draw.time(5s, 120s),
                    .lasts = draw.time(1h, 4h),
                    .site = draw.below(sites)};
    plan.length = item.at + item.lasts + 1min;
    plan.items.push_back(item);
  }
}

void draw_broker_faults(Draw& draw, Plan& plan) {
  const auto sites = static_cast<int>(plan.sites.size());
  const int crashes = draw.between(2, 6);
  for (int i = 0; i < crashes; ++i) {
    if (draw.one_in(2)) {
      plan.items.push_back({.what = What::crash,
                            .lasts = draw.time(1s, 30s),
                            .text = std::string(draw.of(kRare)) + (draw.one_in(2) ? ".before" : ".after")});
      continue;
    }
    plan.items.push_back({.what = What::crash,
                          .at = draw.one_in(2) ? 0s : draw.time(0s, plan.length / 2),
                          .lasts = draw.time(1s, 30s),
                          .text = draw.of(crash_points()),
                          .count = draw.one_in(2) ? 1 : draw.between(1, 4)});
  }
  constexpr std::pair<What, int> kOthers[] = {{What::kill, 4},           {What::disk_full, 3},         {What::clock_step, 4},
                                              {What::takeover, 8},       {What::account_withdrawn, 5}, {What::site_dropped, 8},
                                              {What::budget_changed, 8}, {What::site_suspended, 3}};
  for (const auto& [what, in] : kOthers) {
    if (!draw.one_in(in)) continue;
    plan.items.push_back(
        {.what = what,
         .at = draw.time(5s, plan.length),
         .lasts = what == What::kill || what == What::takeover ? draw.time(1s, 60s) : draw.time(10s, plan.length / 3),
         .site = draw.below(sites),
         .n = draw.one_in(2) ? 1 : -1,
         .person = "local:alice"});
  }
}

}  // namespace

std::string_view to_string(What what) { return kNames[static_cast<std::size_t>(what)]; }

std::string Item::describe() const {
  const auto seconds = [](Milliseconds t) {
    return std::to_string(t.count() / 1000) + "." + std::to_string(t.count() / 100 % 10) + " s";
  };
  std::string line(to_string(what));
  if (is_of_the_way(what)) {
    line += " at site " + std::to_string(site) + ", " + text + " number " + std::to_string(n);
    const bool goes_on = what == What::cable_cut || what == What::login_cut;
    return line + (what == What::reply_delayed ? ", by " + seconds(lasts) : goes_on ? ", for " + seconds(lasts) : "");
  }
  line += " at " + seconds(at);
  if (lasts.count() > 0) line += " for " + seconds(lasts);
  if (!text.empty()) line += " \"" + text + "\"";
  return line + " site " + std::to_string(site) + " n " + std::to_string(n) + " count " + std::to_string(count) +
         (datasets.empty() ? "" : " reads " + std::to_string(datasets.size())) + (person.empty() ? "" : " by " + person) +
         (after > 0 ? " after " + std::to_string(after) : "") + (chained ? " chained" : "") +
         (array.empty() ? "" : " array " + array) + (pinned ? " pinned" : "") + (requeue ? " requeue" : "") +
         (nodes + tasks > 2 ? " of " + std::to_string(tasks) + " on " + std::to_string(nodes) : "") +
         (exclusive ? " exclusive" : "") + (variants.empty() ? "" : " variants " + variants);
}

const std::vector<std::string>& crash_points() {
  static const auto points = [] {
    std::vector<std::string> all;
    for (const auto* what : kCalls) all.insert(all.end(), {std::string(what) + ".before", std::string(what) + ".after"});
    for (const auto* what : kWrites) all.insert(all.end(), {std::string(what) + ".before", std::string(what) + ".after"});
    return all;
  }();
  return points;
}

Plan make_plan(std::uint64_t seed) {
  Draw draw(seed);
  Plan plan{.seed = seed};
  const int sites = draw.between(1, 3);
  for (int i = 0; i < sites; ++i) plan.sites.push_back(draw_site(draw, i));
  const bool hours = draw.one_in(16);
  plan.length = draw.time(4min, 16min);
  auto& options = plan.options;
  options.broker_id = "sim";
  options.status_interval = draw.one_in(2) ? 30s : 60s;
  options.snapshot_interval = draw.one_in(2) ? 60s : 120s;
  options.usage_interval = draw.one_in(2) ? 120s : 300s;
  options.submit_timeout = draw.one_in(2) ? 60s : 20s;
  if (draw.one_in(4)) options.visibility_window = 60s;
  draw_people(draw, plan, draw.between(2, 9));
  draw_call_faults(draw, plan);
  draw_site_faults(draw, plan, hours);
  draw_broker_faults(draw, plan);
  draw_moves(plan);
  draw_data(plan);
  draw_chains(plan);
  draw_arrays(plan);
  draw_terms(plan);
  draw_profiles(plan);
  if (seed % 4 == 0) {
    plan.sites.front().quiet = {3, 9};
    if (auto quiet = DailyHours::parse("00:03-00:09 UTC")) plan.sites.front().budget.quiet_hours.push_back(std::move(*quiet));
  }
  std::ranges::sort(plan.items, {}, [](const Item& i) { return std::tuple(i.at, i.what, i.site, i.n, i.count, i.lasts); });
  return plan;
}

}  // namespace hansa::sim
