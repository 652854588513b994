// SPDX-License-Identifier: Apache-2.0
#pragma once
// Jobs that come after others: none of them goes to a site before all of those have succeeded, wherever they ran.
//
//   accepted -> held (DEPENDENCY)                              some are not over
//            -> waiting (DEPENDENCY_SATISFIED)                 all have succeeded: it is in line from here on
//            -> cancelled (DEPENDENCY_NEVER_SATISFIED)         one ended otherwise; what comes after this one follows
//
// Nothing of this is stored but what a job comes after, in its specification, and the steps above: whether it may go follows from
// how the others ended, in the book or in the store, so that a crash between the end of one and the release of the next loses
// nothing. There are no circles: a job comes after what was there before it.
//
// Strand: the engine's.

#include "broker/engine/context.hpp"

#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

namespace hansa::engine {

class Dependencies {
 public:
  Dependencies(Context& context, boost::asio::any_io_executor strand) : context_(context), news_(std::move(strand)) {}

  void job_changed(const domain::Job* before, const domain::Job& after);

  /// Why the job may not be in line yet; none: it may.
  [[nodiscard]] std::optional<domain::Reason> why_not_yet(const JobId& id) const;

  /// Writes what follows from the ends of others; ends by cancellation.
  async::Task<> run();

 private:
  struct Needs {
    std::set<JobId> open;                    // not known to have succeeded
    std::optional<domain::Reason> never;     // one of them ended otherwise
  };

  void take(const domain::Job& job);
  void forget(const JobId& id);
  void ended(const JobId& id, domain::JobState how);
  async::Task<> look_up();
  async::Task<> settle();
  async::Task<> settle_one(JobId id);
  [[nodiscard]] Step step_of(const domain::Job& job) const;

  Context& context_;
  async::Event news_;
  std::unordered_map<JobId, Needs> needs_;                    // of those that were not told that they may go
  std::unordered_map<JobId, std::set<JobId>> dependents_;     // by what they need
  std::set<JobId> unknown_;                                   // needed and not in the book: the store knows
  std::set<JobId> due_;                                       // of needs_: there may be something to write
};

/// What each of the submissions comes after.
std::vector<std::vector<JobId>> what_comes_before(const std::vector<domain::Submission>& submissions);

/// Whether all of those are jobs of `owner`; invalid_argument (NO_SUCH_JOB) with the faults at /after, or /jobs/N/after if there
/// are several. Another's job is as one that does not exist.
async::Task<> all_before_known(ports::JobStore& store, Principal owner, std::vector<std::vector<JobId>> before);

}  // namespace hansa::engine
