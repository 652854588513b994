// SPDX-License-Identifier: Apache-2.0
#pragma once
// A request's JSON, read and soon forgotten: it takes what parse_json takes, up to kMaxJsonValues, and nothing else (a property
// test and a fuzz target hold the two together), at a fifth of the cost. Texts are pieces of the source, all nodes lie in a few
// blocks of memory.

#include "broker/core/error.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>

namespace hansa::wire {

/// In one document: each costs memory many times the two bytes that it may have come in.
inline constexpr std::size_t kMaxJsonValues = 4'000'000;

struct JsonNode {
  enum class Kind : std::uint8_t { null, boolean, integer, other_number, text, array, object };

  Kind kind = Kind::null;
  bool truth = false;              // boolean
  std::int64_t integer = 0;        // integer; other_number: a fraction, an exponent, or beyond 63 bits
  std::string_view text;           // text: decoded, UTF-8
  std::string_view name;           // of a member of an object
  const JsonNode* first = nullptr; // array: in order; object: by name, each name once
  std::size_t count = 0;

  [[nodiscard]] bool is_object() const { return kind == Kind::object; }
  [[nodiscard]] bool is_array() const { return kind == Kind::array; }
  [[nodiscard]] bool is_string() const { return kind == Kind::text; }
  [[nodiscard]] bool empty() const { return count == 0 && text.empty(); }  // of a string, a list, an object
  [[nodiscard]] std::span<const JsonNode> members() const { return {first, count}; }
  /// The member of that name; null: there is none, or this is no object.
  [[nodiscard]] const JsonNode* find(std::string_view wanted) const;
};

class JsonTree {
 public:
  /// `text` outlives the tree.
  JsonTree(std::string_view text, std::size_t max_depth);
  JsonTree(const JsonTree&) = delete;
  JsonTree& operator=(const JsonTree&) = delete;

  /// Or parse_json's error; too_large (TOO_MANY_VALUES).
  [[nodiscard]] const Result<JsonNode>& root() const { return root_; }

 private:
  std::array<std::byte, 4096> room_;  // enough for most requests
  std::pmr::monotonic_buffer_resource memory_{room_.data(), room_.size()};
  Result<JsonNode> root_;
};

}  // namespace hansa::wire
