// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/profile.hpp"

#include "broker/core/digest.hpp"
#include "tests/unit/routing/brute_force.hpp"
#include "tests/unit/routing/random_site.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

using namespace hansa;
using namespace hansa::routing;
using namespace hansa::routing::test;

namespace {

const QueueName kMain{"main"};

std::optional<std::int64_t> start_in(const AvailabilityProfile& profile, const domain::Resources& resources, std::int64_t limit,
                                     std::int64_t from = 0, const QueueName& queue = kMain) {
  const auto start = profile.earliest_start(queue, resources, Seconds{limit}, at(from));
  return start ? std::optional(to_unix_seconds(start->at) - kNow) : std::nullopt;
}

/// Documents of any number of profiles, as a store keeps them.
struct Shelf {
  std::map<std::string, std::string> documents;
  void keep(AvailabilityProfile& profile) {
    documents.insert(profile.unstored().begin(), profile.unstored().end());
    profile.mark_stored(documents);
  }
  [[nodiscard]] FetchDocument fetch() const {
    return [this](const std::string& hash) -> Result<std::string> {
      const auto found = documents.find(hash);
      if (found == documents.end()) return fail(ErrorKind::not_found, "NO_DOCUMENT", hash);
      return found->second;
    };
  }
};

Result<AvailabilityProfile> load_text(const std::string& text) {
  const auto hash = sha256_hex(text);
  return AvailabilityProfile::load(hash, at(0), [&](const std::string&) -> Result<std::string> { return text; });
}

}  // namespace

TEST_CASE("a further job takes the first hole that the played schedule leaves") {
  auto site = SiteMaker().nodes(2, 4).queue("main").running({0}, 4, 100).waiting(want(2, 4), 50);
  const auto profile = build_profile(site.get(), at(0));
  CHECK(start_in(profile, want(1, 4), 100) == 0);
  CHECK(start_in(profile, want(1, 4), 101) == 150);
  CHECK(start_in(profile, want(1, 4), 10, 95) == 150);
  CHECK(start_in(profile, want(2, 4), 1) == 150);
  CHECK(start_in(profile, want(3, 1), 1) == std::nullopt);
  CHECK(start_in(profile, want(1, 5), 1) == std::nullopt);
  CHECK(start_in(profile, want(1, 1, 0, 1, "a100"), 1) == std::nullopt);
  CHECK(start_in(profile, want(1, 1), 1, 0, QueueName{"other"}) == std::nullopt);
}

TEST_CASE("seconds: a moment within the present second is now, the end of a job is rounded up") {
  auto site = SiteMaker().nodes(1, 4).queue("main").running({0}, 4, 100);
  site.get().running[0].expected_end += Milliseconds{1};
  const auto profile = build_profile(site.get(), at(0) + Milliseconds{900});
  CHECK(start_in(profile, want(1, 4), 10) == 101);
}

TEST_CASE("no start inside the backlog that was not played job by job") {
  auto site = SiteMaker().nodes(1, 4).queue("main").waiting(want(1, 4), 50);
  auto profile = build_profile(site.get(), at(0));
  Shelf shelf;
  shelf.keep(profile);
  auto document = *parse_json(shelf.documents[profile.hash()]);
  document["queues"][0]["backlog_s"] = {kNow + 40, kNow + 300};
  const auto loaded = load_text(canonical_json(document));
  REQUIRE(loaded);
  CHECK(start_in(*loaded, want(1, 4), 10) == 300);  // 50 without the backlog
  document["queues"][0]["backlog_s"] = {kNow + 50, kNow + 300};
  CHECK(start_in(*load_text(canonical_json(document)), want(1, 4), 10) == 50);  // still played
  document["queues"][0]["backlog_s"] = {kNow + 10, kNow + 50};
  CHECK(start_in(*load_text(canonical_json(document)), want(1, 4), 10) == 50);  // after it
}

