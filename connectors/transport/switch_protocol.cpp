// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/switch_protocol.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/core/encoding.hpp"

#include <algorithm>
#include <array>

namespace hansa::connectors::transport {
namespace {

constexpr std::size_t kMaxHeaderBytes = std::size_t{64} * 1024;
constexpr std::size_t kMaxInputBytes = std::size_t{8} * 1024 * 1024;
constexpr std::size_t kMaxOutputBytes = std::size_t{256} * 1024 * 1024;
constexpr std::size_t kMaxFrameBytes = std::size_t{64} * 1024;
constexpr std::size_t kFrameHead = 5;

std::string length_prefix(std::size_t length) {
  std::string bytes;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(length >> shift & 0xffU);
  return bytes;
}

ErrorKind kind_named(std::string_view name) {
  constexpr std::array kinds = {ErrorKind::invalid_argument, ErrorKind::permission_denied, ErrorKind::too_large,
                                ErrorKind::unavailable,      ErrorKind::deadline_exceeded, ErrorKind::cancelled};
  const auto found = std::ranges::find(kinds, name, [](ErrorKind kind) { return to_string(kind); });
  return found == kinds.end() ? ErrorKind::unavailable : *found;  // of another version of the switch
}

/// The member, if it is there and of this kind.
template <typename T>
std::optional<T> member(const Json& object, const char* name) {
  const auto it = object.find(name);
  if (it == object.end()) return std::nullopt;
  if constexpr (std::is_same_v<T, bool>) {
    return it->is_boolean() ? std::optional(it->template get<bool>()) : std::nullopt;
  } else if constexpr (std::is_same_v<T, int>) {
    const bool fits = it->is_number_integer() && it->template get<std::int64_t>() >= 0 && it->template get<std::int64_t>() <= 255;
    return fits ? std::optional(it->template get<int>()) : std::nullopt;
  } else {
    return it->is_string() ? std::optional(it->template get<std::string>()) : std::nullopt;
  }
}

}  // namespace

Result<std::string> encode_request(const Command& command, Seconds limit) {
  bool utf8 = is_utf8(command.account.str()) && is_utf8(command.program) && is_utf8(command.working_directory) &&
              is_utf8(command.person.str()) && is_utf8(command.tag) && std::ranges::all_of(command.arguments, is_utf8);
  Json environment = Json::object();
  for (const auto& [name, value] : command.environment) {
    utf8 = utf8 && is_utf8(name) && is_utf8(value);
    environment[name] = value;
  }
  if (!utf8) {
    return fail(
        ErrorKind::invalid_argument, "COMMAND",
        "a command through hansa-switch must be UTF-8 in all its parts but the input; one of " + command.program + " is not");
  }
  const auto text = canonical_json({{"protocol", 1},
                                    {"account", command.account.str()},
                                    {"program", command.program},
                                    {"arguments", command.arguments},
                                    {"environment", std::move(environment)},
                                    {"working_directory", command.working_directory},
                                    {"person", command.person.str()},
                                    {"tag", command.tag},
                                    {"limit_s", limit.count()},
                                    {"output_limit", std::clamp<std::size_t>(command.output_limit, 1, kMaxOutputBytes)}});
  if (text.size() > kMaxHeaderBytes) {
    return fail(ErrorKind::too_large, "COMMAND",
                "arguments and environment of " + command.program + " are longer than the 64 KiB that hansa-switch takes");
  }
  if (command.input.size() > kMaxInputBytes) {
    return fail(ErrorKind::too_large, "COMMAND",
                "the input of " + command.program + " is longer than the 8 MiB that hansa-switch takes");
  }
  return length_prefix(text.size()) + text + length_prefix(command.input.size()) + command.input;
}

bool ReplyReader::take(std::string_view bytes) {
  pending_.append(bytes);
  std::string_view rest = pending_;
  while (rest.size() >= kFrameHead) {
    std::size_t length = 0;
    for (const char c : rest.substr(1, 4)) length = length << 8U | static_cast<unsigned char>(c);
    if (ended() || length > kMaxFrameBytes) return false;
    if (rest.size() - kFrameHead < length) break;
    if (!take_frame(rest.front(), rest.substr(kFrameHead, length))) return false;
    rest.remove_prefix(kFrameHead + length);
  }
  pending_.erase(0, pending_.size() - rest.size());
  return !(ended() && !pending_.empty());
}

bool ReplyReader::take_frame(char type, std::string_view payload) {
  if (type == 'x') return take_end(payload);
  if (type != 'o' && type != 'e') return false;
  auto& text = type == 'o' ? result_.out : result_.err;
  auto& truncated = type == 'o' ? result_.out_truncated : result_.err_truncated;
  const auto kept = payload.substr(0, output_limit_ - std::min(output_limit_, text.size()));
  text.append(kept);
  truncated = truncated || kept.size() < payload.size();
  return true;
}

bool ReplyReader::take_end(std::string_view json) {
  const auto end = parse_json(json, 4);
  if (!end || !end->is_object()) return false;
  if (const auto error = end->find("error"); error != end->end() && error->is_object()) {
    const auto kind = member<std::string>(*error, "kind");
    const auto code = member<std::string>(*error, "code");
    const auto message = member<std::string>(*error, "message");
    const auto started = member<bool>(*end, "started");
    if (!kind || !code || !message || !started) return false;
    refusal_ = fail(*started ? ErrorKind::unknown_outcome : kind_named(*kind), *code, "hansa-switch: " + *message).error();
    return true;
  }
  result_.out_truncated = result_.out_truncated || member<bool>(*end, "out_truncated").value_or(false);
  result_.err_truncated = result_.err_truncated || member<bool>(*end, "err_truncated").value_or(false);
  result_.exit_status = member<int>(*end, "exit_status");
  result_.signal = member<int>(*end, "signal");
  return result_.exit_status.has_value() != result_.signal.has_value();
}

}  // namespace hansa::connectors::transport
