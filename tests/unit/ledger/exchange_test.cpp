// SPDX-License-Identifier: Apache-2.0
// What APEL and Waldur are told: byte for byte, and whatever a record says. tests/unit/ledger/read_exchange.py reads the same
// files with a reader of its own.
#include "tests/unit/ledger/exchange_samples.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace hansa::ledger {
namespace {

using namespace test;

/// With HANSA_GOLDEN_OUT=DIR what was made is written there, to be looked at.
void check_golden(const std::string& name, const std::string& text) {
  if (const char* out = std::getenv("HANSA_GOLDEN_OUT")) std::ofstream(std::string(out) + "/" + name, std::ios::binary) << text;
  std::ifstream in(HANSA_SOURCE_DIR "/tests/data/exchange/" + name, std::ios::binary);
  INFO(name);
  CHECK(text == std::string(std::istreambuf_iterator<char>(in), {}));
}

struct Written {
  std::vector<ApelMessage> messages;
  std::map<std::string, int> left_out;
  std::vector<ExchangeRun> taken;

  [[nodiscard]] std::string text() const {
    std::string all;
    for (const auto& message : messages) all += message.text;
    return all;
  }
};

const ApelSite& apel_site(const ExchangeRun& run) { return run.site == "beta" ? kBeta : kAlpha; }

Written write(const std::vector<ExchangeRun>& runs, ApelWriter::Options options, std::vector<ApelSite> sites = {kAlpha, kBeta}) {
  Written written;
  ApelWriter writer(options, [&](const ApelMessage& message) -> Result<void> {
    written.messages.push_back(message);
    return {};
  });
  for (const auto& run : runs) {
    const auto why = writer.take(run, apel_site(run)).value();
    if (why.empty())
      written.taken.push_back(run);
    else
      ++written.left_out[std::string(why)];
  }
  REQUIRE(writer.finish(sites));
  return written;
}
Written write(const std::vector<ExchangeRun>& runs, ApelKind kind, Persons persons = Persons::hidden) {
  return write(runs, {.kind = kind, .month = kNovember, .persons = persons, .now = kNow});
}

using Record = std::map<std::string, std::string>;

std::string decoded(std::string_view value) {
  std::string text;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] != '%') {
      text += value[i];
      continue;
    }
    unsigned byte = 0;
    std::from_chars(value.data() + i + 1, value.data() + i + 3, byte, 16);
    text += static_cast<char>(byte);
    i += 2;
  }
  return text;
}

/// As apel's RecordFactory takes a message apart: at every "%%", at every line, at the first colon, blanks trimmed away.
std::vector<Record> records_of(const std::string& message, const std::string& header) {
  REQUIRE(message.starts_with(header + "\n"));
  std::vector<Record> records;
  auto rest = message.substr(header.size() + 1);
  for (auto end = rest.find("%%"); end != std::string::npos; end = rest.find("%%")) {
    auto& record = records.emplace_back();
    std::string_view text = std::string_view(rest).substr(0, end);
    while (!text.empty()) {
      const auto line = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(line.size() + 1, text.size()));
      if (line.empty()) continue;
      const auto colon = line.find(':');
      REQUIRE(colon != std::string_view::npos);
      const auto value = line.substr(colon + 1);
      REQUIRE(value.starts_with(' '));
      REQUIRE(record.emplace(line.substr(0, colon), decoded(value.substr(1))).second);
    }
    rest.erase(0, end + 2);
  }
  REQUIRE(rest == "\n");
  return records;
}

constexpr const char* kIndividual = "APEL-individual-job-message: v0.3";
constexpr const char* kSummary = "APEL-summary-job-message: v0.2";
constexpr const char* kSync = "APEL-sync-message: v0.1";

}  // namespace

