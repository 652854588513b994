// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/desk_connector.hpp"

namespace hansa::engine {

using ports::Deadline;
using ports::SiteConnector;
using ports::Task;

// The lambdas are kept by the coroutine that awaits them, and so is what they capture.

Task<domain::SiteSnapshot> DeskConnector::snapshot(Deadline deadline) {
  co_return co_await desk_.call<domain::SiteSnapshot>(CallKind::query, deadline,
                                                      [](SiteConnector& site, Deadline until) { return site.snapshot(until); });
}

/// Drained is asked when it is its turn: it may have waited for that.
Task<ports::SubmitReceipt> DeskConnector::submit(ports::SubmitRequest request, Deadline deadline) {
  if (tell_ && request.stages_in && !request.spec.datasets.empty()) {
    auto told = co_await tell_(request.spec.datasets.front());
    if (!told)
      co_return fail(ErrorKind::unavailable, told.error().code,
                     "the broker could not read what the dataset is: " + told.error().message);
    request.facts = std::move(*told);
  }
  co_return co_await desk_.call<ports::SubmitReceipt>(CallKind::submit, deadline, [&](SiteConnector& site, Deadline until) {
    return desk_.state().drained ? refused() : site.submit(std::move(request), until);
  });
}

Task<ports::SubmitReceipt> DeskConnector::refused() const {
  co_return fail(ErrorKind::unavailable, "SITE_DRAINED",
                 "site " + desk_.site().id.str() + " is drained (" + desk_.state().drain_reason + "): no job goes there");
}

Task<ports::FindResult> DeskConnector::find(std::vector<ports::SiteJob> wanted, Deadline deadline) {
  co_return co_await desk_.call<ports::FindResult>(CallKind::query, deadline,
                                                   [&](SiteConnector& site, Deadline until) { return site.find(wanted, until); });
}

Task<std::vector<ports::JobStatus>> DeskConnector::status(std::vector<ports::SiteJob> jobs, Deadline deadline) {
  co_return co_await desk_.call<std::vector<ports::JobStatus>>(
      CallKind::query, deadline, [&](SiteConnector& site, Deadline until) { return site.status(jobs, until); });
}

Task<domain::CancelOutcome> DeskConnector::cancel(ports::SiteJob job, ports::CancelWhen when, Deadline deadline) {
  co_return co_await desk_.call<domain::CancelOutcome>(
      CallKind::cancel, deadline, [&](SiteConnector& site, Deadline until) { return site.cancel(job, when, until); });
}

Task<ports::SealOutcome> DeskConnector::seal(ports::Fence fence, Deadline deadline) {
  co_return co_await desk_.call<ports::SealOutcome>(CallKind::read, deadline,
                                                    [&](SiteConnector& site, Deadline until) { return site.seal(fence, until); });
}

Task<ports::UsagePage> DeskConnector::usage(ports::UsageCursor from, Deadline deadline) {
  co_return co_await desk_.call<ports::UsagePage>(CallKind::query, deadline,
                                                  [&](SiteConnector& site, Deadline until) { return site.usage(from, until); });
}

Task<ports::OutputChunk> DeskConnector::read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset,
                                                    std::size_t limit, Deadline deadline) {
  co_return co_await desk_.call<ports::OutputChunk>(CallKind::read, deadline, [&](SiteConnector& site, Deadline until) {
    return site.read_output(job, stream, offset, limit, until);
  });
}

Task<std::vector<ports::FileFacts>> DeskConnector::look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                           Deadline deadline) {
  co_return co_await desk_.call<std::vector<ports::FileFacts>>(
      CallKind::read, deadline, [&](SiteConnector& site, Deadline until) { return site.look_at(job, paths, until); });
}

Task<ports::FileChunk> DeskConnector::read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                                Deadline deadline) {
  co_return co_await desk_.call<ports::FileChunk>(CallKind::read, deadline, [&](SiteConnector& site, Deadline until) {
    return site.read_file(job, path, offset, limit, until);
  });
}

}  // namespace hansa::engine
