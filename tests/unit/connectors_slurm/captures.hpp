// SPDX-License-Identifier: Apache-2.0
#pragma once
// tests/data/slurm: what real Slurm 22.05.8 and 26.05.3 wrote. `asked.*` is the answer to the connector's own questions, with the
// separator below; the rest was asked with '|' between fields.

#include "connectors/slurm/records.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurm::test {

inline constexpr std::string_view kSeparator = "z00112233445566778899aabb";

inline std::string capture(std::string_view version, std::string_view name) {
  std::ifstream file(std::string(HANSA_SOURCE_DIR "/tests/data/slurm/").append(version).append("/").append(name),
                     std::ios::binary);
  INFO(version << "/" << name);
  REQUIRE(file.is_open());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// The answer to our own question about the queue, as it was when three columns were fewer: with these as well.
inline std::string asked_of_the_queue(std::string_view version, const std::array<std::string, 3>& last = {"proj1", "1", "OK"}) {
  const auto text = capture(version, "asked.squeue.out");
  std::string wider;
  std::size_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find(kSeparator, at);
    if (end == std::string::npos) return wider + text.substr(at);
    if (++column % 18 == 0) {
      for (const auto& field : last) wider.append(field).append(kSeparator);
    }
    // The line's end before the first column is part of what is taken with it.
    wider.append(text, at, end - at).append(kSeparator);
    at = end + kSeparator.size();
  }
  return wider;
}

inline std::vector<std::string_view> split_at(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// The lines of a '|' table with exactly the columns of `header` (lines that a name broke are left out), in the order of
/// `wanted`.
inline Listing<Fields> reordered(std::string_view text, const std::vector<std::string_view>& header,
                                 const std::vector<std::string_view>& wanted) {
  Listing<Fields> rows;
  for (const auto line : split_at(text, '\n')) {
    const auto fields = split_at(line, '|');
    if (fields.size() != header.size() || fields == header) continue;
    Fields row;
    for (const auto name : wanted) {
      for (std::size_t i = 0; i < header.size(); ++i) {
        if (header[i] == name) row.push_back(fields[i]);
      }
    }
    REQUIRE(row.size() == wanted.size());
    rows.rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hansa::connectors::slurm::test
