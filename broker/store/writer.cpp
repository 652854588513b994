// SPDX-License-Identifier: Apache-2.0
#include "broker/store/writer.hpp"

#include <sqlite3.h>

#include <array>
#include <cstdlib>
#include <exception>
#include <utility>

namespace hansa::store {
namespace {

constexpr std::array<std::int64_t, 12> kCommitMs{2, 5, 10, 25, 50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000};
constexpr std::array<std::int64_t, 8> kGroup{1, 2, 5, 10, 25, 50, 100, 250};

constexpr char kBegin[] = "BEGIN IMMEDIATE";
constexpr char kCommit[] = "COMMIT";
constexpr char kRollBack[] = "ROLLBACK";
constexpr char kSavepoint[] = "SAVEPOINT operation";
constexpr char kRollBackTo[] = "ROLLBACK TO operation";
constexpr char kRelease[] = "RELEASE operation";

Error closed() { return fail(ErrorKind::unavailable, "STORE_CLOSED", "the broker is stopping").error(); }
Error busy() {
  return fail(ErrorKind::unavailable, "STORE_BUSY", "the broker has more to write than its disk takes: try again in a moment")
      .error();
}

}  // namespace

Writer::Writer(std::unique_ptr<Connection> db, const Options& options)
    : db_(std::move(db)),
      options_(options),
      on_fatal_(options.on_fatal ? options.on_fatal : OnFatal([](const Error&) { std::abort(); })),
      next_checkpoint_(options.checkpoint_pages),
      commit_ms_(kCommitMs),
      group_(kGroup) {
  // Called by SQLite after each commit with the number of pages in the log.
  sqlite3_wal_hook(
      db_->handle(),
      [](void* pages, sqlite3*, const char*, int in_log) {
        *static_cast<int*>(pages) = in_log;
        return SQLITE_OK;
      },
      &log_pages_);
  if (!options_.inline_mode) thread_ = std::thread([this] { serve(); });
}

Writer::~Writer() { static_cast<void>(close()); }

std::optional<Error> Writer::refusal(std::size_t bytes) const {
  if (failed_) return failed_;
  if (closing_) return closed();
  const bool full =
      queue_.size() >= options_.queued_operations || (!queue_.empty() && queued_bytes_ + bytes > options_.queued_bytes);
  return full ? std::optional(busy()) : std::nullopt;
}

void Writer::submit(Operation operation) {
  std::optional<Error> refused;
  {
    const std::lock_guard lock(mutex_);
    refused = refusal(operation.bytes);
    if (!refused && !options_.inline_mode) {
      queued_bytes_ += operation.bytes;
      queue_.push_back(std::move(operation));
      if (queue_.size() == 1) wake_.notify_one();
      return;
    }
  }
  if (refused) return operation.settle(std::unexpected(std::move(*refused)));
  std::vector<Operation> alone;
  alone.push_back(std::move(operation));
  commit_group(alone);
}

void Writer::ask_inline(Readers::Question& question) {
  question.settle(db_ ? read_consistently(*db_, question.ask) : Result<void>(std::unexpected(closed())));
}

void Writer::serve() {
  std::vector<Operation> group;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !queue_.empty() || closing_; });
      if (queue_.empty()) return;
      std::size_t bytes = 0;
      while (!queue_.empty() && group.size() < options_.group_operations &&
             (group.empty() || (bytes + queue_.front().bytes <= options_.group_bytes && !queue_.front().between_commits))) {
        bytes += queue_.front().bytes;
        group.push_back(std::move(queue_.front()));
        queue_.pop_front();
        if (group.back().between_commits) break;
      }
      queued_bytes_ -= bytes;
    }
    commit_group(group);
    group.clear();
  }
}

void Writer::run_between_commits(Operation& operation) {
  std::optional<Error> lost;
  {
    const std::lock_guard lock(mutex_);
    lost = failed_;
  }
  Result<void> outcome;
  if (!lost) {
    try {
      outcome = operation.run(*db_);
    } catch (const SqliteFailure& failure) {
      db_->roll_back();
      lost = failure.error();
      if (failure.is_fatal()) fail_for_good(*lost);
    }
  }
  operation.settle(lost ? Result<void>(std::unexpected(std::move(*lost))) : std::move(outcome));
}

