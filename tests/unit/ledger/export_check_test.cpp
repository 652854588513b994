// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/export_check.hpp"

#include "sample_ledger.hpp"
#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::ledger;
using namespace hansa::ledger::test;

namespace {

std::string fault_of(const Sample& sample) {
  const auto facts = checked(joined(sample.lines(false)));
  if (facts) return "";
  CHECK(facts.error().code == "LEDGER_ALTERED");
  return facts.error().message;
}

}  // namespace

TEST_CASE("a whole ledger is told of") {
  const auto sample = sample_ledger(400);
  const auto facts = checked(joined(sample.lines()));
  REQUIRE(facts);
  CHECK(facts->checkpoint.size == 400);
  CHECK(facts->keys == std::vector{kFirst.verifier(), kSecond.verifier()});
  CHECK(facts->cosignatures.size() == 1);
  CHECK(facts->kinds.at("reversal") == 5);
  CHECK(facts->kinds.at("adjustment") == 2);
  CHECK(facts->kinds.at("decision") == 1);
  CHECK(facts->kinds.at("period_close") == 1);
  CHECK(facts->erased == 1);
  CHECK(facts->personal_parts + facts->erased == facts->kinds.at("usage"));
  Amounts total;
  std::int64_t corrections = 0;
  for (const auto& [of, sum] : facts->sums) {
    total.runs += sum.amounts.runs;
    total.core_seconds += sum.amounts.core_seconds;
    total.elapsed_s += sum.amounts.elapsed_s;
    corrections += sum.corrections;
  }
  CHECK(total.runs == facts->kinds.at("usage") - 5);
  CHECK(total.core_seconds == 8 * total.elapsed_s);
  CHECK(corrections == 7);
  CHECK(checked(joined(sample.lines(false, false))));
  CHECK(checked(joined(Sample{sample_ledger(1)}.lines())));
}

TEST_CASE("pieces of any size are the same file") {
  const auto text = joined(sample_ledger(40).lines());
  for (const std::size_t piece : {1UL, 7UL, 1000UL}) {
    ExportCheck check({});
    for (std::size_t at = 0; at < text.size(); at += piece) REQUIRE(check.take(std::string_view(text).substr(at, piece)));
    CHECK(check.finish());
  }
}

TEST_CASE("whoever knows the key or a witness is not told of another ledger") {
  const auto text = joined(sample_ledger(100).lines());
  const auto other = Signer{.name = "hansa/sample", .seed = Secret(std::string(32, 'x'))};
  CHECK(checked(text, {.key = kFirst.verifier(), .witnesses = {}}));
  CHECK(checked(text, {.key = kSecond.verifier(), .witnesses = {kWitness.verifier(KeyUse::cosignature)}}));
  CHECK_FALSE(checked(text, {.key = other.verifier(), .witnesses = {}}));
  CHECK_FALSE(checked(text, {.key = {}, .witnesses = {other.verifier(KeyUse::cosignature)}}));
}

TEST_CASE("a log that signs nonsense is found out", "[T17]") {
  {
    auto sample = sample_ledger(20);
    sample.add_run(3, 5);
    CHECK(fault_of(sample).contains("its only one of revision 0"));
  }
  {
    auto sample = sample_ledger(20);
    sample.add_run(3, 5, 1);
    CHECK(fault_of(sample).contains("booked twice"));
  }
  {
    auto sample = sample_ledger(20);
    auto run = sample.add_run(900, 5);
    sample.take_back(run);
    sample.take_back(run);
    CHECK(fault_of(sample).contains("takes back what was booked, once"));
  }
  {
    auto sample = sample_ledger(20);
    auto run = sample.add_run(900, 5);
    run.amounts.core_seconds -= 1;
    sample.take_back(run);
    CHECK(fault_of(sample).contains("takes back what was booked, once"));
  }
  {
    auto sample = sample_ledger(20);
    auto run = sample.add_run(900, 5);
    run.seq = 0;  // the key's
    sample.take_back(run);
    CHECK(fault_of(sample).contains("corrects what is no usage record"));
  }
  {
    auto sample = sample_ledger(20);
    sample.add(record_text(19, Kind::policy, 0, {{"sha256", "x"}}).value());
    CHECK(fault_of(sample).contains("record 19 stands where 20 belongs"));
  }
  {
    auto sample = sample_ledger(20);
    sample.add(record_text(20, Kind::tombstone, 0, {{"records", 20}, {"reason", "x"}}).value());
    CHECK(fault_of(sample).contains("tombstone"));
  }
  {
    auto sample = sample_ledger(20);
    sample.add(record_text(20, Kind::key, 0, {{"key", kSecond.verifier().text()}, {"signature", to_base64(std::string(64, 'x'))}})
                   .value());
    sample.key = kSecond;
    CHECK(fault_of(sample).contains("the key before did not sign this one"));
  }
  {
    auto sample = sample_ledger(20);
    sample.key = kSecond;  // which no record names
    CHECK(fault_of(sample).contains("the signature of hansa/sample") != fault_of(sample).contains("whose key nobody names"));
  }
  {
    auto sample = sample_ledger(20);
    auto run = sample.add_run(900, 5);
    run.kind = Kind::adjustment;
    run.refers_to = run.seq;
    run.reason = "AGREED";
    run.personal.reset();
    run.amounts = {0, 0, -8, 0, 0};
    run.seq = sample.size();
    sample.add(record_text(run));
    CHECK(fault_of(sample).empty());
    run.amounts.runs = 1;
    run.seq = sample.size();
    sample.add(record_text(run));
    CHECK(fault_of(sample).contains("an adjustment counts no run"));
  }
}

