// SPDX-License-Identifier: Apache-2.0
#pragma once
// Break-glass as the store keeps it (broker/domain/break_glass.hpp): each step is durable together with the ledger's record of
// it, or neither is there. A writer of an older epoch is refused (conflict, STALE_EPOCH): a broker that was replaced opens
// nothing.

#include "broker/async/task.hpp"
#include "broker/domain/break_glass.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hansa::ports {

/// The second person: who they are, and who made the token by which they come.
struct BreakGlassRuling {
  Principal by;
  std::vector<Principal> makers;
  bool approve = false;
};

struct BreakGlassUse {
  std::string operation;  // of the API: "readJobOutput"
  JobId job = {};         // none: of all that are the person's
  friend bool operator==(const BreakGlassUse&, const BreakGlassUse&) = default;
};
/// What was done by it, of one job in one way.
struct BreakGlassUsed {
  BreakGlassUse use;
  UtcTime first_at{}, last_at{};
  std::int64_t times = 0;
  friend bool operator==(const BreakGlassUsed&, const BreakGlassUsed&) = default;
};

/// What the ledger says of a step, and what its hash is of.
struct BreakGlassStep {
  std::int64_t record = 0;
  std::string event;     // "requested", "approved", "rejected", "used", "ended"
  UtcTime at{};
  std::string salt;      // 16 bytes; "": somebody of whom it tells was erased
  std::string personal;  // domain::personal_text of then
};

struct BreakGlassDetails {
  domain::BreakGlass glass;
  std::vector<BreakGlassUsed> used;  // by job and operation
  std::vector<BreakGlassStep> steps;  // oldest first
};

struct BreakGlassQuery {
  std::optional<domain::BreakGlassState> state;
  std::optional<Principal> by;
  std::size_t limit = 100;
};

class BreakGlassStore {
 public:
  virtual ~BreakGlassStore() = default;
  virtual async::Task<> ask_break_glass(domain::BreakGlass glass, std::int64_t epoch) = 0;
  /// Conflict: NOT_PENDING; permission_denied: SECOND_PERSON (domain::second_person), unless it is rejected.
  virtual async::Task<domain::BreakGlass> rule_break_glass(domain::BreakGlassId id, BreakGlassRuling ruling, UtcTime at,
                                                           std::int64_t epoch) = 0;
  /// Permission_denied, BREAK_GLASS_ENDED: it is not open, or `at` is not before its end.
  virtual async::Task<> use_break_glass(domain::BreakGlassId id, BreakGlassUse use, UtcTime at, std::int64_t epoch) = 0;
  /// That it is open at that time.
  virtual async::Task<> see_break_glass(domain::BreakGlassId id, UtcTime at, std::int64_t epoch) = 0;
  /// One that is open, or was never approved. Whatever is over already stays as it ended. `by`: empty, nobody's doing.
  virtual async::Task<domain::BreakGlass> end_break_glass(domain::BreakGlassId id, Principal by, std::string why, UtcTime at,
                                                          std::int64_t epoch) = 0;
  virtual async::Task<BreakGlassDetails> break_glass(domain::BreakGlassId id) = 0;  // not_found, BREAK_GLASS_NOT_FOUND
  virtual async::Task<std::vector<domain::BreakGlass>> break_glasses(BreakGlassQuery query) = 0;  // newest first
};

}  // namespace hansa::ports
