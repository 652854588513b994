// SPDX-License-Identifier: Apache-2.0
// What a project trains is summed over its jobs at all sites: what has ended as it is booked, what goes on by its time limit.
#include "tests/unit/engine/engine_fixture.hpp"

using namespace hansa;
using namespace hansa::engine::test;
using rules::Attribute;

namespace {

// Plain jobs go anywhere; at 10,000 petaFLOP no more.
constexpr char kLimit[] = R"([meta]
id = "limit"
version = "1.0.0"
approved_by = ["a@example", "b@example"]
default = "deny"
[[rule]]
id = "P-JOB"
effect = "permit"
actions = ["intake", "place", "dispatch"]
when = [{attr = "project.labels", op = "within", value = ["open", "internal"]}]
legal_basis = "l"
owner = "o@example"
[[rule]]
id = "F-COMPUTE"
effect = "forbid"
actions = ["place", "dispatch"]
when = [{attr = "project.training_petaflop", op = "ge", value = 10_000}]
legal_basis = "l"
owner = "o@example"
)";

/// With one petaFLOP a second for each GPU, and so much told of elsewhere.
Law law(std::int64_t elsewhere) {
  return {.packs = {{.file = "limit.toml", .text = kLimit}},
          .lab = {fact(Attribute::project_labels, std::vector<std::string>{"internal"}),
                  fact(Attribute::project_training_petaflop, elsewhere)}};
}

SiteOptions gpu_site(const std::string& id) {
  return {.id = id, .cluster = {.name = id, .node_groups = {{.count = 4, .cores = 8, .gpus = 4, .gpu_model = "a100"}}}};
}

std::string codes(World& w, const JobId& id) {
  const auto decision = w.ask(w.engine().explain(w.job(id)));
  REQUIRE(decision);
  std::string codes;
  for (const auto& verdict : decision->verdicts) codes += verdict.code + " ";
  return codes;
}

}  // namespace

TEST_CASE("training compute is summed over sites, with what goes on and what is asked for", "[engine]") {
  World w({gpu_site("alpha"), gpu_site("beta")}, {.teraflops = {{"a100", 1'000}, {"slow", 1}}});
  w.regulate(law(0));
  w.advance(1min);
  const Wish train{.behaviour = "run=1000s", .limit = 2'000s, .gpus = 2};  // at most 4,000
  auto at_alpha = train, at_beta = train;
  at_alpha.sites = {"alpha"};
  at_beta.sites = {"beta"};
  const auto first = w.submit(at_alpha), second = w.submit(at_beta);
  w.advance(1min);
  CHECK(w.state(first) == JobState::running);
  CHECK(w.state(second) == JobState::running);
  const auto third = w.submit(train);  // 12,000 together
  const auto small = w.submit({.behaviour = "run=1s", .limit = 1'999s, .gpus = 1});  // 9,999
  w.advance(1min);
  CHECK(w.state(third) == JobState::held);
  CHECK(codes(w, third) == "RULES_DENY RULES_DENY ");
  CHECK(w.state(small) == JobState::succeeded);
  REQUIRE(w.run_to_end({first, second, third}, 2h));  // 4,000 are booked of the two, so there is room again
  CHECK(w.state(third) == JobState::succeeded);
  CHECK(w.job(third).started_at >= w.job(second).ended_at);

  w.restart();  // 6,000 and what the small one used, from the store
  w.advance(1min);
  auto at_most = [&](Seconds limit) { return w.submit({.behaviour = "run=1s", .limit = limit, .gpus = 1}); };
  const auto too_much = at_most(4'000s), enough = at_most(3'990s);
  w.advance(2min);
  CHECK(w.state(enough) == JobState::succeeded);
  CHECK(w.state(too_much) == JobState::held);
}

TEST_CASE("what the registry says of elsewhere is added, and a job without GPUs adds nothing", "[engine]") {
  World w({gpu_site("alpha")}, {.teraflops = {{"a100", 1'000}}});
  w.regulate(law(9'000));
  w.advance(1min);
  const auto gpu = w.submit({.limit = 1'000s, .gpus = 1}), cpu = w.submit({.limit = 1'000s});
  w.advance(2min);
  CHECK(w.state(gpu) == JobState::held);
  CHECK(w.state(cpu) == JobState::succeeded);
  w.regulate(law(8'999));
  w.advance(2min);
  CHECK(w.state(gpu) == JobState::succeeded);
}

TEST_CASE("without rates what the registry says is all", "[engine]") {
  World w({gpu_site("alpha")});
  w.regulate(law(9'999));
  w.advance(1min);
  const auto gpu = w.submit({.limit = 3'600s, .gpus = 4});
  w.advance(2min);
  CHECK(w.state(gpu) == JobState::succeeded);
}
