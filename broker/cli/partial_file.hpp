// SPDX-License-Identifier: Apache-2.0
#pragma once
// A file on its way here. Until it is whole it lies beside its place, under a name that says of which job and which version of
// the file it is: the next try goes on where this one ended, and nothing of two versions is ever put together.

#include "broker/core/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace hansa::cli {

/// Code of storage_full: this machine has no room, the broker may have plenty.
inline constexpr std::string_view kNoRoomHere = "LOCAL_STORAGE_FULL";

class PartialFile {
 public:
  struct Place {
    std::string folder;                // is there
    std::string name;                  // of an output (wire::output_name_fault finds none)
    std::string job;
    std::string version;
    bool replace = false;              // what may be there under this name
  };

  /// Takes it for this process, and removes what is left of other versions. conflict: FILE_EXISTS, BEING_FETCHED (by another
  /// process); storage_full, and invalid_argument for a folder that cannot be written.
  static Result<PartialFile> open(Place place);
  ~PartialFile();
  PartialFile(PartialFile&& other) noexcept;
  PartialFile& operator=(PartialFile&&) = delete;

  [[nodiscard]] std::uint64_t size() const { return size_; }
  Result<void> append(std::string_view bytes);
  /// It is whole: durable, then in its place under its own name in one step, which replaces nothing that it may not.
  Result<void> finish();
  /// Gives it up: nothing is left of it.
  void discard();

  /// "folder/name", as it is told.
  [[nodiscard]] std::string path() const;

 private:
  PartialFile(Place place, int folder, int file, std::uint64_t size);

  Place place_;
  int folder_ = -1;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace hansa::cli
