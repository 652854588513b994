// SPDX-License-Identifier: Apache-2.0
// What the API says of rules: what is in force, why a submission is refused, what each site's verdict rests on.
#include "broker/core/digest.hpp"
#include "broker/core/time_text.hpp"
#include "policies/rules/diff.hpp"
#include "policies/rules/evidence_json.hpp"
#include "policies/rules/load.hpp"
#include "tests/unit/api/api_under_test.hpp"

#include <array>
#include <set>

using namespace hansa;
using namespace hansa::api::test;
using rules::Attribute;

namespace {

const std::string kPack =
    "[meta]\nid = \"own\"\nversion = \"1.2.0\"\ntitle = \"Ours\"\napproved_by = [\"a@example\", \"b@example\"]\ndefault = "
    "\"deny\"\n"
    "[[rule]]\nid = \"P-JOB\"\neffect = \"permit\"\nactions = [\"intake\", \"place\", \"dispatch\"]\n"
    "when = [{attr = \"project.labels\", op = \"within\", value = [\"internal\"]}, {attr = \"site.status\", op = \"eq\", value = "
    "\"member\"}]\n"
    "obligations = [\"encrypt_scratch\"]\nlegal_basis = \"terms of use\"\nowner = \"o@example\"\n"
    "[[rule]]\nid = \"P-OPEN\"\neffect = \"permit\"\nactions = [\"place\", \"dispatch\"]\n"
    "when = [{attr = \"dataset.labels\", op = \"within\", value = [\"open\"]}]\nlegal_basis = \"a licence\"\nowner = "
    "\"o@example\"\n";

engine::Regulations regulations(const std::string& project_label) {
  const std::vector<rules::PackText> texts{{.file = "own.toml", .text = kPack}};
  auto packs = rules::parse_packs(texts);
  REQUIRE(packs);
  auto compiled = rules::RuleSet::compile(std::move(*packs));
  REQUIRE(compiled);
  const engine::RegisterFacts member{{Attribute::site_status, std::string("member"), simulation::VirtualScheduler::kStart}};
  engine::Regulations made;
  made.rules = std::make_shared<const rules::RuleSet>(std::move(*compiled));
  made.packs_document = routing::packs_document(texts);
  made.packs_hash = sha256_hex(made.packs_document);
  made.broker = member;
  made.sites = {{SiteId("alpha"), member}};
  made.projects = {{ProjectId("ai-lab"), {{Attribute::project_labels, std::vector{project_label}, std::nullopt}}}};
  return made;
}

const Json kJob = {{"script", kHold}};

}  // namespace

TEST_CASE("without packs the API says that no rule is in force") {
  ApiUnderTest broker;
  const auto told = broker.call("alice", "GET", "/v1/rules");
  CHECK(told.status == 200);
  CHECK(told.body == Json{{"in_force", false}, {"policy_hash", nullptr}, {"packs", Json::array()}});
  CHECK(broker.call("alice", "GET", "/v1/sites").body["rules_in_force"] == false);
  CHECK(broker.call("", "GET", "/v1/rules").status == 401);
}

TEST_CASE("the rules in force are told in sentences, with what is known of each site") {
  ApiUnderTest broker;
  broker.regulate(regulations("internal"));
  const auto told = broker.call("alice", "GET", "/v1/rules").body;
  CHECK(told["in_force"] == true);
  CHECK(told["policy_hash"].get<std::string>().size() == 64);
  CHECK(told["packs"][0]["version"] == "1.2.0");
  CHECK(told["packs"][0]["rules"][1]["sentence"] == "Permits place and dispatch when the dataset's labels are all among open.");
  CHECK(broker.call("alice", "GET", "/v1/sites").body["rules_in_force"] == true);
  const auto facts = broker.call("alice", "GET", "/v1/sites/alpha").body["facts"];
  REQUIRE(facts.size() == 1);
  CHECK(facts[0] == Json{{"attribute", "site.status"},
                         {"value", "member"},
                         {"state", "known"},
                         {"source", "site descriptor"},
                         {"change", nullptr},
                         {"as_of", "2026-01-01T00:00:00Z"},
                         {"until", nullptr},
                         {"evidence", ""}});
}

