// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/report.hpp"
#include "broker/ledger/suppression.hpp"
#include "broker/store/reports.hpp"
#include "broker/store/usage_query.hpp"

#include <algorithm>
#include <map>

namespace hansa::store {
namespace {

using ports::Dimension;

constexpr std::size_t kMostGroups = 5'000;  // what is left out is looked for anew after each that is

using Keys = std::vector<std::string>;

/// Who used what, by group. Of a run whose personal part is gone nobody is known: it makes no group larger.
Result<std::map<Keys, std::set<std::uint64_t>>> persons_of(Connection& db, const ports::ReportQuery& query) {
  std::map<Keys, std::set<std::uint64_t>> groups;
  std::map<std::string, std::uint64_t> numbers;
  auto taken = each_sum_of_records(db, query, {kOwnerOfRun}, [&](Keys keys, const Used&) -> Result<void> {
    const auto owner = std::move(keys.back());
    keys.pop_back();
    auto& persons = groups[std::move(keys)];
    if (groups.size() > kMostGroups) {
      return fail(ErrorKind::invalid_argument, "TOO_MANY_GROUPS",
                  "a report for a third party has at most " + std::to_string(kMostGroups) +
                      " groups: take a shorter time, or sum by something coarser");
    }
    if (!owner.empty()) persons.insert(numbers.try_emplace(owner, numbers.size()).first->second);
    return {};
  });
  if (!taken) return std::unexpected(taken.error());
  return groups;
}

std::unexpected<Error> refused(std::string why) {
  return fail(ErrorKind::invalid_argument, "NOT_FOR_THIRD_PARTY", std::move(why));
}

}  // namespace

Result<std::set<Keys>> groups_withheld(Connection& db, const std::string& name, const ports::ReportQuery& query) {
  const auto& by = query.by;
  const bool is_clearing = name == "clearing";
  if (by.empty() || by.size() > 2 || query.owner || std::ranges::find(by, Dimension::person) != by.end())
    return refused(
        "a report for a third party is of everybody's runs (operators and auditors make it; of a project who leads it, of a site "
        "its operator), by one or two things, and not by person");
  const auto pair = {Dimension::centre, Dimension::home};
  if (is_clearing && !std::ranges::is_permutation(by, pair)) return refused("clearing for a third party is by centre,home");
  const auto groups = persons_of(db, query);
  if (!groups) return std::unexpected(groups.error());
  std::vector<ledger::TableCell> cells;
  for (const auto& [keys, persons] : *groups)
    cells.push_back({.row = keys.front(), .column = keys.size() > 1 ? keys.back() : "", .persons = persons});
  const auto told = ledger::suppress_small_cells(cells);
  std::set<Keys> withheld;
  std::size_t at = 0;
  for (const auto& [keys, persons] : *groups) {
    if (!told.cells[at++]) continue;
    withheld.insert(keys);
    if (is_clearing) withheld.insert({keys.back(), keys.front()});  // what the one gave, the other took
  }
  return withheld;
}

}  // namespace hansa::store
