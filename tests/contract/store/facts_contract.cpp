// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"
#include <catch2/catch.hpp>

#include <algorithm>

using namespace hansa;
using namespace hansa::contract;

namespace {

using domain::ChangeState;
using domain::FactChange;
using domain::FactKey;
using domain::RegisteredFact;
using domain::Statement;

FactKey fact_key(const char* subject = "site:alpha", const char* attribute = "site.labels") {
  return {domain::parse_subject(subject).value(), attribute};
}

Statement says(std::vector<std::string> words) {
  return {.value = std::move(words), .as_of = at(3), .until = at(900), .evidence = "no. \"4711\"\xC3\xA5"};
}

FactChange fact_change(const RegisteredFact& fact, std::optional<Statement> after, const char* by = "local:op") {
  FactChange made{.id = next_id(),
                  .of = fact.key,
                  .version = fact.version + 1,
                  .by = Principal(by),
                  .at = at(fact.version),
                  .reason = "why\n\"so\"",
                  .body = {.before = fact.statement, .made_from = fact.change, .after = std::move(after)}};
  made.needs_second_person = domain::needs_second_person(fact, made.body);
  return made;
}

/// The code of a refusal, or "". What waits does nothing to the fact yet.
std::string put(StoreUnderTest& store, RegisteredFact& fact, const FactChange& made) {
  auto after = fact;
  if (!made.needs_second_person) REQUIRE(domain::apply(after, made, made.at));
  after.version = made.version;
  const auto done = store.wait(store.facts().record_fact({.fact = after, .changes = {made}, .ruling = std::nullopt}));
  if (done) fact = after;
  return code_of(done);
}

std::string rule_on(StoreUnderTest& store, RegisteredFact& fact, const FactChange& made, bool approve,
                    const char* by = "local:b") {
  auto after = fact;
  if (approve) REQUIRE(domain::apply(after, made, at(500)));
  after.version += 1;
  const ports::NewRuling ruling{
      .change = made.id,
      .ruling = {.approved = approve, .by = Principal(by), .at = at(500), .reason = "seen", .version = after.version}};
  const auto done = store.wait(store.facts().record_fact({.fact = after, .changes = {}, .ruling = ruling}));
  if (done) fact = after;
  return code_of(done);
}

RegisteredFact known(StoreUnderTest& store, const FactKey& key) {
  auto fact = store.wait(store.facts().registered_fact(key));
  INFO(code_of(fact));
  REQUIRE(fact);
  return *fact;
}

std::vector<FactChange> log_of(StoreUnderTest& store, ports::FactChangeQuery query = {}) {
  auto found = store.wait(store.facts().fact_changes(std::move(query)));
  INFO(code_of(found));
  REQUIRE(found);
  return *found;
}

}  // namespace

TEST_CASE("a fact is there as it was ruled on, also after a restart, and before that is not") {
  auto store = next_store();
  RegisteredFact fact{.key = fact_key()};
  CHECK(known(*store, fact.key) == fact);
  CHECK(store->wait(store->facts().registered_facts()).value().empty());
  const auto stated = fact_change(fact, says({"c5", "iso-27001"}));
  REQUIRE(put(*store, fact, stated).empty());
  CHECK(known(*store, fact.key) == fact);
  CHECK_FALSE(known(*store, fact.key).change);
  REQUIRE(rule_on(*store, fact, stated, true).empty());
  store->reopen();
  CHECK(known(*store, fact.key) == fact);
  CHECK(known(*store, fact.key).statement == says({"c5", "iso-27001"}));
  // Less of it counts at once, and so does nothing of it.
  REQUIRE(put(*store, fact, fact_change(fact, says({"c5"}))).empty());
  CHECK(known(*store, fact.key).statement == says({"c5"}));
  REQUIRE(put(*store, fact, fact_change(fact, std::nullopt)).empty());
  store->reopen();
  CHECK(known(*store, fact.key) == fact);
  CHECK(known(*store, fact.key).change);
  CHECK_FALSE(known(*store, fact.key).statement);

  RegisteredFact other{.key = fact_key("person:local:alice", "user.assurance")};
  const auto high = fact_change(other, Statement{.value = std::string("high"), .evidence = ""});
  REQUIRE(put(*store, other, high).empty());
  REQUIRE(rule_on(*store, other, high, true).empty());
  CHECK(store->wait(store->facts().registered_facts()).value() == std::vector{other, fact});  // by key, as text
}

