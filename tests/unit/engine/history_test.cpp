// SPDX-License-Identifier: Apache-2.0
// Random small histories: sites that fall silent, lie, lose replies, take their time; a broker that dies; a clock that steps.
// Then all is healed, and within ten minutes beyond the windows everything is known, everything is over, and nothing ran twice.
#include "broker/domain/transition.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

using namespace hansa;
using namespace hansa::engine::test;

namespace {

struct History {
  explicit History(std::uint64_t seed) : dice(seed * 7919 + 1), w(sites(), {}, seed) {}

  std::vector<SiteOptions> sites() {
    std::vector<SiteOptions> all;
    for (const char* id : {"alpha", "beta"}) {
      SiteOptions site{.id = id, .cores = static_cast<std::int32_t>(1 + dice.below(4))};
      site.budget = {.queries_per_minute = static_cast<std::int32_t>(4 + dice.below(8)),
                     .concurrent_calls = static_cast<std::int32_t>(1 + dice.below(4)),
                     .waiting_jobs = static_cast<std::int32_t>(1 + dice.below(5))};
      site.cluster.visibility_lag = Milliseconds{dice.below(3) * 10'000};
      site.cluster.accounting_lag = Milliseconds{dice.below(3) * 20'000};
      site.cluster.min_job_age = dice.one_in(4) ? 10s : 300s;
      site.skew = Milliseconds{static_cast<std::int64_t>(dice.below(120)) * 1000 - 60'000};
      all.push_back(std::move(site));
    }
    return all;
  }

  std::string any_site() { return dice.one_in(2) ? "alpha" : "beta"; }

  void disturb() {
    auto& faults = w.site(any_site()).faults;
    switch (dice.below(11)) {
      case 0: faults.silent = !faults.silent; break;
      case 1: faults.down = !faults.down; break;
      case 2: faults.garbage = !faults.garbage; break;
      case 3: faults.history_off = !faults.history_off; break;
      case 4: faults.lose_submit_replies += 1; break;
      case 5: faults.submit_delay = Milliseconds{dice.below(400) * 1000}; break;
      case 6: faults.refuse = faults.refuse ? std::nullopt : std::optional<std::string>("not today"); break;
      case 7: faults.latency = Milliseconds{dice.below(70) * 1000}; break;
      case 8: w.restart(); break;
      case 9:
        w.gate().die_at_write = w.gate().writes + 1 + static_cast<std::int64_t>(dice.below(4));
        w.gate().die_before = dice.one_in(2);
        break;
      case 10: w.gate().full = !w.gate().full; break;
    }
  }

  void live(Milliseconds time) {
    const auto end = w.time.now_monotonic() + time;
    while (w.time.now_monotonic() < end) {
      w.advance(end - w.time.now_monotonic());
      if (w.dead()) w.restart();
    }
  }

  void submit() {
    Wish wish{.behaviour = "run=" + std::to_string(1 + dice.below(90)) + "s" + (dice.one_in(5) ? " exit=1" : ""), .limit = 120s};
    if (dice.one_in(4)) wish.sites = {any_site()};
    wish.key = "key-" + std::to_string(++keys);
    for (int tries = 0; tries < 3; ++tries) {
      const auto accepted = w.try_submit({wish});
      if (accepted) {
        ids.push_back(accepted->jobs[0].id);
        return;
      }
      if (w.dead())
        w.restart();
      else
        w.gate().full = false;
    }
  }

  void play() {
    for (int step = 0; step < 12; ++step) {
      if (dice.one_in(2)) submit();
      if (dice.one_in(2)) disturb();
      if (dice.one_in(6) && !ids.empty()) (void)w.ask(w.engine().cancel(ids[dice.below(ids.size())], Principal("local:alice")));
      if (w.dead()) w.restart();
      live(Milliseconds{dice.below(120) * 1000});
    }
    for (const char* id : {"alpha", "beta"}) w.site(id).faults = {};
    w.gate().full = false;
    w.gate().die_at_write.reset();
  }

  void check() {
    // The client's death, the window, one resend of each kind and ten minutes; then what was refused may still be avoided for a
    // while.
    live(60s + 180s + 600s);
    for (const auto& id : ids) {
      const auto job = w.job(id);
      if (const auto* attempt = job.live_attempt()) CHECK_FALSE(attempt->unknown_since);
    }
    live(2h);
    for (const auto& id : ids) {
      const auto job = w.job(id);
      INFO("job " << id.str() << " is " << to_string(job.state) << " " << job.reason.code << ": " << job.reason.message);
      CHECK(domain::is_terminal(job.state));
      for (const auto& attempt : job.attempts) CHECK(w.payload_runs(id, attempt.number) <= 1);
      if (job.state == JobState::succeeded) CHECK(w.payload_runs(id) == 1);
      CHECK(w.payload_runs(id) <= 1);
      if (job.state == JobState::rejected) CHECK(w.payload_runs(id) == 0);
      // A twin starts its wrapper, which meets the fence: that is booked as well.
      std::set<SiteJobId> twins;
      for (const auto& sighting : w.events_of<domain::SightingQuarantined>(id)) twins.insert(sighting.site_job_id);
      const auto usage = w.usage(id);
      CHECK(std::ranges::count_if(usage, [&](const auto& record) {
              return record.started_at.has_value() && !twins.contains(record.site_job_id);
            }) == w.payload_runs(id));
      const auto replayed = domain::replay(id, job.epoch, w.events(id));
      REQUIRE(replayed);
      CHECK(*replayed == job);
    }
    w.check_budgets();
    for (const auto& id : ids) {
      for (const auto& event : w.events(id)) {
        seen[std::string(event_name(event.body))]++;
        const auto* bound = std::get_if<domain::AttemptBound>(&event.body);
        if (bound != nullptr && bound->adopted) seen["adopted"]++;
      }
    }
  }

  std::map<std::string, int> seen;
  simulation::SeededRandom dice;
  World w;
  std::vector<JobId> ids;
  int keys = 0;
};

}  // namespace

TEST_CASE("whatever happens, jobs run once and everything is known in the end", "[engine][histories]") {
  const auto* chosen = std::getenv("HANSA_SEED");
  const std::uint64_t first = chosen == nullptr ? 1 : std::strtoull(chosen, nullptr, 10);
  const auto* many = std::getenv("HANSA_SEEDS");
  const std::uint64_t last = chosen != nullptr ? first : many != nullptr ? std::strtoull(many, nullptr, 10) : 200;
  std::map<std::string, int> seen;
  for (auto seed = first; seed <= last; ++seed) {
    INFO("HANSA_SEED=" << seed);
    History history(seed);
    history.play();
    history.check();
    for (const auto& [what, times] : history.seen) seen[what] += times;
  }
  if (chosen != nullptr || last < 100) return;
  // Many histories in which nothing goes wrong prove nothing.
  for (const auto* what : {"adopted", "attempt_resent", "attempt_sealed", "attempt_unknown", "attempt_seen_again",
                           "cancel_resolved", "held", "rejected"}) {
    INFO(what << " " << seen[what] << " times");
    CHECK(seen[what] >= static_cast<int>(last / 40));
  }
}
