// SPDX-License-Identifier: Apache-2.0
#pragma once
// Beside the database, by their names alone:
//
//   backups/before-schema-N.db     what there was before a schema step (backup.hpp); its time is that of its last change
//   NAME.before-restore-TIME       what there was before `hansad restore`, maybe with -wal and -shm; its time is in its name
//
// Copies that an operator made (backups/TIME.db) are the operator's.

#include "broker/ports/old_copies.hpp"

#include <boost/asio/thread_pool.hpp>

#include <filesystem>

namespace hansa::store {

/// Oldest first. STATE_FILES: a folder cannot be read.
Result<std::vector<ports::OldCopy>> find_old_copies(const std::filesystem::path& database);
/// STATE_FILES: one of them cannot be deleted; the others were.
Result<std::vector<ports::OldCopy>> end_old_copies(const std::filesystem::path& database, UtcTime before);

/// On a thread of its own: a large file takes its time.
class OldCopiesOnDisk final : public ports::OldCopies {
 public:
  explicit OldCopiesOnDisk(std::filesystem::path database) : database_(std::move(database)) {}
  ~OldCopiesOnDisk() override { thread_.join(); }

  async::Task<std::vector<ports::OldCopy>> copies() override;
  async::Task<std::vector<ports::OldCopy>> end(UtcTime before) override;

 private:
  const std::filesystem::path database_;
  boost::asio::thread_pool thread_{1};
};

}  // namespace hansa::store
