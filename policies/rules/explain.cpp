// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/explain.hpp"

#include "broker/core/time_text.hpp"
#include "policies/rules/sentence.hpp"

#include <algorithm>
#include <iterator>
#include <set>

namespace hansa::rules {
namespace {

/// "75d": what a fact's age is counted in grows with it.
std::string age_text(Milliseconds age) {
  using namespace std::chrono;
  if (age >= days{2}) return format_duration(floor<days>(age));
  return format_duration(age >= hours{2} ? Seconds{floor<hours>(age)} : floor<Seconds>(age));
}

/// `told`: of a verdict, name and effect.
void add_rules(std::vector<AppliedRule>& to, const RuleSet& rules, const RuleBits& which, Told told) {
  std::size_t count = 0;
  rules.each_rule(which, [&](std::size_t) { ++count; });
  to.reserve(to.size() + count);
  rules.each_rule(which, [&](std::size_t i) {
    const auto& rule = rules.rules()[i];
    to.push_back({.rule = rule.id, .effect = rule.effect, .pack = {}, .sentence = {}, .legal_basis = {}, .owner = {}});
    if (told == Told::verdict) return;
    auto& applied = to.back();
    applied.pack = rules.written(i).pack;
    applied.sentence = rules.written(i).sentence;
    applied.legal_basis = rule.legal_basis;
    applied.owner = rule.owner;
  });
}

/// One question, about one dataset or none.
class Question {
 public:
  Question(const RuleSet& rules, Action action, const Bound& job, const Bound& site, const Bound* dataset)
      : rules_(rules),
        job_(job),
        site_(site),
        dataset_(dataset),
        facts_(job.evidence(), site.evidence(), dataset == nullptr ? nullptr : &dataset->evidence(), job.now()),
        stands_(rules.stands(action, job, site, dataset)) {}

  [[nodiscard]] const RuleBits& applied() const { return stands_.applies; }
  /// Permits that apply and forbids that were lifted: their obligations bind.
  [[nodiscard]] std::uint64_t binding(std::size_t word) const {
    return (stands_.permits[word] & stands_.applies[word]) | (stands_.forbids[word] & stands_.lifted[word]);
  }

  void add_denial(Explanation& out, Told told) const {
    const auto undecided = mattering_undecided();
    add_rules(out.undecided, rules_, undecided, told);
    add_lacking(out, undecided);
    add_conditions(out);
  }

  void add_facts(Explanation& out) const {
    std::set<Attribute> asked;
    for (std::size_t i = 0; i < rules_.rules().size(); ++i) {
      if (stands_.of_rule(i) != RuleSet::Stand::not_asked) each_attribute(i, [&](Attribute a) { asked.insert(a); });
    }
    for (const auto attribute : asked) {
      const auto found = facts_.find(attribute);
      SeenFact seen{.attribute = attribute, .state = found.state, .value = {}, .source = record_of(attribute).source, .age = {}};
      if (found.fact != nullptr) {
        seen.value = text_of(found.fact->value);
        seen.source = found.fact->source;
        seen.change = found.fact->change;
        if (record_of(attribute).max_age > Seconds{0})
          seen.age = std::chrono::floor<Seconds>(facts_.now() - found.fact->observed_at);
      }
      if (std::ranges::find(out.facts, seen) == out.facts.end()) out.facts.push_back(std::move(seen));
    }
  }

  [[nodiscard]] std::string lacking_text(const std::vector<Attribute>& lacking) const {
    std::vector<std::string> parts;
    for (const auto attribute : lacking)
      parts.push_back(std::string(record_of(attribute).name) + " (" + std::string(to_string(facts_.find(attribute).state)) + ")");
    return conjunction(parts);
  }

 private:
  using Numbers = std::span<const std::uint32_t>;  // of clauses

  [[nodiscard]] const Rule& rule(std::size_t i) const { return rules_.rules()[i]; }
  [[nodiscard]] Truth truth_of(std::uint32_t clause) const { return rules_.truth_of(clause, job_, site_, dataset_); }

