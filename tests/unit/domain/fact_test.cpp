// SPDX-License-Identifier: Apache-2.0
// What the registers of places, projects and people say: what of a change counts at once, and what waits.
#include "broker/domain/fact.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <algorithm>

using namespace hansa;
using namespace hansa::domain;

namespace {

constexpr UtcTime on_day(std::int64_t n) { return from_unix_seconds(1'795'341'600 + n * 86'400); }

ChangeId change_id(std::uint8_t n) {
  std::array<std::uint8_t, 16> bytes{};
  bytes[15] = n;
  return ChangeId(bytes);
}

FactKey key(const std::string& subject, const std::string& attribute) { return {parse_subject(subject).value(), attribute}; }
const FactKey kCertified = key("site:alpha", "site.labels");
const FactKey kLabelled = key("project:lab", "project.labels");

using Words = std::vector<std::string>;

Statement said(FactValue value, std::optional<UtcTime> as_of = std::nullopt, std::optional<UtcTime> until = std::nullopt) {
  return {.value = std::move(value), .as_of = as_of, .until = until, .evidence = ""};
}

/// Of which the register has said something already.
RegisteredFact known(const FactKey& of) {
  RegisteredFact fact{.key = of};
  fact.change = change_id(99);
  return fact;
}

/// "at once: ...; then: ..." of what changing one into the other makes.
std::string steps(const FactKey& of, const std::optional<Statement>& before, const Statement& wanted) {
  std::string text;
  for (const auto& body : fact_steps(of, before, wanted)) {
    text += (text.empty() ? "" : "; ") + std::string(needs_second_person(known(of), body) ? "waits: " : "at once: ") +
            canonical_json(value_json(body.after->value));
  }
  return text;
}

FactChange change(std::uint8_t n, const RegisteredFact& of, FactChangeBody body, const char* by = "local:op") {
  FactChange made{
      .id = change_id(n), .of = of.key, .version = of.version + 1, .by = Principal(by), .at = on_day(n), .body = body};
  made.needs_second_person = needs_second_person(of, made.body);
  return made;
}

}  // namespace

TEST_CASE("a subject is read as it is written, and nothing else is one") {
  for (const auto* text : {"broker", "site:alpha", "project:ai-lab", "person:local:alice", "person:edu:a:b"})
    CHECK(parse_subject(text).value().str() == text);
  CHECK(parse_subject("person:alice").value().str() == "person:local:alice");
  for (const auto* text : {"", "site", "site:", "alpha", "broker:x", "person:", "person::", "person::a", "person:a:", "site:a b",
                           "site:\xC3\xA5", "Site:alpha", "dataset:d"}) {
    CAPTURE(text);
    const auto parsed = parse_subject(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == "BAD_SUBJECT");
  }
  CHECK_FALSE(parse_subject("site:" + std::string(201, 'a')));
  CHECK(parse_subject("broker")->attribute_prefix() == "site.");
  CHECK(parse_subject("person:a")->attribute_prefix() == "user.");
}

TEST_CASE("what is stated waits for a second person, what is withdrawn does not") {
  const auto country = key("site:alpha", "site.country");
  CHECK(steps(country, std::nullopt, said("FI")) == "waits: \"FI\"");
  CHECK(steps(country, said("CH"), said("FI")) == "waits: \"FI\"");
  CHECK(steps(country, said("FI"), said("FI")).empty());
  CHECK(steps(country, said("FI", on_day(0)), said("FI", on_day(9))) == "waits: \"FI\"");  // confirmed: it counts for longer
  // Not even a "no": a rule may forbid because of it, and permit because of it.
  CHECK(steps(key("site:alpha", "site.secure_processing"), said(true), said(false)) == "waits: false");
  CHECK_FALSE(needs_second_person(known(country), {.before = said("FI"), .made_from = std::nullopt, .after = std::nullopt}));
}

