// SPDX-License-Identifier: Apache-2.0
#pragma once
// Brokers that keep none of the terms: which tasks, which variant, whose nodes, who pays, what a site has found, denied or not
// let in.

#include "tests/bottle/forwarding.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace hansa::sim::wrong {

using namespace domain;
using async::Deadline;
using async::Task;
using bottle::ForwardingConnector;

/// Who gives up one task gives up the array.
class TaskCancelTakesAll final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    job.these_tasks_only = false;
    return inner().cancel(std::move(job), when, d);
  }
};

/// The next task is cancelled as well: indices counted from one.
class TasksFromOne final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    if (job.these_tasks_only) {
      for (auto& task : job.tasks) ++task;
    }
    return inner().cancel(std::move(job), when, d);
  }
};

/// Tasks that a cancel was sent for are over.
class TaskCancelIsEnd final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    if (job.these_tasks_only) cancelled_[job.tag].insert(job.tasks.begin(), job.tasks.end());
    return inner().cancel(std::move(job), when, d);
  }
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (!answer) co_return answer;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      for (auto& task : (*answer)[i].tasks) {
        if (!cancelled_[jobs[i].tag].contains(task.task_index)) continue;
        task.phase = ports::Phase::ended;
        task.outcome = Outcome::cancelled;
      }
    }
    co_return answer;
  }

 private:
  std::map<Tag, std::set<std::int32_t>> cancelled_;
};

/// An array is sent from its first task to its last.
class HolesAreFilled final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    auto& tasks = request.spec.array.tasks;
    if (!tasks.empty()) {
      const auto last = tasks.back();
      for (auto task = tasks.front(); task <= last; ++task) {
        if (!std::ranges::binary_search(tasks, task)) tasks.insert(std::ranges::lower_bound(tasks, task), task);
      }
    }
    return inner().submit(std::move(request), d);
  }
};

/// Whatever its variant is, the job's own tasks are asked for.
class VariantNotSent final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    if (!request.variant.empty()) request.spec.resources.gpus_per_node = 0;
    return inner().submit(std::move(request), d);
  }
};

/// GPUs are asked for as programs see them, not as the site counts them.
class GpusInDevices final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    request.spec.resources.gpus_per_node *= request.devices_per_gpu;
    return inner().submit(std::move(request), d);
  }
};

class ExclusiveNotSent final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    request.spec.resources.exclusive = false;
    return inner().submit(std::move(request), d);
  }
};

/// What is asked for is what is given.
class GrantsUnread final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(std::move(jobs), d);
    if (!answer) co_return answer;
    for (auto& status : *answer) {
      status.granted.reset();
      for (auto& task : status.tasks) task.granted.reset();
    }
    co_return answer;
  }
};

/// Who is charged is not read back.
class AccountsUnread final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(std::move(jobs), d);
    if (!answer) co_return answer;
    for (auto& status : *answer) {
      if (status.granted) status.granted->account.clear();
      for (auto& task : status.tasks) {
        if (task.granted) task.granted->account.clear();
      }
    }
    co_return answer;
  }
};

/// What bars is a warning like any other.
class NothingBars final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<DoctorReport> doctor(ports::DoctorRequest request, Deadline d) override {
    auto report = co_await inner().doctor(std::move(request), d);
    if (!report) co_return report;
    for (auto& finding : report->findings) finding.bars = false;
    co_return report;
  }
};

/// Of many questions one is counted.
class LooksAreOneQuestion final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<DoctorReport> doctor(ports::DoctorRequest request, Deadline d) override {
    for (int i = 0; i < 12; ++i) (void)co_await inner().status({}, d);
    co_return co_await inner().doctor(std::move(request), d);
  }
};

/// A site's final no is about this one job.
class VetoIsOfOneJob final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    auto receipt = co_await inner().submit(std::move(request), d);
    if (!receipt && receipt.error().code == "SITE_RULES_DENY") {
      receipt.error().kind = ErrorKind::unavailable;
      receipt.error().code = "NOT_NOW";
    }
    co_return receipt;
  }
};

/// What was too much is asked again until it is not.
class HammersBudgets final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    auto receipt = co_await inner().submit(request, d);
    for (int again = 0; again < 8 && !receipt && receipt.error().code == "OVER_BUDGET"; ++again)
      receipt = co_await inner().submit(request, d);
    co_return receipt;
  }
};

/// Whose login has ended has no jobs any more.
class LapsedIsDead final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (answer || !answer.error().code.starts_with("CREDENTIAL_")) co_return answer;
    std::vector<ports::JobStatus> dead;
    for (const auto& job : jobs)
      dead.push_back({.id = job.id, .phase = ports::Phase::ended, .outcome = Outcome::failed, .reason = {"LOGGED_OUT", "gone"}});
    co_return dead;
  }
};

/// A connection that broke has carried nothing.
class BrokenIsUnsent final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    auto receipt = co_await inner().submit(std::move(request), d);
    if (!receipt && receipt.error().message.ends_with("the connection broke")) {
      receipt.error().kind = ErrorKind::unavailable;
      receipt.error().code = "CREDENTIAL_ENDS_TOO_EARLY";
    }
    co_return receipt;
  }
};

/// A refusal proves that nothing is there.
class RefusedIsUnsent final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    auto receipt = co_await inner().submit(std::move(request), d);
    if (!receipt && receipt.error().code == "SITE_REFUSED") receipt.error().kind = ErrorKind::permission_denied;
    co_return receipt;
  }
};

/// A record that was not understood is one that is not there.
class LostRecordIsNone final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (!answer) co_return answer;
    const auto shown = std::ranges::count_if(*answer, [](const auto& s) { return s.phase != ports::Phase::not_seen; });
    if (shown == 0) co_return answer;
    for (auto& status : *answer) {
      if (status.phase != ports::Phase::not_seen) continue;
      status.phase = ports::Phase::ended;
      status.outcome = Outcome::failed;
    }
    co_return answer;
  }
};

}  // namespace hansa::sim::wrong
