// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/service.hpp"

#include "connectors/protocol/codec.hpp"
#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/connectors_remote/recording_connector.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace hansa;
using namespace hansa::connectors;
using namespace hansa::connectors::agent;

namespace {

struct Served {
  Result<Json> ask(const std::string& method, Json params = Json::object()) {
    return async::run(io, service.handler()(method, std::move(params), async::Deadline::never()));
  }
  boost::asio::io_context io;
  RecordingConnector connector;
  Service service{connector, SiteId("alpha"), "hansa-agent test"};
};

const Json kHello{{"versions", {1, 2}}, {"name", "a broker"}, {"site", "alpha"}};

}  // namespace

TEST_CASE("nothing is served before the two ends agree on a version") {
  Served site;
  for (const auto* method : {"snapshot", "submit", "status", "nonsense"})
    CHECK(site.ask(method).error().code == "NOT_INITIALIZED");
  for (const auto& versions : {Json{2, 3}, Json::array(), Json("1"), Json()}) {
    const auto refused = site.ask("initialize", {{"versions", versions}});
    CAPTURE(versions.dump());
    CHECK(refused.error().code == "PROTOCOL_VERSION");
    CHECK_THAT(refused.error().message, Catch::Contains("speaks version 1") && Catch::Contains(versions.dump()));
  }
  CHECK(site.ask("initialize").error().code == "PROTOCOL_VERSION");
  CHECK(site.connector.calls.empty());
  const auto hello = site.ask("initialize", kHello);
  REQUIRE(hello.has_value());
  CHECK(*hello == Json{{"version", 1},
                       {"name", "hansa-agent test"},
                       {"site", "alpha"},
                       {"capabilities", {{"code", true}, {"arrays", true}, {"doctor", true}, {"limits", true}, {"secrets", true}}}});
  CHECK(site.ask("snapshot").has_value());
  CHECK(site.ask("nonsense").error().code == "METHOD_NOT_FOUND");
  for (const auto* method :
       {"submit", "status", "find", "cancel", "seal", "read_output", "look_at", "read_file", "doctor", "remove_secrets", "account_limits"}) {
    CAPTURE(method);
    const auto refused = site.ask(method, {{"jobs", 3}});
    CHECK(refused.error().kind == ErrorKind::invalid_argument);
    CHECK(refused.error().code == "BAD_MESSAGE");
  }
  CHECK(site.connector.calls == std::vector<std::string>{"snapshot"});
  const auto report = site.ask("doctor", {{"accounts", {"alice"}}, {"person", "broker:doctor"}});
  REQUIRE(report.has_value());
  CHECK((*report)["questions"] == 2);
  CHECK((*report)["findings"][0]["check"] == "CLOCK");
  CHECK(site.connector.calls.back() == "doctor of \"alice\"");
}

TEST_CASE("what projects have left is asked of the site's connector, and told as it tells it") {
  Served site;
  REQUIRE(site.ask("initialize", kHello).has_value());
  const Json asked{{"projects", {{{"project", "lab"}, {"account", "proj1"}}}}};
  const auto none = site.ask("account_limits", asked);
  REQUIRE(none.has_value());
  CHECK(*none == Json{{"told", false}, {"age_s", 0}, {"limits", Json::array()}});
  CHECK(site.connector.calls.back() == "account_limits lab=proj1");
  site.connector.limits = {.told = true, .age = Seconds{7}, .limits = {{ProjectId("lab"), {"cpu", 600, 60, 5}}}};
  const auto told = site.ask("account_limits", asked);
  REQUIRE(told.has_value());
  CHECK((*told)["told"] == true);
  CHECK((*told)["age_s"] == 7);
  CHECK((*told)["limits"] ==
        Json::array(
            {{{"project", "lab"}, {"resource", "cpu"}, {"limit_minutes", 600}, {"used_minutes", 60}, {"running_minutes", 5}}}));
}

TEST_CASE("what registers say of people is asked for only where somebody judges by it") {
  Served site;
  Service judge(site.connector, SiteId("alpha"), "hansa-agent test", true);
  const auto hello = async::run(site.io, judge.handler()("initialize", kHello, async::Deadline::never()));
  REQUIRE(hello.has_value());
  CHECK((*hello)["capabilities"] ==
        Json{{"code", true}, {"arrays", true}, {"doctor", true}, {"limits", true}, {"secrets", true}, {"facts", true}});
}

TEST_CASE("a page of usage that fits into no answer is told in several, and none of it is lost") {
  Served site;
  REQUIRE(site.ask("initialize", kHello).has_value());
  for (int i = 0; i < 300; ++i) {
    domain::UsageRecord record;
    record.site_job_id = SiteJobId(std::to_string(i));
    record.tag = domain::make_tag(*Ulid::parse("01KAZ5T4G3M8Q2R7V9W0X1Y2Z3"), 1);
    record.source_line = std::string(40'000, 'x');
    site.connector.page.records.push_back(record);
  }
  site.connector.page.next.text = "behind it";
  site.connector.page.complete = true;

  std::set<std::string> seen;
  std::string cursor = "before it";
  int answers = 0;
  for (bool complete = false; !complete; ++answers) {
    const auto answer = site.ask("usage", {{"cursor", cursor}});
    REQUIRE(answer.has_value());
    CHECK(protocol::text_of(*answer).size() < protocol::kMaxLineBytes);
    const auto page = protocol::read_usage_page(*answer, SiteId("alpha"));
    REQUIRE(page.has_value());
    for (const auto& record : page->records) CHECK(seen.insert(record.site_job_id.str()).second);
    cursor = page->next.text;
    complete = page->complete;
  }
  CHECK(seen.size() == 300);
  CHECK(answers > 1);
  CHECK(cursor == "behind it");
  CHECK(site.connector.calls == std::vector<std::string>{"usage \"before it\""});

  // Who asks for a rest that is kept no longer (after a new connection) gets the page anew.
  Served other;
  other.connector.page = site.connector.page;
  REQUIRE(other.ask("initialize", kHello).has_value());
  REQUIRE(other.ask("usage", {{"cursor", "rest:before it"}}).has_value());
  CHECK(other.connector.calls == std::vector<std::string>{"usage \"before it\""});
}
