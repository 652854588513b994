// SPDX-License-Identifier: Apache-2.0
#pragma once
// Plays a plan: the real engine, routing and store on a virtual clock, with model sites, until everything has healed and is over.

#include "broker/ports/catalogue.hpp"
#include "broker/ports/transfers.hpp"
#include "tests/bottle/forwarding.hpp"
#include "tests/sim/plan.hpp"

#include <array>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace hansa::sim {

/// What makes a broker wrong: something between the engine and its ports, or another wrapper around the payload at the site. Any
/// may be empty. Made for one play, so that it may remember over the lives of its process.
struct Wrongs {
  std::function<std::unique_ptr<bottle::Stores>(std::unique_ptr<bottle::Stores>)> stores;
  std::function<std::unique_ptr<ports::SiteConnector>(std::unique_ptr<ports::SiteConnector>)> connector;
  std::function<std::unique_ptr<ports::TransferStore>(std::unique_ptr<ports::TransferStore>)> transfers;
  std::function<std::unique_ptr<ports::CatalogueStore>(std::unique_ptr<ports::CatalogueStore>)> datasets;
  connectors::model::Wrapper wrapper;
};

/// A broker with one mistake.
struct Mistake {
  std::string name;
  std::string what;  // for people
  std::function<Wrongs()> make;
};

/// What a play was made of.
struct Counts {
  std::map<std::string, std::int64_t> deaths;  // by crash point
  std::map<std::string, std::int64_t> profiles;  // sites, by the kind of their connector
  Milliseconds virtual_time{0};
  std::int64_t steps = 0, site_calls = 0, writes = 0, jobs = 0, payloads = 0, lives = 0, left_to_people = 0;
  std::int64_t arrays = 0, tasks = 0;  // of the jobs; of the payloads
  std::int64_t exclusive = 0;  // of the payloads
  std::int64_t variants = 0;  // submissions that one was settled for
  std::int64_t task_cancels = 0;  // tasks
  std::int64_t taken_back = 0;  // jobs that would have been charged to somebody else
  std::int64_t moves_begun = 0, moves_made = 0, transfers_made = 0;

  void add(const Counts& other);
};

struct Played {
  std::vector<std::string> violations;
  std::uint64_t trace = 0;
  std::array<std::int64_t, kKinds> fired{};  // faults and doings, by What
  Counts counts;
};

/// `log`: everything that happens, for people; null for none. `mistake`: null for the right broker.
Played play(const Plan& plan, std::ostream* log = nullptr, const Mistake* mistake = nullptr);

}  // namespace hansa::sim
