// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/evidence_json.hpp"

#include "broker/domain/json_fields.hpp"

namespace hansa::rules {
namespace {

constexpr Source kSources[] = {Source::token,           Source::dataset_registry, Source::project_registry,
                               Source::site_descriptor, Source::request,          Source::clock};

struct JsonOf {
  Json operator()(bool value) const { return value; }
  Json operator()(std::int64_t value) const { return value; }
  Json operator()(UtcTime value) const { return {{"at_ms", to_unix_ms(value)}}; }
  Json operator()(const std::string& value) const { return value; }
  Json operator()(const std::vector<std::string>& values) const { return values; }
};

std::optional<Value> value_from_json(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_object()) {
    domain::FieldReader field(json);
    const auto at = field.time("at_ms");
    return field.ok() ? std::optional<Value>(at) : std::nullopt;
  }
  if (!json.is_array()) return std::nullopt;
  std::vector<std::string> values;
  for (const auto& item : json) {
    if (!item.is_string()) return std::nullopt;
    values.push_back(item.get<std::string>());
  }
  return values;
}

}  // namespace

Json to_json(const Evidence& evidence) {
  auto json = Json::array();
  for (const auto& fact : evidence) {
    Json told{{"attribute", record_of(fact.attribute).name},
              {"value", std::visit(JsonOf{}, fact.value)},
              {"observed_at_ms", to_unix_ms(fact.observed_at)}};
    if (fact.source != record_of(fact.attribute).source) told["source"] = to_string(fact.source);
    json.push_back(std::move(told));
  }
  return json;
}

Result<Evidence> evidence_from_json(const Json& json) {
  Evidence evidence;
  for (const auto& told : json.is_array() ? json : Json::array()) {
    domain::FieldReader field(told);
    const auto* record = find_attribute(field.text("attribute"));
    auto value = told.is_object() && told.contains("value") ? value_from_json(told["value"]) : std::nullopt;
    if (record == nullptr) field.miss("attribute");
    if (!value) field.miss("value");
    const auto observed_at = field.time("observed_at_ms");
    const auto source = field.text_or_empty("source");
    if (!field.ok()) return field.error("fact");
    evidence.push_back({record->attribute, std::move(*value), record->source, observed_at});
    for (const auto known : kSources) {
      if (to_string(known) == source) evidence.back().source = known;
    }
  }
  return evidence;
}

}  // namespace hansa::rules
