// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/settlement.hpp"

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>

namespace hansa::ledger {
namespace {

/// The first part of the span for which `holds` does not, of the looks at it from the newest on. Between two ends of looks every
/// second is seen by the same ones.
std::optional<std::int64_t> first_without(MonthSpan span, std::span<const Look> looks,
                                          const std::function<bool(const std::vector<const Look*>&)>& holds) {
  std::set<std::int64_t> begins{span.from_s};
  std::vector<const Look*> newest;
  for (const auto& look : looks) {
    newest.push_back(&look);
    for (const auto at : {look.from_s, look.to_s}) {
      if (span.from_s < at && at < span.to_s) begins.insert(at);
    }
  }
  std::ranges::sort(newest, std::greater{}, [](const Look* look) {
    return std::tuple(look->at_s, look->from_s, look->to_s, !look->clean, !look->saw_others);
  });
  for (const auto begin : begins) {
    std::vector<const Look*> at;
    std::ranges::copy_if(newest, std::back_inserter(at),
                         [begin](const Look* look) { return look->from_s <= begin && begin < look->to_s; });
    if (!holds(at)) return begin;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> first_unsettled(MonthSpan span, std::span<const Look> looks, std::int64_t apart_s) {
  return first_without(span, looks, [apart_s](const std::vector<const Look*>& at) {
    const auto end = std::ranges::find(at, false, &Look::clean);
    const auto clean = end - at.begin();
    return clean >= 2 && at.front()->at_s - at[static_cast<std::size_t>(clean - 1)]->at_s >= apart_s;
  });
}

std::string_view to_string(Grade grade) { return grade == Grade::a ? "A" : grade == Grade::b ? "B" : "C"; }

std::string_view describe(Grade grade) {
  switch (grade) {
    case Grade::a: return "A: signed by the site";
    case Grade::b: return "B: held against all of the site's records";
    case Grade::c: return "C: the broker's own jobs only";
  }
  return "";
}

Grade grade_of(MonthSpan span, std::span<const Look> looks, std::int64_t apart_s, bool signed_by_site) {
  if (signed_by_site) return Grade::a;
  if (first_unsettled(span, looks, apart_s)) return Grade::c;  // closed on an operator's word
  const auto hidden =
      first_without(span, looks, [](const std::vector<const Look*>& at) { return !at.empty() && at.front()->saw_others; });
  return hidden ? Grade::c : Grade::b;
}

Settled settled_at(MonthSpan span, std::span<const Look> looks, std::int64_t apart_s, std::int64_t now_s, bool signed_by_site) {
  if (now_s < span.to_s) {
    auto to = span.from_s;
    for (const auto& look : looks) {
      if (look.at_s + apart_s <= looks.front().at_s) to = std::max(to, look.to_s);
    }
    if (to > span.from_s) span.to_s = std::min(to, span.to_s);
  }
  return {.unsettled_from_s = first_unsettled(span, looks, apart_s), .grade = grade_of(span, looks, apart_s, signed_by_site)};
}

std::vector<std::size_t> deciding(MonthSpan span, std::span<const Look> looks, std::int64_t apart_s) {
  if (looks.empty()) return {};
  std::set<std::size_t> places{0};
  (void)first_without(span, looks, [&](const std::vector<const Look*>& at) {
    for (const auto* look : at) {
      places.insert(static_cast<std::size_t>(look - looks.data()));
      if (!look->clean || (look != at.front() && at.front()->at_s - look->at_s >= apart_s)) break;
    }
    return true;
  });
  std::optional<std::size_t> farthest;  // as far as a month that is not over was looked at
  for (std::size_t i = 0; i < looks.size(); ++i) {
    if (looks[i].at_s + apart_s <= looks.front().at_s && (!farthest || looks[i].to_s > looks[*farthest].to_s)) farthest = i;
  }
  if (farthest) places.insert(*farthest);
  return {places.begin(), places.end()};
}

}  // namespace hansa::ledger
