// SPDX-License-Identifier: Apache-2.0
#pragma once
// How reports are written: table, CSV (RFC 4180), JSON. A writer takes rows as they come and holds none of them (a table its
// first 200, for its widths), so that a report of any size takes as much memory as a small one.
//
// Rounding is here and nowhere else: halves to even, three decimals, the exact whole number in the next column. A total is the
// sum of the exact numbers, rounded; what it differs by from the sum of the rounded rows is its residual, and is shown.

#include "broker/ledger/report.hpp"

#include <functional>
#include <memory>
#include <string>

namespace hansa::ledger {

/// Where the bytes go. An Error ends the report.
using ByteSink = std::function<Result<void>(std::string_view)>;

class ReportWriter {
 public:
  virtual ~ReportWriter() = default;
  virtual Result<void> begin(const ReportHead& head) = 0;
  virtual Result<void> row(std::span<const ports::Cell> cells) = 0;
  virtual Result<void> end() = 0;
  [[nodiscard]] virtual std::string_view content_type() const = 0;
};

/// Null: there is no such format.
std::unique_ptr<ReportWriter> make_writer(std::string_view format, ByteSink sink);

/// "1234.500": n/d, halves to even.
std::string decimal_text(Wide n, Wide d, int decimals = 3);
std::string wide_text(Wide n);
/// No formula in any spreadsheet: a text that begins with one of = + - @, a tab or a return gets a ' before it.
std::string formula_safe(std::string_view text);
/// That, as a field of RFC 4180.
std::string report_csv_field(std::string_view text);

/// The JSON Schema (draft 7) of a report's JSON: packaging/schemas/report-NAME.schema.json.
std::string report_schema(const ReportKind& kind);

}  // namespace hansa::ledger
