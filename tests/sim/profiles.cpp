// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/profiles.hpp"

#include "tests/sim/draw.hpp"

#include <algorithm>
#include <string>

namespace hansa::sim {

using namespace std::chrono_literals;

namespace {

struct NthCall {
  const char* call;
  int at_most;  // calls that are rare come early in the count
};

/// The profile of one site.
class Profile {
 public:
  Profile(Draw& draw, Plan& plan, int site) : draw_(draw), plan_(plan), site_(site) {}

  void slurm() {
    constexpr NthCall kSubmit[] = {{"submit", 5}};
    calls(draw_.between(1, 2), What::reply_lost, kSubmit, 55s);
    for (int i = draw_.between(1, 2); i > 0; --i)
      add({.what = What::history_purged, .at = draw_.time(1min, plan_.length), .n = draw_.between(1, 10)});
    here().forgets_unstarted = draw_.one_in(2);
  }
  void slurmrest() {
    constexpr NthCall kCalls[] = {{"submit", 5}, {"submit", 3}, {"status", 16}, {"find", 3}, {"cancel", 2}, {"usage", 4}};
    calls(draw_.between(2, 4), What::gateway_timeout, kCalls, 2s);
    calls(draw_.between(2, 4), What::errors_in_200, kCalls, 2s);
  }
  void pbs() {
    constexpr NthCall kLists[] = {{"status", 24}, {"status", 8}, {"find", 3}};
    add({.what = What::history_off, .at = draw_.time(0s, plan_.length / 2), .lasts = draw_.time(1min, plan_.length)});
    calls(draw_.between(3, 6), What::record_lost, kLists, 2s);
    if (draw_.one_in(2)) here().cluster.min_job_age = 5s;
  }
  void agent() {
    constexpr NthCall kCalls[] = {{"submit", 4}, {"submit", 2}, {"status", 16}, {"cancel", 2}, {"seal", 2}};
    calls(draw_.between(1, 3), What::cable_cut, kCalls, 180s);
    if (draw_.one_in(2)) spell(What::site_vetoes);
    if (draw_.one_in(2)) spell(What::over_budget);
  }
  void certificate() {
    constexpr NthCall kSubmit[] = {{"submit", 4}};
    here().persons = true;
    here().budget.queries_per_minute = std::max(here().budget.queries_per_minute, 10);
    for (int i = draw_.between(1, 3); i > 0; --i) spell(What::login_lapses);
    calls(draw_.between(1, 2), What::login_cut, kSubmit, 240s);
  }
  void arrays() {
    constexpr int kRuns[] = {5, 20, 60};
    const int tasks = draw_.between(3, 8);
    Item sent{.what = What::submit,
              .at = draw_.time(0s, plan_.length / 2),
              .n = 6'000 + site_,
              .text = "run=" + std::to_string(draw_.of(kRuns)) + "s",
              .person = draw_.of(kPeople),
              .pinned = true,
              .array = "0-" + std::to_string(tasks - 1)};
    add(sent);
    for (int i = draw_.between(1, 2); i > 0; --i)
      add({.what = What::partial_start, .at = sent.at + draw_.time(1s, 60s), .lasts = draw_.time(10s, plan_.length / 3)});
    if (draw_.one_in(2)) {
      add({.what = What::cancel_tasks,
           .at = sent.at + draw_.time(1s, 120s),
           .n = sent.n,
           .count = draw_.between(1, (1 << tasks) - 1)});
    }
  }

 private:
  SitePlan& here() { return plan_.sites[static_cast<std::size_t>(site_)]; }
  void add(Item item) {
    item.site = site_;
    plan_.items.push_back(std::move(item));
  }
  void spell(What what) {
    add({.what = what,
         .at = draw_.time(0s, plan_.length * 3 / 4),
         .lasts = draw_.time(20s, plan_.length / 2),
         .n = draw_.below(4),
         .person = draw_.of(kPeople)});
  }
  template <class Calls>
  void calls(int many, What what, const Calls& list, Milliseconds longest) {
    for (; many > 0; --many) {
      const auto& [call, at_most] = draw_.of(list);
      add({.what = what, .lasts = draw_.time(1s, longest), .n = draw_.between(1, at_most), .text = call});
    }
  }

  Draw& draw_;
  Plan& plan_;
  int site_;
};

}  // namespace

void draw_profiles(Plan& plan) {
  using Play = void (Profile::*)();
  constexpr std::array<Play, kProfiles.size()> kPlays{&Profile::slurm, &Profile::slurmrest,   &Profile::pbs,
                                                      &Profile::agent, &Profile::certificate, &Profile::arrays};
  Draw draw(plan.seed ^ 0xC0'77EC'0000'0000);
  for (int site = 0; site < static_cast<int>(plan.sites.size()); ++site) {
    const auto which = static_cast<std::size_t>(draw.below(static_cast<int>(kProfiles.size())));
    plan.sites[static_cast<std::size_t>(site)].profile = kProfiles[which];
    Profile profile(draw, plan, site);
    (profile.*kPlays[which])();
  }
}

}  // namespace hansa::sim
