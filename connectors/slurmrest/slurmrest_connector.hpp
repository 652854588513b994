// SPDX-License-Identifier: Apache-2.0
#pragma once
// A Slurm cluster through slurmrestd (OpenAPI 0.0.38, 0.0.40 to 0.0.45): the version is the highest that both sides have.
//
// The scheduler is asked with tokens: the broker's own account's for what is everybody's; where the site shows each person only
// their own jobs (private_jobs), one question for each account. What changes a job carries the token of the job's account.
// slurmrestd moves no files: those go the account's own way, as with connectors/slurm.
//
//   snapshot   jobs, nodes, partitions, reservations   (the first one also: the OpenAPI document, and the accounting's clusters)
//   status     jobs, and the accounting's for those that the controller has forgotten
//   find       jobs, the accounting's jobs
//   usage      the accounting's jobs, one window of time
//   submit     job/submit               (and the files that connectors/slurm brings, too)
//   cancel     jobs, job, then jobs until its end is known
//
// A submission cannot be taken back: slurmrestd may hand it on after our deadline, for as long as it waits for the controller.
// As everywhere, the fence is what keeps a late one from running.
//
// Strand: the engine's. Nothing here is locked.

#include "broker/async/scheduler.hpp"
#include "connectors/slurm/slurm_site.hpp"
#include "connectors/slurmrest/rest.hpp"
#include "connectors/transport/transport.hpp"

#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace hansa::connectors::slurmrest {

struct Options {
  SiteId site;
  std::string url;                    // http://, https://, or unix:/path
  std::string ca_file = {};
  TokenSource tokens = {};            // a file or a command, not both
  std::string cluster = {};
  std::int64_t answer_limit_mib = 64;
  std::int64_t max_array_size = 1'001;  // 0: no arrays
  bool private_jobs = false;
  std::string work_dir = "~/.hansa";  // beneath the account's home; or absolute, with "{account}" in it
  bool own_account_only = false;      // run_as = "self": every job runs as the broker's own account, named by ""
  transport::SiteProfile profile = {};
  Seconds usage_history{31 * 86400};  // how far back usage() begins
};

class SlurmrestConnector final : public slurm::SlurmSite {
 public:
  /// `transport` and `scheduler` outlive it. invalid_argument: options that cannot work, said by name.
  static Result<std::unique_ptr<SlurmrestConnector>> make(Options options, transport::Transport& transport,
                                                          async::Scheduler& scheduler);

  ports::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, ports::Deadline deadline) override;

  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline deadline) override;

  /// Questions that slurmrestd was asked so far.
  [[nodiscard]] std::size_t questions_asked() const { return rest_.questions_asked(); }

 private:
  SlurmrestConnector(Options options, RestOptions rest, std::string own_account, transport::Transport& transport,
                     async::Scheduler& scheduler);

  ports::Task<std::string> home_of(LocalAccount account, ports::Deadline deadline);

  slurm::Questions& questions() override { return rest_; }
  ports::Task<> hold(ports::SiteJob job, ports::Deadline deadline) override;
  ports::Task<> release(ports::SiteJob job, ports::Deadline deadline) override;
  ports::Task<> end_job(ports::SiteJob job, ports::Deadline deadline) override;

  static constexpr std::size_t kThreads = 4;  // as many requests at a time; a site's budget may allow fewer
  boost::asio::thread_pool pool_{kThreads};
  Rest rest_;
  async::Lookups accounts_{2};
  std::map<LocalAccount, std::string> homes_;
};

}  // namespace hansa::connectors::slurmrest
