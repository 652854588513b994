// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/decide.hpp"

#include "broker/core/digest.hpp"
#include "policies/routing/replay.hpp"
#include "tests/unit/routing/random_site.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <deque>

using namespace hansa;
using namespace hansa::routing;
using namespace hansa::routing::test;
using domain::Obstacle;

namespace {

/// Sites with their profiles, and a job; borrowed by the input it makes.
class Federation {
 public:
  struct Member {
    domain::Site site;
    domain::SiteState state;
    std::optional<AvailabilityProfile> profile;
    SiteView view;
  };

  Member& add(const std::string& id, std::optional<domain::SiteSnapshot> snapshot = std::nullopt) {
    auto& member = members_.emplace_back();
    member.site.id = SiteId{id};
    member.site.country = "FI";
    member.site.budget.waiting_jobs = 5;
    member.state.id = member.site.id;
    if (snapshot) {
      member.profile = build_profile(*snapshot, at(0));
      member.state.health = domain::SiteHealth::up;
    }
    return member;
  }
  [[nodiscard]] DecisionInput input(std::int64_t now = 0) {
    DecisionInput input{.spec = spec, .now = at(now), .sites = {}};
    for (auto& member : members_) {
      member.view.site = &member.site;
      member.view.state = &member.state;
      member.view.profile = member.profile ? &*member.profile : nullptr;
      input.sites.push_back(member.view);
    }
    return input;
  }
  domain::Decision decide(std::int64_t now = 0) { return routing::decide(input(now)); }
  Member& member(std::size_t index) { return members_[index]; }
  Member& member(const SiteId& id) {
    return *std::ranges::find_if(members_, [&](const Member& member) { return member.site.id == id; });
  }

  domain::JobSpec spec{.name = {}, .project = {}, .resources = want(1, 1), .time_limit = Seconds{600}, .placement = {}};

