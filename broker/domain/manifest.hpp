// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a dataset's hash is the hash of. Pure.
//
// A dataset is a tree of regular files. Its manifest is text: the line "hansa-manifest-1", then a line for each file,
//
//   <SHA-256 of its bytes, 64 hex digits, lower case> <size in bytes, decimal> <path>
//
// each ended by one newline, in the order of the paths' bytes. A path is relative to the dataset's folder, its parts separated by
// "/", and written as the file system has it, byte for byte, save that a backslash is written "\\" and a newline "\n". Owners,
// modes, times and empty folders are no content. The dataset's hash is the SHA-256 of this text. An empty dataset has the first
// line alone.

#include "broker/domain/dataset.hpp"

#include <string>
#include <vector>

namespace hansa::domain {

struct ManifestFile {
  std::string path;
  Bytes size{0};
  std::string sha256;  // hex
  friend bool operator==(const ManifestFile&, const ManifestFile&) = default;
};

/// In any order; each path once.
std::string manifest_text(std::vector<ManifestFile> files);

/// What the register says of a dataset with these files.
Content content_of(std::vector<ManifestFile> files);

}  // namespace hansa::domain
