// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site that remembers what it was asked.

#include "broker/ports/site_connector.hpp"

#include <string>
#include <vector>

namespace hansa::connectors {

class RecordingConnector final : public ports::SiteConnector {
 public:
  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline) override {
    calls.emplace_back("snapshot");
    co_return domain::SiteSnapshot{.cluster = "recorded", .scheduler = {}};
  }
  ports::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, ports::Deadline) override {
    calls.push_back("submit as \"" + request.account.str() + "\" on \"" + request.scheduler_account + "\"");
    co_return ports::SubmitReceipt{.site_job_id = SiteJobId("1")};
  }
  ports::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, ports::Deadline) override {
    calls.push_back("find " + names(wanted));
    co_return found;
  }
  ports::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, ports::Deadline) override {
    calls.push_back("status " + names(jobs));
    std::vector<ports::JobStatus> statuses;
    for (const auto& job : jobs) statuses.push_back({.id = job.id, .phase = ports::Phase::running, .reason = {}});
    co_return statuses;
  }
  ports::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen, ports::Deadline) override {
    calls.push_back("cancel " + names({job}));
    co_return domain::CancelOutcome::stopped;
  }
  ports::Task<ports::SealOutcome> seal(ports::Fence fence, ports::Deadline) override {
    calls.push_back("seal as \"" + fence.account.str() + "\"");
    co_return ports::SealOutcome{.sealed = true, .holder = {}};
  }
  ports::Task<ports::UsagePage> usage(ports::UsageCursor from, ports::Deadline) override {
    calls.push_back("usage \"" + from.text + "\"");
    co_return page;
  }
  ports::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream, std::uint64_t, std::size_t,
                                              ports::Deadline) override {
    calls.push_back("read_output " + names({job}));
    co_return ports::OutputChunk{};
  }
  ports::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     ports::Deadline) override {
    calls.push_back("look_at " + names({job}));
    co_return std::vector<ports::FileFacts>(paths.size());
  }
  ports::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string, std::uint64_t, std::size_t, ports::Deadline) override {
    calls.push_back("read_file " + names({job}));
    co_return ports::FileChunk{};
  }
  ports::Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, ports::Deadline) override {
    calls.push_back("remove " + std::to_string(files.size()) + " secrets of " + names({job}));
    co_return Result<void>{};
  }
  ports::Task<ports::AccountLimits> account_limits(std::vector<ports::ProjectAccount> wanted, ports::Deadline) override {
    std::string text;
    for (const auto& [project, account] : wanted) text += ' ' + project.str() + "=" + account;
    calls.push_back("account_limits" + text);
    co_return limits;
  }
  ports::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, ports::Deadline) override {
    std::string accounts;
    for (const auto& account : request.accounts) accounts += " \"" + account.str() + '"';
    calls.push_back("doctor of" + accounts);
    co_return domain::DoctorReport{.at = {}, .scheduler = {}, .findings = findings, .drift = {}, .questions = questions};
  }

  std::vector<std::string> calls;
  ports::FindResult found;
  ports::UsagePage page;
  ports::AccountLimits limits;
  std::int32_t questions = 2;  // of a doctor()
  std::vector<domain::Finding> findings{{.check = "CLOCK", .value = "x", .source = "y"}};

 private:
  static std::string names(const std::vector<ports::SiteJob>& jobs) {
    std::string text;
    for (const auto& job : jobs) text += (text.empty() ? "" : ", ") + job.id.str() + " as \"" + job.account.str() + "\"";
    return text;
  }
};

}  // namespace hansa::connectors
