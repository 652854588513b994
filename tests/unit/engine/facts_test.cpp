// SPDX-License-Identifier: Apache-2.0
// What the registers say of places, projects and people counts from the next question on, and over restarts.
#include "policies/routing/replay.hpp"
#include "tests/unit/engine/engine_fixture.hpp"

#include <algorithm>

namespace hansa::engine::test::of_facts {
namespace {

using domain::ChangeState;
using domain::FactKey;
using rules::Attribute;
using simulation::VirtualScheduler;

/// Jobs go to members, if an operator in the EEA runs them; what is trained is bounded.
const std::string kText =
    "[meta]\nid = \"facts\"\nversion = \"1.0.0\"\napproved_by = [\"a@example\", \"b@example\"]\ndefault = \"deny\"\n"
    "[[rule]]\nid = \"P-IN\"\neffect = \"permit\"\nactions = [\"intake\"]\n"
    "when = [{attr = \"site.status\", op = \"eq\", value = \"member\"}]\nlegal_basis = \"l\"\nowner = \"o@example\"\n"
    "[[rule]]\nid = \"P-GO\"\neffect = \"permit\"\nactions = [\"place\", \"dispatch\"]\n"
    "when = [{attr = \"site.status\", op = \"eq\", value = \"member\"}, {attr = \"site.operator_country\", op = \"in\", value = "
    "[\"FI\", \"SE\"]}]\nlegal_basis = \"l\"\nowner = \"o@example\"\n";
const std::string kBounded =
    "[[rule]]\nid = \"F-TRAINING\"\neffect = \"forbid\"\nactions = [\"place\", \"dispatch\"]\n"
    "when = [{attr = \"project.training_petaflop\", op = \"ge\", value = 1000000}]\nlegal_basis = \"l\"\nowner = \"o@example\"\n";

RegisterFacts member() { return {fact(Attribute::site_status, std::string("member"), VirtualScheduler::kStart)}; }

Law law_of_facts(const std::string& more = "") {
  Law law{.packs = {{.file = "facts.toml", .text = kText + more}}, .broker = member(), .sites = {{"alpha", member()}}};
  law.sites["alpha"].push_back(fact(Attribute::site_operator_country, std::string("FI"), VirtualScheduler::kStart));
  return law;
}

FactKey country() { return {domain::parse_subject("site:alpha").value(), "site.operator_country"}; }

/// Alice's change, which waits.
domain::FactChange waiting(World& w, const std::string& value, const FactKey& key = country()) {
  auto outcome = w.ask(w.facts().state({.by = kAlice, .reason = "r"}, key, {.value = value, .evidence = "e"}));
  REQUIRE(outcome);
  REQUIRE(outcome->changes.size() == 1);
  REQUIRE(outcome->changes[0].state() == ChangeState::pending);
  return outcome->changes[0];
}

std::string why(World& w, const JobId& id) {
  const auto decision = w.ask(w.engine().explain(w.job(id)));
  REQUIRE(decision);
  REQUIRE_FALSE(decision->verdicts.empty());
  return decision->verdicts[0].message;
}

const Principal kOther{"local:root"};

}  // namespace

TEST_CASE("a job that is held for want of evidence goes on once a second person has approved it", "[engine]") {
  World w({{.id = "alpha"}});
  auto law = law_of_facts();
  law.sites["alpha"] = member();
  w.regulate(law);
  w.advance(1min);
  const auto id = w.submit();
  w.advance(5s);
  REQUIRE(w.state(id) == JobState::held);
  CHECK_THAT(why(w, id), Catch::Contains("evidence is missing: site.operator_country (missing)"));

  const auto change = waiting(w, "FI");
  w.advance(2min);
  CHECK(w.state(id) == JobState::held);  // one person's word is none
  CHECK(w.ask(w.facts().rule({.by = kAlice, .reason = ""}, change, true)).error().code == "OWN_CHANGE");
  REQUIRE(w.ask(w.facts().rule({.by = kOther, .reason = ""}, change, true)));
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.state(id) == JobState::succeeded);
  const auto stored = w.decision(id);
  CHECK(w.document(stored.input_hash).contains("\"change\":\"" + change.id.str() + "\""));
  const auto again = routing::replay(w.job(id).spec, stored.input_hash,
                                     [&](const std::string& hash) -> Result<std::string> { return w.document(hash); });
  REQUIRE(again);
  CHECK(canonical_json(domain::to_json(*again)) == canonical_json(domain::to_json(stored)));
}

