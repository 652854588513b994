// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/lapses.hpp"

#include <algorithm>

namespace hansa::engine {

namespace {

constexpr Milliseconds kFirstHold{60'000};
constexpr Milliseconds kLongestHold{300'000};  // somebody logs in again, and waits for their jobs
constexpr Milliseconds kFreedLately{600'000};   // several rounds
constexpr std::string_view kTooEarly = "CREDENTIAL_ENDS_TOO_EARLY";

}  // namespace

Lapses::Lapse* Lapses::find(const SiteId& site, const Principal& person) {
  const auto theirs = lapses_.find(person);
  if (theirs == lapses_.end()) return nullptr;
  const auto at = theirs->second.find(site);
  return at == theirs->second.end() ? nullptr : &at->second;
}

void Lapses::met(const SiteId& site, const Principal& person, Seconds time_limit, domain::Reason reason, MonotonicTime now) {
  const bool any_time = reason.code != kTooEarly;
  auto& lapse = lapses_[person][site];
  if (lapse.until > now) {  // several were under way when it began
    if (any_time) lapse.reason = std::move(reason);
    lapse.least_time_limit = any_time ? Seconds{0} : std::min(lapse.least_time_limit, time_limit);
    return;
  }
  lapse.until = now + std::min(kFirstHold * (1 << std::min(lapse.tries, 6)), kLongestHold);
  lapse.least_time_limit = any_time ? Seconds{0} : time_limit;
  lapse.reason = std::move(reason);
  ++lapse.tries;
}

const domain::Reason* Lapses::holds(const SiteId& site, const Principal& person, Seconds time_limit, MonotonicTime now) const {
  const auto theirs = lapses_.find(person);
  if (theirs == lapses_.end()) return nullptr;
  const auto at = theirs->second.find(site);
  if (at == theirs->second.end() || time_limit < at->second.least_time_limit) return nullptr;
  return now < at->second.until || at->second.trying ? &at->second.reason : nullptr;
}

void Lapses::sets_out(const SiteId& site, const Principal& person, Seconds time_limit, const JobId& id) {
  auto* lapse = find(site, person);
  if (lapse != nullptr && !lapse->trying && time_limit >= lapse->least_time_limit) lapse->trying = id;
}

void Lapses::is_back(const SiteId& site, const Principal& person, const JobId& id) {
  auto* lapse = find(site, person);
  if (lapse != nullptr && lapse->trying == id) lapse->trying.reset();
}

bool Lapses::login_good(const SiteId& site, const Principal& person, std::optional<Seconds> time_limit, MonotonicTime now) {
  std::erase_if(freed_, [&](const auto& entry) { return entry.second + kFreedLately <= now; });
  const auto* lapse = find(site, person);
  if (lapse == nullptr || time_limit.value_or(Seconds{0}) < lapse->least_time_limit) return false;
  auto& theirs = lapses_[person];
  theirs.erase(site);
  if (theirs.empty()) lapses_.erase(person);
  freed_.insert_or_assign(person, now);
  return true;
}

bool Lapses::changed(const Principal& person, MonotonicTime before, MonotonicTime now) const {
  if (const auto at = freed_.find(person); at != freed_.end() && before <= at->second) return true;
  const auto theirs = lapses_.find(person);
  return theirs != lapses_.end() && std::ranges::any_of(theirs->second, [&](const auto& entry) {
           return !entry.second.trying && before < entry.second.until && entry.second.until <= now;
         });
}

std::optional<MonotonicTime> Lapses::next(MonotonicTime now) const {
  std::optional<MonotonicTime> next;
  for (const auto& [person, theirs] : lapses_) {
    for (const auto& [site, lapse] : theirs) {
      if (lapse.until > now) next = std::min(next.value_or(lapse.until), lapse.until);
    }
  }
  return next;
}

}  // namespace hansa::engine
