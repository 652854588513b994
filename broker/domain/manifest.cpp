// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/manifest.hpp"

#include "broker/core/digest.hpp"

#include <algorithm>
#include <utility>

namespace hansa::domain {

std::string manifest_text(std::vector<ManifestFile> files) {
  std::ranges::sort(files, {}, &ManifestFile::path);  // char_traits compares bytes as unsigned
  std::string text = "hansa-manifest-1\n";
  for (const auto& file : files) {
    text += file.sha256;
    text += ' ';
    text += std::to_string(file.size.value);
    text += ' ';
    for (const char c : file.path) {
      if (c == '\\') {
        text += "\\\\";
      } else if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '\n';
  }
  return text;
}

Content content_of(std::vector<ManifestFile> files) {
  Content content{.size = {0}, .files = static_cast<std::int64_t>(files.size()), .hash = {}};
  for (const auto& file : files) content.size += file.size;
  content.hash = ContentHash(sha256_hex(manifest_text(std::move(files))));
  return content;
}

}  // namespace hansa::domain
