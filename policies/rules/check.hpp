// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether packs that are well written make sense: rules that can never apply, permits that a forbid swallows, clauses that say
// nothing, bases that have ended, labels that no site can serve.

#include "broker/core/error.hpp"
#include "policies/rules/pack.hpp"

#include <span>

namespace hansa::rules {

/// A place as far as it is known from a file.
struct SiteFacts {
  std::string id;
  Evidence facts;
};

struct CheckOptions {
  std::optional<UtcTime> now;          // to tell what has ended; without it nothing is said about that
  std::span<const SiteFacts> sites{};  // to tell labels that none of them can serve
  std::string sites_file;
};

/// Every fault of each pack alone and of all of them together; where = "file:line: key". What is in it has been parsed.
std::vector<Fault> check(std::span<const Pack> packs, const CheckOptions& options = {});

/// What of packs that are in force has ended by its date, or must be reviewed: no fault of theirs, somebody has to renew it.
std::vector<Fault> ended(std::span<const Pack> packs, UtcTime now);

/// The [[site]] tables of a hansad.toml, or of a file that has only them: `id`, `country`, and in `facts` any other attribute of
/// a site under its name without "site."; when they were told is not looked at, nor are other keys. Code BAD_SITES_FILE.
Result<std::vector<SiteFacts>> parse_sites(std::string_view text, std::string_view file, UtcTime now);

/// What the [given] table of such a file says of jobs and datasets, as in a pack's tests; facts about sites are refused: they
/// stand with the sites. Told by the right source, at `now`. None without a table. Code BAD_SITES_FILE.
Result<Evidence> parse_given_facts(std::string_view text, std::string_view file, UtcTime now);

}  // namespace hansa::rules
