// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/parse_pack.hpp"

#include "policies/rules/parse_parts.hpp"

#include <algorithm>
#include <set>

namespace hansa::rules {
namespace {

void parse_meta(const TomlNode& table, Pack& pack, Findings& findings) {
  Fields fields(table, "meta", findings);
  pack.id = fields.text("id", kPackId, Need::required);
  pack.version = fields.text("version", kVersion, Need::required);
  pack.title = fields.text("title", kSentence);
  pack.effective_from = fields.date("effective_from");
  pack.effective_until = fields.date("effective_until");
  pack.approved_by = fields.texts("approved_by", kSentence, Need::required);
  if (const auto* approved = table.find("approved_by");
      approved != nullptr && approved->kind == TomlNode::Kind::list && approved->items.size() < 2) {
    fields.fault(*approved, "approved_by", "names fewer than two people; a pack needs the approval of two");
  }
  const auto* fallback = fields.find("default", Need::required);
  if (fallback != nullptr && (fallback->kind != TomlNode::Kind::text || fallback->text != "deny")) {
    fields.fault(*fallback, "default",
                 "is " + seen(*fallback) + "; allowed: \"deny\", and nothing else: what no rule permits is denied");
  }
  if (pack.effective_from && pack.effective_until && *pack.effective_until <= *pack.effective_from) {
    findings.add(table.find("effective_until")->at, "meta.effective_until", "is not after effective_from; correct one of them");
  }
  fields.finish();
}

/// Tells each id that was there before.
template <typename Part>
void check_unique(const std::vector<Part>& parts, std::string_view what, std::string Part::* id, Findings& findings) {
  std::set<std::string_view> known;
  for (const auto& part : parts) {
    const std::string& name = part.*id;
    if (!name.empty() && !known.insert(name).second) {
      findings.add(part.line, what, "has " + in_quotes(name) + " a second time; give it a name of its own");
    }
  }
}

std::string path_of(std::string_view block, std::size_t index, const TomlNode& table, std::string_view name_key) {
  const auto* name = table.find(name_key);
  const bool named = name != nullptr && name->kind == TomlNode::Kind::text && !name->text.empty() && name->text.size() <= 80;
  return std::string(block) + "[" + (named ? name->text : std::to_string(index)) + "]";
}

}  // namespace

Result<Pack> parse_pack(std::string_view text, std::string_view file) {
  Findings findings{std::string(file)};
  if (text.size() > kMostPackBytes) {
    findings.add(TomlMark{}, "", "is longer than " + std::to_string(kMostPackBytes) + " bytes; split it into several packs");
    return std::unexpected(pack_error(file, findings.faults()));
  }
  const auto document = parse_toml(text, file);
  if (!document) return std::unexpected(document.error());

  Pack pack;
  pack.file = file;
  Fields top(*document, "", findings);
  if (const auto* meta = top.find("meta", Need::required)) {
    if (meta->kind == TomlNode::Kind::table)
      parse_meta(*meta, pack, findings);
    else
      top.fault(*meta, "meta", "is " + seen(*meta) + "; allowed: a table, [meta]");
  }
  const auto sets = top.tables("set");
  for (std::size_t i = 0; i < sets.size(); ++i)
    pack.sets.push_back(parse_set(*sets[i], path_of("set", i, *sets[i], "id"), findings));
  check_unique(pack.sets, "set.id", &ValueSet::id, findings);

  const auto rules = top.tables("rule", Need::required);
  if (rules.size() > kMostRules) {
    findings.add(rules[kMostRules]->at, "rule", "is one more than " + std::to_string(kMostRules) + " rules; split the pack");
  }
  for (std::size_t i = 0; i < std::min(rules.size(), kMostRules); ++i) {
    pack.rules.push_back(parse_rule(*rules[i], path_of("rule", i, *rules[i], "id"), pack, findings));
  }
  check_unique(pack.rules, "rule.id", &Rule::id, findings);

  std::vector<Given> base;
  if (const auto* given = top.find("given")) base = parse_given(*given, "given", findings);
  const auto tests = top.tables("test");
  for (std::size_t i = 0; i < tests.size(); ++i) {
    pack.tests.push_back(parse_test(*tests[i], path_of("test", i, *tests[i], "name"), pack, base, findings));
  }
  check_unique(pack.tests, "test.name", &PackTest::name, findings);
  top.finish();
  if (!findings.empty()) return std::unexpected(pack_error(file, findings.faults()));
  return pack;
}

}  // namespace hansa::rules
