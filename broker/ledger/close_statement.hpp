// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a month's close rests on: of each site the reconciliations that decide (settlement.hpp), or that an operator gave his word
// about the site as a whole. The `period_close` record has the SHA-256 of this text; exports have the text behind that record, so
// that whoever checks one sees that the month could be closed. Records of before it was kept have no `kept`, exports a "-" behind
// them. It names no person.

#include "broker/ledger/settlement.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::ledger {

/// Of one site: the newest.
inline constexpr std::size_t kMostSeen = 1'000;

/// As it was when the month was closed.
struct SeenThen {
  std::string id;
  std::int64_t from_s = 0, to_s = 0;  // not itself
  std::int64_t at_s = 0;
  std::int64_t matched = 0, differences = 0, unexplained = 0;
  std::optional<std::int64_t> others;  // none: the site hides them

  [[nodiscard]] Look look() const {
    return {.from_s = from_s, .to_s = to_s, .at_s = at_s, .clean = unexplained == 0, .saw_others = others.has_value()};
  }
};
struct SiteThen {
  std::string site;
  std::vector<SeenThen> reconciliations;  // newest first
  std::optional<std::int64_t> explained_at_s;  // of the site as a whole: it could not be asked
};

std::string close_text(const std::vector<SiteThen>& sites);
/// BAD_STATEMENT.
Result<std::vector<SiteThen>> parse_close(std::string_view text);

/// A `period_close` record, and the sites that have records of runs of that month before it.
struct Close {
  std::string period;
  std::int64_t at_s = 0;
  std::string sites;  // "alpha=B beta=C"
  std::string reconciliations;  // hex
  std::int64_t apart_s = 0;
  bool kept = true;  // so the record says: the text is never left out
};
/// Whether this is the text, and the month could be closed on it: each site that has used anything is there, is settled or
/// explained, and has the grade that the record says. BAD_STATEMENT, with what is wrong.
Result<void> check_close(const Close& close, std::string_view text, const std::set<std::string, std::less<>>& used);

}  // namespace hansa::ledger
