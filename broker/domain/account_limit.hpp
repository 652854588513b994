// SPDX-License-Identifier: Apache-2.0
#pragma once
// What an account may use in all by its own limit in the site's scheduler, and what counts against it: Slurm's GrpTRESMins.

#include "broker/domain/charge.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hansa::domain {

/// Of one resource, in minutes of one of it; none is less than nothing or more than kMostMinutes.
struct UsageLimit {
  std::string resource;                // as the scheduler names it: "cpu", "gres/gpu", "billing"
  std::int64_t limit = 0;
  std::int64_t used = 0;               // by whatever has run, and by what runs so far
  std::int64_t running = 0;            // that what runs may still use

  /// In hours, one of the resource being one of the unit; not less than nothing.
  [[nodiscard]] Charge left() const;
  friend bool operator==(const UsageLimit&, const UsageLimit&) = default;
};
inline constexpr std::int64_t kMostMinutes = kMostCharge.value / kChargesPerUnit * 60;

struct AccountLimit {
  std::string account;
  UsageLimit limit;
  friend bool operator==(const AccountLimit&, const AccountLimit&) = default;
};

/// An entry that is not understood, which is not nothing: nothing is known of what that account may use of that resource.
struct OddLimit {
  std::string account;
  std::string resource;  // as far as it is named
  std::string why;       // names the line
};
struct ShareLimits {
  std::vector<AccountLimit> limits;
  std::vector<OddLimit> odd;
};

/// What `sshare -P -o` is asked for. An account's usage is what slurmctld holds against the limit when it lets a job start
/// (acct_policy.c, _validate_tres_usage_limits): GrpTRESRaw, TRESRunMins and what the job asks for.
inline constexpr std::string_view kShareColumns = "Account,User,GrpTRESMins,GrpTRESRaw,TRESRunMins";

/// The limits of accounts in what sshare prints (Slurm 22.05.8: tests/data/slurm/22.05/sshare.limits.out), in its order:
/// rows of people, and accounts and resources without a limit, are left out. A list without TRESRunMins, of a person's hand,
/// tells nothing of what runs. invalid_argument, BAD_SSHARE: it is no such list; names the line.
Result<ShareLimits> parse_sshare(std::string_view text);

}  // namespace hansa::domain
