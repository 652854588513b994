// SPDX-License-Identifier: Apache-2.0
#include "broker/store/readers.hpp"

#include <algorithm>
#include <utility>

namespace hansa::store {
namespace {

constexpr char kBeginReading[] = "BEGIN";
constexpr char kEndReading[] = "COMMIT";

}  // namespace

std::int64_t bounded(std::size_t limit) {
  constexpr std::size_t kMostRows = 10'000;
  return static_cast<std::int64_t>(std::min(limit, kMostRows));
}

std::unexpected<Error> unreadable(const std::string& what, std::string detail) {
  return fail(ErrorKind::internal, "STORE_CORRUPT", "what is stored of " + what + " cannot be read", std::move(detail));
}

Result<void> read_consistently(Connection& db, std::move_only_function<Result<void>(Connection&)>& question) {
  try {
    db.execute(kBeginReading);
    auto answer = question(db);
    db.execute(kEndReading);
    return answer;
  } catch (const SqliteFailure& failure) {
    db.roll_back();
    return std::unexpected(failure.error());
  } catch (const std::exception& other) {
    db.roll_back();
    return fail(ErrorKind::internal, "STORE_FAILED", "the broker could not read this", other.what());
  }
}

Readers::Readers(std::vector<std::unique_ptr<Connection>> connections, std::size_t queue_limit)
    : connections_(std::move(connections)), queue_limit_(queue_limit) {
  for (auto& connection : connections_) threads_.emplace_back([this, &db = *connection] { serve(db); });
}

Readers::~Readers() { close(); }

void Readers::submit(Question question) {
  Error refused;
  {
    const std::lock_guard lock(mutex_);
    if (!closing_ && queue_.size() < queue_limit_) {
      queue_.push_back(std::move(question));
      wake_.notify_one();
      return;
    }
    refused = closing_
                  ? fail(ErrorKind::unavailable, "STORE_CLOSED", "the broker is stopping").error()
                  : fail(ErrorKind::unavailable, "STORE_BUSY", "the broker is asked more than it can read: try again in a moment")
                        .error();
  }
  question.settle(std::unexpected(std::move(refused)));
}

void Readers::serve(Connection& db) {
  for (;;) {
    Question next;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !queue_.empty() || closing_; });
      if (queue_.empty()) return;
      next = std::move(queue_.front());
      queue_.pop_front();
    }
    next.settle(read_consistently(db, next.ask));
  }
}

void Readers::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    wake_.notify_all();
  }
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  threads_.clear();
  connections_.clear();
}

}  // namespace hansa::store
