// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the registers have in common: changes that somebody made, and a second person's word on those that need one. Pure.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"
#include "broker/core/ulid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::domain {

using ChangeId = Ulid;

/// A second person's word on a change that needs one.
struct Ruling {
  bool approved = false;
  Principal by;
  UtcTime at{};
  std::string reason;
  std::int64_t version = 0;               // of what was changed, after it
  friend bool operator==(const Ruling&, const Ruling&) = default;
};

enum class ChangeState { applied, pending, approved, rejected };
std::string_view to_string(ChangeState state);
std::optional<ChangeState> parse_change_state(std::string_view text);
/// Of a change that needs a second person, or not, and has this ruling.
ChangeState state_of(bool needs_second_person, const std::optional<Ruling>& ruling);

template <typename Of, typename Body>
struct Change {
  ChangeId id;
  Of of;                                  // what was changed
  std::int64_t version = 0;               // of that, after it
  Principal by;
  UtcTime at{};
  std::string reason;
  Body body;
  bool needs_second_person = false;
  std::optional<Ruling> ruling;

  [[nodiscard]] ChangeState state() const { return state_of(needs_second_person, ruling); }
  friend bool operator==(const Change&, const Change&) = default;
};

/// Conflict, NOT_PENDING: nobody waits for a ruling on it.
Result<void> is_pending(const ChangeId& id, ChangeState state);

}  // namespace hansa::domain