void Writer::commit_group(std::vector<Operation>& group) {
  if (group.front().between_commits) return run_between_commits(group.front());
  std::vector<Result<void>> outcomes;
  std::optional<Error> lost;  // what became of the whole group, if it was not committed
  bool committing = false;
  {
    const std::lock_guard lock(mutex_);
    lost = failed_;
  }
  if (!lost) {
    try {
      const auto began = clock_.now_monotonic();
      db_->execute(kBegin);
      outcomes = run_all(group);
      committing = true;
      db_->execute(kCommit);
      if (!options_.inline_mode) commit_ms_.observe((clock_.now_monotonic() - began).count());
      group_.observe(static_cast<std::int64_t>(group.size()));
    } catch (const SqliteFailure& failure) {
      db_->roll_back();
      lost = failure.error();
      if (failure.is_fatal()) {
        // The log may hold the commit, whole, for the next start to find: neither yes nor no would be true.
        if (committing) {
          lost->kind = ErrorKind::unknown_outcome;
          lost->retryable = false;
        }
        fail_for_good(*lost);
      }
    }
  }
  // An operation that was refused for what another one of its group had done is told of the group's end as well.
  for (std::size_t i = 0; i < group.size(); ++i) {
    group[i].settle(lost ? Result<void>(std::unexpected(*lost)) : std::move(outcomes[i]));
  }
  if (!lost) checkpoint_if_due();
}

std::vector<Result<void>> Writer::run_all(std::vector<Operation>& group) {
  std::vector<Result<void>> outcomes;
  outcomes.reserve(group.size());
  for (auto& operation : group) {
    const auto before = sqlite3_total_changes64(db_->handle());
    outcomes.push_back(run_one(operation));
    if (!outcomes.back() && sqlite3_total_changes64(db_->handle()) != before) {  // it wrote and failed
      db_->execute(kRollBack);
      db_->execute(kBegin);
      outcomes.clear();
      for (auto& again : group) outcomes.push_back(run_in_savepoint(again));
      break;
    }
  }
  return outcomes;
}

Result<void> Writer::run_in_savepoint(Operation& operation) {
  db_->execute(kSavepoint);
  auto outcome = run_one(operation);
  if (!outcome) db_->execute(kRollBackTo);
  db_->execute(kRelease);
  return outcome;
}

Result<void> Writer::run_one(Operation& operation) {
  try {
    return operation.run(*db_);
  } catch (const SqliteFailure& failure) {
    if (!failure.is_local() || !db_->in_transaction()) throw;
    return std::unexpected(failure.error());
  } catch (const std::exception& other) {
    return fail(ErrorKind::internal, "STORE_FAILED", "the broker could not store this", other.what());
  }
}

// Between two commits, so that the log is copied whole and the next commit starts it again. SQLite's own automatic
// checkpoint would hide a failed fsync.
void Writer::checkpoint_if_due() {
  if (log_pages_ < options_.checkpoint_pages) next_checkpoint_ = options_.checkpoint_pages;  // it was started again
  if (log_pages_ < next_checkpoint_) return;
  ++checkpoints_;
  // A long reader or a full disk: the log grows meanwhile and loses nothing.
  next_checkpoint_ = log_pages_ + options_.checkpoint_pages;
  try {
    db_->copy_log();
  } catch (const SqliteFailure& failure) {
    if (failure.is_fatal()) fail_for_good(failure.error());
  }
}

void Writer::fail_for_good(Error error) {
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    failed_ = fail(ErrorKind::unavailable, "STORE_FAILED",
                   "the broker's disk failed: it takes no more work until it is started again", error.detail)
                  .error();
    failed_->retryable = false;
  }
  on_fatal_(error);
}

Result<void> Writer::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  if (!db_) return {};
  Result<void> outcome;
  if (!failed_) {
    try {
      db_->run_script("PRAGMA analysis_limit=400; PRAGMA optimize");
      db_->run_script("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (const SqliteFailure& failure) { outcome = std::unexpected(failure.error()); }
  }
  db_.reset();
  return outcome;
}

Figures Writer::figures() const {
  const std::lock_guard lock(mutex_);
  return {.commit_ms = commit_ms_.read(), .group = group_.read(), .checkpoints = checkpoints_, .queued = queue_.size()};
}

}  // namespace hansa::store
