// SPDX-License-Identifier: Apache-2.0
#pragma once
// OpenPBS or PBS Professional (20 and later) through its own commands, as argument vectors.
//
// Questions (qstat, qselect, pbsnodes) run as the broker's own account and cost a constant number of calls, whatever the number
// of jobs (one for some two thousand of them); where the server shows each person only their own jobs (query_other_jobs=False),
// one for each account. What changes a job (qsub, qdel, qhold, qrls) and what touches files runs as the job's account.
//
//   snapshot   pbsnodes, qstat             (each five minutes also: qstat -B, qstat -Q, which all others need once as well)
//   status     qstat -x
//   find       qstat -B, qselect for each tag, or for many qstat -x for all jobs; qstat -x
//   usage      qselect, qstat -x; one window of time
//              (also grep, where a job was started again and the accounting log is to be read)
//   submit     qsub
//              (an account's first one also: mkdir; of a job with code also: stat, and where the code is not yet:
//              dd for each 4 MiB, sha256sum, mv)
//   cancel     qstat, qhold, qdel, then qstat until its end is known
//              (of single tasks a qdel for each range of those that wait, at most 50 at a time: the rest with the next look)
//
// The server must keep its jobs' history (job_history_enable): without it a job that is over is gone, and its end is never told.
// So snapshot() and usage() fail with the remedy, which keeps jobs away; those that are there are seen as long as they wait or
// run.
//
// status and find also read a link in the account's work_dir for each end that may be the wrapper's own (exit codes 113 to 116).
//
// Strand: the engine's. Nothing here is locked.

#include "broker/async/scheduler.hpp"
#include "broker/ports/log.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/batch/batch_connector.hpp"
#include "connectors/pbs/commands.hpp"
#include "connectors/transport/transport.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hansa::connectors::pbs {

struct Options {
  SiteId site;
  std::string conf = {};    // PBS_CONF_FILE; "": the commands' own default, /etc/pbs.conf
  std::string server = {};  // PBS_SERVER; "": the one of the file
  std::string bin_dir = "/opt/pbs/bin";
  std::string accounting = {};  // folder of the server's accounting log, which that account can read; "": it is not read
  std::string work_dir = "~/.hansa";  // beneath the account's home; or absolute, with "{account}" in it
  GpuNames gpus = {};
  bool own_account_only = false;  // run_as = "self": every job runs as the broker's own account, named by ""
  transport::SiteProfile profile = {};
  Seconds usage_history{14 * 86400};  // how far back usage() begins: PBS keeps its history so long unless told else
};

class PbsConnector final : public batch::BatchConnector {
 public:
  /// What is given by reference outlives it. invalid_argument: options that cannot work, said by name.
  static Result<std::unique_ptr<PbsConnector>> make(Options options, transport::Transport& transport, async::Scheduler& scheduler,
                                                    Random& random, ports::Log& log);

  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline deadline) override;
  ports::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, ports::Deadline deadline) override;
  ports::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, ports::Deadline deadline) override;
  ports::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) override;
  ports::Task<ports::UsagePage> usage(ports::UsageCursor from, ports::Deadline deadline) override;
  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline deadline) override;

 private:
  PbsConnector(Options options, std::string own_account, transport::Transport& transport, async::Scheduler& scheduler,
               Random& random, ports::Log& log);

  ports::Task<std::optional<JobRow>> row_of(ports::SiteJob job, ports::Deadline deadline);
  ports::Task<Listing<JobRow>> named(const std::vector<std::string>* names, bool arrays, Viewer viewer, ports::Deadline deadline);
  ports::Task<> end_tasks(ports::SiteJob job, ports::Deadline deadline);
  /// Of jobs that are over and were started more than once: their runs before the last one, as far as they are told. Not
  /// complete: the log's answer was cut.
  ports::Task<Listing<JobRow>> runs_before_of(std::vector<JobRow> jobs, ports::Deadline deadline);
  ports::Task<> change_job(ports::SiteJob job, std::string program, std::vector<std::string> arguments, ports::Deadline deadline);

  [[nodiscard]] bool is_job_id(std::string_view id) const override { return pbs::is_job_id(id); }
  /// PBS tells a job nothing of its starts.
  [[nodiscard]] std::int32_t wrapper_run(std::int32_t) const override { return 0; }
  ports::Task<std::optional<domain::CancelOutcome>> outcome_so_far(ports::SiteJob job, ports::Deadline deadline) override;
  ports::Task<> hold(ports::SiteJob job, ports::Deadline deadline) override;
  ports::Task<> release(ports::SiteJob job, ports::Deadline deadline) override;
  ports::Task<bool> waits_held(ports::SiteJob job, ports::Deadline deadline) override;
  ports::Task<> end_job(ports::SiteJob job, ports::Deadline deadline) override;

  Options options_;
  Commands commands_;
};

}  // namespace hansa::connectors::pbs
