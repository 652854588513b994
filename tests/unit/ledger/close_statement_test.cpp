// SPDX-License-Identifier: Apache-2.0
// What a month's close rests on: read as it is written, refused in any other form, and believed only if the month could be
// closed.
#include "broker/ledger/close_statement.hpp"

#include "broker/core/digest.hpp"

#include "sample_ledger.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::ledger;
using test::settled_site;

namespace {

constexpr const char* kApril = "2026-04";
constexpr std::int64_t kInMay = test::kClosedAt;

std::string fault_of_close(const std::vector<SiteThen>& sites, const std::string& grades, std::int64_t at_s = kInMay,
                           std::int64_t apart_s = 86'400, const std::set<std::string, std::less<>>& used = {"alpha"}) {
  const auto text = close_text(sites);
  const auto fits = check_close(
      {.period = kApril, .at_s = at_s, .sites = grades, .reconciliations = sha256_hex(text), .apart_s = apart_s}, text, used);
  return fits ? "" : fits.error().message;
}

}  // namespace

TEST_CASE("what a close rests on is read as it is written") {
  auto alpha = settled_site("alpha", kApril), beta = settled_site("beta", kApril);
  beta.reconciliations[0].others.reset();
  beta.explained_at_s = 1'779'000'000;
  const auto text = close_text({alpha, beta});
  const auto read = parse_close(text);
  REQUIRE(read);
  CHECK(close_text(*read) == text);
  CHECK(close_text({}) == "[]");
  CHECK(text.starts_with(R"([{"reconciliations":[{"at":1779999990,"differences":1,"from":)"));
  CHECK(text.contains(R"("explained_at":1779000000,"reconciliations")"));
}

TEST_CASE("in another form it is none") {
  const std::string seen = R"({"at":1,"differences":0,"from":0,"id":"x","matched":0,"to":9,"unexplained":0})";
  CHECK(parse_close(R"([{"reconciliations":[)" + seen + R"(],"site":"a"}])"));
  for (
      const auto& text :
      {std::string("-"), std::string(""), std::string("{}"), std::string("[1]"), std::string(R"([{"site":"a"}])"),
       std::string(R"([{"reconciliations":{},"site":"a"}])"), std::string(R"([{"reconciliations":[],"site":1}])"),
       std::string(R"([{"explained_at":"x","reconciliations":[],"site":"a"}])"),
       std::string(R"([{"more":1,"reconciliations":[],"site":"a"}])"), std::string(R"([ {"reconciliations":[],"site":"a"}])"),
       std::string(R"([{"site":"a","reconciliations":[]}])"), R"([{"reconciliations":[)" + seen + R"(,{}],"site":"a"}])",
       std::string(R"([{"reconciliations":[{"at":1}],"site":"a"}])"),
       std::string(
           R"([{"reconciliations":[{"at":-1,"differences":0,"from":0,"id":"x","matched":0,"to":9,"unexplained":0}],"site":"a"}])"),
       std::string(
           R"([{"reconciliations":[{"at":18446744073709551615,"differences":0,"from":0,"id":"x","matched":0,"to":9,"unexplained":0}],"site":"a"}])"),
       std::string(
           R"([{"reconciliations":[{"at":1,"differences":0,"from":0,"id":"x","matched":0.5,"to":9,"unexplained":0}],"site":"a"}])")}) {
    INFO(text);
    const auto read = parse_close(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "BAD_STATEMENT");
  }
  SiteThen many{.site = "a", .reconciliations = std::vector<SeenThen>(kMostSeen + 1), .explained_at_s = {}};
  CHECK_FALSE(parse_close(close_text({many})));
}

TEST_CASE("a close follows from what it rests on or is refused", "[T17]") {
  const auto alpha = settled_site("alpha", kApril);
  CHECK(fault_of_close({alpha}, "alpha=B").empty());
  CHECK(fault_of_close({alpha, settled_site("beta", kApril)}, "alpha=B beta=B").empty());
  CHECK(fault_of_close({alpha}, "alpha=C").contains("the grades are \"alpha=B\""));
  CHECK(fault_of_close({alpha}, "").contains("the grades are"));
  CHECK(fault_of_close({alpha, alpha}, "alpha=B alpha=B").contains("site alpha twice"));
  CHECK(fault_of_close({settled_site("beta", kApril)}, "beta=B").contains("site alpha has used something"));
  CHECK(fault_of_close({alpha}, "alpha=B", kInMay, 89'991).contains("site alpha was not settled"));
  CHECK(fault_of_close({alpha}, "alpha=B", kInMay, 89'990).empty());
  CHECK(fault_of_close({alpha}, "alpha=B", kInMay, INT64_MAX).contains("of no time"));
  CHECK(fault_of_close({alpha}, "alpha=B", -1).contains("of no time"));
  auto hidden = alpha, open = alpha, once = alpha, before = alpha;
  hidden.reconciliations[0].others.reset();
  CHECK(fault_of_close({hidden}, "alpha=C").empty());
  open.reconciliations[0].unexplained = 1;
  CHECK(fault_of_close({open}, "alpha=C").contains("was not settled"));
  open.explained_at_s = 1;
  CHECK(fault_of_close({open}, "alpha=C").empty());
  before.reconciliations[1].unexplained = 1;  // then clean, once
  CHECK(fault_of_close({before}, "alpha=C").contains("was not settled"));
  once.reconciliations.pop_back();
  CHECK(fault_of_close({once}, "alpha=C").contains("was not settled"));
  const auto text = close_text({alpha});
  CHECK_FALSE(check_close(
      {.period = kApril, .at_s = kInMay, .sites = "alpha=B", .reconciliations = sha256_hex("x"), .apart_s = 86'400}, text, {}));
}

TEST_CASE("a month that is closed before its end is settled as far as it was seen twice") {
  const auto span = span_of(kApril).value();
  constexpr std::int64_t kDays = 86'400;
  const auto look = [&](std::int64_t to_day, std::int64_t at_day) {
    return Look{.from_s = span.from_s,
                .to_s = span.from_s + to_day * kDays,
                .at_s = span.from_s + at_day * kDays,
                .clean = true,
                .saw_others = true};
  };
  const auto at = span.from_s + 12 * kDays;
  const std::vector<Look> twice{look(11, 11), look(10, 10)}, too_near{look(11, 11), look(11, 11)};
  CHECK_FALSE(settled_at(span, twice, kDays, at, false).unsettled_from_s);
  CHECK(settled_at(span, twice, kDays, at, false).grade == Grade::b);
  CHECK(settled_at(span, twice, kDays, at, true).grade == Grade::a);
  CHECK(settled_at(span, twice, kDays, span.to_s, false).unsettled_from_s == span.from_s + 10 * kDays);  // it is over
  CHECK(settled_at(span, too_near, kDays, at, false).unsettled_from_s == span.from_s);
  CHECK(settled_at(span, {}, kDays, at, false).unsettled_from_s == span.from_s);
}
