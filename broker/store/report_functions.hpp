// SPDX-License-Identifier: Apache-2.0
#pragma once
// What SQL lacks for reports: sums of more than 64 bits, and the part of a run that lies in a period.
//
//   wide_sum(amount), wide_sum(high, low): the sum; of high * 2^20 + low. Text where 64 bits do not hold it (read it by wide_at).
//   part_of(amount, start, end, from, to): ledger::part_of (broker/ledger/report.hpp).

#include "broker/core/wide.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

void add_report_functions(Connection& db);
Wide wide_at(const Statement& row, int column);

}  // namespace hansa::store