TEST_CASE("the log alone gives the fact again") {
  auto store = next_store();
  RegisteredFact fact{.key = fact_key()};
  const auto first = fact_change(fact, says({"c5", "ens-high"}));
  REQUIRE(put(*store, fact, first).empty());
  REQUIRE(rule_on(*store, fact, first, true).empty());
  const auto more = fact_change(fact, says({"c5", "ens-high", "iso-27001"}));
  REQUIRE(put(*store, fact, more).empty());
  REQUIRE(rule_on(*store, fact, more, false).empty());
  REQUIRE(put(*store, fact, fact_change(fact, says({"c5"}))).empty());
  store->reopen();
  struct Effect {
    std::int64_t version;
    const FactChange* change;
    UtcTime at;
  };
  const auto log = log_of(*store);
  REQUIRE(log.size() == 3);
  std::vector<Effect> effects;
  RegisteredFact again{.key = fact.key};
  for (const auto& entry : log) {
    again.version = std::max({again.version, entry.version, entry.ruling ? entry.ruling->version : 0});
    if (entry.state() == ChangeState::applied) effects.push_back({entry.version, &entry, entry.at});
    if (entry.state() == ChangeState::approved) effects.push_back({entry.ruling->version, &entry, entry.ruling->at});
  }
  std::ranges::sort(effects, {}, &Effect::version);
  for (const auto& effect : effects) REQUIRE(domain::apply(again, *effect.change, effect.at));
  CHECK(again == known(*store, fact.key));
}

TEST_CASE("changes of facts and rulings are kept whole, newest first, by subject, attribute and state") {
  auto store = next_store();
  RegisteredFact labels{.key = fact_key()}, country{.key = fact_key("site:alpha", "site.country")},
      lab{.key = fact_key("project:lab", "project.purpose")};
  auto first = fact_change(labels, says({"c5"}));
  REQUIRE(put(*store, labels, first).empty());
  const auto second = fact_change(country, Statement{.value = std::string("FI"), .evidence = ""}, "local:b");
  REQUIRE(put(*store, country, second).empty());
  const auto third = fact_change(lab, Statement{.value = std::string("education"), .evidence = ""});
  REQUIRE(put(*store, lab, third).empty());
  REQUIRE(rule_on(*store, labels, first, true).empty());
  first.ruling = domain::Ruling{.approved = true, .by = Principal("local:b"), .at = at(500), .reason = "seen", .version = 2};
  store->reopen();
  CHECK(log_of(*store) == std::vector{third, second, first});
  CHECK(store->wait(store->facts().fact_change(first.id)).value() == first);
  CHECK(code_of(store->wait(store->facts().fact_change(next_id()))) == "CHANGE_NOT_FOUND");
  CHECK(log_of(*store, {.subject = labels.key.subject}) == std::vector{second, first});
  CHECK(log_of(*store, {.subject = labels.key.subject, .attribute = "site.country"}) == std::vector{second});
  CHECK(log_of(*store, {.state = ChangeState::pending}) == std::vector{third, second});
  CHECK(log_of(*store, {.state = ChangeState::approved}) == std::vector{first});
  CHECK(log_of(*store, {.state = ChangeState::rejected}).empty());
  CHECK(log_of(*store, {.before = third.id, .limit = 1}) == std::vector{second});
}

TEST_CASE("of two who change a fact at the same moment one is told; a change is ruled on once, and by somebody else") {
  auto store = next_store();
  RegisteredFact fact{.key = fact_key()};
  auto old = fact;
  const auto first = fact_change(fact, says({"c5"}));
  REQUIRE(put(*store, fact, first).empty());
  CHECK(put(*store, old, fact_change(old, says({"ens-high"}))) == "STALE_VERSION");
  CHECK(log_of(*store).size() == 1);  // nothing of it is left
  auto own = fact;
  CHECK(rule_on(*store, own, first, true, "local:op") == "STORE_CONFLICT");
  CHECK(known(*store, fact.key) == fact);
  REQUIRE(rule_on(*store, fact, first, true).empty());
  auto twice = fact;
  twice.change = std::nullopt;
  CHECK(rule_on(*store, twice, first, true, "local:c") == "ALREADY_RULED");
  // One about somebody is not theirs to approve, whoever asked.
  RegisteredFact person{.key = fact_key("person:local:root", "user.assurance")};
  const auto high = fact_change(person, Statement{.value = std::string("high"), .evidence = ""});
  REQUIRE(put(*store, person, high).empty());
  auto self = person;
  CHECK(rule_on(*store, self, high, true, "local:root") == "STORE_CONFLICT");
  REQUIRE(rule_on(*store, person, high, false, "local:root").empty());
}
