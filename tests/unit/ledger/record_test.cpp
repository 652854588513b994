// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/record.hpp"

#include "sample_ledger.hpp"
#include <catch2/catch.hpp>

#include <limits>

using namespace hansa;
using namespace hansa::ledger;

TEST_CASE("a usage record's bytes are those that the format says") {
  UsageEntry run{.seq = 7,
                 .at_s = 1'780'000'500,
                 .job = *Ulid::parse("01JDA0XJ2GQ4M8T6V9ZK3N5R7W"),
                 .attempt = 1,
                 .site = "alpha",
                 .country = "FI",
                 .cluster = "c1",
                 .site_job_id = "41",
                 .submitted_s = 1'780'000'000,
                 .started_s = 1'780'000'100,
                 .ended_s = 1'780'000'200,
                 .site_state = "COMPLETED",
                 .exit_code = 0,
                 .project = "ai-lab",
                 .queue = "gpu",
                 .scheduler_account = "proj1",
                 .nodes = 2,
                 .cores = 16,
                 .gpus = 4,
                 .amounts = {1, 100, 1600, 400, 200},
                 .personal = Hash{0xab}};
  CHECK(record_text(run) ==
        R"({"at":1780000500,"attempt":1,"cluster":"c1","core_seconds":1600,"cores":16,"country":"FI","elapsed_s":100,)"
        R"("ended_s":1780000200,"exit_code":0,"gpu_seconds":400,"gpus":4,"job":"01JDA0XJ2GQ4M8T6V9ZK3N5R7W","kind":"usage",)"
        R"("node_seconds":200,"nodes":2,"personal":"ab00000000000000000000000000000000000000000000000000000000000000",)"
        R"("project":"ai-lab","queue":"gpu","revision":0,"runs":1,"scheduler_account":"proj1","seq":7,"site":"alpha",)"
        R"("site_job_id":"41","site_state":"COMPLETED","started_s":1780000100,"submitted_s":1780000000,"v":1})");
  run.kind = Kind::reversal;
  run.refers_to = 7;
  run.reason = "CHANGED_BY_SITE";
  run.personal.reset();
  run.started_s.reset();
  run.exit_code.reset();
  run.amounts = run.amounts.negated();
  const auto text = record_text(run);
  CHECK(text.contains(R"("core_seconds":-1600,)"));
  CHECK(text.contains(R"("queue":"gpu","reason":"CHANGED_BY_SITE","refers_to":7,"revision":0,"runs":-1,)"));
  for (const auto* absent : {"personal", "started_s", "exit_code"}) CHECK_FALSE(text.contains(absent));
}

TEST_CASE("every record is canonical JSON and is read back as it was written") {
  const auto sample = test::sample_ledger(300);
  RecordFields fields;
  for (const auto& record : sample.records) {
    const auto json = parse_json(record);
    REQUIRE(json);
    CHECK(canonical_json(*json) == record);
    REQUIRE(fields.parse(record));
    CHECK(fields.missing_for(*kind_of(fields.text("kind").value())).empty());
    for (const auto& [name, value] : json->items()) {
      if (value.is_string())
        CHECK(fields.text(name) == value.get<std::string>());
      else
        CHECK(fields.integer(name) == value.get<std::int64_t>());
    }
  }
  CHECK_FALSE(fields.text("seq"));
  CHECK_FALSE(fields.integer("kind"));
  CHECK_FALSE(fields.text("nothing"));
}

TEST_CASE("what is not in its canonical form is no record") {
  RecordFields fields;
  CHECK(fields.parse(R"({"a":-1,"b":"x\n","c":0})"));
  for (const auto* bad : {"",
                          "{}",
                          "{",
                          "[]",
                          R"({"a":1)",
                          R"({"a":1,})",
                          R"({"a":01})",
                          R"({"a":-0})",
                          R"({"a":1.0})",
                          R"({"a":+1})",
                          R"({"a":1 })",
                          R"({ "a":1})",
                          R"({"b":1,"a":1})",
                          R"({"a":1,"a":1})",
                          R"({"a":true})",
                          R"({"a":null})",
                          R"({"a":{}})",
                          R"({"a":"\u0041"})",
                          R"({"a":"\/"})",
                          "{\"a\":\"\xff\"}",
                          "{\"a\":\"\n\"}",
                          R"({"a":9223372036854775808})",
                          R"({"a":1}x)",
                          R"({"A":1})",
                          R"({"a":"x})",
                          R"({"a"})",
                          R"({"a":})"}) {
    INFO(bad);
    CHECK_FALSE(fields.parse(bad));
  }
}

