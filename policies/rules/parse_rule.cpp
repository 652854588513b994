// SPDX-License-Identifier: Apache-2.0
#include "broker/core/suggest.hpp"
#include "policies/rules/parse_parts.hpp"

#include <algorithm>
#include <charconv>

namespace hansa::rules {
namespace {

/// The sets that `pack` has, for "did you mean".
std::vector<std::string_view> set_names(const Pack& pack) {
  std::vector<std::string_view> names;
  for (const auto& set : pack.sets) names.push_back(set.id);
  return names;
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string text;
  for (const auto name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "this pack has none" : text;
}

/// The operators that go with `type`.
std::vector<std::string_view> ops_for(Type type) {
  std::vector<std::string_view> names;
  for (const auto& record : operators()) {
    if (takes(record.op, type)) names.push_back(record.name);
  }
  return names;
}

class ClauseReader {
 public:
  ClauseReader(const TomlNode& table, std::string path, const Pack& pack, Findings& findings)
      : fields_(table, std::move(path), findings), pack_(pack) {}

  std::optional<Clause> read() {
    Clause clause{.line = fields_.line()};
    const auto attribute = fields_.word("attr", attribute_names(), Need::required);
    const auto* value = fields_.find("value");
    const auto* other = fields_.find("other");
    const auto* op = fields_.find("op", Need::required);
    fields_.finish();
    if (!attribute || op == nullptr) return std::nullopt;
    const auto& record = vocabulary()[*attribute];
    clause.attribute = record.attribute;
    const auto known = ops_for(record.type);
    const auto* op_record = op->kind == TomlNode::Kind::text ? find_op(op->text) : nullptr;
    if (op_record == nullptr || !takes(op_record->op, record.type)) {
      const auto meant = op->kind == TomlNode::Kind::text ? did_you_mean(op->text, known) : "";
      fields_.fault(*op, "op", "is " + seen(*op) + "; " + std::string(record.name) + " allows: " + joined(known) + meant);
      return std::nullopt;
    }
    clause.op = op_record->op;
    if ((value == nullptr) == (other == nullptr)) {
      fields_.fault(*op, "value",
                    value == nullptr ? "is missing; give a value, or with other the name of an attribute"
                                     : "stands beside other; give one of them");
      return std::nullopt;
    }
    const bool good = value == nullptr ? read_other(*other, record, clause) : read_value(*value, record, clause);
    return good ? std::optional(std::move(clause)) : std::nullopt;
  }

 private:
  bool read_other(const TomlNode& node, const AttributeRecord& record, Clause& clause) {
    std::vector<std::string_view> fitting;
    for (const auto& candidate : vocabulary()) {
      if (compares(clause.op, record.type, candidate.type) && candidate.attribute != record.attribute)
        fitting.push_back(candidate.name);
    }
    const auto* other = node.kind == TomlNode::Kind::text ? find_attribute(node.text) : nullptr;
    if (other != nullptr && std::ranges::find(fitting, other->name) != fitting.end()) {
      clause.other = other->attribute;
      return true;
    }
    fields_.fault(node, "other",
                  "is " + seen(node) + "; allowed beside " + std::string(record.name) + " " +
                      std::string(record_of(clause.op).name) + ": " +
                      (fitting.empty() ? "no attribute; give a value" : joined(fitting)) +
                      (node.kind == TomlNode::Kind::text ? did_you_mean(node.text, fitting) : ""));
    return false;
  }

  bool read_value(const TomlNode& node, const AttributeRecord& record, Clause& clause) {
    switch (record_of(clause.op).operand) {
      case Operand::one:
        if (auto scalar = read_scalar(node, record, fields_.path_of("value"), fields_.findings())) {
          clause.values.push_back(std::move(*scalar));
          return true;
        }
        return false;
      case Operand::list: return read_list(node, record, clause);
      case Operand::set: return read_set(node, record, clause);
    }
    return false;
  }

  bool read_list(const TomlNode& node, const AttributeRecord& record, Clause& clause) {
    if (node.kind != TomlNode::Kind::list || node.items.empty()) {
      fields_.fault(node, "value",
                    node.kind == TomlNode::Kind::list ? "is an empty list; give at least one value"
                                                      : "is " + seen(node) + "; allowed: a list, as [" + seen(node) + "]");
      return false;
    }
    bool good = true;
    for (const auto& item : node.items) {
      auto scalar = read_scalar(item, record, fields_.path_of("value"), fields_.findings());
      if (!scalar) {
        good = false;
      } else if (std::ranges::find(clause.values, *scalar) != clause.values.end()) {
        fields_.fault(item, "value", "has " + in_quotes(text_of(*scalar)) + " twice; write it once");
        good = false;
      } else {
        clause.values.push_back(std::move(*scalar));
      }
    }
    std::ranges::sort(clause.values);
    return good;
  }

  bool read_set(const TomlNode& node, const AttributeRecord& record, Clause& clause) {
    const auto* set = node.kind == TomlNode::Kind::text ? pack_.find_set(node.text) : nullptr;
    const auto type = member_type(record.type);
    if (set == nullptr) {
      const auto known = set_names(pack_);
      fields_.fault(node, "value",
                    "is " + seen(node) + ", which is no [[set]] of this pack; there are: " + joined(known) +
                        (node.kind == TomlNode::Kind::text ? did_you_mean(node.text, known) : ""));
      return false;
    }
    if (set->type != type) {
      fields_.fault(node, "value",
                    "is a set of " + std::string(set->type == Type::country ? "countries" : "ids") + "; " +
                        std::string(record.name) + " needs one of " + (type == Type::country ? "countries" : "ids"));
      return false;
    }
    clause.set = set->id;
    return true;
  }

  Fields fields_;
  const Pack& pack_;
};

std::vector<Clause> parse_clauses(Fields& rule, std::string_view key, const Pack& pack) {
  std::vector<Clause> clauses;
  const auto tables = rule.tables(key);
  for (std::size_t i = 0; i < tables.size(); ++i) {
    auto clause = ClauseReader(*tables[i], rule.path_of(key) + "[" + std::to_string(i) + "]", pack, rule.findings()).read();
    if (clause) clauses.push_back(std::move(*clause));
  }
  return clauses;
}

/// A person could claim anything in a request; so a claim may be a reason to refuse and nothing else.
void check_request_narrows(const Rule& rule, const std::string& path, Findings& findings) {
  const auto look = [&](const std::vector<Clause>& clauses, std::string_view key) {
    for (const auto& clause : clauses) {
      if (record_of(clause.attribute).source != Source::request) continue;
      findings.add(clause.line, path + "." + std::string(key),
                   std::string(record_of(clause.attribute).name) +
                       " is the request's own say-so, which may only narrow: allowed in `when` of a forbid alone");
    }
  };
  if (rule.effect == Effect::permit) look(rule.when, "when");
  look(rule.unless, "unless");
}

std::vector<std::string> parse_obligations(Fields& fields) {
  const auto written = fields.texts("obligations", kSentence);
  std::vector<std::string> good;
  std::vector<std::string_view> names;
  for (const auto& record : obligations()) names.push_back(record.name);
  const auto* node = fields.find("obligations");
  for (const auto& text : written) {
    const auto [name, number, by_site] = parts_of(text);
    const auto* record = std::ranges::find(obligations(), name, &ObligationRecord::name).operator->();
    if (std::ranges::find(names, name) == names.end()) {
      fields.fault(*node, "obligations", "has " + in_quotes(text) + "; allowed: " + joined(names) + did_you_mean(name, names));
      continue;
    }
    std::int64_t count = 0;
    const auto read = std::from_chars(number.data(), number.data() + number.size(), count);
    const bool counted = !number.empty() && read.ec == std::errc{} && read.ptr == number.data() + number.size() && count >= 1 &&
                         count <= record->most && number[0] != '0';
    if (record->counted ? !counted : text.contains(':')) {
      fields.fault(*node, "obligations",
                   "has " + in_quotes(text) + "; allowed: " +
                       (record->counted ? std::string(name) + ":N, N from 1 to " + std::to_string(record->most)
                                        : std::string(name) + ", without a number behind it"));
      continue;
    }
    good.push_back(text);
  }
  std::ranges::sort(good);
  return good;
}

}  // namespace

ValueSet parse_set(const TomlNode& table, const std::string& path, Findings& findings) {
  Fields fields(table, path, findings);
  ValueSet set{.line = table.at.line};
  set.id = fields.text("id", kSetId, Need::required);
  set.basis = fields.text("basis", kSentence, Need::required);
  const auto* countries = fields.find("countries");
  const auto* ids = fields.find("ids");
  fields.finish();
  if ((countries == nullptr) == (ids == nullptr)) {
    findings.add(table.at, path, "needs countries = [...] or ids = [...], one of them");
    return set;
  }
  const auto& values = countries != nullptr ? *countries : *ids;
  const auto& record = record_of(countries != nullptr ? Attribute::site_country : Attribute::site_id);
  const std::string_view key = countries != nullptr ? "countries" : "ids";
  set.type = record.type;
  if (values.kind != TomlNode::Kind::list || values.items.empty()) {
    fields.fault(values, key,
                 "is " + (values.items.empty() ? std::string("empty") : seen(values)) + "; allowed: a list of at least one");
    return set;
  }
  for (const auto& item : values.items) {
    const auto scalar = read_scalar(item, record, fields.path_of(key), findings);
    if (!scalar) continue;
    const auto& text = std::get<std::string>(*scalar);
    if (std::ranges::find(set.values, text) != set.values.end())
      fields.fault(item, key, "has " + in_quotes(text) + " twice; write it once");
    else
      set.values.push_back(text);
  }
  std::ranges::sort(set.values);
  return set;
}

Rule parse_rule(const TomlNode& table, const std::string& path, const Pack& pack, Findings& findings) {
  Fields fields(table, path, findings);
  Rule rule{.line = table.at.line};
  rule.id = fields.text("id", kRuleId, Need::required);
  constexpr std::string_view kEffects[] = {"permit", "forbid"};
  rule.effect = fields.word("effect", kEffects, Need::required) == 0U ? Effect::permit : Effect::forbid;
  const TextForm any{"a list of actions", [](std::string_view) { return true; }};
  for (const auto& name : fields.texts("actions", any, Need::required)) {
    const auto found = std::ranges::find(action_names(), name);
    if (found != action_names().end()) {
      rule.actions.push_back(static_cast<Action>(found - action_names().begin()));
    } else {
      fields.fault(*table.find("actions"), "actions",
                   "has " + in_quotes(name) + "; allowed: " + joined({action_names().begin(), action_names().end()}) +
                       did_you_mean(name, action_names()));
    }
  }
  if (const auto* actions = table.find("actions");
      actions != nullptr && actions->kind == TomlNode::Kind::list && actions->items.empty()) {
    fields.fault(*actions, "actions", "is an empty list; name at least one action");
  }
  std::ranges::sort(rule.actions);
  rule.when = parse_clauses(fields, "when", pack);
  rule.unless = parse_clauses(fields, "unless", pack);
  rule.obligations = parse_obligations(fields);
  rule.legal_basis = fields.text("legal_basis", kSentence, Need::required);
  rule.owner = fields.text("owner", kSentence, Need::required);
  rule.review_by = fields.date("review_by");
  rule.basis_until = fields.date("basis_until");
  rule.effective_from = fields.date("effective_from");
  rule.effective_until = fields.date("effective_until");
  fields.finish();
  if (rule.effective_from && rule.effective_until && *rule.effective_until <= *rule.effective_from) {
    findings.add(rule.line, path + ".effective_until",
                 "is not after effective_from: the rule would never count; correct one of them");
  }
  check_request_narrows(rule, path, findings);
  return rule;
}

}  // namespace hansa::rules
