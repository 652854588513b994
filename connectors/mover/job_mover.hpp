// SPDX-License-Identifier: Apache-2.0
#pragma once
// A mover whose work is done by jobs in a queue of a site's, through that site's connector: where long copies are not wanted on
// login nodes. Each job is `hansa-move-run --job` (supervise.hpp), with a spool that all of them share in the account's work_dir;
// how far it is stands in a file of its working folder.
//
// Protocol (DESIGN section 4, as for people's jobs): a job's number is durable (job_notes.hpp) before anything leaves for the
// site, and its tag is made of the transfer's id and that number; no tag is submitted twice. Without a receipt it is looked for
// and adopted, or its fence is sealed; before that is settled, or the site has said that it is over, there is no next job. One
// that ended without a result leaves the transfer interrupted, and start() sends the next, which goes on where it was. Jobs that
// come no further, three in a row, end the transfer.
//
// Nothing here runs by itself: every step is taken in a call.

#include "broker/ports/log.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/mover/command_mover.hpp"
#include "connectors/mover/job_notes.hpp"

#include <map>
#include <optional>
#include <string>

namespace hansa::connectors::mover {

struct JobMoverOptions {
  MoverOptions mover;  // program, tool and roots as the site's jobs see them; its `spool` beneath their work_dir
  SiteId site;
  QueueName queue;
  LocalAccount account;  // empty: the broker's own
  std::string scheduler_account;
  Seconds time_limit{4 * 3600};  // of one job
  std::string notes;  // a folder of the broker's state, absolute
  Milliseconds look_interval{30'000};  // between two questions to the scheduler, for all its jobs together
  Milliseconds submit_timeout{60'000};  // what an earlier process had under way is over after so long
  Milliseconds visibility{180'000};  // a job that is in no listing for so long is gone from there
  Milliseconds clock_skew{120'000};
};

/// Strand: the caller's; the calls for one transfer come one after the other.
class JobMover final : public ports::Mover {
 public:
  /// `site`, `scheduler` and `log` outlive it.
  JobMover(ports::SiteConnector& site, async::Scheduler& scheduler, ports::Log& log, JobMoverOptions options);

  /// Errors beside the port's: those of order_for(), and the connector's.
  async::Task<domain::TransferStatus> start(domain::Transfer transfer, async::Deadline deadline) override;
  async::Task<std::vector<domain::TransferStatus>> status(std::vector<domain::TransferId> ids, async::Deadline deadline) override;
  async::Task<> cancel(domain::TransferId id, async::Deadline deadline) override;
  async::Task<> forget(std::vector<domain::TransferId> ids, async::Deadline deadline) override;

 private:
  struct Course {
    JobNote note;
    MonotonicTime child_dead_at{};  // nothing that a submission has started is alive then
    std::string refusal;  // the site's words
    std::optional<MonotonicTime> unseen_since;
    std::optional<MonotonicTime> result_due_since;  // the job says that it is over
    std::optional<MonotonicTime> looked_for_at;
    MonotonicTime bound_at{};
  };

  async::Task<Course*> course_of(domain::TransferId id);
  /// One step on: what the site says of its job, and what follows.
  async::Task<> has_begun(Course* course);
  async::Task<> look(Course* course, async::Deadline deadline);
  async::Task<> settle(Course* course, async::Deadline deadline);
  async::Task<> find_job(Course* course, async::Deadline deadline);
  async::Task<> seal(Course* course, async::Deadline deadline);
  async::Task<bool> read_result(Course* course, async::Deadline deadline);
  async::Task<> job_unseen(Course* course, async::Deadline deadline);
  async::Task<> job_ended(Course* course, ports::JobStatus status, async::Deadline deadline);
  async::Task<> submit(Course* course, bool discards, async::Deadline deadline);
  async::Task<> bind(Course* course, SiteJobId site_job, const char* how);
  async::Task<> job_over(Course* course, std::string how, std::string detail);
  async::Task<> end(Course* course, domain::TransferEnd how, std::string message, std::string detail);
  /// Writes the note; if that fails, memory is as before.
  async::Task<> keep(Course* course, JobNote note);
  async::Task<ports::JobStatus> scheduler_says(const Course* course, async::Deadline deadline);
  [[nodiscard]] ports::SiteJob site_job(const JobNote& note) const;

  ports::SiteConnector& site_;
  async::Scheduler& scheduler_;
  ports::Log& log_;
  JobMoverOptions options_;
  JobNotes notes_;
  std::map<domain::TransferId, Course> courses_;
  std::map<SiteJobId, ports::JobStatus> said_;
  MonotonicTime said_at_{};
};

}  // namespace hansa::connectors::mover
