// SPDX-License-Identifier: Apache-2.0
#pragma once
// One end of a transfer, as the mover itself sees it: looks, claims, reads back, makes visible. The copying is the tools'.
// Blocking.
//
// Paths are relative to the root. Nothing outside it is touched: beneath a local root every path is opened with openat2
// (RESOLVE_BENEATH, no symbolic links); behind SFTP, which has no such thing, each part of a path is looked at first. Links are
// never followed, and never part of a dataset.
//
// Errors carry the code of a TransferEnd: stop().

#include "connectors/mover/files.hpp"
#include "connectors/mover/order.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::mover {

/// The Error that ends a transfer so.
std::unexpected<Error> stop(domain::TransferEnd end, std::string message, std::string detail = {});

struct FoundFile {
  std::string path;                    // relative to the folder listed
  domain::Bytes size{0};
};

struct FoundTree {
  std::vector<FoundFile> files;
  std::int64_t folders = 0;            // below the one listed
};

struct FreeSpace {
  domain::Bytes bytes{0};
  std::optional<std::int64_t> files;   // none: the file system has no fixed number of them
};

enum class Kind { nothing, folder, something_else };

class Place {
 public:
  /// Called with each piece that was read; false ends the reading (CANCELLED).
  using TakeBytes = std::function<bool(std::string_view)>;

  virtual ~Place() = default;

  virtual Result<Kind> look_at(const std::string& path) = 0;
  /// All regular files below. UNSUITABLE_FILE names the first that is neither file nor folder.
  virtual Result<FoundTree> list(const std::string& path) = 0;
  virtual Result<void> read(const std::string& path, const TakeBytes& take) = 0;
  virtual Result<FreeSpace> free_space() = 0;

  /// With the folders above it, beneath the root; what exists stays as it is.
  virtual Result<void> make_folder(const std::string& path) = 0;
  /// A symbolic link to nowhere that says who holds `path`: one step that only one can win, and that carries its holder.
  /// Returns who holds it: the holder given, or who was first.
  virtual Result<std::string> claim(const std::string& path, const std::string& holder) = 0;
  /// In one step, and never over something: DESTINATION_EXISTS.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// A file, a link, or a folder with all that is in it. Nothing there is fine.
  virtual Result<void> remove(const std::string& path) = 0;
  /// For a tool, which then needs no path beneath the root; an empty one behind SFTP.
  virtual Result<Descriptor> open_folder(const std::string& path) = 0;
  /// What was written there is on its disk, if this end can tell.
  virtual Result<void> flush() = 0;
};

/// A path below `folder`, "" being the root itself.
std::string joined(const std::string& folder, const std::string& name);

/// `rclone`: the program that looks at what lies behind a remote.
Result<std::unique_ptr<Place>> open_place(const Root& root, const std::string& rclone = {});

/// The dataset as it lies there, every byte read anew. `read` is told how much, piece by piece; false ends it (CANCELLED).
Result<domain::Content> measure(Place& place, const std::string& path, const std::function<bool(domain::Bytes)>& read);

}  // namespace hansa::connectors::mover
