// SPDX-License-Identifier: Apache-2.0
// Packs that are wrong, each with the place and the words of its fault. A pack's [meta] is its lines 1 to 5.
#include "tests/unit/rules/pack_text.hpp"

#include <vector>

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

struct Case {
  std::string text;
  std::string where;    // without "p.toml:"
  std::string message;  // a part of it
};

std::string permit(const std::string& when, const std::string& unless = "", const std::string& more = "") {
  return rule("P", "permit", when, unless, more);
}
std::string forbid(const std::string& when, const std::string& unless = "") { return rule("F", "forbid", when, unless); }

/// A good rule on lines 6 to 12, then `text`.
std::string test_of(const std::string& text) { return permit(kFinland) + text; }

void check_all(const std::vector<Case>& cases, const std::string& meta = kMeta) {
  for (const auto& [text, where, message] : cases) {
    CAPTURE(text);
    const auto pack = parse_pack(meta + text, "p.toml");
    REQUIRE_FALSE(pack);
    CHECK(pack.error().kind == ErrorKind::invalid_argument);
    std::string all;
    bool found = false;
    for (const auto& fault : pack.error().faults) {
      all += fault.where + ": " + fault.message + "\n";
      found = found || (fault.where == "p.toml:" + where && fault.message.contains(message));
    }
    CAPTURE(where, message, all);
    CHECK(found);
    CHECK(pack.error().faults.size() == 1);
  }
}

}  // namespace

TEST_CASE("packs: [meta]") {
  const auto meta = [](const std::string& body) { return "[meta]\n" + body + permit(kFinland); };
  const std::string id = "id = \"t\"\n", version = "version = \"1.0.0\"\n", approved = "approved_by = [\"a\", \"b\"]\n",
                    deny = "default = \"deny\"\n";
  check_all(
      {
          {permit(kFinland), "1: meta", "is missing"},
          {"meta = 1\n" + permit(kFinland), "1: meta", "is 1; allowed: a table"},
          {meta(version + approved + deny), "1: meta.id", "is missing"},
          {meta("id = \"T\"\n" + version + approved + deny), "2: meta.id", "is \"T\"; allowed: 1 to 64 lower-case"},
          {meta(id + "version = \"1.0\"\n" + approved + deny), "3: meta.version", "allowed: a semantic version"},
          {meta(id + "version = \"1.01.0\"\n" + approved + deny), "3: meta.version", "allowed: a semantic version"},
          {meta(id + "version = 1\n" + approved + deny), "3: meta.version", "is 1;"},
          {meta(id + version + deny), "1: meta.approved_by", "is missing"},
          {meta(id + version + "approved_by = [\"a\"]\n" + deny), "4: meta.approved_by", "needs the approval of two"},
          {meta(id + version + "approved_by = \"a\"\n" + deny), "4: meta.approved_by", "is \"a\"; allowed: a list"},
          {meta(id + version + approved), "1: meta.default", "is missing"},
          {meta(id + version + approved + "default = \"permit\"\n"), "5: meta.default", "\"deny\", and nothing else"},
          {meta(id + version + approved + deny + "titel = \"x\"\n"), "6: meta.titel", "did you mean \"title\"?"},
          {meta(id + version + approved + deny + "title = \"a\\nb\"\n"), "6: meta.title", "one line of text"},
          {meta(id + version + approved + deny + "effective_from = \"2027-01-01\"\n"), "6: meta.effective_from",
           "without quotes"},
          {meta(id + version + approved + deny + "effective_from = 2027-01-01T00:00:00\n"), "6: meta.effective_from",
           "allowed: a date"},
          {meta(id + version + approved + deny + "effective_from = 2027-01-01\neffective_until = 2027-01-01\n"),
           "7: meta.effective_until", "is not after effective_from"},
      },
      "");
}

