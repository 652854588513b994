// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a run costs in its site's own currency, by the rule that the site publishes. Pure; integers only.

#include "broker/core/canonical_json.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/strong.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::domain {

/// Of 1/3,600,000 of a unit: what a thousandth of a unit an hour comes to in one second. So all that rules say is a whole number
/// of these, of every unit, and every sum is exact.
using Charge = Amount<struct ChargeTag>;
inline constexpr std::int64_t kChargesPerUnit = 3'600'000;
/// None is larger, so that JSON carries it unchanged and a thousand of them can be added. What would be more is this.
inline constexpr Charge kMostCharge{(std::int64_t{1} << 53) - 1};

/// In force from a day on, for some queues of a site. Weights are thousandths of a unit for one hour.
struct ChargeRule {
  std::vector<QueueName> queues;        // empty: each that no other rule names
  std::string unit;                     // "core-hours", "GPU-hours", ...: the same word is the same currency, at any site
  UtcTime from{};                       // for what is sent to the site at or after
  std::int64_t per_core = 0;
  std::int64_t per_gpu = 0;             // as the site's scheduler counts GPUs
  std::int64_t per_node = 0;
  std::int64_t per_memory_slice = 0;
  std::int64_t core_slice = 1;          // cores count in such
  Mebibytes memory_slice{0};            // and memory, of all nodes together; 0: not at all
  bool sum = false;                     // of cores, memory, GPUs and nodes; else the dearest of them counts
  bool whole_nodes = false;             // nodes count whole, as those of jobs that want them for themselves
  std::int64_t node_cores = 0;          // what a whole one counts as; 0: as what is used of it
  std::int64_t node_gpus = 0;
  Mebibytes node_memory{0};
  std::int64_t minimum = 0;             // of a run that began, thousandths of a unit
  std::string source;                   // where the site says so
  friend bool operator==(const ChargeRule&, const ChargeRule&) = default;
};

/// What one run has had, or may have at most; of an array one task's.
struct Use {
  std::int64_t nodes = 0;
  std::int64_t cores = 0;
  std::int64_t gpus = 0;
  Mebibytes memory{0};                  // of all nodes together; 0: nobody says
  bool exclusive = false;
  Seconds time{0};
  friend bool operator==(const Use&, const Use&) = default;
};

Charge charge(const ChargeRule& rule, const Use& use);
/// `count` of them, a + b: at most kMostCharge.
Charge times(Charge charge, std::int64_t count);
Charge plus(Charge a, Charge b);

/// The rule for that queue then: of those that have begun the latest, one that names the queue before one that names none. Null:
/// there is none.
const ChargeRule* rule_for(std::span<const ChargeRule> rules, const QueueName& queue, UtcTime at);

/// Units for people: "24.000", rounded to the nearest thousandth, halves to even. Sums are made before, never of these.
std::string format_charge(Charge charge);
/// "24", "0.5", "1234.125": up to three decimals, up to the most. Error: invalid_argument, BAD_AMOUNT.
Result<Charge> parse_charge(std::string_view text);

Json to_json(const ChargeRule& rule);
Result<ChargeRule> charge_rule_from_json(const Json& json);
Json to_json(const Use& use);
Result<Use> use_from_json(const Json& json);

}  // namespace hansa::domain
