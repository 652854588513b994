// SPDX-License-Identifier: Apache-2.0
// What the metrics page says of jobs, sites, calls, the ledger, allocations and break-glass, as these change.
#include "tests/unit/api/api_under_test.hpp"

#include <array>
#include <charconv>
#include <set>

namespace hansa::api::test {
namespace {

constexpr const char* kBrief = "#!/bin/sh\n#model run=10s\n";

std::string page_of(ApiUnderTest& broker) { return broker.call("auditor", "GET", "/metrics").text; }

/// The sample of this series, -1 if there is none.
double sample(const std::string& page, const std::string& series) {
  const auto at = ("\n" + page).find("\n" + series + " ");
  if (at == std::string::npos) return -1;
  double value = -2;
  std::from_chars(page.data() + at + series.size() + 1, page.data() + page.size(), value);
  return value;
}
double sample(ApiUnderTest& broker, const std::string& series) { return sample(page_of(broker), series); }

double seconds(UtcTime time) { return static_cast<double>(to_unix_ms(time)) / 1'000; }

TEST_CASE("metrics count jobs by state and site and what became of them") {
  ApiUnderTest broker;
  CHECK(sample(broker, "hansa_jobs{state=\"running\"}") == 0);
  CHECK(sample(broker, "hansa_site_jobs{site=\"alpha\",state=\"running\"}") == 0);
  broker.submit("alice");
  broker.submit("alice", {{"script", kBrief}});
  const auto cancelled = broker.submit("bob", {{"script", kHold}, {"project", "ai-lab"}});
  broker.time.advance(Milliseconds{5'000});
  auto page = page_of(broker);
  CHECK(sample(page, "hansa_jobs{state=\"running\"}") == 3);
  CHECK(sample(page, "hansa_site_jobs{site=\"alpha\",state=\"running\"}") == 3);
  CHECK(sample(page, "hansa_decisions_total{outcome=\"submitting\"}") == 3);
  CHECK(sample(page, "hansa_jobs_ended_total{state=\"succeeded\"}") == -1);
  broker.call("bob", "POST", "/v1/jobs/" + cancelled + "/cancel");
  broker.time.advance(Milliseconds{120'000});
  page = page_of(broker);
  CHECK(sample(page, "hansa_jobs{state=\"running\"}") == 1);
  CHECK(sample(page, "hansa_site_jobs{site=\"alpha\",state=\"running\"}") == 1);
  CHECK(sample(page, "hansa_jobs_ended_total{state=\"succeeded\"}") == 1);
  CHECK(sample(page, "hansa_jobs_ended_total{state=\"cancelled\"}") == 1);
}

TEST_CASE("metrics say since when the oldest job waits and since when the first is not seen") {
  ApiUnderTest broker;
  constexpr const char* kWaits = "hansa_oldest_waiting_job_timestamp_seconds";
  constexpr const char* kUnknown = "hansa_site_oldest_unknown_timestamp_seconds{site=\"alpha\"}";
  CHECK(sample(broker, kWaits) == -1);
  CHECK(sample(broker, kUnknown) == -1);
  // The site is full, and takes no more to wait there than its budget says.
  const Json whole{{"script", kHold}, {"resources", {{"tasks", 4}}}, {"time_limit_s", 1'200}};
  broker.submit("alice", whole);
  broker.time.advance(Milliseconds{2'000});
  std::optional<UtcTime> first;
  for (int i = 0; i < 100 && !first; ++i) {
    const auto before = broker.time.now_utc();
    const auto id = broker.submit("alice", whole);
    if (broker.call("alice", "GET", "/v1/jobs/" + id).body["state"] == "waiting") first = before;
  }
  REQUIRE(first);
  broker.time.advance(Milliseconds{10'000});
  const auto since = sample(broker, kWaits);
  CHECK(since >= seconds(*first));
  CHECK(since <= seconds(*first) + 5);

  const auto silent_from = broker.time.now_utc();
  broker.site->faults.silent = true;
  broker.time.advance(Milliseconds{1'200'000});
  auto page = page_of(broker);
  CHECK(sample(page, "hansa_site_up{site=\"alpha\"}") == 0);
  CHECK(sample(page, "hansa_site_unknown_jobs{site=\"alpha\"}") >= 1);
  CHECK(sample(page, kUnknown) > seconds(silent_from));
  CHECK(sample(page, kUnknown) < seconds(broker.time.now_utc()));
  CHECK(sample(page, "hansa_site_snapshot_timestamp_seconds{site=\"alpha\"}") <= seconds(silent_from));
  broker.site->faults.silent = false;
  broker.time.advance(Milliseconds{1'200'000});
  CHECK(sample(broker, kUnknown) == -1);
}

TEST_CASE("calls to a site are counted by kind and those that fail by code and by whether it was silent") {
  ApiUnderTest broker;
  broker.submit("alice");
  broker.time.advance(Milliseconds{60'000});
  auto page = page_of(broker);
  const auto snapshots = sample(page, "hansa_site_calls_total{site=\"alpha\",kind=\"snapshot\"}");
  CHECK(snapshots >= 1);
  CHECK(sample(page, "hansa_site_calls_total{site=\"alpha\",kind=\"submit\"}") == 1);
  CHECK(sample(page, "hansa_site_call_duration_seconds_count{site=\"alpha\",kind=\"submit\"}") == 1);
  CHECK_FALSE(page.contains("hansa_site_call_errors_total{"));
  broker.site->faults.refuse = "sbatch: error: Invalid account";
  broker.submit("bob", {{"script", kHold}, {"project", "ai-lab"}});
  broker.site->faults.down = true;
  broker.time.advance(Milliseconds{120'000});
  page = page_of(broker);
  CHECK(page.contains("hansa_site_call_errors_total{site=\"alpha\",code=\"SITE_REFUSED\",silent=\"false\"} "));
  CHECK(page.contains("silent=\"true\"} "));
  CHECK(sample(page, "hansa_site_calls_total{site=\"alpha\",kind=\"snapshot\"}") > snapshots);
}

TEST_CASE("metrics say how far the ledger is signed") {
  ApiUnderTest broker;
  auto page = page_of(broker);
  CHECK(sample(page, "hansa_ledger_records_total") == 1);  // the key's
  CHECK(sample(page, "hansa_ledger_checkpoint_records") == 0);
  CHECK(sample(page, "hansa_ledger_checkpoint_timestamp_seconds") == 0);
  CHECK(sample(page, "hansa_ledger_fault{code=\"LEDGER_KEY_MISSING\"}") == 0);
  const auto before = broker.time.now_utc();
  REQUIRE(broker.call("auditor", "GET", "/v1/ledger/checkpoint").status == 200);
  page = page_of(broker);
  CHECK(sample(page, "hansa_ledger_checkpoint_records") == 1);
  CHECK(sample(page, "hansa_ledger_checkpoint_timestamp_seconds") >= seconds(before));
}

TEST_CASE("allocations are counted by site and by whether anything is left") {
  domain::Charging charging;
  charging.rules.push_back({.unit = "core-hours", .per_core = 1'000});
  ApiUnderTest broker(std::move(charging));
  engine::Regulations configured;
  configured.projects = {{ProjectId("ai-lab"), {}}};
  broker.regulate(std::move(configured));
  CHECK_FALSE(page_of(broker).contains("hansa_allocations{"));
  const auto grant = [&](const Json& more) {
    Json what{{"project", "ai-lab"}, {"unit", "core-hours"}};
    what.update(more);
    REQUIRE(broker.call("operator", "POST", "/v1/allocations", what).status == 201);
  };
  grant({{"amount", "1000"}});
  grant({{"amount", "0.001"}, {"site", "alpha"}});
  auto page = page_of(broker);
  CHECK(sample(page, "hansa_allocations{site=\"any\",state=\"open\"}") == 1);
  CHECK(sample(page, "hansa_allocations{site=\"any\",state=\"spent\"}") == 0);
  CHECK(sample(page, "hansa_allocations{site=\"alpha\",state=\"open\"}") == 1);
  const auto told = broker.call("operator", "POST", "/v1/allocations/balances",
                                {{"balances", Json::array({{{"project", "ai-lab"},
                                                            {"site", "alpha"},
                                                            {"unit", "core-hours"},
                                                            {"left", "0"},
                                                            {"as_of", "2020-01-01T00:00:00Z"}}})}});
  CAPTURE(told.text);
  REQUIRE(told.status == 200);
  CHECK(sample(broker, "hansa_allocations{site=\"alpha\",state=\"spent\"}") == 1);
}

TEST_CASE("metrics say how much break-glass waits and is open and how often it was approved") {
  ApiUnderTest broker;
  const auto samples = [&] {
    const auto page = page_of(broker);
    return std::array{sample(page, "hansa_break_glass_pending"), sample(page, "hansa_break_glass_open"),
                      sample(page, "hansa_break_glass_approved_total")};
  };
  CHECK(samples() == std::array{0.0, 0.0, 0.0});
  const auto asked = broker.call("operator", "POST", "/v1/break-glass",
                                 {{"scope", "person:alice"}, {"reason", "incident 4711"}, {"lasts_s", 3'600}});
  REQUIRE(asked.status == 201);
  CHECK(samples() == std::array{1.0, 0.0, 0.0});
  REQUIRE(broker.call("operator-2", "POST", "/v1/break-glass/" + asked.body["id"].get<std::string>() + "/approve").status == 200);
  CHECK(samples() == std::array{0.0, 1.0, 1.0});
  broker.time.advance(Milliseconds{3'601'000});
  CHECK(samples() == std::array{0.0, 0.0, 1.0});
}

TEST_CASE("every family has help and type once and every sample its family and no label of a person's or a job's") {
  ApiUnderTest broker;
  broker.submit("alice");
  broker.time.advance(Milliseconds{60'000});
  std::set<std::string> families;
  std::string family, helped;
  std::istringstream lines(page_of(broker));
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    const auto word = [&](std::size_t number) {
      std::istringstream words(line);
      std::string text;
      for (std::size_t i = 0; i <= number; ++i) words >> text;
      return text;
    };
    if (line.starts_with("# HELP ")) {
      helped = word(2);
      CHECK(line.ends_with('.'));
    } else if (line.starts_with("# TYPE ")) {
      family = word(2);
      CHECK(helped == family);
      CHECK(families.insert(family).second);
      CHECK((word(3) == "counter") == family.ends_with("_total"));
    } else {
      const auto name = line.substr(0, line.find_first_of("{ "));
      CHECK((name == family || name == family + "_bucket" || name == family + "_sum" || name == family + "_count"));
      CHECK_FALSE(line.contains("alice"));
      CHECK_FALSE(line.contains("ai-lab"));
    }
  }
  CHECK(families.size() > 30);
}

TEST_CASE("a scraper that asks for OpenMetrics gets it") {
  ApiUnderTest broker;
  const auto told = broker.call("auditor", "GET", "/metrics", Json(),
                                {{"Accept", "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.3"}});
  CHECK(told.text.ends_with("\n# EOF\n"));
  CHECK(told.text.contains("# TYPE hansa_jobs_accepted counter\nhansa_jobs_accepted_total 0\n"));
  CHECK(page_of(broker).contains("# TYPE hansa_jobs_accepted_total counter\n"));
}

}  // namespace
}  // namespace hansa::api::test
