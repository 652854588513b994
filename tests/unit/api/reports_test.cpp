// SPDX-License-Identifier: Apache-2.0
// Reports over REST: who sees what, in which format, and what a file of one is held against.
#include "broker/api/spool.hpp"
#include "broker/core/digest.hpp"
#include "broker/core/encoding.hpp"
#include "broker/ledger/report_manifest.hpp"
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {
namespace {

void run_a_job(ApiUnderTest& api) {
  const auto id = api.submit("alice", {{"script", "#!/bin/sh\n#model run=10s\n"}});
  api.time.run_until([&] { return !api.call("alice", "GET", "/v1/jobs/" + id + "/usage").body["records"].empty(); },
                     std::chrono::hours{2});
}

}  // namespace

TEST_CASE("everybody has reports of their own, operators and auditors all", "[reports]") {
  ApiUnderTest api;
  run_a_job(api);
  for (const auto& kind : ledger::report_kinds()) {
    const auto path = "/v1/reports/" + std::string(kind.name);
    INFO(path);
    for (const auto format : kind.formats) {
      CHECK(api.call("auditor", "GET", path + "?format=" + std::string(format)).status == 200);
      CHECK(api.call("operator", "GET", path + "?format=" + std::string(format)).status == 200);
    }
    CHECK(api.call("alice", "GET", path).status == (kind.audience == ledger::Audience::own ? 200 : 403));
    CHECK(api.call("", "GET", path).status == 401);
  }
  const auto own = api.call("alice", "GET", "/v1/reports/usage?by=person").body;
  CHECK(own["whose"] == "own");
  REQUIRE(own["rows"].size() == 1);
  CHECK(own["rows"][0]["person"] == "local:alice");
  const auto all = api.call("auditor", "GET", "/v1/reports/usage?by=person").body;
  REQUIRE(all["rows"].size() == 1);
  CHECK(all["rows"][0]["person"].get<std::string>().size() == 32);
  CHECK(api.call("bob", "GET", "/v1/reports/usage").body["rows"].empty());
  // Whoever rules about data sees where all of them went, and of what was used no more than their own.
  api.add_token("pat", "pat", ports::Role::policy_officer);
  CHECK(api.call("pat", "GET", "/v1/reports/sovereignty").body["whose"] == all["whose"]);
  CHECK(api.call("pat", "GET", "/v1/reports/usage").body["whose"] == "own");
  CHECK(api.call("alice", "GET", "/v1/reports/sovereignty").body["whose"] == "own");
}

TEST_CASE("what a report cannot be is told", "[reports]") {
  ApiUnderTest api;
  CHECK(api.call("auditor", "GET", "/v1/reports/usge").status == 404);
  CHECK(api.call("auditor", "GET", "/v1/reports/usge").text.contains("did you mean \\\"usage\\\""));
  CHECK(api.call("auditor", "GET", "/v1/reports/usage?format=xml").fault("?format").contains("one of: table, csv, json"));
  CHECK(api.call("auditor", "GET", "/v1/reports/clearing?by=project").fault("?by").contains("one of: centre"));
  CHECK(api.call("auditor", "GET", "/v1/reports/usage?time_sliced=true&by=day")
            .fault("?time_sliced")
            .contains("needs from and to"));
  CHECK(api.call("auditor", "GET", "/v1/reports/corrections?time_sliced=true").status == 400);
}

TEST_CASE("a report's manifest is of its bytes and of a signed ledger", "[reports]") {
  ApiUnderTest api;
  run_a_job(api);
  const auto told = api.call("auditor", "GET", "/v1/reports/usage?by=site&format=csv&manifest=true");
  REQUIRE(told.status == 200);
  const auto text = from_base64(told.header("Hansa-Report-Manifest"));
  REQUIRE(text);
  const auto manifest = ledger::parse_manifest(*text);
  REQUIRE(manifest);
  CHECK(manifest->sha256 == sha256_hex(told.text));
  CHECK(manifest->bytes == static_cast<std::int64_t>(told.text.size()));
  CHECK(manifest->rows == 1);
  CHECK(manifest->by == std::vector<std::string>{"site"});
  CHECK(manifest->query == "by=site&format=csv");
  CHECK(manifest->everybody);
  CHECK(manifest->grade == "C: the broker's own jobs only (alpha=C)");
  CHECK(manifest->checkpoint == api.call("auditor", "GET", "/v1/ledger/checkpoint").body["note"].get<std::string>());
  const auto key =
      ledger::parse_verifier(api.call("auditor", "GET", "/v1/ledger").body["keys"].back()["key"].get<std::string>()).value();
  CHECK(is_signed(*manifest, key));
  auto other = *manifest;
  other.rows = 2;
  CHECK_FALSE(is_signed(other, key));
}

TEST_CASE("a report for a third party withholds figures of few people", "[reports]") {
  ApiUnderTest api;
  run_a_job(api);
  const auto told = api.call("auditor", "GET", "/v1/reports/usage?by=site&for=third_party&manifest=true");
  REQUIRE(told.status == 200);
  CHECK(told.body["for"] == "third_party");
  REQUIRE(told.body["rows"].size() == 1);
  CHECK(told.body["rows"][0]["withheld"] == "<5 people");
  CHECK(told.body["rows"][0]["core_seconds"].is_null());
  CHECK(told.body["total"]["core_seconds"] == 0);
  const auto manifest = ledger::parse_manifest(from_base64(told.header("Hansa-Report-Manifest")).value());
  REQUIRE(manifest);
  CHECK(manifest->query == "by=site&for=third_party");
  CHECK_FALSE(api.call("auditor", "GET", "/v1/reports/usage?by=site").body["rows"][0].contains("withheld"));
  CHECK(api.call("auditor", "GET", "/v1/reports/usage?for=everybody").fault("?for").contains("must be third_party"));
  CHECK(api.call("auditor", "GET", "/v1/reports/usage?by=person&for=third_party").code() == "NOT_FOR_THIRD_PARTY");
  CHECK(api.call("alice", "GET", "/v1/reports/usage?by=site&for=third_party").code() == "NOT_FOR_THIRD_PARTY");
  CHECK(api.call("auditor", "GET", "/v1/reports/grants?for=third_party").status == 400);
}

TEST_CASE("the head of a report of usage has its grade", "[reports]") {
  ApiUnderTest api;
  const auto grade = [&](std::string_view report) {
    return api.call("auditor", "GET", "/v1/reports/" + std::string(report)).body.value("grade", "");
  };
  CHECK(grade("usage").empty());  // of nothing
  run_a_job(api);
  for (const auto* report : {"usage", "countries", "energy", "funding", "grants", "clearing"})
    CHECK(grade(report) == "C: the broker's own jobs only (alpha=C)");
  CHECK(grade("corrections").empty());
  CHECK(api.call("auditor", "GET", "/v1/reports/usage?format=table").text.contains("\ngrade C: "));
}

TEST_CASE("a spool gives back what was written, however much", "[reports]") {
  for (const std::size_t pieces : {0U, 1U, 1000U}) {
    Spool spool(std::filesystem::temp_directory_path());
    const std::string piece(1'003, 'x');
    std::string whole, back;
    for (std::size_t i = 0; i < pieces; ++i) {
      REQUIRE(spool.write(piece));
      whole += piece;
    }
    CHECK(spool.finish().value() == sha256_hex(whole));
    for (auto next = spool.next().value(); next; next = spool.next().value()) back += *next;
    CHECK(back == whole);
    CHECK(spool.complete());
  }
  Spool nowhere("/nonexistent");
  Result<void> written;
  for (int i = 0; i < 1'000 && written; ++i) written = nowhere.write(std::string(1'003, 'x'));
  REQUIRE_FALSE(written);
  CHECK(written.error().code == "SPOOL");
}

}  // namespace hansa::api::test
