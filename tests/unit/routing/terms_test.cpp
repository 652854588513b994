// SPDX-License-Identifier: Apache-2.0
// Which variant of a job counts at a queue, and what a site lacks of what it runs in.
#include "policies/routing/terms.hpp"

#include "broker/core/digest.hpp"
#include "policies/routing/decide.hpp"
#include "policies/routing/replay.hpp"
#include "tests/unit/routing/sites.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::routing;
using namespace hansa::routing::test;
using domain::Condition;
using domain::Variant;

namespace {

Variant variant(std::string name, Condition when, domain::Resources resources = want(1, 1)) {
  return {.name = std::move(name), .when = std::move(when), .resources = std::move(resources), .software = {}, .environment = {}};
}

/// Nodes that its scheduler calls so.
domain::SiteSnapshot machine(const std::string& architecture, std::int32_t gpus, const std::string& model,
                             const std::string& other_model = "") {
  auto made = SiteMaker().nodes(2, 16, 64'000, gpus, model);
  if (!other_model.empty()) made.nodes(2, 16, 64'000, gpus, other_model);
  auto site = made.queue("main").get();
  for (auto& node : site.nodes) node.architecture = architecture;
  return site;
}

domain::Site site_in(const std::string& country, domain::Hardware hardware = {}) {
  domain::Site site;
  site.id = SiteId{"alpha"};
  site.country = country;
  site.budget.waiting_jobs = 5;
  site.hardware = std::move(hardware);
  return site;
}

/// The variant that counts there; "-": none.
std::string chosen(const std::vector<Variant>& variants, const domain::SiteSnapshot& snapshot,
                   const domain::Site& site = site_in("FI")) {
  const auto facts = facts_of(snapshot);
  domain::JobSpec spec;
  spec.variants = variants;
  const auto terms = terms_at(site, facts, facts.queues.front(), spec);
  CHECK((terms.refusal ? terms.refusal->code : "") == (terms.variant.empty() ? "NO_VARIANT_MATCHES" : ""));
  return terms.refusal ? "-" : terms.variant;
}

}  // namespace

TEST_CASE("a condition holds of what is known of all nodes that a job could get") {
  const auto holds = [](Condition when, const domain::SiteSnapshot& snapshot, const domain::Site& site = site_in("FI")) {
    return chosen({variant("v", std::move(when))}, snapshot, site) == "v";
  };
  const auto a100 = machine("x86_64", 4, "a100");
  const auto mi250x = machine("x86_64", 4, "mi250x");
  const auto cpu = machine("aarch64", 0, "");
  const auto unnamed = machine("", 4, "");
  const auto mixed = machine("x86_64", 4, "a100", "mi250x");
  CHECK(holds({}, a100));
  CHECK(holds({}, unnamed));
  CHECK(holds({.gpu_vendor = "nvidia"}, a100));
  CHECK_FALSE(holds({.gpu_vendor = "amd"}, a100));
  CHECK(holds({.gpu_vendor = "amd"}, mi250x));
  CHECK_FALSE(holds({.gpu_vendor = "none"}, a100));
  CHECK(holds({.gpu_vendor = "none"}, cpu));
  CHECK_FALSE(holds({.gpu_vendor = "nvidia"}, cpu));
  CHECK_FALSE(holds({.gpu_vendor = "nvidia"}, unnamed));  // what nobody says
  CHECK_FALSE(holds({.architecture = "x86_64"}, unnamed));
  CHECK(holds({.architecture = "aarch64"}, cpu));
  CHECK_FALSE(holds({.architecture = "x86_64"}, cpu));
  CHECK_FALSE(holds({.gpu_vendor = "nvidia"}, mixed));  // it might get the others
  CHECK(holds({.gpu_vendor = "nvidia", .gpu_model = "a100"}, mixed));
  CHECK(holds({.gpu_model = "mi250x"}, mixed));
  CHECK_FALSE(holds({.gpu_model = "h100"}, mixed));
  CHECK(holds({.site = SiteId{"alpha"}, .country = "FI"}, a100));
  CHECK_FALSE(holds({.site = SiteId{"beta"}}, a100));
  CHECK_FALSE(holds({.country = "SE"}, a100));
  // The operator's word counts for all of its nodes.
  const auto told = site_in("FI", {.gpu_vendor = "amd", .architecture = "aarch64"});
  CHECK(holds({.gpu_vendor = "amd", .architecture = "aarch64"}, unnamed, told));
  CHECK(holds({.gpu_vendor = "amd", .architecture = "aarch64"}, a100, told));
  CHECK_FALSE(holds({.gpu_vendor = "nvidia"}, a100, told));
}

TEST_CASE("a node that has never said what it is does not speak for its queue and silence may end") {
  const auto obstacle = [](const domain::SiteSnapshot& snapshot) {
    const auto facts = facts_of(snapshot);
    domain::JobSpec spec;
    spec.variants = {variant("v", {.architecture = "aarch64"})};
    const auto terms = terms_at(site_in("FI"), facts, facts.queues.front(), spec);
    return terms.refusal ? terms.refusal->obstacle : domain::Obstacle::none;
  };
  auto site = machine("aarch64", 0, "");
  site.nodes[1].architecture = "";
  CHECK(obstacle(site) == domain::Obstacle::none);
  site.nodes[0].architecture = "x86_64";
  CHECK(obstacle(site) == domain::Obstacle::permanent);
  site.nodes[0].architecture = "";
  CHECK(obstacle(site) == domain::Obstacle::temporary);  // all of it is down since its controller started
}

TEST_CASE("the first variant that holds counts") {
  const std::vector<Variant> variants{variant("h", {.gpu_model = "h100"}), variant("n", {.gpu_vendor = "nvidia"}),
                                      variant("rest", {})};
  CHECK(chosen(variants, machine("x86_64", 4, "h100")) == "h");
  CHECK(chosen(variants, machine("x86_64", 4, "a100")) == "n");
  CHECK(chosen(variants, machine("x86_64", 0, "")) == "rest");
  CHECK(chosen({variants[0], variants[1]}, machine("x86_64", 0, "")) == "-");
}

TEST_CASE("a job goes to either kind of machine as its variant, and a queue of neither says what it has") {
  auto nvidia_site = site_in("FI");
  auto amd_site = site_in("SE", {.gpu_vendor = {}, .architecture = "aarch64", .devices_per_gpu = 2});
  amd_site.id = SiteId{"beta"};
  auto cpu_site = site_in("DE");
  cpu_site.id = SiteId{"gamma"};
  std::map<std::string, std::string> documents;
  std::vector<domain::SiteState> states(3);
  std::vector<AvailabilityProfile> profiles;
  for (const auto& snapshot : {machine("x86_64", 4, "a100"), machine("", 4, "mi250x"), machine("x86_64", 0, "")}) {
    profiles.push_back(build_profile(snapshot, at(0)));
    documents.insert(profiles.back().unstored().begin(), profiles.back().unstored().end());
  }
  DecisionInput input{.spec = {}, .now = at(0), .ruled = std::nullopt, .sites = {}};
  const domain::Site* sites[] = {&nvidia_site, &amd_site, &cpu_site};
  for (std::size_t i = 0; i < 3; ++i) {
    states[i].id = sites[i]->id;
    states[i].health = domain::SiteHealth::up;
    input.sites.push_back({.site = sites[i], .state = &states[i], .profile = &profiles[i]});
  }
  input.spec.time_limit = Seconds{600};
  input.spec.variants = {variant("nv", {.gpu_vendor = "nvidia", .architecture = "x86_64"}, want(1, 1, 0, 4)),
                         variant("am", {.gpu_vendor = "amd", .architecture = "aarch64"}, want(2, 2, 0, 8))};
  const auto decision = decide(input);
  REQUIRE(decision.verdicts.size() == 3);
  CHECK(decision.verdicts[0].variant == "nv");
  CHECK(decision.verdicts[0].message.contains("as variant \"nv\""));
  CHECK(decision.verdicts[1].code == "OK");  // eight dies on four modules
  CHECK(decision.verdicts[1].variant == "am");
  CHECK(decision.verdicts[2].code == "NO_VARIANT_MATCHES");
  CHECK(decision.verdicts[2].obstacle == domain::Obstacle::permanent);
  CHECK(decision.verdicts[2].message ==
        "none of the job's variants is for queue \"main\", which has x86_64 processors and no GPUs; they are \"nv\" for "
        "gpu_vendor nvidia, architecture x86_64; "
        "\"am\" for gpu_vendor amd, architecture aarch64 (snapshot, 0s old)");

  // What the decision was taken from gives it again, to the last byte.
  const auto text = input_document(input);
  documents.emplace(sha256_hex(text), text);
  const auto again = replay(input.spec, sha256_hex(text), [&](const std::string& hash) -> Result<std::string> {
    const auto found = documents.find(hash);
    if (found == documents.end()) return fail(ErrorKind::not_found, "NO_DOCUMENT", hash);
    return found->second;
  });
  REQUIRE(again);
  auto stored = decision;
  stored.input_hash = sha256_hex(text);
  CHECK(canonical_json(domain::to_json(*again)) == canonical_json(domain::to_json(stored)));
  CHECK(*domain::decision_from_json(domain::to_json(stored)) == stored);

  // A site whose scheduler counts dies has no room for as many again.
  amd_site.hardware.devices_per_gpu = 1;
  CHECK(decide(input).verdicts[1].code == "TOO_FEW_GPUS");
  // None matches anywhere: nothing will ever change that by itself.
  input.spec.variants = {variant("x", {.gpu_model = "h100"})};
  CHECK(placing(decide(input)) == Placing::rejected);
}

TEST_CASE("what a site does not run keeps a job away before its queues do, in the words of its profile") {
  auto site = site_in("FI");
  site.software = {.containers = true, .images = {}, .binds = {}, .modules = {"gcc", "pytorch"}};
  const domain::SiteState state{.id = site.id,
                                .health = domain::SiteHealth::up,
                                .drained = false,
                                .drain_reason = {},
                                .last_success = {},
                                .last_failure = {},
                                .last_error = {}};
  const auto profile = build_profile(machine("x86_64", 4, "a100"), at(0));
  DecisionInput input{.spec = {}, .now = at(0), .ruled = std::nullopt, .sites = {}};
  input.sites.push_back({.site = &site, .state = &state, .profile = &profile});
  input.spec.time_limit = Seconds{600};
  CHECK(decide(input).chosen);
  input.spec.software.modules = {"pytorh"};
  auto verdict = decide(input).verdicts.front();
  CHECK(verdict.code == "NO_SUCH_MODULE");
  CHECK(verdict.source == "configuration");
  CHECK(verdict.message == "this site has no module \"pytorh\" (did you mean \"pytorch\"?); it has gcc, pytorch (configuration)");
  // A variant's own software counts, not the job's.
  input.spec.variants = {variant("v", {})};
  input.spec.variants[0].software.modules = {"pytorch"};
  CHECK(decide(input).chosen);
}
TEST_CASE("what a job needs that no scheduler tells is there if somebody says so or it was found") {
  auto site = site_in("FI");
  const domain::SiteState state{.id = site.id,
                                .health = domain::SiteHealth::up,
                                .drained = false,
                                .drain_reason = {},
                                .last_success = {},
                                .last_failure = {},
                                .last_error = {}};
  const auto profile = build_profile(machine("x86_64", 4, "a100"), at(0));
  const auto queue = profile.facts().queues.front().name;
  const bool network = GENERATE(false, true);
  const std::string what(network ? domain::kOutboundNetwork : domain::kContainerRuntime);
  const std::string code = network ? "NO_OUTBOUND_NETWORK" : "NO_CONTAINER_RUNTIME";
  DecisionInput input{.spec = {}, .now = at(60), .ruled = std::nullopt, .sites = {}};
  input.sites.push_back({.site = &site, .state = &state, .profile = &profile});
  input.spec.time_limit = Seconds{600};
  if (network)
    input.spec.software.outbound = true;
  else
    input.spec.software.image = "code:x.sif";
  CHECK(needs_offers(input.spec));
  const auto verdict = [&] { return decide(input).verdicts.front(); };

  // Nobody says so: not on trust, and not for ever.
  CHECK(verdict().code == code);
  CHECK(verdict().obstacle == domain::Obstacle::temporary);
  CHECK(verdict().source == "configuration");
  CHECK(verdict().message.contains(network ? "profile.outbound" : "profile.container_runtime"));
  CHECK(verdict().message.contains("hansa site doctor " + site.id.str()));
  CHECK(placing(decide(input)) == Placing::held);

  auto& offers = input.sites.front().offers;
  offers = {{.what = what, .queue = {}, .there = true, .found = "CHECK: it is there", .at = at(0)}};
  CHECK(verdict().code == "OK");
  offers.push_back({.what = what, .queue = queue, .there = false, .found = "CHECK: not there", .at = at(30)});
  CHECK(verdict().code == code);  // what is said of the queue counts before what is said of all
  CHECK(verdict().source == "doctor");
  CHECK(verdict().age == Seconds{30});
  CHECK(verdict().message.contains("CHECK: not there (doctor, 30s old)"));
  site.software = {.containers = true, .images = {}, .binds = {}, .modules = {}, .outbound = {"*"}};
  CHECK(verdict().code == code);  // it was looked at
  offers.clear();
  CHECK(verdict().code == "OK");
  site.software.outbound = {"elsewhere"};
  CHECK(verdict().code == (network ? code : "OK"));
  site.software.outbound = {queue.str()};
  CHECK(verdict().code == "OK");

  // What can never change is said before, also of its modules.
  site.software = {};
  input.spec.resources.cpus_per_task = 100'000;
  CHECK(verdict().code == "TOO_FEW_CORES");
  input.spec.resources.cpus_per_task = 1;
  input.spec.software.modules = {"torch"};
  CHECK(verdict().code == "NO_SUCH_MODULE");
  input.spec.software.modules.clear();

  // The decision is taken again from what is stored.
  offers = {{.what = what, .queue = queue, .there = false, .found = "CHECK: not there", .at = at(30)}};
  const auto decision = decide(input);
  std::map<std::string, std::string> documents;
  for (const auto& [hash, text] : profile.unstored()) documents.emplace(hash, text);
  const auto text = input_document(input);
  documents.emplace(sha256_hex(text), text);
  const auto again = replay(input.spec, sha256_hex(text), [&](const std::string& hash) -> Result<std::string> {
    const auto found = documents.find(hash);
    if (found == documents.end()) return fail(ErrorKind::not_found, "NO_DOCUMENT", hash);
    return found->second;
  });
  REQUIRE(again);
  CHECK(again->verdicts == decision.verdicts);
}
