// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/canonical.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::rules {
namespace {

Json to_json(const Scalar& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  return text_of(value);
}

void put(Json& json, const char* key, const std::optional<UtcTime>& time) {
  if (time) json[key] = format_utc(*time);
}

/// Sorted by their canonical bytes.
Json sorted(std::vector<Json> items) {
  std::ranges::sort(items, {}, canonical_json);
  return items;
}

Json to_json(const ValueSet& set) {
  return {{"id", set.id}, {set.type == Type::country ? "countries" : "ids", set.values}, {"basis", set.basis}};
}

template <typename Part>
Json all(const std::vector<Part>& parts) {
  std::vector<Json> items;
  for (const auto& part : parts) items.push_back(to_json(part));
  return sorted(std::move(items));
}

}  // namespace

Json to_json(const Clause& clause) {
  Json json{{"attr", record_of(clause.attribute).name}, {"op", record_of(clause.op).name}};
  if (clause.other) {
    json["other"] = record_of(*clause.other).name;
  } else if (!clause.set.empty()) {
    json["value"] = clause.set;
  } else if (record_of(clause.op).operand == Operand::one) {
    json["value"] = to_json(clause.values.front());
  } else {
    auto& values = json["value"] = Json::array();
    for (const auto& value : clause.values) values.push_back(to_json(value));
  }
  return json;
}

Json to_json(const Rule& rule) {
  Json json{{"id", rule.id},
            {"effect", to_string(rule.effect)},
            {"actions", Json::array()},
            {"when", all(rule.when)},
            {"unless", all(rule.unless)},
            {"obligations", rule.obligations},
            {"legal_basis", rule.legal_basis},
            {"owner", rule.owner}};
  for (const auto action : rule.actions) json["actions"].push_back(to_string(action));
  put(json, "review_by", rule.review_by);
  put(json, "basis_until", rule.basis_until);
  put(json, "effective_from", rule.effective_from);
  put(json, "effective_until", rule.effective_until);
  return json;
}

Json to_json(const Pack& pack) {
  auto approved = pack.approved_by;
  std::ranges::sort(approved);
  Json json{{"id", pack.id},           {"version", pack.version}, {"title", pack.title},     {"default", "deny"},
            {"approved_by", approved}, {"sets", all(pack.sets)},  {"rules", all(pack.rules)}};
  put(json, "effective_from", pack.effective_from);
  put(json, "effective_until", pack.effective_until);
  return json;
}

std::string policy_hash(std::span<const Pack> packs) {
  std::vector<Json> items;
  for (const auto& pack : packs) items.push_back(to_json(pack));
  return sha256_hex(canonical_json(sorted(std::move(items))));
}

}  // namespace hansa::rules
