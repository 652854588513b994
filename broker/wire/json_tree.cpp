// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/json_tree.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/core/encoding.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hansa::wire {
namespace {

/// What a byte is within a string.
enum Byte : std::uint8_t { plain = 0, beyond_ascii = 1, stop = 2 };  // stop: the end, an escape, what must be escaped
constexpr std::array<Byte, 256> kBytes = [] {
  std::array<Byte, 256> bytes{};
  for (std::size_t i = 0; i < 0x20; ++i) bytes[i] = stop;
  for (std::size_t i = 0x80; i < 0x100; ++i) bytes[i] = beyond_ascii;
  bytes['"'] = bytes['\\'] = stop;
  return bytes;
}();

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | (code >> 6U));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12U));
    put(0x80 | ((code >> 6U) & 0x3FU));
  } else {
    put(0xF0 | (code >> 18U));
    put(0x80 | ((code >> 12U) & 0x3FU));
    put(0x80 | ((code >> 6U) & 0x3FU));
  }
  put(0x80 | (code & 0x3FU));
}

/// Each function reads one thing at at_ and goes behind it, or says no: what was wrong, parse_json can tell.
class Reader {
 public:
  Reader(std::string_view text, std::size_t max_depth, std::pmr::memory_resource& memory)
      : at_(text.data()), end_(text.data() + text.size()), max_depth_(max_depth), memory_(memory) {}

  bool document(JsonNode& into) {
    literal("\xEF\xBB\xBF");  // a byte order mark
    skip_space();
    if (!value(into, 0)) return false;
    skip_space();
    return at_ == end_;
  }

  [[nodiscard]] bool too_many() const { return count_ > kMaxJsonValues; }

 private:
  bool value(JsonNode& into, std::size_t depth) {
    if (at_ == end_) return false;
    switch (*at_) {
      case '{':
      case '[': return depth < max_depth_ && container(into, depth + 1);
      case '"': into.kind = JsonNode::Kind::text; return string(into.text);
      case 't': into.kind = JsonNode::Kind::boolean; return into.truth = literal("true");
      case 'f': into.kind = JsonNode::Kind::boolean; return literal("false");
      case 'n': return literal("null");
      default: return number(into);
    }
  }

  bool container(JsonNode& into, std::size_t depth) {
    const bool object = *at_ == '{';
    into.kind = object ? JsonNode::Kind::object : JsonNode::Kind::array;
    const char closing = object ? '}' : ']';
    const auto begin = open_.size();
    ++at_;
    skip_space();
    while (begin == open_.size() ? !next(closing) : next(',')) {
      JsonNode member;
      skip_space();
      if (object) {
        if (at_ == end_ || *at_ != '"' || !string(member.name)) return false;
        skip_space();
        if (!next(':')) return false;
        skip_space();
      }
      if (!value(member, depth)) return false;
      open_.push_back(member);
      if (++count_ > kMaxJsonValues) return false;
      skip_space();
    }
    if (begin < open_.size() && !next(closing)) return false;
    const std::span members = std::span(open_).subspan(begin);
    if (object) {
      std::ranges::sort(members, {}, &JsonNode::name);
      if (std::ranges::adjacent_find(members, {}, &JsonNode::name) != members.end()) return false;
    }
    keep(members, into);
    open_.resize(begin);
    return true;
  }

  void keep(std::span<const JsonNode> members, JsonNode& into) {
    into.count = members.size();
    if (members.empty()) return;
    auto* kept = static_cast<JsonNode*>(memory_.allocate(members.size_bytes(), alignof(JsonNode)));
    std::uninitialized_copy(members.begin(), members.end(), kept);
    into.first = kept;
  }

  bool string(std::string_view& into) {
    const auto* begin = ++at_;
    std::uint8_t seen = skip_plain();
    if (at_ != end_ && *at_ == '\\') return escaped(begin, into, seen);
    if (at_ == end_ || *at_ != '"') return false;
    into = {begin, static_cast<std::size_t>(at_++ - begin)};
    return seen == plain || is_utf8(into);
  }

