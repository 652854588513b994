// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/fact.hpp"

#include "broker/domain/dataset.hpp"
#include "broker/domain/json_fields.hpp"
#include "broker/domain/two_persons.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace hansa::domain {
namespace {

// The two words of the vocabulary whose values have a strict direction of their own.
constexpr std::string_view kProjectLabels = "project.labels";
constexpr std::string_view kCertificates = "site.labels";

using Texts = std::vector<std::string>;
using Kind = FactSubject::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 3> kPrefixes{
    {{"site:", Kind::site}, {"project:", Kind::project}, {"person:", Kind::person}}};
constexpr std::string_view kBroker = "broker";
constexpr std::string_view kIssuer = "local:";

std::string_view prefix_of(Kind kind) {
  for (const auto& [prefix, of] : kPrefixes) {
    if (of == kind) return prefix;
  }
  return kBroker;
}

bool is_visible(std::string_view text) {
  return !text.empty() && text.size() <= 200 && std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7F; });
}

struct JsonOf {
  Json operator()(bool value) const { return value; }
  Json operator()(std::int64_t value) const { return value; }
  Json operator()(UtcTime value) const { return {{"at_ms", to_unix_ms(value)}}; }
  Json operator()(const std::string& value) const { return value; }
  Json operator()(const Texts& values) const { return values; }
};

FactValue in_order(FactValue value) {
  if (auto* texts = std::get_if<Texts>(&value)) {
    std::ranges::sort(*texts);
    texts->erase(std::ranges::unique(*texts).begin(), texts->end());
  }
  return value;
}

/// Of `wanted` what can only deny more than `before`; both in order.
FactValue strict_value(const FactKey& key, const FactValue& before, const FactValue& wanted) {
  const auto *old = std::get_if<Texts>(&before), *texts = std::get_if<Texts>(&wanted);
  if (old == nullptr || texts == nullptr) return before;
  Texts strict;
  if (key.attribute == kCertificates) {
    std::ranges::set_intersection(*old, *texts, std::back_inserter(strict));
  } else if (key.attribute == kProjectLabels) {
    const auto labels = [](const Texts& words) {
      Labels set;
      for (const auto& word : words) set.emplace(word);
      return set;
    };
    const auto now = labels(*old);
    const auto steps = relabelling(now, labels(*texts));
    const auto& after = steps.empty() || is_loosening(now, steps.front().after) ? now : steps.front().after;
    for (const auto& label : after) strict.push_back(label.str());
  } else {
    return before;
  }
  return strict;
}

Statement strict_step(const FactKey& key, const Statement& before, const Statement& wanted) {
  auto strict = before;
  strict.value = strict_value(key, before.value, wanted.value);
  if (wanted.until && (!strict.until || *wanted.until < *strict.until)) strict.until = wanted.until;
  return strict;
}

std::optional<Statement> in_order(std::optional<Statement> statement) {
  if (statement) statement->value = in_order(std::move(statement->value));
  return statement;
}

std::unexpected<Error> outdated(const FactKey& key) {
  return fail(ErrorKind::conflict, "CHANGE_OUTDATED",
              "what is said about " + key.attribute + " of " + key.subject.str() +
                  " changed since: look at it, and reject the change or make it anew");
}

std::optional<Statement> read_statement(const Json& json, const char* key, FieldReader& fields) {
  if (!json.is_object() || !json.contains(key)) return std::nullopt;
  auto statement = statement_from_json(json[key]);
  if (statement) return std::move(*statement);
  fields.miss(key);
  return std::nullopt;
}

}  // namespace

std::string FactSubject::str() const { return std::string(prefix_of(kind)) + id; }

std::string_view FactSubject::attribute_prefix() const {
  return is_place() ? "site." : kind == Kind::project ? "project." : "user.";
}

Result<FactSubject> parse_subject(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorKind::invalid_argument, "BAD_SUBJECT",
                "must be site:ID, project:ID, person:NAME (person:alice is person:local:alice) or broker");
  };
  if (text == kBroker) return FactSubject{};
  for (const auto& [prefix, kind] : kPrefixes) {
    if (!text.starts_with(prefix)) continue;
    std::string id(text.substr(prefix.size()));
    if (!is_visible(id)) return wrong();
    if (kind == Kind::person) {
      if (!id.contains(':')) id.insert(0, kIssuer);
      if (id.front() == ':' || id.back() == ':') return wrong();
    }
    return FactSubject{.kind = kind, .id = std::move(id)};
  }
  return wrong();
}

