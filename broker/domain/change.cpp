// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/change.hpp"

#include <algorithm>
#include <array>

namespace hansa::domain {
namespace {

constexpr std::array<std::string_view, 4> kStates{"applied", "pending", "approved", "rejected"};

}  // namespace

std::string_view to_string(ChangeState state) { return kStates[static_cast<std::size_t>(state)]; }

std::optional<ChangeState> parse_change_state(std::string_view text) {
  const auto found = std::ranges::find(kStates, text);
  if (found == kStates.end()) return std::nullopt;
  return static_cast<ChangeState>(found - kStates.begin());
}

ChangeState state_of(bool needs_second_person, const std::optional<Ruling>& ruling) {
  if (!needs_second_person) return ChangeState::applied;
  if (!ruling) return ChangeState::pending;
  return ruling->approved ? ChangeState::approved : ChangeState::rejected;
}

Result<void> is_pending(const ChangeId& id, ChangeState state) {
  if (state == ChangeState::pending) return {};
  return fail(ErrorKind::conflict, "NOT_PENDING",
              "change " + id.str() + " waits for nobody: it is " + std::string(to_string(state)));
}

}  // namespace hansa::domain
