// SPDX-License-Identifier: Apache-2.0
#include "connectors/slurm/records.hpp"

#include <string>

namespace hansa::connectors::slurm {

Listing<Fields> split_rows(std::string_view text, std::string_view separator, std::size_t columns) {
  Listing<Fields> listing;
  const std::string row_end = std::string(separator) + '\n';
  std::size_t at = 0;
  for (std::size_t row = 1; at < text.size(); ++row) {
    if (listing.rows.size() == kMaxRows) {
      listing.complete = false;
      break;
    }
    Fields fields;
    fields.reserve(columns);
    std::size_t cursor = at;
    while (fields.size() < columns) {
      const auto end = text.find(separator, cursor);
      if (end == std::string_view::npos) break;
      fields.push_back(text.substr(cursor, end - cursor));
      cursor = end + separator.size();
    }
    if (fields.size() == columns && cursor < text.size() && text[cursor] == '\n') {
      // No id has a line in it: what stands before its own is a message of the day, or what else was printed.
      if (const auto noise = fields.front().rfind('\n'); noise != std::string_view::npos) {
        fields.front().remove_prefix(noise + 1);
        listing.dropped.push_back({row, "something else stands before this row"});
      }
      listing.rows.push_back(std::move(fields));
      at = cursor + 1;
      continue;
    }
    const auto resume = text.find(row_end, at);
    if (fields.size() < columns && resume == std::string_view::npos) {
      listing.dropped.push_back({row, "the answer ends inside this row"});
      listing.complete = false;
      break;
    }
    listing.dropped.push_back({row, "not " + std::to_string(columns) + " fields and a line's end"});
    if (resume == std::string_view::npos) {
      listing.complete = false;
      break;
    }
    at = resume + row_end.size();
  }
  return listing;
}

}  // namespace hansa::connectors::slurm