  /// A permit that is undecided counts only where no forbid already decides.
  [[nodiscard]] RuleBits mattering_undecided() const {
    RuleBits matters{};
    if (stands_.code != Code::evidence_missing) return matters;
    bool any_forbid = false;
    for (std::size_t word = 0; word < rules_.words(); ++word) {
      matters[word] = stands_.undecided[word] & stands_.forbids[word];
      any_forbid = any_forbid || matters[word] != 0;
    }
    return any_forbid ? matters : stands_.undecided;
  }

  template <typename Each>
  static void each_attribute(const Clause& clause, Each each) {
    each(clause.attribute);
    if (clause.other) each(*clause.other);
  }

  template <typename Each>
  void each_attribute(std::size_t i, Each each) const {
    for (const auto* clauses : {&rule(i).when, &rule(i).unless}) {
      for (const auto& clause : *clauses) each_attribute(clause, each);
    }
  }

  void add_lacking(Explanation& out, const RuleBits& undecided) const {
    std::set<Attribute> lacking;
    rules_.each_rule(undecided, [&](std::size_t i) {
      each_attribute(i, [&](Attribute a) {
        if (facts_.find(a).state != FactState::known) lacking.insert(a);
      });
    });
    out.lacking.assign(lacking.begin(), lacking.end());
  }

  [[nodiscard]] std::string found_text(const Clause& clause) const {
    std::string text;
    each_attribute(clause, [&](Attribute attribute) {
      const auto& record = record_of(attribute);
      const auto found = facts_.find(attribute);
      if (!text.empty()) text += "; " + std::string(record.name) + ": ";
      text += found.state == FactState::known ? text_of(found.fact->value) : std::string(to_string(found.state));
      if (found.fact == nullptr) {
        text += " from the " + std::string(to_string(record.source));
        return;
      }
      text += ", from the " + source_text(found.fact->source, found.fact->change);
      if (record.max_age > Seconds{0}) text += ", " + age_text(facts_.now() - found.fact->observed_at) + " old";
    });
    return text;
  }

  /// The clauses of `clauses` that do not hold.
  [[nodiscard]] std::vector<Condition> failing(std::size_t of, Numbers clauses) const {
    std::vector<Condition> conditions;
    for (const auto clause : clauses) {
      if (truth_of(clause) != Truth::yes)
        conditions.push_back({rule(of).id, rules_.sentence_of(clause), found_text(rules_.clause(clause))});
    }
    return conditions;
  }

  [[nodiscard]] bool all_hold(Numbers clauses) const {
    return std::ranges::all_of(clauses, [this](std::uint32_t clause) { return truth_of(clause) == Truth::yes; });
  }
  /// All of its `unless` hold.
  [[nodiscard]] bool is_lifted(std::size_t i) const {
    const auto& unless = rules_.written(i).unless;
    return !unless.empty() && all_hold(unless);
  }

  /// What would make `permit` apply.
  [[nodiscard]] std::vector<Condition> missing_for(std::size_t permit) const {
    auto conditions = failing(permit, rules_.written(permit).when);
    if (is_lifted(permit)) {
      std::vector<std::string> parts;
      for (const auto clause : rules_.written(permit).unless) parts.push_back(rules_.sentence_of(clause));
      conditions.push_back({rule(permit).id, "it is not so that " + conjunction(parts), "it is so"});
    }
    return conditions;
  }

  struct Distance {
    /// Of the clauses that do not hold, those that speak of what the data are. A permit for another kind of data is no advice:
    /// whoever follows it calls the data something else.
    std::size_t other_kinds = 0;
    std::size_t conditions = 0;  // all that missing_for() has
    friend auto operator<=>(const Distance&, const Distance&) = default;
  };
  /// Of `permit`, if it is nearer than `nearest`: most are not, which shows early.
  [[nodiscard]] std::optional<Distance> nearer(std::size_t permit, const Distance& nearest) const {
    Distance distance;
    for (const auto number : rules_.written(permit).when) {
      const auto truth = truth_of(number);
      if (truth == Truth::yes) continue;
      ++distance.conditions;
      if (truth == Truth::no && std::ranges::binary_search(rules_.clauses_on_kind(), number)) ++distance.other_kinds;
      if (distance >= nearest) return std::nullopt;
    }
    if (is_lifted(permit)) ++distance.conditions;
    return distance < nearest ? std::optional(distance) : std::nullopt;
  }

