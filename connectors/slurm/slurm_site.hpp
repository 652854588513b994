// SPDX-License-Identifier: Apache-2.0
#pragma once
// A Slurm cluster behind ports::SiteConnector, as far as it does not matter how it is asked: what is made of its answers. A kind
// adds its Questions, and how a job is sent, held, released and ended.
//
// Strand: the engine's. Nothing here is locked.

#include "broker/async/scheduler.hpp"
#include "connectors/batch/batch_connector.hpp"
#include "connectors/slurm/questions.hpp"
#include "connectors/transport/transport.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hansa::connectors::slurm {

struct SiteFacts {
  SiteId site;
  bool own_account_only = false;  // run_as = "self": every job runs as the broker's own account, named by ""
  Seconds usage_history{31 * 86400};  // how far back usage() begins
};

class SlurmSite : public batch::BatchConnector {
 public:
  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline deadline) final;
  ports::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, ports::Deadline deadline) final;
  ports::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) final;
  ports::Task<ports::UsagePage> usage(ports::UsageCursor from, ports::Deadline deadline) final;

 protected:
  /// `work_dir` as BatchConnector has it. `transport` and `scheduler` outlive it.
  SlurmSite(SiteFacts facts, std::string work_dir, transport::SiteProfile profile, std::string own_account,
            transport::Transport& transport, async::Scheduler& scheduler);

 private:
  virtual Questions& questions() = 0;

  ports::Task<std::vector<HistoryRow>> history_of(std::vector<ports::SiteJob> jobs, ports::Deadline deadline);

  [[nodiscard]] bool is_job_id(std::string_view id) const final;
  ports::Task<std::optional<domain::CancelOutcome>> outcome_so_far(ports::SiteJob job, ports::Deadline deadline) final;
  ports::Task<bool> waits_held(ports::SiteJob job, ports::Deadline deadline) final;

  const SiteFacts facts_;
};

}  // namespace hansa::connectors::slurm
