// SPDX-License-Identifier: Apache-2.0
#pragma once
// What everything in a play shares: its clock and agenda, the sites and the ways to them, the books, and the broker that lives
// now.

#include "tests/bottle/process.hpp"
#include "tests/sim/auditor.hpp"
#include "tests/sim/play.hpp"
#include "tests/sim/trace.hpp"
#include "tests/sim/wire.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace hansa::sim {

struct World {
  World(const Plan& p, std::ostream* log, const Mistake* mistake)
      : plan(p),
        wrongs(mistake == nullptr ? Wrongs{} : mistake->make()),
        random(p.seed),
        trace(time, log),
        auditor(time, sites) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] const std::string& site_of(const Item& item) const {
    return plan.sites[static_cast<std::size_t>(item.site) % plan.sites.size()].id;
  }
  void fired(What what) { ++played.fired[static_cast<std::size_t>(what)]; }
  [[nodiscard]] bool happened(What what) const { return played.fired[static_cast<std::size_t>(what)] > 0; }
  [[nodiscard]] bool failed() const { return !auditor.violations().empty(); }

  void at(MonotonicTime when, std::function<void()> what) { agenda.emplace(std::pair{when, planned++}, std::move(what)); }
  /// When the fault is over. All that is to be over is so at the latest when the plan is.
  void later(const Item& item, std::function<void()> end) {
    const auto now = time.now_monotonic();
    at(std::min(now + item.lasts, std::max(MonotonicTime{plan.length}, now)), std::move(end));
  }

  const Plan& plan;
  Wrongs wrongs;
  Played played;
  simulation::VirtualScheduler time;
  simulation::SeededRandom random;
  Trace trace;
  std::map<std::string, PlayedSite> sites;
  Auditor auditor;
  std::map<std::string, WireState> wires;
  std::map<std::pair<MonotonicTime, std::int64_t>, std::function<void()>> agenda;
  std::int64_t planned = 0;
  bottle::Process* process = nullptr;  // null: it is dead
};

}  // namespace hansa::sim
