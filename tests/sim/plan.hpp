// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one seed stands for: sites, people, what they do and what goes wrong, all with their times. Pure: the same seed gives the
// same plan, and a plan with some of its faults taken out is a plan.

#include "broker/domain/site.hpp"
#include "broker/engine/options.hpp"
#include "connectors/model/cluster.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::sim {

enum class What : std::uint8_t {
  // what people do
  submit,
  repeat_submit,        // the same key and body again
  cancel,
  cancel_tasks,         // some tasks of an array alone
  hold,
  release,
  drain,
  resume,
  read_output,
  look_over,            // a site, as `hansa site doctor` does
  // faults of the way to a site, each at the n-th call of one kind
  reply_lost,
  reply_delayed,
  reply_truncated,
  reply_garbage,
  request_twice,
  connection_refused,
  gateway_timeout,      // 504: the site did it, and something in between gave up
  errors_in_200,        // the site did it, and the answer says that it did not
  record_lost,          // one job of a list is malformed, and left out
  cable_cut,            // after the site did it; for a time there is no way, then it comes about again
  login_cut,            // the person's certificate ends between the acceptance and the answer
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
  partial_start,        // some tasks of an array have started, the others are held
  login_lapses,         // a person's credential for the site has ended
  finding,              // a look at the site finds what bars jobs
  site_vetoes,          // by rules of the site's own end
  over_budget,          // of the site's own end
  site_alters,          // what it was asked for: time, account, queue or tasks
  // faults of a site, at once
  site_requeue,
  controller_restart,
  history_purged,       // of what ended some minutes ago
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
inline constexpr int kKinds = static_cast<int>(What::transfer_fails) + 1;
std::string_view to_string(What what);
inline bool is_fault(What what) { return what >= What::reply_lost; }
inline bool is_of_the_way(What what) { return what >= What::reply_lost && what <= What::login_cut; }
inline bool is_of_a_site(What what) { return what >= What::site_down && what <= What::same_name; }

/// The calls to a site, as they are named everywhere.
inline constexpr const char* kCalls[] = {"snapshot", "submit", "find",   "status",     "cancel",
                                         "seal",     "usage",  "doctor", "read_output"};

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
  int nodes = 1, tasks = 1;
  bool exclusive = false;
  std::string variants = {};  // of "nvidia", "amd", "none", with spaces between; then one for everywhere

  /// One line, for people.
  [[nodiscard]] std::string describe() const;
};

struct SitePlan {
  std::string id;
  domain::LoadBudget budget;
  connectors::model::ClusterOptions cluster;
  Milliseconds skew{0};
  std::string profile;       // the kind of connector that it is reached by (profiles.hpp)
  std::string gpu_vendor;    // "nvidia", "amd"; "": it has no GPUs
  std::int32_t devices_per_gpu = 1;
  bool persons = false;      // each person logs in as themselves
  bool forgets_unstarted = false;  // tasks that were cancelled before they began: no listing has them
  std::optional<std::pair<int, int>> quiet = {};  // from, to: minutes of the day
};

/// Whose jobs they are.
inline constexpr const char* kPeople[] = {"local:alice", "local:bob", "local:carol"};

/// Projects are charged so at every site.
inline constexpr const char* kChargedTo = "lab-1";

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
