// SPDX-License-Identifier: Apache-2.0
#pragma once
// Break-glass: in an incident, with a second operator's word and for a time, an operator may do what is a job's owner's alone.
// What is asked for, what becomes of it, and what the ledger says of it. Pure.

#include "broker/core/canonical_json.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"
#include "broker/core/ulid.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::domain {

using BreakGlassId = Ulid;

/// What is opened: one job, or all jobs of a person.
struct BreakGlassScope {
  std::optional<JobId> job;
  Principal person;  // of a job, its owner: whom it concerns

  [[nodiscard]] std::string str() const;  // "job:01J...", "person:local:alice"
  /// `of`: none, all of the owner's.
  [[nodiscard]] bool covers(const std::optional<JobId>& of, const Principal& owner) const {
    return owner == person && (!job || job == of);
  }
  friend bool operator==(const BreakGlassScope&, const BreakGlassScope&) = default;
};
/// "person:alice" is local:alice, as elsewhere. Of a job the person is the caller's to find. invalid_argument, BAD_SCOPE, with
/// what it may be.
Result<BreakGlassScope> parse_break_glass_scope(std::string_view text);

enum class BreakGlassState { pending, rejected, open, ended };
std::string_view to_string(BreakGlassState state);
std::span<const std::string_view> break_glass_states();  // all of their names
std::optional<BreakGlassState> parse_break_glass_state(std::string_view text);

struct BreakGlass {
  BreakGlassId id;
  BreakGlassScope scope;
  std::string reason;
  Principal by;                           // who asked, and may use it
  UtcTime at{};
  Seconds lasts{0};                       // from the approval on
  std::vector<Principal> makers = {};     // who had a hand in the token by which they asked
  BreakGlassState state = BreakGlassState::pending;
  Principal ruled_by = {};
  std::optional<UtcTime> ruled_at = {};
  std::optional<UtcTime> until = {};      // of one that was approved
  std::optional<UtcTime> seen_at = {};  // the latest time at which it was seen open: a clock that goes back does not lengthen it
  Principal ended_by = {};  // empty: it ended by itself
  std::optional<UtcTime> ended_at = {};
  std::string why = {};  // it ended: kEndedInTime, ...
  std::int64_t uses = 0;
  friend bool operator==(const BreakGlass&, const BreakGlass&) = default;
};
inline constexpr std::string_view kEndedInTime = "TIME_OVER", kEndedByHand = "ENDED", kEndedRevoked = "PERSON_REVOKED",
                                  kEndedStale = "NOT_APPROVED";

/// Nobody approves afterwards what was asked for this long ago: the incident was another then.
inline constexpr Seconds kBreakGlassWaits{86'400};
inline constexpr Seconds kBreakGlassShortest{60};

/// What is left of an open one at `now`, by whatever clock: no more than it was given, and not more again after a step back.
Seconds left_of(const BreakGlass& glass, UtcTime now);

/// Whether it still waits for a second person. Conflict, NOT_PENDING: why not.
Result<void> may_be_ruled(const BreakGlass& glass, UtcTime now);

/// Who and why, which the ledger has a salted hash of and nobody's name (ledger::commitment).
std::string personal_text(const BreakGlass& glass);

}  // namespace hansa::domain
