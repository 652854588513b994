// SPDX-License-Identifier: Apache-2.0
#pragma once
// This machine as a site: a small real scheduler of processes.
//
// A job waits in the spool, starts when its cores, memory and GPUs are free, and runs under a supervisor that outlives
// the broker (supervise.hpp). While no broker runs, nothing new starts and everything that runs goes on; the next broker
// finds all of it. Cores and memory are counted, not enforced; the wall-time limit is enforced; GPUs are pretended.
// Everything runs as the broker's own account.
//
// Strand: the calls and the scheduler's own loop run on `executor`. What touches files runs on one thread of the
// connector's, so that a slow disk delays answers and nothing else; file work that has begun is not cut off by a deadline.

#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/task_group.hpp"
#include "broker/ports/log.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/local/slots.hpp"
#include "connectors/local/spool.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>

namespace hansa::connectors::local {

struct LocalOptions {
  SiteId site;
  std::string spool;                  // absolute; made if missing, 0700
  std::string work_dir;               // absolute; scripts, output and fences; made if missing, 0700
  std::string runner;                 // absolute path of hansa-local-run
  QueueName queue{"local"};
  std::int32_t cores = 2;
  Mebibytes memory{2048};
  std::int32_t gpus = 0;
  std::string gpu_model;
  std::optional<Seconds> max_time;
  Seconds keep{std::chrono::days{30}};  // ended jobs: their folder, status and usage records (not their output)
};

class LocalConnector final : public ports::SiteConnector {
 public:
  /// Takes the spool, finds what is in it and goes on with it. unavailable (SPOOL_IN_USE): another process has it.
  /// invalid_argument: all faults of the options. Blocking: called at start, before the strand runs.
  static Result<std::unique_ptr<LocalConnector>> open(async::Scheduler& scheduler, boost::asio::any_io_executor executor,
                                                      LocalOptions options, ports::Log& log);

  /// Stops starting and watching jobs; what runs goes on. Afterwards, and after all calls have returned, it may be destroyed.
  async::Task<void> close() { return tasks_.close(); }

  async::Task<domain::SiteSnapshot> snapshot(async::Deadline deadline) override;
  async::Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, async::Deadline deadline) override;
  async::Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, async::Deadline deadline) override;
  async::Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, async::Deadline deadline) override;
  async::Task<domain::CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, async::Deadline deadline) override;
  async::Task<ports::SealOutcome> seal(ports::Fence fence, async::Deadline deadline) override;
  async::Task<ports::UsagePage> usage(ports::UsageCursor from, async::Deadline deadline) override;
  async::Task<ports::OutputChunk> read_output(ports::SiteJob job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                              async::Deadline deadline) override;

 private:
  enum class Stage { waiting, starting, running, ended };
  struct LocalJob {
    JobRecord record;
    Stage stage = Stage::waiting;
    Room room;
    std::optional<StartRecord> start;
    std::optional<EndRecord> end;
    std::int32_t failed_starts = 0;
    std::optional<MonotonicTime> not_before;  // after a failed start
  };

  LocalConnector(async::Scheduler& scheduler, boost::asio::any_io_executor executor, LocalOptions options, ports::Log& log,
                 std::string user, Spool spool);

  void take(std::vector<SpooledJob> found);
  [[nodiscard]] LocalJob* known(const ports::SiteJob& asked);
  [[nodiscard]] bool waits_for_its_name(const LocalJob& job) const;
  [[nodiscard]] Result<void> admissible(const ports::SubmitRequest& request) const;
  [[nodiscard]] Result<std::string> wrapped_script(const ports::SubmitRequest& request) const;
  [[nodiscard]] ports::JobStatus status_of(const LocalJob& job) const;
  [[nodiscard]] domain::UsageRecord usage_of(const LocalJob& job) const;
  [[nodiscard]] std::string pending_reason(const LocalJob& job) const;
  void spawn(std::string_view name, async::Task<void> task);
  void end(LocalJob& job, EndRecord record);
  void log_error(const char* sentence, std::int64_t id, const Error& error);

  async::Task<void> tend();           // the scheduler's loop
  void start_what_fits();
  async::Task<void> launch(std::int64_t id);
  async::Task<void> watch(std::int64_t id);
  boost::asio::awaitable<void> wait_for_supervisor(StartRecord start);
  async::Task<void> purge();

  /// Runs a function of the spool on the files' thread.
  template <class Work>
  auto on_files(Work work) -> async::Task<typename std::invoke_result_t<Work, Spool&>::value_type>;

  async::Scheduler& scheduler_;
  boost::asio::any_io_executor executor_;
  LocalOptions options_;
  ports::Log& log_;
  std::string user_;
  Room total_;
  Spool spool_;                       // on the files' thread only
  std::map<std::int64_t, LocalJob> jobs_;
  std::set<std::int64_t> active_;     // not ended
  std::map<std::int64_t, std::int64_t> ended_;  // sequence -> id
  std::multimap<Tag, std::int64_t> by_tag_;
  async::Event wake_;
  boost::asio::thread_pool files_{1};
  async::TaskGroup tasks_;
};

}  // namespace hansa::connectors::local
