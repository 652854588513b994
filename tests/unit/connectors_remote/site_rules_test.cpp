// SPDX-License-Identifier: Apache-2.0
// The site's own rules have the last word on what is submitted there, by what the site itself knows.
#include "connectors/agent/site_rules.hpp"

#include "broker/identity/account_directory.hpp"
#include "connectors/agent/account_guard.hpp"
#include "tests/testbed/temporary_folder.hpp"
#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/connectors_remote/recording_connector.hpp"

#include <catch2/catch.hpp>

#include <fstream>
#include <string>

using namespace hansa;
using namespace hansa::connectors;
using namespace hansa::connectors::agent;
using Catch::Contains;

namespace {

/// People of the EEA at a member, open data, and nobody's secrets.
constexpr const char* kPack = R"(
[meta]
id = "alphas-own"
version = "1.0.0"
approved_by = ["a@alpha.example", "b@alpha.example"]
default = "deny"
[[set]]
id = "EEA@1"
basis = "a list"
countries = ["EE", "FI", "SE"]
[[rule]]
id = "P-EEA"
effect = "permit"
actions = ["place", "dispatch"]
when = [{attr = "user.country", op = "in_set", value = "EEA@1"}, {attr = "site.status", op = "eq", value = "member"}]
legal_basis = "terms of use"
owner = "o@alpha.example"
[[rule]]
id = "P-EEA-OPEN"
effect = "permit"
actions = ["place", "dispatch"]
when = [
  {attr = "user.country", op = "in_set", value = "EEA@1"},
  {attr = "dataset.labels", op = "within", value = ["open"]},
]
legal_basis = "the data's licence"
owner = "o@alpha.example"
[[rule]]
id = "F-SECRET"
effect = "forbid"
actions = ["dispatch"]
when = [{attr = "project.labels", op = "any_of", value = ["trade-secret"]}]
legal_basis = "contract"
owner = "o@alpha.example"
[given]
user.country = "FI"
site.status = "member"
project.labels = ["open"]
[[test]]
name = "people of the EEA"
action = "dispatch"
expect = "permit"
because = ["P-EEA"]
[[test]]
name = "and nobody else"
action = "place"
given = {user.country = "CH"}
expect = "deny"
code = "NO_PERMIT"
[[test]]
name = "open data"
action = "dispatch"
given = {dataset.labels = ["open"]}
expect = "permit"
because = ["P-EEA-OPEN"]
[[test]]
name = "and no other data"
action = "dispatch"
given = {dataset.labels = ["health"]}
expect = "deny"
code = "NO_PERMIT"
[[test]]
name = "secrets stay away"
action = "dispatch"
given = {project.labels = ["trade-secret"]}
expect = "deny"
code = "FORBIDDEN"
because = ["F-SECRET"]
)";

std::string changed(std::string text, const std::string& from, const std::string& to) {
  REQUIRE(text.find(from) != std::string::npos);
  return text.replace(text.find(from), from.size(), to);
}

struct Site {
  /// `more` of agent.toml; the pack's text.
  explicit Site(const std::string& more = "", const std::string& pack = kPack) {
    std::ofstream(folder.path() + "/own.toml") << pack;
    file = "[rules]\npacks = [\"" + folder.path() +
           "/own.toml\"]\n[site]\nid = \"alpha\"\ncountry = \"FI\"\nconnector = \"local\"\n" +
           "accounts = { \"local:alice\" = \"alice\" }\n[site.facts]\nas_of = 1970-01-01\nstatus = \"member\"\n" + more;
  }
  Result<OwnRegulations> own() {
    const auto config = config::parse_agent_config(file, "/etc/hansa/agent.toml");
    if (!config) UNSCOPED_INFO(config::describe_errors(config.error()));
    REQUIRE(config);
    return own_regulations(*config, "/nowhere");
  }
  Error refusal(const ports::SubmitRequest& request) {
    auto regulations = own();
    if (!regulations) UNSCOPED_INFO(config::describe_errors(regulations.error()));
    REQUIRE(regulations);
    const SiteRules rules(time, std::move(*regulations));
    const auto may = rules.may_run(request);
    return may ? Error{} : may.error();
  }
  test::TemporaryFolder folder;
  std::string file;
  boost::asio::io_context io;
  async::ManualScheduler time{io};
};

ports::ToldFact fact(const std::string& attribute, domain::FactValue value) {
  return {.attribute = attribute, .value = std::move(value), .as_of = from_unix_ms(0)};
}
using Texts = std::vector<std::string>;