Json value_json(const FactValue& value) { return std::visit(JsonOf{}, value); }

std::optional<FactValue> value_from_json(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_object()) {
    FieldReader field(json);
    const auto at = field.time("at_ms");
    return field.ok() ? std::optional<FactValue>(at) : std::nullopt;
  }
  if (!json.is_array()) return std::nullopt;
  Texts values;
  for (const auto& item : json) {
    if (!item.is_string()) return std::nullopt;
    values.push_back(item.get<std::string>());
  }
  return values;
}

std::string_view change_name(const FactChangeBody& body) { return body.after ? "fact_stated" : "fact_withdrawn"; }

bool only_narrows(const FactKey& key, const FactValue& before, const FactValue& value) {
  const auto old = in_order(before), wanted = in_order(value);
  return wanted != old && strict_value(key, old, wanted) == wanted;
}

std::vector<FactChangeBody> fact_steps(const FactKey& key, const std::optional<Statement>& before, Statement wanted) {
  wanted.value = in_order(std::move(wanted.value));
  if (!before) return {{.before = std::nullopt, .made_from = std::nullopt, .after = std::move(wanted)}};
  const auto now = *in_order(before);
  const auto strict = strict_step(key, now, wanted);
  std::vector<FactChangeBody> steps;
  if (strict != now) steps.push_back({.before = before, .made_from = std::nullopt, .after = strict});
  if (wanted != strict)
    steps.push_back({.before = steps.empty() ? before : strict, .made_from = std::nullopt, .after = std::move(wanted)});
  return steps;
}

bool needs_second_person(const RegisteredFact& fact, const FactChangeBody& body) {
  if (!body.after) return false;
  if (!fact.change || !body.before) return true;
  return strict_step(fact.key, *in_order(body.before), *body.after) != *body.after;
}

Result<void> apply(RegisteredFact& fact, const FactChange& change, UtcTime effective_at) {
  if (fact.change != change.body.made_from) return outdated(change.of);
  fact.key = change.of;
  fact.change = change.id;
  fact.statement = change.body.after;
  fact.changed_at = effective_at;
  return {};
}

Result<void> still_fits(const FactChange& change, const std::optional<Statement>& configured) {
  if (change.body.made_from || change.body.before == configured) return {};
  return outdated(change.of);
}

Result<void> may_approve(const Principal& person, const FactChange& change) {
  const auto& subject = change.of.subject;
  return second_person(TwoPersons::fact_change, "change " + change.id.str(), {person}, change.by,
                       subject.kind == Kind::person ? Principal(subject.id) : Principal());
}

Json to_json(const Statement& statement) {
  Json json{{"value", value_json(statement.value)}};
  put(json, "as_of_ms", statement.as_of);
  put(json, "until_ms", statement.until);
  if (!statement.evidence.empty()) json["evidence"] = statement.evidence;
  return json;
}

Result<Statement> statement_from_json(const Json& json) {
  FieldReader fields(json);
  auto value = json.is_object() && json.contains("value") ? value_from_json(json["value"]) : std::nullopt;
  if (!value) fields.miss("value");
  Statement statement{.value = std::move(value).value_or(FactValue{}),
                      .as_of = fields.optional_time("as_of_ms"),
                      .until = fields.optional_time("until_ms"),
                      .evidence = fields.text_or_empty("evidence")};
  if (!fields.ok()) return fields.error("statement of a register");
  return statement;
}

Json to_json(const FactChangeBody& body) {
  Json json = Json::object();
  if (body.before) json["before"] = to_json(*body.before);
  if (body.made_from) json["made_from"] = body.made_from->str();
  if (body.after) json["after"] = to_json(*body.after);
  return json;
}

Result<FactChangeBody> fact_change_from_json(const Json& json) {
  FieldReader fields(json);
  FactChangeBody body{.before = read_statement(json, "before", fields),
                      .made_from = std::nullopt,
                      .after = read_statement(json, "after", fields)};
  if (const auto from = fields.text_or_empty("made_from"); !from.empty()) {
    body.made_from = Ulid::parse(from);
    if (!body.made_from) fields.miss("made_from");
  }
  if (!fields.ok()) return fields.error("change of a fact");
  return body;
}

}  // namespace hansa::domain
