// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace hansa::tests {

struct TemporaryFolder {
  std::filesystem::path path = [] {
    std::string name = std::filesystem::temp_directory_path() / "hansa-transport-XXXXXX";
    return std::filesystem::path(::mkdtemp(name.data()));
  }();
  TemporaryFolder() = default;
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path); }

  [[nodiscard]] std::string operator/(const std::string& name) const { return (path / name).string(); }
};

}  // namespace hansa::tests
