// SPDX-License-Identifier: Apache-2.0
#include "broker/core/suggest.hpp"
#include "policies/rules/parse_parts.hpp"

#include <algorithm>

namespace hansa::rules {
namespace {

constexpr std::string_view kOutcomes[] = {"permit", "deny"};
constexpr std::string_view kCodes[] = {"NO_PERMIT", "FORBIDDEN", "EVIDENCE_MISSING"};

void collect(const TomlNode& table, const std::string& prefix, const std::string& path, std::vector<Given>& out,
             Findings& findings) {
  for (const auto& member : table.items) {
    const auto name = prefix.empty() ? member.key : prefix + "." + member.key;
    const auto* record = find_attribute(name);
    if (record == nullptr && member.kind == TomlNode::Kind::table && prefix.empty()) {
      collect(member, name, path, out, findings);
    } else if (record == nullptr) {
      findings.add(member.key_at, path + "." + name, "is no attribute of the vocabulary" + did_you_mean(name, attribute_names()));
    } else if (auto value = parse_value(member, *record, path + "." + name, findings)) {
      out.push_back({record->attribute, std::move(*value)});
    }
  }
}

std::vector<Attribute> parse_attributes(Fields& fields, std::string_view key) {
  const TextForm any{"a list of attributes", [](std::string_view) { return true; }};
  std::vector<Attribute> attributes;
  for (const auto& name : fields.texts(key, any)) {
    if (const auto* record = find_attribute(name))
      attributes.push_back(record->attribute);
    else
      fields.fault(*fields.find(key), key,
                   "has " + in_quotes(name) + ", no attribute of the vocabulary" + did_you_mean(name, attribute_names()));
  }
  std::ranges::sort(attributes);
  return attributes;
}

void put(std::vector<Given>& given, Given fact) {
  const auto there = std::ranges::find(given, fact.attribute, &Given::attribute);
  if (there == given.end())
    given.push_back(std::move(fact));
  else
    there->value = std::move(fact.value);
}

/// Ids of rules of the pack.
std::vector<std::string> parse_rule_ids(Fields& fields, std::string_view key, const Pack& pack) {
  std::vector<std::string_view> rules;
  for (const auto& rule : pack.rules) rules.push_back(rule.id);
  auto ids = fields.texts(key, kRuleId);
  for (const auto& id : ids) {
    if (std::ranges::find(rules, id) == rules.end())
      fields.fault(*fields.find(key), key, "has " + in_quotes(id) + ", no rule of this pack" + did_you_mean(id, rules));
  }
  std::ranges::sort(ids);
  return ids;
}

Code parse_expectation(Fields& fields) {
  const auto outcome = fields.word("expect", kOutcomes, Need::required);
  const auto code = fields.word("code", kCodes);
  if (outcome == 0U) {
    if (code) fields.fault(*fields.find("code"), "code", "stands beside expect = \"permit\"; a permission has no code");
    return Code::permitted;
  }
  if (!code && outcome && fields.find("code") == nullptr) {
    fields.fault(*fields.find("expect"), "code",
                 "is missing; say which denial is expected: NO_PERMIT, FORBIDDEN or EVIDENCE_MISSING");
  }
  return code == 0U ? Code::no_permit : code == 1U ? Code::forbidden : Code::evidence_missing;
}

}  // namespace

std::optional<Value> parse_value(const TomlNode& node, const AttributeRecord& record, const std::string& path,
                                 Findings& findings) {
  if (!is_several(record.type)) {
    auto scalar = read_scalar(node, record, path, findings);
    if (!scalar) return std::nullopt;
    return std::visit([](auto&& value) -> Value { return std::forward<decltype(value)>(value); }, std::move(*scalar));
  }
  if (node.kind != TomlNode::Kind::list || (node.items.empty() && !record.may_be_empty)) {
    findings.add(node.at, path,
                 "is " + (node.kind == TomlNode::Kind::list ? "empty" : seen(node)) + "; allowed: a list of " +
                     (record.may_be_empty ? "" : "at least one of ") + std::string(to_string(record.type)));
    return std::nullopt;
  }
  std::vector<std::string> texts;
  for (const auto& item : node.items) {
    if (auto scalar = read_scalar(item, record, path, findings)) texts.push_back(std::get<std::string>(std::move(*scalar)));
  }
  return texts.size() == node.items.size() ? std::optional<Value>(std::move(texts)) : std::nullopt;
}

std::vector<Given> parse_given(const TomlNode& table, const std::string& path, Findings& findings) {
  std::vector<Given> given;
  if (table.kind != TomlNode::Kind::table) {
    findings.add(table.at, path, "is " + seen(table) + "; allowed: a table of facts, as {site.country = \"FI\"}");
    return given;
  }
  collect(table, "", path, given, findings);
  return given;
}

PackTest parse_test(const TomlNode& table, const std::string& path, const Pack& pack, const std::vector<Given>& base,
                    Findings& findings) {
  Fields fields(table, path, findings);
  PackTest test{.line = table.at.line};
  test.name = fields.text("name", kSentence, Need::required);
  if (const auto action = fields.word("action", action_names(), Need::required)) test.action = static_cast<Action>(*action);
  test.expect = parse_expectation(fields);

  std::vector<Given> given = base;
  const auto without = parse_attributes(fields, "without");
  std::erase_if(given, [&](const Given& fact) { return std::ranges::find(without, fact.attribute) != without.end(); });
  if (const auto* own = fields.find("given")) {
    for (auto& fact : parse_given(*own, fields.path_of("given"), findings)) put(given, std::move(fact));
  }
  std::vector<Given> of_dataset;
  test.now = pack.effective_from.value_or(from_unix_seconds(1'798'761'600));  // 2027-01-01
  for (auto& fact : given) {
    if (fact.attribute == Attribute::now)
      test.now = std::get<UtcTime>(fact.value);
    else
      (record_of(fact.attribute).subject == Subject::dataset ? of_dataset : test.given).push_back(std::move(fact));
  }
  if (const auto* listed = fields.find("datasets")) {
    const auto blocks = fields.tables("datasets");
    for (const auto* block : blocks) {
      auto dataset = of_dataset;
      for (auto& fact : parse_given(*block, fields.path_of("datasets"), findings)) {
        if (record_of(fact.attribute).subject == Subject::dataset)
          put(dataset, std::move(fact));
        else
          fields.fault(*listed, "datasets",
                       "has " + std::string(record_of(fact.attribute).name) + ", no fact about a dataset; put it in given");
      }
      test.datasets.push_back(std::move(dataset));
    }
  } else if (!of_dataset.empty()) {
    test.datasets.push_back(std::move(of_dataset));
  }

  test.stale = parse_attributes(fields, "stale");
  for (const auto attribute : test.stale) {
    if (record_of(attribute).max_age == Seconds{0})
      fields.fault(*fields.find("stale"), "stale",
                   "has " + std::string(record_of(attribute).name) + ", which does not age; give another");
  }
  test.lacking = parse_attributes(fields, "lacking");
  test.because = parse_rule_ids(fields, "because", pack);
  test.silent = parse_rule_ids(fields, "silent", pack);
  if (fields.find("obligations") != nullptr) {
    test.obligations = fields.texts("obligations", kSentence);
    std::ranges::sort(*test.obligations);
  }
  fields.finish();
  return test;
}

}  // namespace hansa::rules
