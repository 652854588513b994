// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/slurm_connector.hpp"

#include "connectors/batch/answers.hpp"
#include "connectors/slurm/submission.hpp"
#include "connectors/transport/wrapper.hpp"

namespace hansa::connectors::slurm {

using ports::Deadline;
using ports::SiteJob;
using ports::Task;

Result<std::unique_ptr<SlurmConnector>> SlurmConnector::make(Options options, transport::Transport& transport,
                                                             async::Scheduler& scheduler, Random& random) {
  std::vector<Fault> faults;
  if (!options.slurm_conf.empty() && !options.slurm_conf.starts_with('/')) {
    faults.push_back({"slurm.conf", "must be an absolute path"});
  }
  batch::check_bin_dir("slurm", options.bin_dir, faults);
  auto own = batch::check_options(options.site, options.work_dir, std::move(faults));
  if (!own) return std::unexpected(own.error());
  return std::unique_ptr<SlurmConnector>(new SlurmConnector(std::move(options), std::move(*own), transport, scheduler, random));
}

SlurmConnector::SlurmConnector(Options options, std::string own_account, transport::Transport& transport,
                               async::Scheduler& scheduler, Random& random)
    : SlurmSite({.site = options.site, .own_account_only = options.own_account_only, .usage_history = options.usage_history},
                std::move(options.work_dir), std::move(options.profile), std::move(own_account), transport, scheduler),
      commands_(std::move(options.bin_dir), std::move(options.slurm_conf), transport, random) {}

// ---- submission

Task<ports::SubmitReceipt> SlurmConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  auto arguments = sbatch_arguments(request, work_dirs_.path_of(request.account), quality_for(request));
  if (!arguments) co_return std::unexpected(arguments.error());
  transport::WrapperSpec wrapper;
  wrapper.launcher = transport::Launcher::slurm;
  if (!request.spec.array.empty()) wrapper.array_variable = "SLURM_ARRAY_JOB_ID";
  wrapper.login = true;
  auto command = commands_.command({request.account, request.person}, "sbatch", std::move(*arguments));
  co_return co_await send(std::move(request), std::move(wrapper), std::move(command), read_sbatch_answer, deadline);
}

// ---- limits

namespace {

/// slurmctld adds up what accounts use in priority/multifactor alone, and only while it enforces limits (22.05.8 and 26.05.3:
/// priority_multifactor.c, _handle_assoc_tres_run_secs). Without, a limit is never used up.
Result<void> counts_usage(const Configuration& configuration) {
  auto words = ',' + configuration.enforced + ',';
  if (configuration.priority == "priority/multifactor" && (words.contains(",limits,") || words.contains(",safe,")))
    return Result<void>{};
  return fail(ErrorKind::conflict, "USAGE_NOT_COUNTED",
              "this cluster does not count what its accounts use (PriorityType=" + configuration.priority +
                  ", AccountingStorageEnforce=" + configuration.enforced +
                  "), so that what is left of their limits is not known: it takes priority/multifactor and limits; else import "
                  "balances (hansa allocation import)");
}

}  // namespace

Task<ports::AccountLimits> SlurmConnector::account_limits(std::vector<ports::ProjectAccount> wanted, Deadline deadline) {
  const auto configuration = co_await commands_.configuration(deadline);
  if (!configuration) co_return std::unexpected(configuration.error());
  if (auto counted = counts_usage(*configuration); !counted) co_return std::unexpected(counted.error());
  ports::AccountLimits answer{.told = true, .limits = {}};
  std::vector<std::string> accounts;
  for (const auto& one : wanted) {
    if (!one.account.empty()) accounts.push_back(one.account);
  }
  for (const auto& piece : batch::join_in_pieces(accounts, ',')) {
    const auto result = co_await commands_.ask(
        "sshare", {"--parsable2", "--format=" + std::string(domain::kShareColumns), "--accounts=" + piece}, deadline);
    if (!result) co_return std::unexpected(result.error());
    auto limits = domain::parse_sshare(result->out);
    const bool whole = !result->out_truncated && result->out.substr(0, result->out.find('\n')).ends_with("|TRESRunMins");
    if (!limits || !whole) {
      co_return fail(
          ErrorKind::internal, "SITE_GARBLED",
          "sshare's answer is " + (limits ? "cut short, or lacks TRESRunMins" : "not understood: " + limits.error().message),
          result->out.substr(0, 512));
    }
    for (const auto& [account, limit] : limits->limits) {  // of what is odd none is known: as if it were not told
      for (const auto& one : wanted) {
        if (one.account == account) answer.limits.push_back({.project = one.project, .limit = limit});
      }
    }
  }
  co_return answer;
}

// ---- cancel

Task<> SlurmConnector::change_job(SiteJob job, std::string program, std::vector<std::string> arguments, Deadline deadline) {
  auto command = commands_.command({job.account, job.person}, program, std::move(arguments));
  command.tag = job.tag.str();
  const auto result = co_await commands_.run(std::move(command), deadline);
  if (!result) co_return std::unexpected(result.error());
  if (!batch::came_to_an_end(*result)) co_return no_answer(program, *result);
  // A job that is over or unknown is no failure; it is seen when its state is read back.
  const bool denied = result->err.contains("Access/permission denied");
  if (!result->succeeded() && (denied || is_communication_failure(result->err))) co_return no_answer(program, *result);
  co_return Result<void>{};
}

Task<> SlurmConnector::hold(SiteJob job, Deadline deadline) {
  return change_job(job, "scontrol", {"hold", job.id.str()}, deadline);
}

Task<> SlurmConnector::release(SiteJob job, Deadline deadline) {
  return change_job(job, "scontrol", {"release", job.id.str()}, deadline);
}

Task<> SlurmConnector::end_job(SiteJob job, Deadline deadline) {
  if (job.these_tasks_only) {
    // With --name scancel (22.05.8) ends all tasks that wait, whichever are named.
    return change_job(job, "scancel", {job.id.str() + "_[" + domain::task_ranges(job.tasks) + ']'}, deadline);
  }
  // By name as well: a recycled id of the same account's is not touched.
  return change_job(job, "scancel", {"--name=" + job.tag.str(), job.id.str()}, deadline);
}

}  // namespace hansa::connectors::slurm
