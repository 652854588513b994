// SPDX-License-Identifier: Apache-2.0
#include "broker/http/url.hpp"

#include "broker/core/encoding.hpp"

#include <algorithm>
#include <charconv>

namespace hansa::http {

namespace {

bool is_alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  const auto refuse = [text](std::string_view why) {
    return fail(ErrorKind::invalid_argument, "BAD_URL",
                "\"" + std::string(text) + "\" is no broker's address: " + std::string(why) +
                    " (wanted: https://host, or http://127.0.0.1:7717)");
  };
  Url url;
  auto rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return refuse("it does not begin with http:// or https://");
  }
  if (std::ranges::any_of(rest, [](char c) { return c <= ' ' || c == '\x7f'; }))
    return refuse("it contains a blank or control character");
  if (rest.find_first_of("?#") != std::string_view::npos) return refuse("it has a query or fragment");
  const auto slash = std::min(rest.find('/'), rest.size());
  auto authority = rest.substr(0, slash);
  url.prefix = rest.substr(slash);
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  if (authority.contains('@')) return refuse("it names a user");

  std::string_view port;
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return refuse("\"[\" is not closed");
    url.host = authority.substr(1, end - 1);
    if (url.host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string::npos)
      return refuse("the address in brackets is not IPv6");
    authority.remove_prefix(end + 1);
    if (!authority.empty() && !authority.starts_with(':')) return refuse("something follows \"]\"");
    port = authority;
  } else {
    const auto colon = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, colon);
    port = authority.substr(colon);
    if (!std::ranges::all_of(url.host, [](char c) { return is_alphanumeric(c) || c == '.' || c == '-' || c == '_'; })) {
      return refuse("the host's name has a character that no name has");
    }
  }
  if (url.host.empty()) return refuse("the host is missing");
  url.port = url.tls ? 443 : 80;
  if (!port.empty()) {
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc{} || end != port.data() + port.size() || url.port == 0) return refuse("the port is not 1 to 65535");
  }
  return url;
}

std::string Url::authority() const {
  auto text = host.contains(':') ? "[" + host + "]" : host;
  if (port != (tls ? 443 : 80)) text += ":" + std::to_string(port);
  return text;
}

std::string Url::str() const { return (tls ? "https://" : "http://") + authority() + prefix; }

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::string percent_encode(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
  }
  return encoded;
}

std::optional<Query> parse_query(std::string_view text) {
  Query query;
  const auto decode = [](std::string_view part) -> std::optional<std::string> {
    std::string blanks(part);
    std::ranges::replace(blanks, '+', ' ');
    auto decoded = percent_decode(blanks);
    if (decoded && !is_utf8(*decoded)) return std::nullopt;
    return decoded;
  };
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    auto name = decode(pair.substr(0, equals));
    auto value = decode(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) return std::nullopt;
    query.emplace_back(std::move(*name), std::move(*value));
  }
  return query;
}

}  // namespace hansa::http
