// SPDX-License-Identifier: Apache-2.0
// Any bytes as what somebody sends to the door for agents before it is believed, in pieces as the network cuts them; and as what
// a proxy on an agent's way out answers.

#include "broker/http/header_scan.hpp"
#include "connectors/websocket/door_request.hpp"
#include "connectors/websocket/proxy.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::connectors::websocket;

namespace {

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7F; });
}

void check_request(std::string_view head) {
  const auto request = read_door_request(head);
  if (!request) {
    require(request.error().code == "BAD_REQUEST" || request.error().code == "NOT_FOUND");
    return;
  }
  const auto& site = request->site.str();
  require(!site.empty() && site.size() <= 64 && !site.contains('/'));
  require(request->name.size() <= 80 && is_plain(request->name) && !request->name.contains('"'));
  require(request->authorization.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  require(head.starts_with(request->enrols ? "POST " : "GET "));
}

void check_answer(std::string_view head) {
  const auto opened = read_tunnel_answer(head, {.host = "proxy", .port = 1, .login = Secret("user:hunter2")}, "broker:2");
  if (opened) return require(head.starts_with("HTTP/1.") && head[9] == '2');
  require(opened.error().kind == ErrorKind::unavailable && is_plain(opened.error().message));
  require(!opened.error().message.contains("hunter2"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  http::HeaderScan scan;
  auto state = http::HeaderScan::State::more;
  const std::size_t piece = size % 3 == 0 ? size : 1 + size % 7;
  for (std::size_t have = 0; have < size && state == http::HeaderScan::State::more;) {
    have = std::min(size, have + piece);
    state = scan.feed(text.substr(0, have));
  }
  if (state == http::HeaderScan::State::bad) require(!scan.fault().empty());
  if (state == http::HeaderScan::State::complete) {
    require(scan.size() <= size);
    check_request(text.substr(0, scan.size()));
    check_answer(text.substr(0, scan.size()));
  }
  check_request(text);  // whatever reads it must bear more than the scan lets through
  check_answer(text);
  return 0;
}
