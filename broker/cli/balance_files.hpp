// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files in which a site, or whoever grants there, says what is left to projects, as the API takes them.

#include "broker/core/canonical_json.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::cli {

struct BalanceOptions {
  std::optional<std::string> site;                              // for rows that name none
  std::vector<std::pair<std::string, std::string>> components;  // of Slurm's TRES and Waldur's resources: the name -> unit
};

/// A list of {"project" | "account", "site", "unit", "left", "as_of"}. Four kinds of files: CSV with a line of those names
/// (RFC 4180); JSON, that list or an object with it as "balances"; JSON of Waldur's marketplace resources, of which `backend_id`
/// is the project's account at the site, and what is left of a component its limit less its current usage; what Slurm's
/// `sshare -P -o Account,User,GrpTRESMins,GrpTRESRaw,TRESRunMins` prints, in which limits and usage are minutes.
/// invalid_argument, BAD_BALANCES: names the line or entry.
Result<Json> balances_in(std::string_view text, const BalanceOptions& options);

}  // namespace hansa::cli