TEST_CASE("packs: the top, and syntax") {
  check_all({
      {"", "1: rule", "is missing"},
      {"[[rules]]\n" + permit(kFinland), "6: rules", "did you mean \"rule\"?"},
      {permit(kFinland) + permit(kFinland), "13: rule.id", "has \"P\" a second time"},
      {"[rule]\nid = \"P\"\n", "6: rule", "allowed: blocks [[rule]]"},
  });
  const auto broken = parse_pack("[meta\n", "p.toml");
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == "TOML_SYNTAX");
  CHECK_FALSE(parse_pack(std::string(kMostPackBytes + 1, '#'), "p.toml"));
}

TEST_CASE("packs: sets") {
  const auto set = [](const std::string& body) { return "[[set]]\n" + body + permit(kFinland); };
  check_all({
      {set("id = \"EU\"\nbasis = \"b\"\ncountries = [\"FI\"]\n"), "7: set[EU].id", "NAME@VERSION"},
      {set("id = \"E@1\"\ncountries = [\"FI\"]\n"), "6: set[E@1].basis", "is missing"},
      {set("id = \"E@1\"\nbasis = \"b\"\n"), "6: set[E@1]", "needs countries = [...] or ids"},
      {set("id = \"E@1\"\nbasis = \"b\"\ncountries = []\n"), "9: set[E@1].countries", "is empty"},
      {set("id = \"E@1\"\nbasis = \"b\"\ncountries = [\"FI\", \"UK\"]\n"), "9: set[E@1].countries", "did you mean \"GB\"?"},
      {set("id = \"E@1\"\nbasis = \"b\"\ncountries = [\"FI\", \"FI\"]\n"), "9: set[E@1].countries", "has \"FI\" twice"},
      {set("id = \"E@1\"\nbasis = \"b\"\nids = [\"a b\"]\n"), "9: set[E@1].ids", "is \"a b\"; allowed: an id"},
      {set("id = \"E@1\"\nbasis = \"b\"\nids = [\"a\"]\ncountries = [\"FI\"]\n"), "6: set[E@1]", "one of them"},
      {kSets + kSets.substr(0, kSets.find("[[set]]", 5)) + permit(kFinland), "14: set.id", "has \"EU@1\" a second time"},
  });
}

TEST_CASE("packs: rules") {
  const auto with = [](const std::string& key, const std::string& line) {
    auto text = permit(kFinland);
    const auto at = text.find(key + " = ");
    text.replace(at, text.find('\n', at) + 1 - at, line);
    return text;
  };
  check_all({
      {with("id", ""), "6: rule[0].id", "is missing"},
      {with("id", "id = \"P 1\"\n"), "7: rule[P 1].id", "allowed: 1 to 64 letters"},
      {with("effect", "effect = \"allow\"\n"), "8: rule[P].effect", "is \"allow\"; allowed: permit, forbid"},
      {with("effect", ""), "6: rule[P].effect", "is missing"},
      {with("actions", "actions = [\"plase\"]\n"), "9: rule[P].actions", "did you mean \"place\"?"},
      {with("actions", "actions = []\n"), "9: rule[P].actions", "is an empty list"},
      {with("actions", "actions = \"place\"\n"), "9: rule[P].actions", "allowed: a list"},
      {with("actions", "actions = [\"place\", \"place\"]\n"), "9: rule[P].actions", "twice"},
      {with("legal_basis", ""), "6: rule[P].legal_basis", "is missing"},
      {with("owner", "owner = \"\"\n"), "12: rule[P].owner", "one line of text"},
      {with("when", "wehn = []\n"), "10: rule[P].wehn", "did you mean \"when\"?"},
      {with("when", "when = \"x\"\n"), "10: rule[P].when", "or a list of tables"},
      {with("when", "when = [1]\n"), "10: rule[P].when", "has 1; allowed: a table"},
      {permit(kFinland, "", "review_by = true\n"), "13: rule[P].review_by", "is true; allowed: a date"},
      {permit(kFinland, "", "effective_from = 2027-01-01\neffective_until = 2026-01-01\n"), "6: rule[P].effective_until",
       "would never count"},
      {permit(kFinland, "", "obligations = [\"encrypt_scrach\"]\n"), "13: rule[P].obligations",
       "did you mean \"encrypt_scratch\"?"},
      {permit(kFinland, "", "obligations = [\"wipe_within_hours\"]\n"), "13: rule[P].obligations", "wipe_within_hours:N"},
      {permit(kFinland, "", "obligations = [\"wipe_within_hours:0\"]\n"), "13: rule[P].obligations", "N from 1 to 8760"},
      {permit(kFinland, "", "obligations = [\"wipe_within_hours:9999\"]\n"), "13: rule[P].obligations", "N from 1 to 8760"},
      {permit(kFinland, "", "obligations = [\"wipe_within_hours:1h\"]\n"), "13: rule[P].obligations", "N from 1 to 8760"},
      {permit(kFinland, "", "obligations = [\"encrypt_scratch:1\"]\n"), "13: rule[P].obligations", "without a number behind it"},
  });
}

