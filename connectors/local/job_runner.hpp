// SPDX-License-Identifier: Apache-2.0
#pragma once
// What becomes of the jobs in the spool: a small real scheduler of processes.
//
// A job waits, starts when its cores, memory and GPUs are free, runs under a supervisor that outlives the broker
// (supervise.hpp), and is forgotten some time after its end. While no broker runs, nothing new starts and everything that
// runs goes on; the next broker finds all of it.
//
// Strand: the calls and the scheduler's own loop run on `executor`. What touches files runs on one thread of its own, so
// that a slow disk delays answers and nothing else; file work that has begun is not cut off by a deadline.

#include "broker/async/event.hpp"
#include "broker/async/run_on.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/task_group.hpp"
#include "broker/ports/log.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/local/slots.hpp"
#include "connectors/local/spool.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace hansa::connectors::local {

enum class Stage { waiting, starting, running, ended };

struct LocalJob {
  JobRecord record;  // without its launch plan, which is the supervisor's to read
  Stage stage = Stage::waiting;
  Room room;
  std::optional<StartRecord> start;
  std::optional<EndRecord> end;
  std::int32_t failed_starts = 0;
  std::optional<MonotonicTime> not_before;  // after a failed start
};

class JobRunner {
 public:
  struct Options {
    SiteId site;         // for the log
    std::string runner;  // absolute path of hansa-local-run
    Room total;          // what the machine has
    Seconds keep;        // ended jobs
  };

  /// `scheduler` and `log` outlive it.
  JobRunner(async::Scheduler& scheduler, boost::asio::any_io_executor executor, Options options, ports::Log& log, Spool spool);

  /// Goes on with what an earlier broker left in the spool, and begins. Once, first of all.
  void take(std::vector<SpooledJob> found);

  /// Stops starting and watching jobs; what runs goes on. Afterwards, and after all calls have returned, it may be destroyed.
  async::Task<void> close() { return tasks_.close(); }

  /// The new job's id. unknown_outcome if the spool may have kept it; any other error: it has not.
  async::Task<std::int64_t> add(JobRecord record, std::string script);

  async::Task<domain::CancelOutcome> cancel(std::int64_t id, ports::CancelWhen when, async::Deadline deadline);

  /// A person's jobs that are over are nobody's from then on; `files` gets the record of each before.
  async::Task<> forget(Principal person, std::function<Result<void>(const JobRecord&)> files);

  [[nodiscard]] const std::map<std::int64_t, LocalJob>& jobs() const { return jobs_; }
  [[nodiscard]] const std::set<std::int64_t>& active() const { return active_; }
  /// Their ids by the order of their ends.
  [[nodiscard]] const std::map<std::int64_t, std::int64_t>& ended() const { return ended_; }
  [[nodiscard]] const std::multimap<Tag, std::int64_t>& by_tag() const { return by_tag_; }
  /// Tasks of an array, in the order of their indices; none: there is no such array.
  [[nodiscard]] std::vector<const LocalJob*> tasks_of(std::int64_t array, const Tag& tag) const;
  /// An earlier job of its tag is not over: the fence would be taken.
  [[nodiscard]] bool waits_for_its_name(const LocalJob& job) const;

  /// Runs a function of the spool on the files' thread.
  template <class Work>
  auto on_files(Work work) -> async::Task<typename std::invoke_result_t<Work, Spool&>::value_type> {
    using T = typename std::invoke_result_t<Work, Spool&>::value_type;
    // A coroutine's lambda would be gone when it runs: the work goes in as a parameter.
    auto body = [](Spool& spool, Work todo) -> async::Task<T> { co_return todo(spool); };
    return async::run_on<T>(files_.get_executor(), body(spool_, std::move(work)));
  }

 private:
  void spawn(std::string_view name, async::Task<void> task);
  void end(LocalJob& job, EndRecord record);
  void log_error(const char* sentence, std::int64_t id, const Error& error);

  async::Task<void> tend();           // the scheduler's loop
  void start_what_fits();
  async::Task<void> launch(std::int64_t id);
  async::Task<void> watch(std::int64_t id);
  boost::asio::awaitable<void> wait_for_supervisor(StartRecord start);
  async::Task<void> purge();

  async::Scheduler& scheduler_;
  Options options_;
  ports::Log& log_;
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
