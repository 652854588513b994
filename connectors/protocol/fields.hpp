// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading what another machine sent, field by field and within bounds.

#include "broker/core/encoding.hpp"
#include "broker/domain/json_fields.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::protocol {

inline constexpr std::size_t kMaxNameBytes = 256;
inline constexpr std::size_t kMaxWordsBytes = 4'096;      // what a scheduler says
inline constexpr std::size_t kMaxSourceBytes = 65'536;
inline constexpr std::int64_t kMaxTimeMs = 253'402'300'799'999;  // the year 9999
inline constexpr std::int64_t kMaxAmount = std::int64_t{1} << 50;

/// The names of an enumeration's values.
template <typename E, std::size_t n>
using Names = std::array<std::pair<E, std::string_view>, n>;

template <typename E, std::size_t n>
std::string_view name_of(const Names<E, n>& names, E value) {
  return std::ranges::find(names, value, &std::pair<E, std::string_view>::first)->second;
}

/// Each item by `read`; the first that is wrong is the list's error.
template <typename T, typename Read>
Result<std::vector<T>> read_list(const Json& list, Read read) {
  std::vector<T> all;
  all.reserve(list.size());
  for (const auto& item : list) {
    auto one = read(item);
    if (!one) return std::unexpected(std::move(one.error()));
    all.push_back(std::move(*one));
  }
  return all;
}

class Fields : public domain::FieldReader {
 public:
  explicit Fields(const Json& json) : FieldReader(json), json_(json) {}

  [[nodiscard]] bool has(const char* key) const { return json_.is_object() && json_.contains(key); }

  /// What a person may read; "" if it is missing.
  std::string words(const char* key, std::size_t most = kMaxWordsBytes) {
    auto text = text_or_empty(key);
    if (text.size() > most) miss(key);
    return text;
  }
  /// One word of a scheduler's or of ours: no control characters. "" if it is missing.
  std::string word(const char* key) {
    auto text = words(key, kMaxNameBytes);
    if (std::ranges::any_of(text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; })) miss(key);
    return text;
  }
  std::string needed_word(const char* key) {
    auto text = word(key);
    if (text.empty()) miss(key);
    return text;
  }
  template <typename NameType>
  NameType as(const char* key) {
    return NameType(word(key));
  }
  /// Not negative; 0 if it is missing.
  std::int64_t amount(const char* key, std::int64_t most = kMaxAmount) {
    if (!has(key)) return 0;
    const auto value = integer(key);
    if (value < 0 || value > most) return miss(key), 0;
    return value;
  }
  std::int32_t number(const char* key) { return static_cast<std::int32_t>(amount(key, INT32_MAX)); }
  UtcTime at(const char* key) {
    if (!has(key)) miss(key);
    return from_unix_ms(amount(key, kMaxTimeMs));
  }
  std::optional<UtcTime> maybe_at(const char* key) { return has(key) ? std::optional(at(key)) : std::nullopt; }
  template <typename E, std::size_t n>
  E choice(const char* key, const Names<E, n>& names) {
    const auto text = word(key);
    const auto found = std::ranges::find(names, text, &std::pair<E, std::string_view>::second);
    if (found == names.end()) return miss(key), names.front().first;
    return found->first;
  }
  const Json& object(const char* key) {
    static const Json kNone = Json::object();
    if (has(key) && json_[key].is_object()) return json_[key];
    return miss(key), kNone;
  }
  std::string bytes(const char* key, std::size_t most) {
    const auto text = text_or_empty(key);
    auto decoded = text.size() / 4 * 3 > most + 2 ? std::nullopt : from_base64(text);
    if (!decoded || decoded->size() > most) return miss(key), std::string();
    return std::move(*decoded);
  }
  /// Something that was read on its own.
  template <typename T>
  T part(const char* key, Result<T> read) {
    if (read) return std::move(*read);
    miss(key);
    return T{};
  }

  [[nodiscard]] std::unexpected<Error> refused(std::string_view what) const {
    return fail(ErrorKind::invalid_argument, "BAD_MESSAGE", std::string(what) + ": " + problem());
  }

 private:
  const Json& json_;
};

}  // namespace hansa::connectors::protocol