TEST_CASE("a certificate less and a label that restricts count at once; the rest of the same request waits") {
  CHECK(steps(kCertified, said(Words{"c5", "iso-27001"}), said(Words{"c5"})) == R"(at once: ["c5"])");
  CHECK(steps(kCertified, said(Words{"c5"}), said(Words{"c5", "iso-27001"})) == R"(waits: ["c5","iso-27001"])");
  CHECK(steps(kCertified, said(Words{"c5", "ens-high"}), said(Words{"iso-27001", "c5"})) ==
        R"(at once: ["c5"]; waits: ["c5","iso-27001"])");
  CHECK(steps(kCertified, said(Words{"c5", "ens-high"}), said(Words{"ens-high", "c5", "c5"})).empty());
  CHECK(steps(kCertified, std::nullopt, said(Words{})) == "waits: []");  // that there are none is evidence, too
  CHECK(steps(kLabelled, said(Words{"internal"}), said(Words{"internal", "health"})) == R"(at once: ["health","internal"])");
  CHECK(steps(kLabelled, said(Words{"open"}), said(Words{"personal"})) == R"(at once: ["personal"])");
  CHECK(steps(kLabelled, said(Words{"health"}), said(Words{"personal"})) ==
        R"(at once: ["health","personal"]; waits: ["personal"])");
  CHECK(steps(kLabelled, said(Words{}), said(Words{"open"})) == R"(waits: ["open"])");
  CHECK(steps(kLabelled, said(Words{"personal"}), said(Words{})) == "waits: []");
  // Others have no such direction.
  const auto permits = key("project:lab", "project.permits");
  CHECK(steps(permits, said(Words{"a", "b"}), said(Words{"a"})) == R"(waits: ["a"])");
}

TEST_CASE("an earlier end counts at once, a later one waits, and a strict step does not renew what it rests on") {
  const auto end = [](std::optional<UtcTime> before, std::optional<UtcTime> wanted) {
    return steps(key("person:alice", "user.assurance"), said("high", std::nullopt, before), said("high", std::nullopt, wanted));
  };
  CHECK(end(std::nullopt, on_day(9)) == "at once: \"high\"");
  CHECK(end(on_day(9), on_day(8)) == "at once: \"high\"");
  CHECK(end(on_day(8), on_day(9)) == "waits: \"high\"");
  CHECK(end(on_day(8), std::nullopt) == "waits: \"high\"");
  // A certificate is lost, and the others looked at again: the loss keeps the day of what was known.
  const auto both = fact_steps(kCertified, said(Words{"c5", "ens-high"}, on_day(0)), said(Words{"c5"}, on_day(9)));
  REQUIRE(both.size() == 2);
  CHECK(both[0].after->as_of == on_day(0));
  CHECK_FALSE(needs_second_person(known(kCertified), both[0]));
  CHECK(needs_second_person({.key = kCertified}, both[0]));  // the first takes the configuration's place
  CHECK(both[1].after->as_of == on_day(9));
  CHECK(needs_second_person(known(kCertified), both[1]));
  CHECK(both[1].before == both[0].after);
  CHECK(only_narrows(kCertified, Words{"c5", "ens-high"}, Words{"c5"}));
  CHECK_FALSE(only_narrows(kCertified, Words{"c5"}, Words{"c5"}));
  CHECK_FALSE(only_narrows(key("site:alpha", "site.country"), "FI", "CH"));
}

TEST_CASE("steps lead to what is wanted, the first of them at once, the second not") {
  CHECK(rc::check("two words more or less", [] {
    const auto some = [] {
      Words words;
      const auto chosen = *rc::gen::inRange(0, 16);
      for (int i = 0; i < 4; ++i) {
        if ((chosen & (1 << i)) != 0) words.push_back(std::string(1, static_cast<char>('a' + i)));
      }
      return words;
    };
    const auto& of = *rc::gen::element(kCertified, kLabelled);
    const auto before = said(some(), on_day(*rc::gen::inRange(0, 3))), wanted = said(some(), on_day(*rc::gen::inRange(0, 3)));
    const auto made = fact_steps(of, before, wanted);
    RC_ASSERT(made.empty() == (before == wanted));
    if (made.empty()) return;
    RC_ASSERT(made.back().after == wanted);
    RC_ASSERT(made.size() <= 2U);
    if (made.size() == 2) RC_ASSERT(!needs_second_person(known(of), made[0]) && needs_second_person(known(of), made[1]));
    // What counts at once never makes evidence younger, nor its end later.
    if (!needs_second_person(known(of), made[0])) RC_ASSERT(made[0].after->as_of == before.as_of);
  }));
}

