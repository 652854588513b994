// SPDX-License-Identifier: Apache-2.0
#pragma once
// GET /v1/reports/estimates for people and for spreadsheets: predicted waits against what became of them.

#include "broker/cli/text.hpp"
#include "broker/core/canonical_json.hpp"

#include <string>

namespace hansa::cli {

/// RFC 4180, header first; counts and seconds, so that rows can be added up.
std::string estimates_csv(const Json& report);
/// Aligned, with the shares that started in time: about 50 % and 90 % where estimates are right.
std::string estimates_table(const Json& report, const Look& look);

}  // namespace hansa::cli
