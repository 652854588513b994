// SPDX-License-Identifier: Apache-2.0
// What a server is found to be like: three of its commands, whatever its size, and a handful for each account.
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
  notes.asked(3);
  const auto server = co_await commands_.server(deadline);
  if (!server) co_return std::unexpected(server.error());
  for (auto& found : judge_server(*server)) notes.add(std::move(found), "qstat -B -f");
  const auto nodes = co_await commands_.nodes(deadline);
  notes.add(batch::judge_listing("NODES_FORMAT", "pbsnodes", nodes), "pbsnodes -a");
  if (nodes) notes.add(judge_gpus(nodes->rows), "pbsnodes -a");
  const auto jobs = co_await commands_.jobs({.viewer = {}, .ids = {}, .history = server->keeps_history}, deadline);
  notes.add(batch::judge_listing("QUEUE_FORMAT", "qstat", jobs), "qstat -f");

  const batch::AccountChecks checks(transport_, work_dirs_, scheduler_);
  for (const auto& account : request.accounts)
    co_await checks.look_at(&notes, commands_.command({account, request.person}, "qsub", {"--version"}), own_account_, deadline);
  co_await checks.look_at_host(&notes, request.person, deadline);
  co_return std::move(notes).report();
}

}  // namespace hansa::connectors::pbs
