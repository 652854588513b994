// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parts of URLs that a broker and its client need (RFC 3986).

#include "broker/core/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::http {

/// A broker's address: "https://hansa.example.org", "http://[::1]:7717/prefix".
struct Url {
  bool tls = false;
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 0;
  std::string prefix;  // what stands before every target; empty or "/...", without a trailing slash

  /// http and https only; no user, query or fragment.
  static Result<Url> parse(std::string_view text);
  /// As the Host header has it.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string str() const;
};

using Query = std::vector<std::pair<std::string, std::string>>;

/// nullopt for "%" that two hex digits do not follow.
std::optional<std::string> percent_decode(std::string_view text);
/// All but RFC 3986's unreserved characters: safe as one path segment and as a query's name or value.
std::string percent_encode(std::string_view text);

/// "a=b&c": names and values decoded, '+' is a blank; nullopt for a wrong "%" or text that is not UTF-8.
std::optional<Query> parse_query(std::string_view text);

}  // namespace hansa::http
