// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/explain.hpp"

#include "broker/core/time_text.hpp"
#include "policies/rules/sentence.hpp"

#include <set>

namespace hansa::rules {
namespace {

using Stand = RuleSet::Stand;

/// One question, about one dataset or none.
class Question {
 public:
  Question(const RuleSet& rules, Action action, const Bound& job, const Bound& site, const Bound* dataset)
      : rules_(rules),
        facts_(job.evidence(), site.evidence(), dataset == nullptr ? nullptr : &dataset->evidence(), job.now()),
        stands_(rules.stands(action, job, site, dataset)) {}

  void add_to(Explanation& out) const {
    for (std::size_t i = 0; i < rules_.rules().size(); ++i) {
      if (stands_.of_rule[i] == Stand::applies) add(out.applied, i);
      if (matters_undecided(i)) add(out.undecided, i);
      const bool binds = stands_.of_rule[i] == Stand::lifted && rule(i).effect == Effect::forbid;
      if (binds || (stands_.of_rule[i] == Stand::applies && rule(i).effect == Effect::permit)) {
        for (const auto& obligation : rule(i).obligations) {
          if (std::ranges::find(out.obligations, obligation) == out.obligations.end()) out.obligations.push_back(obligation);
        }
      }
    }
    std::ranges::sort(out.obligations);
    std::ranges::sort(out.applied, {}, &AppliedRule::rule);
    add_facts(out);
    if (stands_.code == Code::permitted) return;
    add_lacking(out);
    add_conditions(out);
  }

 private:
  [[nodiscard]] const Rule& rule(std::size_t i) const { return rules_.rules()[i]; }
  [[nodiscard]] const ValueSet& set(const std::string& id) const { return rules_.find_set(id); }
  [[nodiscard]] FindSet sets() const {
    return [this](const std::string& id) -> const ValueSet& { return set(id); };
  }

  /// A permit that is undecided counts only where no forbid already decides.
  [[nodiscard]] bool matters_undecided(std::size_t i) const {
    if (stands_.of_rule[i] != Stand::undecided || stands_.code != Code::evidence_missing) return false;
    const bool any_forbid = std::ranges::any_of(
        indices(), [&](std::size_t k) { return rule(k).effect == Effect::forbid && stands_.of_rule[k] == Stand::undecided; });
    return !any_forbid || rule(i).effect == Effect::forbid;
  }