TEST_CASE("a fact that is withdrawn between decision and sending stops a job that was placed", "[engine][T15]") {
  World w({{.id = "alpha"}});
  w.regulate(law_of_facts());
  w.advance(1min);
  bool withdrawn = false;
  w.gate().recorded = [&](const ports::JobChange& step) {
    if (step.job.live_attempt() != nullptr && !std::exchange(withdrawn, true))
      w.withdraw_fact("site:alpha", "site.operator_country");
  };
  const auto id = w.submit();
  w.advance(1min);
  CHECK(withdrawn);
  CHECK(w.count("alpha", "submit") == 0);
  CHECK(w.state(id) == JobState::held);
  CHECK_THAT(why(w, id), Catch::Contains("site.operator_country (missing)"));
}

TEST_CASE("what the register says holds over restarts and whatever the configuration says later", "[engine]") {
  World w({{.id = "alpha"}});
  w.regulate(law_of_facts());
  w.withdraw_fact("site:alpha", "site.operator_country");
  w.restart();
  w.regulate(law_of_facts());  // as by a SIGHUP
  w.advance(1min);
  const auto id = w.submit();
  w.advance(2min);
  CHECK(w.state(id) == JobState::held);
  w.state_fact("site:alpha", "site.operator_country", std::string("CH"));
  w.advance(5s);
  CHECK_THAT(why(w, id), Catch::Contains("now: CH, from the register, change "));
  w.state_fact("site:alpha", "site.operator_country", std::string("SE"));
  w.crash();
  w.start();
  REQUIRE(w.run_to_end({id}, 10min));
  CHECK(w.state(id) == JobState::succeeded);
}

TEST_CASE("what is certain until a day is no evidence from then on", "[engine]") {
  World w({{.id = "alpha"}});
  auto law = law_of_facts();
  law.sites["alpha"] = member();
  w.regulate(law);
  w.state_fact("site:alpha", "site.operator_country", std::string("FI"), w.time.now_utc() + 1h);
  w.advance(1min);
  const auto early = w.submit();
  REQUIRE(w.run_to_end({early}, 10min));
  CHECK(w.state(early) == JobState::succeeded);
  w.advance(1h);
  const auto late = w.submit();
  w.advance(2min);
  CHECK(w.state(late) == JobState::held);
  CHECK_THAT(why(w, late), Catch::Contains("site.operator_country (missing)"));
}

TEST_CASE("of what is withdrawn no sum is known either", "[engine]") {
  World w({{.id = "alpha"}}, {.teraflops = {{"a100", 1}}});
  w.regulate(law_of_facts(kBounded));
  w.advance(1min);
  const auto counted = w.submit();  // nothing is told of elsewhere: what was counted here is all
  REQUIRE(w.run_to_end({counted}, 10min));
  CHECK(w.state(counted) == JobState::succeeded);
  w.state_fact("project:lab", "project.training_petaflop", std::int64_t{10}, w.time.now_utc() + 1h);
  const auto summed = w.submit();
  REQUIRE(w.run_to_end({summed}, 10min));
  CHECK(w.state(summed) == JobState::succeeded);
  w.advance(1h);
  const auto unknown = w.submit();
  w.advance(1min);
  CHECK(w.state(unknown) == JobState::held);
  CHECK_THAT(why(w, unknown), Catch::Contains("project.training_petaflop (missing)"));
  w.state_fact("project:lab", "project.training_petaflop", std::int64_t{20});
  REQUIRE(w.run_to_end({unknown}, 10min));
  w.withdraw_fact("project:lab", "project.training_petaflop");
  const auto withdrawn = w.submit();
  w.advance(1min);
  CHECK(w.state(withdrawn) == JobState::held);
}

TEST_CASE("the broker's own facts and a person's are told in the register, too", "[engine]") {
  World w({{.id = "alpha"}});
  auto law = law_of_facts(
      "[[rule]]\nid = \"F-WHO\"\neffect = \"forbid\"\nactions = [\"intake\"]\n"
      "when = [{attr = \"user.country\", op = \"in\", value = [\"RU\"]}]\nlegal_basis = \"l\"\nowner = \"o@example\"\n");
  w.regulate(law);
  CHECK_THAT(w.try_submit({{.person = "local:bob"}}).error().message, Catch::Contains("user.country (missing)"));
  w.state_fact("person:bob", "user.country", std::string("FI"));
  CHECK(w.try_submit({{.person = "local:bob"}}));
  w.withdraw_fact("broker", "site.status");
  const auto refused = w.try_submit({{.person = "local:bob"}});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("site.status (missing)"));
  // Who is where the fact came from stands beside it.
  w.state_fact("broker", "site.status", std::string("suspended"));
  const auto faults = w.try_submit({{.person = "local:bob"}}).error().faults;
  CHECK(std::ranges::any_of(
      faults, [](const Fault& fault) { return fault.message.contains("site.status is suspended, by the register, change "); }));
}