 private:
  std::deque<Member> members_;
};

SiteMaker plain() { return SiteMaker().nodes(2, 16, 64'000).queue("main"); }

}  // namespace

TEST_CASE("every refusal: its code, its obstacle, what was needed and seen, and what becomes of the job") {
  struct Case {
    std::string code;
    Obstacle obstacle;
    std::string message;
    std::function<void(Federation&)> bend;
    domain::SiteSnapshot site = plain().get();
  };
  auto small_queues = plain().queue("big");
  small_queues.get().queues[0].max_time = Seconds{60};
  small_queues.get().queues[1].max_time = Seconds{300};
  auto limits = plain();
  limits.get().queues[0].max_nodes = 1;
  auto least = plain();
  least.get().queues[0].min_nodes = 2;
  const auto gpus = SiteMaker().nodes(2, 16, 1000).nodes(1, 16, 1000, 4, "a100").nodes(1, 16, 1000, 2, "h100").queue("gpu").get();
  auto closed = plain();
  closed.get().queues[0].up = false;
  const auto half = SiteMaker().nodes(1, 16).nodes(3, 16, 0, 0, "", false).queue("main").get();
  const auto none = [](Federation&) {};
  const auto ask = [](domain::Resources resources) { return [=](Federation& f) { f.spec.resources = resources; }; };

  const std::vector<Case> cases{
      {"NOT_REQUESTED", Obstacle::permanent, "the job asks for country SE; this site is in FI (job)",
       [](Federation& f) { f.spec.placement.countries = {"SE"}; }},
      {"NO_ACCOUNT", Obstacle::permanent, "no account of this person at this site (configuration)",
       [](Federation& f) { f.member(0).view.no_account = domain::Reason{}; }},
      {"PROJECT_UNKNOWN", Obstacle::permanent, "alpha knows no project x (configuration)",
       [](Federation& f) { f.member(0).view.no_account = domain::Reason{"PROJECT_UNKNOWN", "alpha knows no project x"}; }},
      {"NO_ALLOCATION", Obstacle::temporary, "project x has none at alpha (configuration)",
       [](Federation& f) {
         f.member(0).view.no_account = domain::Reason{std::string(kNoAllocation), "project x has none at alpha"};
       }},
      {"TIME_LIMIT_TOO_LONG", Obstacle::permanent,
       "needs 10m; queue \"main\" allows 1m; nor can its other queue hold it (snapshot, 20s old)", none, small_queues.get()},
      {"NODE_COUNT_NOT_ALLOWED", Obstacle::permanent, "needs 2 nodes; queue \"main\" allows at most 1 a job (snapshot, 20s old)",
       ask(want(2, 1)), limits.get()},
      {"NODE_COUNT_NOT_ALLOWED", Obstacle::permanent,
       "needs 1 node; queue \"main\" takes only jobs of at least 2 (snapshot, 20s old)", none, least.get()},
      {"NO_SUCH_GPU", Obstacle::permanent, "needs GPUs; queue \"main\": it has no GPUs (snapshot, 20s old)",
       ask(want(1, 1, 0, 1))},
      {"NO_SUCH_GPU", Obstacle::permanent,
       "needs GPUs of model a10; queue \"gpu\": it has a100, h100 (did you mean \"a100\"?) (snapshot, 20s old)",
       ask(want(1, 1, 0, 1, "a10")), gpus},
      {"TOO_FEW_GPUS", Obstacle::permanent,
       "needs 3 h100 GPUs on one node; no node of queue \"gpu\" has more than 2 (snapshot, 20s old)",
       ask(want(1, 1, 0, 3, "h100")), gpus},
      {"TOO_FEW_GPUS", Obstacle::permanent,
       "needs 5 GPUs on one node; no node of queue \"gpu\" has more than 4 (snapshot, 20s old)", ask(want(1, 1, 0, 5)), gpus},
      {"TOO_FEW_CORES", Obstacle::permanent,
       "needs 64 cores on one node; no node of queue \"main\" has more than 16 (snapshot, 20s old)", ask(want(1, 64))},
      {"TOO_LITTLE_MEMORY", Obstacle::permanent,
       "needs 65000 MiB (63 GiB) on one node; no node of queue \"main\" has more than 64000 MiB (62 GiB) (snapshot, 20s old)",
       ask(want(1, 1, 65'000))},
      {"TOO_FEW_NODES", Obstacle::permanent,
       "needs 3 nodes with 16 cores and 2048 MiB each; queue \"main\" has 2 such, of 2 nodes in all (snapshot, 20s old)",
       ask(want(3, 16, 2048))},
      {"TOO_FEW_NODES", Obstacle::permanent,
       "needs 2 nodes with 1 core, 10 MiB and 1 a100 GPU each; queue \"gpu\" has 1 such, of 4 nodes in all (snapshot, 20s old)",
       ask(want(2, 1, 10, 1, "a100")), gpus},
      {"SITE_UNFIT", Obstacle::temporary, "CLOCK: 2m ahead of ours (doctor, 27s old)",
       [](Federation& f) { f.member(0).view.found = Found{.what = "CLOCK: 2m ahead of ours", .at = at(-7)}; }},
      {"SITE_DRAINED", Obstacle::temporary, "an operator of the broker lets it take no new jobs: new cooling (site state)",
       [](Federation& f) {
         f.member(0).state.drained = true;
         f.member(0).state.drain_reason = "new cooling";
       }},
      {"SITE_DOWN", Obstacle::temporary, "the site does not answer: connection refused (site state, 12s old)",
       [](Federation& f) {
         f.member(0).state.health = domain::SiteHealth::down;
         f.member(0).state.last_error.message = "connection refused";
         f.member(0).state.last_failure = at(8);
       }},
      {"NO_SNAPSHOT", Obstacle::temporary, "the site has not been seen since the broker started (site state)",
       [](Federation& f) { f.member(0).profile.reset(); }},
      {"SNAPSHOT_STALE", Obstacle::temporary,
       "what is known of its queues is 20s old; at most 19s is trusted (snapshot, 20s old)",
       [](Federation& f) { f.member(0).view.freshness = Seconds{19}; }},
      {"BUDGET_FULL", Obstacle::temporary, "5 jobs of this broker already waiting there; the site allows 5 (configuration)",
       [](Federation& f) { f.member(0).view.our_waiting = 5; }},
      {"QUEUE_DOWN", Obstacle::temporary, "queue \"main\" is closed and starts nothing now (snapshot, 20s old)", none,
       closed.get()},
      {"QUEUE_DOWN", Obstacle::temporary, "the site shows no queue (snapshot, 20s old)", none, SiteMaker().nodes(1, 4).get()},
      {"TOO_FEW_NODES", Obstacle::temporary,
       "needs 2 nodes with 16 cores each; of the 4 such nodes of queue \"main\" only 1 is in service now (snapshot, 20s old)",
       ask(want(2, 16)), half},
  };
  for (const auto& one : cases) {
    INFO(one.code << ": " << one.message);
    Federation federation;
    federation.add("alpha", one.site);
    one.bend(federation);
    const auto decision = federation.decide(20);
    REQUIRE(decision.verdicts.size() == 1);
    const auto& verdict = decision.verdicts[0];
    CHECK(verdict.code == one.code);
    CHECK(verdict.obstacle == one.obstacle);
    CHECK(verdict.message == one.message);
    CHECK_FALSE(verdict.wait);
    CHECK(verdict.message.find(verdict.source) != std::string::npos);
    CHECK_FALSE(decision.chosen);
    CHECK(placing(decision) == (one.obstacle == Obstacle::permanent ? Placing::rejected : Placing::held));
    CHECK(decision.reason.code == (one.obstacle == Obstacle::permanent ? kNoSiteEver : kNoSiteNow));
    CHECK(decision.reason.message.find("alpha " + one.code) != std::string::npos);

    Federation unbent;  // the same site takes a job that asks for nothing unusual
    unbent.add("alpha", plain().get());
    CHECK(unbent.decide(20).verdicts[0].code == "OK");
  }
}

TEST_CASE("a site that the job asks for and the broker has not holds the job, and is told beside the others") {
  Federation federation;
  federation.add("alpha", plain().get());
  federation.add("gamma", plain().get());
  federation.spec.placement.sites = {SiteId{"gone"}, SiteId{"beta"}};
  const auto decision = federation.decide(20);
  std::vector<std::string> told;
  for (const auto& verdict : decision.verdicts) told.push_back(verdict.site.str() + " " + verdict.code + " " + verdict.message);
  CHECK(told == std::vector<std::string>{"alpha NOT_REQUESTED the job asks for gone, beta (job)",
                                         "beta SITE_UNKNOWN the broker no longer has a site of this name; until it has, the job "
                                         "waits or is cancelled (configuration)",
                                         "gamma NOT_REQUESTED the job asks for gone, beta (job)",
                                         "gone SITE_UNKNOWN the broker no longer has a site of this name; until it has, the job "
                                         "waits or is cancelled (configuration)"});
  CHECK(placing(decision) == Placing::held);
  federation.spec.placement.sites.emplace_back("alpha");
  CHECK(federation.decide(20).chosen == SiteId{"alpha"});
}

TEST_CASE("just enough is enough: each limit passes at its value") {
  auto site = SiteMaker().nodes(2, 16, 1000, 4, "a100").queue("main");
  auto& queue = site.get().queues[0];
  queue.max_time = Seconds{600};
  queue.max_nodes = 2;
  queue.min_nodes = 2;
  Federation federation;
  auto& alpha = federation.add("alpha", site.get());
  federation.spec.resources = want(2, 16, 1000, 4, "a100");
  federation.spec.placement = {{SiteId{"alpha"}}, {"FI", "SE"}};
  alpha.view.our_waiting = 4;
  alpha.view.freshness = Seconds{20};
  const auto decision = federation.decide(20);
  CHECK(decision.verdicts[0].code == "OK");
  CHECK(decision.chosen == SiteId{"alpha"});
  CHECK(placing(decision) == Placing::placed);
}

TEST_CASE("what can never change is said before what can") {
  Federation federation;
  auto& alpha = federation.add("alpha", plain().get());
  federation.spec.resources = want(1, 64);
  alpha.state.drained = true;
  alpha.state.health = domain::SiteHealth::down;
  alpha.view.freshness = Seconds{1};
  CHECK(federation.decide(600).verdicts[0].code == "TOO_FEW_CORES");
  federation.spec.resources = want(1, 1);
  CHECK(federation.decide(600).verdicts[0].code == "SITE_DRAINED");
  alpha.state.drained = false;
  CHECK(federation.decide(600).verdicts[0].code == "SITE_DOWN");
  alpha.state.health = domain::SiteHealth::up;
  CHECK(federation.decide(600).verdicts[0].code == "SNAPSHOT_STALE");
}

TEST_CASE("one temporary obstacle holds the job, all permanent ones reject it, no site at all holds it") {
  Federation federation;
  CHECK(placing(federation.decide()) == Placing::held);
  federation.add("alpha", plain().get());
  federation.add("beta");
  federation.spec.resources = want(1, 64);
  const auto held = federation.decide();
  CHECK(placing(held) == Placing::held);
  CHECK(held.reason.message == "no site can take it now: alpha TOO_FEW_CORES, beta NO_SNAPSHOT");
  federation.member(1).profile = build_profile(plain().get(), at(0));
  const auto rejected = federation.decide();
  CHECK(placing(rejected) == Placing::rejected);
  CHECK(rejected.reason.message == "no site could ever take it: alpha TOO_FEW_CORES, beta TOO_FEW_CORES");
}

TEST_CASE("what nothing but an allocation stands in the way of is said as it is") {
  Federation federation;
  federation.add("alpha", plain().get()).view.no_account = domain::Reason{"ALLOCATION_SPENT", "nothing is left"};
  const auto spent = federation.decide();
  CHECK(placing(spent) == Placing::held);
  CHECK(spent.verdicts[0].message == "nothing is left (allocations)");
  CHECK(spent.reason.code == "ALLOCATION_SPENT");
  CHECK(spent.reason.message == "site alpha: nothing is left (allocations)");
  federation.add("beta", plain().get()).state.drained = true;
  CHECK(federation.decide().reason.code == kNoSiteNow);
}

TEST_CASE("jobs of a person who is shut out wait with that reason") {
  Federation federation;
  federation.add("alpha", plain().get()).view.no_account = domain::Reason{"PERSON_REVOKED", "local:eve is shut out"};
  const auto held = federation.decide();
  CHECK(placing(held) == Placing::held);
  CHECK(held.reason.code == "PERSON_REVOKED");
  federation.add("beta", plain().get()).view.no_account = domain::Reason{"NO_ACCOUNT", "not mapped"};
  CHECK(federation.decide().reason.code == "PERSON_REVOKED");
}

TEST_CASE("of a site's queues the earliest takes it, then the default, then the first by name") {
  auto site = SiteMaker().nodes(3, 4).queue("main", {0}).queue("b", {1}).queue("a", {2});
  const auto queue_for = [&](domain::SiteSnapshot snapshot) {
    Federation federation;
    federation.add("alpha", std::move(snapshot));
    return federation.decide().queue.str();
  };
  CHECK(queue_for(site.get()) == "main");
  site.running({0}, 4, 100);
  CHECK(queue_for(site.get()) == "a");
  site.running({2}, 4, 50).running({1}, 4, 40);
  CHECK(queue_for(site.get()) == "b");
  site.get().queues[1].up = false;
  CHECK(queue_for(site.get()) == "a");
}

TEST_CASE("the earliest predicted start wins, and the reason says why") {
  Federation federation;
  federation.add("beta", SiteMaker().nodes(1, 4).queue("main").running({0}, 4, 240).get());
  federation.add("alpha", SiteMaker().nodes(1, 4).queue("main").running({0}, 4, 250).get());
  auto decision = federation.decide(10);
  CHECK(decision.chosen == SiteId{"beta"});
  CHECK(decision.queue == QueueName{"main"});
  CHECK(decision.at == at(10));
  CHECK(decision.reason ==
        domain::Reason{"EARLIEST_START", "earliest predicted start: in 3m50s, at beta (queue main); next alpha in 4m"});
  REQUIRE(decision.verdicts.size() == 2);
  CHECK(decision.verdicts[0].site == SiteId{"alpha"});
  CHECK(decision.verdicts[0].wait == Seconds{240});
  CHECK(decision.verdicts[1].message == "predicted to start in 3m50s in queue \"main\" (snapshot, 10s old)");
  CHECK(decision.verdicts[1].method == "queue played forward (EASY)");
  CHECK(decision.verdicts[1].snapshot_hash == federation.member(0).profile->hash());

  for (std::size_t i = 0; i < 2; ++i) federation.member(i).view.freshness = Seconds{600};
  federation.member(0).state.drained = true;
  CHECK(federation.decide(250).reason.message ==
        "earliest predicted start: now, at alpha (queue main); no other site can take it now");
  federation.member(0).state.drained = false;
  decision = federation.decide(250);
  CHECK(decision.chosen == SiteId{"alpha"});
  CHECK(decision.reason.message == "earliest predicted start: now, at alpha (queue main); beta as early, site names decide");
}

namespace {

domain::Correction past(std::int64_t p50_ppm, std::int64_t p90_ppm) {
  return {.likeness = domain::Likeness::size, .count = 20, .p50_ppm = p50_ppm, .p90_ppm = p90_ppm};
}

/// What past waits say, whatever is asked of them.
Outlook outlook_of(const domain::Correction& correction) {
  Outlook outlook;
  outlook.corrections.fill(correction);
  return outlook;
}

}  // namespace

TEST_CASE("waits are ranges, corrected by how past ones turned out, and the corrected ones are compared") {
  Federation federation;
  federation.add("alpha", SiteMaker().nodes(1, 4).queue("main").running({0}, 4, 1000).get());
  federation.add("beta", SiteMaker().nodes(1, 4).queue("main").running({0}, 4, 1200).get());
  CHECK(federation.decide().chosen == SiteId{"alpha"});
  federation.member(1).view.outlook = outlook_of(past(500'000, 2'000'000));
  const auto decision = federation.decide();
  CHECK(decision.chosen == SiteId{"beta"});
  CHECK(decision.reason.message == "earliest predicted start: in 9m30s (up to 41m), at beta (queue main); next alpha in 16m40s");
  const auto& verdict = decision.verdicts[1];
  CHECK(verdict.basis == domain::Basis::queue);
  CHECK(verdict.predicted == Seconds{1200});
  CHECK(verdict.wait == Seconds{570});
  CHECK(verdict.wait_p90 == Seconds{2460});
  CHECK(verdict.correction == past(500'000, 2'000'000));
  CHECK(verdict.message == "predicted to start in 9m30s (up to 41m) in queue \"main\" (snapshot, 0s old)");
}

TEST_CASE("a site that hides other people's jobs is judged by what is known of ours there, and is last while nothing is") {
  auto site = plain().running({0, 1}, 16, 86'400);
  site.get().running.back().id = {};  // hidden from us, but for the room that it takes
  site.get().sees_everyone = false;
  Federation federation;
  federation.add("alpha", site.get());
  federation.add("beta", SiteMaker().nodes(1, 4).queue("main").running({0}, 4, 86'400).get());
  auto decision = federation.decide();
  CHECK(decision.chosen == SiteId{"beta"});
  CHECK(decision.reason.message == "earliest predicted start: in 1d, at beta (queue main); next alpha, nobody can say when");
  CHECK(decision.verdicts[0].obstacle == Obstacle::none);
  CHECK(decision.verdicts[0].basis == domain::Basis::none);
  CHECK_FALSE(decision.verdicts[0].wait);
  CHECK(decision.verdicts[0].method == "other people's jobs are hidden, and too few of ours have started there");

  federation.member(0).view.outlook = outlook_of(past(60'000'000, 90'000'000));
  decision = federation.decide();
  CHECK(decision.chosen == SiteId{"alpha"});
  CHECK(decision.verdicts[0].basis == domain::Basis::history);
  CHECK(decision.verdicts[0].wait == Seconds{59 * 60});
  CHECK(decision.verdicts[0].wait_p90 == Seconds{89 * 60});
  CHECK(decision.verdicts[0].method == "other people's jobs are hidden; how long ours have waited there");

  federation.member(0).view.outlook = {};
  federation.member(0).view.outlook.scheduler_says = Seconds{7200};
  decision = federation.decide();
  CHECK(decision.verdicts[0].basis == domain::Basis::scheduler);
  CHECK(decision.verdicts[0].wait == Seconds{7200});
  CHECK(decision.verdicts[0].method == "other people's jobs are hidden; the scheduler's word on ours that wait there");

  federation.member(0).view.outlook = {};
  federation.member(1).state.drained = true;
  decision = federation.decide();
  CHECK(decision.chosen == SiteId{"alpha"});
  CHECK(decision.reason.message ==
        "no start is predicted: nobody can say when, at alpha (queue main); no other site can take it now");
}

TEST_CASE(
    "where other people's jobs are hidden, room beside what they have is a start, but for one of ours that waits for no more") {
  auto site = plain();
  site.get().sees_everyone = false;
  Federation federation;
  federation.add("alpha", site.get());
  auto decision = federation.decide();
  CHECK(decision.verdicts[0].basis == domain::Basis::room);
  CHECK(decision.verdicts[0].wait == Seconds{0});
  CHECK(domain::starts_at_once(decision.verdicts[0]));
  CHECK(decision.verdicts[0].method == "other people's jobs are hidden; beside what they have there is room now");
  federation.member(0).view.outlook.ours_first = true;
  decision = federation.decide();
  CHECK(decision.verdicts[0].basis == domain::Basis::none);
  CHECK_FALSE(domain::starts_at_once(decision.verdicts[0]));
}

TEST_CASE("a queue that is too long to be played to its end says so") {
  auto site = plain();
  Federation federation;
  federation.add("alpha", site.get());
  for (int i = 0; i < 50; ++i) site.waiting(want(2, 16), 10 + i);
  federation.member(0).profile = build_profile(site.get(), at(0), 800);
  CHECK(federation.decide().verdicts[0].method == "queue played forward (EASY), its far end as a whole");
}

TEST_CASE("300 equal jobs spread over idle sites of 16, 8 and 2 cores as their cores do") {
  Federation federation;
  federation.add("alpha", SiteMaker().nodes(4, 4).queue("main").get());
  federation.add("beta", SiteMaker().nodes(2, 4).queue("main").get());
  federation.add("gamma", SiteMaker().nodes(1, 2).queue("main").get());
  std::map<std::string, int> jobs;
  for (int i = 0; i < 300; ++i) {
    const auto decision = federation.decide();
    REQUIRE(decision.chosen);
    ++jobs[decision.chosen->str()];
    const auto& spec = federation.spec;
    REQUIRE(federation.member(*decision.chosen)
                .profile->occupy(Tag{std::to_string(i)}, decision.queue, spec.resources, spec.time_limit, at(0)));
  }
  CHECK(jobs["alpha"] == 11 * 16 + 14);  // 300 = 11 * 26 + 14, and the last round begins with alpha
  CHECK(jobs["beta"] == 11 * 8);
  CHECK(jobs["gamma"] == 11 * 2);
}

namespace {

/// A random federation of up to four sites in random states.
void fill(Federation& federation) {
  const auto count = pick(0, 4);
  for (std::int32_t i = 0; i < count; ++i) {
    auto snapshot = random_site(5);
    snapshot.sees_everyone = pick(0, 2) > 0;
    auto& member = pick(0, 5) == 0 ? federation.add("site-" + std::to_string(i))
                                   : federation.add("site-" + std::to_string(i), std::move(snapshot));
    if (pick(0, 7) == 0) member.state.drained = true;
    if (pick(0, 7) == 0) {
      member.state.health = domain::SiteHealth::down;
      member.state.last_error = {"X", "no route"};
      if (pick(0, 1) == 0) member.state.last_failure = at(-3);
    }
    if (pick(0, 7) == 0) member.view.no_account = domain::Reason{"NO_ACCOUNT", "not mapped"};
    if (pick(0, 7) == 0) member.view.found = Found{.what = "ROOM: none", .at = at(-pick(0, 90))};
    member.view.our_waiting = pick(0, 5);
    for (auto& correction : member.view.outlook.corrections) {
      if (pick(0, 1) == 0) correction = past(pick(1, 100'000'000), pick(1, 100'000'000));
    }
    if (pick(0, 3) == 0) member.view.outlook.scheduler_says = Seconds{pick(0, 100'000)};
    member.site.country = pick(0, 1) == 0 ? "FI" : "SE";
  }
  federation.spec.resources = pick(0, 3) == 0 ? random_request(2) : want(1, pick(1, 2));
  federation.spec.time_limit = Seconds{pick(1, 40)};
  if (pick(0, 3) == 0) federation.spec.placement.countries = {"SE"};
}

FetchDocument from(domain::Documents documents) {
  return [documents = std::move(documents)](const std::string& hash) -> Result<std::string> {
    const auto found = documents.find(hash);
    if (found == documents.end()) return fail(ErrorKind::not_found, "NO_DOCUMENT", hash);
    return found->second;
  };
}

}  // namespace

TEST_CASE("determinism and replay") {
  rc::prop("the order of the sites does not matter", [] {
    Federation federation;
    fill(federation);
    auto input = federation.input(5);
    const auto decision = routing::decide(input);
    for (int i = 0; i < 3 && !input.sites.empty(); ++i) {
      const auto turn = pick(0, static_cast<std::int32_t>(input.sites.size()) - 1);
      std::ranges::rotate(input.sites, input.sites.begin() + turn);
      std::swap(input.sites.front(), input.sites.back());
      RC_ASSERT(routing::decide(input) == decision);
    }
    RC_CLASSIFY(placing(decision) == Placing::placed, "placed");
  });
  rc::prop("the stored input and documents give the same decision, bit for bit", [] {
    Federation federation;
    fill(federation);
    domain::Documents documents;
    const auto jobs = pick(1, 6);
    for (std::int32_t i = 0; i < jobs; ++i) {
      const auto input = federation.input(i);
      auto decision = routing::decide(input);
      for (std::size_t s = 0; s < input.sites.size(); ++s) {
        const auto& profile = federation.member(s).profile;
        if (profile) documents.insert(profile->unstored().begin(), profile->unstored().end());
      }
      const auto text = input_document(input);
      decision.input_hash = sha256_hex(text);
      documents.emplace(decision.input_hash, text);
      const auto again = replay(federation.spec, decision.input_hash, from(documents));
      RC_ASSERT(again.has_value());
      RC_ASSERT(canonical_json(domain::to_json(*again)) == canonical_json(domain::to_json(decision)));
      if (!decision.chosen) continue;
      federation.member(*decision.chosen)
          .profile->occupy(Tag{std::to_string(i)}, decision.queue, federation.spec.resources, federation.spec.time_limit, at(i));
    }
  });
}

TEST_CASE("an input that cannot be read is an error, and a missing document is the fetcher's") {
  Federation federation;
  federation.add("alpha", plain().get());
  const auto good = parse_json(input_document(federation.input())).value();
  const auto refusal = [&](const Json& input) {
    const auto text = canonical_json(input);
    const auto again = replay(federation.spec, sha256_hex(text), from({{sha256_hex(text), text}}));
    return again ? "" : again.error().code;
  };
  CHECK(refusal(good) == "NO_DOCUMENT");  // of the profile
  for (const char* field : {"/at_ms", "/sites/0/id", "/sites/0/health", "/sites/0/snapshot_taken_at_ms", "/sites/0/budget"}) {
    INFO(field);
    auto bent = good;
    bent[Json::json_pointer(field)] = Json::array();
    CHECK(refusal(bent) == "BAD_STORED_JSON");
  }
  auto bent = good;
  bent["sites"] = 3;
  CHECK(refusal(bent) == "BAD_STORED_JSON");
  CHECK(refusal(Json(3)) == "BAD_STORED_JSON");
  CHECK(replay(federation.spec, sha256_hex("x"), from({})).error().code == "NO_DOCUMENT");
  CHECK(replay(federation.spec, sha256_hex("x"), from({{sha256_hex("x"), "y"}})).error().code == "BAD_DOCUMENT");
  CHECK(replay(federation.spec, sha256_hex("x"), from({{sha256_hex("x"), "x"}})).error().code == "BAD_DOCUMENT");
}
