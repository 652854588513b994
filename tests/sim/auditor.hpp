// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keeps its own book of what became durable and of what happened at the sites, and says what must never be. It sees the truth
// below the broker: commits as the store made them, calls as they left, sites as they are.
//
// The invariants, by the numbers that the reports use:
//   I1  every acknowledged job exists after any crash          I2  at most one payload of a job starts; none is lost
//   I3  no site action without a durable intent before it      I4  no dispatch to where the job may not go, or that is drained
//   I5  states only go forward; what is over stays over        I6  every site job with our tag is bound or quarantined
//   I7  the ledger holds each finished run once, as the site   I8  events are only appended; the stored row is what they say
//       tells it                                               I9  one key, one set of jobs
//   I10 no more of ours wait at a site than its budget allows  I11 nothing of a script reaches the log
//   I12 ten minutes after everything has healed nothing is     I13 no site gets more calls than its budget
//       unknown                                                I14 one seed, one trace (checked by who plays twice)
//   I15 a job moves once, after its site job is out of the     I16 no more moves are begun than the cap allows
//       line, without its payload having started
//   I17 a job is sent only where all that it reads lies        I18 one transfer for a dataset and a site, on record before
//       whole                                                      it moves, and until its copy is registered (depot.hpp)
//   I19 a job goes to no site before those that it comes after
//       have succeeded, and ends by them only if one did not
//   I20 a site that has not answered so many times in a row    I21 nothing is sent to a site in its quiet hours
//       gets probes alone, one at a time, ever more seldom
//   I22 of an array the tasks of one submission run, each is
//       on record as it ended, and the job as they all did

#include "connectors/model/model_connector.hpp"
#include "simulation/virtual_scheduler.hpp"
#include "tests/bottle/gate.hpp"
#include "tests/sim/plan.hpp"

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hansa::sim {

/// A site of the play, shared by everything in it.
struct PlayedSite {
  SitePlan plan;
  domain::LoadBudget budget;                          // in force
  std::shared_ptr<connectors::model::ModelSite> model;
  std::set<DatasetId> whole;                          // that lie there, every byte
  std::set<std::int64_t> strangers;                   // serials of jobs that only carry one of our names
  bool drained = false;                               // acknowledged by the broker
  MonotonicTime drained_at{};
  bool suspended = false;                             // in the register: the rules let nothing go there
  MonotonicTime suspended_at{};
};

class Auditor {
 public:
  Auditor(const simulation::VirtualScheduler& time, std::map<std::string, PlayedSite>& sites) : time_(time), sites_(sites) {}

  // ---- what the world tells it
  /// Begun of a thousand jobs that are durable.
  void allow_moves(std::int32_t per_thousand) { moves_per_thousand_ = per_thousand; }
  void accepted(const std::vector<ports::NewJob>& jobs, const std::optional<ports::Idempotency>& key,
                const ports::AcceptedJobs& answer);
  void acknowledged(const std::string& key, const std::vector<JobId>& ids);
  void recorded(const ports::JobChange& change);
  void calling(const bottle::Call& call, int in_flight);
  void answered(const std::string& site, int process, std::string_view what, const Error* error);
  void submitting(const std::string& site, const ports::SubmitRequest& request);
  void cancelling(const std::string& site, const ports::SiteJob& job, ports::CancelWhen when);
  void cancel_acknowledged(const JobId& id);
  void logged(std::string_view line);

  // ---- when it looks
  void step();                                        // whenever nothing is ready
  /// What the store holds, all of it, against its own book.
  void compare(const std::vector<ports::StoredEvent>& events, const std::vector<domain::Job>& rows);
  void nothing_unknown();
  /// Every job is over; `ledger` is what was booked.
  void at_the_end(const std::vector<domain::UsageRecord>& ledger, bool refusals_possible);
  /// Runs of payloads that are over at their sites and not in the ledger.
  [[nodiscard]] std::vector<domain::UsageRecord> not_booked(const std::vector<domain::UsageRecord>& ledger);

  [[nodiscard]] const std::map<JobId, domain::Job>& jobs() const { return jobs_; }
  [[nodiscard]] std::int64_t moves_begun() const { return moves_begun_; }
  [[nodiscard]] std::int64_t moves_made() const { return moves_made_; }
  [[nodiscard]] bool all_over() const;
  /// It has run, and the site has no record of it any more: only a person can end it.
  [[nodiscard]] bool only_a_person_knows(const domain::Job& job);

  void violation(std::string_view invariant, const std::string& text);
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  void check_move(const domain::Job& job, const domain::EventBody& body);
  void check_payloads();
  void check_end(const domain::Job& job, bool refusals_possible);
  void check_end_of_array(const domain::Job& job, bool refusals_possible);
  [[nodiscard]] std::vector<const connectors::model::ClusterJob*> site_jobs_of(const domain::Job& job,
                                                                               const domain::Attempt& attempt);
  void check_site_jobs();
  void check_ledger(const std::vector<domain::UsageRecord>& ledger);
  /// Calls `f(site id, cluster job, tag)` for each job that we submitted.
  template <class F>
  void each_of_ours(F f);

  const simulation::VirtualScheduler& time_;
  std::map<std::string, PlayedSite>& sites_;
  std::map<JobId, domain::Job> jobs_;
  std::map<JobId, std::vector<domain::JobEvent>> events_;
  std::map<std::string, std::vector<JobId>> keys_;    // durable
  std::map<std::pair<std::string, std::string>, std::deque<MonotonicTime>> windows_;  // site, kind of budget
  /// What a process has heard from a site: the last calls in a row that had no answer.
  struct Silence {
    int process = 0;
    int failures = 0;
    bool probing = false;                             // by a call that began after it was left alone
    MonotonicTime since{};                            // of the last one that counted, or of the last probe
    Milliseconds pause{0};                            // that the next probe must wait at least
  };
  std::map<std::string, Silence> silences_;
  std::int64_t payloads_seen_ = 0;
  std::int32_t moves_per_thousand_ = 0;
  std::int64_t moves_begun_ = 0, moves_made_ = 0;
  std::vector<std::string> violations_;
};

template <class F>
void Auditor::each_of_ours(F f) {
  for (auto& [id, site] : sites_) {
    for (const auto& job : site.model->cluster().jobs()) {
      if (!job.request.fenced || site.strangers.contains(job.serial)) continue;
      if (const auto tag = domain::parse_tag(job.request.name)) f(id, job, *tag);
    }
  }
}

}  // namespace hansa::sim