TEST_CASE("occupy takes the room that it names, release gives it back") {
  auto profile = build_profile(SiteMaker().nodes(2, 4).queue("main").get(), at(0));
  const auto idle = profile.fleet()[0];
  const auto first = profile.occupy(Tag{"a"}, kMain, want(1, 4), Seconds{60}, at(0));
  REQUIRE(first);
  CHECK(*first == Start{at(0), {0}});
  CHECK(*profile.occupy(Tag{"b"}, kMain, want(1, 3), Seconds{30}, at(0)) == Start{at(0), {1}});
  CHECK(*profile.occupy(Tag{"c"}, kMain, want(2, 4), Seconds{10}, at(0)) == Start{at(60), {0, 1}});
  CHECK(start_in(profile, want(1, 1), 60) == 0);
  CHECK(start_in(profile, want(1, 2), 10) == 30);

  profile.release(Tag{"a"}, at(5));
  CHECK(start_in(profile, want(1, 4), 20, 5) == 5);
  CHECK(start_in(profile, want(1, 4), 61, 5) == 70);   // c still holds 60 to 70
  const auto hash = profile.hash();
  profile.release(Tag{"a"}, at(6));
  profile.release(Tag{"unknown"}, at(6));
  profile.release(Tag{"b"}, at(30));                   // over: nothing to give back
  CHECK(profile.hash() == hash);
  profile.release(Tag{"c"}, at(6));                    // cancelled before its start
  CHECK(start_in(profile, want(1, 4), 61, 5) == 5);
  CHECK_FALSE(profile.occupy(Tag{"d"}, kMain, want(3, 1), Seconds{1}, at(6)));
}

TEST_CASE("a job of its own nodes takes those that nothing is on, whole, and gives each back as it was") {
  auto site =
      SiteMaker().nodes(1, 4, 100).nodes(1, 8, 200, 2, "a100").nodes(1, 8, 200, 2, "a100").queue("main").running({0}, 1, 50);
  auto profile = build_profile(site.get(), at(0));
  const auto one_core = [](std::int32_t nodes, bool alone) {
    auto asked = want(nodes, 1);
    asked.exclusive = alone;
    return asked;
  };
  CHECK(start_in(profile, one_core(1, false), 10) == 0);
  const auto idle = profile.fleet();
  REQUIRE(profile.occupy(Tag{"whole"}, kMain, one_core(3, true), Seconds{60}, at(0)) == Start{at(50), {0, 1, 2}});
  CHECK(start_in(profile, one_core(1, false), 51) == 110);  // there is no core left, nor memory, nor GPU
  CHECK(start_in(profile, one_core(1, true), 50) == 0);     // until then two are empty
  CHECK(start_in(profile, want(1, 8, 0, 2, "a100"), 50) == 0);
  CHECK(start_in(profile, want(1, 8, 0, 2, "a100"), 51) == 110);
  const auto documents = profile.unstored();
  const auto again = AvailabilityProfile::load(
      profile.hash(), at(0), [&](const std::string& hash) -> Result<std::string> { return documents.at(hash); });
  REQUIRE(again);
  CHECK(again->earliest_start(kMain, one_core(2, true), Seconds{51}, at(0))->at == at(110));
  profile.release(Tag{"whole"}, at(10));
  for (std::size_t node = 0; node < 3; ++node)
    CHECK(profile.fleet()[node].free_at(to_unix_seconds(at(70))) == idle[node].free_at(to_unix_seconds(at(70))));
  auto large = want(1, 9);  // which no node has
  large.exclusive = true;
  CHECK_FALSE(profile.earliest_start(kMain, large, Seconds{10}, at(0)));
}

TEST_CASE("asked again and again, a profile says what its room is at that time") {
  auto profile = build_profile(SiteMaker().nodes(1, 20).queue("main").get(), at(0));
  const auto all_say = [&](std::int64_t from, std::int64_t expected) {
    for (int again = 0; again < 3; ++again) {
      for (int number = 0; number <= 20; ++number) {  // more kinds of node than it remembers; the last one is asked first
        const auto cores = number == 0 ? 20 : number;
        for (int once_more = 0; once_more < 3; ++once_more) CHECK(start_in(profile, want(1, cores), 10, from) == expected);
      }
    }
  };
  all_say(0, 0);
  REQUIRE(profile.occupy(Tag{"a"}, kMain, want(1, 20), Seconds{60}, at(0)));
  all_say(0, 60);
  profile.release(Tag{"a"}, at(5));
  all_say(5, 5);
}

