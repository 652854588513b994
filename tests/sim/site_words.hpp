// SPDX-License-Identifier: Apache-2.0
#pragma once
// What sites have said of themselves, of us and of people, and what must not be asked of them after that. Its own reading of
// every error: it uses nothing of the broker's.
//
// The invariants I20, I21, I27, I28 and I29 (auditor.hpp).

#include "broker/domain/event.hpp"
#include "simulation/virtual_scheduler.hpp"
#include "tests/bottle/gate.hpp"
#include "tests/sim/played_site.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hansa::sim {

class SiteWords {
 public:
  SiteWords(const simulation::VirtualScheduler& time, std::map<std::string, PlayedSite>& sites, Complain complain)
      : time_(time), sites_(sites), complain_(std::move(complain)) {}

  void life_begins(int process);
  void calling(const bottle::Call& call);
  void answered(const std::string& site, int process, std::string_view what, const Error* error);
  /// The broker is told that the way there has come about again: it may probe at once.
  void way_is_back(const std::string& site) { silences_[site].at_once = true; }

  void rules_told(const std::string& site, int process, const std::string& rules);
  /// Those that the broker's own rules are asked with.
  void facts_changed() { vetoes_.clear(); }
  void vetoed(const std::string& site, int process, const JobId& job);

  /// What a look at the site has told; it counts once it is durable, or somebody was told so.
  void looked_over(const std::string& site, std::vector<domain::Finding> findings);
  void look_failed(const std::string& site) { looks_.erase(site); }
  void look_acknowledged(const std::string& site);
  void site_recorded(const domain::SiteState& state);
  void disk_changed(bool full);
  /// From now on what somebody was told need not be durable.
  void store_may_refuse() { told_is_kept_ = false; }

  /// Of a job as it was before.
  void recorded(const domain::Job& job, const domain::EventBody& body);

 private:
  void count_silence(const std::string& site, std::string_view what, bool silent);
  void check_goes(const domain::Job& job, const domain::AttemptIntended& intent);
  void check_knows(const domain::Job& job, const domain::EventBody& body);

  /// What a process has heard from a site: the last calls in a row that had no answer.
  struct Silence {
    int failures = 0;
    bool probing = false;                             // by a call that began after it was left alone
    bool at_once = false;
    MonotonicTime since{};                            // of the last one that counted, or of the last probe
    Milliseconds pause{0};                            // that the next probe must wait at least
  };
  /// The site's own end had too much of one kind of call.
  struct Slowed {
    MonotonicTime noted_at{}, until{};
    Milliseconds pause{0};
    int at_that_moment = 0;                           // calls that had left already
  };
  struct Veto {
    MonotonicTime since{};
    std::string rules;                                // of the site, as the broker knew them
  };
  struct Look {
    std::vector<domain::Finding> findings;
    UtcTime at{};
    MonotonicTime known_since{};
  };

  const simulation::VirtualScheduler& time_;
  std::map<std::string, PlayedSite>& sites_;
  Complain complain_;
  int process_ = 0;
  std::map<std::string, Silence> silences_;
  std::map<std::pair<std::string, std::string>, Slowed> slowed_;  // site, kind of call
  std::map<std::string, std::string> rules_;                      // of sites, as this process was told last
  std::map<JobId, std::string> just_vetoed_;                      // and where; the broker has still to write that
  std::map<std::pair<std::string, std::string>, Veto> vetoes_;    // site, kind of job
  std::map<std::string, Look> looks_, known_;
  bool told_is_kept_ = true;
  MonotonicTime disk_well_since_{};
};

}  // namespace hansa::sim
