// SPDX-License-Identifier: Apache-2.0
#pragma once
// The way between the broker and one site: loses, delays, cuts and doubles what passes, at the n-th call of a kind; tells the
// auditor what leaves, and the trace what is answered.

#include "tests/bottle/forwarding.hpp"
#include "tests/sim/auditor.hpp"
#include "tests/sim/trace.hpp"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace hansa::sim {

/// What the wires of one site share over all lives of the broker.
struct WireState {
  std::map<std::string, int> calls;                         // of each kind so far
  std::map<std::pair<std::string, int>, const Item*> faults;  // kind, n -> what happens
  std::multiset<What> windows;                              // faults of the site that are on
};

struct WireParts {
  simulation::VirtualScheduler& time;
  Trace& trace;
  Auditor& auditor;
  std::array<std::int64_t, kKinds>& fired;
  int process;                                              // which life of the broker
  Milliseconds call_timeout, submit_timeout;                // the broker's
  std::function<void(const Item&, const Principal& person)> struck;  // by a fault that goes on
};

std::unique_ptr<ports::SiteConnector> wired(std::unique_ptr<ports::SiteConnector> inner, std::string site, WireState& state,
                                            WireParts parts);

}  // namespace hansa::sim