TEST_CASE("other kinds have the fields that they need") {
  CHECK(record_text(3, Kind::policy, 5, {{"sha256", "ab"}}).value() == R"({"at":5,"kind":"policy","seq":3,"sha256":"ab","v":1})");
  const struct {
    Kind kind;
    Json fields;
  } kGood[] = {
      {Kind::summary,
       {{"period", "2026-11"}, {"runs", 1}, {"elapsed_s", 1}, {"core_seconds", 1}, {"gpu_seconds", 0}, {"node_seconds", 1}}},
      {Kind::decision, {{"decisions", 2}, {"first", 1}, {"last", 2}, {"sha256", "y"}}},
      {Kind::key, {{"key", "k"}}},
      {Kind::period_open, {{"period", "2026-11"}}},
      {Kind::period_close, {{"period", "2026-11"}, {"sites", "alpha=B"}, {"reconciliations", "ab"}, {"apart_s", 86400}}},
      {Kind::tombstone, {{"records", 1}, {"reason", "RETENTION"}}},
      {Kind::breakglass, {{"id", "01J"}, {"event", "requested"}, {"personal", "ab"}}}};
  for (const auto& [kind, all] : kGood) {
    INFO(to_string(kind));
    CHECK(record_text(0, kind, 0, all));
    for (const auto& [name, value] : all.items()) {
      auto without = all;
      without.erase(name);
      CHECK(record_text(0, kind, 0, without).error().code == "BAD_RECORD");
      without[name] = value.is_string() ? Json(1) : Json("1");
      CHECK_FALSE(record_text(0, kind, 0, without));
    }
  }
  CHECK_FALSE(record_text(0, Kind::usage, 0, Json::object()));
  CHECK_FALSE(record_text(0, Kind::policy, 0, Json::array()));
  CHECK_FALSE(record_text(0, Kind::policy, 0, {{"sha256", "x"}, {"more", 1.5}}));
}

TEST_CASE("a period is a month of UTC") {
  for (const auto* period : {"1970-01", "2024-02", "2026-11", "2026-12", "9999-12"}) {
    const auto span = span_of(period);
    REQUIRE(span);
    CHECK(period_of(span->from_s) == period);
    CHECK(period_of(span->to_s - 1) == period);
    CHECK(period_of(span->to_s) != period);
  }
  CHECK(span_of("2024-02")->to_s - span_of("2024-02")->from_s == 29 * 86'400);
  for (const auto* bad : {"", "2026", "2026-13", "2026-00", "2026-1", "2026-1x", "-026-11", "1969-12", "2026-011", "2026/11"}) {
    INFO(bad);
    CHECK_FALSE(span_of(bad));
  }
}

TEST_CASE("a personal part is hidden behind its salt", "[T21]") {
  Personal person{
      .salt = std::string(16, 's'), .owner = "local:alice", .pseudonym = "00", .account = "alice", .source_line = "a|line\xff"};
  const auto text = personal_text(person);
  CHECK(text == R"({"account":"alice","owner":"local:alice","pseudonym":"00","source":")" + sha256_hex("a|line\xff") + "\"}");
  const auto hash = commitment(person.salt, text);
  CHECK(hash == sha256(person.salt + text));
  person.salt[0] = 't';
  CHECK(commitment(person.salt, text) != hash);
}

TEST_CASE("a pseudonym is an HMAC under its period's key", "[T21]") {
  // RFC 4231, test case 1: key 20 times 0x0b, data "Hi There".
  CHECK(pseudonym_of("Hi There", std::string(20, '\x0b')) == "b0344c61d8db38535ca8afceaf0bf12b");
  CHECK(pseudonym_of("local:alice", std::string(32, 'a')) != pseudonym_of("local:alice", std::string(32, 'b')));
  CHECK(pseudonym_of("local:alice", std::string(32, 'a')) != pseudonym_of("local:bob", std::string(32, 'a')));
}

TEST_CASE("periods are UTC months") {
  CHECK(period_of(0) == "1970-01");
  CHECK(period_of(1'798'761'599) == "2026-12");  // 23:59:59 on New Year's Eve
  CHECK(period_of(1'798'761'600) == "2027-01");
  CHECK(period_of(1'709'164'800) == "2024-02");  // a leap day
  CHECK(period_of(1'711'846'800) == "2024-03");  // the night when clocks go forward
}
