// SPDX-License-Identifier: Apache-2.0
#pragma once
// What befalls sites, and the ways to them.

#include "tests/sim/world.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace hansa::sim {

class Mishaps {
 public:
  explicit Mishaps(World& world) : world_(world) {}
  /// Makes the model sites of the plan.
  void build_sites();
  /// A fault of the way: at the n-th call.
  void arm(const Item& item);
  void begin(const Item& item);
  /// A call has left for the site.
  void calling(const bottle::Call& call);
  /// A fault of the way has struck, which goes on; `person` asked.
  void struck(const std::string& site, const Item& item, const Principal& person);
  void heal();

 private:
  using Which = std::function<bool(const connectors::model::ClusterJob&)>;

  void again_soon(const Item& item);
  void window(const Item& item, PlayedSite& site);
  void apply(PlayedSite& site, const Item& item);
  void apply_own_end(PlayedSite& site, const Item& item);
  void submitted(const std::string& id);
  const connectors::model::ClusterJob* pick(PlayedSite& site, int n, const Which& which);
  void hold_tasks(const Item& item, PlayedSite& site);
  void lapse(const Item& item, PlayedSite& site, const std::string& person);
  void borrow_name(const Item& item, PlayedSite& site);
  void alter(const Item* item, PlayedSite& site, connectors::model::ClusterRequest& request);

  World& world_;
  std::map<std::string, int> submits_;
  std::map<std::string, std::vector<const Item*>> after_submit_;  // controllers that die after the n-th one
  std::map<std::string, std::vector<const Item*>> altering_;      // by site; the last one counts
  int site_rules_ = 0;                                            // versions so far
};

}  // namespace hansa::sim
