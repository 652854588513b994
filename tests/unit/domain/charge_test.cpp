// SPDX-License-Identifier: Apache-2.0
// Charge rules: what sites publish, with the figures that they give themselves.
#include "broker/domain/charge.hpp"

#include <catch2/catch.hpp>

#include <limits>

namespace hansa::domain {
namespace {

constexpr Seconds kHour{3'600};

std::string cost(const ChargeRule& rule, Use use, Seconds time = kHour) {
  use.time = time;
  return format_charge(charge(rule, use));
}

std::vector<QueueName> queues(std::initializer_list<const char*> names) {
  std::vector<QueueName> list;
  for (const auto* name : names) list.emplace_back(name);
  return list;
}

}  // namespace

// LUMI, docs.lumi-supercomputer.eu/runjobs/lumi_env/billing (Lumi-supercomputer/lumi-userguide,
// docs/runjobs/lumi_env/billing.md at bad69ac, read 2026-11-29).
TEST_CASE("LUMI's published examples come out to the unit", "[charge]") {
  const ChargeRule standard{
      .queues = queues({"standard", "bench"}), .unit = "core-hours", .per_core = 1'000, .whole_nodes = true, .node_cores = 128};
  const ChargeRule small{.queues = queues({"small"}),
                         .unit = "core-hours",
                         .per_core = 1'000,
                         .per_memory_slice = 1'000,
                         .memory_slice = {2 * 1024}};
  const ChargeRule standard_g{
      .queues = queues({"standard-g"}), .unit = "GPU-hours", .per_gpu = 500, .whole_nodes = true, .node_gpus = 8};
  const ChargeRule small_g{.queues = queues({"small-g", "dev-g"}),
                           .unit = "GPU-hours",
                           .per_core = 500,
                           .per_gpu = 500,
                           .per_memory_slice = 500,
                           .core_slice = 8,
                           .memory_slice = {64 * 1024}};
  CHECK(cost(small, {.nodes = 1, .cores = 32}, 2 * kHour) == "64.000");
  CHECK(cost(standard, {.nodes = 16, .cores = 16}, 12 * kHour) == "24576.000");
  CHECK(cost(small, {.nodes = 1, .cores = 4, .memory = {4 * 1024}}, 24 * kHour) == "96.000");
  CHECK(cost(small, {.nodes = 1, .cores = 4, .memory = {32 * 1024}}, 24 * kHour) == "384.000");
  CHECK(cost(standard_g, {.nodes = 4, .cores = 4, .gpus = 4}, 24 * kHour) == "384.000");
  CHECK(cost(small_g, {.nodes = 1, .cores = 2, .gpus = 2}, 24 * kHour) == "24.000");
  CHECK(cost(small_g, {.nodes = 1, .cores = 1, .gpus = 1, .memory = {128 * 1024}}, 24 * kHour) == "24.000");
  CHECK(cost(small_g, {.nodes = 1, .cores = 9, .gpus = 1}, 24 * kHour) == "24.000");  // the ninth core begins a slice
}

// CSC Roihu, docs.csc.fi/computing/hpc-billing (CSCfi/csc-user-guide, docs/computing/hpc-billing.md at 0cf8d65, read 2026-11-29).
TEST_CASE("Roihu's published examples come out to the unit", "[charge]") {
  const ChargeRule small{.unit = "CPU-BU", .per_core = 750, .per_memory_slice = 375, .memory_slice = {1024}};
  const ChargeRule medium{.unit = "CPU-BU", .per_node = 288'000};
  const ChargeRule gpu{.unit = "GPU-BU", .per_gpu = 200'000};
  CHECK(cost(small, {.nodes = 1, .cores = 4, .memory = {16 * 1024}}, 2 * kHour) == "12.000");
  CHECK(cost(gpu, {.nodes = 1, .cores = 144, .gpus = 2, .memory = {434 * 1024}}, 5 * kHour) == "2000.000");
  CHECK(cost(medium, {.nodes = 1, .cores = 1}) == "288.000");  // "288 BU/nodeh", whatever is used of it
}

// NCSA Delta, docs.ncsa.illinois.edu/systems/delta (ncsa/Delta_doc, docs/source/user_guide/job_accounting.rst at 07744bb, read
// 2026-11-29): its rules, and what its jobcharge printed for five jobs, rounded to two decimals.
TEST_CASE("Delta's published examples come out to the unit", "[charge]") {
  const ChargeRule cpu{.unit = "SU",
                       .per_core = 1'000,
                       .per_memory_slice = 1'000,
                       .memory_slice = {2 * 1024},
                       .node_cores = 128,
                       .minimum = 1'000};
  const ChargeRule quad{.unit = "SU", .per_gpu = 1'000, .node_gpus = 4};
  const ChargeRule eight{.unit = "SU", .per_gpu = 1'000, .node_gpus = 8};
  const ChargeRule interactive{.unit = "SU", .per_gpu = 2'000, .node_gpus = 8};
  CHECK(cost(cpu, {.nodes = 1, .cores = 1, .exclusive = true}) == "128.000");
  CHECK(cost(quad, {.nodes = 1, .cores = 1, .gpus = 1, .exclusive = true}) == "4.000");
  CHECK(cost(eight, {.nodes = 1, .cores = 1, .gpus = 1, .exclusive = true}) == "8.000");
  CHECK(cost(cpu, {.nodes = 1, .cores = 1}, Seconds{60}) == "1.000");  // "the minimum charge for any job is 1 SU"
  const Use one{.nodes = 1, .cores = 2, .gpus = 1, .memory = {3 * 1024}};
  CHECK(cost(eight, one, Seconds{291}) == "0.081");  // 0.08
  CHECK(cost(eight, one, Seconds{614}) == "0.171");  // 0.17
  CHECK(cost(eight, one, Seconds{446}) == "0.124");  // 0.12
  CHECK(cost(eight, {.nodes = 1, .cores = 2, .gpus = 8}, Seconds{760}) == "1.689");  // 1.69
  CHECK(cost(interactive, {.nodes = 1, .cores = 128, .gpus = 8}, Seconds{1'521}) == "6.760");  // 6.76
}

// ARCHER2, docs.archer2.ac.uk/user-guide/scheduler (ARCHER2-HPC/archer2-docs, docs/user-guide/scheduler.md at 027925d, read
// 2026-11-29): a CU is an hour of a node, all nodes asked for count, of what is not used as well; `serial` is not charged.
TEST_CASE("ARCHER2 charges nodes by the hour", "[charge]") {
  const std::vector<ChargeRule> rules{{.unit = "CU", .per_node = 1'000}, {.queues = queues({"serial"}), .unit = "CU"}};
  CHECK(cost(*rule_for(rules, QueueName("standard"), UtcTime{}), {.nodes = 4, .cores = 4}, Seconds{5'400}) == "6.000");
  CHECK(cost(*rule_for(rules, QueueName("serial"), UtcTime{}), {.nodes = 1, .cores = 32}, Seconds{5'400}) == "0.000");
}

TEST_CASE("a rule counts from its day on, for the queues that it names before others", "[charge]") {
  const auto day = [](int d) { return UtcTime{std::chrono::days{d}}; };
  const std::vector<ChargeRule> rules{{.unit = "new", .from = day(10)},
                                      {.unit = "old", .from = day(1)},
                                      {.queues = queues({"gpu"}), .unit = "gpu", .from = day(5)}};
  const auto unit = [&](const char* queue, int d) {
    const auto* rule = rule_for(rules, QueueName(queue), day(d));
    return rule == nullptr ? std::string() : rule->unit;
  };
  CHECK(unit("cpu", 0).empty());
  CHECK(unit("cpu", 1) == "old");
  CHECK(unit("cpu", 9) == "old");
  CHECK(unit("cpu", 10) == "new");
  CHECK(unit("gpu", 4) == "old");
  CHECK(unit("gpu", 10) == "gpu");
}

TEST_CASE("what did not run costs nothing and what is absurd costs no more than the most", "[charge][T20]") {
  const ChargeRule rule{.unit = "u", .per_core = 1'000, .minimum = 5'000};
  CHECK(charge(rule, {.nodes = 1, .cores = 8, .time = Seconds{0}}).value == 0);
  CHECK(charge(rule, {.nodes = 1, .cores = 8, .time = Seconds{-5}}).value == 0);
  CHECK(charge(rule, {.nodes = 1, .cores = -8, .time = kHour}) == Charge{5 * kChargesPerUnit});
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  const ChargeRule dear{
      .unit = "u", .per_core = 1'000'000'000, .per_node = 1'000'000'000, .sum = true, .whole_nodes = true, .node_cores = kMost};
  CHECK(charge(dear, {.nodes = kMost, .cores = kMost, .gpus = kMost, .memory = {kMost}, .time = Seconds{kMost}}) == kMostCharge);
  CHECK(times(kMostCharge, 3) == kMostCharge);
  CHECK(times({7}, -1).value == 0);
  CHECK(plus(kMostCharge, {1}) == kMostCharge);
}

TEST_CASE("a sum of its parts where the site adds them up, the dearest where it does not", "[charge]") {
  ChargeRule rule{.unit = "u", .per_core = 1'000, .per_gpu = 10'000, .per_node = 500};
  const Use use{.nodes = 2, .cores = 8, .gpus = 1};
  CHECK(cost(rule, use) == "10.000");
  rule.sum = true;
  CHECK(cost(rule, use) == "19.000");
}

TEST_CASE("amounts are rounded when they are printed and not before", "[charge]") {
  const auto thousandths = [](std::int64_t n) { return Charge{n * kChargesPerUnit / 1'000}; };
  CHECK(format_charge({0}) == "0.000");
  CHECK(format_charge({1}) == "0.000");
  CHECK(format_charge({1'800}) == "0.000");  // half: to even
  CHECK(format_charge({1'801}) == "0.001");
  CHECK(format_charge({5'400}) == "0.002");  // one and a half
  CHECK(format_charge({-5'400}) == "-0.002");
  CHECK(format_charge({-1}) == "0.000");
  CHECK(format_charge(thousandths(999'999)) == "999.999");
  Charge sum{};
  for (int i = 0; i < 3'600; ++i) sum += {1'000};  // each of them prints as 0.000
  CHECK(format_charge(sum) == "1.000");
  for (const auto* text : {"5000", "0.5", "0.125", "12.000", "2501999792"}) {
    INFO(text);
    const auto read = parse_charge(text);
    REQUIRE(read);
    CHECK(parse_charge(format_charge(*read)).value() == *read);
  }
  CHECK(parse_charge("0.5")->value == kChargesPerUnit / 2);
  for (const auto* text :
       {"", "-1", "+1", "1.", ".5", "0.1234", "1e3", "1 000", "0x10", "9999999999", "99999999999999999999", "1.-5"}) {
    INFO(text);
    CHECK_FALSE(parse_charge(text));
  }
}

TEST_CASE("a rule and a use are stored as they are", "[charge]") {
  const ChargeRule rule{.queues = queues({"a", "b"}),
                        .unit = "BU",
                        .from = UtcTime{std::chrono::days{20'000}},
                        .per_core = 1,
                        .per_gpu = 2,
                        .per_node = 3,
                        .per_memory_slice = 4,
                        .core_slice = 5,
                        .memory_slice = {6},
                        .sum = true,
                        .whole_nodes = true,
                        .node_cores = 7,
                        .node_gpus = 8,
                        .node_memory = {9},
                        .minimum = 10,
                        .source = "https://example.org"};
  CHECK(charge_rule_from_json(to_json(rule)).value() == rule);
  const Use use{.nodes = 1, .cores = 2, .gpus = 3, .memory = {4}, .exclusive = true, .time = Seconds{5}};
  CHECK(use_from_json(to_json(use)).value() == use);
  CHECK_FALSE(charge_rule_from_json(Json::object()));
  CHECK_FALSE(use_from_json(Json::array()));
}

}  // namespace hansa::domain
