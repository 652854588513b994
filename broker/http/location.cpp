// SPDX-License-Identifier: Apache-2.0
#include "broker/http/location.hpp"

#include <algorithm>

namespace hansa::http {

Result<Location> Location::parse(std::string_view text) {
  const auto scheme = text.find("://");
  const auto slash = scheme == std::string_view::npos ? text.size() : std::min(text.find('/', scheme + 3), text.size());
  auto url = Url::parse(text.substr(0, slash));
  if (!url) return std::unexpected(url.error());
  auto path = std::string(text.substr(slash));
  if (path.empty()) path = "/";
  const bool plain = std::ranges::all_of(path, [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
  if (!plain) return fail(ErrorKind::invalid_argument, "BAD_URL", "the address at " + url->str() + " is no URL");
  return Location{.url = std::move(*url), .path = std::move(path)};
}

}  // namespace hansa::http
