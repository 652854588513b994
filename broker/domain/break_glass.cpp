// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/break_glass.hpp"

#include "broker/core/time_text.hpp"

#include <algorithm>
#include <array>

namespace hansa::domain {
namespace {

constexpr std::array<std::string_view, 4> kGlassStates{"pending", "rejected", "open", "ended"};
constexpr std::string_view kJobScope = "job:", kPersonScope = "person:";
constexpr std::size_t kLongestScope = 512;

std::unexpected<Error> bad_scope(std::string_view text) {
  return fail(ErrorKind::invalid_argument, "BAD_SCOPE",
              "\"" + std::string(text.substr(0, 80)) +
                  "\" is nothing that can be opened: job:ID of one job, person:NAME of all of a "
                  "person's");
}

}  // namespace

std::string BreakGlassScope::str() const {
  return job ? std::string(kJobScope) + job->str() : std::string(kPersonScope) + person.str();
}

Result<BreakGlassScope> parse_break_glass_scope(std::string_view text) {
  BreakGlassScope scope;
  if (text.starts_with(kJobScope)) {
    scope.job = JobId::parse(text.substr(kJobScope.size()));
    if (scope.job) return scope;
  } else if (text.starts_with(kPersonScope) && text.size() <= kLongestScope) {
    const auto name = text.substr(kPersonScope.size());
    const auto colon = name.find(':');
    const bool plain = std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7F; });
    if (!name.empty() && plain && colon != 0 && colon != name.size() - 1) {
      scope.person = Principal(colon == std::string_view::npos ? "local:" + std::string(name) : std::string(name));
      return scope;
    }
  }
  return bad_scope(text);
}

std::string_view to_string(BreakGlassState state) { return kGlassStates[static_cast<std::size_t>(state)]; }
std::span<const std::string_view> break_glass_states() { return kGlassStates; }

std::optional<BreakGlassState> parse_break_glass_state(std::string_view text) {
  const auto found = std::ranges::find(kGlassStates, text);
  if (found == kGlassStates.end()) return std::nullopt;
  return static_cast<BreakGlassState>(found - kGlassStates.begin());
}

Seconds left_of(const BreakGlass& glass, UtcTime now) {
  if (glass.state != BreakGlassState::open || !glass.until) return Seconds{0};
  const auto latest = std::max({now, glass.seen_at.value_or(now), glass.ruled_at.value_or(now)});
  const auto left = std::chrono::floor<Seconds>(*glass.until - latest);
  return std::clamp(left, Seconds{0}, glass.lasts);
}

Result<void> may_be_ruled(const BreakGlass& glass, UtcTime now) {
  const auto refused = [&](const std::string& why) {
    return fail(ErrorKind::conflict, "NOT_PENDING", "break-glass " + glass.id.str() + " waits for nobody: " + why);
  };
  if (glass.state != BreakGlassState::pending) return refused("it is " + std::string(to_string(glass.state)));
  if (now - glass.at > kBreakGlassWaits)
    return refused("it was asked for at " + format_utc(glass.at) + ", more than a day ago; ask again if there is still need");
  return {};
}

std::string personal_text(const BreakGlass& glass) {
  Json text{{"by", glass.by.str()}, {"person", glass.scope.person.str()}, {"reason", glass.reason}, {"scope", glass.scope.str()}};
  if (!glass.ruled_by.empty()) text["ruled_by"] = glass.ruled_by.str();
  if (!glass.ended_by.empty()) text["ended_by"] = glass.ended_by.str();
  return canonical_json(text);
}

}  // namespace hansa::domain
