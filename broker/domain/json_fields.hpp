// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading and writing the stored JSON of domain values, field by field. Absent optional fields are not written.
// A reader remembers the first field that is missing or of the wrong type; what it read is to be used only if ok().

#include "broker/core/canonical_json.hpp"
#include "broker/domain/job.hpp"

#include <limits>

namespace hansa::domain {

template <typename T>
void put(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}
inline void put(Json& json, const char* key, const std::optional<UtcTime>& value) {
  if (value) json[key] = to_unix_ms(*value);
}

class FieldReader {
 public:
  explicit FieldReader(const Json& json) : json_(json) {
    if (!json.is_object()) problem_ = "not an object";
  }

  std::string text(const char* key) {
    const auto* field = find(key);
    if (field == nullptr || !field->is_string()) return miss(key), std::string{};
    return field->get<std::string>();
  }
  std::string text_or_empty(const char* key) { return find(key) == nullptr ? std::string{} : text(key); }
  template <typename NameType>
  NameType name(const char* key) {
    return NameType{text_or_empty(key)};
  }

  std::int64_t integer(const char* key) {
    const auto* field = find(key);
    if (field == nullptr || !field->is_number_integer()) return miss(key), 0;
    if (field->is_number_unsigned() && field->get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max())
      return miss(key), 0;
    return field->get<std::int64_t>();
  }
  std::int32_t small(const char* key) {
    const auto value = integer(key);
    if (value < std::numeric_limits<std::int32_t>::min() || value > std::numeric_limits<std::int32_t>::max()) return miss(key), 0;
    return static_cast<std::int32_t>(value);
  }
  std::optional<std::int32_t> optional_small(const char* key) {
    return find(key) == nullptr ? std::nullopt : std::optional(small(key));
  }
  std::optional<Seconds> optional_seconds(const char* key) {
    return find(key) == nullptr ? std::nullopt : std::optional(Seconds{integer(key)});
  }
  std::optional<UtcTime> optional_time(const char* key) {
    return find(key) == nullptr ? std::nullopt : std::optional(from_unix_ms(integer(key)));
  }
  UtcTime time(const char* key) { return from_unix_ms(integer(key)); }
  bool flag(const char* key) {
    const auto* field = find(key);
    if (field == nullptr) return false;
    if (!field->is_boolean()) miss(key);
    return field->is_boolean() && field->get<bool>();
  }
  const Json& array(const char* key) {
    static const Json kNone = Json::array();
    const auto* field = find(key);
    if (field == nullptr) return kNone;
    if (!field->is_array()) return miss(key), kNone;
    return *field;
  }
  std::vector<std::string> texts(const char* key) {
    std::vector<std::string> texts;
    for (const auto& item : array(key)) {
      if (!item.is_string()) return miss(key), texts;
      texts.push_back(item.get<std::string>());
    }
    return texts;
  }
  Reason reason() { return {text_or_empty("reason_code"), text_or_empty("reason")}; }

  void miss(const char* key) {
    if (problem_.empty()) problem_ = std::string("field \"") + key + "\" is missing or of the wrong type";
  }
  [[nodiscard]] bool ok() const { return problem_.empty(); }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::unexpected<Error> error(std::string_view what) const {
    return fail(ErrorKind::internal, "BAD_STORED_JSON", "a stored " + std::string(what) + " cannot be read: " + problem_);
  }

 private:
  const Json* find(const char* key) {
    if (!json_.is_object()) return nullptr;
    const auto at = json_.find(key);
    return at == json_.end() ? nullptr : &*at;
  }

  const Json& json_;
  std::string problem_;
};

inline void put_reason(Json& json, const Reason& reason) {
  if (!reason.code.empty()) json["reason_code"] = reason.code;
  if (!reason.message.empty()) json["reason"] = reason.message;
}

}  // namespace hansa::domain
