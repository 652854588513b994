// SPDX-License-Identifier: Apache-2.0
#pragma once
// Takes jobs: checks who may charge what and whether the rules let the broker have it, makes them durable, hands them to the
// engine. A submission is acknowledged only after its commit. Callable from any thread; returns on the caller's executor.

#include "broker/core/ulid.hpp"
#include "broker/engine/options.hpp"
#include "broker/engine/rulebook.hpp"
#include "broker/engine/secret_vault.hpp"
#include "broker/ports/accounts.hpp"
#include "broker/ports/code_store.hpp"
#include "broker/ports/stores.hpp"

#include <atomic>
#include <functional>

namespace hansa::engine {

/// What placement can say of a job before it is stored; no events: nothing yet, its next round will.
struct Foresight {
  std::vector<domain::EventBody> events;
  std::optional<domain::Decision> decision;
  domain::Documents documents;
  std::int64_t round = 0;           // of placement, that it was said in
};

struct Acceptance {
  std::vector<domain::Job> jobs;    // in the order asked
  bool repeated = false;            // the idempotency key was known: these are the jobs of the first time, as they are now
};

class Intake {
 public:
  /// What the engine gets for each request, whatever became of it.
  struct Delivery {
    std::vector<domain::Job> jobs;            // stored; none if they were not
    std::optional<JobId> asked;               // foreseen: it may hold a place at a site
    Foresight foresight;
  };
  /// Asked for a request of one job, which is then stored together with the answer. Returns on the caller's executor.
  using Foresee = std::function<async::Task<Foresight>(domain::Job)>;
  /// On any thread.
  using Deliver = std::function<void(Delivery)>;

  Intake(const Clock& clock, UlidSource& ids, const EngineOptions& options, ports::JobStore& store,
         const ports::Accounts& accounts, const Rulebook& rules, ports::CodeStore* code, SecretVault* secrets, Foresee foresee,
         Deliver deliver);

  /// The person's project if they may charge it, or the one they must mean. Errors: permission_denied (NOT_A_MEMBER, NO_PROJECT),
  /// invalid_argument (WHICH_PROJECT); the faults point at /project.
  [[nodiscard]] Result<ProjectId> project_for(const Principal& person, const ProjectId& asked) const;

  /// All or none, in order. A project may be left empty by a member of exactly one. Errors beside the store's: those of
  /// project_for, permission_denied (RULES_DENY), rate_limited (TOO_MANY_JOBS), invalid_argument (CODE_NOT_HERE,
  /// SECRET_NOT_FOUND, NO_SUCH_JOB). A repeated request, whose first answer may have been lost, gets none of these: what was
  /// taken is taken, whatever the rules and the limits say now.
  async::Task<Acceptance> accept(Principal owner, std::vector<domain::Submission> submissions,
                                 std::optional<ports::Idempotency> idempotency);

  /// Kept by the engine: how many jobs are not over.
  void active_jobs(std::size_t count) { active_.store(count, std::memory_order_relaxed); }

 private:
  /// Whether all of them may be taken now; each gets its project.
  Result<void> admit(const Principal& owner, std::vector<domain::Submission>& submissions) const;
  async::Task<Acceptance> as_they_are(std::vector<JobId> jobs) const;

  const Clock& clock_;
  UlidSource& ids_;
  const EngineOptions& options_;
  ports::JobStore& store_;
  const ports::Accounts& accounts_;
  const Rulebook& rules_;
  ports::CodeStore* code_;
  SecretVault* secrets_;
  Foresee foresee_;
  Deliver deliver_;
  std::atomic<std::size_t> active_{0};
};

}  // namespace hansa::engine
