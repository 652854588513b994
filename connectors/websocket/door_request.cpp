// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/door_request.hpp"

#include "broker/http/url.hpp"
#include "connectors/websocket/web_socket.hpp"

#include <utility>

namespace hansa::connectors::websocket {

namespace {

constexpr std::size_t kNameBytes = 80;
constexpr std::size_t kSiteBytes = 64;
constexpr std::string_view kPath = "/v1/agents/";
constexpr std::string_view kEnrolment = "/enrolment";

std::string plain(std::string_view text) {
  std::string shown;
  for (const char c : text.substr(0, kNameBytes)) shown += c >= ' ' && c < 0x7F && c != '"' ? c : '?';
  return shown;
}

}  // namespace

Result<DoorRequest> read_door_request(std::string_view head_text) {
  auto head = read_request_head(head_text);
  if (!head) return std::unexpected(std::move(head.error()));
  const auto elsewhere = [] {
    return fail(
        ErrorKind::not_found, "NOT_FOUND",
        "this is a broker's door for sites' agents (hansa-agent --connect), and for nothing else; its REST API is elsewhere");
  };
  std::string_view target = head->target;
  if (!target.starts_with(kPath)) return elsewhere();
  target.remove_prefix(kPath.size());
  const bool enrols = target.ends_with(kEnrolment);
  if (enrols) target.remove_suffix(kEnrolment.size());
  const auto site = http::percent_decode(target);
  if (!site || site->empty() || site->size() > kSiteBytes || site->contains('/')) return elsewhere();
  const bool fits = enrols ? head->method == "POST" && !head->has_body : head->method == "GET" && head->upgrades;
  if (!fits) return elsewhere();
  return DoorRequest{
      .site = SiteId(*site), .enrols = enrols, .authorization = std::move(head->authorization), .name = plain(head->user_agent)};
}

}  // namespace hansa::connectors::websocket