TEST_CASE("work that ran in the snapshot is given back by the site's id") {
  auto site = SiteMaker().nodes(3, 4, 100).queue("main").running({0, 1}, 4, 500, 10).running({2}, 2, -9);
  site.get().running[0].shares[1] = {1, 2, {50}, 0};
  site.reservation(20, 30, {0});
  auto profile = build_profile(site.get(), at(0));
  CHECK(start_in(profile, want(1, 4), 5) == 30);       // node 2, after the grace
  profile.release(SiteJobId{"r0"}, at(3));
  CHECK(start_in(profile, want(2, 4, 100), 17, 3) == 3);
  CHECK(start_in(profile, want(2, 4, 100), 18, 3) == 30);  // the reservation stands
  profile.release(SiteJobId{"r1"}, at(3));
  CHECK(start_in(profile, want(3, 4, 100), 17, 3) == 3);
  for (std::size_t node = 0; node < 3; ++node) CHECK(profile.fleet()[node].steps().back().free == Room{4, 100, 0});
}

TEST_CASE("documents: the base is kept once, a change is small, and the profile comes back from them") {
  auto site = SiteMaker().nodes(200, 64, 1000, 2, "a100").nodes(1, 4, 0, 0, "", false).queue("main").queue("short", {0, 2, 3});
  site.get().queues[1].max_time = Seconds{60};
  site.get().queues[1].max_nodes = 2;
  site.get().queues[1].min_nodes = 2;
  site.get().queues[1].up = false;
  site.get().sees_everyone = false;
  site.running({1}, 4, 100).waiting(want(200, 64), 1000);
  auto profile = build_profile(site.get(), at(0));
  const auto base = profile.hash();
  Shelf shelf;
  shelf.keep(profile);
  CHECK(shelf.documents.size() == 1);
  CHECK(shelf.documents[base].size() < 1200);
  CHECK(profile.unstored().empty());

  profile.occupy(Tag{"a"}, kMain, want(100, 64), Seconds{60}, at(0));
  profile.occupy(Tag{"b"}, kMain, want(1, 1), Seconds{60}, at(0));
  profile.release(Tag{"a"}, at(2));
  profile.release(SiteJobId{"r0"}, at(3));
  shelf.keep(profile);
  CHECK(shelf.documents.size() == 5);
  for (const auto& [hash, text] : shelf.documents) {
    CHECK(sha256_hex(text) == hash);
    if (hash != base) CHECK(text.size() < 300);
  }
  const auto loaded = AvailabilityProfile::load(profile.hash(), at(0), shelf.fetch());
  REQUIRE(loaded);
  CHECK(loaded->facts() == profile.facts());
  CHECK(loaded->hash() == profile.hash());
  CHECK(loaded->taken_at() == profile.taken_at());
  REQUIRE(loaded->fleet().size() == profile.fleet().size());
  for (std::size_t node = 0; node < loaded->fleet().size(); ++node) CHECK(loaded->fleet()[node] == profile.fleet()[node]);
}

TEST_CASE("a site at rest gives one document, whenever it is asked") {
  auto site = SiteMaker().nodes(20, 64).queue("main").running({3}, 64, 5000);
  auto early = build_profile(site.get(), at(0));
  site.get().taken_at = at(60);
  auto late = build_profile(site.get(), at(60));
  CHECK(early.hash() == late.hash());
  CHECK(early.unstored() == late.unstored());
}

TEST_CASE("a node that empties in many steps is written in few, and never promises too much") {
  auto site = SiteMaker().nodes(1, 128).queue("main");
  for (int i = 0; i < 128; ++i) site.running({0}, 1, 100 + 500 * i);
  const auto profile = build_profile(site.get(), at(0));
  CHECK(profile.fleet()[0].steps().size() < 20);
  for (const int cores : {1, 2, 8, 20, 64, 127, 128}) {
    const auto start = start_in(profile, want(1, cores), 60);
    REQUIRE(start);
    CHECK(*start >= 100 + 500 * (cores - 1));
    CHECK(*start <= (100 + 500 * (cores - 1)) * 3 / 2 + 500);
  }
  CHECK(start_in(profile, want(1, 5), 60) == 2100);
  CHECK(start_in(profile, want(1, 128), 60) == 100 + 500 * 127);
}

