// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file that is written whole and durable, or not there.

#include "broker/core/error.hpp"

#include <string>
#include <string_view>

namespace hansa::cli {

class DurableFile {
 public:
  enum class Existing { refuse, replace };

  /// Written beside `path` first. conflict, FILE_EXISTS; invalid_argument for a folder that cannot be written.
  static Result<DurableFile> create(std::string path, bool others_may_read, Existing existing);
  ~DurableFile();
  DurableFile(DurableFile&& other) noexcept;
  DurableFile& operator=(DurableFile&&) = delete;

  Result<void> append(std::string_view bytes);
  Result<void> finish();

 private:
  DurableFile(std::string path, std::string draft, int file, Existing existing)
      : path_(std::move(path)), draft_(std::move(draft)), file_(file), existing_(existing) {}

  std::string path_, draft_;
  int file_ = -1;
  Existing existing_;
};

}  // namespace hansa::cli
