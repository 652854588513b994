// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/rules/random_rules.hpp"

#include <algorithm>

namespace hansa::rules::test {
namespace {

const std::vector<std::string> kCountries{"FI", "DE", "FR", "NO", "CH", "US"};
const std::vector<std::string> kIds{"a", "b", "c", "d"};

}  // namespace

const ValueSet& random_set(const std::string& id) {
  static const ValueSet kSome{.id = "C@1", .type = Type::country, .values = {"DE", "FI", "FR"}, .basis = "-"};
  static const ValueSet kIdSet{.id = "I@1", .type = Type::id, .values = {"a", "b"}, .basis = "-"};
  return id == "C@1" ? kSome : kIdSet;
}

std::string RandomRules::text(Type member, const AttributeRecord& record) {
  if (member == Type::country) return one_of(kCountries);
  if (member == Type::id) return one_of(kIds);
  return std::string(record.words[below(record.words.size())]);
}

Scalar RandomRules::scalar(const AttributeRecord& record) {
  const auto member = member_type(record.type);
  switch (member) {
    case Type::boolean: return chance(50);
    case Type::integer: return static_cast<std::int64_t>(below(6));
    case Type::time: return now_ + Seconds{3600 * (static_cast<std::int64_t>(below(7)) - 3)};
    default: return text(member, record);
  }
}

Clause RandomRules::clause(bool request_too, bool cross) {
  for (;;) {
    const auto& record = vocabulary()[below(kAttributes)];
    if (record.source == Source::request && !request_too) continue;
    Clause clause{.attribute = record.attribute};
    const auto& op = operators()[below(operators().size())];
    if (!takes(op.op, record.type)) continue;
    clause.op = op.op;
    if (cross && chance(15)) {
      const auto& other = vocabulary()[below(kAttributes)];
      if (other.attribute != record.attribute && compares(op.op, record.type, other.type)) {
        clause.other = other.attribute;
        return clause;
      }
    }
    if (op.operand == Operand::set) {
      clause.set = member_type(record.type) == Type::country ? "C@1" : "I@1";
      return clause;
    }
    const auto count = op.operand == Operand::one ? 1 : 1 + below(3);
    for (std::size_t i = 0; i < count; ++i) clause.values.push_back(scalar(record));
    std::ranges::sort(clause.values);
    const auto again = std::ranges::unique(clause.values);
    clause.values.erase(again.begin(), again.end());
    return clause;
  }
}

Rule RandomRules::rule(std::size_t number, bool cross) {
  Rule rule{.id = "R-" + std::to_string(number)};
  rule.effect = chance(60) ? Effect::permit : Effect::forbid;
  for (std::size_t a = 0; a < kActions; ++a) {
    if (chance(50)) rule.actions.push_back(static_cast<Action>(a));
  }
  if (rule.actions.empty()) rule.actions.push_back(Action::place);
  for (auto i = 1 + below(3); i > 0; --i) rule.when.push_back(clause(rule.effect == Effect::forbid, cross));
  for (auto i = chance(40) ? 1 + below(2) : 0; i > 0; --i) rule.unless.push_back(clause(false, cross));
  if (chance(30)) rule.obligations = {"encrypt_scratch"};
  if (chance(10)) rule.effective_from = now_ + Seconds{10 * static_cast<std::int64_t>(below(3)) - 10};
  if (chance(10)) rule.effective_until = now_ + Seconds{10 * static_cast<std::int64_t>(below(3)) - 10};
  if (chance(10)) rule.basis_until = now_ + Seconds{10 * static_cast<std::int64_t>(below(3)) - 10};
  return rule;
}

Pack RandomRules::pack(std::size_t rules, bool cross) {
  Pack pack{.file = "random.toml", .id = "random", .version = "1.0.0", .sets = {random_set("C@1"), random_set("I@1")}};
  for (std::size_t i = 0; i < rules; ++i) pack.rules.push_back(rule(i, cross));
  return pack;
}

Value RandomRules::value(const AttributeRecord& record) {
  if (!is_several(record.type)) {
    return std::visit([](auto&& one) -> Value { return one; }, scalar(record));
  }
  std::vector<std::string> texts;
  for (auto i = record.may_be_empty && chance(20) ? 0 : 1 + below(3); i > 0; --i)
    texts.push_back(std::get<std::string>(scalar(record)));
  return texts;
}

Evidence RandomRules::evidence(Subject subject) {
  Evidence evidence;
  for (const auto& record : vocabulary()) {
    if (record.subject != subject || record.attribute == Attribute::now || chance(6)) continue;
    Fact fact{record.attribute, value(record), record.source, now_};
    if (chance(2)) fact.observed_at = now_ - record.max_age - Seconds{1};
    if (chance(1)) fact.observed_at = now_ + kClockSkew + Seconds{1};
    if (chance(2)) fact.value = std::string("no such value");
    if (chance(2)) fact.source = Source::request;
    if (chance(1)) evidence.push_back(fact);
    evidence.push_back(std::move(fact));
  }
  return evidence;
}

Question random_question(RandomRules& random, std::size_t most_datasets) {
  Question question{.action = static_cast<Action>(random.below(kActions)),
                    .now = random.now(),
                    .job = random.evidence(Subject::job),
                    .site = random.evidence(Subject::site),
                    .datasets = {}};
  for (auto i = random.below(most_datasets + 1); i > 0; --i) question.datasets.push_back(random.evidence(Subject::dataset));
  return question;
}

Verdict ask(const RuleSet& rules, const Question& question) {
  const auto job = rules.bind(Subject::job, question.job, question.now);
  const auto site = rules.bind(Subject::site, question.site, question.now);
  std::vector<Bound> datasets;
  for (const auto& dataset : question.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, question.now));
  return rules.decide(question.action, job, site, datasets);
}

}  // namespace hansa::rules::test
