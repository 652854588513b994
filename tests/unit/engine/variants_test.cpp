// SPDX-License-Identifier: Apache-2.0
// A job of several variants in the engine: which one goes where, what its site is sent, and that another site chooses anew.
#include "policies/routing/replay.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

namespace hansa::engine::test {

namespace {

SiteOptions gpu_site(const std::string& id, const std::string& model, domain::Hardware hardware) {
  return {.id = id,
          .cluster = {.name = id,
                      .node_groups = {{.count = 2, .cores = 8, .memory = Mebibytes{64'000}, .gpus = 4, .gpu_model = model}}},
          .hardware = std::move(hardware)};
}

domain::Variant variant(std::string name, std::string vendor, std::int32_t tasks, std::int32_t gpus) {
  return {.name = std::move(name),
          .when = {.gpu_vendor = std::move(vendor)},
          .resources = {.nodes = 1, .tasks = tasks, .cpus_per_task = 1, .gpus_per_node = gpus, .gpu_model = {}},
          .software = {},
          .environment = {}};
}

const std::vector<SiteOptions> kTwoKinds{gpu_site("alpha", "a100", {}),
                                         gpu_site("beta", "x", {.gpu_vendor = "amd", .architecture = {}, .devices_per_gpu = 2})};
const std::vector<domain::Variant> kVariants{variant("nv", "nvidia", 2, 4), variant("am", "amd", 8, 8)};

/// What the site's scheduler was asked for, by its job's resources in the accounting.
std::pair<std::int32_t, std::int32_t> cores_and_gpus(World& w, const JobId& id) {
  const auto records = w.usage(id);
  REQUIRE(records.size() == 1);
  return {records.front().cores, records.front().gpus};
}

}  // namespace

TEST_CASE("each site runs its own variant in its own units, and the decision is taken again from the store", "[engine]") {
  World w(kTwoKinds);
  w.advance(1min);
  const auto at_alpha = w.submit({.sites = {"alpha"}, .variants = kVariants});
  const auto at_beta = w.submit({.sites = {"beta"}, .variants = kVariants});
  REQUIRE(w.until([&] { return w.over(at_alpha) && w.over(at_beta); }));
  w.advance(10min);
  CHECK(w.job(at_alpha).attempts.back().variant == "nv");
  CHECK(w.job(at_beta).attempts.back().variant == "am");
  CHECK(cores_and_gpus(w, at_alpha) == std::pair(2, 4));
  CHECK(cores_and_gpus(w, at_beta) == std::pair(8, 4));  // four modules of two dies
  const auto& beta = w.job(at_beta);
  REQUIRE(beta.attempts.back().granted);
  CHECK(beta.attempts.back().granted->gpus == 8);
  CHECK(domain::compare(beta.spec, beta.attempts.back(), *beta.attempts.back().granted).code.empty());
  for (const auto& id : {at_alpha, at_beta}) {
    const auto stored = w.decision(id);
    const auto again = routing::replay(w.job(id).spec, stored.input_hash,
                                       [&](const std::string& hash) -> Result<std::string> { return w.document(hash); });
    REQUIRE(again);
    CHECK(canonical_json(domain::to_json(*again)) == canonical_json(domain::to_json(stored)));
  }
}

TEST_CASE("a job that its first site does not take is another variant at the next", "[engine]") {
  World w(kTwoKinds);
  w.advance(1min);
  w.site("alpha").faults.down = true;
  const auto id = w.submit({.variants = kVariants});
  w.advance(1s);
  REQUIRE(w.until([&] { return w.over(id); }));
  CHECK(w.state(id) == JobState::succeeded);
  const auto job = w.job(id);
  for (const auto& attempt : job.attempts) CHECK(attempt.variant == (attempt.site == SiteId("alpha") ? "nv" : "am"));
  CHECK(job.attempts.back().site == SiteId("beta"));
  w.restart();
  CHECK(w.job(id) == job);
}

TEST_CASE("a job none of whose variants is for any site is rejected with what each has", "[engine]") {
  World w(kTwoKinds);
  w.advance(1min);
  const auto id = w.submit({.variants = {variant("in", "intel", 1, 1)}});
  w.advance(10s);
  CHECK(w.state(id) == JobState::rejected);
  const auto decision = w.decision(id);
  REQUIRE(decision.verdicts.size() == 2);
  for (const auto& verdict : decision.verdicts) CHECK(verdict.code == "NO_VARIANT_MATCHES");
  CHECK(decision.verdicts[0].message.contains("nvidia GPUs (a100)"));
}

}  // namespace hansa::engine::test
