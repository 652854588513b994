// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/domain.hpp"

#include "tests/unit/rules/random_rules.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

Clause number(Op op, std::int64_t value) {
  return {.attribute = Attribute::project_training_petaflop, .op = op, .values = {value}};
}

}  // namespace

TEST_CASE("numbers fall into cells: each named one, and the gaps between them") {
  const auto three = number(Op::lt, 3);
  const auto five = number(Op::ge, 5);
  const Domain domain(Attribute::project_training_petaflop, {&three, &five}, random_set);
  CHECK(domain.cells() == 5);
  const auto cell = [&](std::int64_t value) { return domain.cell_of(Scalar(value)); };
  CHECK(cell(0) == cell(2));
  CHECK(cell(2) != cell(3));
  CHECK(cell(3) != cell(4));
  CHECK(cell(4) != cell(5));
  CHECK(cell(6) == cell(1'000'000));
  const auto below = domain.named_by(three, random_set);
  CHECK(below.test(cell(2)));
  CHECK_FALSE(below.test(cell(3)));
  const auto from = domain.named_by(five, random_set);
  CHECK_FALSE(from.test(cell(4)));
  CHECK(from.test(cell(5)));
  CHECK(from.test(cell(6)));
  CHECK(domain.possible().full());
}

TEST_CASE("no value lies in the gap between neighbours, nor beyond the limits") {
  const auto none = number(Op::lt, 0);
  const auto one = number(Op::le, 1);
  const Domain domain(Attribute::project_training_petaflop, {&none, &one}, random_set);
  CHECK(domain.cells() == 5);
  CHECK(domain.possible().count() == 3);  // 0, 1, and above
  CHECK_FALSE(domain.possible().test(0));
  CHECK_FALSE(domain.possible().test(2));
}

TEST_CASE("ids that nobody names are one cell") {
  const Clause named{.attribute = Attribute::site_id, .op = Op::in, .values = {Scalar("a"), Scalar("z")}};
  const Clause in_set{.attribute = Attribute::site_id, .op = Op::not_in_set, .set = "I@1"};  // a, b
  const Domain domain(Attribute::site_id, {&named, &in_set}, random_set);
  CHECK(domain.cells() == 4);
  CHECK(domain.cell_of_text("c") == domain.cell_of_text("nobody"));
  CHECK(domain.cell_of_text("a") != domain.cell_of_text("b"));
  CHECK(domain.named_by(in_set, random_set).test(domain.cell_of_text("c")));
  CHECK_FALSE(domain.named_by(in_set, random_set).test(domain.cell_of_text("b")));
}

TEST_CASE("a clause's cells say what the plain evaluation says") {
  RandomRules random(7);
  for (int i = 0; i < 5000; ++i) {
    std::vector<Clause> clauses;
    for (int k = 0; k < 4; ++k) clauses.push_back(random.clause(true, false));
    std::vector<const Clause*> all;
    for (const auto& clause : clauses) all.push_back(&clause);
    const auto& clause = clauses[0];
    const auto& record = record_of(clause.attribute);
    const Domain domain(clause.attribute, all, random_set);
    const Evidence evidence{{clause.attribute, random.value(record), record.source, random.now()}};
    const FactView facts(evidence, evidence, &evidence, random.now());
    if (clause.attribute == Attribute::now) continue;
    const auto named = domain.named_by(clause, random_set);
    const auto& value = evidence[0].value;
    bool held = false;
    if (const auto* several = std::get_if<std::vector<std::string>>(&value)) {
      Bits cells(domain.cells());
      for (const auto& text : *several) cells.set(domain.cell_of_text(text));
      held = holds(clause.op, cells, named);
    } else {
      held = named.test(domain.cell_of(value));
    }
    CAPTURE(record.name, record_of(clause.op).name, text_of(value));
    REQUIRE(held == (truth_of(clause, facts, random_set) == Truth::yes));
  }
}
