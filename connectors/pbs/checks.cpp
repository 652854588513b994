// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/checks.hpp"

#include "broker/domain/site_checks.hpp"

#include <map>
#include <string>

namespace hansa::connectors::pbs {

using domain::finding;

namespace {

using enum domain::DoctorVerdict;

constexpr std::int64_t kFirstKnown = 20;  // major versions that the connector is made for

}  // namespace

std::vector<domain::Finding> judge_server(const ServerRecord& server) {
  std::vector<domain::Finding> found;
  std::string_view version = server.version;
  const auto major = parse_count(batch::cut(version, '.'));
  if (!major)
    found.push_back(finding("VERSION", not_checked, "no version is told", "see: qstat -B -f"));
  else if (*major < kFirstKnown)
    found.push_back(finding("VERSION", warning, "pbs " + server.version, "20 and later are supported"));
  else
    found.push_back(finding("VERSION", ok, "pbs " + server.version));

  if (server.keeps_history)
    found.push_back(finding(
        "HISTORY", ok,
        "on; jobs are kept for " + (server.history_kept.empty() ? std::string("the server's default") : server.history_kept)));
  else
    found
        .emplace_back(finding("HISTORY", fault, "off (job_history_enable)",
                              "qmgr -c \"set server job_history_enable = True\": without it the end of a job is never told"))
        .bars = true;

  found.push_back(finding("COMMENTS", ok, "not needed: jobs are known by their names"));
  if (server.last_job_id)
    found.push_back(domain::judge_job_ids(0, *server.last_job_id));
  else
    found.push_back(finding("JOB_IDS", not_checked, "the range is not told", "see max_job_sequence_id in: qstat -B -f"));
  found.push_back(server.array_size
                      ? finding("ARRAYS", ok, "-J, up to " + std::to_string(*server.array_size) + " jobs of one array")
                      : finding("ARRAYS", not_checked, "not told", "see max_array_size in: qstat -B -f"));
  found.push_back(
      server.hides_jobs
          ? finding("PRIVATE_DATA", warning,
                    "query_other_jobs is false: others' jobs are hidden, unless the broker is an operator",
                    "qmgr -c \"set server operators += ACCOUNT@HOST\": waits are rough, and usage is not told, without it")
          : finding("PRIVATE_DATA", ok, "everybody's jobs are seen"));
  found.push_back(finding("SCHEDULING", server.scheduling ? ok : fault, server.scheduling ? "on" : "off: no job is started",
                          server.scheduling ? "" : "qmgr -c \"set server scheduling = True\", unless the site means it so"));
  for (const auto* check : {"CLOCK", "TIME_ZONE"})
    found.push_back(
        finding(check, not_checked, "PBS does not tell its clock", "keep the clocks of the server and of this host by NTP"));
  return found;
}

domain::Finding judge_reruns(const std::string& folder, const Result<Listing<JobRow>>& looked) {
  constexpr const char* kRemedy =
      "give the broker's account the server's accounting log to read, and name its folder in pbs.accounting";
  if (folder.empty())
    return finding("RERUNS", not_checked, "of a job that the site starts again its last run alone is told", kRemedy);
  if (!looked)
    return finding("RERUNS", fault,
                   "the accounting log cannot be read, so that booking of all usage of this site stands still from the first job "
                   "on that was started again: " +
                       looked.error().message,
                   "let the broker's account read " + folder +
                       "; or take out pbs.accounting: of a job that is started again its last run alone is booked then");
  return finding("RERUNS", ok, "runs before a requeue are told by the accounting log");
}

domain::Finding judge_queues(const Settings& settings, const Applicant& who) {
  std::string takes, refuses;
  for (const auto& queue : settings.queues.rows) {
    if (!queue.enabled || queue.from_route_only || is_of_reservation(queue)) continue;
    const auto by = refusal_of(settings, queue, who);
    auto& list = by.empty() ? takes : refuses;
    list += (list.empty() ? "" : ", ") + queue.name;
    if (!by.empty())
      list += " (" + std::string(by) + ")";
    else if (queue.hosts.enabled)
      list += " (from the hosts of its list)";
  }
  if (takes.empty() && refuses.empty())
    return finding("QUEUES", warning, "none takes jobs now", "qmgr -c \"set queue NAME enabled = True\"");
  if (!takes.empty()) return finding("QUEUES", ok, takes + (refuses.empty() ? "" : "; not " + refuses));
  auto found = finding("QUEUES", fault, "none takes its jobs: " + refuses,
                       "qmgr -c \"set queue NAME acl_users += " + who.user + "\", or another account in the site's accounts");
  found.bars = true;
  return found;
}

domain::Finding judge_gpus(const std::vector<NodeRecord>& nodes) {
  std::map<std::string, std::int64_t> count;
  for (const auto& node : nodes) {
    if (node.gpus > 0) count[node.gpu_model] += node.gpus;
  }
  return domain::judge_gpus({count.begin(), count.end()});
}

}  // namespace hansa::connectors::pbs
