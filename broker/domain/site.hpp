// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site as the broker is configured for it, and as it has seen it last.

#include "broker/core/daily_hours.hpp"
#include "broker/domain/charge.hpp"
#include "broker/domain/doctor_report.hpp"
#include "broker/domain/job.hpp"
#include "broker/domain/variant.hpp"

#include <map>

namespace hansa::domain {

/// What the site allows us, over all people together.
struct LoadBudget {
  std::int32_t queries_per_minute = 10;
  std::int32_t submits_per_minute = 600;
  std::int32_t cancels_per_minute = 600;
  std::int32_t concurrent_calls = 4;
  std::int32_t waiting_jobs = 50;      // of ours in its queue at one time
  std::vector<DailyHours> quiet_hours = {};  // nothing new is sent there, and it is asked at a quarter of the rate
};

/// Jobs run there within what their projects were allocated.
struct Charging {
  std::vector<ChargeRule> rules;
  bool opportunistic = false;          // who has nothing left runs all the same
  std::map<std::string, std::string> limits = {};  // a resource that the scheduler limits -> the unit whose balance it is
};

struct Site {
  SiteId id;
  std::string name;
  std::string country;                 // ISO 3166-1 alpha-2
  std::string connector;               // "slurm", "local", ...
  LoadBudget budget;
  std::map<ProjectId, std::string> scheduler_accounts;  // project -> the scheduler's account
  bool allocation_required = false;    // it takes only these projects
  std::vector<std::string> ignored_findings = {};  // checks of the doctor's that keep no job from going there
  Hardware hardware = {};
  SoftwareProfile software = {};
  std::optional<Charging> charging = {};  // none: nobody counts
};

enum class SiteHealth { unseen, up, down };
std::string_view to_string(SiteHealth health);

/// Changes of this are stored, so that a drain outlives a restart.
struct SiteState {
  SiteId id;
  SiteHealth health = SiteHealth::unseen;
  bool drained = false;                // by an operator: takes no new jobs
  std::string drain_reason;
  std::optional<UtcTime> last_success;
  std::optional<UtcTime> last_failure;
  Reason last_error;                   // kept after recovery, with last_failure's time
  std::optional<DoctorReport> doctor = {};  // the last report
};

}  // namespace hansa::domain
