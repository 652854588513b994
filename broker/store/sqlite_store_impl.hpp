// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the store's ports are served by, in whichever file: the writer, and two kinds of readers.

#include "broker/async/real_scheduler.hpp"
#include "broker/store/estimates.hpp"
#include "broker/store/jobs.hpp"
#include "broker/store/readers.hpp"
#include "broker/store/resume.hpp"
#include "broker/store/sqlite_store.hpp"
#include "broker/store/state_folder.hpp"
#include "broker/store/usage.hpp"
#include "broker/store/writer.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace hansa::store {

using async::Task;

class SqliteStore::Impl {
 public:
  static Result<std::unique_ptr<Impl>> open(Options options);

  template <typename T, typename Work>
  Task<T> write(std::size_t bytes, Work work) {
    auto outcome = std::make_shared<Result<T>>();
    co_return co_await told<T>(outcome, [this, bytes, run = keeping(outcome, std::move(work))](Settle settle) mutable {
      writer_->submit({.bytes = bytes, .run = std::move(run), .settle = std::move(settle)});
    });
  }

  /// The same outside of any transaction.
  template <typename T, typename Work>
  Task<T> between_commits(Work work) {
    auto outcome = std::make_shared<Result<T>>();
    co_return co_await told<T>(outcome, [this, run = keeping(outcome, std::move(work))](Settle settle) mutable {
      writer_->submit({.run = std::move(run), .settle = std::move(settle), .between_commits = true});
    });
  }

  template <typename T, typename Ask>
  Task<T> read(std::unique_ptr<Readers> Impl::* lane, Ask ask) {
    auto outcome = std::make_shared<Result<T>>();
    co_return co_await told<T>(outcome, [this, lane, run = keeping(outcome, std::move(ask))](Settle settle) mutable {
      Readers::Question question{.ask = std::move(run), .settle = std::move(settle)};
      if (options_.inline_mode)
        writer_->ask_inline(question);
      else
        (this->*lane)->submit(std::move(question));
    });
  }

  /// With its size in the queue. Salts are drawn and texts made well formed here, on the caller's thread.
  std::pair<std::size_t, BookRequest> book_request(SiteId site, std::vector<domain::UsageRecord> records, ports::UsageCursor next,
                                                   UtcTime at);

  Result<std::int64_t> begin_epoch();
  Result<void> close();
  void lengthen_log(Connection& db) const;

  Options options_;
  std::vector<StateLock> locks_;  // of the state folder, and of the database's if it lies elsewhere; let go last
  std::string broker_id_;
  async::SystemRandom random_;
  VerdictWriter verdicts_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Readers> lookups_;
  std::unique_ptr<Readers> scans_;
  std::unique_ptr<Readers> reports_;  // of their own: a large one delays no listing

 private:
  explicit Impl(Options options) : options_(std::move(options)) {}
  Result<void> open_file(const std::string& path);
  Result<std::unique_ptr<Readers>> open_readers(const Connection::Settings& settings, std::size_t threads,
                                                const char* more_settings = "") const;

  /// What a thread of the store runs: the work, its outcome kept for the coroutine that waits.
  template <typename T, typename Work>
  static std::move_only_function<Result<void>(Connection&)> keeping(std::shared_ptr<Result<T>> outcome, Work work) {
    return [outcome = std::move(outcome), work = std::move(work)](Connection& db) mutable {
      *outcome = work(db);
      return *outcome ? Result<void>{} : std::unexpected(outcome->error());
    };
  }

  template <typename T>
  Task<T> told(std::shared_ptr<Result<T>> outcome, std::move_only_function<void(Settle)> start) {
    if (options_.inline_mode) co_await boost::asio::post(co_await boost::asio::this_coro::executor, boost::asio::use_awaitable);
    if (auto end = co_await until_settled(std::move(start)); !end) co_return std::unexpected(std::move(end.error()));
    co_return std::move(*outcome);
  }
};

}  // namespace hansa::store
