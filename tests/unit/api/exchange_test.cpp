// SPDX-License-Identifier: Apache-2.0
// What formats for exchange are made of, over REST.
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {
namespace {

constexpr const char* kAlways = "/v1/ledger/usage?from=1970-01-01&to=9999-01-01";

void run_jobs(ApiUnderTest& api, int count) {
  for (int i = 0; i < count; ++i) {
    const auto id = api.submit("alice", {{"script", "#!/bin/sh\n#model run=10s\n"}});
    api.time.run_until([&] { return !api.call("alice", "GET", "/v1/jobs/" + id + "/usage").body["records"].empty(); },
                       std::chrono::hours{2});
  }
}

}  // namespace

TEST_CASE("usage records in force are told page by page, of one size of the ledger") {
  ApiUnderTest api;
  run_jobs(api, 3);
  const auto all = api.call("auditor", "GET", kAlways);
  REQUIRE(all.status == 200);
  REQUIRE(all.body["records"].size() == 3);
  CHECK(all.body["size"] == 4);  // the key's record is one
  std::string next;
  for (const auto& whole : all.body["records"]) {
    const auto page = api.call("operator", "GET", kAlways + std::string("&limit=1") + (next.empty() ? "" : "&after=" + next));
    REQUIRE(page.body["records"].size() == 1);
    CHECK(page.body["records"][0] == whole);
    CHECK(ledger::read_run(whole["record"].get<std::string>()).value().amounts.runs == 1);
    next = page.body["next"];
  }
  const auto last = api.call("auditor", "GET", kAlways + std::string("&after=") + next);
  CHECK(last.body["records"].empty());
  CHECK(last.body["next"].is_null());
  CHECK(api.call("auditor", "GET", kAlways + std::string("&size=2")).body["records"].size() == 1);
  CHECK(api.call("auditor", "GET", kAlways + std::string("&site=alpha")).body["records"].size() == 3);
  CHECK(api.call("auditor", "GET", kAlways + std::string("&site=beta")).body["records"].empty());
  CHECK(api.call("auditor", "GET", "/v1/ledger/usage?from=1970-01-01&to=1970-01-02").body["records"].empty());
}

TEST_CASE("persons are told only to who asks for them") {
  ApiUnderTest api;
  run_jobs(api, 1);
  const auto entry = [&](const std::string& more) { return api.call("auditor", "GET", kAlways + more).body["records"][0]; };
  CHECK(entry("").size() == 1);
  CHECK(entry("&persons=hidden").size() == 1);
  CHECK(entry("&persons=pseudonyms")["pseudonym"].get<std::string>().size() == 32);
  CHECK(entry("&persons=pseudonyms").size() == 2);
  CHECK(entry("&persons=named")["owner"] == "local:alice");
  CHECK(entry("&persons=named")["account"] == "alice");
  CHECK(api.call("alice", "GET", kAlways).status == 403);
  CHECK(api.call("alice", "GET", "/v1/exchange").status == 403);
}

TEST_CASE("what is wrong with a question for usage records is told, all of it") {
  ApiUnderTest api;
  const auto told = api.call("auditor", "GET", "/v1/ledger/usage?limit=0&persons=all&after=7&size=-1&sites=a");
  CHECK(told.status == 400);
  for (const auto* name : {"?from", "?to", "?limit", "?persons", "?after", "?size", "?sites"}) {
    INFO(name);
    CHECK_FALSE(told.fault(name).empty());
  }
  CHECK(api.call("auditor", "GET", "/v1/ledger/usage?from=2026-12-01&to=2026-11-01").fault("?to") == "must be later than from");
  for (const auto* bad : {"1", "1.", ".1", "1.1.1", "a.b", "-1.1", "1.-1", "1.99999999999999999999"})
    CHECK_FALSE(api.call("auditor", "GET", kAlways + std::string("&after=") + bad).fault("?after").empty());
}

TEST_CASE("what the sites are called elsewhere") {
  ApiUnderTest api;
  const auto told = api.call("auditor", "GET", "/v1/exchange");
  REQUIRE(told.status == 200);
  const auto sites = ledger::read_exchange(told.body).value();
  REQUIRE(sites.size() == 1);
  CHECK(sites[0].id == "alpha");
  CHECK(sites[0].apel->name == "ALPHA-HPC");
  CHECK_FALSE(sites[0].waldur);
}

}  // namespace hansa::api::test
