// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/evidence_json.hpp"

#include "broker/domain/json_fields.hpp"

namespace hansa::rules {
namespace {

constexpr Source kSources[] = {Source::token,           Source::dataset_registry, Source::project_registry,
                               Source::site_descriptor, Source::request,          Source::clock};

}  // namespace

Json to_json(const Evidence& evidence) {
  auto json = Json::array();
  for (const auto& fact : evidence) {
    Json told{{"attribute", record_of(fact.attribute).name},
              {"value", domain::value_json(fact.value)},
              {"observed_at_ms", to_unix_ms(fact.observed_at)}};
    if (fact.source != record_of(fact.attribute).source) told["source"] = to_string(fact.source);
    if (fact.change) told["change"] = fact.change->str();
    json.push_back(std::move(told));
  }
  return json;
}

Result<Evidence> evidence_from_json(const Json& json) {
  Evidence evidence;
  for (const auto& told : json.is_array() ? json : Json::array()) {
    domain::FieldReader field(told);
    const auto* record = find_attribute(field.text("attribute"));
    auto value = told.is_object() && told.contains("value") ? domain::value_from_json(told["value"]) : std::nullopt;
    if (record == nullptr) field.miss("attribute");
    if (!value) field.miss("value");
    const auto observed_at = field.time("observed_at_ms");
    const auto source = field.text_or_empty("source");
    const auto change = field.text_or_empty("change");
    const auto id = Ulid::parse(change);
    if (!change.empty() && !id) field.miss("change");
    if (!field.ok()) return field.error("fact");
    evidence.push_back({record->attribute, std::move(*value), record->source, observed_at, id});
    for (const auto known : kSources) {
      if (to_string(known) == source) evidence.back().source = known;
    }
  }
  return evidence;
}

}  // namespace hansa::rules
