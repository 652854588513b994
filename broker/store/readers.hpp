// SPDX-License-Identifier: Apache-2.0
#pragma once
// Threads that read, each with a connection of its own; every question sees one consistent moment of the database.

#include "broker/core/canonical_json.hpp"
#include "broker/store/connection.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace hansa::store {

/// Runs `question` inside a read transaction; a failure of SQLite becomes its Error.
Result<void> read_consistently(Connection& db, std::move_only_function<Result<void>(Connection&)>& question);

/// Rows in one answer, whatever the caller asks for.
std::int64_t bounded(std::size_t limit);
/// STORE_CORRUPT: what is stored of something is not what is written there.
std::unexpected<Error> unreadable(const std::string& what, std::string detail);

/// For `IN (SELECT value FROM json_each(?))`.
template <typename Id>
std::string ids_as_json(const std::vector<Id>& ids) {
  auto list = Json::array();
  for (const auto& id : ids) list.push_back(id.str());
  return canonical_json(list);
}

class Readers {
 public:
  struct Question {
    std::move_only_function<Result<void>(Connection&)> ask;
    std::move_only_function<void(Result<void>)> settle;  // must not throw
  };

  /// One thread for each connection.
  Readers(std::vector<std::unique_ptr<Connection>> connections, std::size_t queue_limit);
  ~Readers();
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  /// Any thread. STORE_BUSY when the queue is full, STORE_CLOSED.
  void submit(Question question);
  /// Answers what is queued, then ends.
  void close();

 private:
  void serve(Connection& db);

  std::vector<std::unique_ptr<Connection>> connections_;
  const std::size_t queue_limit_;
  std::mutex mutex_;  // guards queue_ and closing_
  std::condition_variable wake_;
  std::deque<Question> queue_;
  bool closing_ = false;
  std::vector<std::thread> threads_;  // last: they use everything else
};

}  // namespace hansa::store
