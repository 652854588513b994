// SPDX-License-Identifier: Apache-2.0
// Rules at the size of a federation: where may a job with its datasets go. Seeded, so every run times the same work.
// `decide_everywhere` is what a placement asks: the job and its datasets bound once, every site bound and asked.

#include "policies/rules/explain.hpp"
#include "policies/rules/parse_pack.hpp"

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <random>

namespace {

using namespace hansa;
using namespace hansa::rules;

constexpr std::string_view kCountries[] = {"AT", "BE", "CH", "DE", "ES", "FI", "FR", "IT", "NO", "SE", "US"};
const UtcTime kNow = from_unix_seconds(1'800'000'000);

/// A quarter forbids; each of three to six clauses on labels, countries, certificates, ids, numbers, and two facts compared.
Pack pack_of(std::size_t rules) {
  std::mt19937 random(42);
  const auto below = [&](std::uint32_t n) { return random() % n; };
  const auto country = [&] { return Scalar(std::string(kCountries[below(std::size(kCountries))])); };
  Pack pack{.file = "bench.toml", .id = "bench", .version = "1.0.0"};
  pack.sets.push_back(
      {.id = "EU@1", .type = Type::country, .values = {"AT", "BE", "DE", "ES", "FI", "FR", "IT", "SE"}, .basis = "-"});
  for (std::size_t i = 0; i < rules; ++i) {
    Rule rule{.id = "R-" + std::to_string(i),
              .effect = below(4) == 0 ? Effect::forbid : Effect::permit,
              .actions = {Action::place, Action::dispatch}};
    rule.when.push_back(
        {.attribute = Attribute::dataset_labels, .op = Op::any_of, .values = {std::string(data_labels()[below(6)])}});
    if (rule.effect == Effect::forbid) {
      rule.when.push_back({.attribute = Attribute::site_id, .op = Op::eq, .values = {"site-" + std::to_string(below(1000))}});
      rule.unless.push_back({.attribute = Attribute::site_country, .op = Op::in_set, .set = "EU@1"});
      rule.unless.push_back(
          {.attribute = Attribute::site_labels, .op = Op::any_of, .values = {std::string("c5"), std::string("secnumcloud")}});
    } else {
      rule.when.push_back({.attribute = Attribute::site_country, .op = Op::in, .values = {country(), country(), country()}});
      rule.when.push_back({.attribute = Attribute::site_operator_country, .op = Op::in_set, .set = "EU@1"});
      rule.when.push_back(
          {.attribute = Attribute::site_tenant_isolation, .op = Op::at_least, .values = {std::string("exclusive-nodes")}});
      rule.when.push_back({.attribute = Attribute::project_id,
                           .op = Op::in,
                           .values = {"p-" + std::to_string(below(20)), "p-" + std::to_string(below(20))}});
      if (below(4) == 0)
        rule.when.push_back({.attribute = Attribute::now, .op = Op::lt, .other = Attribute::dataset_permit_until});
    }
    pack.rules.push_back(std::move(rule));
  }
  return pack;
}

Fact fact(Attribute attribute, Value value) { return {attribute, std::move(value), record_of(attribute).source, kNow}; }

struct Federation {
  Evidence job{fact(Attribute::project_id, "p-3"), fact(Attribute::user_assurance, "high"), fact(Attribute::user_country, "FI")};
  std::vector<Evidence> sites, datasets;

  Federation(std::size_t site_count, std::size_t dataset_count) {
    std::mt19937 random(7);
    for (std::size_t i = 0; i < site_count; ++i) {
      const std::string country(kCountries[random() % std::size(kCountries)]);
      sites.push_back({fact(Attribute::site_id, "site-" + std::to_string(i)), fact(Attribute::site_kind, "cluster"),
                       fact(Attribute::site_status, "member"), fact(Attribute::site_country, country),
                       fact(Attribute::site_operator_country, country),
                       fact(Attribute::site_labels, std::vector<std::string>{"iso-27001", "c5"}),
                       fact(Attribute::site_tenant_isolation, "exclusive-nodes"), fact(Attribute::site_encryption_at_rest, true),
                       fact(Attribute::site_egress, "logged")});
    }
    for (std::size_t i = 0; i < dataset_count; ++i) {
      datasets.push_back({fact(Attribute::dataset_id, "d-" + std::to_string(i)),
                          fact(Attribute::dataset_labels, std::vector<std::string>{std::string(data_labels()[i % 6])}),
                          fact(Attribute::dataset_permit_until, kNow + Seconds{3600})});
    }
  }
};

RuleSet compiled(std::size_t rules) {
  auto set = RuleSet::compile({pack_of(rules)});
  if (!set) std::abort();
  return std::move(*set);
}

void decide_everywhere(benchmark::State& state) {
  const Federation federation(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(2)));
  const auto rules = compiled(static_cast<std::size_t>(state.range(1)));
  std::int64_t allowed = 0;
  for (auto _ : state) {
    allowed = 0;
    const auto job = rules.bind(Subject::job, federation.job, kNow);
    std::vector<Bound> datasets;
    for (const auto& dataset : federation.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, kNow));
    for (const auto& site : federation.sites) {
      const auto bound = rules.bind(Subject::site, site, kNow);
      if (rules.decide(Action::place, job, bound, datasets).allowed()) ++allowed;
    }
  }
  state.counters["allowed"] = static_cast<double>(allowed);
}

void explain_everywhere(benchmark::State& state) {
  const Federation federation(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(2)));
  const auto rules = compiled(static_cast<std::size_t>(state.range(1)));
  const auto job = rules.bind(Subject::job, federation.job, kNow);
  std::vector<Bound> datasets;
  for (const auto& dataset : federation.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, kNow));
  for (auto _ : state) {
    for (const auto& site : federation.sites) {
      benchmark::DoNotOptimize(explain(rules, Action::place, job, rules.bind(Subject::site, site, kNow), datasets));
    }
  }
}

void compile(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(compiled(static_cast<std::size_t>(state.range(0))));
}

BENCHMARK(decide_everywhere)
    ->ArgNames({"sites", "rules", "datasets"})
    ->Args({20, 50, 10})
    ->Args({20, 500, 10})
    ->Args({1000, 500, 1})
    ->Args({1000, 500, 10})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(explain_everywhere)->ArgNames({"sites", "rules", "datasets"})->Args({20, 50, 10})->Unit(benchmark::kMicrosecond);
BENCHMARK(compile)->ArgName("rules")->Arg(50)->Arg(500)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
