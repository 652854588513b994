// SPDX-License-Identifier: Apache-2.0
#pragma once
// The jobs that are not over, in memory, and the one way to change them: decide on the durable state, record, then publish.
//
// Invariant: what find() shows is durable. Changes of one job happen one after the other; of different jobs, side by side.
// Strand: the engine's.

#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/domain/transition.hpp"
#include "broker/ports/stores.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>

namespace hansa::engine {

/// What a change consists of. No events: nothing is to be done after all.
struct Step {
  std::vector<domain::EventBody> events;
  std::optional<domain::Decision> decision;
  domain::Documents documents;              // that the decision names and that may not be stored yet
  std::optional<domain::WaitScore> score;   // of a start among the events
  std::optional<domain::Hold> hold = {};    // of the attempt that is intended in it
};

class JobBook {
 public:
  /// Called after each durable change, on the strand. `before` is null for a job that is new to the book.
  using OnChange = std::function<void(const domain::Job* before, const domain::Job& after)>;

  JobBook(boost::asio::any_io_executor strand, async::Scheduler& scheduler, ports::JobStore& store, std::int64_t epoch);

  void on_change(OnChange observer) { observers_.push_back(std::move(observer)); }

  /// Puts in a durable job: just accepted, or loaded at start.
  void insert(domain::Job job);
  [[nodiscard]] const domain::Job* find(const JobId& id) const;
  [[nodiscard]] std::size_t size() const { return jobs_.size(); }
  /// Whose live attempt is bound to that job of the site, or is being bound at this moment; null: nobody's.
  [[nodiscard]] const JobId* bound_to(const SiteId& site, const SiteJobId& site_job_id) const;

  /// `decide` sees the job as it is when its turn comes. Returns the job after the change. not_found if it is over or unknown.
  async::Task<domain::Job> change(JobId id, std::function<Result<Step>(const domain::Job&)> decide);

  /// The same for what has already happened outside and must not be forgotten: storage that is full or away is waited for.
  async::Task<domain::Job> change_surely(JobId id, std::function<Result<Step>(const domain::Job&)> decide);

  /// The job as soon as it is past `version`. not_found: it is over, or unknown; deadline_exceeded.
  async::Task<domain::Job> wait_beyond(JobId id, std::int64_t version, async::Deadline deadline);
  /// Until there have been more changes of jobs than `seen`, or the deadline. Answers how many there have been: who reads the
  /// store between two calls misses none. At once for a negative number.
  async::Task<std::int64_t> wait_any(std::int64_t seen, async::Deadline deadline);

 private:
  class Turn;
  struct Queue {
    bool taken = false;
    std::deque<async::Event*> waiting;
  };

  using SiteJobKey = std::pair<SiteId, SiteJobId>;
  [[nodiscard]] static std::optional<SiteJobKey> bound_at(const domain::Job& job);
  void unbind(const std::optional<SiteJobKey>& from, const JobId& id);
  void publish(const domain::Job& after);
  void wake_any();

  boost::asio::any_io_executor strand_;
  async::Scheduler& scheduler_;
  ports::JobStore& store_;
  std::int64_t epoch_;
  std::unordered_map<JobId, domain::Job> jobs_;
  std::map<SiteJobKey, JobId> bound_;  // live attempts, those included that are being bound
  std::unordered_map<JobId, Queue> turns_;                 // only while somebody is changing that job
  std::unordered_multimap<JobId, async::Event*> watchers_;
  std::set<async::Event*> any_watchers_;
  std::int64_t changes_ = 0;
  std::vector<OnChange> observers_;
};

}  // namespace hansa::engine
