// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/records.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace hansa::connectors::pbs {

namespace {

constexpr std::size_t kMaxId = 256;

struct Start {
  std::size_t at = 0;      // of the word
  std::size_t fields = 0;  // behind the id's separator
  std::string_view id;
};

std::size_t next_line(std::string_view text, std::size_t from) {
  const auto end = text.find('\n', from);
  return end == std::string_view::npos ? text.size() : end + 1;
}

/// The first line from `at` on, which is a line's start, where a record begins.
std::optional<Start> next_start(std::string_view text, std::size_t at, std::string_view word, std::string_view separator) {
  for (; at < text.size(); at = next_line(text, at)) {
    if (text.substr(at).starts_with(word)) {
      const auto head = text.substr(at + word.size(), kMaxId + separator.size());
      const auto end = head.find(separator);
      if (end != std::string_view::npos && end > 0 && head.substr(0, end).find_first_of(" \t\r\n") == std::string_view::npos)
        return Start{.at = at, .fields = at + word.size() + end + separator.size(), .id = head.substr(0, end)};
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view Record::get(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, [](const auto& field) { return field.first; });
  return found == fields.end() ? std::string_view() : found->second;
}

bool Record::has(std::string_view name) const {
  return std::ranges::find(fields, name, [](const auto& field) { return field.first; }) != fields.end();
}

Listing<Record> split_records(std::string_view text, std::string_view word, std::string_view separator) {
  Listing<Record> listing;
  auto start = next_start(text, 0, word, separator);
  if (text.substr(0, start ? start->at : text.size()).find_first_not_of(" \t\r\n") != std::string_view::npos) {
    listing.dropped.push_back({1, "it does not begin with \"" + std::string(word) + "\", an id and the separator"});
  }
  for (std::size_t row = 1; start; ++row) {
    if (listing.rows.size() == batch::kMaxRows) {
      listing.complete = false;
      break;
    }
    const auto next = next_start(text, next_line(text, start->fields), word, separator);
    auto rest = text.substr(start->fields, next ? next->at - start->fields : std::string_view::npos);
    if (!rest.ends_with('\n')) {
      listing.dropped.push_back({row, "the answer ends inside this record"});
      listing.complete = false;
      break;
    }
    while (rest.ends_with('\n')) rest.remove_suffix(1);
    Record record{.id = start->id, .fields = {}};
    while (!rest.empty()) {
      const auto end = rest.find(separator);
      const auto field = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + separator.size());
      const auto equals = std::min(field.find('='), field.size());
      record.fields.emplace_back(field.substr(0, equals), field.substr(std::min(equals + 1, field.size())));
    }
    listing.rows.push_back(std::move(record));
    start = next;
  }
  return listing;
}

}  // namespace hansa::connectors::pbs
