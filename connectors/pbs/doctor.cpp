// SPDX-License-Identifier: Apache-2.0
// What a server is found to be like: four of its commands, whatever its size, and a handful for each account.
#include "broker/domain/site_checks.hpp"
#include "connectors/batch/account_checks.hpp"
#include "connectors/pbs/checks.hpp"
#include "connectors/pbs/pbs_connector.hpp"

namespace hansa::connectors::pbs {

using domain::finding;
using ports::Deadline;
using ports::Task;

Task<domain::DoctorReport> PbsConnector::doctor(ports::DoctorRequest request, Deadline deadline) {
  batch::Notes notes(scheduler_);
  notes.asked(4);
  const auto server = co_await commands_.server(deadline);
  if (!server) co_return std::unexpected(server.error());
  for (auto& found : judge_server(*server)) notes.add(std::move(found), "qstat -B -f");
  const auto nodes = co_await commands_.nodes(deadline);
  notes.add(batch::judge_listing("NODES_FORMAT", "pbsnodes", nodes), "pbsnodes -a");
  if (nodes) notes.add(judge_gpus(nodes->rows), "pbsnodes -a");
  const auto jobs = co_await commands_.jobs({.viewer = {}, .ids = {}, .history = server->keeps_history}, deadline);
  notes.add(batch::judge_listing("QUEUE_FORMAT", "qstat", jobs), "qstat -f");

  std::vector<JobRow> none(1);
  none.front().id = "0.none";
  none.front().submitted_at = scheduler_.now_utc();
  Result<Listing<JobRow>> reruns;
  if (!options_.accounting.empty()) reruns = co_await commands_.reruns(&options_.accounting, &none, deadline);
  notes.add(judge_reruns(options_.accounting, reruns),
            options_.accounting.empty() ? "pbs.accounting" : "grep in the accounting log");

  const batch::AccountChecks checks(transport_, work_dirs_, scheduler_);
  const auto queues = co_await commands_.queues(deadline);
  notes.add(batch::judge_listing("QUEUES_FORMAT", "qstat -Q", queues), "qstat -Q -f");
  for (const auto& account : request.accounts) {
    if (queues) {
      Applicant who{.user = account.empty() ? own_account_ : account.str(), .groups = {}};
      who.groups = co_await commands_.groups_of(who.user, deadline);
      notes.add(judge_queues({.server = *server, .queues = *queues}, who), "qstat -Q -f", account);
    }
    co_await checks.look_at(&notes, commands_.command({account, request.person}, "qsub", {"--version"}), own_account_, deadline);
  }
  co_await checks.look_at_host(&notes, request.person, profile().outbound, deadline);
  co_return std::move(notes).report();
}

}  // namespace hansa::connectors::pbs