  /// Permits that are asked, without those for another kind of data; with them, if there are no others. The nearest is one of
  /// these, and of a thousand permits they are few.
  [[nodiscard]] RuleBits permits_to_advise() const {
    auto of_this_kind = stands_.permits;
    for (const auto clause : rules_.clauses_on_kind()) {
      if (truth_of(clause) != Truth::no) continue;
      const auto having = rules_.rules_when(clause);
      for (std::size_t word = 0; word < rules_.words(); ++word) of_this_kind[word] &= ~having[word];
    }
    const auto any = std::ranges::any_of(std::span(of_this_kind).first(rules_.words()), [](auto word) { return word != 0; });
    return any ? of_this_kind : stands_.permits;
  }

  [[nodiscard]] bool permitted() const {
    for (std::size_t word = 0; word < rules_.words(); ++word) {
      if ((stands_.permits[word] & stands_.applies[word]) != 0) return true;
    }
    return false;
  }

  void add_conditions(Explanation& out) const {
    std::vector<Condition> lifts;
    bool can_be_lifted = true;
    auto held = stands_.applies;
    for (std::size_t word = 0; word < rules_.words(); ++word)
      held[word] = stands_.forbids[word] & (stands_.applies[word] | stands_.undecided[word]);
    rules_.each_rule(held, [&](std::size_t i) {
      if (!can_be_lifted) return;
      const bool undecided = stands_.of_rule(i) == RuleSet::Stand::undecided;
      auto lift = undecided && rule(i).unless.empty() ? unknown_parts(i) : failing(i, rules_.written(i).unless);
      can_be_lifted = !lift.empty();
      std::ranges::move(lift, std::back_inserter(lifts));
    });
    if (!can_be_lifted) return;
    if (!permitted()) {  // else another permit is not what it lacks
      std::optional<std::size_t> nearest;
      Distance distance{.other_kinds = SIZE_MAX, .conditions = SIZE_MAX};
      rules_.each_rule(permits_to_advise(), [&](std::size_t i) {
        const auto found = nearer(i, distance);
        if (!found) return;
        nearest = i;
        distance = *found;
      });
      if (!nearest) return;
      out.allowed_if = missing_for(*nearest);
    }
    std::ranges::move(lifts, std::back_inserter(out.allowed_if));
  }

  /// Of a forbid without `unless`: what would have to be known, and otherwise.
  [[nodiscard]] std::vector<Condition> unknown_parts(std::size_t forbid) const {
    std::vector<Condition> conditions;
    for (const auto clause : rules_.written(forbid).when) {
      if (truth_of(clause) == Truth::unknown)
        conditions.push_back(
            {rule(forbid).id, "it is not so that " + rules_.sentence_of(clause), found_text(rules_.clause(clause))});
    }
    return conditions;
  }