ports::SubmitRequest submission(const std::string& country = "FI") {
  ports::SubmitRequest request;
  request.person = Principal("local:alice");
  request.spec.project = ProjectId("ai-lab");
  request.facts =
      ports::JobFacts{.job = {fact("project.labels", Texts{"internal"}), fact("user.country", country)}, .datasets = {}};
  return request;
}

}  // namespace

TEST_CASE("what the site's own rules deny is refused with the rule, what it found and what would be allowed") {
  Site site;
  CHECK(site.refusal(submission()).code.empty());
  const auto refused = site.refusal(submission("CH"));
  CHECK(refused.code == "SITE_RULES_DENY");
  CHECK(refused.kind == ErrorKind::permission_denied);
  CHECK(ports::surely_not_sent(refused));
  INFO(refused.message);
  CHECK_THAT(refused.message, Contains("the site's own rules refused this job: ") &&
                                  Contains("the person's country is in EEA@1") && Contains("now: CH"));
  CHECK_THAT(refused.detail, Contains("user.country is CH"));
  auto secret = submission();
  secret.facts->job.front() = fact("project.labels", Texts{"trade-secret"});
  CHECK_THAT(site.refusal(secret).message, Contains("F-SECRET"));
}

TEST_CASE("what is not told is no evidence") {
  Site site;
  auto request = submission();
  request.facts->job.clear();
  CHECK_THAT(site.refusal(request).message, Contains("country"));
  request.facts.reset();
  CHECK(site.refusal(request).code == "SITE_RULES_DENY");
  CHECK_THAT(site.refusal(request).message, Contains("EVIDENCE_MISSING"));
  auto twice = submission();
  twice.facts->job.push_back(fact("user.country", "SE"));  // two answers are none
  CHECK(site.refusal(twice).code == "SITE_RULES_DENY");
  auto late = submission();
  late.facts->job.back().as_of = from_unix_ms(3'600'000);  // in an hour
  CHECK(site.refusal(late).code == "SITE_RULES_DENY");
  auto odd = submission();
  odd.facts->job.back().value = std::int64_t{3};
  CHECK(site.refusal(odd).code == "SITE_RULES_DENY");
  auto newer = submission();
  newer.facts->job.push_back(fact("user.shoe_size", std::int64_t{44}));
  CHECK(site.refusal(newer).code.empty());
}

TEST_CASE("every dataset that the job names is judged, whatever is told of it") {
  Site site;
  auto request = submission();
  request.spec.datasets = {DatasetId("d1"), DatasetId("d2")};
  const std::vector<ports::ToldFact> d1{fact("dataset.id", "d1"), fact("dataset.labels", Texts{"open"})};
  const std::vector<ports::ToldFact> d2{fact("dataset.id", "d2"), fact("dataset.labels", Texts{"open"})};
  CHECK_THAT(site.refusal(request).message, Contains("d1"));
  request.facts->datasets = {d1};
  CHECK_THAT(site.refusal(request).message, Contains("d2"));
  request.facts->datasets = {d1, d2};
  CHECK(site.refusal(request).code.empty());
  request.facts->datasets.back().back().value = Texts{"open", "health"};
  CHECK_THAT(site.refusal(request).message, Contains("d2"));
  request.spec.datasets = {DatasetId("d1")};  // told of beside those that are named
  CHECK_THAT(site.refusal(request).message, Contains("d2"));
}

TEST_CASE("of itself the site believes nobody, and of people and projects its own file first") {
  {
    Site suspended;
    suspended.file = changed(suspended.file, "\"member\"", "\"suspended\"");
    auto request = submission();
    request.facts->job.push_back(fact("site.status", "member"));
    request.facts->job.push_back(fact("user.id", "local:root"));
    CHECK_THAT(suspended.refusal(request).message, Contains("suspended"));
  }
  Site swiss("[[person]]\nid = \"local:alice\"\ncountry = \"CH\"\n");
  CHECK_THAT(swiss.refusal(submission("FI")).message, Contains("now: CH"));
  Site finnish(
      "[[person]]\nid = \"local:alice\"\ncountry = \"FI\"\n[[project]]\nid = \"ai-lab\"\n[project.facts]\nlabels = [\"open\"]\n");
  auto request = submission("CH");
  CHECK(finnish.refusal(request).code.empty());
  request.facts->job.front() = fact("project.labels", Texts{"trade-secret"});
  CHECK(finnish.refusal(request).code.empty());
  request.person = Principal("local:bob");
  CHECK(finnish.refusal(request).code == "SITE_RULES_DENY");
}

