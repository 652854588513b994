// SPDX-License-Identifier: Apache-2.0
#pragma once
// A Slurm cluster through its own commands (22.05 to 26.05), as argument vectors.
//
// Questions (squeue, sacct, scontrol show) run as the broker's own account and cost a constant number of calls, whatever the
// number of jobs; where the site shows each person only their own jobs (PrivateData=jobs), one for each account. What changes a
// job (sbatch, scancel, scontrol hold and release) and what touches files runs as the job's account.
//
//   snapshot   squeue, scontrol            (the first one also: sacctmgr)
//   status     squeue, and sacct for those that the controller has forgotten
//   find       squeue, sacct
//   usage      sacct, one window of time
//   limits     sshare
//   submit     sbatch                      (an account's first one also: mkdir; of a job with code also: stat, and where the
//                                           code is not yet: dd for each 4 MiB, sha256sum, mv)
//   cancel     squeue, scontrol, scancel, then squeue until its end is known
//   doctor     scontrol twice, sdiag, squeue, sacct, sacctmgr three times; for each account sbatch --version, mkdir, ln,
//              readlink, mv, stat, prlimit, quota
//
// status and find also read a link in the account's work_dir for each end that may be the wrapper's own (exit codes 113 to 116).
//
// Strand: the engine's. Nothing here is locked.

#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/slurm/commands.hpp"
#include "connectors/slurm/slurm_site.hpp"
#include "connectors/transport/transport.hpp"

#include <memory>
#include <string>
#include <vector>

namespace hansa::connectors::slurm {

struct Options {
  SiteId site;
  std::string slurm_conf = {};  // SLURM_CONF; "": the commands' own default
  std::string bin_dir = "/usr/bin";
  std::string work_dir = "~/.hansa";  // beneath the account's home; or absolute, with "{account}" in it
  bool own_account_only = false;  // run_as = "self": every job runs as the broker's own account, named by ""
  transport::SiteProfile profile = {};
  Seconds usage_history{31 * 86400};  // how far back usage() begins
};

class SlurmConnector final : public SlurmSite {
 public:
  /// `transport`, `scheduler` and `random` outlive it. invalid_argument: options that cannot work, said by name.
  static Result<std::unique_ptr<SlurmConnector>> make(Options options, transport::Transport& transport,
                                                      async::Scheduler& scheduler, Random& random);

  ports::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, ports::Deadline deadline) override;
  /// The accounts' own limits, not those of an account above them or of a QOS.
  ports::Task<ports::AccountLimits> account_limits(std::vector<ports::ProjectAccount> wanted, ports::Deadline deadline) override;
  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline deadline) override;

 private:
  SlurmConnector(Options options, std::string own_account, transport::Transport& transport, async::Scheduler& scheduler,
                 Random& random);

  ports::Task<> change_job(ports::SiteJob job, std::string program, std::vector<std::string> arguments, ports::Deadline deadline);

  Questions& questions() override { return commands_; }
  ports::Task<> hold(ports::SiteJob job, ports::Deadline deadline) override;
  ports::Task<> release(ports::SiteJob job, ports::Deadline deadline) override;
  ports::Task<> end_job(ports::SiteJob job, ports::Deadline deadline) override;

  Commands commands_;
};

}  // namespace hansa::connectors::slurm
