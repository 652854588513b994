// SPDX-License-Identifier: Apache-2.0
#pragma once
// The words of the protocol: docs/connector-protocol.md says what they mean. JSON-RPC 2.0, one object a line.

#include "broker/core/canonical_json.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace hansa::connectors::protocol {

/// The version that this program speaks. What an older end does not know it leaves out or refuses by name, so a new version is
/// for what cannot be said otherwise.
inline constexpr std::int64_t kVersion = 1;

namespace method {
inline constexpr std::string_view initialize = "initialize";
inline constexpr std::string_view ping = "ping";
inline constexpr std::string_view cancel_request = "cancel_request";  // a notification
inline constexpr std::string_view read_code = "read_code";            // asked by the site's end, while it serves a submit
inline constexpr std::string_view snapshot = "snapshot";
inline constexpr std::string_view submit = "submit";
inline constexpr std::string_view find = "find";
inline constexpr std::string_view status = "status";
inline constexpr std::string_view cancel = "cancel";
inline constexpr std::string_view seal = "seal";
inline constexpr std::string_view usage = "usage";
inline constexpr std::string_view read_output = "read_output";
inline constexpr std::string_view look_at = "look_at";
inline constexpr std::string_view read_file = "read_file";
inline constexpr std::string_view remove_secrets = "remove_secrets";  // with the capability secrets
inline constexpr std::string_view doctor = "doctor";  // with the capability of that name
inline constexpr std::string_view account_limits = "account_limits";  // with the capability limits
}  // namespace method

inline constexpr std::string_view kMethodNotFound = "METHOD_NOT_FOUND";  // an error's code

/// An error's number: JSON-RPC's own where it has one, else one for each kind.
std::int64_t number_of(ErrorKind kind);

/// {"code": ..., "message": ..., "data": {"kind": ..., "code": ..., "detail": ...}}, of bounded size.
Json error_to_json(const Error& error);
/// Of another end's error; what it leaves out or has wrong makes it `internal`.
Error error_from_json(const Json& json);

std::string request_text(std::int64_t id, std::string_view name, Json params);
std::string notification_text(std::string_view name, Json params);
std::string result_text(const Json& id, const Json& result);
std::string error_text(const Json& id, const Error& error);

/// Everything the protocol carries as text is UTF-8: what is not is replaced here, so callers check what must not be.
std::string text_of(const Json& json);

}  // namespace hansa::connectors::protocol
