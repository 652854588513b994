// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a request's JSON is read: every fault is found at once, each with its JSON pointer (RFC 6901).

#include "broker/core/canonical_json.hpp"
#include "broker/core/suggest.hpp"
#include "broker/wire/json_tree.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
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
  ObjectReader(const JsonNode& json, std::string at, std::vector<Fault>& faults)
      : json_(json), at_(std::move(at)), faults_(faults) {
    if (!json.is_object()) fault("", "must be an object");
  }
  /// Of a request that comes seldom, from its value.
  ObjectReader(const Json& json, std::string at, std::vector<Fault>& faults)
      : ObjectReader(std::make_shared<const Own>(canonical_json(json)), std::move(at), faults) {}

  /// Null: it is not there, or is null.
  const JsonNode* field(std::string_view name) {
    known_.push_back(name);
    const auto* found = json_.find(name);
    return found == nullptr || found->kind == JsonNode::Kind::null ? nullptr : found;
  }

  void fault(std::string_view name, std::string message) {
    faults_.push_back({.where = at_ + (name.empty() ? "" : "/" + escaped(name)), .message = std::move(message)});
  }

  void fault_beneath(std::string_view object, std::string_view name, std::string message) {
    faults_.push_back({.where = at_ + "/" + escaped(object) + "/" + escaped(name), .message = std::move(message)});
  }

  std::int64_t integer(std::string_view name, std::int64_t fallback, std::int64_t least, std::int64_t most) {
    const auto* value = field(name);
    if (value == nullptr) return fallback;
    if (value->kind != JsonNode::Kind::integer || value->integer < least || value->integer > most) {
      fault(name, "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
      return fallback;
    }
    return value->integer;
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
    if (value->text.size() > most) fault(name, "is longer than " + std::to_string(most) + " bytes");
    if (value->text.find('\0') != std::string_view::npos) fault(name, "must not hold a NUL character");
    return std::string(value->text);
  }

  bool flag(std::string_view name) {
    const auto* value = field(name);
    if (value == nullptr) return false;
    if (value->kind != JsonNode::Kind::boolean) fault(name, "must be true or false");
    return value->truth;
  }

  std::vector<std::string> texts(std::string_view name, std::size_t most) {
    std::vector<std::string> list;
    const auto* value = field(name);
    if (value == nullptr) return list;
    if (!value->is_array()) {
      fault(name, "must be a list of strings");
      return list;
    }
    if (value->count > most) {
      fault(name, "has more than " + std::to_string(most) + " entries");
      return list;
    }
    list.reserve(value->count);
    for (const auto& entry : value->members()) {
      const auto fault_here = [&](const char* message) {
        faults_.push_back({at_ + "/" + std::string(name) + "/" + std::to_string(&entry - value->first), message});
      };
      if (!entry.is_string())
        fault_here("must be a string");
      else if (entry.text.find('\0') != std::string_view::npos)
        fault_here("must not hold a NUL character");
      else
        list.emplace_back(entry.text);
    }
    return list;
  }

  /// To be called last: whatever was not asked for is unknown.
  void no_others() {
    for (const auto& member : json_.is_object() ? json_.members() : std::span<const JsonNode>()) {
      if (faults_.size() >= kMaxFaults) return;
      if (std::ranges::find(known_, member.name) == known_.end()) {
        const auto name = member.name.substr(0, 64);
        faults_.push_back({at_ + "/" + escaped(name), "no such field" + did_you_mean(member.name, known_)});
      }
    }
  }

  [[nodiscard]] std::string at(std::string_view name) const { return at_ + "/" + std::string(name); }

 private:
  struct Own {
    explicit Own(std::string json) : text(std::move(json)) {}
    const std::string text;
    const JsonTree tree{text, 64};
    const JsonNode root = tree.root().value_or(JsonNode{});
  };
  ObjectReader(std::shared_ptr<const Own> own, std::string at, std::vector<Fault>& faults)
      : ObjectReader(own->root, std::move(at), faults) {
    own_ = std::move(own);
  }

  std::shared_ptr<const Own> own_;  // what json_ is part of, if nobody else keeps it
  const JsonNode& json_;
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
