// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one seed stands for: sites, people, what they do and what goes wrong, all with their times. Pure: the same seed gives the
// same plan, and a plan with some of its faults taken out is a plan.

#include "broker/domain/site.hpp"
#include "broker/engine/options.hpp"
#include "connectors/model/cluster.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::sim {

enum class What : std::uint8_t {
  // what people do
  submit,
  repeat_submit,        // the same key and body again
  cancel,
  hold,
  release,
  drain,
  resume,
  read_output,
  // faults of the way to a site, each at the n-th call of one kind
  reply_lost,
  reply_delayed,
  reply_truncated,
  reply_garbage,
  request_twice,
  connection_refused,
  // faults of a site, for a time
  site_down,
  site_silent,
  site_mute,
  site_slow,
  accepts_late,
  queue_off,            // the scheduler does not answer, the accounting does
  history_off,
  history_lags,
  history_empty,
  max_jobs,
  site_refuses,
  queue_down,
  clock_off,
  node_lost,
  site_hold,
  // faults of a site, at once
  site_requeue,
  controller_restart,
  same_name,            // somebody there gives a job of their own the name of one of ours
  // faults of the broker and its surroundings
  crash,                // at a named point
  kill,                 // at a time
  disk_full,
  clock_step,
  takeover,             // another process begins its epoch on the store, this one does not know
  account_withdrawn,
  site_dropped,         // from the configuration, with a restart
  budget_changed,       // with a restart
  site_suspended,       // says the register: the rules let nothing go there
  // faults of the host that moves data
  mover_silent,         // for a time
  mover_killed,         // at once: what has arrived stays
  transfer_fails,       // the next one that would have ended well
};
inline constexpr int kFirstFault = static_cast<int>(What::reply_lost);
inline constexpr int kKinds = static_cast<int>(What::transfer_fails) + 1;
std::string_view to_string(What what);
inline bool is_fault(What what) { return static_cast<int>(what) >= kFirstFault; }

/// The calls to a site, as they are named everywhere.
inline constexpr const char* kCalls[] = {"snapshot", "submit", "find", "status", "cancel", "seal", "usage", "read_output"};

struct Item {
  What what = What::submit;
  Milliseconds at{0};        // from the start; of no meaning for faults at the n-th call
  Milliseconds lasts{0};     // for a time; of a crash: until the process is started again
  int site = 0;              // index into Plan::sites
  int n = 0;                 // the n-th call; the n-th job; how much
  std::string text;          // kind of call, point of a crash, behaviour of a job
  int count = 1;             // jobs of a submission; times that a point is passed before the crash
  std::string person;
  std::vector<std::string> datasets = {};  // that the jobs read
  bool pinned = false;       // the submission names its site
  bool requeue = false;
  int after = 0;             // so many of the person's earlier jobs must have succeeded first
  bool chained = false;      // each job of the submission comes after the one before it
  std::string array = {};    // indices of its tasks, as "0-5%2": one job

  /// One line, for people.
  [[nodiscard]] std::string describe() const;
};

struct SitePlan {
  std::string id;
  domain::LoadBudget budget;
  connectors::model::ClusterOptions cluster;
  Milliseconds skew{0};
};

struct DatasetPlan {
  std::string id;
  std::int64_t bytes = 0;
  int site = 0;              // where it lies at first
};

struct Plan {
  std::uint64_t seed = 0;
  std::vector<SitePlan> sites;
  std::vector<DatasetPlan> datasets;
  std::int64_t link_speed = 1;  // bytes a second, between any two sites
  Seconds copies_last{0};    // what is brought to a site
  engine::EngineOptions options;
  Milliseconds length{0};    // then everything heals
  std::vector<Item> items;   // by time
};

Plan make_plan(std::uint64_t seed);

/// Every point at which a plan may let the process die.
const std::vector<std::string>& crash_points();

}  // namespace hansa::sim
