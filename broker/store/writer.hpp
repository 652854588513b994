// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one writer: takes what is queued, commits all of it with one fsync, and only then lets the callers go on. While the fsync
// runs, the next operations gather.
//
// A savepoint around each operation costs a fifth of what it takes to store a job, and hardly any operation fails once it has
// begun to write: so a group runs without, and if one did, all of it is undone and run again with savepoints.
//
// Invariants: what an operation wrote is committed once or not at all; it is settled exactly once, after the commit that carries
// it or with an Error; after a failure that leaves a commit in doubt nothing is written any more.

#include "broker/async/real_scheduler.hpp"
#include "broker/metrics/histogram.hpp"
#include "broker/store/connection.hpp"
#include "broker/store/readers.hpp"
#include "broker/store/sqlite_store.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace hansa::store {

class Writer {
 public:
  struct Operation {
    std::size_t bytes = 0;                                     // about what it will write
    std::move_only_function<Result<void>(Connection&)> run;    // its Error undoes this operation alone; may be run twice
    std::move_only_function<void(Result<void>)> settle;        // must not throw
    bool between_commits = false;                              // run outside of any transaction, by itself
  };

  /// `db` is the writer's own from here on.
  Writer(std::unique_ptr<Connection> db, const Options& options);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Any thread. Settles it at once with STORE_BUSY when the queue is full, STORE_CLOSED or STORE_FAILED.
  void submit(Operation operation);

  /// Commits what is queued, ends the thread, shrinks the log, closes the connection.
  Result<void> close();

  [[nodiscard]] Figures figures() const;
  /// Inline mode only: a question on the writer's own connection.
  void ask_inline(Readers::Question& question);

 private:
  void serve();
  void commit_group(std::vector<Operation>& group);
  void run_between_commits(Operation& operation);
  /// All in the transaction that is open; their outcomes.
  std::vector<Result<void>> run_all(std::vector<Operation>& group);
  Result<void> run_one(Operation& operation);
  Result<void> run_in_savepoint(Operation& operation);
  void checkpoint_if_due();
  void fail_for_good(Error error);
  std::optional<Error> refusal(std::size_t bytes) const;  // with mutex_ held

  std::unique_ptr<Connection> db_;
  const Options options_;
  OnFatal on_fatal_;

  // The writer's thread only.
  int log_pages_ = 0;             // in the write-ahead log after the last commit
  int next_checkpoint_ = 0;

  mutable std::mutex mutex_;      // guards all below; never held while SQLite runs
  std::condition_variable wake_;
  std::deque<Operation> queue_;
  std::size_t queued_bytes_ = 0;
  bool closing_ = false;
  std::optional<Error> failed_;

  const async::RealScheduler clock_;  // for figures alone
  metrics::Histogram commit_ms_;
  metrics::Histogram group_;
  std::atomic<std::uint64_t> checkpoints_{0};
  std::thread thread_;            // last: it uses everything else
};

}  // namespace hansa::store
