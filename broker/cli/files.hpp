// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading the files that a command line names.

#include "broker/core/error.hpp"

#include <cstddef>
#include <string>

namespace hansa::cli {

struct FileText {
  std::string text;
  bool exposed = false;  // others than its owner may read it
};

/// The whole file. Error: invalid_argument, naming file and remedy, for one that is missing, a folder, unreadable, or longer than
/// `limit`.
Result<FileText> read_file(const std::string& path, std::size_t limit);

/// All of an open file, at most one byte more than `limit`: the caller sees that it is too long.
Result<std::string> read_all(int fd, const std::string& name, std::size_t limit);

}  // namespace hansa::cli