TEST_CASE("a correction is of what it corrects, and nothing else", "[T17]") {
  auto honest = sample_ledger(20);
  honest.take_back(honest.add_run(901, 5));
  (void)honest.add_run(901, 6, 1);
  CHECK(fault_of(honest).empty());
  for (const auto& [what, sample] : forgeries()) {
    INFO(what);
    const auto facts = checked(joined(sample.lines()));
    REQUIRE_FALSE(facts);
    CHECK(facts.error().code == "LEDGER_ALTERED");
    const auto& said = facts.error().message;
    CHECK((said.contains("a reversal says of the run") || said.contains("an adjustment is of the project") ||
           said.contains("counted one by one") || said.contains("its only one of revision 0") ||
           said.contains("a revision that makes a run another") || said.contains("a salt is 16 bytes") ||
           said.contains("at no time from 1970 to 9999") || said.contains("a sum too large") ||
           said.contains("not in its canonical form") || said.contains("more than 64 signatures") || said.contains("a period") ||
           said.contains("is closed, and does not say so") || said.contains("what the close rests on") ||
           said.contains("break-glass") || said.contains("a close that does not keep")));
  }
}

TEST_CASE("what is booked into a closed month says so, and nothing else does") {
  Sample sample;
  sample.add_key(kFirst);
  const auto run = sample.add_run(1, 100);
  const auto month = period_of(run.ended_s);
  sample.close_month(month, run.amounts);
  sample.take_back(run, month);
  CHECK(fault_of(sample).empty());
  Sample open;
  open.add_key(kFirst);
  open.take_back(open.add_run(1, 100), month);
  CHECK(fault_of(open).contains("was not closed before it"));
}

TEST_CASE("closes of before what they rest on was kept are counted and not believed") {
  Sample sample;
  sample.add_key(kFirst);
  const auto run = sample.add_run(1, 100);
  sample.close_month("2026-01", {}, false);
  sample.close_month("2026-02", {}, false);
  sample.close_month(period_of(run.ended_s), run.amounts);
  const auto facts = checked(joined(sample.lines()));
  REQUIRE(facts);
  CHECK(facts->closes_not_kept == 2);
  CHECK(checked(joined(sample_ledger(400).lines()))->closes_not_kept == 0);
  sample.closes.begin()->second = close_text({settled_site("alpha", "2026-01")});  // which the record has no hash of
  CHECK(fault_of(sample).contains("what the close rests on"));
}

TEST_CASE("the keys of witnesses are a list of texts") {
  const auto lines = sample_ledger(3).lines(false, false);
  for (const auto* list : {"[5]", "5", "{}", "[null]", "\"x\""}) {
    INFO(list);
    auto head = lines.front();
    head.replace(head.find("\"witnesses\":[]"), 14, "\"witnesses\":" + std::string(list));
    ExportCheck check({});
    const auto taken = check.take(head);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().code == "LEDGER_ALTERED");
  }
}

TEST_CASE("a summary is the sum of what stands before it") {
  auto sample = Sample{};
  sample.add_key(kFirst);
  const auto run = sample.add_run(1, 100);
  Json fields{{"period", period_of(run.ended_s)},
              {"runs", 1},
              {"elapsed_s", 100},
              {"core_seconds", 800},
              {"gpu_seconds", 0},
              {"node_seconds", 100}};
  sample.add(record_text(2, Kind::summary, 0, fields).value());
  CHECK(fault_of(sample).empty());
  fields["core_seconds"] = 801;
  sample.add(record_text(3, Kind::summary, 0, fields).value());
  CHECK(fault_of(sample).contains("not the sum of the records before it"));
}
