// SPDX-License-Identifier: Apache-2.0
#pragma once
// This machine as a site. Everything runs as the broker's own account. Cores and memory are counted, not enforced; the
// wall-time limit is enforced; GPUs are pretended. What becomes of a job is the JobRunner's; here it is told in the words of
// the port.
//
// Strand: `executor`.

#include "broker/async/scheduler.hpp"
#include "broker/ports/log.hpp"
#include "broker/ports/privacy.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/local/job_runner.hpp"
#include "connectors/transport/wrapper.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace hansa::connectors::local {

struct LocalOptions {
  SiteId site;
  std::string accounting = {};  // what its records call where they were made; "": the site. Each spool counts its jobs from 1
  std::string spool;  // absolute; made if missing, 0700
  std::string work_dir;  // absolute; scripts, output and fences; made if missing, 0700
  std::string runner;  // absolute path of hansa-local-run
  QueueName queue{"local"};
  std::int32_t cores = 2;
  Mebibytes memory{2048};
  std::int32_t gpus = 0;
  std::string gpu_model;
  std::optional<Seconds> max_time;
  transport::SiteProfile profile = {};
  Seconds keep{std::chrono::days{30}};  // ended jobs: their folder, status and usage records (not their output)
};

class LocalConnector final : public ports::SiteConnector, public ports::PersonalFiles {
 public:
  /// Takes the spool, finds what is in it and goes on with it. unavailable (SPOOL_IN_USE): another process has it.
  /// invalid_argument: all faults of the options. Blocking: called at start, before the strand runs.
  static Result<std::unique_ptr<LocalConnector>> open(async::Scheduler& scheduler, boost::asio::any_io_executor executor,
                                                      LocalOptions options, ports::Log& log);

  /// Stops starting and watching jobs; what runs goes on. Afterwards, and after all calls have returned, it may be destroyed.
  async::Task<void> close() { return runner_.close(); }

  async::Task<domain::SiteSnapshot> snapshot(async::Deadline deadline) override;
  async::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, async::Deadline deadline) override;
  async::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, async::Deadline deadline) override;
  async::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, async::Deadline deadline) override;
  async::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, async::Deadline deadline) override;
  async::Task<ports::SealOutcome> seal(ports::Fence fence, async::Deadline deadline) override;
  async::Task<ports::UsagePage> usage(ports::UsageCursor from, async::Deadline deadline) override;
  async::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              async::Deadline deadline) override;
  async::Task<std::vector<ports::FileFacts>> look_at(ports::SiteJob job, std::vector<std::string> paths,
                                                     async::Deadline deadline) override;
  async::Task<ports::FileChunk> read_file(ports::SiteJob job, std::string path, std::uint64_t offset, std::size_t limit,
                                          async::Deadline deadline) override;
  async::Task<> remove_secrets(ports::SiteJob job, std::vector<std::string> files, async::Deadline deadline) override;
  async::Task<domain::DoctorReport> doctor(ports::DoctorRequest request, async::Deadline deadline) override;

  /// Scripts, output and working folders of the person's jobs that are over; fences stay, which name nobody.
  async::Task<> forget(Principal person) override;

 private:
  LocalConnector(async::Scheduler& scheduler, boost::asio::any_io_executor executor, LocalOptions options, ports::Log& log,
                 std::string user, Spool spool);

  [[nodiscard]] const LocalJob* known(const ports::SiteJob& asked) const;
  [[nodiscard]] Result<void> admissible(const ports::SubmitRequest& request) const;
  /// Puts the job's code into the work folder, unless it is there.
  async::Task<> stage_code(Tag tag, ports::Code code);
  /// Takes the payload out of the request.
  [[nodiscard]] Result<std::string> wrapped_script(ports::SubmitRequest& request) const;
  [[nodiscard]] ports::JobStatus status_of(const LocalJob& job) const;
  /// Of an array: what its tasks that are asked about come to.
  [[nodiscard]] ports::JobStatus status_of_array(const ports::SiteJob& asked) const;
  async::Task<domain::CancelOutcome> cancel_array(ports::SiteJob asked, ports::CancelWhen when, async::Deadline deadline);
  [[nodiscard]] domain::UsageRecord usage_of(const LocalJob& job) const;
  [[nodiscard]] std::string pending_reason(const LocalJob& job) const;

  async::Scheduler& scheduler_;
  LocalOptions options_;
  std::string user_;
  Room total_;
  JobRunner runner_;
};

}  // namespace hansa::connectors::local
