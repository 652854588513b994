// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a site says that it gives an attempt, read back after the submission, and what of it is not as it was asked for.

#include "broker/core/canonical_json.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace hansa::domain {

struct JobSpec;
struct Attempt;
struct Reason;

/// Amounts in all, of an array those of one task; 0, "" and none where the site does not say.
struct Grant {
  std::int32_t nodes = 0;
  std::int32_t tasks = 0;
  std::int32_t cores = 0;
  std::int32_t gpus = 0;
  Mebibytes memory{0};
  Seconds time_limit{0};
  QueueName queue;
  std::string account;                 // the scheduler's, that is charged
  std::optional<bool> exclusive;       // its nodes are its own
  friend bool operator==(const Grant&, const Grant&) = default;
};

/// Codes of what is not as asked, the gravest last.
inline constexpr std::string_view kGrantedElsewhere = "GRANTED_ELSEWHERE";  // another queue
inline constexpr std::string_view kGrantedLess = "GRANTED_LESS";
inline constexpr std::string_view kOtherAccount = "OTHER_ACCOUNT";          // it would charge, or charges, somebody else

/// What `later` does not say is as it was said before.
Grant joined(Grant later, const Grant& before);

/// How the grant differs from what the attempt asked for: everything, under the gravest code; no code: it does not. That it is
/// more is no difference, times are rounded up by many.
Reason compare(const JobSpec& spec, const Attempt& attempt, const Grant& grant);

Json to_json(const Grant& grant);
Result<Grant> grant_from_json(const Json& json);

}  // namespace hansa::domain
