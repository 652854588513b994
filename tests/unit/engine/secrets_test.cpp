// SPDX-License-Identifier: Apache-2.0
// People's own secrets, from their owner to the job's site and away from there again.
#include "broker/core/encoding.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

using namespace hansa;
using namespace hansa::engine::test;

namespace {

using engine::SealingKey;
using engine::SealingKeys;
using engine::SecretVault;

constexpr const char* kMarker = "MARKER-hf_qX7Zk2";

struct Secrets {
  World w;
  explicit Secrets(std::vector<SiteOptions> sites = {{.id = "alpha", .cores = 4}}, engine::EngineOptions options = {})
      : w(std::move(sites), options) {
    w.advance(1s);
    put("hf-token", kMarker);
  }
  void put(const std::string& name, const std::string& value, const Principal& owner = kAlice) {
    REQUIRE(w.ask(w.vault().put(owner, name, Secret(value))));
  }
  auto copies() { return w.ask(w.vault().store().secret_copies()).value(); }
  auto& at(const std::string& site) { return w.site(site).secrets; }
  [[nodiscard]] bool told_anywhere(const JobId& id) {
    std::string all;
    for (const auto& line : w.log) all += line + '\n';
    for (const auto& event : w.events(id)) all += canonical_json(to_json(event.body));
    all += canonical_json(to_json(w.job(id).spec));
    return all.contains(kMarker) || all.contains(to_base64(kMarker));
  }
};

const std::vector<domain::SecretUse> kToken{{.name = "hf-token", .file = "token"}};

}  // namespace

TEST_CASE("a secret is at the site while its job is and gone after it, and is told nowhere", "[engine][secrets][T22]") {
  Secrets s;
  const auto id = s.w.submit({.behaviour = "run=60s", .secrets = kToken});
  s.w.advance(20s);
  REQUIRE(s.w.state(id) == JobState::running);
  CHECK(s.at("alpha").at(domain::make_tag(id, 1)) == std::map<std::string, std::string>{{"token", kMarker}});
  CHECK(s.copies().size() == 1);
  REQUIRE(s.w.run_to_end({id}));
  s.w.advance(1min);
  CHECK(s.at("alpha").empty());
  CHECK(s.copies().empty());
  CHECK_FALSE(s.told_anywhere(id));
  const auto other = s.w.submit({});
  REQUIRE(s.w.run_to_end({other}));
  CHECK(s.w.count("alpha", "remove_secrets") == 1);
}

