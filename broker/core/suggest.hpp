// SPDX-License-Identifier: Apache-2.0
#pragma once
// "Did you mean ...?" for misspelt keys, fields, sites.

#include <span>
#include <string>
#include <string_view>

namespace hansa {

/// The candidate nearest to `word` (Damerau-Levenshtein distance at most a third of its length, ties by order), or "".
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// " (did you mean \"nodes\"?)" or "".
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace hansa
