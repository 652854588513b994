// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tokens whose signature nobody checks.

#include "broker/core/encoding.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace hansa::connectors::slurmrest::test {

inline std::string base64url(std::string_view bytes) {
  auto text = to_base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

inline std::string jwt_of(std::string_view header, std::string_view claims) {
  return base64url(header) + '.' + base64url(claims) + '.' + base64url("\xfb\xff signature");
}

/// No user or no end: not told.
inline std::string jwt(const std::string& user, std::int64_t ends) {
  std::string claims = "{\"iat\":1";
  if (ends != 0) claims += ",\"exp\":" + std::to_string(ends);
  if (!user.empty()) claims += ",\"sun\":\"" + user + '"';
  return jwt_of(R"({"alg":"HS256","typ":"JWT"})", claims + "}");
}

}  // namespace hansa::connectors::slurmrest::test
