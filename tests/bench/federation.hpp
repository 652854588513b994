// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rules, sites and datasets at the size of a federation. Seeded, so every run times the same work.

#include "policies/rules/rule_set.hpp"

#include <cstdlib>
#include <random>

namespace hansa::bench {

using namespace hansa::rules;

inline constexpr std::string_view kCountries[] = {"AT", "BE", "CH", "DE", "ES", "FI", "FR", "IT", "NO", "SE", "US"};
inline const UtcTime kNow = from_unix_seconds(1'800'000'000);

/// A quarter forbids; each of three to six clauses on labels, countries, certificates, ids, numbers, and two facts compared.
inline Pack pack_of(std::size_t rules) {
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

inline Fact fact(Attribute attribute, Value value) { return {attribute, std::move(value), record_of(attribute).source, kNow}; }

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

inline RuleSet compiled(std::size_t rules) {
  auto set = RuleSet::compile({pack_of(rules)});
  if (!set) std::abort();
  return std::move(*set);
}

}  // namespace hansa::bench