TEST_CASE("a month is written as it stands in the golden files", "[exchange]") {
  const auto runs = sample_runs();
  const auto individual = write(runs, ApelKind::individual, Persons::named);
  check_golden("individual.msg", individual.text());
  CHECK(individual.left_out == std::map<std::string, int>{{"NEVER_STARTED", 1}, {"ENDS_BEFORE_START", 1}});
  check_golden("individual-hidden.msg", write(runs, ApelKind::individual).text());
  check_golden("summary.msg", write(runs, ApelKind::summary, Persons::pseudonyms).text());
  check_golden("summary-hidden.msg", write(runs, ApelKind::summary).text());
  check_golden("sync.msg", write(runs, ApelKind::sync, Persons::named).text());
  CHECK(write(runs, ApelKind::summary).left_out == individual.left_out);
  CHECK(write(runs, ApelKind::sync).left_out == individual.left_out);

  for (const auto& [persons, name] :
       {std::pair(Persons::named, "waldur.json"), std::pair(Persons::hidden, "waldur-hidden.json")}) {
    WaldurUsage usage(kNovember, persons);
    for (const auto& run : runs) REQUIRE(usage.take(run, run.site == "beta" ? kBetaInWaldur : kAlphaInWaldur));
    check_golden(name, usage.text());
    CHECK(usage.resources() == 2);
  }
}

TEST_CASE("a message tells which records of the ledger are in it", "[exchange]") {
  const auto written = write(sample_runs(), ApelKind::individual);
  REQUIRE(written.messages.size() == 1);
  REQUIRE(written.messages[0].runs.size() == written.taken.size());
  for (std::size_t i = 0; i < written.taken.size(); ++i)
    CHECK(written.messages[0].runs[i] == std::pair(written.taken[i].seq, written.taken[i].leaf));
  CHECK(write(sample_runs(), ApelKind::summary).messages[0].runs.empty());
}

TEST_CASE("a message has a thousand records at most", "[exchange]") {
  for (const auto& [count, sizes] :
       {std::pair(0, std::vector<std::size_t>{}), std::pair(1, std::vector<std::size_t>{1}),
        std::pair(1'000, std::vector<std::size_t>{1'000}), std::pair(1'001, std::vector<std::size_t>{1'000, 1})}) {
    std::vector<ExchangeRun> runs;
    for (int i = 0; i < count; ++i)
      runs.push_back(run_from(i, {.id = std::to_string(i), .started = kFirstSecond, .ended = kFirstSecond + 10 + i}));
    const auto written = write(runs, ApelKind::individual);
    REQUIRE(written.messages.size() == sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      CHECK(written.messages[i].records == sizes[i]);
      CHECK(written.messages[i].runs.size() == sizes[i]);
      CHECK(records_of(written.messages[i].text, kIndividual).size() == sizes[i]);
    }
  }
}

TEST_CASE("a month without runs is told by a sync record, and by nothing else", "[exchange]") {
  CHECK(write({}, ApelKind::individual).messages.empty());
  CHECK(write({}, ApelKind::summary).messages.empty());
  const auto sync = records_of(write({}, ApelKind::sync).text(), kSync);
  REQUIRE(sync.size() == 2);
  for (const auto& record : sync) CHECK(record.at("NumberOfJobs") == "0");
  CHECK(sync[0].at("Month") == "11");
  CHECK(sync[0].at("Year") == "2026");
}

TEST_CASE("what the server could not tell apart is told apart", "[exchange]") {
  constexpr auto kEnd = kFirstSecond + 100;
  std::vector<ExchangeRun> runs;
  const auto add = [&](std::int64_t started, const std::string& cluster) {
    runs.push_back(
        run_from(static_cast<std::int64_t>(runs.size()), {.id = "7", .cluster = cluster, .started = started, .ended = kEnd}));
  };
  add(kEnd - 50, "a");
  add(kEnd - 20, "a");  // put back into the queue, and over in the same second
  add(kEnd - 50, "b");  // another cluster's job of the same id
  add(kEnd - 50, "b");  // which no ledger has
  add(kEnd - 50, "b");
  runs.push_back(run_from(9, {.id = "7", .started = kEnd, .ended = kEnd + 1}));
  const auto written = write(runs, ApelKind::individual);
  std::vector<std::string> ids;
  for (const auto& record : records_of(written.text(), kIndividual)) ids.push_back(record.at("LocalJobId"));
  const auto start = [](std::int64_t s) { return "7#" + std::to_string(s); };
  CHECK(ids == std::vector<std::string>{"7", start(kEnd - 20), start(kEnd - 50), start(kEnd - 50) + "#b", "7"});
  CHECK(written.left_out == std::map<std::string, int>{{"SAME_KEY", 1}});
  CHECK(records_of(write(runs, ApelKind::sync).text(), kSync)[0].at("NumberOfJobs") == "5");
}

