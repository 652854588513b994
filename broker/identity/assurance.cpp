// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/assurance.hpp"

#include <algorithm>

namespace hansa::identity {
namespace {

struct Level {
  std::string_view value, word;
};
// From low to high.
constexpr Level kProofs[] = {{"https://refeds.org/assurance/IAP/low", "low"},
                             {"https://refeds.org/assurance/IAP/medium", "medium"},
                             {"https://refeds.org/assurance/profile/cappuccino", "medium"},
                             {"https://refeds.org/assurance/IAP/high", "high"},
                             {"https://refeds.org/assurance/profile/espresso", "high"}};
constexpr Level kLogins[] = {{"https://refeds.org/profile/sfa", "sfa"}, {"https://refeds.org/profile/mfa", "mfa"}};

}  // namespace

std::string_view identity_assurance(std::span<const std::string_view> values) {
  std::string_view best;
  for (const auto& level : kProofs) {
    if (std::ranges::find(values, level.value) != values.end()) best = level.word;
  }
  return best;
}

std::string_view login_assurance(std::string_view acr) {
  const auto* at = std::ranges::find(kLogins, acr, &Level::value);
  return at == std::end(kLogins) ? std::string_view{} : at->word;
}

}  // namespace hansa::identity
