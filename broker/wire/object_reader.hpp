// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a request's JSON is read: every fault is found at once, each with its JSON pointer (RFC 6901).

#include "broker/core/canonical_json.hpp"
#include "broker/core/suggest.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::wire {

inline constexpr std::int64_t kMaxCount = 1'000'000;  // of anything that is counted in 32 bits
/// Nobody reads more, and an answer must not be many times as large as its request.
inline constexpr std::size_t kMaxFaults = 1'000;

/// A string in a JSON pointer (RFC 6901, section 3).
inline std::string escaped(std::string_view token) {
  std::string text;
  for (const char c : token) {
    if (c == '~')
      text += "~0";
    else if (c == '/')
      text += "~1";
    else
      text += c;
  }
  return text;
}

/// One object of the request: reads its fields, remembers what is wrong, and which fields exist.
class ObjectReader {
 public:
  ObjectReader(const Json& json, std::string at, std::vector<Fault>& faults) : json_(json), at_(std::move(at)), faults_(faults) {
    if (!json.is_object()) fault("", "must be an object");
  }

  const Json* field(std::string_view name) {
    known_.push_back(name);
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(name);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  void fault(std::string_view name, std::string message) {
    faults_.push_back({.where = at_ + (name.empty() ? "" : "/" + escaped(name)), .message = std::move(message)});
  }

  std::int64_t integer(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most) {
    const auto* value = field(name);
    if (value == nullptr) return fallback;
    const bool fits =
        value->is_number_integer() && !(value->is_number_unsigned() && value->get<std::uint64_t>() > std::uint64_t(most));
    if (!fits || value->get<std::int64_t>() < least || value->get<std::int64_t>() > most) {
      fault(name, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
      return fallback;
    }
    return value->get<std::int64_t>();
  }
  std::int32_t count(std::string_view name, std::int32_t fallback, std::int32_t least) {
    return static_cast<std::int32_t>(integer(name, fallback, least, kMaxCount));
  }

  std::string text(std::string_view name, std::size_t most) {
    const auto* value = field(name);
    if (value == nullptr) return {};
    if (!value->is_string()) {
      fault(name, "must be a string");
      return {};
    }
    auto text = value->get<std::string>();
    if (text.size() > most) fault(name, "is longer than " + std::to_string(most) + " bytes");
    if (text.find('\0') != std::string::npos) fault(name, "must not hold a NUL character");
    return text;
  }

  bool flag(std::string_view name) {
    const auto* value = field(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fault(name, "must be true or false");
    return value->is_boolean() && value->get<bool>();
  }

  std::vector<std::string> texts(std::string_view name, std::size_t most) {
    std::vector<std::string> list;
    const auto* value = field(name);
    if (value == nullptr) return list;
    if (!value->is_array()) {
      fault(name, "must be a list of strings");
      return list;
    }
    if (value->size() > most) {
      fault(name, "has more than " + std::to_string(most) + " entries");
      return list;
    }
    for (std::size_t i = 0; i < value->size(); ++i) {
      const auto& entry = (*value)[i];
      const auto where = std::string(name) + "/" + std::to_string(i);
      if (!entry.is_string())
        faults_.push_back({at_ + "/" + where, "must be a string"});
      else if (entry.get_ref<const std::string&>().find('\0') != std::string::npos)
        faults_.push_back({at_ + "/" + where, "must not hold a NUL character"});
      else
        list.push_back(entry.get<std::string>());
    }
    return list;
  }

  /// A field of the format that this broker cannot serve: empty is as good as absent, anything else is refused.
  void refuse(std::string_view name, std::string_view why) {
    const auto* value = field(name);
    if (value != nullptr && !value->empty() && *value != "") fault(name, std::string(why));
  }

  /// To be called last: whatever was not asked for is unknown.
  void no_others() {
    if (!json_.is_object()) return;
    for (const auto& [name, value] : json_.items()) {
      if (faults_.size() >= kMaxFaults) return;
      if (std::ranges::find(known_, name) == known_.end()) {
        faults_.push_back({at_ + "/" + escaped(name.substr(0, 64)), "no such field" + did_you_mean(name, known_)});
      }
    }
  }

  [[nodiscard]] std::string at(std::string_view name) const { return at_ + "/" + std::string(name); }

 private:
  const Json& json_;
  std::string at_;
  std::vector<Fault>& faults_;
  std::vector<std::string_view> known_;
};

inline bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

inline bool is_identifier(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

/// invalid_argument: the first fault in the message, all of them beside it.
inline std::unexpected<Error> refusal(std::string_view code, std::vector<Fault> faults) {
  auto message = faults.front().where + (faults.front().where.empty() ? "" : ": ") + faults.front().message;
  if (faults.size() > 1) message += " (and " + std::to_string(faults.size() - 1) + " more)";
  auto error = fail(ErrorKind::invalid_argument, code, std::move(message));
  error.error().faults = std::move(faults);
  return error;
}

}  // namespace hansa::wire
