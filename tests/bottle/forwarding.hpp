// SPDX-License-Identifier: Apache-2.0
#pragma once
// Ports that pass everything on: what stands in between overrides the one thing that it changes.

#include "broker/ports/estimates.hpp"
#include "broker/ports/site_connector.hpp"
#include "broker/ports/stores.hpp"

#include <memory>
#include <utility>

namespace hansa::bottle {

using async::Deadline;
using async::Task;

/// The store ports of the engine in one.
class Stores : public ports::JobStore, public ports::UsageStore, public ports::SiteStore, public ports::EstimateStore {};

/// `inner` outlives it.
class ForwardingStore : public Stores {
 public:
  template <class Inner>
  explicit ForwardingStore(Inner& inner) : jobs_(inner), usage_(inner), sites_(inner), estimates_(inner) {}

  Task<ports::AcceptedJobs> accept_jobs(std::vector<ports::NewJob> jobs, std::optional<ports::Idempotency> key) override {
    return jobs_.accept_jobs(std::move(jobs), std::move(key));
  }
  Task<std::optional<ports::AcceptedJobs>> accepted_under(Principal owner, ports::Idempotency key) override {
    return jobs_.accepted_under(std::move(owner), std::move(key));
  }
  Task<> record(ports::JobChange change) override { return jobs_.record(std::move(change)); }
  Task<domain::Job> job(JobId id) override { return jobs_.job(id); }
  Task<domain::JobPayload> payload(JobId id) override { return jobs_.payload(id); }
  Task<std::vector<domain::Job>> jobs(ports::JobQuery query) override { return jobs_.jobs(std::move(query)); }
  Task<std::vector<domain::Job>> active_jobs(std::optional<JobId> after, std::size_t limit) override {
    return jobs_.active_jobs(after, limit);
  }
  Task<std::vector<ports::StoredEvent>> events(JobId id) override { return jobs_.events(id); }
  Task<std::vector<ports::StoredEvent>> events_after(std::int64_t after, std::size_t limit) override {
    return jobs_.events_after(after, limit);
  }
  Task<ports::Tally> tally() override { return jobs_.tally(); }
  Task<std::int64_t> last_event() override { return jobs_.last_event(); }
  Task<domain::Decision> decision(JobId id) override { return jobs_.decision(id); }
  Task<std::string> document(std::string hash) override { return jobs_.document(std::move(hash)); }

  Task<std::size_t> book_usage(SiteId site, std::vector<domain::UsageRecord> records, ports::UsageCursor next,
                               UtcTime at) override {
    return usage_.book_usage(std::move(site), std::move(records), std::move(next), at);
  }
  Task<ports::UsageCursor> usage_cursor(SiteId site) override { return usage_.usage_cursor(std::move(site)); }
  Task<std::vector<ports::UsageRow>> usage_report(ports::UsageQuery query) override {
    return usage_.usage_report(std::move(query));
  }
  Task<std::vector<domain::UsageRecord>> usage_of(JobId id) override { return usage_.usage_of(id); }
  Task<ports::GpuUsePage> gpu_use_after(std::int64_t last) override { return usage_.gpu_use_after(last); }

  Task<std::vector<domain::SiteState>> site_states() override { return sites_.site_states(); }
  Task<> record_site_state(domain::SiteState state) override { return sites_.record_site_state(std::move(state)); }
  Task<> record_call(ports::SiteCall call) override { return sites_.record_call(std::move(call)); }
  Task<std::vector<ports::SiteCall>> recent_calls(MonotonicTime now) override { return sites_.recent_calls(now); }

  Task<std::vector<domain::WaitScore>> recent_waits(SiteId site, std::size_t limit) override {
    return estimates_.recent_waits(std::move(site), limit);
  }
  Task<std::vector<ports::EstimateRow>> estimate_report(ports::EstimateQuery query) override {
    return estimates_.estimate_report(std::move(query));
  }

 private:
  ports::JobStore& jobs_;
  ports::UsageStore& usage_;
  ports::SiteStore& sites_;
  ports::EstimateStore& estimates_;
};

class ForwardingConnector : public ports::SiteConnector {
 public:
  explicit ForwardingConnector(std::unique_ptr<ports::SiteConnector> inner) : inner_(std::move(inner)) {}

  [[nodiscard]] bool asks_as_persons() const override { return inner_->asks_as_persons(); }
  void when_reachable(std::function<void()> tell) override { inner_->when_reachable(std::move(tell)); }
  Task<domain::SiteSnapshot> snapshot(Deadline deadline) override { return inner_->snapshot(deadline); }
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline deadline) override {
    return inner_->submit(std::move(request), deadline);
  }
  Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, Deadline deadline) override {
    return inner_->find(std::move(wanted), deadline);
  }
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline deadline) override {
    return inner_->status(std::move(jobs), deadline);
  }
  Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline deadline) override {
    return inner_->cancel(std::move(job), when, deadline);
  }
  Task<ports::SealOutcome> seal(ports::Fence fence, Deadline deadline) override {
    return inner_->seal(std::move(fence), deadline);
  }
  Task<ports::UsagePage> usage(ports::UsageCursor from, Deadline deadline) override {
    return inner_->usage(std::move(from), deadline);
  }
  Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                       Deadline deadline) override {
    return inner_->read_output(std::move(job), stream, offset, limit, deadline);
  }
  Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths, Deadline deadline) override {
    return inner_->look_at(std::move(job), std::move(paths), deadline);
  }
  Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                   Deadline deadline) override {
    return inner_->read_file(std::move(job), std::move(path), offset, limit, deadline);
  }
  Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, Deadline deadline) override {
    return inner_->remove_secrets(std::move(job), std::move(files), deadline);
  }
  Task<ports::AccountLimits> account_limits(std::vector<ports::ProjectAccount> wanted, Deadline deadline) override {
    return inner_->account_limits(std::move(wanted), deadline);
  }
  Task<domain::DoctorReport> doctor(ports::DoctorRequest request, Deadline deadline) override {
    return inner_->doctor(std::move(request), deadline);
  }

 protected:
  [[nodiscard]] ports::SiteConnector& inner() { return *inner_; }

 private:
  std::unique_ptr<ports::SiteConnector> inner_;
};

}  // namespace hansa::bottle
