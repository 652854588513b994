// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/fact_views.hpp"

#include "broker/core/time_text.hpp"
#include "broker/wire/change_view.hpp"

namespace hansa::wire {
namespace {

Json statement_view(const std::optional<domain::Statement>& said) {
  if (!said) return nullptr;
  return {{"value", value_view(said->value)},
          {"as_of", said->as_of ? Json(format_utc(*said->as_of)) : Json()},
          {"until", said->until ? Json(format_utc(*said->until)) : Json()},
          {"evidence", said->evidence}};
}

}  // namespace

Json value_view(const domain::FactValue& value) {
  if (const auto* time = std::get_if<UtcTime>(&value)) return format_utc(*time);
  return domain::value_json(value);
}

Json change_view(const domain::FactChange& change) {
  const auto& body = change.body;
  auto json = common_change_view(change, {{"before", statement_view(body.before)},
                                          {"made_from", body.made_from ? Json(body.made_from->str()) : Json()},
                                          {"after", statement_view(body.after)}});
  json["subject"] = change.of.subject.str();
  json["attribute"] = change.of.attribute;
  return json;
}

}  // namespace hansa::wire