TEST_CASE("a secret that is not its owner's is none of a job's", "[engine][secrets]") {
  Secrets s;
  s.put("other", "x", Principal("local:bob"));
  const auto refused = s.w.try_submit({{.secrets = {{.name = "other", .file = "other"}}}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "SECRET_NOT_FOUND");
  REQUIRE(refused.error().faults.size() == 1);
  CHECK(refused.error().faults[0].where == "/secrets");
}

TEST_CASE("a job whose secret was deleted meanwhile is held with the remedy and goes on once it is there again",
          "[engine][secrets]") {
  Secrets s;
  REQUIRE(s.w.ask(s.w.engine().drain_site(SiteId("alpha"), "")));
  const auto held = s.w.submit({.secrets = kToken});
  s.w.advance(5s);
  REQUIRE(s.w.ask(s.w.vault().remove(kAlice, "hf-token")));
  REQUIRE(s.w.ask(s.w.engine().resume_site(SiteId("alpha"))));
  s.w.advance(5min);
  const auto job = s.w.job(held);
  REQUIRE(job.state == JobState::held);
  CHECK(job.held_by_user);
  CHECK(job.reason.code == "SECRET_MISSING");
  CHECK_THAT(job.reason.message, Catch::Contains("hansa secret put hf-token") && Catch::Contains("hansa release " + held.str()));
  CHECK(s.w.site_jobs("alpha", held) == 0);
  CHECK(s.copies().empty());
  s.put("hf-token", "another");
  REQUIRE(s.w.ask(s.w.engine().release(held)));
  REQUIRE(s.w.run_to_end({held}, 5min));
  CHECK(s.w.state(held) == JobState::succeeded);
}

TEST_CASE("copies at a site that does not answer are taken away when it does, over a restart", "[engine][secrets]") {
  Secrets s;
  const auto id = s.w.submit({.behaviour = "run=30s", .secrets = kToken});
  s.w.advance(10s);
  REQUIRE(s.w.state(id) == JobState::running);
  s.w.site("alpha").faults.down = true;
  s.w.advance(2min);
  REQUIRE(s.w.ask(s.w.engine().resolve_lost(id, Principal("local:root"), "gone")));
  s.w.advance(2min);
  CHECK(s.at("alpha").size() == 1);
  CHECK(s.copies().size() == 1);
  s.w.restart();
  s.w.advance(1min);
  CHECK(s.copies().size() == 1);
  s.w.site("alpha").faults.down = false;
  CHECK(s.w.until([&] { return s.copies().empty(); }, 3h));
  CHECK(s.at("alpha").empty());
}

TEST_CASE("a silent site with many copies does not keep those of the others", "[engine][secrets]") {
  engine::EngineOptions options;
  options.breaker_failures = 1'000;
  Secrets s({{.id = "alpha", .cores = 16}, {.id = "beta", .cores = 4}}, options);
  std::vector<JobId> lost;
  for (int i = 0; i < 8; ++i) lost.push_back(s.w.submit({.behaviour = "run=3000s", .sites = {"alpha"}, .secrets = kToken}));
  const auto other = s.w.submit({.behaviour = "run=600s", .sites = {"beta"}, .secrets = kToken});
  s.w.advance(1min);
  REQUIRE(s.copies().size() == 9);
  s.w.site("alpha").faults.silent = true;
  s.w.advance(3min);
  for (const auto& id : lost) REQUIRE(s.w.ask(s.w.engine().resolve_lost(id, Principal("local:root"), "gone")));
  REQUIRE(s.w.until([&] { return s.w.over(other); }, 2h));
  const auto ended = s.w.time.now_monotonic();
  REQUIRE(s.w.until([&] { return s.at("beta").empty(); }, 2h));
  CHECK(s.w.time.now_monotonic() - ended < 2 * s.w.options.call_timeout + 1min);
  CHECK(s.at("alpha").size() == 8);
}

TEST_CASE("where none are taken none are looked for afterwards", "[engine][secrets]") {
  Secrets s;
  s.w.site("alpha").faults.veto = [](const ports::SubmitRequest&) {
    return Error{.kind = ErrorKind::invalid_argument, .code = "NO_SECRETS_THERE", .message = "takes none"};
  };
  s.w.submit({.secrets = kToken});
  s.w.advance(5s);
  REQUIRE(s.w.count("alpha", "submit") > 0);
  CHECK(s.copies().empty());
  s.w.advance(15min);
  CHECK(s.copies().empty());
  CHECK(s.w.count("alpha", "remove_secrets") == 0);
}

TEST_CASE("secrets are bounded, and named well", "[engine][secrets]") {
  Secrets s;
  const auto put = [&](const std::string& name, const std::string& value) {
    const auto kept = s.w.ask(s.w.vault().put(kAlice, name, Secret(value)));
    return kept ? std::string() : kept.error().code;
  };
  CHECK(put("a/b", "x") == "BAD_SECRET");
  CHECK(put("a=b", "x") == "BAD_SECRET");
  CHECK(put("empty", "") == "BAD_SECRET");
  CHECK(put("large", std::string(65'537, 'x')) == "SECRET_TOO_LARGE");
  CHECK(put("large", std::string(65'536, 'x')).empty());
  for (int i = 2; i < 100; ++i) REQUIRE(put("s" + std::to_string(i), "x").empty());
  CHECK(put("more", "x") == "SECRETS_FULL");
  CHECK(put("large", "smaller").empty());
}

TEST_CASE("with a new key all secrets are sealed anew, and one whose key is gone is missing", "[engine][secrets]") {
  Secrets s;
  const auto key = [](char byte) { return SealingKey::parse(to_base64(std::string(SealingKey::kBytes, byte))).value(); };
  SecretVault other(s.w.vault().store(), s.w.time, s.w.random);
  const auto resealed = [&] { return s.w.ask(other.reseal()).value(); };
  const auto value = [&]() -> std::string {
    const auto id = s.w.submit({.behaviour = "run=30s", .secrets = kToken});
    s.w.advance(5s);
    const auto opened = s.w.ask(other.open_for(kAlice, id, 1, kToken));
    return opened ? std::string(opened->front().value.reveal()) : opened.error().code;
  };
  other.use(SealingKeys({key('n'), key('k')}));
  CHECK(resealed().sealed == 1);
  CHECK(resealed().sealed == 0);
  CHECK(s.w.ask(s.w.vault().store().sealed_by_others(key('n').id(), 10))->empty());
  other.use(SealingKeys({key('n')}));
  s.w.advance(1s);
  CHECK(value() == kMarker);
  other.use(SealingKeys({key('x')}));
  CHECK(resealed().lost == 1);
  CHECK(value() == "SECRET_MISSING");
  other.use(fail(ErrorKind::unavailable, "SECRETS_KEY_GONE", "gone"));
  CHECK(s.w.ask(other.put(kAlice, "a", Secret("x"))).error().code == "SECRETS_KEY_GONE");
}
