// SPDX-License-Identifier: Apache-2.0
#pragma once
// GET /v1/reports/usage for people and for spreadsheets. Integers throughout: the figures equal the site's own.

#include "broker/cli/text.hpp"
#include "broker/core/canonical_json.hpp"

#include <string>

namespace hansa::cli {

/// RFC 4180, header first.
std::string usage_csv(const Json& report);
/// Aligned, with a total where there is more than one row.
std::string usage_table(const Json& report, const Look& look);

}  // namespace hansa::cli
