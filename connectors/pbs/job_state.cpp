// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/job_state.hpp"

#include "connectors/batch/answers.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace hansa::connectors::pbs {

namespace {

using domain::Outcome;
using ports::Phase;

constexpr std::int64_t kTerminated = 91;  // JOB_SUBSTATE_TERMINATED: somebody's qdel ended it
constexpr std::string_view kTerminatedWords = " and terminated";

/// "Job run at ... and terminated by alice@pbs01": who asked for it, "alice@pbs01"; "" if it does not say who, none if nobody
/// did. The server appends it (update_job_finish_comment in svr_jobfunc.c), and no user can write comments (qalter.comment_user:
/// 155).
std::optional<std::string_view> terminated_by(std::string_view comment) {
  const auto at = comment.rfind(kTerminatedWords);
  if (at == std::string_view::npos) return std::nullopt;
  auto rest = comment.substr(at + kTerminatedWords.size());
  if (!rest.empty() && rest.front() != ' ') return std::nullopt;
  if (!rest.starts_with(" by ")) return "";
  rest.remove_prefix(4);
  return batch::cut(rest, ' ');
}

/// A subjob that is still on its way out when its array is over gets the array's substate (svr_histjob_update), and keeps the
/// words. A job that died of the same signal by itself has neither. A subjob that is over and never ran was deleted while it
/// waited: nothing else ends it. One whose history was purged, because somebody else deleted its array, looks the same
/// (CHANGELOG.md, Known limits).
bool was_deleted(const JobRow& row) {
  return row.made_up || row.substate == kTerminated || terminated_by(row.comment).has_value();
}

/// Exit statuses below 0: what MOM did to the job, or why it did not start it.
struct Misfortune {
  std::int64_t status;
  Outcome outcome;
  std::string_view code;
  std::string_view message;
};
constexpr std::array<Misfortune, 9> kMisfortunes{{
    {-29, Outcome::timed_out, "TIMEOUT", "stopped by the site at its time limit"},
    {-28, Outcome::failed, "CPU_TIME", "stopped by the site: it used more processor time than it asked for"},
    {-27, Outcome::failed, "OUT_OF_MEMORY", "stopped by the site: it used more memory than it asked for"},
    {-26, Outcome::failed, "OUT_OF_MEMORY", "stopped by the site: it used more virtual memory than it asked for"},
    {-25, Outcome::failed, "TOO_MANY_CORES", "stopped by the site: it used more cores than it asked for"},
    {-24, Outcome::failed, "TOO_MANY_CORES", "stopped by the site: it used more cores than it asked for"},
    {-20, Outcome::failed, "NODE_FAIL", "its first node was lost"},
    {-10, Outcome::failed, "LAUNCH_FAILED", "the site could not start it: its account or group is not valid on the node"},
    {-4, Outcome::failed, "NODE_FAIL", "its node was restarted"},
}};

void describe_exit(ports::JobStatus& status, std::int64_t exit) {
  if (exit < 0) {
    const auto known = std::ranges::find(kMisfortunes, exit, &Misfortune::status);
    status.outcome = known == kMisfortunes.end() ? Outcome::failed : known->outcome;
    if (known != kMisfortunes.end()) {
      status.reason = {std::string(known->code), std::string(known->message)};
    } else {
      status.reason = {"LAUNCH_FAILED", "the site could not run it (exit status " + std::to_string(exit) + ")"};
    }
    return;
  }
  // The job's shell tells of a program that a signal ended by 128 and the signal; of itself PBS does by 256.
  const auto signal = exit >= 256 ? exit - 256 : exit > 128 && exit <= 128 + 31 ? exit - 128 : 0;
  status.outcome = exit == 0 ? Outcome::succeeded : Outcome::failed;
  if (signal > 0) {
    status.signal = static_cast<std::int32_t>(signal);
    status.reason = {"SIGNAL", "ended by signal " + std::to_string(signal)};
    return;
  }
  status.exit_code = static_cast<std::int32_t>(exit);
  if (exit != 0) status.reason = {"EXIT_CODE", "exit code " + std::to_string(exit)};
}

void describe_end(ports::JobStatus& status, const JobRow& row) {
  const auto site_says = batch::words_of(row.comment);
  if (was_deleted(row)) {
    status.outcome = Outcome::cancelled;
    const auto by = terminated_by(site_says).value_or("");
    status.reason = {"CANCELLED", "cancelled at the site" + (by.empty() ? "" : " by " + std::string(by))};
    if (!row.started_at) status.reason.message += ", before it started";
  } else if (!row.exit) {
    // A dependency that cannot hold any more, a server that gave it up: it never ran (qstat.fin_depend_unknown_json.out).
    status.outcome = Outcome::never_started;
    status.reason = {"SITE_FAILED",
                     "the site gave it up before it started (" + (site_says.empty() ? "no reason given" : site_says) + ")"};
  } else {
    describe_exit(status, *row.exit);
  }
}

/// By its Resource_List, which hooks may have changed. Of tasks PBS keeps no count.
domain::Grant grant_of(const JobRow& row) {
  std::int64_t nodes = 0, cores = 0, gpus = 0;
  domain::Grant grant{.time_limit = row.time_limit.value_or(Seconds{0}), .queue = row.queue, .account = row.account};
  for (const auto& chunk : row.asked) {
    nodes += chunk.copies;
    cores += chunk.copies * chunk.cores;
    gpus += chunk.copies * chunk.gpus;
    grant.memory.value += chunk.copies * chunk.memory.value;
  }
  grant.nodes = batch::to_int32(nodes);
  grant.cores = batch::to_int32(cores);
  grant.gpus = batch::to_int32(gpus);
  if (!row.place.empty()) grant.exclusive = row.place.contains("excl");
  return grant;
}

}  // namespace

Phase phase_of(std::string_view state) {
  if (state.size() != 1) return Phase::not_seen;
  switch (state.front()) {
    case 'Q':  // queued
    case 'H':  // held
    case 'W':  // waits for its time
    case 'T':  // on its way to another queue
      return Phase::queued;
    case 'R':
    case 'B':  // an array of which something runs
    case 'S':  // suspended
    case 'U':  // suspended while its workstation is in use
      return Phase::running;
    case 'E': return Phase::finishing;
    case 'F':
    case 'X':  // of an array
      return Phase::ended;
    default: return Phase::not_seen;
  }
}

ports::JobStatus to_status(const JobRow& row) {
  ports::JobStatus status;
  status.id = SiteJobId(row.id);
  status.phase = phase_of(row.state);
  status.run = batch::to_int32(row.starts - 1);
  status.site_state = row.state;
  status.granted = grant_of(row);
  if (row.exit) status.site_state += " " + std::to_string(*row.exit);
  switch (status.phase) {
    case Phase::queued:
      status.pending_reason = batch::words_of(row.comment);
      if (!row.held.empty()) status.pending_reason = "held (" + batch::words_of(row.held) + ")";
      status.expected_start = row.expected_start;
      break;
    case Phase::running:
    case Phase::finishing: status.started_at = row.started_at; break;
    case Phase::ended:
      if (row.state == "X" && !row.exit && row.started_at) {  // of an array that goes on: its history will tell how it ended
        status.phase = Phase::finishing;
        status.started_at = row.started_at;
        break;
      }
      status.started_at = row.started_at;
      status.ended_at = row.ended_at;
      describe_end(status, row);
      break;
    case Phase::not_seen: break;
  }
  return status;
}

}  // namespace hansa::connectors::pbs
