// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/break_glass.hpp"

#include "broker/domain/two_persons.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <vector>

using namespace hansa;
using namespace hansa::domain;

namespace {

constexpr const char* kJob = "01JDA0XJ2GQ4M8T6V9ZK3N5R7W";
UtcTime of_incident(std::int64_t second) { return from_unix_seconds(1'780'000'000 + second); }

}  // namespace

TEST_CASE("what can be opened is one job or a person and nothing else") {
  const auto job = parse_break_glass_scope(std::string("job:") + kJob);
  REQUIRE(job);
  CHECK(job->str() == std::string("job:") + kJob);
  CHECK(parse_break_glass_scope("person:alice")->person == Principal("local:alice"));
  CHECK(parse_break_glass_scope("person:egi:a:b")->str() == "person:egi:a:b");
  for (const std::string bad :
       {"", "job", "job:", "job:x", "JOB:01JDA0XJ2GQ4M8T6V9ZK3N5R7W", "job:01jda0xj2gq4m8t6v9zk3n5r7w", "person:", "person::x",
        "person:egi:", "person:a b", "person:a\nb", "person:\xC3\xA5", "project:x", "*", "person"}) {
    CAPTURE(bad);
    const auto scope = parse_break_glass_scope(bad);
    REQUIRE_FALSE(scope);
    CHECK(scope.error().code == "BAD_SCOPE");
  }
  CHECK_FALSE(parse_break_glass_scope("person:" + std::string(600, 'a')));
}

TEST_CASE("a job's opening covers that job while it is its owner's") {
  const auto one = *JobId::parse(kJob), other = *JobId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV");
  const Principal alice("local:alice"), bob("local:bob");
  const BreakGlassScope of_job{.job = one, .person = alice}, of_person{.job = std::nullopt, .person = alice};
  CHECK(of_job.covers(one, alice));
  CHECK_FALSE(of_job.covers(other, alice));
  CHECK_FALSE(of_job.covers(one, bob));  // it became nobody's, or somebody else's
  CHECK_FALSE(of_job.covers(std::nullopt, alice));
  CHECK(of_person.covers(one, alice));
  CHECK(of_person.covers(std::nullopt, alice));
  CHECK_FALSE(of_person.covers(one, bob));
}

TEST_CASE("what is left of an opening never grows") {
  BreakGlass glass{.id = {}, .scope = {}, .reason = "r", .by = {}, .at = of_incident(0), .lasts = Seconds{3'600}};
  CHECK(left_of(glass, of_incident(10)) == Seconds{0});  // not approved
  glass.state = BreakGlassState::open;
  glass.ruled_at = glass.seen_at = of_incident(100);
  glass.until = of_incident(3'700);
  CHECK(left_of(glass, of_incident(100)) == Seconds{3'600});
  CHECK(left_of(glass, of_incident(1'100)) == Seconds{2'600});
  CHECK(left_of(glass, of_incident(3'700)) == Seconds{0});
  CHECK(left_of(glass, of_incident(9'000)) == Seconds{0});
  CHECK(left_of(glass, of_incident(-5'000)) == Seconds{3'600});  // a clock that stands before the approval
  glass.seen_at = of_incident(3'000);
  CHECK(left_of(glass, of_incident(-5'000)) == Seconds{700});
  glass.state = BreakGlassState::ended;
  CHECK(left_of(glass, of_incident(200)) == Seconds{0});
}

TEST_CASE("every action of two people refuses who asked for it") {
  const Principal asker("local:a"), second("local:b"), concerned("local:c");
  const std::vector<Principal> makers{Principal("local:root"), asker};
  std::set<std::string_view> asks;
  for (const auto& rule : two_person_rules()) {
    CAPTURE(rule.what);
    CHECK(&rule_of(rule.action) == &rule);
    CHECK(asks.insert(rule.ask).second);
    const auto own = second_person(rule.action, "thing 1", {asker}, asker, concerned);
    REQUIRE_FALSE(own);
    CHECK(own.error().kind == ErrorKind::permission_denied);
    CHECK(own.error().code == rule.code);
    CHECK(own.error().message.contains(rule.approve));
    CHECK(second_person(rule.action, "thing 1", {second}, asker, concerned));
    CHECK(second_person(rule.action, "thing 1", {concerned}, asker, concerned).has_value() == rule.nor.empty());
    CHECK(second_person(rule.action, "thing 1", {second, makers}, asker, concerned).has_value() == rule.token_of_asker);
  }
  CHECK_FALSE(rule_of(TwoPersons::break_glass).token_of_asker);
}

TEST_CASE("break-glass is not one person's with two tokens whichever of them asks", "[T27]") {
  using Makers = std::vector<Principal>;
  const Principal eve("local:eve"), ann("egi:ann"), root{std::string(kFirstOperator)}, nobody{std::string(kUnknownMaker)};
  // Eve asks, Ann approves; who had a hand in their tokens.
  const auto passes = [&](const Makers& of_eve, const Makers& of_ann) {
    const auto both = [&](const Principal& asks, const Makers& hers, const Principal& approves, const Makers& theirs) {
      return second_person(TwoPersons::break_glass, "break-glass 1", {approves, theirs}, asks, Principal("local:c"), hers)
          .has_value();
    };
    const bool one_way = both(eve, of_eve, ann, of_ann);
    CHECK(both(ann, of_ann, eve, of_eve) == one_way);
    return one_way;
  };
  CHECK(passes({}, {}));
  CHECK_FALSE(passes({ann}, {}));
  CHECK_FALSE(passes({Principal("local:x"), ann}, {root}));
  CHECK_FALSE(passes({root, Principal("local:x")}, {Principal("local:x")}));  // one who made both
  CHECK(passes({root}, {root}));
  CHECK(passes({root, Principal("local:x")}, {root, Principal("local:y")}));
  CHECK_FALSE(passes({nobody}, {}));
  CHECK_FALSE(second_person(TwoPersons::break_glass, "break-glass 1", {root}, eve, Principal("local:c"), Makers{root}));
}
