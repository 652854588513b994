// SPDX-License-Identifier: Apache-2.0
#pragma once
// One history of a store on a faulty disk: what it was asked, what it acknowledged, and whether that is there in the end.

#include "broker/store/sqlite_store.hpp"
#include "tests/disk/faulty_disk.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hansa::store {

struct Tally {
  std::uint64_t acknowledged = 0;  // writes
  std::uint64_t refused = 0;       // ... of which nothing may be found afterwards
  std::uint64_t in_doubt = 0;      // ... of which all or nothing may be found afterwards
  std::uint64_t not_opened = 0;    // the store said why, and what to do
  std::uint64_t ended = 0;         // the store ended its process
  std::uint64_t reads_failed = 0;
  std::uint64_t close_failed = 0;
  std::uint64_t restarts = 0;
  Tally& operator+=(const Tally& other);
};

class History {
 public:
  History(disk::FaultyDisk& disk, std::filesystem::path folder);
  ~History();

  /// When the store ended, or did not close well: it is started again on a mended disk and goes on, or the history is over.
  enum class AfterFailure { go_on, stop };
  /// A store's whole life and a second one: open, migrate, accept, record, book, check points, close, open again. Stops when the
  /// power is cut.
  void play(AfterFailure after = AfterFailure::go_on);
  /// The power is back or the disk mended: everything acknowledged is there, nothing refused, nothing half, and so it is after
  /// one more commit and one more power cut.
  void verify();

  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  enum class Answer { yes, no, unknown };

  /// Something that is there, or not, or was promised neither way.
  template <typename T>
  struct Fact {
    std::optional<T> kept;
    std::optional<T> doubtful;
    void learn(Answer answer, T value);
    void settle(const std::optional<T>& actual);
  };
  struct Request {
    std::string key;
    std::vector<JobId> ids;
  };

  bool start();
  bool open();
  void end_life();
  bool settled();
  void look();
  void check_projection(std::size_t present);
  void check_keys();
  void check_integrity() const;
  Answer answer_of(const Error* error);
  template <typename T>
  Answer answer_of(const Result<T>& result) {
    return answer_of(result ? nullptr : &result.error());
  }
  /// The question's answer; a disk that failed is mended and asked once more. None when the power is cut.
  template <typename T>
  std::optional<Result<T>> ask(const std::function<async::Task<T>()>& question);

  void accept(const std::string& key, std::size_t count, std::size_t script_bytes);
  void repeat(const std::string& key);
  void record(const std::string& job, std::vector<domain::EventBody> events);
  void book(const std::string& cursor);
  void create_token();
  void revoke_token();
  void note_site(const std::string& reason);
  void close();

  disk::FaultyDisk& disk_;
  std::filesystem::path folder_;
  std::unique_ptr<SqliteStore> store_;
  std::atomic<bool> fatal_{false};
  std::int64_t epoch_ = 0;
  std::uint64_t second_syncs_ = 0;
  std::map<std::string, Fact<domain::Job>> jobs_;  // "A0": the first job of request A
  std::map<JobId, domain::JobPayload> payloads_;
  std::vector<Request> requests_;
  std::optional<domain::UsageRecord> usage_;
  Fact<std::string> cursor_;
  Fact<std::string> token_;  // its note, and whether it is revoked
  Fact<std::string> site_;  // why it is drained
  Tally tally_;
};

}  // namespace hansa::store
