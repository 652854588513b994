// SPDX-License-Identifier: Apache-2.0
#pragma once
// Everything that is wrong with a TOML file, collected, so that one run shows all faults.

#include "broker/core/error.hpp"
#include "broker/core/toml_document.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa {

/// The faults of one file, told in the order of its lines. Not thread-safe.
class TomlFindings {
 public:
  explicit TomlFindings(std::string file) : file_(std::move(file)) {}

  /// `key` is the full path of the key, or "" for the file as a whole. Beyond a thousand faults it only says that there are more.
  void add(TomlMark at, std::string_view key, std::string message);
  void add(std::uint32_t line, std::string_view key, std::string message) { add(TomlMark{line, 1}, key, std::move(message)); }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] bool empty() const { return found_.empty(); }
  /// where = "file:line: key".
  [[nodiscard]] std::vector<Fault> faults() const;

 private:
  struct Found {
    std::string key;
    std::string message;
  };
  std::string file_;
  std::multimap<TomlMark, Found> found_;
};

}  // namespace hansa
