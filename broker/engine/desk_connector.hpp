// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site's connector for whoever is no part of the engine (movers whose work jobs do): every call goes by the site's desk, within
// its budget. Strand: the engine's.

#include "broker/engine/site_desk.hpp"

namespace hansa::engine {

class DeskConnector final : public ports::SiteConnector {
 public:
  /// What the registers say of a dataset that is to be copied, and of whose it is: for the site's own rules.
  using Tell = std::function<ports::Task<ports::JobFacts>(DatasetId)>;

  /// `desk` outlives it.
  explicit DeskConnector(SiteDesk& desk, Tell tell = {}) : desk_(desk), tell_(std::move(tell)) {}

  ports::Task<domain::SiteSnapshot> snapshot(ports::Deadline deadline) override;
  /// unavailable, SITE_DRAINED: nothing new goes there.
  ports::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, ports::Deadline deadline) override;
  ports::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, ports::Deadline deadline) override;
  ports::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, ports::Deadline deadline) override;
  ports::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, ports::Deadline deadline) override;
  ports::Task<ports::SealOutcome> seal(ports::Fence fence, ports::Deadline deadline) override;
  ports::Task<ports::UsagePage> usage(ports::UsageCursor from, ports::Deadline deadline) override;
  ports::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              ports::Deadline deadline) override;
  ports::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     ports::Deadline deadline) override;
  ports::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                          ports::Deadline deadline) override;

 private:
  ports::Task<ports::SubmitReceipt> refused() const;

  SiteDesk& desk_;
  Tell tell_;
};

}  // namespace hansa::engine
