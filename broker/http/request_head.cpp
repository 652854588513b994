// SPDX-License-Identifier: Apache-2.0
#include "broker/http/request_head.hpp"

#include "broker/core/encoding.hpp"

#include <algorithm>

namespace hansa::http {

namespace {

Refusal bad_request(std::string detail) { return {400, "BAD_REQUEST", std::move(detail)}; }

bool has_dot_segment(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const auto end = std::min(path.find('/'), path.size());
    const auto segment = path.substr(0, end);
    if (segment == "." || segment == "..") return true;
    path.remove_prefix(end);
  }
  return false;
}

/// An absolute-form target is taken as origin-form (RFC 9112, 3.2.2): this server is its own authority.
std::string_view origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const auto begin = target.find_first_of("/?", scheme.size());
    if (begin == std::string_view::npos) return "/";
    return target.substr(begin);
  }
  return target;
}

}  // namespace

std::optional<Refusal> interpret_target(std::string_view target, Request& request) {
  if (std::ranges::any_of(target, [](char c) { return c <= ' ' || c >= '\x7f' || c == '#'; })) {
    return bad_request("the request target has a character that must be percent-encoded");
  }
  request.target = origin_form(target);
  if (request.target == "*" && request.method == "OPTIONS") {
    request.path = "*";
    return std::nullopt;
  }
  const std::string_view whole = request.target;
  const auto mark = std::min(whole.find('?'), whole.size());
  const auto raw_path = whole.substr(0, mark);
  if (!raw_path.starts_with('/')) return bad_request("the request target is no path");
  auto path = percent_decode(raw_path);
  if (!path || !is_utf8(*path)) return bad_request("the path is not percent-encoded UTF-8");
  if (std::ranges::count(*path, '/') != std::ranges::count(raw_path, '/')) return bad_request("the path has an encoded slash");
  if (std::ranges::any_of(*path, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; })) {
    return bad_request("the path has a control character");
  }
  if (has_dot_segment(*path)) return bad_request("the path has a \".\" or \"..\" segment");
  request.path = std::move(*path);
  if (mark < whole.size()) {
    auto query = parse_query(whole.substr(mark + 1));
    if (!query) return bad_request("the query is not percent-encoded UTF-8");
    request.query = std::move(*query);
  }
  return std::nullopt;
}

std::optional<Refusal> check_fields(const Headers& headers, Framing& framing) {
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  std::size_t encodings = 0;
  std::string_view length = "0";
  std::string_view encoding;
  std::string_view expectation;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers.at(i);
    if (equal_ignoring_case(name, "host")) ++hosts;
    if (equal_ignoring_case(name, "content-length")) {
      ++lengths;
      length = value;
    }
    if (equal_ignoring_case(name, "expect")) expectation = value;
    if (equal_ignoring_case(name, "transfer-encoding")) {
      ++encodings;
      encoding = value;
    }
  }
  if (hosts > 1 || (framing.http11 && hosts == 0)) return bad_request("a request has exactly one Host field");
  if (lengths + encodings > 1) return bad_request("a body is framed once: by one Content-Length or by one Transfer-Encoding");
  if (length.find_first_not_of("0123456789") != std::string_view::npos) return bad_request("Content-Length is one number");
  if (encodings > 0 && !framing.http11) return bad_request("HTTP/1.0 has no Transfer-Encoding");
  if (encodings > 0 && !equal_ignoring_case(encoding, "chunked")) {
    return Refusal{501, "TRANSFER_ENCODING", "the only transfer coding understood here is chunked"};
  }
  if (!expectation.empty()) {
    if (!equal_ignoring_case(expectation, "100-continue")) {
      return Refusal{417, "EXPECTATION_FAILED", "the only expectation understood here is 100-continue"};
    }
    framing.expects_continue = framing.http11;
  }
  return std::nullopt;
}

}  // namespace hansa::http
