// SPDX-License-Identifier: Apache-2.0
// hansa policy check, test and show, on the shipped packs and on packs that are wrong.
#include "broker/cli/run.hpp"
#include "broker/core/canonical_json.hpp"
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <fstream>

namespace hansa::cli {
namespace {

constexpr const char* kGood = HANSA_SOURCE_DIR "/policies/packs/gdpr-eea.toml";

struct PolicyCall : OutsideUnderTest {
  int run(std::vector<const char*> arguments) {
    auto outside = surroundings();
    return static_cast<int>(cli::run(arguments, outside));
  }
};

/// A file for as long as it lives.
class File {
 public:
  explicit File(const std::string& text) {
    const int fd = ::mkstemp(path_.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    std::ofstream(path_) << text;
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { ::unlink(path_.c_str()); }
  [[nodiscard]] const char* path() const { return path_.c_str(); }

 private:
  std::string path_ = "/tmp/hansa-cli-policy.XXXXXX";
};

std::string pack_text(const std::string& rule_end, const std::string& tests = "") {
  return "[meta]\nid = \"t\"\nversion = \"1.0.0\"\napproved_by = [\"a\", \"b\"]\ndefault = \"deny\"\n"
         "[[rule]]\nid = \"P\"\neffect = \"permit\"\nactions = [\"place\"]\nlegal_basis = \"l\"\nowner = \"o\"\n" +
         rule_end + "\n" + tests;
}
const std::string kFinland = "when = [{attr = \"site.country\", op = \"eq\", value = \"FI\"}]";

}  // namespace

TEST_CASE("policy check: good packs, with their hash", "[policy]") {
  PolicyCall call;
  CHECK(call.run({"policy", "check", kGood}) == 0);
  CHECK(call.out.contains("gdpr-eea.toml: good; gdpr-eea 1.0.0, 3 rules, "));
  CHECK(call.out.contains("policy hash: "));
  CHECK(call.err.empty());
  PolicyCall json;
  CHECK(json.run({"policy", "check", "--json", kGood, HANSA_SOURCE_DIR "/policies/packs/ehds-health.toml"}) == 0);
  const auto told = parse_json(json.out);
  REQUIRE(told);
  CHECK((*told)["valid"] == true);
  CHECK((*told)["packs"].size() == 2);
  CHECK((*told)["policy_hash"].get<std::string>().size() == 64);
}

TEST_CASE("policy check: every fault with its place, exit 2, and nothing on standard output", "[policy]") {
  const File bad(pack_text("when = [{attr = \"site.contry\", op = \"eq\", value = \"FI\"}]\nobligations = [\"encrypt\"]"));
  PolicyCall call;
  CHECK(call.run({"policy", "check", kGood, bad.path(), "/does/not/exist"}) == 2);
  CHECK(call.out.empty());
  CHECK(call.err.contains(std::string(bad.path()) + ":12: rule[P].when[0].attr: is \"site.contry\""));
  CHECK(call.err.contains("did you mean \"site.country\"?"));
  CHECK(call.err.contains(std::string(bad.path()) + ":13: rule[P].obligations"));
  CHECK(call.err.contains("/does/not/exist: cannot read"));
  PolicyCall json;
  CHECK(json.run({"policy", "check", "--json", bad.path()}) == 2);
  CHECK(parse_json(json.out)->at("errors").size() == 2);
}

TEST_CASE("policy check: what has ended is told by the clock, or by --at", "[policy]") {
  const File dated(pack_text(kFinland + "\nreview_by = 2027-01-01"));
  CHECK(PolicyCall().run({"policy", "check", dated.path()}) == 0);  // it is 2026-11-22
  PolicyCall later;
  CHECK(later.run({"policy", "check", "--at", "2027-01-01", dated.path()}) == 2);
  CHECK(later.err.contains("o must review the rule and set a new date"));
  PolicyCall wrong;
  CHECK(wrong.run({"policy", "check", "--at", "soon", dated.path()}) == 2);
  CHECK(wrong.err.contains("--at is \"soon\""));
}

TEST_CASE("policy check: labels that no site of a file can serve", "[policy]") {
  const File swiss("[[site]]\nid = \"alpha\"\ncountry = \"CH\"\nfacts = {status = \"member\", operator_country = \"CH\"}\n");
  PolicyCall call;
  CHECK(call.run({"policy", "check", "--sites", swiss.path(), kGood}) == 2);
  CHECK(call.err.contains("can hold data labelled personal (alpha: F-PERSONAL-OUTSIDE forbids it unless"));
  const File finnish("[[site]]\nid = \"alpha\"\ncountry = \"FI\"\nfacts = {status = \"member\", operator_country = \"FI\"}\n");
  CHECK(PolicyCall().run({"policy", "check", "--sites", finnish.path(), kGood}) == 0);
  const File broken("[[site]]\nid = \"alpha\"\ncountry = \"UK\"\n");
  PolicyCall bad;
  CHECK(bad.run({"policy", "check", "--sites", broken.path(), kGood}) == 2);
  CHECK(bad.err.contains("did you mean \"GB\"?"));
}

TEST_CASE("policy test: the packs' own tests, and rules without one", "[policy]") {
  PolicyCall good;
  CHECK(good.run({"policy", "test", kGood}) == 0);
  CHECK(good.out.starts_with("gdpr-eea 1.0.0: "));
  CHECK(good.out.contains("3 rules seen to apply and not to apply"));
  const File untested(pack_text(
      kFinland, "[[test]]\nname = \"yes\"\naction = \"place\"\ngiven = {site.country = \"SE\"}\nexpect = \"permit\"\n"));
  PolicyCall call;
  CHECK(call.run({"policy", "test", kGood, untested.path()}) == 2);
  CHECK(call.out.starts_with("gdpr-eea 1.0.0: "));
  CHECK(
      call.err.contains("test[yes]: expected PERMITTED, but place is denied: no rule permits it. It would be allowed if the "
                        "site's country is FI (now: SE, from the site descriptor"));
  CHECK(call.err.contains("rule[P]: applies in no test of the pack"));
  PolicyCall json;
  CHECK(json.run({"policy", "test", "--json", untested.path()}) == 2);
  const auto told = parse_json(json.out);
  REQUIRE(told);
  CHECK((*told)["tests"][0]["passed"] == false);
  CHECK((*told)["tests"][0]["explanation"]["code"] == "NO_PERMIT");
}

TEST_CASE("policy show: sentences, bases, owners, sets", "[policy]") {
  PolicyCall call;
  CHECK(call.run({"policy", "show", kGood}) == 0);
  CHECK(
      call.out.contains("F-PERSONAL-OUTSIDE\n    Forbids place, stage_in, dispatch, reroute, stage_out and log_export when the "
                        "dataset's labels include any "
                        "of personal, unless the site's country is in EEA@2026-01"));
  CHECK(call.out.contains("Owner: data-protection@centre-a.example, review by 2027-12-01T00:00:00Z"));
  CHECK(call.out.contains("EEA@2026-01: AT, BE, "));
  PolicyCall json;
  CHECK(json.run({"policy", "show", "--json", kGood}) == 0);
  const auto told = parse_json(json.out);
  REQUIRE(told);
  CHECK((*told)["packs"][0]["rules"].size() == 3);
  CHECK((*told)["packs"][0]["rules"][0]["sentence"].get<std::string>().starts_with("Forbids"));
}

namespace {

std::string place_rule(const std::string& id, const std::string& effect, const std::string& clauses) {
  return "[[rule]]\nid = \"" + id + "\"\neffect = \"" + effect +
         "\"\nactions = [\"place\"]\nlegal_basis = \"l\"\nowner = \"o\"\nwhen = [" + clauses + "]\n";
}
const std::string kInFinland = "{attr = \"site.country\", op = \"eq\", value = \"FI\"}";
const std::string kInSweden = "{attr = \"site.country\", op = \"eq\", value = \"SE\"}";
const std::string kDiffMeta = "[meta]\nid = \"t\"\nversion = \"1.0.0\"\napproved_by = [\"a\", \"b\"]\ndefault = \"deny\"\n";

/// Two sites, in Finland and Sweden; three decisions that share their evidence, one that no rule was asked about, one whose
/// evidence is gone.
std::string decisions(const std::string& cursor) {
  const auto country = [](const std::string& code) {
    return Json::array({{{"attribute", "site.country"}, {"value", code}, {"observed_at_ms", 1'763'000'000'000}}});
  };
  const Json evidence{
      {"job", Json::array()},
      {"datasets", Json::array()},
      {"sites", Json::array({{{"id", "kajaani"}, {"facts", country("FI")}}, {{"id", "umea"}, {"facts", country("SE")}}})}};
  Json page{
      {"decisions", Json::array()}, {"evidence", {{"e1", evidence}}}, {"next_cursor", cursor.empty() ? Json() : Json(cursor)}};
  const auto add = [&](const std::string& job, const Json& input) {
    page["decisions"].push_back(
        {{"job", job}, {"at", "2025-11-20T10:00:00Z"}, {"site", "kajaani"}, {"policy_hash", "p"}, {"input", input}});
  };
  if (cursor.empty()) {
    add("J4", "e1");
    return page.dump();
  }
  add("J1", "e1");
  add("J2", nullptr);
  add("J3", "gone");
  return page.dump();
}

}  // namespace

TEST_CASE("policy diff: exactly what would change, with both rules, over all pages; exit 1", "[policy]") {
  const File old(kDiffMeta + place_rule("P-FI", "permit", kInFinland));
  const File next(kDiffMeta + place_rule("P-SE", "permit", kInSweden));
  Call call;
  ScriptedServer server({reply(200, decisions("7")), reply(200, decisions(""))});
  CHECK(call.run(server, {"policy", "diff", "--last", "30d", old.path(), next.path()}) == 1);
  const auto requests = server.requests();
  REQUIRE(requests.size() == 2);
  CHECK(line_of(requests[0]) == "GET /v1/decisions?from=2026-10-23T10%3A00%3A00Z HTTP/1.1");
  CHECK(line_of(requests[1]).contains("&cursor=7 "));
  CHECK(call.out ==
        "2025-11-20T10:00:00Z  job J1  kajaani  place  (it went there)\n"
        "    old: PERMITTED (P-FI): place is permitted by P-FI.\n"
        "    new: NO_PERMIT: place is denied: no rule permits it. It would be allowed if the site's country is SE (now: FI, from "
        "the site descriptor, 7d old).\n"
        "2025-11-20T10:00:00Z  job J1  umea  place\n"
        "    old: NO_PERMIT: place is denied: no rule permits it. It would be allowed if the site's country is FI (now: SE, from "
        "the site descriptor, 7d old).\n"
        "    new: PERMITTED (P-SE): place is permitted by P-SE.\n"
        "2025-11-20T10:00:00Z  job J4  kajaani  place  (it went there)\n"
        "    old: PERMITTED (P-FI): place is permitted by P-FI.\n"
        "    new: NO_PERMIT: place is denied: no rule permits it. It would be allowed if the site's country is SE (now: FI, from "
        "the site descriptor, 7d old).\n"
        "2025-11-20T10:00:00Z  job J4  umea  place\n"
        "    old: NO_PERMIT: place is denied: no rule permits it. It would be allowed if the site's country is FI (now: SE, from "
        "the site descriptor, 7d old).\n"
        "    new: PERMITTED (P-SE): place is permitted by P-SE.\n"
        "2 of 4 decisions asked again: 2 would change, of jobs: 2\n"
        "  answers for a site: 2 permitted -> denied, 2 denied -> permitted, 0 otherwise\n"
        "  1 were taken without asking rules\n"
        "  1 cannot be asked again: their evidence is no longer kept\n");
}

TEST_CASE("policy diff: against what is in force, as one document; nothing changes, exit 0", "[policy]") {
  const auto text = kDiffMeta + place_rule("P-FI", "permit", kInFinland);
  const File next(text);
  const auto in_force = reply(200, Json{{"in_force", true}, {"texts", {text}}}.dump());
  Call call;
  ScriptedServer server({in_force, reply(200, decisions(""))});
  CHECK(call.run(server, {"policy", "diff", "--json", next.path()}) == 0);
  CHECK(line_of(server.requests()[0]) == "GET /v1/rules?texts=true HTTP/1.1");
  const auto told = parse_json(call.out);
  REQUIRE(told);
  CHECK((*told)["changes"].empty());
  CHECK((*told)["policy_hash"]["old"] == (*told)["policy_hash"]["new"]);
  CHECK((*told)["summary"]["asked"] == 1);

  const File closed(kDiffMeta + place_rule("F-FI", "forbid", kInFinland));
  Call json;
  ScriptedServer again({in_force, reply(200, decisions(""))});
  CHECK(json.run(again, {"policy", "diff", "--json", closed.path()}) == 1);
  const auto changed = parse_json(json.out);
  REQUIRE(changed);
  REQUIRE((*changed)["changes"].size() == 1);
  CHECK((*changed)["changes"][0]["old"]["rules"] == Json{"P-FI"});
  CHECK((*changed)["changes"][0]["new"]["code"] == "FORBIDDEN");
  CHECK((*changed)["changes"][0]["new"]["rules"] == Json{"F-FI"});
  CHECK((*changed)["summary"]["permitted_to_denied"] == 1);
}

TEST_CASE("policy diff: whether data may be brought there is asked where the job names some", "[policy]") {
  const auto staging = [](const std::string& country) {
    return kDiffMeta + place_rule("P-FI", "permit", kInFinland) +
           "[[rule]]\nid = \"P-IN\"\neffect = \"permit\"\nactions = [\"stage_in\"]\nlegal_basis = \"l\"\nowner = \"o\"\nwhen = "
           "[" +
           "{attr = \"dataset.labels\", op = \"within\", value = [\"open\"]}, " + country + "]\n";
  };
  const File old(staging(kInFinland));
  const File next(staging(kInSweden));
  Call none;
  ScriptedServer without({reply(200, decisions(""))});
  CHECK(none.run(without, {"policy", "diff", old.path(), next.path()}) == 0);

  auto page = parse_json(decisions(""));
  REQUIRE(page);
  (*page)["evidence"]["e1"]["datasets"] =
      Json::array({Json::array({{{"attribute", "dataset.labels"}, {"value", {"open"}}, {"observed_at_ms", 1'763'632'800'000}}})});
  Call call;
  ScriptedServer server({reply(200, page->dump())});
  CHECK(call.run(server, {"policy", "diff", "--json", old.path(), next.path()}) == 1);
  const auto told = parse_json(call.out);
  REQUIRE(told);
  REQUIRE((*told)["changes"].size() == 2);
  for (const auto& change : (*told)["changes"]) CHECK(change["action"] == "stage_in");
  CHECK((*told)["changes"][0]["old"]["rules"] == Json{"P-IN"});
  CHECK((*told)["changes"][0]["new"]["code"] == "NO_PERMIT");
  CHECK((*told)["changes"][1]["new"]["code"] == "PERMITTED");
}

TEST_CASE("policy diff: what stands in its way is told", "[policy]") {
  const File good(kDiffMeta + place_rule("P-FI", "permit", kInFinland));
  const File bad("[meta]\nid = 1\n");
  CHECK(Call().run({"policy", "diff", good.path(), bad.path()}) == 2);
  CHECK(Call().run({"policy", "diff", "--last", "soon", good.path(), good.path()}) == 2);
  Call none;
  ScriptedServer without({reply(200, R"({"in_force":false})")});
  CHECK(none.run(without, {"policy", "diff", good.path()}) == 2);
  CHECK(none.err.contains("name both packs"));
  Call denied;
  ScriptedServer refusing({problem(403, "ROLE_LACKS_RIGHT")});
  CHECK(denied.run(refusing, {"policy", "diff", good.path(), good.path()}) == 4);
  for (const auto* nonsense :
       {"{}", R"({"decisions":[{}],"evidence":{}})", R"({"decisions":[],"evidence":{},"next_cursor":"7"})"}) {
    Call confused;
    ScriptedServer other({reply(200, nonsense), reply(200, nonsense)});
    CHECK(confused.run(other, {"policy", "diff", good.path(), good.path()}) == 5);
  }
}

}  // namespace hansa::cli
