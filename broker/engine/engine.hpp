// SPDX-License-Identifier: Apache-2.0
#pragma once
// The use cases and loops of the broker: intake, place, dispatch, watch, reconcile, settle. The only orchestrator.
//
// Strand: everything but what is called thread-safe here is called on executor(), which one thread runs at a time; callers from
// elsewhere use async::run_on. Asks nobody but its parts for time or randomness, so that a virtual clock can drive all of it.
// Life: start() loads what is not over and starts the loops; stop() ends them; then it may be destroyed.

#include "broker/async/scheduler.hpp"
#include "broker/domain/fair_share.hpp"
#include "broker/domain/nobody.hpp"
#include "broker/engine/data_setup.hpp"
#include "broker/engine/intake.hpp"
#include "broker/engine/options.hpp"
#include "broker/engine/rulebook.hpp"
#include "broker/engine/site_report.hpp"
#include "broker/ports/accounts.hpp"
#include "broker/ports/allocations.hpp"
#include "broker/ports/catalogue.hpp"
#include "broker/ports/code_store.hpp"
#include "broker/ports/estimates.hpp"
#include "broker/ports/log.hpp"
#include "broker/ports/site_connector.hpp"
#include "broker/ports/stores.hpp"
#include "broker/ports/transfers.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hansa::engine {

struct SiteSetup {
  domain::Site site;
  std::unique_ptr<ports::SiteConnector> connector;
};

/// A dataset on its way.
struct TransferReport {
  domain::Transfer transfer;
  UtcTime begun_at{};
  domain::TransferStatus status;       // what was heard last
};

struct Counters {
  std::map<std::string, std::int64_t> jobs_by_state;  // of those that are not over
  std::optional<UtcTime> oldest_waiting;  // when the oldest job was accepted that waits with the broker and is not held
  std::int64_t accepted = 0, ended = 0, decisions = 0, submissions = 0;
  std::map<std::string, std::int64_t> ended_by_state;
  std::vector<std::pair<std::string_view, std::int64_t>> decisions_by_outcome;  // all outcomes
  std::int64_t messages = 0;  // submissions and cancels that went to sites
  std::int64_t moves = 0;  // begun; of all jobs that there have been
};

class Engine {
 public:
  struct Parts {
    boost::asio::any_io_executor strand;
    async::Scheduler& scheduler;
    UlidSource& ids;
    ports::JobStore& jobs;
    ports::UsageStore& usage;
    ports::SiteStore& sites;
    const ports::Accounts& accounts;
    ports::Log& log;
    ports::CatalogueStore* datasets = nullptr;  // none: no dataset is registered
    ports::EstimateStore* estimates = nullptr;  // none: estimates are not corrected
    ports::TransferStore* transfers = nullptr;  // none: no dataset is moved
    DataSetup data = {};
    ports::CodeStore* code = nullptr;  // none: no code is carried
    ports::AllocationStore* allocations = nullptr;  // none: nobody has any
    SecretVault* secrets = nullptr;  // none: people's secrets are not kept
  };

  Engine(Parts parts, EngineOptions options, std::vector<SiteSetup> sites);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  async::Task<> start();
  /// Cancels the loops and waits for their end. What was under way is resolved at the next start.
  async::Task<> stop();

  [[nodiscard]] boost::asio::any_io_executor executor() const;
  /// Thread-safe, see Intake.
  [[nodiscard]] Intake& intake();

  /// Thread-safe, as the next three: what is in force, from the first moment on; new rules and facts, at once and as a whole,
  /// with every job that waits looked at again; what the registers of facts say by now; the looking alone, when datasets have
  /// changed.
  [[nodiscard]] const Rulebook& rules() const;
  void regulate(Regulations regulations);
  void amend(const std::vector<domain::RegisteredFact>& news);
  void facts_changed();
  /// The same when something was granted, revoked or told. Thread-safe.
  void allocations_changed();

  /// The verdicts for a job that is not submitted. Errors as of Intake::accept before anything is stored.
  async::Task<domain::Decision> consider(Principal person, domain::JobSpec spec);
  /// For a job that is in line or held, what would be decided now; else the stored decision that took it where it is.
  async::Task<domain::Decision> explain(domain::Job job);

  /// By which the project's jobs have their turn; none: it counts for none.
  async::Task<std::optional<domain::FairShare>> fair_share(ProjectId project);

  // Each returns the job after the change. conflict: JOB_OVER, JOB_AT_SITE, NOT_HELD. Repeating is harmless.
  async::Task<domain::Job> hold(JobId id);
  async::Task<domain::Job> release(JobId id);
  async::Task<domain::Job> cancel(JobId id, Principal by);
  /// Of an array: these tasks alone, rising. Those that are over, or asked for already, are left as they are; all that are left
  /// of a job that is at no site is all of the job. invalid_argument: NOT_AN_ARRAY, NO_SUCH_TASK.
  async::Task<domain::Job> cancel_tasks(JobId id, Principal by, std::vector<std::int32_t> tasks);
  async::Task<domain::Job> resolve_lost(JobId id, Principal by, std::string reason);

  /// The job as soon as it is past `version`. not_found: it is over (the store has it), or unknown; deadline_exceeded.
  async::Task<domain::Job> wait_beyond(JobId id, std::int64_t version, async::Deadline deadline);

  /// Until there have been more changes of jobs than `seen` since the start, or the deadline. Answers how many there have been:
  /// who reads the store between two calls misses none. At once for a negative number.
  async::Task<std::int64_t> wait_any(std::int64_t seen, async::Deadline deadline);

  /// Output of the job's last attempt, of an array of that task; not_found (NO_OUTPUT) if it never had a site; permission_denied
  /// (RULES_DENY).
  async::Task<ports::OutputChunk> read_output(domain::Job job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              async::Deadline deadline, std::optional<std::int32_t> task = std::nullopt);
  /// What the job leaves under the names that it gave, see Outputs.
  async::Task<std::vector<ports::FileFacts>> look_at_outputs(domain::Job job, async::Deadline deadline);
  async::Task<ports::FileChunk> read_named_output(domain::Job job, std::string name, std::uint64_t offset, std::size_t limit,
                                                  async::Deadline deadline);

  /// What is here of a person's code, and a piece of it, see CodeKeeper. The spec has project and labels; others' code is as not
  /// here.
  async::Task<std::optional<ports::CodeState>> look_at_code(Principal owner, CodeId id);
  async::Task<ports::CodeState> take_code(Principal owner, domain::JobSpec spec, ports::CodePiece piece);

  async::Task<std::vector<TransferReport>> transfers(DatasetId dataset);

  async::Task<std::vector<SiteReport>> sites();
  async::Task<> drain_site(SiteId site, std::string reason);
  /// What is kept of the sites names them no longer.
  async::Task<> forget(domain::Names names);
  async::Task<> resume_site(SiteId site);
  /// See Doctor.
  async::Task<domain::DoctorReport> look_over_site(SiteId site, Principal by);

  /// A page of a site's own accounting, when the budget can spare it; nothing is booked by that, and no cursor moves. `others`
  /// only where the site shows us everybody's work. not_found, SITE_NOT_FOUND; else what the connector says.
  async::Task<ports::UsagePage> read_accounting(SiteId site, ports::UsageCursor from);
  /// Of these jobs something was booked beside the site's loop.
  async::Task<> usage_booked(SiteId site, std::vector<JobId> jobs);

  async::Task<Counters> counters();

 private:
  class Loops;
  std::unique_ptr<Loops> loops_;
};

}  // namespace hansa::engine
