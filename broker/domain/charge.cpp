// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/charge.hpp"

#include "broker/core/wide.hpp"
#include "broker/domain/json_fields.hpp"

#include <algorithm>
#include <charconv>
#include <tuple>

namespace hansa::domain {
namespace {

constexpr std::int64_t kChargesPerThousandth = kChargesPerUnit / 1'000;

Charge bounded(Wide exact) { return {static_cast<std::int64_t>(std::clamp(exact, Wide{0}, Wide{kMostCharge.value}))}; }

/// Whatever a site reports, products of three of these fit.
Wide sane(Wide amount) { return std::clamp(amount, Wide{0}, Wide{1'000'000'000'000}); }

Wide slices(Wide amount, std::int64_t slice) { return slice < 1 ? Wide{0} : (amount + slice - 1) / slice; }

}  // namespace

Charge charge(const ChargeRule& rule, const Use& use) {
  if (use.time.count() <= 0) return {0};
  const bool whole = rule.whole_nodes || use.exclusive;
  const auto counted = [&](std::int64_t used, std::int64_t of_node) {
    return whole ? sane(std::max(sane(used), sane(use.nodes) * sane(of_node))) : sane(used);
  };
  const Wide terms[] = {
      slices(counted(use.cores, rule.node_cores), rule.core_slice) * sane(rule.per_core),
      slices(counted(use.memory.value, rule.node_memory.value), rule.memory_slice.value) * sane(rule.per_memory_slice),
      counted(use.gpus, rule.node_gpus) * sane(rule.per_gpu), sane(use.nodes) * sane(rule.per_node)};
  Wide rate = 0;
  for (const auto term : terms) rate = rule.sum ? rate + term : std::max(rate, term);
  // A rate beyond this is over the most within a second.
  const auto exact = std::min(rate, Wide{kMostCharge.value}) * sane(use.time.count());
  return bounded(std::max(exact, sane(rule.minimum) * kChargesPerThousandth));
}

Charge times(Charge charge, std::int64_t count) { return bounded(Wide{charge.value} * sane(count)); }

Charge plus(Charge a, Charge b) { return bounded(Wide{a.value} + b.value); }

const ChargeRule* rule_for(std::span<const ChargeRule> rules, const QueueName& queue, UtcTime at) {
  const ChargeRule* best = nullptr;
  const auto rank = [](const ChargeRule& rule) { return std::tuple(!rule.queues.empty(), rule.from); };
  for (const auto& rule : rules) {
    const bool is_its = rule.queues.empty() || std::ranges::find(rule.queues, queue) != rule.queues.end();
    if (is_its && rule.from <= at && (best == nullptr || rank(*best) < rank(rule))) best = &rule;
  }
  return best;
}

std::string format_charge(Charge charge) {
  const bool negative = charge.value < 0;
  const auto exact = negative ? -charge.value : charge.value;
  auto thousandths = exact / kChargesPerThousandth;
  const auto rest = exact % kChargesPerThousandth;
  if (rest * 2 > kChargesPerThousandth || (rest * 2 == kChargesPerThousandth && thousandths % 2 == 1)) ++thousandths;
  auto decimals = std::to_string(thousandths % 1'000);
  decimals.insert(0, 3 - decimals.size(), '0');
  return (negative && thousandths > 0 ? "-" : "") + std::to_string(thousandths / 1'000) + "." + decimals;
}

Result<Charge> parse_charge(std::string_view text) {
  const auto refuse = [&] {
    return fail(ErrorKind::invalid_argument, "BAD_AMOUNT",
                "\"" + std::string(text.substr(0, 40)) + "\" is no amount of units: up to " +
                    std::to_string(kMostCharge.value / kChargesPerUnit) + ", with at most three decimals, as 5000 or 0.5");
  };
  const auto point = text.find('.');
  auto digits = std::string(text.substr(0, point));
  const auto decimals = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
  if (digits.empty() || digits.size() > 12 || decimals.size() > 3 || (point != std::string_view::npos && decimals.empty()))
    return refuse();
  digits.append(decimals).append(3 - decimals.size(), '0');
  std::int64_t thousandths = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), thousandths);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits.front() == '-') return refuse();
  if (thousandths > kMostCharge.value / kChargesPerThousandth) return refuse();
  return Charge{thousandths * kChargesPerThousandth};
}

Json to_json(const ChargeRule& rule) {
  Json json{{"unit", rule.unit}, {"from_ms", to_unix_ms(rule.from)}, {"queues", Json::array()}, {"source", rule.source}};
  for (const auto& queue : rule.queues) json["queues"].push_back(queue.str());
  json["per_core"] = rule.per_core;
  json["per_gpu"] = rule.per_gpu;
  json["per_node"] = rule.per_node;
  json["per_memory_slice"] = rule.per_memory_slice;
  json["core_slice"] = rule.core_slice;
  json["memory_slice_mib"] = rule.memory_slice.value;
  json["sum"] = rule.sum;
  json["whole_nodes"] = rule.whole_nodes;
  json["node_cores"] = rule.node_cores;
  json["node_gpus"] = rule.node_gpus;
  json["node_memory_mib"] = rule.node_memory.value;
  json["minimum"] = rule.minimum;
  return json;
}

Result<ChargeRule> charge_rule_from_json(const Json& json) {
  FieldReader f(json);
  ChargeRule rule;
  for (auto& queue : f.texts("queues")) rule.queues.emplace_back(std::move(queue));
  rule.unit = f.text("unit");
  rule.from = f.time("from_ms");
  rule.per_core = f.integer("per_core");
  rule.per_gpu = f.integer("per_gpu");
  rule.per_node = f.integer("per_node");
  rule.per_memory_slice = f.integer("per_memory_slice");
  rule.core_slice = f.integer("core_slice");
  rule.memory_slice = {f.integer("memory_slice_mib")};
  rule.sum = f.flag("sum");
  rule.whole_nodes = f.flag("whole_nodes");
  rule.node_cores = f.integer("node_cores");
  rule.node_gpus = f.integer("node_gpus");
  rule.node_memory = {f.integer("node_memory_mib")};
  rule.minimum = f.integer("minimum");
  rule.source = f.text_or_empty("source");
  if (!f.ok()) return f.error("charge rule");
  return rule;
}

Json to_json(const Use& use) {
  return {{"nodes", use.nodes},         {"cores", use.cores},        {"gpus", use.gpus}, {"memory_mib", use.memory.value},
          {"exclusive", use.exclusive}, {"time_s", use.time.count()}};
}

Result<Use> use_from_json(const Json& json) {
  FieldReader f(json);
  Use use{.nodes = f.integer("nodes"),
          .cores = f.integer("cores"),
          .gpus = f.integer("gpus"),
          .memory = {f.integer("memory_mib")},
          .exclusive = f.flag("exclusive"),
          .time = Seconds{f.integer("time_s")}};
  if (!f.ok()) return f.error("use of an attempt");
  return use;
}

}  // namespace hansa::domain