TEST_CASE("packs: clauses") {
  const std::string at = "10: rule[P].when[0].";
  check_all({
      {permit(clause("site.contry", "eq", "\"FI\"")), at + "attr", "did you mean \"site.country\"?"},
      {permit(clause("site.country", "is", "\"FI\"")), at + "op", "site.country allows: eq, ne, in, not_in, in_set, not_in_set"},
      {permit(clause("site.country", "lt", "\"FI\"")), at + "op", "is \"lt\"; site.country allows"},
      {permit(clause("dataset.labels", "eq", "\"open\"")), at + "op", "allows: any_of, all_of, none_of, within"},
      {permit("{attr = \"site.country\", value = \"FI\"}"), "10: rule[P].when[0].op", "is missing"},
      {permit("{op = \"eq\", value = \"FI\"}"), "10: rule[P].when[0].attr", "is missing"},
      {permit("{attr = \"site.country\", op = \"eq\"}"), at + "value", "is missing; give a value"},
      {permit("{attr = \"site.country\", op = \"eq\", value = \"FI\", other = \"user.country\"}"), at + "value",
       "stands beside other"},
      {permit("{attr = \"site.country\", op = \"eq\", value = \"FI\", vale = 1}"), "10: rule[P].when[0].vale",
       "did you mean \"value\"?"},
      {permit(clause("site.country", "eq", "\"uk\"")), at + "value", "did you mean \"GB\"?"},
      {permit(clause("site.country", "eq", "\"EU\"")), at + "value", "allowed: an ISO 3166-1 alpha-2 country code"},
      {permit(clause("site.country", "in", "\"FI\"")), at + "value", "allowed: a list, as [\"FI\"]"},
      {permit(clause("site.country", "in", "[]")), at + "value", "is an empty list"},
      {permit(clause("site.country", "in", R"(["FI", "FI"])")), at + "value", "twice"},
      {permit(clause("site.country", "in_set", "\"EU@2\"")), at + "value",
       "is no [[set]] of this pack; there are: this pack has none"},
      {kSets + permit(clause("site.country", "in_set", "\"EU@2\"")), "18: rule[P].when[0].value", "did you mean \"EU@1\"?"},
      {kSets + permit(clause("site.country", "in_set", "\"SITES@1\"")), "18: rule[P].when[0].value", "needs one of countries"},
      {permit(clause("site.status", "eq", "\"membre\"")), at + "value", "did you mean \"member\"?"},
      {permit(clause("site.eurohpc", "eq", "\"true\"")), at + "value", "allowed: true or false"},
      {permit(clause("project.training_petaflop", "ge", "-1")), at + "value", "allowed: an integer from 0"},
      {permit(clause("project.training_petaflop", "ge", "1.5")), at + "value", "a number with a fraction"},
      {permit(clause("now", "lt", "\"2027-01-01\"")), at + "value", "without quotes"},
      {permit(clause("site.id", "eq", "\"a b\"")), at + "value", "allowed: an id"},
      {permit(compared("site.country", "eq", "user.contry")), at + "other", "did you mean \"user.country\"?"},
      {permit(compared("site.country", "eq", "user.id")), at + "other", "allowed beside site.country eq: user.country"},
      {permit(compared("site.country", "in", "user.country")), at + "other", "no attribute; give a value"},
      {permit(compared("site.country", "eq", "site.country")), at + "other", "allowed beside"},
  });
}