TEST_CASE("a backlog that was not played is part of the document") {
  auto site = SiteMaker().nodes(1, 4).queue("main");
  for (int i = 0; i < 50; ++i) site.waiting(want(1, 4), 10 + i);
  auto profile = build_profile(site.get(), at(0), 800);
  REQUIRE(profile.facts().queues[0].backlog_from != kForever);
  Shelf shelf;
  shelf.keep(profile);
  const auto loaded = AvailabilityProfile::load(profile.hash(), at(0), shelf.fetch());
  REQUIRE(loaded);
  CHECK(loaded->facts() == profile.facts());
  CHECK(start_in(*loaded, want(1, 1), 1) == profile.facts().queues[0].backlog_until - kNow);
}

TEST_CASE("documents that are not ours are refused") {
  auto profile = build_profile(SiteMaker().nodes(2, 4).queue("main").get(), at(0));
  Shelf shelf;
  shelf.keep(profile);
  const auto good = *parse_json(shelf.documents[profile.hash()]);
  REQUIRE(load_text(canonical_json(good)));

  CHECK(AvailabilityProfile::load("00", at(0), shelf.fetch()).error().kind == ErrorKind::not_found);
  const auto wrong = [&](const std::string&) -> Result<std::string> { return canonical_json(good) + " "; };
  CHECK(AvailabilityProfile::load(profile.hash(), at(0), wrong).error().code == "BAD_DOCUMENT");
  const auto bend = [&](const char* pointer, const Json& value) {
    auto bent = good;
    bent[Json::json_pointer(pointer)] = value;
    const auto loaded = load_text(canonical_json(bent));
    INFO(pointer << " " << value);
    REQUIRE_FALSE(loaded.has_value());
    CHECK(loaded.error().kind == ErrorKind::internal);
  };
  bend("/format", "other");
  bend("/kinds", 3);
  bend("/kinds/0", 3);
  bend("/kinds/0/cores", "4");
  bend("/timelines/0", Json::array());
  bend("/timelines/0", {1, 2});
  bend("/timelines/0", {1, 2, 3, 9, 1, 2, 3, 9, 1, 2, 3});
  bend("/timelines/0", {1, 2, "3"});
  bend("/nodes/0", {0, 0, 0});
  bend("/nodes/0", {-1, 0, 0});
  bend("/nodes/0", {1'000'000'000'000, 0, 0});
  bend("/nodes/0", {2, 1, 0});
  bend("/nodes/0", {2, 0, -1});
  bend("/nodes/0", {2, 0});
  bend("/queues/0/name", 4);
  bend("/queues/0/nodes", Json::array({{0, 2}}));
  bend("/queues/0/nodes", Json::array({{1, 0}}));
  bend("/queues/0/nodes", Json::array({{0, 1}, {0, 1}}));
  bend("/queues/0/nodes", {0, 1});
  bend("/queues/0/backlog_s", {1});
  CHECK_FALSE(load_text("{").has_value());
  CHECK_FALSE(load_text("3").has_value());
  CHECK_FALSE(load_text("{}").has_value());

  const auto change = [&](const Json& adds) {
    auto bent = shelf;
    const auto text = canonical_json({{"format", "hansa-availability-change-1"}, {"after", profile.hash()}, {"adds", adds}});
    bent.documents[sha256_hex(text)] = text;
    return AvailabilityProfile::load(sha256_hex(text), at(0), bent.fetch()).has_value();
  };
  const auto nodes = [](int first, int last) { return Json::array({Json::array({first, last})}); };
  const Json add{{"nodes", nodes(0, 1)}, {"from_s", 1}, {"until_s", 2}, {"cores", 1}, {"memory_mib", 0}, {"gpus", 0}};
  CHECK(change(Json::array({add})));
  auto beyond = add;
  beyond["nodes"] = nodes(0, 2);
  CHECK_FALSE(change(Json::array({beyond})));
  auto without = add;
  without.erase("cores");
  CHECK_FALSE(change(Json::array({without})));
}

