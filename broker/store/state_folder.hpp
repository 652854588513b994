// SPDX-License-Identifier: Apache-2.0
#pragma once
// The state folder: that it can be used at all, and that nobody else uses it.

#include "broker/core/error.hpp"

#include <filesystem>
#include <utility>

namespace hansa::store {

/// An exclusive lock on `folder`/lock. The kernel lets it go with the process, however that ends.
class StateLock {
 public:
  StateLock() = default;
  StateLock(StateLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  StateLock& operator=(StateLock&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~StateLock();

  /// conflict, STATE_LOCKED, if a living process has it.
  static Result<StateLock> take(const std::filesystem::path& folder);

 private:
  explicit StateLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_ = -1;
};

/// A folder that exists, that we may read and write, on a file system whose locks and fsync can be trusted.
Result<void> check_folder(const std::filesystem::path& folder);

/// A magic number of statfs(2): does the file system live on another machine, or pass through a program?
bool is_remote_file_system(long magic);

/// Makes an empty file that only its owner can read, unless there is one; SQLite gives its -wal and -shm the same mode.
Result<void> create_private_file(const std::filesystem::path& path);

}  // namespace hansa::store
