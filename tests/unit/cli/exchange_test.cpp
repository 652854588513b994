// SPDX-License-Identifier: Apache-2.0
// `hansa report apel` and `waldur`: what stands in the folder, or that nothing does.
#include "broker/ledger/report_manifest.hpp"
#include "tests/unit/cli/call_under_test.hpp"
#include "tests/unit/ledger/exchange_samples.hpp"
#include "tests/unit/ledger/sample_ledger.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace hansa::cli {
namespace {

std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
std::vector<std::string> files_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) names.push_back(std::filesystem::relative(entry.path(), folder).string());
  }
  std::ranges::sort(names);
  return names;
}

/// Runs of November 2026 as the broker tells them, from `from` on.
std::string page(const std::vector<std::string>& records, std::size_t from, std::size_t count) {
  Json list = Json::array();
  for (auto i = from; i < std::min(from + count, records.size()); ++i)
    list.push_back({{"record", records[i]}, {"owner", "local:alice"}, {"account", "alice"}});
  return reply(200, Json{{"records", std::move(list)}, {"size", records.size()}, {"next", nullptr}}.dump());
}

struct Month {
  std::vector<std::string> records;
  ledger::test::Sample sample;

  explicit Month(int runs, const std::string& site = "alpha") {
    for (int i = 0; i < runs; ++i) {
      const auto ended = ledger::test::kFirstSecond + 1'000 + i;
      records.push_back(ledger::record_text(ledger::UsageEntry{.seq = i,
                                                               .at_s = ended + 9,
                                                               .attempt = 1,
                                                               .site = site,
                                                               .country = "FI",
                                                               .cluster = "c",
                                                               .site_job_id = std::to_string(i),
                                                               .submitted_s = ended - 99,
                                                               .started_s = ended - 10,
                                                               .ended_s = ended,
                                                               .site_state = "COMPLETED",
                                                               .project = "ai-lab",
                                                               .queue = "batch",
                                                               .nodes = 1,
                                                               .cores = 8,
                                                               .amounts = {1, 10, 80, 0, 10},
                                                               .personal = ledger::Hash{}}));
      sample.add(records.back());
    }
  }
  [[nodiscard]] std::string checkpoint() const {
    return reply(200, Json{{"size", sample.size()}, {"note", sample.checkpoint(false).str()}}.dump());
  }
};

std::string names(const std::vector<ledger::ExchangeSite>& sites) { return reply(200, ledger::exchange_json(sites).dump()); }
const std::vector<ledger::ExchangeSite> kSites{
    {.id = "alpha", .apel = ledger::test::kAlpha, .waldur = ledger::test::kAlphaInWaldur},
    {.id = "beta", .apel = ledger::test::kBeta, .waldur = std::nullopt},
    {.id = "gamma", .apel = std::nullopt, .waldur = std::nullopt}};

}  // namespace