  /// The rest of a string that has an escape; what is before it begins at `begin`.
  bool escaped(const char* begin, std::string_view& into, std::uint8_t seen) {
    std::string decoded(begin, at_);
    while (at_ != end_ && *at_ != '"') {
      if (!escape(decoded)) return false;
      const auto* from = at_;
      seen |= skip_plain();
      decoded.append(from, at_);
    }
    if (at_ == end_) return false;
    ++at_;
    auto* kept = static_cast<char*>(memory_.allocate(decoded.size() + 1, 1));
    std::memcpy(kept, decoded.data(), decoded.size());
    into = {kept, decoded.size()};
    return seen == plain || is_utf8(into);
  }

  std::uint8_t skip_plain() {
    std::uint8_t seen = plain;
    for (; at_ != end_; ++at_) {
      const auto byte = kBytes[static_cast<unsigned char>(*at_)];
      if (byte == stop) break;
      seen |= byte;
    }
    return seen;
  }

  bool escape(std::string& out) {
    if (!next('\\') || at_ == end_) return false;
    switch (const char c = *at_++) {
      case '"':
      case '\\':
      case '/': out += c; return true;
      case 'b': out += '\b'; return true;
      case 'f': out += '\f'; return true;
      case 'n': out += '\n'; return true;
      case 'r': out += '\r'; return true;
      case 't': out += '\t'; return true;
      case 'u': break;
      default: return false;
    }
    auto code = four_digits();
    if (!code || (*code >= 0xDC00 && *code < 0xE000)) return false;
    if (*code >= 0xD800 && *code < 0xDC00) {
      const auto low = literal("\\u") ? four_digits() : std::nullopt;
      if (!low || *low < 0xDC00 || *low >= 0xE000) return false;
      code = 0x10000 + ((*code - 0xD800) << 10U) + (*low - 0xDC00);
    }
    append_utf8(out, *code);
    return true;
  }

  std::optional<std::uint32_t> four_digits() {
    if (end_ - at_ < 4) return std::nullopt;
    std::uint32_t code = 0;
    const auto [stopped, error] = std::from_chars(at_, at_ + 4, code, 16);
    if (error != std::errc{} || stopped != at_ + 4) return std::nullopt;
    at_ += 4;
    return code;
  }

  bool number(JsonNode& into) {
    const auto* begin = at_;
    next('-');
    if (!next('0') && !digits()) return false;
    bool whole = true;
    if (next('.')) {
      whole = false;
      if (!digits()) return false;
    }
    if (next('e') || next('E')) {
      whole = false;
      if (!next('+')) next('-');
      if (!digits()) return false;
    }
    into.kind = JsonNode::Kind::integer;
    if (whole && std::from_chars(begin, at_, into.integer).ec == std::errc{}) return true;
    into.kind = JsonNode::Kind::other_number;
    return std::isfinite(std::strtod(std::string(begin, at_).c_str(), nullptr));
  }

  bool digits() {
    const auto* begin = at_;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ != begin;
  }

  bool literal(std::string_view word) {
    if (!std::string_view(at_, end_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  bool next(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  const char* at_;
  const char* end_;
  std::size_t max_depth_;
  std::pmr::memory_resource& memory_;
  std::vector<JsonNode> open_;  // members of what is not closed yet
  std::size_t count_ = 0;
};

}  // namespace

const JsonNode* JsonNode::find(std::string_view wanted) const {
  if (!is_object()) return nullptr;
  const auto all = members();
  const auto at = std::ranges::lower_bound(all, wanted, {}, &JsonNode::name);
  return at == all.end() || at->name != wanted ? nullptr : &*at;
}

JsonTree::JsonTree(std::string_view text, std::size_t max_depth) {
  JsonNode root;
  Reader reader(text, max_depth, memory_);
  if (reader.document(root)) {
    root_ = root;
    return;
  }
  if (reader.too_many()) {
    root_ = fail(ErrorKind::too_large, "TOO_MANY_VALUES",
                 "more than " + std::to_string(kMaxJsonValues) + " values in one JSON document; send it in parts");
    return;
  }
  auto told = parse_json(text, max_depth);
  root_ =
      std::unexpected(told ? fail(ErrorKind::invalid_argument, "BAD_JSON", "not valid JSON").error() : std::move(told.error()));
}

}  // namespace hansa::wire
