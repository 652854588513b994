// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/told.hpp"

#include "broker/core/time_text.hpp"
#include "policies/rules/parse_parts.hpp"

namespace hansa::rules {
namespace {

constexpr std::size_t kMostValues = 1'000;

TomlNode other(std::string_view what) {
  TomlNode node;
  node.kind = TomlNode::Kind::other;
  node.text = what;
  return node;
}

TomlNode node_of(const Json& json) {
  if (json.is_boolean()) return TomlNode::of_boolean(json.get<bool>());
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX) return other("a number that is too large");
  if (json.is_number_integer()) return TomlNode::of_integer(json.get<std::int64_t>());
  if (json.is_string()) return TomlNode::of_text(json.get<std::string>());
  if (json.is_number()) return other("a number with a fraction");
  if (!json.is_array()) return other(json.is_null() ? "null" : "an object");
  TomlNode list;
  list.kind = TomlNode::Kind::list;
  for (const auto& item : json) list.items.push_back(item.is_array() ? other("a list") : node_of(item));
  return list;
}

std::unexpected<Error> bad_fact(std::vector<Fault> faults) {
  auto error = fail(ErrorKind::invalid_argument, "BAD_FACT", faults.front().where + ": " + faults.front().message);
  error.error().faults = std::move(faults);
  return error;
}

}  // namespace

std::vector<std::string_view> told_attributes(std::string_view prefix) {
  std::vector<std::string_view> names;
  for (const auto& record : vocabulary()) {
    const bool known = record.name.ends_with(".id") || record.attribute == Attribute::site_kind;
    if (record.name.starts_with(prefix) && !known) names.push_back(record.name);
  }
  return names;
}

Result<Value> read_told(const Json& json, const AttributeRecord& record) {
  constexpr const char* kWhere = "/value";
  if (json.is_array() && json.size() > kMostValues)
    return bad_fact({{kWhere, "has more than " + std::to_string(kMostValues) + " entries"}});
  if (record.type == Type::time) {
    const auto time = json.is_string() ? parse_utc(json.get_ref<const std::string&>()) : Result<UtcTime>(UtcTime{});
    if (json.is_string() && time) return *time;
    return bad_fact({{kWhere, "is " + seen(node_of(json)) + "; allowed: a date, as \"2027-01-31\" or \"2027-01-31T08:00:00Z\""}});
  }
  Findings findings{""};
  if (auto value = parse_value(node_of(json), record, "", findings)) return std::move(*value);
  std::vector<Fault> faults;
  for (auto& fault : findings.faults()) faults.push_back({kWhere, std::move(fault.message)});
  return bad_fact(std::move(faults));
}

}  // namespace hansa::rules
