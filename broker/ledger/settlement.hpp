// SPDX-License-Identifier: Apache-2.0
#pragma once
// When a month may be closed: every second of it was reconciled twice, far enough apart, and nothing was left to explain.

#include "broker/ledger/record.hpp"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hansa::ledger {

/// A reconciliation of a site, as far as closing asks.
struct Look {
  std::int64_t from_s = 0, to_s = 0;  // not itself
  std::int64_t at_s = 0;              // when it ended
  bool clean = false;                 // no difference, or each explained
  bool saw_others = false;            // the site's records, not only those of our jobs
};

/// The first second of the span that is not settled; none: all of it is. A second is settled once the newest looks at it are
/// clean, and the first and the last of those are at least `apart_s` apart.
std::optional<std::int64_t> first_unsettled(MonthSpan span, std::span<const Look> looks, std::int64_t apart_s);

/// How much a site's figures of a month are worth.
enum class Grade {
  a,  // the site has signed the month as it was closed
  b,  // its own records were seen as a whole, others' among them, and all of it is settled
  c,  // those of the broker's own jobs alone
};
std::string_view to_string(Grade grade);
/// "A: signed by the site", for whoever reads a report.
std::string_view describe(Grade grade);
Grade grade_of(MonthSpan span, std::span<const Look> looks, std::int64_t apart_s, bool signed_by_site);

/// A site's month as it stands at a moment.
struct Settled {
  std::optional<std::int64_t> unsettled_from_s;  // none: as closing asks
  Grade grade = Grade::c;
};
/// Looks from the newest on. A month that is not over is looked at as far as it was already before the newest look, so long
/// before as closing asks: what that saw beside is new, and was seen.
Settled settled_at(MonthSpan span, std::span<const Look> looks, std::int64_t apart_s, std::int64_t now_s, bool signed_by_site);
/// The places, rising, of those looks that decide: of them alone settled_at() says the same at any time. Of every second the
/// newest ones, back to one that is not clean or lies far enough behind the newest.
std::vector<std::size_t> deciding(MonthSpan span, std::span<const Look> looks, std::int64_t apart_s);

}  // namespace hansa::ledger