TEST_CASE("report apel writes a queue that ssmsend takes, with evidence beside", "[exchange]") {
  const tests::TemporaryFolder folder;
  const auto dir = (folder.path / "apel").string();
  const Month month(1'001);
  Call call;
  ScriptedServer server({names(kSites), month.checkpoint(), page(month.records, 0, 1'000), page(month.records, 1'000, 1'000),
                         page(month.records, 2'000, 1)});
  REQUIRE(call.run(server, {"report", "apel", "--kind", "individual", "--month", "2026-11", "--output", dir.c_str()}) == 0);
  CHECK(call.out.empty());
  CHECK(call.err == "hansa: 2 messages of 1001 records in " + dir + "/outgoing\n");
  // 2026-11-22T10:00:00Z is 0x6b02bd20, and the beginning of a minute.
  CHECK(files_in(dir) == std::vector<std::string>{"evidence.jsonl", "evidence.jsonl.manifest.json",
                                                  "outgoing/6b02bd20/6b02bd20000000", "outgoing/6b02bd20/6b02bd20000010"});
  const auto requests = server.requests();
  CHECK(line_of(requests[2]) ==
        "GET /v1/ledger/usage?from=2026-11-01T00%3A00%3A00Z&to=2026-12-01T00%3A00%3A00Z&size=1001&persons=hidden HTTP/1.1");
  CHECK(line_of(requests[3]).ends_with("&after=" + std::to_string(ledger::test::kFirstSecond + 1'999) + ".999 HTTP/1.1"));

  const auto evidence = file_text(dir + "/evidence.jsonl");
  std::vector<Json> lines;
  for (std::size_t at = 0; at < evidence.size(); at = evidence.find('\n', at) + 1)
    lines.push_back(Json::parse(evidence.substr(at, evidence.find('\n', at) - at)));
  REQUIRE(lines.size() == 3);
  std::size_t seq = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(lines[i]["sha256"] == sha256_hex(file_text(dir + "/" + lines[i]["file"].get<std::string>())));
    CHECK(lines[i]["records"] == lines[i]["runs"].size());
    for (const auto& run : lines[i]["runs"]) {
      REQUIRE(run[0] == seq);
      REQUIRE(run[1] == ledger::hex_of(ledger::bytes_of(ledger::leaf_hash(month.records[seq++]))));
    }
  }
  CHECK(
      lines[2] ==
      Json::parse(R"({"left_out":{},"messages":2,"records":1001,"taken":{"core_seconds":80080,"elapsed_s":10010,"runs":1001}})"));
  const auto manifest = ledger::parse_manifest(file_text(dir + "/evidence.jsonl.manifest.json")).value();
  CHECK(manifest.report == "apel-individual");
  CHECK(manifest.query == "month=2026-11&persons=hidden");
  CHECK(manifest.sha256 == sha256_hex(evidence));
  CHECK(manifest.bytes == static_cast<std::int64_t>(evidence.size()));
  CHECK(manifest.rows == 1'001);
  CHECK(manifest.checkpoint == month.sample.checkpoint(false).str());
  CHECK(manifest.from_s == ledger::test::kFirstSecond);
  CHECK(manifest.to_s == ledger::test::kLastSecond + 1);

  Call again;
  CHECK(again.run(ScriptedServer({names(kSites), month.checkpoint()}),
                  {"report", "apel", "--kind", "individual", "--month", "2026-11", "--output", dir.c_str()}) == 8);
  CHECK(again.err.contains("is there already"));
}

TEST_CASE("report apel leaves nothing behind when it cannot go on", "[exchange]") {
  const tests::TemporaryFolder folder;
  const auto dir = (folder.path / "apel").string();
  const Month month(3);
  const auto run = [&](std::vector<std::string> replies) {
    Call call;
    const auto status = call.run(ScriptedServer(std::move(replies)),
                                 {"report", "apel", "--kind", "individual", "--month", "2026-11", "--output", dir.c_str()});
    CHECK(files_in(folder.path).empty());
    CHECK_FALSE(std::filesystem::exists(dir + ".new"));
    return status;
  };
  CHECK(run({names(kSites), month.checkpoint(), problem(500, "STORE_CORRUPT")}) != 0);
  CHECK(run({names(kSites), month.checkpoint(), page(month.records, 0, 2), reply(200, "{}")}) != 0);
  // Pages that go round and round, a run of another month, one that no signed tree has.
  CHECK(run({names(kSites), month.checkpoint(), page(month.records, 0, 3), page(month.records, 0, 3)}) != 0);
  auto other = month;
  other.records[1] = Month(2).records[0];
  CHECK(run({names(kSites), month.checkpoint(), page(other.records, 0, 3)}) != 0);
  CHECK(run({names(kSites), Month(2).checkpoint(), page(month.records, 0, 3)}) != 0);
  CHECK(run({names(kSites), reply(200, "{}")}) != 0);
  CHECK(run({reply(200, "{}")}) != 0);
}

TEST_CASE("report apel tells what is missing and what was left out", "[exchange]") {
  const tests::TemporaryFolder folder;
  const auto dir = (folder.path / "apel").string();
  const auto run = [&](std::vector<const char*> more, std::vector<std::string> replies) {
    std::vector<const char*> arguments{"report", "apel", "--output", dir.c_str()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Call call;
    const auto status = replies.empty() ? call.run(arguments) : call.run(ScriptedServer(std::move(replies)), arguments);
    return std::pair(status, call.err);
  };
  CHECK(run({"--month", "2026-11"}, {}).second.contains("--kind must be"));
  CHECK(run({"--kind", "sync"}, {}).second.contains("needs --month and --output"));
  for (const auto* month : {"2026", "2026-13", "2026-11-01", "november", "2026-1", ""})
    CHECK(run({"--kind", "sync", "--month", month}, {}).second.contains("--month must be a month"));
  CHECK(run({"--kind", "sync", "--month", "2026-12"}, {}).second.contains("has not begun"));
  CHECK(run({"--kind", "sync", "--month", "2026-11", "--personal", "--pseudonyms"}, {}).second.contains("contradict"));
  CHECK(run({"--kind", "sync", "--month", "2026-11", "--site", "delta"}, {names(kSites)}).first == 3);
  CHECK(run({"--kind", "sync", "--month", "2026-11", "--site", "gamma"}, {names(kSites)}).second.contains("[site.apel]"));
  const Month gamma(2, "gamma");
  const auto sync = run({"--kind", "sync", "--month", "2026-11", "--personal"},
                        {names(kSites), gamma.checkpoint(), page(gamma.records, 0, 9), page(gamma.records, 9, 9)});
  CHECK(sync.second.contains("1 message of 2 records"));
  CHECK(sync.second.contains("left out: 2 SITE_NOT_IN_APEL"));
  CHECK(sync.second.contains("for you alone"));
  CHECK((std::filesystem::status(dir).permissions() & std::filesystem::perms::others_read) == std::filesystem::perms::none);
}

TEST_CASE("report waldur writes bodies to be sent, and a manifest", "[exchange]") {
  const tests::TemporaryFolder folder;
  const auto path = (folder.path / "waldur.json").string();
  const Month month(3);
  Call call;
  REQUIRE(call.run(ScriptedServer({names(kSites), month.checkpoint(), page(month.records, 0, 3), page(month.records, 3, 3)}),
                   {"report", "waldur", "--month", "2026-11", "--personal", "--output", path.c_str()}) == 0);
  CHECK(call.err.contains("usage of 1 resource in " + path));
  const auto text = file_text(path);
  const auto document = Json::parse(text);
  CHECK(document["resources"][0]["set_usage"]["usages"] ==
        Json::parse(R"([{"type":"cpu","amount":"0.00"},{"type":"node","amount":"0.01"}])"));
  CHECK(document["resources"][0]["set_user_usages"]["node"]["usages"][0]["username"] == "alice");
  CHECK(document["resources"][0]["exact"]["core_seconds"] == 240);
  const auto manifest = ledger::parse_manifest(file_text(path + ".manifest.json")).value();
  CHECK(manifest.sha256 == sha256_hex(text));
  CHECK(manifest.report == "waldur");
  Call none;
  CHECK(none.run(ScriptedServer({names({kSites[1]})}), {"report", "waldur", "--month", "2026-11", "--output", path.c_str()}) ==
        8);
  CHECK(none.err.contains("[site.waldur]"));
}

}  // namespace hansa::cli
