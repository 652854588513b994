// SPDX-License-Identifier: Apache-2.0
#pragma once
// What projects are to be granted, and what sites say is left to them. Every fault is found at once, each with its JSON pointer.
// Error: invalid_argument, code BAD_REQUEST. And what the API answers about allocations.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/allocation.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hansa::wire {

struct GrantRequest {
  ProjectId project;
  SiteId site;                         // empty: any
  std::string unit;
  domain::Charge amount;
  std::optional<UtcTime> from;
  std::optional<UtcTime> until;
  std::string reason;
};
/// {"project", "site", "unit", "amount", "from", "until", "reason"}.
Result<GrantRequest> grant_request_from_json(const Json& json);

struct BalanceRow {
  ProjectId project;                   // or else
  std::string account;                 // of the project, in the site's scheduler
  SiteId site;
  std::string unit;
  domain::Charge left;
  std::optional<UtcTime> as_of;
};
struct BalanceRequest {
  std::vector<BalanceRow> rows;
  std::string reason;
};
inline constexpr std::size_t kMaxBalances = 1'000;
inline constexpr std::size_t kMaxBalanceBytes = std::size_t{1} << 20;
/// {"balances": [{"project" | "account", "site", "unit", "left", "as_of"}], "reason"}.
Result<BalanceRequest> balances_from_json(const Json& json);

Json allocation_view(const domain::Allocation& allocation, UtcTime now);

}  // namespace hansa::wire
