// SPDX-License-Identifier: Apache-2.0
#pragma once
// What data are, in one word: of datasets (the register's word) and of submissions (their own, which can only narrow).

#include "broker/core/strong.hpp"

#include <set>
#include <string_view>

namespace hansa::domain {

using Label = Name<struct LabelTag>;  // a word of the rules' vocabulary (policies/rules)
using Labels = std::set<Label>;

/// The one label that restricts nothing. Every other label of the vocabulary does.
inline constexpr std::string_view kOpenLabel = "open";

}  // namespace hansa::domain
