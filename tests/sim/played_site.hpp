// SPDX-License-Identifier: Apache-2.0
#pragma once
// A site of the play, shared by everything in it.

#include "connectors/model/model_connector.hpp"
#include "tests/sim/plan.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace hansa::sim {

struct PlayedSite {
  SitePlan plan;
  domain::LoadBudget budget;                          // in force
  std::shared_ptr<connectors::model::ModelSite> model;
  std::set<DatasetId> whole = {};                     // that lie there, every byte
  std::set<std::int64_t> strangers = {};              // serials of jobs that only carry one of our names
  bool drained = false;                               // acknowledged by the broker
  MonotonicTime drained_at{};
  bool suspended = false;                             // in the register: the rules let nothing go there
  MonotonicTime suspended_at{};
  std::multiset<std::string> lapsed = {};             // whose credentials have ended
  std::map<std::string, MonotonicTime> lapsed_at = {};
};

/// Where the books say what must not be: the invariant, and what it was.
using Complain = std::function<void(std::string_view invariant, const std::string& text)>;

}  // namespace hansa::sim
