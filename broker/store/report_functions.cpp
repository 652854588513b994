// SPDX-License-Identifier: Apache-2.0
#include "broker/store/report_functions.hpp"

#include "broker/ledger/report.hpp"
#include "broker/ledger/report_writer.hpp"

#include <sqlite3.h>

#include <cstring>
#include <limits>

namespace hansa::store {
namespace {

constexpr Wide kHigh = Wide{1} << 20;

// SQLite's memory is aligned to 8 bytes, and a sum to 16: it is copied.
void add_to_sum(sqlite3_context* context, int count, sqlite3_value** values) {
  void* kept = sqlite3_aggregate_context(context, sizeof(Wide));
  if (kept == nullptr) return sqlite3_result_error_nomem(context);
  Wide sum = 0;
  std::memcpy(&sum, kept, sizeof sum);
  Wide value = sqlite3_value_int64(values[0]);
  if (count == 2) value = value * kHigh + sqlite3_value_int64(values[1]);
  if (__builtin_add_overflow(sum, value, &sum)) return sqlite3_result_error(context, "a sum of more than 128 bits", -1);
  std::memcpy(kept, &sum, sizeof sum);
}

void end_sum(sqlite3_context* context) {
  const void* kept = sqlite3_aggregate_context(context, 0);
  Wide total = 0;
  if (kept != nullptr) std::memcpy(&total, kept, sizeof total);
  if (total >= std::numeric_limits<std::int64_t>::min() && total <= std::numeric_limits<std::int64_t>::max())
    return sqlite3_result_int64(context, static_cast<std::int64_t>(total));
  const auto text = ledger::wide_text(total);
  sqlite3_result_text(context, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
}

void part_in_sql(sqlite3_context* context, int, sqlite3_value** values) {
  const auto at = [values](int i) { return static_cast<std::int64_t>(sqlite3_value_int64(values[i])); };
  sqlite3_result_int64(context, ledger::part_of(at(0), at(1), at(2), at(3), at(4)));
}

}  // namespace

void add_report_functions(Connection& db) {
  constexpr int kPure = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  for (const int arguments : {1, 2})
    sqlite3_create_function_v2(db.handle(), "wide_sum", arguments, kPure, nullptr, nullptr, add_to_sum, end_sum, nullptr);
  sqlite3_create_function_v2(db.handle(), "part_of", 5, kPure, nullptr, part_in_sql, nullptr, nullptr, nullptr);
}

Wide wide_at(const Statement& row, int column) {
  const auto text = row.text(column);
  if (text.size() <= 18) return row.integer(column);
  Wide value = 0;
  const bool negative = text.starts_with('-');
  for (const char digit : text.substr(negative ? 1 : 0)) value = value * 10 + (digit - '0');
  return negative ? -value : value;
}

}  // namespace hansa::store