  [[nodiscard]] std::vector<std::size_t> indices() const {
    std::vector<std::size_t> all(rules_.rules().size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    return all;
  }

  void add(std::vector<AppliedRule>& to, std::size_t i) const {
    const auto& pack = rules_.pack_of(i);
    AppliedRule applied{rule(i).id,        rule(i).effect,      pack.id + " " + pack.version,
                        sentence(rule(i)), rule(i).legal_basis, rule(i).owner};
    if (std::ranges::find(to, applied) == to.end()) to.push_back(std::move(applied));
  }

  template <typename Each>
  static void each_attribute(const Clause& clause, Each each) {
    each(clause.attribute);
    if (clause.other) each(*clause.other);
  }

  void add_facts(Explanation& out) const {
    std::set<Attribute> asked;
    for (const auto i : indices()) {
      if (stands_.of_rule[i] == Stand::not_asked) continue;
      for (const auto* clauses : {&rule(i).when, &rule(i).unless}) {
        for (const auto& clause : *clauses) each_attribute(clause, [&](Attribute a) { asked.insert(a); });
      }
    }
    for (const auto attribute : asked) {
      const auto found = facts_.find(attribute);
      SeenFact seen{.attribute = attribute, .state = found.state, .value = {}, .source = record_of(attribute).source, .age = {}};
      if (found.fact != nullptr) {
        seen.value = text_of(found.fact->value);
        seen.source = found.fact->source;
        if (record_of(attribute).max_age > Seconds{0})
          seen.age = std::chrono::floor<Seconds>(facts_.now() - found.fact->observed_at);
      }
      if (std::ranges::find(out.facts, seen) == out.facts.end()) out.facts.push_back(std::move(seen));
    }
  }

  void add_lacking(Explanation& out) const {
    std::set<Attribute> lacking;
    for (const auto i : indices()) {
      if (!matters_undecided(i)) continue;
      for (const auto* clauses : {&rule(i).when, &rule(i).unless}) {
        for (const auto& clause : *clauses) {
          each_attribute(clause, [&](Attribute a) {
            if (facts_.find(a).state != FactState::known) lacking.insert(a);
          });
        }
      }
    }
    out.lacking.assign(lacking.begin(), lacking.end());
  }

  [[nodiscard]] std::string found_text(const Clause& clause) const {
    std::string text;
    each_attribute(clause, [&](Attribute attribute) {
      const auto found = facts_.find(attribute);
      if (!text.empty()) text += "; " + std::string(record_of(attribute).name) + ": ";
      if (found.state == FactState::known) {
        text += text_of(found.fact->value);
        return;
      }
      text += to_string(found.state);
      if (found.state == FactState::stale)
        text += ", " + format_duration(std::chrono::floor<Seconds>(facts_.now() - found.fact->observed_at)) + " old";
    });
    return text;
  }

  /// The clauses of `clauses` that do not hold.
  [[nodiscard]] std::vector<Condition> failing(const Rule& of, const std::vector<Clause>& clauses) const {
    std::vector<Condition> conditions;
    for (const auto& clause : clauses) {
      if (truth_of(clause, facts_, sets()) != Truth::yes) conditions.push_back({of.id, sentence(clause), found_text(clause)});
    }
    return conditions;
  }

  /// What would make `permit` apply.
  [[nodiscard]] std::vector<Condition> missing_for(const Rule& permit) const {
    auto conditions = failing(permit, permit.when);
    if (!permit.unless.empty() && failing(permit, permit.unless).empty()) {
      std::vector<std::string> parts;
      for (const auto& clause : permit.unless) parts.push_back(sentence(clause));
      conditions.push_back({permit.id, "it is not so that " + conjunction(parts), "it is so"});
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
  [[nodiscard]] Distance distance_to(const Rule& permit) const {
    Distance distance;
    for (const auto& clause : permit.when) {
      const auto truth = truth_of(clause, facts_, sets());
      if (truth == Truth::yes) continue;
      ++distance.conditions;
      const bool of_data = clause.attribute == Attribute::dataset_labels || clause.attribute == Attribute::project_labels;
      if (of_data && truth == Truth::no) ++distance.other_kinds;
    }
    const bool lifted = !permit.unless.empty() && std::ranges::all_of(permit.unless, [&](const Clause& clause) {
      return truth_of(clause, facts_, sets()) == Truth::yes;
    });
    if (lifted) ++distance.conditions;
    return distance;
  }

  void add_conditions(Explanation& out) const {
    std::vector<Condition> needed;
    bool permitted = false;
    const Rule* nearest = nullptr;
    Distance nearest_distance;
    for (const auto i : indices()) {
      const auto stand = stands_.of_rule[i];
      if (stand == Stand::not_asked) continue;
      if (rule(i).effect == Effect::permit) {
        permitted = permitted || stand == Stand::applies;
        if (permitted) continue;  // another permit is not what it lacks
        const auto distance = distance_to(rule(i));
        if (nearest == nullptr || distance < nearest_distance) {
          nearest = &rule(i);
          nearest_distance = distance;
        }
      } else if (stand == Stand::applies || stand == Stand::undecided) {
        auto lifts = failing(rule(i), rule(i).unless);
        if (stand == Stand::undecided && rule(i).unless.empty()) lifts = unknown_parts(rule(i));
        if (lifts.empty()) return;  // nothing lifts this one
        needed.insert(needed.end(), lifts.begin(), lifts.end());
      }
    }
    if (!permitted) {
      if (nearest == nullptr) return;
      auto lacks = missing_for(*nearest);
      needed.insert(needed.begin(), std::make_move_iterator(lacks.begin()), std::make_move_iterator(lacks.end()));
    }
    out.allowed_if = std::move(needed);
  }

  /// Of a forbid without `unless`: what would have to be known, and otherwise.
  [[nodiscard]] std::vector<Condition> unknown_parts(const Rule& forbid) const {
    std::vector<Condition> conditions;
    for (const auto& clause : forbid.when) {
      if (truth_of(clause, facts_, sets()) == Truth::unknown)
        conditions.push_back({forbid.id, "it is not so that " + sentence(clause), found_text(clause)});
    }
    return conditions;
  }

  const RuleSet& rules_;
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

std::string sentence_for(const Explanation& why, Action action) {
  const auto what = std::string(to_string(action)) + (why.dataset.empty() ? "" : " of dataset " + why.dataset);
  std::string text;
  switch (why.code) {
    case Code::permitted: return what + " is permitted by " + names_of(why.applied, Effect::permit) + ".";
    case Code::no_permit: text = what + " is denied: no rule permits it."; break;
    case Code::forbidden:
      text = what + " is forbidden by " + names_of(why.applied, Effect::forbid) + ":";
      for (const auto& rule : why.applied) {
        if (rule.effect == Effect::forbid) text += " " + rule.sentence;
      }
      break;
    case Code::evidence_missing: {
      std::vector<std::string> lacking;
      for (const auto& fact : why.facts) {
        if (std::ranges::find(why.lacking, fact.attribute) != why.lacking.end())
          lacking.push_back(std::string(record_of(fact.attribute).name) + " (" + std::string(to_string(fact.state)) + ")");
      }
      text = what + " is denied because evidence is missing: " + conjunction(lacking) + ".";
      break;
    }
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

Explanation explain(const RuleSet& rules, Action action, const Bound& job, const Bound& site, std::span<const Bound> datasets) {
  Explanation why;
  const auto verdict = rules.decide(action, job, site, datasets);
  why.code = verdict.code;
  why.policy_hash = rules.hash();
  if (datasets.empty()) {
    Question(rules, action, job, site, nullptr).add_to(why);
  } else if (verdict.dataset == kNoDataset) {
    for (const auto& dataset : datasets) Question(rules, action, job, site, &dataset).add_to(why);
  } else {
    const auto& dataset = datasets[verdict.dataset];
    const auto id = find_fact(dataset.evidence(), Attribute::dataset_id, dataset.now());
    why.dataset = id.state == FactState::known ? text_of(id.fact->value) : "number " + std::to_string(verdict.dataset + 1);
    Question(rules, action, job, site, &dataset).add_to(why);
  }
  why.sentence = sentence_for(why, action);
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
              {"source", to_string(fact.source)}};
    if (fact.age) told["age_s"] = fact.age->count();
    json["facts"].push_back(std::move(told));
  }
  for (const auto& [rule, wanted, found] : why.allowed_if)
    json["allowed_if"].push_back({{"rule", rule}, {"wanted", wanted}, {"found", found}});
  return json;
}

}  // namespace hansa::rules
