// SPDX-License-Identifier: Apache-2.0
// Reports of a part: a project's lead has all of the project and an operator all of their site, as an auditor who asks for the
// same, and nothing besides.
#include "broker/core/encoding.hpp"
#include "broker/core/time_text.hpp"
#include "broker/ledger/report_manifest.hpp"
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {
namespace {

const std::string kUsage = "/v1/reports/usage";

/// lena leads ai-lab; olga operates alpha. Who ran what where, one run each:
constexpr struct {
  const char *person, *project, *site;
} kRuns[] = {{"alice", "ai-lab", "alpha"},
             {"bob", "climate", "alpha"},
             {"bob", "ai-lab", "beta"},
             {"lena", "ai-lab", "beta"},
             {"bob", "climate", "beta"}};

class TwoOfEach : public ApiUnderTest {
 public:
  TwoOfEach() : ApiUnderTest(std::nullopt, true) {
    add_token("lena", "lena", ports::Role::user);
    add_token("olga", "olga", ports::Role::operator_, {SiteId("alpha")});
    for (const auto& run : kRuns) {
      const auto id =
          submit(run.person,
                 {{"script", "#!/bin/sh\n#model run=10s\n"}, {"project", run.project}, {"placement", {{"sites", {run.site}}}}});
      const auto is_booked = [&] { return !call(run.person, "GET", "/v1/jobs/" + id + "/usage").body["records"].empty(); };
      time.run_until(is_booked, std::chrono::hours{2});
      REQUIRE(is_booked());
    }
    for (const std::string site : {"alpha", "beta"}) {
      const auto begun = call("operator", "POST", "/v1/ledger/reconciliations",
                              {{"site", site}, {"from", format_utc(time.now_utc() - std::chrono::hours{48})}});
      REQUIRE(begun.status == 201);
      const auto path = "/v1/ledger/reconciliations/" + begun.body["id"].get<std::string>();
      time.run_until([&] { return call("auditor", "GET", path).body["state"] != "under_way"; }, std::chrono::hours{2});
    }
  }

  /// The report, which somebody has and an auditor who asks for the same has, too.
  Json as_auditors(const std::string& person, const std::string& target) {
    INFO(person << " " << target);
    const auto told = call(person, "GET", target);
    INFO(told.text);
    REQUIRE(told.status == 200);
    CHECK(told.text == call("auditor", "GET", target).text);
    return told.body;
  }

  /// The code, and that the answer is that about `nothing`, which there is not, to the byte.
  std::string hidden(const std::string& person, const std::string& target, const std::string& what, const std::string& nothing) {
    const auto told = call(person, "GET", target);
    auto other = target;
    other.replace(other.find(what), what.size(), nothing);
    auto of_nothing = call(person, "GET", other).text;
    if (const auto at = of_nothing.find(nothing); at != std::string::npos) of_nothing.replace(at, nothing.size(), what);
    INFO(target);
    CHECK(told.status == 404);
    CHECK(told.text == of_nothing);
    return told.code();
  }
};

std::int64_t runs_in(const Json& report) { return report["total"]["runs"]; }

std::set<std::string> names_in(const Json& report, const std::string& column) {
  std::set<std::string> names;
  for (const auto& row : report["rows"]) names.insert(row[column].get<std::string>());
  return names;
}

ledger::ReportManifest manifest_of(const Told& told) {
  const auto text = from_base64(told.header("Hansa-Report-Manifest"));
  REQUIRE(text);
  const auto manifest = ledger::parse_manifest(*text);
  REQUIRE(manifest);
  return *manifest;
}

}  // namespace

TEST_CASE("a lead has the reports of what they lead and an outsider none", "[reports][T11]") {
  TwoOfEach api;
  const auto whole = api.as_auditors("lena", kUsage + "?by=project,site&project=ai-lab");
  CHECK(whole["whose"] == "everybody");
  CHECK(whole["projects"] == Json::array({"ai-lab"}));
  CHECK_FALSE(whole.contains("sites"));
  CHECK(names_in(whole, "project") == std::set<std::string>{"ai-lab"});
  CHECK(names_in(whole, "site") == std::set<std::string>{"alpha", "beta"});
  CHECK(runs_in(whole) == 3);
  CHECK(runs_in(api.as_auditors("lena", kUsage + "?by=site&project=ai-lab&site=alpha")) == 1);
  for (const auto* report : {"countries", "energy", "funding", "grants", "corrections", "sovereignty"})
    api.as_auditors("lena", "/v1/reports/" + std::string(report) + "?project=ai-lab");
  CHECK(runs_in(api.call("lena", "GET", "/v1/reports/funding?project=ai-lab").body) == 3);
  CHECK(runs_in(api.call("lena", "GET", "/v1/reports/grants?project=ai-lab").body) == 3);
  const auto waits = api.as_auditors("lena", "/v1/reports/estimates?by=project&project=ai-lab");
  REQUIRE(waits["rows"].size() == 1);
  CHECK(waits["rows"][0]["starts"] == 3);
  CHECK(waits["projects"] == Json::array({"ai-lab"}));
  CHECK(waits["whose"] == "everybody");
  CHECK(api.call("lena", "GET", "/v1/reports/estimates").body["whose"] == "own");

  // A member leads nothing, and neither does somebody who is in no project.
  for (const std::string person : {"bob", "carol", "olga"}) {
    CAPTURE(person);
    for (const auto* report : {"usage", "energy", "estimates"})
      CHECK(api.hidden(person, "/v1/reports/" + std::string(report) + "?project=ai-lab", "ai-lab", "quantum") ==
            "PROJECT_NOT_FOUND");
  }
  CHECK(api.call("bob", "GET", "/v1/reports/grants?project=ai-lab").code() == "ROLE_LACKS_RIGHT");
  // Nor does a policy officer by what they lead.
  api.add_token("lena-policy", "lena", ports::Role::policy_officer);
  CHECK(api.call("lena-policy", "GET", kUsage + "?project=ai-lab").code() == "PROJECT_NOT_FOUND");
  CHECK(api.call("lena-policy", "GET", "/v1/reports/grants?project=ai-lab").code() == "ROLE_LACKS_RIGHT");
}

TEST_CASE("a lead cannot widen a report", "[reports][T11]") {
  TwoOfEach api;
  const auto own = api.call("lena", "GET", kUsage + "?by=project,person").body;  // without a limit it is their own
  CHECK(own["whose"] == "own");
  CHECK(runs_in(own) == 1);
  CHECK(names_in(own, "person") == std::set<std::string>{"local:lena"});
  CHECK(api.call("lena", "GET", "/v1/reports/estimates").body["rows"][0]["starts"] == 1);
  for (const std::string wider :
       {"?project=climate", "?by=person&project=climate", "?project=ai-lab,climate", "?project=ai-lab&project=climate",
        "?project=climate&project=ai-lab", "?project=climate&site=beta", "?project=climate&site=alpha,beta"}) {
    CAPTURE(wider);
    CHECK(api.hidden("lena", kUsage + wider, "climate", "quantum") == "PROJECT_NOT_FOUND");
  }
  const auto by_site = api.call("lena", "GET", kUsage + "?site=alpha");
  CHECK(by_site.code() == "SITE_NOT_FOUND");
  CHECK(by_site.text.contains("limit the report to project=ai-lab, which you lead"));
  for (const std::string unlimited : {"funding", "grants", "corrections"}) {
    const auto told = api.call("lena", "GET", "/v1/reports/" + unlimited);
    CHECK(told.status == 403);
    CHECK(told.code() == "REPORT_TOO_WIDE");
    CHECK(told.text.contains("limit the report to project=ai-lab, which you lead"));
  }
  for (const std::string others : {"clearing", "reconciliation", "completeness", "period", "access", "retention"}) {
    CHECK(api.call("lena", "GET", "/v1/reports/" + others).code() == "ROLE_LACKS_RIGHT");
    CHECK(api.call("lena", "GET", "/v1/reports/" + others + "?project=ai-lab").status == 400);
  }
  for (const std::string person : {"lena", "auditor"}) {  // whose variable was not set
    CHECK(api.call(person, "GET", kUsage + "?project=").fault("?project").contains("names none"));
    CHECK(api.call(person, "GET", kUsage + "?site=,").fault("?site").contains("names none"));
  }
  for (const std::string no_id : {"x%26for%3Dthird_party", "ai-lab%00x", "ai%20lab", "%C3%A9"}) {
    for (const std::string person : {"olga", "auditor"})
      CHECK(api.call(person, "GET", kUsage + "?site=alpha&project=" + no_id).fault("?project").contains("no id"));
  }
  std::string many = kUsage + "?project=p0";
  for (int i = 1; i <= 100; ++i) many += ",p" + std::to_string(i);
  CHECK(api.call("auditor", "GET", many).fault("?project").contains("more than 100"));
}

TEST_CASE("the members of a lead's project have pseudonyms and reading of them is on record", "[reports][T27]") {
  TwoOfEach api;
  const auto accesses = [&] {
    const auto rows = api.call("auditor", "GET", "/v1/reports/access").body["rows"];
    int times = 0;
    for (const auto& row : rows) {
      if (row["operation"] == "getReport" && row["reader"] == "local:lena") times += row["times"].get<int>();
    }
    return times;
  };
  REQUIRE(api.call("lena", "GET", kUsage + "?by=person").status == 200);
  REQUIRE(api.call("lena", "GET", kUsage + "?by=site&project=ai-lab").status == 200);
  CHECK(accesses() == 0);
  const auto people = api.call("lena", "GET", kUsage + "?by=person&project=ai-lab");
  REQUIRE(people.status == 200);
  CHECK(names_in(people.body, "person").size() == 3);
  CHECK(names_in(people.body, "person").contains("local:lena"));
  for (const auto* name : {"alice", "bob"}) CHECK_FALSE(people.text.contains(name));
  CHECK(accesses() == 1);
  REQUIRE(api.call("lena", "GET", kUsage + "?by=person&project=climate").status == 404);
  CHECK(accesses() == 1);
  int expected = 1;
  for (const std::string of_jobs : {"sovereignty", "corrections"}) {
    REQUIRE(api.call("lena", "GET", "/v1/reports/" + of_jobs + "?project=ai-lab").status == 200);
    CHECK(accesses() == ++expected);
  }
  const auto outside = api.call("lena", "GET", kUsage + "?by=site&project=ai-lab&for=third_party").body;
  REQUIRE_FALSE(outside["rows"].empty());
  for (const auto& row : outside["rows"]) CHECK(row["withheld"] == "<5 people");
}

TEST_CASE("a site's operator has its reports and sees another site nowhere", "[reports][T11]") {
  TwoOfEach api;
  const auto whole = api.as_auditors("olga", kUsage + "?by=site,project&site=alpha");
  CHECK(whole["sites"] == Json::array({"alpha"}));
  CHECK(runs_in(whole) == 2);
  for (const auto& kind : ledger::report_kinds()) {
    const auto path = "/v1/reports/" + std::string(kind.name);
    CAPTURE(path);
    if (!kind.of_sites) {
      CHECK(api.call("olga", "GET", path + "?site=alpha").status == 400);
      continue;
    }
    for (const auto format : kind.formats) {
      const auto told = api.call("olga", "GET", path + "?site=alpha&manifest=true&format=" + std::string(format));
      REQUIRE(told.status == 200);
      CHECK_FALSE(told.text.contains("beta"));
      CHECK_FALSE(from_base64(told.header("Hansa-Report-Manifest")).value().contains("beta"));
      const auto manifest = manifest_of(told);
      CHECK(manifest.sites == std::vector<std::string>{"alpha"});
      CHECK(manifest.everybody);
      if (kind.is_graded) CHECK(manifest.grade.contains("(alpha="));
    }
    if (kind.audience == ledger::Audience::own) {
      CHECK(api.call("olga", "GET", path).body["whose"] == "own");
      CHECK(api.call("olga", "GET", path).body["rows"].empty());
    } else {
      CHECK(api.call("olga", "GET", path).code() == "REPORT_TOO_WIDE");
      CHECK(api.call("olga", "GET", path).text.contains("limit the report to site=alpha, whose operator you are"));
    }
    for (const std::string wider : {"?site=beta", "?site=alpha,beta", "?site=alpha&site=beta"})
      CHECK(api.hidden("olga", path + wider, "beta", "gamma") == "SITE_NOT_FOUND");
  }
  // There is something of both to be seen, by whoever sees both.
  for (const std::string report : {"usage?by=site", "reconciliation", "completeness"})
    CHECK(api.call("auditor", "GET", "/v1/reports/" + report).text.contains("beta"));
  for (const std::string others : {"funding", "grants", "period"})
    CHECK(api.call("olga", "GET", "/v1/reports/" + others).code() == "ROLE_LACKS_RIGHT");
  const auto waits = api.as_auditors("olga", "/v1/reports/estimates?by=site&site=alpha");
  REQUIRE(waits["rows"].size() == 1);
  CHECK(waits["rows"][0]["starts"] == 2);
  // Of clearing what the site gave; what its people took stands in others' records.
  const auto cleared = api.call("olga", "GET", "/v1/reports/clearing?site=alpha").body["rows"];
  REQUIRE(cleared.size() == 1);
  CHECK(cleared[0]["given_core_seconds"] > 0);
  CHECK(cleared[0]["taken_core_seconds"].is_null());
  CHECK(cleared[0]["balance_core_seconds"].is_null());
}

TEST_CASE("who leads a project and operates a site has the reports of either", "[reports]") {
  TwoOfEach api;
  api.add_token("lena-of-alpha", "lena", ports::Role::operator_, {SiteId("alpha")});
  for (const std::string part : {"?project=ai-lab", "?site=alpha", "?project=ai-lab&site=beta", "?project=climate&site=alpha"})
    api.as_auditors("lena-of-alpha", kUsage + part);
  for (const std::string neither : {"?project=climate", "?project=climate&site=beta", "?project=ai-lab,climate"})
    CHECK(api.hidden("lena-of-alpha", kUsage + neither, "climate", "quantum") == "PROJECT_NOT_FOUND");
  CHECK(api.call("lena-of-alpha", "GET", "/v1/reports/corrections")
            .text.contains("limit the report to project=ai-lab, which you lead, or to site=alpha, whose operator you are"));
}

TEST_CASE("a limited report's manifest says to what", "[reports]") {
  TwoOfEach api;
  const auto told = api.call("lena", "GET", kUsage + "?by=site&project=ai-lab&site=beta,alpha,beta&manifest=true&format=csv");
  REQUIRE(told.status == 200);
  const auto manifest = manifest_of(told);
  CHECK(manifest.projects == std::vector<std::string>{"ai-lab"});
  CHECK(manifest.sites == std::vector<std::string>{"alpha", "beta"});
  CHECK(manifest.query == "by=site&format=csv&project=ai-lab&site=beta,alpha,beta");
  CHECK(api.call("lena", "GET", kUsage + "?by=site&project=ai-lab&format=table").text.contains("\nprojects: ai-lab\n"));
}

}  // namespace hansa::api::test
