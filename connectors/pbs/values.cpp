// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/values.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace hansa::connectors::pbs {

namespace {

using batch::cut;

/// No site has more of anything; sums and products stay far from overflow.
constexpr std::int64_t kMaxCount = 1'000'000'000;

/// One "name=value" of a chunk. False: a number that is none.
bool read_resource(std::string_view part, const GpuNames& gpus, Chunk& chunk) {
  const auto equals = part.find('=');
  if (equals == std::string_view::npos) return false;
  const auto name = part.substr(0, equals);
  const auto value = part.substr(equals + 1);
  if (name == "mem") {
    const auto size = parse_size(value);
    chunk.memory = size.value_or(Mebibytes{0});
    return size.has_value();
  }
  if (!gpus.model.empty() && name == gpus.model) chunk.gpu_model = value;
  if (name != "ncpus" && name != gpus.count) return true;
  const auto count = parse_count(value);
  if (!count || *count > kMaxCount) return false;
  (name == "ncpus" ? chunk.cores : chunk.gpus) = *count;
  return true;
}

void add(std::int64_t& sum, std::int64_t more) { sum = std::min(kMaxCount, sum + more); }

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const auto count = parse_count(text);
  if (count && negative) return -*count;
  return count;
}

std::optional<UtcTime> parse_time(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (parse_count(text)) return batch::parse_unix_time(text);
  if (text.size() != 24 || text[3] != ' ' || text[7] != ' ' || text[10] != ' ' || text[13] != ':' || text[16] != ':' ||
      text[19] != ' ')
    return std::nullopt;
  const auto month = std::ranges::find(kMonths, text.substr(4, 3));
  const auto number = [&](std::size_t at, std::size_t length) { return parse_count(text.substr(at, length)); };
  const auto day = text[8] == ' ' ? number(9, 1) : number(8, 2);  // ctime(3) pads it
  const auto hour = number(11, 2), minute = number(14, 2), second = number(17, 2), year = number(20, 4);
  if (month == kMonths.end() || !day || !hour || !minute || !second || !year) return std::nullopt;
  return batch::utc_time(*year, month - kMonths.begin() + 1, *day, *hour, *minute, *second);
}

std::optional<Seconds> parse_length(std::string_view text) {
  std::int64_t seconds = 0;
  for (int parts = 0; parts == 0 || !text.empty(); ++parts) {
    const auto count = parse_count(cut(text, ':'));
    if (!count || *count > kMaxCount || parts == 3) return std::nullopt;
    seconds = seconds * 60 + *count;
  }
  return Seconds{seconds};
}

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

std::optional<std::int64_t> parse_bytes(std::string_view text) {
  std::int64_t unit = 1;
  const auto last = [&] { return text.empty() ? '\0' : static_cast<char>(text.back() | 0x20); };  // KB as well as kb
  if (last() == 'b' || last() == 'w') {
    if (last() == 'w') unit = 8;
    text.remove_suffix(1);
    constexpr std::string_view kUnits = "kmgtp";
    if (const auto power = kUnits.find(last()); power != std::string_view::npos) {
      unit <<= 10 * (power + 1);
      text.remove_suffix(1);
    }
  }
  const auto count = parse_count(text);
  if (!count || *count > (std::numeric_limits<std::int64_t>::max() - kMiB) / unit) return std::nullopt;
  return *count * unit;
}

std::optional<Mebibytes> parse_size(std::string_view text) {
  const auto bytes = parse_bytes(text);
  return bytes ? std::optional(Mebibytes{(*bytes + kMiB - 1) / kMiB}) : std::nullopt;
}

std::optional<Mebibytes> parse_room(std::string_view text) {
  const auto bytes = parse_bytes(text);
  return bytes ? std::optional(Mebibytes{*bytes / kMiB}) : std::nullopt;
}

bool parse_truth(std::string_view text) { return text == "True"; }

bool is_job_id(std::string_view text) {
  if (text.size() > 256) return false;
  auto number = cut(text, '.');
  if (number.ends_with(']')) {
    number.remove_suffix(1);
    const auto index = number.find('[');
    if (index == std::string_view::npos) return false;
    if (index + 1 < number.size() && !parse_count(number.substr(index + 1))) return false;
    number = number.substr(0, index);
  }
  return parse_count(number) && !text.empty() && text.front() != '-' && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
         });
}

std::optional<std::vector<Chunk>> parse_select(std::string_view text, const GpuNames& gpus) {
  std::vector<Chunk> chunks;
  while (!text.empty()) {
    auto rest = cut(text, '+');
    Chunk chunk;
    bool first = true;
    while (!rest.empty()) {
      const auto part = cut(rest, ':');
      const auto copies = first ? parse_count(part) : std::nullopt;
      if (copies && *copies > kMaxCount) return std::nullopt;
      if (copies) chunk.copies = *copies;
      if (!copies && !read_resource(part, gpus, chunk)) return std::nullopt;
      first = false;
    }
    if (first) return std::nullopt;
    chunks.push_back(std::move(chunk));
  }
  if (chunks.empty()) return std::nullopt;
  return chunks;
}

std::optional<std::vector<Chunk>> parse_exec_vnode(std::string_view text, const GpuNames& gpus) {
  std::vector<Chunk> chunks;
  while (!text.empty()) {
    auto rest = cut(text, '+');
    if (rest.starts_with('(')) rest.remove_prefix(1);
    if (rest.ends_with(')')) rest.remove_suffix(1);
    Chunk part{.node = std::string(cut(rest, ':')), .copies = 1, .cores = 0, .memory = {}, .gpus = 0, .gpu_model = {}};
    if (part.node.empty()) return std::nullopt;
    while (!rest.empty()) {
      if (!read_resource(cut(rest, ':'), gpus, part)) return std::nullopt;
    }
    const auto same = std::ranges::find(chunks, part.node, &Chunk::node);
    if (same == chunks.end()) {
      chunks.push_back(std::move(part));
      continue;
    }
    add(same->cores, part.cores);
    add(same->gpus, part.gpus);
    add(same->memory.value, part.memory.value);
  }
  if (chunks.empty()) return std::nullopt;
  return chunks;
}

}  // namespace hansa::connectors::pbs