TEST_CASE("what the server would refuse a whole message for is left out, with a code", "[exchange]") {
  const auto why = [](const RunTraits& traits, Amounts adjusted = {}) {
    auto run = run_from(1, traits);
    REQUIRE(add_amounts(run.amounts, adjusted));
    const auto written = write({run}, ApelKind::individual);
    return written.left_out.empty() ? std::string() : written.left_out.begin()->first;
  };
  constexpr auto kStart = kFirstSecond, kEnd = kFirstSecond + 10;
  CHECK(why({.started = kStart, .ended = kEnd}).empty());
  CHECK(why({.ended = kEnd}) == "NEVER_STARTED");
  CHECK(why({.started = kEnd + 1, .ended = kEnd}) == "ENDS_BEFORE_START");
  CHECK(why({.started = kEnd, .ended = kEnd}).empty());
  CHECK(why({.started = kStart, .ended = to_unix_seconds(kNow) + 86'400}).empty());
  CHECK(why({.started = kStart, .ended = to_unix_seconds(kNow) + 86'401}) == "ENDS_IN_THE_FUTURE");
  CHECK(why({.started = kStart, .ended = kEnd}, {0, -11, 0, 0, 0}) == "NEGATIVE_AMOUNT");
  CHECK(why({.started = kStart, .ended = kEnd}, {0, 0, -81, 0, 0}) == "NEGATIVE_AMOUNT");
  CHECK(why({.started = kStart, .ended = kEnd}, {0, -10, -80, 0, 0}).empty());
  CHECK(why({.queue = std::string(100, 'q'), .started = kStart, .ended = kEnd}).empty());
  CHECK(why({.queue = std::string(101, 'q'), .started = kStart, .ended = kEnd}) == "TEXT_TOO_LONG");
  CHECK(why({.id = std::string(86, '%'), .started = kStart, .ended = kEnd}) == "TEXT_TOO_LONG");
  CHECK(why({.id = "", .started = kStart, .ended = kEnd}).empty());  // "#" and its start
}

TEST_CASE("whose runs they were is told only if it is asked for", "[exchange]") {
  const auto runs = sample_runs();
  for (const auto kind : {ApelKind::individual, ApelKind::summary}) {
    const auto hidden = write(runs, kind).text(), pseudonyms = write(runs, kind, Persons::pseudonyms).text();
    for (const auto* text : {&hidden, &pseudonyms}) {
      CHECK_FALSE(text->contains("alice"));
      CHECK_FALSE(text->contains("LocalUserId"));
    }
    CHECK_FALSE(hidden.contains("GlobalUserName"));
    CHECK(pseudonyms.contains("GlobalUserName: " + pseudonym_of("local:bob", std::string(32, 'k'))));
    CHECK(write(runs, kind, Persons::named).text().contains("GlobalUserName: local:alice"));
  }
}

TEST_CASE("sites with one name in APEL have one summary", "[exchange]") {
  const auto runs = std::vector{run_from(1, {.site = "one", .id = "1", .started = kFirstSecond, .ended = kFirstSecond + 10}),
                                run_from(2, {.site = "two", .id = "1", .started = kFirstSecond, .ended = kFirstSecond + 30})};
  const auto written = write(runs, {.kind = ApelKind::summary, .month = kNovember, .now = kNow}, {kAlpha, kAlpha});
  const auto records = records_of(written.text(), kSummary);
  REQUIRE(records.size() == 1);
  CHECK(records[0].at("NumberOfJobs") == "2");
  CHECK(records[0].at("WallDuration") == "40");
  CHECK(records[0].at("EarliestEndTime") == std::to_string(kFirstSecond + 10));
  CHECK(records[0].at("LatestEndTime") == std::to_string(kFirstSecond + 30));
}

TEST_CASE("a value is read back as it was", "[exchange]") {
  CHECK(apel_value("alpha: slurm_2-[3]") == "alpha: slurm_2-[3]");
  CHECK(apel_value("100%") == "100%25");
  CHECK(apel_value("%%") == "%25%25");
  CHECK(apel_value(" a ") == "%20a%20");
  CHECK(apel_value(" ") == "%20");
  CHECK(apel_value("None") == "%4Eone");
  CHECK(apel_value("NULL") == "%4EULL");
  CHECK(apel_value("nonesuch") == "nonesuch");
  CHECK(apel_value("Gr\xC3\xBC"
                   "n\n") == "Gr%C3%BCn%0A");
  CHECK(rc::check("any text", [](const std::string& text) {
    const auto value = apel_value(text);
    RC_ASSERT(decoded(value) == text);
    RC_ASSERT(std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; }));
    RC_ASSERT(!value.contains("%%"));
  }));
}

TEST_CASE("whatever records say, the messages are read back with the same values and the same sums", "[exchange]") {
  const auto text = rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
                                     "a", "%", "%%", "\n", "\r", ":", " ", "none", "ä", "\xE2\x80\xA8", "\x85", "\x1c", "Site: X",
                                     std::string(1, '\0'), "#", "7")),
                                 [](const std::vector<std::string>& parts) {
                                   std::string all;
                                   for (const auto& part : parts) all += part;
                                   return all.substr(0, 30);
                                 });
  CHECK(rc::check("any runs", [&] {
    std::vector<ExchangeRun> runs;
    const auto count = *rc::gen::inRange(0, 12);
    auto end = kFirstSecond + 1'000;
    for (int i = 0; i < count; ++i) {
      end += *rc::gen::inRange(0, 2);
      auto run = run_from(i, {.started = end - *rc::gen::inRange(0, 900), .ended = end, .cores = *rc::gen::inRange(0, 3)});
      run.site_job_id = *text;
      run.queue = *text;
      run.cluster = *text;
      run.project = *text;
      run.owner = *text;
      run.account = *text;
      runs.push_back(std::move(run));
    }
    const auto individual = write(runs, ApelKind::individual, Persons::named);
    const auto records = individual.messages.empty() ? std::vector<Record>{} : records_of(individual.text(), kIndividual);
    RC_ASSERT(records.size() == individual.taken.size());
    const auto field = [](const Record& record, const char* name) {
      const auto at = record.find(name);
      return at == record.end() ? std::string() : at->second;
    };
    Amounts sum;
    std::set<std::pair<std::string, std::string>> keys;
    for (std::size_t i = 0; i < records.size(); ++i) {
      const auto& run = individual.taken[i];
      RC_ASSERT(field(records[i], "Queue") == run.queue);
      RC_ASSERT(field(records[i], "MachineName") == run.cluster);
      RC_ASSERT(field(records[i], "VO") == run.project);
      RC_ASSERT(field(records[i], "GlobalUserName") == run.owner);
      RC_ASSERT(field(records[i], "LocalUserId") == run.account);
      RC_ASSERT(field(records[i], "LocalJobId").starts_with(run.site_job_id));
      RC_ASSERT(field(records[i], "WallDuration") == std::to_string(run.amounts.elapsed_s));
      RC_ASSERT(field(records[i], "EndTime") == std::to_string(run.ended_s));
      RC_ASSERT(keys.emplace(field(records[i], "LocalJobId"), field(records[i], "EndTime")).second);
      RC_ASSERT(add_amounts(sum, run.amounts).has_value());
    }
    const auto summary = write(runs, ApelKind::summary, Persons::named);
    Amounts summed;
    for (const auto& record : summary.messages.empty() ? std::vector<Record>{} : records_of(summary.text(), kSummary)) {
      summed.runs += std::stoll(field(record, "NumberOfJobs"));
      summed.elapsed_s += std::stoll(field(record, "WallDuration"));
      summed.core_seconds += std::stoll(field(record, "CpuDuration"));
    }
    RC_ASSERT(summed.runs == sum.runs);
    RC_ASSERT(summed.elapsed_s == sum.elapsed_s);
    RC_ASSERT(summed.core_seconds == sum.core_seconds);
    const auto sync = records_of(write(runs, ApelKind::sync).text(), kSync);
    RC_ASSERT(field(sync[0], "NumberOfJobs") == std::to_string(sum.runs));
  }));
}

TEST_CASE("an amount that cannot be summed ends the report", "[exchange]") {
  auto run = run_from(1, {.started = kFirstSecond, .ended = kFirstSecond + 10});
  run.amounts.core_seconds = INT64_MAX - 5;
  ApelWriter writer({.kind = ApelKind::summary, .month = kNovember, .now = kNow},
                    [](const ApelMessage&) -> Result<void> { return {}; });
  REQUIRE(writer.take(run, kAlpha));
  run.ended_s += 1;
  CHECK(writer.take(run, kAlpha).error().code == "SUM_TOO_LARGE");
  WaldurUsage usage(kNovember, Persons::hidden);
  REQUIRE(usage.take(run, kAlphaInWaldur));
  CHECK(usage.take(run, kAlphaInWaldur).error().code == "SUM_TOO_LARGE");
}

TEST_CASE("a disk that is full ends the report", "[exchange]") {
  ApelWriter writer({.kind = ApelKind::individual, .month = kNovember, .now = kNow}, [](const ApelMessage&) -> Result<void> {
    return fail(ErrorKind::storage_full, "LOCAL_STORAGE_FULL", "full");
  });
  REQUIRE(writer.take(run_from(1, {.started = kFirstSecond, .ended = kFirstSecond + 1}), kAlpha));
  CHECK(writer.finish({}).error().code == "LOCAL_STORAGE_FULL");
}

TEST_CASE("only a usage record is a run", "[exchange]") {
  CHECK(read_run("").error().code == "BAD_RECORD");
  CHECK(read_run("{}").error().code == "BAD_RECORD");
  const auto key = record_text(0, Kind::policy, 1, {{"sha256", "x"}}).value();
  CHECK(read_run(key).error().code == "BAD_RECORD");
  UsageEntry reversal{.kind = Kind::reversal, .refers_to = 0, .reason = "CHANGED_BY_SITE"};
  CHECK(read_run(record_text(reversal)).error().code == "BAD_RECORD");
}

TEST_CASE("what sites are called elsewhere goes over the wire and back", "[exchange]") {
  const std::vector<ExchangeSite> sites{{.id = "alpha", .apel = kAlpha, .waldur = kAlphaInWaldur},
                                        {.id = "beta", .apel = kBeta, .waldur = std::nullopt},
                                        {.id = "gamma", .apel = std::nullopt, .waldur = kBetaInWaldur}};
  CHECK(read_exchange(exchange_json(sites)).value() == sites);
  for (const auto* bad :
       {"[]", "{}", R"({"sites":{}})", R"({"sites":[1]})", R"({"sites":[{"id":"a","apel":{}}]})",
        R"({"sites":[{"id":"a","apel":{"site":"A","submit_host":"h","service_level":"1"}}]})",
        R"({"sites":[{"id":"a","waldur":{}}]})", R"({"sites":[{"id":"a","waldur":{"components":{"x":1},"resources":{}}}]})",
        R"({"sites":[{"id":"a","waldur":{"components":{"x":{"of":"core_seconds","unit_seconds":0}},"resources":{}}}]})",
        R"({"sites":[{"id":"a","waldur":{"components":{"x":{"of":"cores","unit_seconds":1}},"resources":{}}}]})",
        R"({"sites":[{"id":"a","waldur":{"components":{},"resources":{"p":1}}}]})"}) {
    INFO(bad);
    CHECK(read_exchange(Json::parse(bad)).error().code == "BAD_ANSWER");
  }
}

}  // namespace hansa::ledger
