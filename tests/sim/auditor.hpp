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
//   I22 of an array the tasks of one submission run, each is   I23 a task that was cancelled alone runs no more once that is
//       on record as it ended, and the job as they all did          on record, nobody else's cancel touches the others
//   I24 a site is sent the variant that is for it, and what    I25 nodes of a job's own are nobody else's, and count whole
//       that asked for is what is accounted
//   I26 what a site gives otherwise than asked for is on       I27 no job goes where a look at the site has found what bars
//       record, or taken back before it starts                      it (site_words.hpp, as the next two)
//   I28 a site's own end is not asked again what it has        I29 of a person whose login has ended nothing is known, and
//       denied, nor at once what was too much                       each is asked for alone

#include "connectors/model/model_connector.hpp"
#include "simulation/virtual_scheduler.hpp"
#include "tests/bottle/gate.hpp"
#include "tests/sim/plan.hpp"
#include "tests/sim/played_site.hpp"
#include "tests/sim/site_words.hpp"
#include "tests/sim/terms.hpp"

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hansa::sim {

class Auditor {
 public:
  Auditor(const simulation::VirtualScheduler& time, std::map<std::string, PlayedSite>& sites)
      : time_(time),
        sites_(sites),
        words_(time, sites, [this](auto invariant, const auto& text) { violation(invariant, text); }),
        terms_(sites, jobs_, [this](auto invariant, const auto& text) { violation(invariant, text); }) {}
  Auditor(const Auditor&) = delete;
  Auditor& operator=(const Auditor&) = delete;

  // ---- what the world tells it
  /// Begun of a thousand jobs that are durable.
  void allow_moves(std::int32_t per_thousand) { moves_per_thousand_ = per_thousand; }
  void accepted(const std::vector<ports::NewJob>& jobs, const std::optional<ports::Idempotency>& key,
                const ports::AcceptedJobs& answer);
  void acknowledged(const std::string& key, const std::vector<JobId>& ids);
  void recorded(const ports::JobChange& change);
  void calling(const bottle::Call& call, int in_flight);
  void site_recorded(const domain::SiteState& state);
  void submitting(const std::string& site, const ports::SubmitRequest& request);
  void cancelling(const std::string& site, const ports::SiteJob& job, ports::CancelWhen when);
  void cancel_acknowledged(const JobId& id);
  void task_cancel_acknowledged(const JobId& id, const std::vector<std::int32_t>& tasks);
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

  [[nodiscard]] SiteWords& words() { return words_; }
  [[nodiscard]] Terms& terms() { return terms_; }
  [[nodiscard]] const Terms& terms() const { return terms_; }
  [[nodiscard]] const std::map<JobId, domain::Job>& jobs() const { return jobs_; }
  [[nodiscard]] std::int64_t task_cancels() const { return task_cancels_; }
  [[nodiscard]] std::int64_t moves_begun() const { return moves_begun_; }
  [[nodiscard]] std::int64_t moves_made() const { return moves_made_; }
  [[nodiscard]] bool all_over() const;
  /// It has run, and the site has no record of it any more: only a person can end it.
  [[nodiscard]] bool only_a_person_knows(const domain::Job& job);

  void violation(std::string_view invariant, const std::string& text);
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  void check_move(const domain::Job& job, const domain::EventBody& body);
  void check_place(const domain::Job& job, const domain::AttemptIntended& intent);
  void note_tasks(const domain::Job& job, const domain::EventBody& body);
  [[nodiscard]] bool was_asked_for(const domain::Job& job, std::int32_t task) const;
  [[nodiscard]] int starts_of(const JobId& job, std::int32_t task);
  void cancelling_tasks(const std::string& site, const domain::Job& job, const std::vector<std::int32_t>& tasks);
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
  std::map<std::string, std::deque<MonotonicTime>> more_queries_;  // of looks at a site, which were one call
  std::map<std::string, UtcTime> looked_over_at_;
  /// A task of which it is on record that it was cancelled.
  struct Cancelled {
    int starts = 0;                                   // of its payload until then
    bool left_out = false;                            // its attempt was begun without it
  };
  std::map<JobId, std::set<std::int32_t>> asked_tasks_;  // whose own cancel is durable
  std::map<JobId, std::map<std::int32_t, Cancelled>> cancelled_tasks_;
  std::int64_t task_cancels_ = 0;
  std::int64_t payloads_seen_ = 0;
  std::int32_t moves_per_thousand_ = 0;
  std::int64_t moves_begun_ = 0, moves_made_ = 0;
  std::vector<std::string> violations_;
  SiteWords words_;
  Terms terms_;
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