TEST_CASE("a submission that the rules deny is a problem that says what would be allowed") {
  ApiUnderTest broker;
  broker.regulate(regulations("health"));
  const Json bulk{{"jobs", {kJob, kJob}}};
  for (const auto& told :
       {broker.call("alice", "POST", "/v1/jobs", kJob), broker.call("alice", "POST", "/v1/jobs?dry_run=true", kJob),
        broker.call("alice", "POST", "/v1/jobs/bulk", bulk)}) {
    CHECK(told.status == 403);
    CHECK(told.code() == "RULES_DENY");
    CHECK_THAT(told.body["detail"].get<std::string>(),
               Catch::Contains("no rule permits it") &&
                   Catch::Contains("the project's labels are all among internal (now: health, from the project registry"));
    CHECK(told.fault("/project") == "project.labels is health, by the project registry, 0s old");
  }
  CHECK(broker.call("alice", "GET", "/v1/jobs").body["jobs"].empty());
}

TEST_CASE("code that the rules deny is not kept") {
  ApiUnderTest broker;
  broker.regulate(regulations("health"));
  const auto path = "/v1/code/sha256:" + std::string(64, 'a');
  const auto told = broker.call("alice", "PUT", path + "?size=9000", "the first piece");
  CHECK(told.status == 403);
  CHECK(told.code() == "RULES_DENY");
  CHECK_FALSE(std::filesystem::exists(broker.code_files()));
  broker.regulate(regulations("internal"));
  CHECK(broker.call("alice", "PUT", path + "?size=9000", "the first piece").body["received_bytes"] == 15);
}

TEST_CASE("an explanation has the rules of each verdict") {
  ApiUnderTest broker;
  broker.regulate(regulations("internal"));
  const auto id = broker.submit("alice");
  const auto told = broker.call("alice", "GET", "/v1/jobs/" + id + "/explain").body;
  CHECK(told["policy_hash"].get<std::string>().size() == 64);
  CHECK(told["verdicts"][0]["rules"] == Json{{"code", "PERMITTED"}, {"rules", {"P-JOB"}}, {"obligations", {"encrypt_scratch"}}});
}

