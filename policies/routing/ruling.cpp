// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/ruling.hpp"

#include "broker/core/time_text.hpp"
#include "broker/domain/json_fields.hpp"

#include <algorithm>

namespace hansa::routing {

namespace {

/// The place in a submission that a fact comes from; "" for what the submission does not say.
std::string_view pointer_of(rules::Attribute attribute) {
  switch (rules::record_of(attribute).source) {
    case rules::Source::project_registry: return "/project";
    case rules::Source::dataset_registry: return "/datasets";
    case rules::Source::request: return "/labels";
    default: return "";
  }
}

}  // namespace

std::unexpected<Error> denial(const rules::Explanation& why) {
  auto error = fail(ErrorKind::permission_denied, kRulesDeny, why.sentence);
  for (const auto& fact : why.facts) {
    const auto& record = rules::record_of(fact.attribute);
    auto text = std::string(record.name) + " is ";
    text += fact.state == rules::FactState::known ? fact.value : std::string(to_string(fact.state));
    if (fact.state != rules::FactState::known && !fact.value.empty()) text += " (" + fact.value + ")";
    text += ", by the " + rules::source_text(fact.source, fact.change);
    if (fact.age) text += ", " + format_duration(std::max(*fact.age, Seconds{0})) + " old";
    error.error().faults.push_back({std::string(pointer_of(fact.attribute)), std::move(text)});
  }
  return error;
}

UtcTime ruling_time(UtcTime now) { return std::chrono::floor<Seconds>(now); }

rules::Explanation ruling(const rules::RuleSet& rules, const rules::Bound& job, const rules::Bound& site,
                          std::span<const rules::Bound> datasets, rules::Told told) {
  auto why = rules::explain(rules, rules::Action::place, job, site, datasets, told);
  if (why.code != rules::Code::permitted) return why;
  if (!rules.decide(rules::Action::dispatch, job, site, datasets).allowed())
    return rules::explain(rules, rules::Action::dispatch, job, site, datasets, told);
  if (rules.any_obligations()) {  // what goes with the sending binds as well
    const auto sending = rules::explain(rules, rules::Action::dispatch, job, site, datasets, told);
    why.obligations.insert(why.obligations.end(), sending.obligations.begin(), sending.obligations.end());
    std::ranges::sort(why.obligations);
    const auto twice = std::ranges::unique(why.obligations);
    why.obligations.erase(twice.begin(), twice.end());
  }
  return why;
}

rules::Explanation stage_ruling(const rules::RuleSet& rules, const rules::Bound& job, const rules::Bound& place,
                                const rules::Bound& dataset) {
  return rules::explain(rules, rules::Action::stage_in, job, place, std::span(&dataset, 1), rules::Told::verdict);
}

domain::RuleVerdict rule_verdict(const rules::Explanation& ruling) {
  domain::RuleVerdict verdict{.code = std::string(to_string(ruling.code)), .rules = {}, .obligations = ruling.obligations};
  const auto& decisive = ruling.code == rules::Code::evidence_missing ? ruling.undecided : ruling.applied;
  for (const auto& applied : decisive) {
    if (std::ranges::find(verdict.rules, applied.rule) == verdict.rules.end()) verdict.rules.push_back(applied.rule);
  }
  return verdict;
}

std::string packs_document(std::span<const rules::PackText> packs) {
  Json json{{"packs", Json::array()}};
  for (const auto& pack : packs) json["packs"].push_back({{"file", pack.file}, {"text", pack.text}});
  return canonical_json(json);
}

Result<rules::RuleSet> load_packs(const std::string& packs_hash, const FetchDocument& fetch) {
  const auto document = read_document(packs_hash, fetch);
  if (!document) return std::unexpected(document.error());
  domain::FieldReader packs(*document);
  std::vector<rules::PackText> texts;
  for (const auto& entry : packs.array("packs")) {
    domain::FieldReader pack(entry);
    texts.push_back({.file = pack.text("file"), .text = pack.text("text")});
    if (!pack.ok()) return pack.error("rule pack");
  }
  if (!packs.ok()) return packs.error("set of rule packs");
  auto parsed = rules::parse_packs(texts);
  if (!parsed) return std::unexpected(parsed.error());
  return rules::RuleSet::compile(std::move(*parsed));
}

}  // namespace hansa::routing
