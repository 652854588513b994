// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/facts.hpp"

#include "broker/core/countries.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::rules {
namespace {

bool fits_text(const AttributeRecord& record, std::string_view text) {
  switch (member_type(record.type)) {
    case Type::word:
    case Type::level: return std::ranges::find(record.words, text) != record.words.end();
    case Type::country: return is_country(text);
    case Type::id: return is_id(text);
    default: return false;
  }
}

struct TextOf {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(UtcTime value) const { return format_utc(value); }
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const std::vector<std::string>& values) const {
    std::string text;
    for (const auto& value : values) text += (text.empty() ? "" : ", ") + value;
    return values.empty() ? "none" : text;
  }
};

}  // namespace

std::string_view to_string(FactState state) {
  switch (state) {
    case FactState::known: return "known";
    case FactState::missing: return "missing";
    case FactState::stale: return "stale";
    case FactState::from_future: return "from the future";
    case FactState::wrong_source: return "from the wrong source";
    case FactState::ill_typed: return "not a value it can have";
    case FactState::told_twice: return "told twice";
  }
  return {};
}

bool is_id(std::string_view text) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@/+-";
  return !text.empty() && text.size() <= 128 && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool fits(const AttributeRecord& record, const Value& value) {
  if (const auto* several = std::get_if<std::vector<std::string>>(&value)) {
    return is_several(record.type) && (record.may_be_empty || !several->empty()) &&
           std::ranges::all_of(*several, [&](const auto& text) { return fits_text(record, text); });
  }
  if (const auto* text = std::get_if<std::string>(&value)) return !is_several(record.type) && fits_text(record, *text);
  if (std::holds_alternative<bool>(value)) return record.type == Type::boolean;
  if (std::holds_alternative<UtcTime>(value)) return record.type == Type::time;
  const auto number = std::get<std::int64_t>(value);
  return record.type == Type::integer && number >= record.least && number <= record.most;
}

FactState state_of(const Fact& fact, UtcTime now) {
  const auto& record = record_of(fact.attribute);
  if (fact.source != record.source) return FactState::wrong_source;
  if (!fits(record, fact.value)) return FactState::ill_typed;
  if (record.max_age == Seconds{0}) return FactState::known;
  if (fact.observed_at > now + kClockSkew) return FactState::from_future;
  return now - fact.observed_at > record.max_age ? FactState::stale : FactState::known;
}

FoundFact find_fact(const Evidence& evidence, Attribute attribute, UtcTime now) {
  FoundFact found;
  for (const auto& fact : evidence) {
    if (fact.attribute != attribute) continue;
    found = found.fact == nullptr ? FoundFact{&fact, state_of(fact, now)} : FoundFact{found.fact, FactState::told_twice};
  }
  return found;
}

std::string source_text(Source source, const std::optional<domain::ChangeId>& change) {
  return change ? "register, change " + change->str() : std::string(to_string(source));
}

std::string text_of(const Scalar& value) { return std::visit(TextOf{}, value); }
std::string text_of(const Value& value) { return std::visit(TextOf{}, value); }

}  // namespace hansa::rules
