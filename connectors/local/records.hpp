// SPDX-License-Identifier: Apache-2.0
#pragma once
// What stands in a job's folder of the spool. Each file has one writer and is written once:
//
//   job.json     the connector, with the folder    what was submitted, and how to start it
//   script       the connector, with the folder    what is executed
//   lock         the supervisor                    held (flock) as long as it lives
//   started.json the supervisor                    before the payload's first step
//   result.json  the supervisor                    after the last of the job's processes has gone
//   cancel       the connector                     empty: a cancellation was asked for, before the supervisor is told
//   ended.json   the connector                     its judgement; with it the job is over

#include "broker/core/canonical_json.hpp"
#include "broker/domain/job.hpp"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace hansa::connectors::local {

inline constexpr const char* kJobFile = "job.json";
inline constexpr const char* kScriptFile = "script";
inline constexpr const char* kLockFile = "lock";
inline constexpr const char* kStartedFile = "started.json";
inline constexpr const char* kResultFile = "result.json";
inline constexpr const char* kCancelFile = "cancel";
inline constexpr const char* kEndedFile = "ended.json";

/// In the environment of every process of a job: "HANSA_LOCAL_JOB=<the job's folder>".
inline constexpr const char* kJobVariable = "HANSA_LOCAL_JOB";
/// In that of the wrapper: the job's id; of a task also its array's, and its index.
inline constexpr const char* kIdVariable = "HANSA_LOCAL_JOB_ID";
inline constexpr const char* kArrayVariable = "HANSA_LOCAL_ARRAY";
inline constexpr const char* kTaskVariable = "HANSA_LOCAL_TASK";

/// How the supervisor starts the job.
struct LaunchPlan {
  std::string work_dir;                // an absolute path; output lies beneath it
  std::string out;                     // relative to work_dir
  std::string err;
  std::vector<std::pair<std::string, std::string>> environment;
  friend bool operator==(const LaunchPlan&, const LaunchPlan&) = default;
};

struct JobRecord {
  std::int64_t id = 0;
  Tag tag;
  Principal person;
  LocalAccount account;                // as asked for: empty is the broker's own
  std::string scheduler_account;
  QueueName queue;
  domain::JobSpec spec;
  UtcTime submitted_at{};
  LaunchPlan launch;
  std::int64_t array = 0;              // of a task: the id of its array's first one, which is the array's; 0: none
  std::int32_t task = 0;
  friend bool operator==(const JobRecord&, const JobRecord&) = default;
};

struct StartRecord {
  pid_t supervisor = 0;
  std::uint64_t supervisor_started = 0;  // clock ticks, as in process_table.hpp
  pid_t payload = 0;                   // also its session's id
  std::string boot_id;
  UtcTime started_at{};
  friend bool operator==(const StartRecord&, const StartRecord&) = default;
};

struct ResultRecord {
  UtcTime started_at{};
  UtcTime ended_at{};                  // of the last process: started_at plus the monotonic time in between
  std::optional<std::int32_t> exit_code;
  std::optional<std::int32_t> signal;
  bool timed_out = false;
  bool cancelled = false;              // ended because the connector asked for it
  bool interrupted = false;            // ended because somebody else sent the supervisor a SIGTERM
  std::string launch_error;            // the script could not be executed
  std::int32_t survivors = 0;          // processes that even SIGKILL did not end
  Milliseconds user_time{0};
  Milliseconds system_time{0};
  friend bool operator==(const ResultRecord&, const ResultRecord&) = default;
};

struct EndRecord {
  std::int64_t sequence = 0;           // order of ending: the usage cursor
  std::string site_state;              // "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "SUPERVISOR_LOST"
  domain::Outcome outcome = domain::Outcome::failed;
  std::optional<UtcTime> started_at;
  UtcTime ended_at{};
  std::optional<std::int32_t> exit_code;
  std::optional<std::int32_t> signal;
  domain::Reason reason;
  friend bool operator==(const EndRecord&, const EndRecord&) = default;
};

Json to_json(const JobRecord& record);
Json to_json(const StartRecord& record);
Json to_json(const ResultRecord& record);
Json to_json(const EndRecord& record);

/// Depth, types and ranges are checked: a spool that was tampered with or torn gives an error, not a job.
Result<JobRecord> job_record(std::string_view text);
Result<StartRecord> start_record(std::string_view text);
Result<ResultRecord> result_record(std::string_view text);
Result<EndRecord> end_record(std::string_view text);

}  // namespace hansa::connectors::local
