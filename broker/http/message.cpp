// SPDX-License-Identifier: Apache-2.0
#include "broker/http/message.hpp"

#include "broker/core/canonical_json.hpp"

#include <algorithm>

namespace hansa::http {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool is_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

void Headers::add(std::string_view name, std::string_view value) {
  Field field{};
  field.name_begin = static_cast<std::uint32_t>(text_.size());
  text_ += name;
  field.name_end = static_cast<std::uint32_t>(text_.size());
  text_ += value;
  field.value_end = static_cast<std::uint32_t>(text_.size());
  fields_.push_back(field);
}

std::pair<std::string_view, std::string_view> Headers::at(std::size_t index) const {
  const auto& field = fields_.at(index);
  const std::string_view text = text_;
  return {text.substr(field.name_begin, field.name_end - field.name_begin),
          text.substr(field.name_end, field.value_end - field.name_end)};
}

std::optional<std::string_view> Headers::get(std::string_view name) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const auto [field, value] = at(i);
    if (equal_ignoring_case(field, name)) return value;
  }
  return std::nullopt;
}

std::size_t Headers::count(std::string_view name) const {
  std::size_t found = 0;
  for (std::size_t i = 0; i < fields_.size(); ++i) found += equal_ignoring_case(at(i).first, name) ? 1 : 0;
  return found;
}

std::optional<std::string_view> Response::header(std::string_view name) const {
  for (const auto& [field, value] : headers) {
    if (equal_ignoring_case(field, name)) return value;
  }
  return std::nullopt;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Status";
  }
}

Response problem(int status, std::string_view code, std::string_view detail, std::string_view request_id) {
  Json body{{"type", "about:blank"}, {"title", reason_phrase(status)}, {"status", status}, {"code", code}, {"detail", detail}};
  if (!request_id.empty()) body["request_id"] = request_id;
  return {.status = status, .content_type = "application/problem+json", .body = canonical_json(body)};
}

}  // namespace hansa::http
