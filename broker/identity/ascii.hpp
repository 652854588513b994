// SPDX-License-Identifier: Apache-2.0
#pragma once
// Letters of ASCII, whatever the locale.

#include <algorithm>
#include <string>
#include <string_view>

namespace hansa::identity {

inline std::string in_lower_case(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

}  // namespace hansa::identity