TEST_CASE("the answer equals a search of the table, and EASY itself is never later") {
  rc::prop("earliest_start", [] {
    auto site = random_site();
    BruteForce brute(site, kNow);
    const auto profile = build_profile(site, at(0));
    domain::WaitingWork job{.id = SiteJobId{"new"},
                            .queue = kMain,
                            .resources = random_request(static_cast<std::int32_t>(site.nodes.size())),
                            .time_limit = Seconds{pick(1, 30)},
                            .priority = -1,
                            .eligible = true,
                            .eligible_at = {}};
    brute.play();
    const auto from = pick(0, 30);
    const auto hole = brute.hole(job, from);
    // More than eight steps on a node are thinned: then later, never earlier.
    std::size_t steps = 0;
    for (std::size_t node = 0; node < profile.fleet().size(); ++node) {
      steps = std::max(steps, profile.fleet()[node].steps().size());
    }
    const auto start = start_in(profile, job.resources, job.time_limit.count(), from);
    if (steps < 8) RC_ASSERT(start == hole);
    RC_ASSERT(start.has_value() == hole.has_value());
    if (start) RC_ASSERT(*start >= *hole);

    // Appended as the last in line, the job itself starts no later than predicted.
    if (site.queues.size() > 1) site.queues[0].priority_tier = 0;  // behind the other queue, too
    const auto predicted = start_in(build_profile(site, at(0)), job.resources, job.time_limit.count());
    site.waiting.push_back(job);
    const auto with_job = BruteForce(site, kNow).play();
    if (predicted) {
      RC_ASSERT(with_job.back().has_value());
      RC_ASSERT(*with_job.back() <= *predicted);
    }
  });
}

TEST_CASE("whatever is occupied and released, no node is given twice, and the documents tell the same") {
  rc::prop("occupy and release", [] {
    const auto site = random_site(5);
    auto profile = build_profile(site, at(0));
    Shelf shelf;
    const auto changes = pick(1, 12);
    std::int64_t now = 0;
    std::vector<std::string> placed;
    for (std::int32_t i = 0; i < changes; ++i) {
      now += pick(0, 3);
      if (pick(0, 2) > 0) {
        const auto tag = std::to_string(i);
        const auto resources = random_request(static_cast<std::int32_t>(site.nodes.size()));
        const auto before = profile;
        const auto asked = before.earliest_start(kMain, resources, Seconds{20}, at(now));
        const auto start = profile.occupy(Tag{tag}, kMain, resources, Seconds{20}, at(now));
        RC_ASSERT(asked == start);
        if (start) placed.push_back(tag);
      } else if (!placed.empty()) {
        profile.release(Tag{placed.back()}, at(now));
        placed.pop_back();
      }
      for (std::size_t node = 0; node < profile.fleet().size(); ++node) {
        const auto& kind = profile.facts().kinds[profile.facts().kind_of[node]];
        if (std::ranges::any_of(site.reservations,
                                [&](const auto& r) { return std::ranges::find(r.nodes, node) != r.nodes.end(); })) {
          continue;  // running work may lie under it
        }
        for (const auto& step : profile.fleet()[node].steps()) {
          RC_ASSERT(step.free.holds(Room{}));
          if (kind.usable) RC_ASSERT(kind.room.holds(step.free));
        }
      }
      if (pick(0, 1) == 0) shelf.keep(profile);
    }
    shelf.keep(profile);
    const auto loaded = AvailabilityProfile::load(profile.hash(), profile.taken_at(), shelf.fetch());
    RC_ASSERT(loaded.has_value());
    for (std::size_t node = 0; node < loaded->fleet().size(); ++node) RC_ASSERT(loaded->fleet()[node] == profile.fleet()[node]);
  });
}
