// SPDX-License-Identifier: Apache-2.0
#include "broker/core/base64url.hpp"

#include "broker/core/encoding.hpp"

#include <algorithm>

namespace hansa {

std::string to_base64url(std::string_view bytes) {
  auto text = to_base64(bytes);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  text.erase(text.find_last_not_of('=') + 1);
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  if (text.find_first_of("+/=") != std::string_view::npos) return std::nullopt;
  std::string standard(text);
  std::ranges::replace(standard, '-', '+');
  std::ranges::replace(standard, '_', '/');
  standard.resize((standard.size() + 3) / 4 * 4, '=');
  return from_base64(standard);
}

}  // namespace hansa
