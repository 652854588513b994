// SPDX-License-Identifier: Apache-2.0
// What a job reads and would have to be brought: when it could start, by which way, and what is in the way.
#include "broker/core/digest.hpp"
#include "policies/routing/decide.hpp"
#include "policies/routing/replay.hpp"
#include "tests/unit/routing/sites.hpp"

#include <catch2/catch.hpp>

#include <map>

using namespace hansa;
using namespace hansa::routing;
using namespace hansa::routing::test;

namespace {

const rules::Explanation kMay{.code = rules::Code::permitted};
const rules::Explanation kMayNot{.code = rules::Code::no_permit, .sentence = "no permit covers it"};
const rules::Explanation kNobodyKnows{.code = rules::Code::evidence_missing, .sentence = "its country is not known"};

Way way(const char* from, std::int64_t per_second, const rules::Explanation* ruling = nullptr) {
  return {.from = SiteId(from), .per_second = {per_second}, .ruling = ruling};
}

MissingDataset lacks(std::size_t number, std::int64_t bytes, std::vector<Way> ways) {
  return {.number = number, .bytes = {bytes}, .under_way = false, .ruling = nullptr, .ways = std::move(ways)};
}

/// alpha and beta, each with a free node; what a job lacks there is for the test to say.
struct TwoSites {
  struct Place {
    domain::Site site;
    domain::SiteState state;
    std::optional<AvailabilityProfile> profile;
    SiteView view;
  };

  TwoSites() {
    spec.datasets = {DatasetId("d0"), DatasetId("d1"), DatasetId("d2")};
    for (const auto* id : {"alpha", "beta"}) {
      auto& place = places[SiteId(id)];
      place.site.id = place.state.id = SiteId(id);
      place.site.country = "FI";
      place.site.budget.waiting_jobs = 5;
      place.state.health = domain::SiteHealth::up;
      occupy(id, 0);
    }
  }
  /// Its node is free after that many seconds.
  void occupy(const char* id, std::int64_t seconds) {
    auto maker = SiteMaker().nodes(1, 16).queue("main");
    if (seconds > 0) maker.running({0}, 16, seconds);
    places.at(SiteId(id)).profile = build_profile(maker.get(), at(0));
  }
  MissingData& missing(const char* id) { return places.at(SiteId(id)).view.missing; }
  DecisionInput input() {
    DecisionInput input{.spec = spec, .now = at(0), .ruled = std::nullopt, .sites = {}};
    for (auto& [id, place] : places) {
      place.view.site = &place.site;
      place.view.state = &place.state;
      place.view.profile = &*place.profile;
      input.sites.push_back(place.view);
    }
    return input;
  }
  domain::Decision decide() { return routing::decide(input()); }

  domain::JobSpec spec{.name = {}, .project = {}, .resources = want(1, 16), .time_limit = Seconds{600}, .placement = {}};
  std::map<SiteId, Place> places;
};

const domain::Verdict& verdict_of(const domain::Decision& decision, const char* site) {
  return *std::ranges::find(decision.verdicts, SiteId(site), &domain::Verdict::site);
}

}  // namespace

TEST_CASE("a job starts when the queue has let it through and its data are there, whichever is later") {
  TwoSites f;
  f.missing("alpha").datasets = {lacks(0, 1000, {way("gamma", 10)})};
  f.occupy("alpha", 60);
  f.occupy("beta", 101);
  auto decision = f.decide();
  CHECK(decision.chosen == SiteId("alpha"));
  CHECK(placing(decision) == Placing::staging);
  const auto& stage = verdict_of(decision, "alpha").stage_in;
  REQUIRE(stage);
  CHECK(stage->time == Seconds{100});
  CHECK(stage->bytes == domain::Bytes{1000});
  CHECK(stage->from == std::vector<domain::StageSource>{{DatasetId("d0"), SiteId("gamma")}});
  CHECK_FALSE(stage->under_way);
  CHECK(verdict_of(decision, "alpha").wait == Seconds{60});
  CHECK(decision.reason.message.contains("once its data are there"));
  CHECK(verdict_of(decision, "alpha").message.contains("its data can be there in 1m40s (d0 from gamma)"));

  f.occupy("beta", 99);  // nothing to be brought, and earlier
  decision = f.decide();
  CHECK(decision.chosen == SiteId("beta"));
  CHECK(placing(decision) == Placing::placed);
  f.occupy("beta", 100);  // as early: site names decide
  CHECK(f.decide().chosen == SiteId("alpha"));
}

TEST_CASE("each dataset comes by its fastest open way; from one site one after the other, from several at once") {
  TwoSites f;
  auto& missing = f.missing("alpha");
  missing.datasets = {lacks(0, 1000, {way("gamma", 10), way("delta", 20), way("eps", 20)}), lacks(2, 999, {way("delta", 10)})};
  const auto stage = [&] { return verdict_of(f.decide(), "alpha").stage_in.value(); };
  CHECK(stage().time == Seconds{50 + 100});  // rounded up
  CHECK(stage().bytes == domain::Bytes{1999});
  CHECK(stage().from == std::vector<domain::StageSource>{{DatasetId("d0"), SiteId("delta")}, {DatasetId("d2"), SiteId("delta")}});

  missing.datasets[0].ways[1].not_now = domain::Reason{"UNREACHABLE", "it failed"};
  CHECK(stage().from.front().site == SiteId("eps"));
  CHECK(stage().time == Seconds{100});
  missing.datasets[0].ways[2].ruling = &kMayNot;
  CHECK(stage().from.front().site == SiteId("gamma"));
  CHECK(stage().time == Seconds{100});
  missing.datasets[0].ways[0].per_second = {0};  // a link that was never seen to carry a byte
  CHECK(stage().time == Seconds{1000});
}