TEST_CASE("packs: what a request says of itself may only be a reason to refuse", "[T14]") {
  const auto claim = clause("request.labels", "none_of", R"(["health"])");
  check_all({
      {permit(claim), "10: rule[P].when", "may only narrow"},
      {forbid(kFinland, claim), "11: rule[F].unless", "may only narrow"},
      {permit(kFinland, claim), "11: rule[P].unless", "may only narrow"},
  });
  CHECK(parse_pack(kMeta + forbid(claim), "p.toml"));
}

TEST_CASE("packs: tests") {
  const auto test = [](const std::string& body) { return test_of("[[test]]\nname = \"t\"\naction = \"place\"\n" + body); };
  check_all({
      {test_of("[[test]]\naction = \"place\"\nexpect = \"permit\"\n"), "13: test[0].name", "is missing"},
      {test_of("[[test]]\nname = \"t\"\nexpect = \"permit\"\n"), "13: test[t].action", "is missing"},
      {test(""), "13: test[t].expect", "is missing"},
      {test("expect = \"allow\"\n"), "16: test[t].expect", "allowed: permit, deny"},
      {test("expect = \"deny\"\n"), "16: test[t].code", "say which denial"},
      {test("expect = \"permit\"\ncode = \"FORBIDDEN\"\n"), "17: test[t].code", "a permission has no code"},
      {test("expect = \"deny\"\ncode = \"FORBIDEN\"\n"), "17: test[t].code", "did you mean \"FORBIDDEN\"?"},
      {test("expect = \"permit\"\nbecause = [\"Q\"]\n"), "17: test[t].because", "no rule of this pack"},
      {test("expect = \"permit\"\nsilent = [\"Q\"]\n"), "17: test[t].silent", "no rule of this pack"},
      {test("expect = \"permit\"\ngiven = {site.contry = \"FI\"}\n"), "17: test[t].given.site.contry",
       "did you mean \"site.country\"?"},
      {test("expect = \"permit\"\ngiven = {site.country = \"XX\"}\n"), "17: test[t].given.site.country", "country code"},
      {test("expect = \"permit\"\ngiven = {dataset.labels = []}\n"), "17: test[t].given.dataset.labels", "at least one of words"},
      {test("expect = \"permit\"\ngiven = 1\n"), "17: test[t].given", "allowed: a table of facts"},
      {test("expect = \"permit\"\ngiven = {country = \"FI\"}\n"), "17: test[t].given.country", "is no attribute"},
      {test("expect = \"permit\"\ndatasets = [{site.country = \"FI\"}]\n"), "17: test[t].datasets", "no fact about a dataset"},
      {test("expect = \"permit\"\nwithout = [\"site.contry\"]\n"), "17: test[t].without", "no attribute of the vocabulary"},
      {test("expect = \"permit\"\nstale = [\"site.id\"]\n"), "17: test[t].stale", "which does not age"},
      {test("expect = \"permit\"\nbecaus = []\n"), "17: test[t].becaus", "did you mean \"because\"?"},
      {test("expect = \"permit\"\n[[test]]\nname = \"t\"\naction = \"place\"\nexpect = \"permit\"\n"), "17: test.name",
       "a second time"},
      {"given = 1\n" + permit(kFinland), "6: meta.given", "is no key here"},
      {permit(kFinland) + "[given]\nsite.contry = \"FI\"\n", "14: given.site.contry", "did you mean"},
  });
}

TEST_CASE("packs: all faults of a pack at once, in the order of its lines") {
  const auto pack = parse_pack(kMeta + permit(clause("site.contry", "eq", "1"), "", "obligations = [\"x\"]\n") +
                                   forbid(clause("site.country", "eq", "1")) + "[[test]]\n",
                               "p.toml");
  REQUIRE_FALSE(pack);
  const auto& faults = pack.error().faults;
  CHECK(faults.size() == 6);
  CHECK(pack.error().message == "p.toml has 6 faults");
  CHECK(faults[0].where == "p.toml:10: rule[P].when[0].attr");
  CHECK(faults[1].where == "p.toml:13: rule[P].obligations");
  CHECK(faults[2].where == "p.toml:18: rule[F].when[0].value");
}
