// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is kept for an attempt, as its row has it: allocations.cpp keeps it and lets it go, charging.cpp settles it.

#include "broker/domain/allocation.hpp"
#include "broker/store/connection.hpp"

namespace hansa::store {

struct Kept {
  std::int32_t attempt = 1;
  std::optional<std::int64_t> grant;
  std::string project, site, unit;
  domain::Charge of_run;
  domain::OpenRuns open;
  std::string booked_of;    // the site job that the attempt is bound to
  std::int64_t booked = 0;  // of its runs alone: a twin's record tells nothing of them
  domain::Charge reserved;
};

domain::Charge still_open(const Kept& kept);
std::optional<std::int64_t> optional_row(const Statement& row, int column);

/// The row follows `kept`, and so much more is used by its runs. How much more is reserved now: the allocations must follow, in
/// the same transaction.
domain::Charge follow(Connection& db, std::int64_t job_row, Kept& kept, domain::Charge used);

}  // namespace hansa::store
