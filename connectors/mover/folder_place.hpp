// SPDX-License-Identifier: Apache-2.0
#pragma once
// A root on this host.

#include "connectors/mover/files.hpp"
#include "connectors/mover/place.hpp"

namespace hansa::connectors::mover {

class FolderPlace final : public Place {
 public:
  FolderPlace(Descriptor root, std::string folder) : root_(std::move(root)), folder_(std::move(folder)) {}

  Result<Kind> look_at(const std::string& path) override;
  Result<FoundTree> list(const std::string& path) override;
  Result<void> read(const std::string& path, const TakeBytes& take) override;
  Result<FreeSpace> free_space() override;
  Result<void> make_folder(const std::string& path) override;
  Result<std::string> claim(const std::string& path, const std::string& holder) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<Descriptor> open_folder(const std::string& path) override;
  Result<void> flush() override;

 private:
  struct Entry {                       // a name in a folder that was opened beneath the root
    Descriptor parent;
    std::string name;
  };
  /// The last part of a path, and the folder it is in.
  Result<Entry> entry_of(const std::string& path);
  Descriptor open_beneath(const std::string& path, int flags);

  Descriptor root_;
  std::string folder_;                 // for messages
};

Result<std::unique_ptr<Place>> open_folder_place(const FolderRoot& root);

}  // namespace hansa::connectors::mover