TEST_CASE("a pack that cannot be in force is refused with its faults, and one whose obligations nobody would keep") {
  Site missing;
  std::filesystem::remove(missing.folder.path() + "/own.toml");
  CHECK(missing.own().error().code == "BAD_RULE_PACK");
  Site fails("", changed(kPack, "code = \"FORBIDDEN\"", "code = \"NO_PERMIT\""));
  CHECK_FALSE(fails.own());
  const std::string key = "legal_basis = \"terms of use\"\n";
  Site binds("", changed(kPack, key, "obligations = [\"no_log_export\"]\n" + key));
  const auto refused = binds.own();
  REQUIRE_FALSE(refused);
  CHECK_THAT(config::describe_errors(refused.error()),
             Contains("P-EEA") && Contains("no_log_export") && Contains("the broker's packs"));
}

TEST_CASE("the digest changes with rules and facts, and with nothing else") {
  const auto of = [](Site& site) { return site.own().value().digest; };
  Site one, other("[[person]]\nid = \"local:alice\"\ncountry = \"CH\"\n");
  const auto before = of(one);
  CHECK(before == of(one));
  CHECK(before != of(other));
  std::ofstream(one.folder.path() + "/own.toml") << kPack << "# a comment\n";
  CHECK(before != of(one));
  Site none;
  none.file = none.file.substr(none.file.find("[site]"));
  CHECK(of(none).empty());
  CHECK(none.refusal({}).code.empty());
}

TEST_CASE("the account map comes first, then the rules, and then the site's scheduler") {
  Site site;
  RecordingConnector scheduler;
  const identity::AccountDirectory accounts(
      {{.site = SiteId("alpha"), .accounts = {{Principal("local:alice"), LocalAccount("alice")}}, .file = {}}}, {}, {}, {});
  const SiteRules rules(site.time, site.own().value());
  AccountGuard guard(scheduler, accounts, {.site = SiteId("alpha"), .own_account = {}, .projects = {}, .rules = &rules});
  const auto ask = [&](ports::SubmitRequest request) {
    return async::run(site.io, guard.submit(std::move(request), async::Deadline::never()));
  };
  CHECK(ask(submission("CH")).error().code == "SITE_RULES_DENY");
  auto stranger = submission();
  stranger.person = Principal("local:mallory");
  CHECK(ask(stranger).error().code != "SITE_RULES_DENY");
  CHECK(scheduler.calls.empty());
  CHECK(ask(submission()).has_value());
  CHECK(scheduler.calls.size() == 1);
  CHECK(async::run(site.io, guard.snapshot(async::Deadline::never()))->site_rules == rules.own().digest);
}

TEST_CASE("a copy by the broker's mover is judged by whether its dataset may be staged") {
  const auto pack = changed(kPack, "[given]", R"([[rule]]
id = "P-COPY"
effect = "permit"
actions = ["stage_in"]
when = [{attr = "dataset.labels", op = "within", value = ["open"]}]
legal_basis = "the data's licence"
owner = "o@alpha.example"
[given])") + R"([[test]]
name = "open data may come"
action = "stage_in"
given = {dataset.labels = ["open"]}
expect = "permit"
because = ["P-COPY"]
[[test]]
name = "and no other"
action = "stage_in"
given = {dataset.labels = ["health"]}
expect = "deny"
code = "NO_PERMIT"
)";
  Site site("", pack);
  const auto copy = [](const char* label) {
    ports::SubmitRequest request;
    request.person = Principal("broker:mover");
    request.stages_in = true;
    request.spec.datasets = {DatasetId("d1")};
    request.facts = ports::JobFacts{.job = {fact("user.country", "CH")},
                                    .datasets = {{fact("dataset.id", "d1"), fact("dataset.labels", Texts{label})}}};
    return request;
  };
  CHECK(site.refusal(copy("open")).code.empty());
  CHECK(site.refusal(copy("health")).code == "SITE_RULES_DENY");
  auto untold = copy("open");
  untold.facts->datasets.clear();
  CHECK(site.refusal(untold).code == "SITE_RULES_DENY");
  auto nothing = copy("open");
  nothing.spec.datasets.clear();
  nothing.facts->datasets.clear();
  CHECK_THAT(site.refusal(nothing).message, Contains("names no dataset"));
  auto two = copy("open");
  two.spec.datasets.emplace_back("d2");
  CHECK(site.refusal(two).code == "SITE_RULES_DENY");
  // Nobody's job becomes a copy by saying so.
  auto job = copy("open");
  job.person = Principal("local:alice");
  CHECK(site.refusal(job).code == "SITE_RULES_DENY");
  CHECK(Site().refusal(copy("open")).code == "SITE_RULES_DENY");  // without a rule about it
}