TEST_CASE("of one fact one change waits at a time, and it is of what was said when it was made", "[engine]") {
  World w({{.id = "alpha"}});
  w.regulate(law_of_facts());
  const auto first = waiting(w, "SE");
  const auto second =
      w.ask(w.facts().state({.by = kOther, .reason = ""}, country(), {.value = std::string("CH"), .evidence = ""}));
  CHECK(second.error().code == "ALREADY_PENDING");
  CHECK_THAT(second.error().message, Catch::Contains(first.id.str()));

  // The configuration says something else by now.
  auto law = law_of_facts();
  law.sites["alpha"] = member();
  w.regulate(law);
  CHECK(w.ask(w.facts().rule({.by = kOther, .reason = ""}, first, true)).error().code == "CHANGE_OUTDATED");
  REQUIRE(w.ask(w.facts().rule({.by = kAlice, .reason = "mine"}, first, false)));  // taken back
  w.regulate(law_of_facts());
  CHECK(w.ask(w.facts().rule({.by = kOther, .reason = ""}, first, true)).error().code == "ALREADY_RULED");

  // Withdrawn meanwhile: what waits was made from something else.
  const auto third = waiting(w, "SE");
  w.withdraw_fact("site:alpha", "site.operator_country");
  CHECK(w.ask(w.facts().rule({.by = kOther, .reason = ""}, third, true)).error().code == "CHANGE_OUTDATED");
  REQUIRE(w.ask(w.facts().rule({.by = kOther, .reason = ""}, third, false)));
  // Again is nothing new.
  CHECK(w.ask(w.facts().withdraw({.by = kAlice, .reason = ""}, country()))->changes.empty());
}

TEST_CASE("times that cannot be are refused, and a place's fact counts from a day", "[engine]") {
  World w({{.id = "alpha"}});
  w.regulate(law_of_facts());
  const auto now = w.time.now_utc();
  const auto told = [&](const FactKey& key, std::optional<UtcTime> as_of, std::optional<UtcTime> until) {
    return w.ask(w.facts().state({.by = kAlice, .reason = ""}, key,
                                 {.value = std::string("SE"), .as_of = as_of, .until = until, .evidence = ""}));
  };
  const FactKey lead{domain::parse_subject("project:lab").value(), "project.lead_country"};
  CHECK(told(country(), now + 1h, now - 1h).error().faults.size() == 2);
  CHECK(told(country(), now, now).error().code == "BAD_FACT");
  CHECK(told(lead, now, std::nullopt).error().faults.at(0).where == "/as_of");
  CHECK(told(lead, std::nullopt, now + 1h)->changes.at(0).body.after->as_of == std::nullopt);
  CHECK(told(country(), std::nullopt, std::nullopt)->changes.at(0).body.after->as_of == w.time.now_utc());
}

TEST_CASE("what the file says is replaced by two people; what the register says is narrowed by one, and is no younger for it",
          "[engine]") {
  World w({{.id = "alpha"}});
  auto law = law_of_facts();
  const std::vector<std::string> all{"iso-27001", "c5", "ens-high"}, two{"c5", "ens-high"}, one{"c5"};
  law.sites["alpha"].push_back(fact(Attribute::site_labels, all, VirtualScheduler::kStart));
  w.regulate(law);
  w.advance(24h);
  const FactKey labels{domain::parse_subject("site:alpha").value(), "site.labels"};
  const auto told = [&](const std::vector<std::string>& value, const char* evidence) {
    return w.ask(w.facts().state({.by = kAlice, .reason = ""}, labels, {.value = value, .evidence = evidence}));
  };
  const auto asked = told(two, "no. 4711");
  REQUIRE(asked);
  REQUIRE(asked->changes.size() == 1);
  CHECK(asked->changes[0].state() == ChangeState::pending);  // else one person could keep the file from being heard ever again
  CHECK_FALSE(asked->fact.statement);
  REQUIRE(w.ask(w.facts().rule({.by = Principal("local:root"), .reason = ""}, asked->changes[0], true)));
  const auto lost = told(one, "");
  REQUIRE(lost);
  REQUIRE(lost->changes.size() == 1);
  CHECK(lost->changes[0].state() == ChangeState::applied);
  REQUIRE(lost->fact.statement);
  CHECK(lost->fact.statement->as_of == VirtualScheduler::kStart);
  CHECK(lost->fact.statement->evidence == "no. 4711");
  const auto in_force = w.engine().rules().in_force();
  const auto& facts = in_force->sites.at(SiteId("alpha"));
  const auto at = std::ranges::find(facts, Attribute::site_labels, &RegisterFact::attribute);
  REQUIRE(at != facts.end());
  CHECK(at->value == rules::Value(std::vector<std::string>{"c5"}));
  CHECK(at->change == lost->changes[0].id);
  CHECK(std::ranges::count(facts, Attribute::site_labels, &RegisterFact::attribute) == 1);
}

}  // namespace hansa::engine::test::of_facts