TEST_CASE("a change is applied to what it was made from, and to nothing else") {
  RegisteredFact fact{.key = kCertified};
  const auto first = change(1, fact, {.before = said(Words{}), .made_from = std::nullopt, .after = said(Words{"c5"})});
  const auto rival = change(2, fact, {.before = said(Words{}), .made_from = std::nullopt, .after = said(Words{"ens-high"})});
  REQUIRE(apply(fact, first, on_day(5)));
  CHECK(fact.change == first.id);
  CHECK(fact.statement == said(Words{"c5"}));
  CHECK(fact.changed_at == on_day(5));
  CHECK(apply(fact, rival, on_day(6)).error().code == "CHANGE_OUTDATED");
  const auto gone = change(3, fact, {.before = said(Words{"c5"}), .made_from = first.id, .after = std::nullopt});
  REQUIRE(apply(fact, gone, on_day(6)));
  CHECK(fact.change == gone.id);
  CHECK_FALSE(fact.statement);
  CHECK(apply(fact, gone, on_day(7)).error().code == "CHANGE_OUTDATED");
  // Of what the configuration said: only while it says so.
  CHECK(still_fits(rival, said(Words{})));
  CHECK(still_fits(rival, said(Words{"c5"})).error().code == "CHANGE_OUTDATED");
  CHECK(still_fits(rival, std::nullopt).error().code == "CHANGE_OUTDATED");
  CHECK(still_fits(gone, std::nullopt));
}

TEST_CASE("nobody approves their own change, nor one about themselves") {
  const RegisteredFact fact{.key = key("person:local:root", "user.assurance")};
  const auto made = change(1, fact, {.before = std::nullopt, .made_from = std::nullopt, .after = said("high")});
  CHECK(may_approve(Principal("local:op"), made).error().code == "OWN_CHANGE");
  CHECK(may_approve(Principal("local:root"), made).error().code == "OWN_CHANGE");
  CHECK(may_approve(Principal("local:other"), made));
  auto of_site = made;
  of_site.of = key("site:local:root", "site.status");
  CHECK(may_approve(Principal("local:root"), of_site));
}

TEST_CASE("changes of facts are stored and read as they are; damaged ones are not taken for others") {
  const std::vector<FactValue> values{true, std::int64_t{-5}, on_day(3), std::string("FI"), Words{"b", "a"}, Words{}};
  for (const auto& value : values) {
    const auto json = parse_json(canonical_json(value_json(value)));
    REQUIRE(json);
    CHECK(value_from_json(*json) == value);
    const FactChangeBody body{
        .before = said(value, on_day(1)), .made_from = change_id(7), .after = said(value, on_day(2), on_day(3))};
    CHECK(fact_change_from_json(to_json(body)).value() == body);
  }
  const FactChangeBody gone;
  CHECK(fact_change_from_json(to_json(gone)).value() == gone);
  CHECK(change_name(gone) == "fact_withdrawn");
  for (const auto* damaged :
       {R"([])", R"({"after":{}})", R"({"after":{"value":1.5}})", R"({"after":{"value":[1]}})", R"({"made_from":"x"})",
        R"({"before":{"value":true,"as_of_ms":"x"}})", R"({"before":null})", R"({"after":{"value":{"at":1}}})"}) {
    CAPTURE(damaged);
    CHECK(fact_change_from_json(*parse_json(damaged)).error().code == "BAD_STORED_JSON");
  }
}