TEST_CASE("what keeps data away is told: code, source, and the rules that said so") {
  TwoSites f;
  f.places.erase(SiteId("beta"));
  auto& missing = f.missing("alpha");
  missing.datasets = {lacks(0, 1000, {way("gamma", 10, &kMay)})};
  auto& dataset = missing.datasets.front();
  dataset.ruling = &kMay;
  const char* code = "OK";
  const char* source = "snapshot";
  const char* message = "";
  SECTION("nothing") {}
  SECTION("no way at all") {
    missing.no_way = domain::Reason{"NO_REPLICA", "nobody has it"};
    code = "NO_REPLICA", source = "register of datasets", message = "nobody has it";
  }
  SECTION("it may not come here") {
    dataset.ruling = &kMayNot;
    code = "RULES_DENY", source = "rules", message = "no permit covers it";
  }
  SECTION("nobody knows whether it may") {
    dataset.ruling = &kNobodyKnows;
    code = "EVIDENCE_MISSING", source = "rules", message = "its country is not known";
  }
  SECTION("it may not be taken from there") {
    dataset.ways.front().ruling = &kMayNot;
    code = "RULES_DENY", source = "rules", message = "no permit covers it";
  }
  SECTION("an obligation keeps it there") {
    dataset.ways.front().kept = domain::Reason{"OBLIGATION", "it stays there"};
    code = "OBLIGATION", source = "rules", message = "it stays there";
  }
  SECTION("it failed lately") {
    dataset.ways.front().not_now = domain::Reason{"NO_SPACE", "the folder was full"};
    code = "NO_SPACE", source = "movers", message = "the folder was full";
  }
  const auto decision = f.decide();
  const auto& verdict = verdict_of(decision, "alpha");
  CHECK(verdict.code == code);
  CHECK(verdict.source == source);
  CHECK(verdict.message.contains(message));
  const bool open = verdict.code == "OK";
  CHECK((verdict.obstacle == (open ? domain::Obstacle::none : domain::Obstacle::temporary)));
  CHECK(placing(decision) == (open ? Placing::staging : Placing::held));
  const bool by_ruling = verdict.code == "RULES_DENY" || verdict.code == "EVIDENCE_MISSING";
  CHECK(verdict.rules.has_value() == by_ruling);
}

TEST_CASE("what has been begun is finished, unless the job finds all of it elsewhere sooner") {
  TwoSites f;
  f.missing("alpha").datasets = {lacks(0, 1000, {way("gamma", 100)})};
  f.missing("beta").datasets = {lacks(0, 1000, {way("gamma", 10)})};
  CHECK(f.decide().chosen == SiteId("alpha"));
  f.missing("beta").datasets[0].under_way = true;
  CHECK(f.decide().chosen == SiteId("beta"));
  f.missing("alpha").datasets.clear();
  CHECK(f.decide().chosen == SiteId("alpha"));
  f.occupy("alpha", 1000);
  CHECK(f.decide().chosen == SiteId("beta"));
}

TEST_CASE("a decision with data to be brought is replayed from its documents") {
  TwoSites f;
  f.missing("alpha").datasets = {lacks(0, 1000, {way("gamma", 10), way("delta", 20)}), lacks(1, 5, {way("beta", 1)})};
  f.missing("alpha").datasets[1].under_way = true;
  f.missing("alpha").datasets[0].ways[1].not_now = domain::Reason{"NO_SPACE", "full"};
  f.missing("beta").datasets = {lacks(2, 7, {way("gamma", 1)})};
  SECTION("chosen") {}
  SECTION("kept where it is") { f.missing("beta").datasets[0].ways[0].kept = domain::Reason{"OBLIGATION", "it stays"}; }
  SECTION("no way") { f.missing("beta").no_way = domain::Reason{"QUOTA_BYTES", "no room"}; }
  SECTION("failed") { f.missing("beta").datasets[0].ways[0].not_now = domain::Reason{"UNREACHABLE", "it is away"}; }
  const auto input = f.input();
  auto decision = routing::decide(input);
  domain::Documents documents;
  for (const auto& [id, place] : f.places) documents.insert(place.profile->unstored().begin(), place.profile->unstored().end());
  const auto text = input_document(input);
  decision.input_hash = sha256_hex(text);
  documents.emplace(decision.input_hash, text);
  const auto again = replay(f.spec, decision.input_hash, [&](const std::string& hash) -> Result<std::string> {
    const auto found = documents.find(hash);
    return found == documents.end() ? Result<std::string>(fail(ErrorKind::not_found, "NO_DOCUMENT", hash)) : found->second;
  });
  REQUIRE(again);
  CHECK(canonical_json(domain::to_json(*again)) == canonical_json(domain::to_json(decision)));
  CHECK(again->chosen.has_value());
}
