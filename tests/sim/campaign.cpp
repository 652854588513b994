// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/campaign.hpp"

#include "tests/sim/profiles.hpp"

#include <algorithm>
#include <iomanip>
#include <ostream>

namespace hansa::sim {

namespace {

constexpr std::int64_t kEachFault = 100, kEachPoint = 25, kPoints = 40;

using Rows = std::vector<std::pair<std::string, std::int64_t>>;

void table(std::ostream& out, const std::string& title, const Rows& rows) {
  out << title << '\n';
  for (std::size_t i = 0; i < rows.size(); ++i) {
    out << "  " << std::left << std::setw(28) << rows[i].first << std::right << std::setw(8) << rows[i].second;
    if (i % 3 == 2 || i + 1 == rows.size()) out << '\n';
  }
}

std::string command(std::uint64_t seed, const Mistake* mistake) {
  return "./dev sim --seed " + std::to_string(seed) + " --verbose" + (mistake == nullptr ? "" : " --planted " + mistake->name);
}

void tell_failure(std::ostream& out, const Plan& plan, const Played& outcome, const Mistake* mistake) {
  out << "seed " << plan.seed << " fails:\n";
  for (const auto& violation : outcome.violations) out << "  " << violation << '\n';
  const auto needed = shrink(plan, mistake);
  out << "replay it: " << command(plan.seed, mistake) << "\nthe faults that it needs:\n";
  for (const auto& item : needed.items) {
    if (is_fault(item.what)) out << "  " << item.describe() << '\n';
  }
  out << "and what people do:\n";
  for (const auto& item : needed.items) {
    if (!is_fault(item.what)) out << "  " << item.describe() << '\n';
  }
}

}  // namespace

void Counts::add(const Counts& o) {
  for (const auto& [point, n] : o.deaths) deaths[point] += n;
  for (const auto& [profile, n] : o.profiles) profiles[profile] += n;
  virtual_time += o.virtual_time;
  steps += o.steps, site_calls += o.site_calls, writes += o.writes, jobs += o.jobs, payloads += o.payloads, lives += o.lives;
  left_to_people += o.left_to_people;
  arrays += o.arrays, tasks += o.tasks, exclusive += o.exclusive, variants += o.variants;
  task_cancels += o.task_cancels, taken_back += o.taken_back;
  moves_begun += o.moves_begun, moves_made += o.moves_made, transfers_made += o.transfers_made;
}

Played play_twice(const Plan& plan, const Mistake* mistake) {
  auto first = play(plan, nullptr, mistake);
  if (!first.violations.empty()) return first;
  const auto second = play(plan, nullptr, mistake);
  if (second.trace != first.trace) first.violations.emplace_back("I14: the same seed gave two histories");
  return first;
}

Plan shrink(Plan plan, const Mistake* mistake) {
  const auto fails = [&](const Plan& p) { return !play_twice(p, mistake).violations.empty(); };
  // Halves, quarters, ... single ones; what people do comes last, so that the story stays one.
  for (const bool faults : {true, false}) {
    for (auto size = plan.items.size(); size >= 1; size /= 2) {
      for (std::size_t from = 0; from < plan.items.size();) {
        Plan without = plan;
        without.items.clear();
        for (std::size_t i = 0; i < plan.items.size(); ++i) {
          if (i < from || i >= from + size || is_fault(plan.items[i].what) != faults) without.items.push_back(plan.items[i]);
        }
        if (without.items.size() < plan.items.size() && fails(without))
          plan = std::move(without);
        else
          from += size;
      }
    }
  }
  return plan;
}

int Campaign::run() {
  if (one) return play_one(*one);
  return planted.empty() ? play_all() : find_planted();
}

int Campaign::play_one(std::uint64_t seed) {
  const Mistake* mistake = nullptr;
  for (const auto& m : mistakes()) {
    if (m.name == planted) mistake = &m;
  }
  const auto plan = make_plan(seed);
  const auto outcome = play(plan, verbose ? &out : nullptr, mistake);
  const auto twice = play_twice(plan, mistake);
  out << "seed " << seed << ": " << outcome.counts.jobs << " jobs, " << outcome.counts.lives << " lives, " << outcome.counts.steps
      << " steps, " << outcome.counts.virtual_time.count() / 1000 << " virtual s, trace " << std::hex << outcome.trace << std::dec
      << '\n';
  if (twice.violations.empty()) return 0;
  tell_failure(out, plan, twice, mistake);
  return 1;
}

int Campaign::play_all() {
  Counts sums;
  std::array<std::int64_t, kKinds> fired{};
  std::int64_t failures = 0;
  for (std::uint64_t seed = from; seed < from + seeds; ++seed) {
    const auto plan = make_plan(seed);
    const auto outcome = play_twice(plan, nullptr);
    sums.add(outcome.counts);
    for (std::size_t i = 0; i < fired.size(); ++i) fired[i] += outcome.fired[i];
    if (outcome.violations.empty()) continue;
    if (++failures <= 3)
      tell_failure(out, plan, outcome, nullptr);
    else
      out << "seed " << seed << " fails: " << outcome.violations.front() << '\n';
    out.flush();
  }
  Rows doings, faults;
  std::int64_t injected = 0;
  for (int i = 0; i < kKinds; ++i) {
    const auto what = static_cast<What>(i);
    const auto n = fired[static_cast<std::size_t>(i)];
    (is_fault(what) ? faults : doings).emplace_back(to_string(what), n);
    if (is_fault(what)) injected += n;
  }
  const Rows points(sums.deaths.begin(), sums.deaths.end());
  table(out, "what people did", doings);
  table(out, "sites, by the kind of connector whose faults they had", {sums.profiles.begin(), sums.profiles.end()});
  table(out, "faults, by kind", faults);
  table(out, "deaths, by the point at which the process died", points);
  const auto often = std::ranges::count_if(points, [](const auto& p) { return p.second >= kEachPoint; });
  out << seeds << " seeds, each played twice: " << failures << " violated an invariant\n"
      << injected << " faults injected; " << points.size() << " crash points, " << often << " of them " << kEachPoint
      << " times or more\n"
      << sums.jobs << " jobs, " << sums.payloads << " payloads, " << sums.site_calls << " site calls, " << sums.writes
      << " writes, " << sums.lives << " lives of the broker, " << sums.steps << " steps, "
      << sums.virtual_time.count() / 3'600'000 << " virtual hours; " << sums.left_to_people
      << " jobs that only a person could end\n"
      << sums.arrays << " of the jobs were arrays, " << sums.tasks << " of the payloads tasks, " << sums.task_cancels
      << " of them cancelled alone; " << sums.exclusive << " payloads had nodes of their own, " << sums.variants
      << " submissions a variant; " << sums.taken_back << " jobs taken back\n"
      << sums.moves_begun << " moves begun, " << sums.moves_made << " made; " << sums.transfers_made << " datasets brought\n";
  bool covered = true;
  if (check_coverage) {
    const auto require = [&](bool holds, const std::string& what) {
      if (!holds) out << "not covered: " << what << '\n';
      covered = covered && holds;
    };
    const auto at_least = [&](std::int64_t n, std::int64_t of_2000, const std::string& what) {
      require(n * 2'000 >= of_2000 * static_cast<std::int64_t>(seeds), std::to_string(n) + " " + what);
    };
    for (const auto& [kind, n] : faults) at_least(n, kEachFault, "times fault " + kind);
    for (const auto profile : kProfiles) at_least(sums.profiles[std::string(profile)], 300, "sites as " + std::string(profile));
    require(often >= kPoints, std::to_string(often) + " crash points often enough");
    at_least(sums.moves_made, 20, "moves made");
    at_least(sums.arrays, 500, "arrays");
    require(sums.tasks >= 3 * sums.arrays / 2, std::to_string(sums.tasks) + " tasks run");
    at_least(sums.task_cancels, 200, "tasks cancelled alone");
    at_least(sums.exclusive, 200, "payloads with nodes of their own");
    at_least(sums.variants, 200, "submissions with a variant");
    at_least(sums.taken_back, 20, "jobs taken back");
    at_least(sums.transfers_made, 200, "datasets brought");
    at_least(injected, 60'000, "faults");
  }
  return failures == 0 && covered ? 0 : 1;
}

int Campaign::find_planted() {
  int missed = 0;
  for (const auto& mistake : mistakes()) {
    if (planted != "all" && planted != mistake.name) continue;
    std::uint64_t tried = 0;
    std::string found;
    for (std::uint64_t seed = from; seed < from + seeds && found.empty(); ++seed) {
      ++tried;
      const auto outcome = play_twice(make_plan(seed), &mistake);
      if (!outcome.violations.empty()) found = outcome.violations.front();
    }
    if (found.empty()) ++missed;
    out << std::left << std::setw(26) << mistake.name << std::right << std::setw(6) << tried << "  "
        << (found.empty() ? "NOT FOUND" : found.substr(0, found.find(' '))) << "  " << mistake.what << std::endl;
    if (planted != "all" && !found.empty()) out << "  " << found << '\n';
  }
  return missed == 0 ? 0 : 1;
}

}  // namespace hansa::sim
