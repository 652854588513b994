// SPDX-License-Identifier: Apache-2.0
#pragma once
// Brokers that ask sites wrongly, or read their answers so.

#include "broker/ports/task_statuses.hpp"
#include "tests/bottle/forwarding.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace hansa::sim::wrong {

using namespace domain;
using async::Deadline;
using async::Task;
using bottle::ForwardingConnector;

/// What is to be moved is gone from its site: nobody waits for the site's word.
class MovesAtOnce final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    if (when == ports::CancelWhen::only_while_pending) co_return CancelOutcome::never_started;
    co_return co_await inner().cancel(std::move(job), when, d);
  }
};

class UnknownIsFailed final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    auto receipt = co_await inner().submit(std::move(request), d);
    if (!receipt && receipt.error().kind == ErrorKind::unknown_outcome) receipt.error().kind = ErrorKind::unavailable;
    co_return receipt;
  }
};

class AbsenceIsEnd final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(std::move(jobs), d);
    if (!answer) co_return answer;
    for (auto& status : *answer) {
      if (status.phase != ports::Phase::not_seen) continue;
      status.phase = ports::Phase::ended;
      status.outcome = Outcome::succeeded;
    }
    co_return answer;
  }
};

/// Twice without an answer: the site is down, and its jobs with it.
class SilentIsDead final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    silent_ = answer ? 0 : silent_ + 1;
    if (silent_ < 2) co_return answer;
    std::vector<ports::JobStatus> dead;
    for (const auto& job : jobs)
      dead.push_back({.id = job.id, .phase = ports::Phase::ended, .outcome = Outcome::failed, .reason = {"SITE_LOST", "gone"}});
    co_return dead;
  }

 private:
  int silent_ = 0;
};

class AdoptsByName final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, Deadline d) override {
    auto found = co_await inner().find(wanted, d);
    if (!found) co_return found;
    for (auto& sighting : found->sightings) {
      for (const auto& job : wanted) {
        if (job.tag == sighting.tag) sighting.account = job.account, sighting.submitted_at = job.intended_at;
      }
    }
    co_return found;
  }
};

class UnreachableIsSealed final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SealOutcome> seal(ports::Fence fence, Deadline d) override {
    auto outcome = co_await inner().seal(std::move(fence), d);
    if (!outcome) co_return ports::SealOutcome{.sealed = true, .holder = {}};
    co_return outcome;
  }
};

class HeldIsSealed final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SealOutcome> seal(ports::Fence fence, Deadline d) override {
    auto outcome = co_await inner().seal(std::move(fence), d);
    if (outcome) outcome->sealed = true;
    co_return outcome;
  }
};

class NoSeal final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SealOutcome> seal(ports::Fence, Deadline) override { co_return ports::SealOutcome{.sealed = true, .holder = {}}; }
};

class NewTagForResend final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    if (!sent_.insert(request.tag).second) request.tag = make_tag(request.job, request.attempt + 1);
    return inner().submit(std::move(request), d);
  }

 private:
  std::set<Tag> sent_;
};

class AlwaysRequeue final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    request.spec.requeue = true;
    return inner().submit(std::move(request), d);
  }
};

/// What a cancel was sent for is over.
class CancelIsEnd final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    cancelled_.insert({job.id, job.tag});
    return inner().cancel(std::move(job), when, d);
  }
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (!answer) co_return answer;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (!cancelled_.contains({jobs[i].id, jobs[i].tag}) || (*answer)[i].phase == ports::Phase::ended) continue;
      (*answer)[i].phase = ports::Phase::ended;
      (*answer)[i].outcome = Outcome::cancelled;
    }
    co_return answer;
  }

 private:
  std::set<std::pair<SiteJobId, Tag>> cancelled_;
};

/// Some tasks of an array are in no listing: it is sent again, so that they run.
class ResendsForTheRest final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    if (!request.spec.array.empty()) sent_.insert_or_assign(request.tag, request);
    return inner().submit(std::move(request), d);
  }
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (!answer) co_return answer;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const auto shown = (*answer)[i].tasks.size();
      if (shown == 0 || shown == jobs[i].tasks.size()) continue;
      const auto again = sent_.extract(jobs[i].tag);
      if (again.empty()) continue;
      auto& request = again.mapped();
      request.tag = make_tag(request.job, request.attempt + 1);
      (void)co_await inner().submit(std::move(request), d);
    }
    co_return answer;
  }

 private:
  std::map<Tag, ports::SubmitRequest> sent_;
};

/// What is not listed of an array has done its work and left.
class MissingTasksAreDone final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (!answer) co_return answer;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      auto& array = (*answer)[i];
      if (array.tasks.empty()) continue;
      for (const auto task : jobs[i].tasks) {
        if (std::ranges::find(array.tasks, task, &ports::JobStatus::task_index) != array.tasks.end()) continue;
        array.tasks.push_back(
            {.id = array.id, .phase = ports::Phase::ended, .outcome = Outcome::succeeded, .reason = {}, .task_index = task});
      }
      ports::sum_up(array, jobs[i].tasks.size());
    }
    co_return answer;
  }
};

class SystemClock final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(std::move(jobs), d);
    if (!answer) co_return answer;
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    for (auto& status : *answer) {
      if (status.started_at) *status.started_at += Milliseconds(now / 1000 % 100'000);
    }
    co_return answer;
  }
};

class AsksTwice final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (answer) co_return answer;
    for (int again = 0; again < 20 && !answer; ++again) answer = co_await inner().status(jobs, d);  // it will surely come back
    co_return answer;
  }
};

class TellsScripts final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    const auto script = request.payload.script;
    auto receipt = co_await inner().submit(std::move(request), d);
    if (!receipt) receipt.error().detail = "sbatch <<< " + script;
    co_return receipt;
  }
};

}  // namespace hansa::sim::wrong