  const RuleSet& rules_;
  const Bound& job_;
  const Bound& site_;
  const Bound* dataset_;
  FactView facts_;
  RuleSet::Stands stands_;
};

std::string names_of(const std::vector<AppliedRule>& rules, Effect effect) {
  std::vector<std::string> names;
  for (const auto& rule : rules) {
    if (rule.effect == effect) names.push_back(rule.rule);
  }
  return conjunction(names);
}

std::string conditions_text(const std::vector<Condition>& conditions) {
  std::vector<std::string> parts;
  for (const auto& condition : conditions) {
    auto part = condition.wanted + " (now: " + condition.found + ")";
    if (std::ranges::find(parts, part) == parts.end()) parts.push_back(std::move(part));
  }
  return conjunction(parts);
}

std::string subject_of(const Explanation& why, Action action) {
  return std::string(to_string(action)) + (why.dataset.empty() ? "" : " of dataset " + why.dataset);
}

std::string sentence_of_denial(const Explanation& why, Action action, const RuleSet& rules, const Question& question) {
  auto text = subject_of(why, action);
  switch (why.code) {
    case Code::permitted: break;
    case Code::no_permit: text += " is denied: no rule permits it."; break;
    case Code::forbidden:
      text += " is forbidden by " + names_of(why.applied, Effect::forbid) + ":";
      rules.each_rule(question.applied(), [&](std::size_t i) {
        if (rules.rules()[i].effect == Effect::forbid) text += " " + rules.written(i).sentence;
      });
      break;
    case Code::evidence_missing:
      text += " is denied because evidence is missing: " + question.lacking_text(why.lacking) + ".";
      break;
  }
  if (!why.allowed_if.empty()) return text + " It would be allowed if " + conditions_text(why.allowed_if) + ".";
  return text + (why.code == Code::forbidden ? " Nothing would lift that here." : "");
}

Json to_json(const std::vector<AppliedRule>& rules) {
  auto json = Json::array();
  for (const auto& rule : rules) {
    json.push_back({{"rule", rule.rule},
                    {"effect", to_string(rule.effect)},
                    {"pack", rule.pack},
                    {"sentence", rule.sentence},
                    {"legal_basis", rule.legal_basis},
                    {"owner", rule.owner}});
  }
  return json;
}

}  // namespace

Explanation explain(const RuleSet& rules, Action action, const Bound& job, const Bound& site, std::span<const Bound> datasets,
                    Told told) {
  Explanation why;
  const auto verdict = rules.decide(action, job, site, datasets);
  why.code = verdict.code;
  if (told == Told::all) why.policy_hash = rules.hash();

  // Of a denial the dataset that it is about; else all of them.
  std::vector<const Bound*> asked;
  if (datasets.empty()) {
    asked.push_back(nullptr);
  } else if (verdict.dataset == kNoDataset) {
    for (const auto& dataset : datasets) asked.push_back(&dataset);
  } else {
    const auto& dataset = datasets[verdict.dataset];
    const auto id = find_fact(dataset.evidence(), Attribute::dataset_id, dataset.now());
    why.dataset = id.state == FactState::known ? text_of(id.fact->value) : "number " + std::to_string(verdict.dataset + 1);
    asked.push_back(&dataset);
  }
  RuleBits applied{}, binding{};
  for (const auto* dataset : asked) {
    const Question question(rules, action, job, site, dataset);
    for (std::size_t word = 0; word < rules.words(); ++word) {
      applied[word] |= question.applied()[word];
      binding[word] |= question.binding(word);
    }
    if (told == Told::all) question.add_facts(why);
    if (verdict.allowed()) continue;
    add_rules(why.applied, rules, applied, told);
    question.add_denial(why, told);
    why.sentence = sentence_of_denial(why, action, rules, question);
  }
  if (rules.any_obligations()) {
    std::set<std::string> obligations;
    rules.each_rule(binding, [&](std::size_t i) {
      const auto& with = rules.rules()[i].obligations;
      obligations.insert(with.begin(), with.end());
    });
    why.obligations.assign(obligations.begin(), obligations.end());
  }
  if (!verdict.allowed()) return why;
  add_rules(why.applied, rules, applied, told);
  if (told == Told::all)
    why.sentence = subject_of(why, action) + " is permitted by " + names_of(why.applied, Effect::permit) + ".";
  return why;
}

Json to_json(const Explanation& why) {
  Json json{{"allowed", why.code == Code::permitted},
            {"code", to_string(why.code)},
            {"policy_hash", why.policy_hash},
            {"applied", to_json(why.applied)},
            {"undecided", to_json(why.undecided)},
            {"lacking", Json::array()},
            {"facts", Json::array()},
            {"allowed_if", Json::array()},
            {"obligations", why.obligations},
            {"sentence", why.sentence}};
  if (!why.dataset.empty()) json["dataset"] = why.dataset;
  for (const auto attribute : why.lacking) json["lacking"].push_back(record_of(attribute).name);
  for (const auto& fact : why.facts) {
    Json told{{"attribute", record_of(fact.attribute).name},
              {"state", to_string(fact.state)},
              {"value", fact.value},
              {"source", source_text(fact.source, fact.change)}};
    if (fact.age) told["age_s"] = fact.age->count();
    json["facts"].push_back(std::move(told));
  }
  for (const auto& [rule, wanted, found] : why.allowed_if)
    json["allowed_if"].push_back({{"rule", rule}, {"wanted", wanted}, {"found", found}});
  return json;
}

}  // namespace hansa::rules
