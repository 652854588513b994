// SPDX-License-Identifier: Apache-2.0
#pragma once
// PBS's own commands at the site: what is asked of them, and their answers read. Questions only; what changes a job goes through
// run(), and qsub is the connector's.
//
// Strand: the engine's. Nothing here is locked.

#include "broker/ports/log.hpp"
#include "connectors/batch/programs.hpp"
#include "connectors/pbs/inventory.hpp"
#include "connectors/pbs/job_listing.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::pbs {

using batch::Viewer;

struct JobQuestion {
  Viewer viewer;
  std::vector<std::string> ids;    // none: every job
  bool history = false;            // those that are over as well, if the server keeps them
  bool one_by_one = false;         // also those of an array
};

class Commands : public batch::Programs {
 public:
  /// What is given by reference outlives it.
  Commands(SiteId site, std::string bin_dir, std::vector<std::pair<std::string, std::string>> environment, GpuNames gpus,
           transport::Transport& transport, const Clock& clock, Random& random, ports::Log& log)
      : Programs(std::move(bin_dir), std::move(environment), transport),
        site_(std::move(site)),
        gpus_(std::move(gpus)),
        clock_(clock),
        random_(random),
        log_(log) {}

  /// What cannot be read is left out and told in the log, job by job.
  ports::Task<Listing<JobRow>> jobs(JobQuestion question, ports::Deadline deadline);

  /// The ids of the jobs that these arguments of qselect describe, those that are over as well, if the server keeps them.
  ports::Task<Listing<std::string>> select(Viewer viewer, std::vector<std::string> arguments, ports::Deadline deadline);

  /// Of these jobs, what the accounting log in that folder tells of runs that ended with a requeue. unavailable: it cannot be
  /// read.
  ports::Task<Listing<JobRow>> reruns(const std::string* folder, const std::vector<JobRow>* jobs, ports::Deadline deadline);

  ports::Task<Listing<NodeRecord>> nodes(ports::Deadline deadline);

  ports::Task<Listing<QueueRecord>> queues(ports::Deadline deadline);

  /// By this host's word, on which the server's own may differ. None: it knows nobody of that name, or says nothing.
  boost::asio::awaitable<std::optional<std::vector<std::string>>> groups_of(std::string user, ports::Deadline deadline);

  ports::Task<ServerRecord> server(ports::Deadline deadline);

  /// The server's own and its queues, which operators change: kept for kKept, so that most snapshots cost two calls.
  ports::Task<Settings> settings(ports::Deadline deadline);
  static constexpr Seconds kKept{300};

  /// The broker sees everybody's jobs where it may; else each account is asked for its own.
  ports::Task<std::vector<Viewer>> viewers_of(std::vector<ports::SiteJob> jobs, ports::Deadline deadline);

 private:
  struct Answer {
    std::string text;
    std::string separator;
    bool complete = true;
    transport::CommandResult result;
  };
  /// A question whose answer is records.
  ports::Task<Answer> ask(Viewer viewer, std::string program, std::vector<std::string> arguments, std::vector<std::string> about,
                          ports::Deadline deadline);
  void tell_dropped(const std::string& program, const std::vector<Dropped>& dropped);

  SiteId site_;
  GpuNames gpus_;
  const Clock& clock_;
  Random& random_;
  ports::Log& log_;
  std::optional<Settings> settings_;
  MonotonicTime asked_at_{};
  std::map<std::string, std::string> told_;  // what each question was last said to have left out
};

}  // namespace hansa::connectors::pbs