TEST_CASE("a job with datasets is held until a verified copy is there") {
  ApiUnderTest broker;
  broker.regulate(regulations("internal"));
  const std::string hash(64, 'a');
  const Json job{{"script", kHold}, {"datasets", {"d1"}}, {"labels", {"internal"}}};
  CHECK(broker.call("alice", "POST", "/v1/jobs", {{"script", kHold}, {"labels", {"secret"}}}).fault("/labels") != "");
  const auto id = broker.submit("alice", job);
  const auto details = broker.call("alice", "GET", "/v1/jobs/" + id).body;
  CHECK(details["datasets"] == Json{"d1"});
  CHECK(details["labels"] == Json{"internal"});
  const auto code = [&] { return broker.call("alice", "GET", "/v1/jobs/" + id + "/explain").body["verdicts"][0]["code"]; };
  CHECK(code() == "DATASET_UNKNOWN");
  REQUIRE(broker
              .call("alice", "POST", "/v1/datasets",
                    {{"id", "d1"}, {"labels", {"open"}}, {"size_bytes", 1}, {"files", 1}, {"sha256", hash}})
              .status == 201);
  CHECK(code() == "NO_REPLICA");
  REQUIRE(
      broker.call("alice", "POST", "/v1/datasets/d1/replicas", {{"site", "alpha"}, {"root", "scratch"}, {"path", "d1"}}).status ==
      201);
  const auto asked =
      broker.call("alice", "POST", "/v1/datasets/d1/replicas/alpha/verify", {{"sha256", hash}, {"expires_at", "2026-02-01"}});
  REQUIRE(asked.status == 200);
  CHECK(code() == "NO_REPLICA");
  REQUIRE(
      broker.call("operator", "POST", "/v1/changes/" + asked.body["changes"][0]["id"].get<std::string>() + "/approve").status ==
      200);
  broker.time.advance(Milliseconds{2'000});  // it is looked at again at once
  CHECK(broker.call("alice", "GET", "/v1/jobs/" + id).body["site"] == "alpha");
}

TEST_CASE("the packs in force are told as they are written to whoever asks for that") {
  ApiUnderTest broker;
  broker.regulate(regulations("internal"));
  CHECK(broker.call("alice", "GET", "/v1/rules?texts=true").body["texts"] == Json{kPack});
  CHECK_FALSE(broker.call("alice", "GET", "/v1/rules").body.contains("texts"));
}

namespace {

rules::RuleSet compiled_rules(const std::string& text) {
  auto packs = rules::parse_packs(std::vector<rules::PackText>{{.file = "p.toml", .text = text}});
  REQUIRE(packs);
  auto compiled = rules::RuleSet::compile(std::move(*packs));
  REQUIRE(compiled);
  return std::move(*compiled);
}

/// "job site action" of all that would be answered otherwise, from what the API tells.
std::vector<std::string> otherwise(const Json& page, const rules::RuleSet& before, const rules::RuleSet& after) {
  std::vector<std::string> found;
  for (const auto& decision : page["decisions"]) {
    if (!decision["input"].is_string()) continue;
    const auto& told = page["evidence"][decision["input"].get<std::string>()];
    const auto job = rules::evidence_from_json(told["job"]);
    REQUIRE(job);
    std::vector<rules::Evidence> datasets;
    for (const auto& dataset : told["datasets"]) datasets.push_back(rules::evidence_from_json(dataset).value());
    const rules::Retrial retrial(before, after, parse_utc(decision["at"].get<std::string>()).value(), *job, datasets);
    for (const auto& site : told["sites"]) {
      const auto facts = rules::evidence_from_json(site["facts"]);
      REQUIRE(facts);
      for (const auto& change : retrial.at(*facts, std::array{rules::Action::place, rules::Action::dispatch}))
        found.push_back(decision["job"].get<std::string>() + " " + site["id"].get<std::string>() + " " +
                        std::string(to_string(change.action)) + " " + std::string(to_string(change.after.code)));
    }
  }
  return found;
}

}  // namespace

TEST_CASE(
    "past decisions are told with their evidence, to operators and auditors, so that an edit's effects can be told exactly") {
  ApiUnderTest broker;
  const auto before_rules = broker.submit("alice");  // taken without rules
  broker.regulate(regulations("internal"));
  std::vector<std::string> bobs, alices;
  for (int i = 0; i < 3; ++i) {
    alices.push_back(broker.submit("alice"));
    bobs.push_back(broker.submit("bob", {{"script", kHold}, {"project", "ai-lab"}}));
    broker.time.advance(Milliseconds{2'000});
  }
  for (const auto* person : {"alice", "bob"}) CHECK(broker.call(person, "GET", "/v1/decisions").status == 403);
  CHECK(broker.call("operator", "GET", "/v1/decisions").status == 200);
  const auto page = broker.call("auditor", "GET", "/v1/decisions").body;
  CHECK(page["next_cursor"] == nullptr);
  CHECK(page["decisions"][0]["job"] == before_rules);
  CHECK(page["decisions"][0]["input"] == nullptr);

  const auto old = compiled_rules(kPack);
  CHECK(otherwise(page, old, old).empty());
  // The edit: bob's jobs are not sent there any more.
  const auto edited = compiled_rules(kPack +
                                     "[[rule]]\nid = \"F-BOB\"\neffect = \"forbid\"\nactions = [\"dispatch\"]\nwhen = [{attr = "
                                     "\"user.id\", op = \"eq\", value = \"local:bob\"}]\nlegal_basis = \"l\"\nowner = \"o\"\n");
  std::set<std::string> expected;
  for (const auto& id : bobs) expected.insert(id + " alpha dispatch FORBIDDEN");
  const auto told = otherwise(page, old, edited);
  CHECK(std::set(told.begin(), told.end()) == expected);

  // Page by page it is the same.
  Json pieces = Json::array(), cursor;
  do {
    const auto piece = broker.call("operator", "GET",
                                   "/v1/decisions?limit=2" + (cursor.is_null() ? "" : "&cursor=" + cursor.get<std::string>()));
    for (const auto& decision : piece.body["decisions"]) pieces.push_back(decision);
    for (const auto& [hash, evidence] : piece.body["evidence"].items()) CHECK(page["evidence"][hash] == evidence);
    cursor = piece.body["next_cursor"];
  } while (!cursor.is_null());
  CHECK(pieces == page["decisions"]);
  CHECK(broker.call("operator", "GET", "/v1/decisions?to=2026-01-01").body["decisions"].empty());
  CHECK(broker.call("operator", "GET", "/v1/decisions?from=2027-01-01").body["decisions"].empty());
  CHECK(broker.call("operator", "GET", "/v1/decisions?cursor=-1").fault("?cursor") != "");
  CHECK(broker.call("operator", "GET", "/v1/decisions?from=2026-01-02&to=2026-01-01").fault("?to") != "");
}
