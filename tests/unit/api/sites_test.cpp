// SPDX-License-Identifier: Apache-2.0
// A site's care, as it is told: its budget's use, its breaker, the last report, and metrics of all of it.
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

TEST_CASE("a site is looked over for an operator, and shows the report to operators and auditors only") {
  ApiUnderTest broker;
  CHECK(broker.call("operator", "GET", "/v1/sites/alpha").body["doctor"].is_null());
  const auto told = broker.call("operator", "POST", "/v1/sites/alpha/doctor");
  REQUIRE(told.status == 200);
  CHECK(told.body["site"] == "alpha");
  CHECK(told.body["faults"] == 0);
  REQUIRE(told.body["findings"].size() == 3);
  const auto& first = told.body["findings"][0];
  CHECK(first["check"] == "REACHABLE");
  CHECK(first["verdict"] == "ok");
  CHECK_FALSE(first["source"].get<std::string>().empty());
  CHECK(first["at"].get<std::string>().ends_with("Z"));
  const auto shown = broker.call("operator", "GET", "/v1/sites/alpha").body;
  CHECK(shown["doctor"]["findings"] == told.body["findings"]);
  CHECK(broker.call("auditor", "GET", "/v1/sites/alpha").body["doctor"] == shown["doctor"]);
  CHECK(broker.call("alice", "GET", "/v1/sites/alpha").body["doctor"].is_null());
  for (const auto* site : {"alpha", "beta"}) {  // an operator of one site sees that one's
    broker.add_token("sam", "sam", ports::Role::operator_, {SiteId(site)});
    CHECK(broker.call("sam", "GET", "/v1/sites/alpha").body["doctor"].is_null() == (site != std::string("alpha")));
  }
}

TEST_CASE("a site that is asked what is left to projects shows operators whether it tells") {
  CHECK(ApiUnderTest().call("operator", "GET", "/v1/sites/alpha").body["balances"].is_null());
  domain::Charging charging{.rules = {}, .limits = {{"cpu", "core-hours"}}};
  charging.rules.push_back({.unit = "core-hours", .per_core = 1'000});
  ApiUnderTest broker(std::move(charging));
  broker.time.advance(Milliseconds{1'200'000});
  const auto shown = broker.call("operator", "GET", "/v1/sites/alpha").body["balances"];
  REQUIRE(shown.is_object());
  CHECK(shown["read_at"].is_null());
  CHECK(shown["failing"]["code"] == "BALANCES_NOT_TOLD");
  CHECK(shown["failing"]["message"].get<std::string>().contains("hansa allocation import"));
  CHECK(broker.call("alice", "GET", "/v1/sites/alpha").body["balances"].is_null());
  CHECK_FALSE(broker.call("operator", "GET", "/metrics").text.contains("hansa_site_balances_timestamp_seconds{"));
}

TEST_CASE("a site tells what is used of its budget, and whether it is left alone") {
  ApiUnderTest broker;
  const auto site = broker.call("alice", "GET", "/v1/sites/alpha").body;
  for (const auto* kind : {"queries", "submits", "cancels", "concurrent_calls", "waiting_jobs"}) {
    CHECK(site["budget_use"][kind]["limit"].get<int>() > 0);
    CHECK(site["budget_use"][kind]["used"].get<int>() >= 0);
  }
  CHECK(site["budget_use"]["queries"]["used"].get<int>() > 0);
  CHECK(site["quiet_hours"] == Json::array());
  CHECK(site["quiet_until"].is_null());
  CHECK(site["breaker"] == Json{{"state", "closed"}, {"failures_in_a_row", 0}, {"next_probe_at", nullptr}});
  broker.call("operator", "POST", "/v1/sites/alpha/doctor");
  const auto metrics = broker.call("alice", "GET", "/metrics").text;
  for (const auto* sample :
       {"hansa_site_budget_limit{site=\"alpha\",kind=\"queries\"} 10\n",
        "hansa_site_budget_used{site=\"alpha\",kind=\"waiting_jobs\"} 0\n",
        "hansa_site_budget_held_back_total{site=\"alpha\",kind=\"cancels\"} 0\n", "hansa_site_breaker_open{site=\"alpha\"} 0\n",
        "hansa_site_breaker_openings_total{site=\"alpha\"} 0\n", "hansa_site_quiet{site=\"alpha\"} 0\n",
        "hansa_site_doctor_findings{site=\"alpha\",verdict=\"fault\"} 0\n",
        "hansa_site_doctor_drift_total{site=\"alpha\"} 0\n"}) {
    INFO(sample);
    CHECK(metrics.contains(sample));
  }
}

}  // namespace hansa::api::test
