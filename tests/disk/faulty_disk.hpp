// SPDX-License-Identifier: Apache-2.0
#pragma once
// A disk for SQLite that fails when it is told to, and that forgets what was not synced when its power is cut.
//
// It stands over SQLite's own file layer. Locks, shared memory and the files are the real ones: a file is what every program
// sees, the page cache. Beside it the disk keeps what has reached the platter: contents change there with a sync alone, and a new
// or removed file with the sync of its folder. As on Linux, a failed sync drops its pages for good: they are still read, and no
// later sync writes them.
//
// Thread: any, but plans are made while nobody uses the files.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::disk {

enum class Operation : std::uint8_t { open, read, write, truncate, sync, size, remove, access, share };
std::string_view to_string(Operation operation);

enum class Failure : std::uint8_t {
  io_error,  // EIO; a sync that ends so has lost some of its pages
  no_space,  // ENOSPC, nothing written
  over_quota,  // EDQUOT, nothing written
  short_write,  // the first half is written, then ENOSPC
};
std::string_view to_string(Failure failure);
/// Can `operation` end so?
bool applies(Failure failure, Operation operation);

struct Fault {
  std::uint64_t at = 0;  // the number of the operation, the first is 1
  Failure failure = Failure::io_error;
  bool lasting = false;  // those that follow too, until mend()
};

/// What a power cut takes of the writes that were not synced.
enum class Loss : std::uint8_t {
  all,
  some,  // each sector of 512 bytes for itself, in any order
  tail,  // the last ones; the first of them is torn between two sectors
};
std::string_view to_string(Loss loss);

class FaultyDisk {
 public:
  explicit FaultyDisk(std::uint64_t seed = 1);
  ~FaultyDisk();  // all files are closed
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

  /// The name to open databases with.
  [[nodiscard]] const std::string& vfs() const;

  /// All operations so far, whether they failed or not.
  [[nodiscard]] std::vector<Operation> operations() const;
  [[nodiscard]] std::uint64_t syncs() const;
  /// Those by a program that had seen one fail before; see README.md of broker/store.
  [[nodiscard]] std::uint64_t syncs_after_failure() const;
  /// How often a planned fault struck.
  [[nodiscard]] std::uint64_t struck() const;

  void plan(Fault fault);
  void fill(Failure how = Failure::no_space);  // from now on, until mend()
  void fail_sync(int from_now);  // the next one is 1
  /// In the middle of that operation. Everything fails from then on, until restore_power().
  void cut_power(std::uint64_t at, Loss loss);
  void mend();
  /// Now, between two operations.
  void cut_power_now(Loss loss);
  [[nodiscard]] bool dark() const;
  /// All files are closed: what the disk kept becomes their contents.
  void restore_power();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace hansa::disk
