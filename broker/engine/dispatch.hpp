// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sends intended attempts to their sites and carries cancels there. What the site's silence means is the Reconciler's business.

#include "broker/engine/context.hpp"

#include <memory>
#include <unordered_map>

namespace hansa::engine {

class Reconciler;

/// The reason of an attempt that the site's own end had no room for in its load budget. Says nothing about the job.
inline constexpr std::string_view kOverBudget = "OVER_BUDGET";

class Dispatch {
 public:
  Dispatch(Context& context, Reconciler& reconciler) : context_(context), reconciler_(reconciler) {}

  /// The job's live attempt has a durable intent: send it, for the first time or again. Takes a place in the desk's `submitting`
  /// at once.
  void send(const JobId& id, SiteDesk& desk);

  /// The job's cancel, or that of some of its tasks, is durable and its live attempt is bound: carry it to the site and keep at
  /// it until it has an outcome, and those tasks their ends.
  /// `more`: there is more to cancel than before.
  void carry_cancel(const JobId& id, bool more = false);

  [[nodiscard]] std::int64_t submissions() const { return submissions_; }

 private:
  struct Place;
  async::Task<> submit(JobId id, std::shared_ptr<Place> place);
  /// The last moment before something leaves: rules, labels and what is known of the site may have changed since the decision.
  /// `asked` becomes true when the site is.
  async::Task<ports::SubmitReceipt> submit_if_allowed(ports::SiteConnector* connector, SiteId site, ports::SubmitRequest request,
                                                      async::Deadline until, bool* asked);
  async::Task<> not_sent(JobId id, std::int32_t attempt, domain::Reason reason);
  async::Task<> unknown(JobId id, std::int32_t attempt, SiteDesk& desk, async::Deadline child_dead, Error error);
  async::Task<> bind(JobId id, std::int32_t attempt, SiteJobId site_job_id, SiteDesk& desk);
  async::Task<> cancel_until_resolved(JobId id);
  /// Tasks whose cancel has reached the site and that it does not show: those whose fence can be sealed never began, and never
  /// will.
  async::Task<> settle_unseen(SiteDesk& desk, JobId id, ports::SiteJob tasks);

  Context& context_;
  Reconciler& reconciler_;
  std::unordered_map<JobId, std::shared_ptr<async::Event>> cancelling_;  // set: there is more to cancel
  std::int64_t submissions_ = 0;
};

}  // namespace hansa::engine
