// SPDX-License-Identifier: Apache-2.0
#include "connectors/protocol/rpc.hpp"

#include <algorithm>
#include <utility>

namespace hansa::connectors::protocol {

namespace {

constexpr std::size_t kMaxMessageBytes = 4'096;
constexpr std::size_t kMaxCodeBytes = 64;
constexpr std::int64_t kJsonRpcMethodNotFound = -32601;

constexpr std::array<std::pair<ErrorKind, std::int64_t>, 13> kNumbers{{
    {ErrorKind::invalid_argument, -32602},  // JSON-RPC's "invalid params"
    {ErrorKind::internal, -32603},          // JSON-RPC's "internal error"
    {ErrorKind::unauthenticated, -32001},
    {ErrorKind::permission_denied, -32002},
    {ErrorKind::not_found, -32003},
    {ErrorKind::conflict, -32004},
    {ErrorKind::too_large, -32005},
    {ErrorKind::rate_limited, -32006},
    {ErrorKind::unavailable, -32007},
    {ErrorKind::deadline_exceeded, -32008},
    {ErrorKind::cancelled, -32009},
    {ErrorKind::unknown_outcome, -32010},
    {ErrorKind::storage_full, -32011},
}};

std::string text_in(const Json& object, const char* key, std::size_t most) {
  const auto at = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && at != object.end() && at->is_string() ? at->get_ref<const std::string&>().substr(0, most)
                                                                     : std::string();
}

/// A code that a program may test for, or nothing.
std::string code_in(const Json& data) {
  auto code = text_in(data, "code", kMaxCodeBytes);
  const bool plain =
      std::ranges::all_of(code, [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; });
  return plain ? code : std::string();
}

Json message(Json id, const char* key, Json value) {
  return {{"jsonrpc", "2.0"}, {"id", std::move(id)}, {key, std::move(value)}};
}

}  // namespace

std::int64_t number_of(ErrorKind kind) {
  return std::ranges::find(kNumbers, kind, &std::pair<ErrorKind, std::int64_t>::first)->second;
}

Json error_to_json(const Error& error) {
  Json data{{"kind", to_string(error.kind)}, {"code", error.code}};
  if (!error.detail.empty()) data["detail"] = error.detail.substr(0, kMaxMessageBytes);
  const auto number = error.code == kMethodNotFound ? kJsonRpcMethodNotFound : number_of(error.kind);
  return {{"code", number}, {"message", error.message.substr(0, kMaxMessageBytes)}, {"data", std::move(data)}};
}

Error error_from_json(const Json& json) {
  static const Json kNone = Json::object();
  const auto data = json.is_object() && json.contains("data") ? json["data"] : kNone;
  const auto kind = text_in(data, "kind", kMaxCodeBytes);
  const auto known = std::ranges::find_if(kNumbers, [&](const auto& pair) { return to_string(pair.first) == kind; });
  auto told = text_in(json, "message", kMaxMessageBytes);
  auto code = code_in(data);
  if (known == kNumbers.end()) {
    const bool unknown_method = json.is_object() && json.contains("code") && json["code"] == Json(kJsonRpcMethodNotFound);
    return {.kind = ErrorKind::internal,
            .code = unknown_method ? std::string(kMethodNotFound) : std::string("BAD_ANSWER"),
            .message = "the site's end of the connector protocol answered with an error" + (told.empty() ? "" : ": " + told),
            .detail = text_of(json).substr(0, kMaxMessageBytes)};
  }
  return fail(known->first, code.empty() ? "SITE_ERROR" : code, told.empty() ? "the site's end gave no reason" : std::move(told),
              text_in(data, "detail", kMaxMessageBytes))
      .error();
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string request_text(std::int64_t id, std::string_view name, Json params) {
  auto request = message(id, "params", std::move(params));
  request["method"] = name;
  return text_of(request);
}

std::string notification_text(std::string_view name, Json params) {
  return text_of({{"jsonrpc", "2.0"}, {"method", name}, {"params", std::move(params)}});
}

std::string result_text(const Json& id, const Json& result) { return text_of(message(id, "result", result)); }
std::string error_text(const Json& id, const Error& error) { return text_of(message(id, "error", error_to_json(error))); }

}  // namespace hansa::connectors::protocol
