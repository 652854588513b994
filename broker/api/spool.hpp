// SPDX-License-Identifier: Apache-2.0
#pragma once
// An answer that is written before it is sent: a slow client holds a file without a name, no memory and no read of the database.

#include "broker/core/error.hpp"
#include "broker/core/sha256_stream.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::api {

/// One thread at a time.
class Spool {
 public:
  /// The file lies in `folder`, and is made only for what is longer than a piece.
  explicit Spool(std::filesystem::path folder) : folder_(std::move(folder)) {}
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  /// storage_full; unavailable, SPOOL: the folder or the disk.
  Result<void> write(std::string_view bytes);
  /// Nothing is written afterwards; the SHA-256, in hex.
  Result<std::string> finish();
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }
  [[nodiscard]] bool complete() const { return read_ == bytes_; }

  /// From the beginning on; none: that was all.
  Result<std::optional<std::string>> next();

 private:
  Result<void> flush();

  std::filesystem::path folder_;
  std::string held_;
  Sha256Stream hash_;
  std::int64_t bytes_ = 0, read_ = 0;
  int file_ = -1;
};

}  // namespace hansa::api
