// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/doctor_report.hpp"

#include "broker/domain/site_checks.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::domain;
using enum hansa::domain::DoctorVerdict;

namespace {

Finding found(std::string check, DoctorVerdict verdict, std::string value, std::string subject = {}, bool reading = false) {
  return {.check = std::move(check),
          .subject = std::move(subject),
          .verdict = verdict,
          .value = std::move(value),
          .source = "a test",
          .at = from_unix_ms(1'000),
          .remedy = verdict == ok ? "" : "mend it",
          .reading = reading};
}

DoctorReport report(std::vector<Finding> findings, std::int64_t at_ms) {
  return {.at = from_unix_ms(at_ms), .scheduler = "slurm 22.05.8", .findings = std::move(findings), .drift = {}};
}

}  // namespace

TEST_CASE("what is found otherwise than before is drift, what is measured only if its verdict is", "[domain]") {
  auto first = report({found("VERSION", ok, "22.05.8"), found("ROOM", ok, "9 GiB", "alice", true),
                       found("RUN_AS", ok, "as bob", "bob"), found("GONE", ok, "x"), found("SLOW", ok, "x")},
                      1'000);
  CHECK(note_drift(std::nullopt, first) == 0);
  auto same = report({found("VERSION", ok, "22.05.8"), found("ROOM", ok, "8 GiB", "alice", true),
                      found("RUN_AS", ok, "as bob", "bob"), found("NEW", fault, "y"), found("SLOW", not_checked, "no time")},
                     2'000);
  CHECK(note_drift(first, same) == 0);
  CHECK(same.drift.empty());
  auto other = report(
      {found("VERSION", ok, "26.05.3"), found("ROOM", fault, "0 B", "alice", true), found("RUN_AS", fault, "no", "bob")}, 3'000);
  REQUIRE(note_drift(same, other) == 3);
  CHECK(other.drift[0] ==
        Drift{.check = "VERSION", .subject = "", .before = "ok: 22.05.8", .after = "ok: 26.05.3", .at = other.at});
  CHECK(other.drift[1].subject == "alice");
  CHECK(other.drift[1].after == "fault: 0 B");
  // It stays in later reports, the newest first, and not for ever.
  auto last = other;
  for (int i = 0; i < 40; ++i) {
    auto next = report({found("VERSION", ok, "v" + std::to_string(i))}, 4'000 + i);
    CHECK(note_drift(last, next) == 1);
    last = next;
  }
  CHECK(last.drift.size() == kDriftKept);
  CHECK(last.drift[0].after == "ok: v39");
  CHECK(last.drift[1].after == "ok: v38");
}

TEST_CASE("a report is read as it was stored, or refused", "[domain]") {
  auto whole = report({found("VERSION", ok, "22.05.8 \xC3\xA4"), found("ROOM", warning, "1 GiB", "alice", true)}, 1'000);
  whole.drift.push_back({.check = "ROOM", .subject = "alice", .before = "ok: 9 GiB", .after = "warning: 1 GiB", .at = whole.at});
  whole.questions = 9;
  whole.findings[1].bars = true;
  whole.findings[1].people = {Principal("local:alice"), Principal("local:bob")};
  whole.findings[0].offers = "outbound_network";
  whole.findings[0].lacks = true;
  whole.findings[0].queue = QueueName("gpu");
  const auto json = to_json(whole);
  const auto back = doctor_report_from_json(json);
  REQUIRE(back);
  CHECK(*back == whole);
  for (const auto* text :
       {"null", "[]", "{}", R"({"at": "x", "scheduler": ""})", R"({"at": 1, "scheduler": 2})",
        R"({"at": 1, "scheduler": "", "findings": 3})", R"({"at": 1, "scheduler": "", "findings": [3]})",
        R"({"at": 1, "scheduler": "", "findings": [{"check": "A", "verdict": "fine", "value": "", "source": "", "at": 1}]})",
        R"({"at": 1, "scheduler": "", "findings": [{"check": "A", "verdict": "ok", "value": 1, "source": "", "at": 1}]})",
        R"({"at": 1, "scheduler": "", "drift": [{"check": "A"}]})"}) {
    INFO(text);
    CHECK_FALSE(doctor_report_from_json(*parse_json(text)));
  }
}

TEST_CASE("a fault that was seen bars, for its accounts, as long as it is believed", "[domain]") {
  auto clock = found("CLOCK", fault, "2m ahead", "", true);
  clock.bars = true;
  auto quota = found("QUOTA", fault, "full", "alice");
  quota.bars = true;
  quota.at = from_unix_ms(2'000);
  const auto all = report({clock, found("HISTORY", fault, "no answer"), quota}, 2'000);
  const auto bar = [&](const char* account, std::vector<std::string> ignored, std::int64_t at_ms) {
    const auto* seen = bar_in(all, LocalAccount(account), Principal("local:eve"), ignored, from_unix_ms(at_ms));
    return seen == nullptr ? std::string() : seen->check;
  };
  CHECK(bar("alice", {}, 3'000) == "QUOTA");  // the newest
  CHECK(bar("bob", {}, 3'000) == "CLOCK");    // the site's; a check that could not be made bars nobody
  CHECK(bar("", {}, 3'000) == "CLOCK");
  CHECK(bar("alice", {"QUOTA"}, 3'000) == "CLOCK");
  CHECK(bar("alice", {"QUOTA", "CLOCK"}, 3'000).empty());
  CHECK(bar("bob", {}, 1'000 + 3'600'000) == "CLOCK");
  CHECK(bar("bob", {}, 1'001 + 3'600'000).empty());  // a reading
  CHECK(bar("alice", {}, 2'000 + 86'400'000) == "QUOTA");
  CHECK(bar("alice", {}, 2'001 + 86'400'000).empty());
  auto mended = all;
  for (auto& finding : mended.findings) finding.verdict = warning;
  CHECK(bar_in(mended, LocalAccount("alice"), Principal("local:alice"), {}, from_unix_ms(3'000)) == nullptr);
}

TEST_CASE("of an account that only the site's end knows the people say whom a fault bars", "[domain]") {
  auto quota = found("QUOTA", fault, "full", "u1234");
  quota.bars = true;
  quota.people = {Principal("local:alice"), Principal("local:carol")};
  const auto all = report({quota}, 1'000);
  const auto bars = [&](const char* person, const char* account) {
    return bar_in(all, LocalAccount(account), Principal(person), {}, from_unix_ms(2'000)) != nullptr;
  };
  CHECK(bars("local:alice", ""));
  CHECK(bars("local:carol", "carol"));
  CHECK_FALSE(bars("local:bob", ""));
  CHECK_FALSE(bars("local:bob", "u1234"));  // what the broker believes of accounts is not the site's map
}

TEST_CASE("what was found of what jobs may need is told with its time for a day", "[domain]") {
  auto runtime = judge_containers({"apptainer version 1.3.4"});
  auto network = judge_network(false);
  auto unknown = judge_containers({});
  for (auto* finding : {&runtime, &network, &unknown}) finding->at = from_unix_ms(1'000);
  const auto all = report({runtime, network, unknown, found("VERSION", ok, "1")}, 1'000);
  const auto offers = offers_in(all, {}, from_unix_ms(2'000));
  REQUIRE(offers.size() == 2);
  CHECK(offers[0] == Offer{.what = "container_runtime",
                           .queue = {},
                           .there = true,
                           .found = "CONTAINERS: apptainer version 1.3.4",
                           .at = from_unix_ms(1'000)});
  CHECK_FALSE(offers[1].there);
  CHECK(offers[1].what == "outbound_network");
  CHECK(offers_in(all, {"NETWORK"}, from_unix_ms(2'000)).size() == 1);
  CHECK(offers_in(all, {}, from_unix_ms(1'000 + 86'400'000)).size() == 2);
  CHECK(offers_in(all, {}, from_unix_ms(1'001 + 86'400'000)).empty());
  const auto told = told_of_network({"gpu", "*"});
  REQUIRE(told.size() == 2);
  CHECK((told[0].queue == QueueName("gpu") && told[0].offers == "outbound_network" && !told[0].lacks));
  CHECK(told[1].queue.empty());
}

TEST_CASE("what is seen of a site is judged", "[domain]") {
  const auto verdict = [](const Finding& f) { return std::string(to_string(f.verdict)) + " " + f.value; };
  CHECK(verdict(judge_clock(Seconds{3}, Seconds{60})) == "ok as ours, to a few seconds");
  CHECK(verdict(judge_clock(Seconds{30}, Seconds{60})) == "warning 30s ahead of ours");
  CHECK(verdict(judge_clock(Seconds{120}, Seconds{60})) == "fault 2m ahead of ours");
  CHECK(verdict(judge_clock(Seconds{-61}, Seconds{60})) == "fault 1m1s behind ours");
  CHECK(judge_clock(Seconds{120}, Seconds{60}).bars);
  CHECK_FALSE(judge_clock(Seconds{30}, Seconds{60}).bars);
  CHECK(verdict(judge_time_zone(Seconds{0})) == "ok the commands write UTC, as they are asked to");
  CHECK(verdict(judge_time_zone(Seconds{-18'000})) == "fault the commands write times 5h behind UTC, though asked for UTC");
  CHECK(judge_job_ids(1, 67'043'328).verdict == ok);
  CHECK(judge_job_ids(1, 9'999).verdict == warning);
  CHECK(judge_fence(true, false, "a", "a").verdict == ok);
  for (const auto& broken :
       {judge_fence(false, false, "", "a"), judge_fence(true, true, "b", "a"), judge_fence(true, false, "b", "a")}) {
    CHECK(broken.verdict == fault);
    CHECK(broken.remedy.contains("a job could run twice"));
    CHECK(broken.bars);
  }
  CHECK(verdict(judge_room({.bytes_free = 3ULL << 40, .bytes = 4ULL << 40, .files_free = 100'000, .files = 200'000})) ==
        "ok 3.0 TiB of 4.0 TiB free, 100000 of 200000 files");
  CHECK(judge_room({.bytes_free = 1 << 20, .bytes = 4ULL << 40, .files_free = 0, .files = 0}).verdict == warning);
  CHECK(judge_room({.bytes_free = 0, .bytes = 4ULL << 40, .files_free = 0, .files = 0}).verdict == fault);
  CHECK(judge_room({.bytes_free = 3ULL << 40, .bytes = 4ULL << 40, .files_free = 0, .files = 1'000}).verdict == fault);
  CHECK(verdict(judge_cpu_limit(std::nullopt)) == "ok none");
  CHECK(judge_cpu_limit(Seconds{3600}).verdict == ok);
  CHECK(judge_cpu_limit(Seconds{10}).verdict == warning);
  CHECK(judge_containers({}).verdict == not_checked);
  CHECK(verdict(judge_containers({"apptainer version 1.3.4"})) == "ok apptainer version 1.3.4");
  CHECK(verdict(judge_gpus({{"a100", 4}, {"MI250X", 8}})) == "ok 4 a100 (NVIDIA), 8 MI250X (AMD)");
  CHECK(verdict(judge_gpus({{"", 2}, {"tpu", 1}})) == "warning 2 of no told model, 1 tpu");
  CHECK(verdict(judge_gpus({})) == "ok none");
  CHECK(judge_containers({}, true).lacks);
  REQUIRE(told_of_network({}).size() == 1);
  CHECK(told_of_network({}).front().verdict == not_checked);
  CHECK(judge_network(true).offers == "outbound_network");
}
