// SPDX-License-Identifier: Apache-2.0
#pragma once
// GET /v1/reports/usage for people and for spreadsheets. Integers throughout: the figures equal the site's own.

#include "broker/cli/text.hpp"
#include "broker/core/canonical_json.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hansa::cli {

/// What a report is grouped by, and the title of such a column.
std::vector<std::string> grouped_by(const Json& report);
std::string title_of(std::string_view key);

/// RFC 4180, header first.
std::string usage_csv(const Json& report);
/// Aligned, with a total where there is more than one row.
std::string usage_table(const Json& report, const Look& look);

}  // namespace hansa::cli
