// SPDX-License-Identifier: Apache-2.0
// What must hold of any rules and any evidence, on random federations: 200 rule sets of each kind, 150 questions to each.
#include "policies/rules/diff.hpp"
#include "tests/unit/rules/random_rules.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <algorithm>

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

namespace {

constexpr int kPlainSets = 200;
constexpr int kQuestions = 150;

RuleSet compiled(Pack pack) {
  auto rules = RuleSet::compile({std::move(pack)});
  if (!rules) throw std::runtime_error(rules.error().message);
  return std::move(*rules);
}

/// `each(random, pack)` for many seeds; a failure shows its seed.
template <typename Each>
void for_all_packs(const char* what, Each each) {
  const bool held = rc::check(what, [&] {
    for (int i = 0; i < kPlainSets / 100; ++i) {
      const auto seed = *rc::gen::arbitrary<std::uint64_t>();
      RC_LOG() << "seed " << seed << "\n";
      RandomRules random(seed);
      auto pack = random.pack(1 + random.below(random.chance(10) ? 150 : 40));  // of several words of bits, too
      each(random, pack);
    }
  });
  CHECK(held);
}

/// The decision as its definition reads, clause by clause.
Code plain_code(const Pack& pack, const Question& question, const Evidence* dataset) {
  const FactView facts(question.job, question.site, dataset, question.now);
  bool permitted = false, perhaps = false, forbidden = false, perhaps_forbidden = false;
  for (const auto& rule : pack.rules) {
    const auto over = [&](const std::optional<UtcTime>& until) { return until && *until <= question.now; };
    if (!rule.covers(question.action) || (rule.effective_from && *rule.effective_from > question.now) ||
        over(rule.effective_until))
      continue;
    const bool about = rule.about_datasets();
    if (about && dataset == nullptr) continue;
    if (rule.effect == Effect::permit && (about != (dataset != nullptr) || over(rule.basis_until))) continue;
    const auto stand = applies(rule, facts, random_set);
    auto& sure = rule.effect == Effect::permit ? permitted : forbidden;
    auto& unsure = rule.effect == Effect::permit ? perhaps : perhaps_forbidden;
    sure = sure || stand == Truth::yes;
    unsure = unsure || stand == Truth::unknown;
  }
  if (forbidden) return Code::forbidden;
  if (perhaps_forbidden) return Code::evidence_missing;
  if (permitted) return Code::permitted;
  return perhaps ? Code::evidence_missing : Code::no_permit;
}

Verdict plain_verdict(const Pack& pack, const Question& question) {
  if (question.datasets.empty()) return {.code = plain_code(pack, question, nullptr)};
  for (std::size_t i = 0; i < question.datasets.size(); ++i) {
    const auto code = plain_code(pack, question, &question.datasets[i]);
    if (code != Code::permitted) return {.code = code, .dataset = i};
  }
  return {.code = Code::permitted};
}

Explanation why(const RuleSet& rules, const Question& question) {
  const auto job = rules.bind(Subject::job, question.job, question.now);
  const auto site = rules.bind(Subject::site, question.site, question.now);
  std::vector<Bound> datasets;
  for (const auto& dataset : question.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, question.now));
  return explain(rules, question.action, job, site, datasets);
}

}  // namespace

TEST_CASE("compiled rules decide as their definition reads") {
  std::size_t permitted = 0;
  std::size_t asked = 0;
  for_all_packs("compiled as defined", [&](RandomRules& random, const Pack& pack) {
    const auto rules = compiled(pack);
    for (int i = 0; i < kQuestions; ++i) {
      const auto question = random_question(random);
      const auto verdict = ask(rules, question);
      RC_ASSERT(verdict == plain_verdict(pack, question));
      permitted += verdict.allowed() ? 1 : 0;
      ++asked;
    }
  });
  // The questions are no waste of time: both answers are frequent.
  CHECK(permitted > asked / 50);
  CHECK(permitted < asked - asked / 50);
}

TEST_CASE("the order of rules and sets changes neither decisions nor explanations nor the hash; that of clauses no decision") {
  for_all_packs("order means nothing", [](RandomRules& random, const Pack& pack) {
    const auto shuffle = [&](auto& items) {
      for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
    };
    auto other = pack;
    shuffle(other.rules);
    shuffle(other.sets);
    auto turned = other;
    for (auto& rule : turned.rules) {
      shuffle(rule.when);
      shuffle(rule.unless);
    }
    const auto one = compiled(pack);
    const auto two = compiled(other);
    const auto three = compiled(turned);
    RC_ASSERT(one.hash() == two.hash());
    RC_ASSERT(one.hash() == three.hash());
    for (int i = 0; i < kQuestions; ++i) {
      const auto question = random_question(random);
      RC_ASSERT(why(one, question) == why(two, question));
      RC_ASSERT(ask(one, question) == ask(three, question));
    }
  });
}

TEST_CASE("what a verdict needs of an explanation is what the whole one says") {
  for_all_packs("verdicts and explanations", [](RandomRules& random, const Pack& pack) {
    const auto rules = compiled(pack);
    for (int i = 0; i < kQuestions / 5; ++i) {
      const auto question = random_question(random);
      const auto job = rules.bind(Subject::job, question.job, question.now);
      const auto site = rules.bind(Subject::site, question.site, question.now);
      std::vector<Bound> datasets;
      for (const auto& dataset : question.datasets) datasets.push_back(rules.bind(Subject::dataset, dataset, question.now));
      const auto all = explain(rules, question.action, job, site, datasets);
      const auto few = explain(rules, question.action, job, site, datasets, Told::verdict);
      const auto names = [](const std::vector<AppliedRule>& applied) {
        std::vector<std::pair<std::string, Effect>> names;
        for (const auto& rule : applied) names.emplace_back(rule.rule, rule.effect);
        return names;
      };
      RC_ASSERT(few.code == all.code);
      RC_ASSERT(few.dataset == all.dataset);
      RC_ASSERT(names(few.applied) == names(all.applied));
      RC_ASSERT(names(few.undecided) == names(all.undecided));
      RC_ASSERT(few.lacking == all.lacking);
      RC_ASSERT(few.obligations == all.obligations);
      if (all.code != Code::permitted) RC_ASSERT(few.sentence == all.sentence);
    }
  });
}

TEST_CASE("each clause is as true as its definition reads") {
  for_all_packs("truths of clauses", [](RandomRules& random, const Pack& pack) {
    const auto rules = compiled(pack);
    for (int i = 0; i < kQuestions / 15; ++i) {
      const auto question = random_question(random);
      const auto job = rules.bind(Subject::job, question.job, question.now);
      const auto site = rules.bind(Subject::site, question.site, question.now);
      std::optional<Bound> dataset;
      if (!question.datasets.empty()) dataset = rules.bind(Subject::dataset, question.datasets[0], question.now);
      const FactView facts(question.job, question.site, dataset ? &question.datasets[0] : nullptr, question.now);
      for (std::size_t r = 0; r < rules.rules().size(); ++r) {
        const auto& rule = rules.rules()[r];
        const auto& written = rules.written(r);
        RC_ASSERT(written.when.size() == rule.when.size());
        RC_ASSERT(written.unless.size() == rule.unless.size());
        for (std::size_t c = 0; c < rule.when.size(); ++c) {
          RC_ASSERT(same(rules.clause(written.when[c]), rule.when[c]));
          RC_ASSERT(rules.truth_of(written.when[c], job, site, dataset ? &*dataset : nullptr) ==
                    truth_of(rule.when[c], facts, random_set));
        }
        for (std::size_t c = 0; c < rule.unless.size(); ++c) {
          RC_ASSERT(same(rules.clause(written.unless[c]), rule.unless[c]));
          RC_ASSERT(rules.truth_of(written.unless[c], job, site, dataset ? &*dataset : nullptr) ==
                    truth_of(rule.unless[c], facts, random_set));
        }
      }
    }
  });
}

TEST_CASE("one more forbid never permits") {
  for_all_packs("forbid narrows", [](RandomRules& random, const Pack& pack) {
    auto more = pack;
    auto forbid = random.rule(1000);
    forbid.effect = Effect::forbid;
    more.rules.push_back(forbid);
    const auto before = compiled(pack);
    const auto after = compiled(more);
    for (int i = 0; i < kQuestions; ++i) {
      const auto question = random_question(random);
      if (!ask(before, question).allowed()) RC_ASSERT_FALSE(ask(after, question).allowed());
    }
  });
}

TEST_CASE("less evidence never permits, and worse evidence is as none") {
  for_all_packs("evidence", [](RandomRules& random, const Pack& pack) {
    const auto rules = compiled(pack);
    for (int i = 0; i < kQuestions; ++i) {
      const auto question = random_question(random);
      auto less = question;
      std::vector<Evidence*> subjects{&less.job, &less.site};
      for (auto& dataset : less.datasets) subjects.push_back(&dataset);
      auto& from = *subjects[random.below(subjects.size())];
      if (from.empty()) continue;
      auto worse = less;
      const auto at = static_cast<std::ptrdiff_t>(random.below(from.size()));
      const auto attribute = from[static_cast<std::size_t>(at)].attribute;
      if (std::ranges::count(from, attribute, &Fact::attribute) > 1) continue;  // told twice: once would be more evidence
      from.erase(from.begin() + at);
      const auto verdict = ask(rules, less);
      if (!ask(rules, question).allowed()) RC_ASSERT_FALSE(verdict.allowed());
      for (auto* subject : {&worse.job, &worse.site}) {
        for (auto& fact : *subject) {
          if (fact.attribute == attribute) fact.observed_at = question.now - Seconds{400 * 86'400};
        }
      }
      if (record_of(attribute).subject != Subject::dataset && record_of(attribute).max_age > Seconds{0})
        RC_ASSERT(ask(rules, worse) == verdict);
    }
  });
}

TEST_CASE("a rule set and itself differ in nothing; two differ in exactly the answers that their definitions give differently") {
  constexpr Action kAll[] = {Action::intake,  Action::place,     Action::stage_in,  Action::dispatch,
                             Action::reroute, Action::stage_out, Action::log_export};
  std::size_t changed = 0;
  for_all_packs("differences", [&](RandomRules& random, const Pack& pack) {
    auto edited = pack;
    auto& rule = edited.rules[random.below(edited.rules.size())];
    const auto id = rule.id;
    rule = random.rule(0);
    rule.id = id;
    const auto before = compiled(pack), same = compiled(pack), after = compiled(edited);
    for (int i = 0; i < kQuestions / 8; ++i) {  // explanations are slow
      auto question = random_question(random);
      RC_ASSERT(Retrial(before, same, question.now, question.job, question.datasets).at(question.site, kAll).empty());
      const auto answers = Retrial(before, after, question.now, question.job, question.datasets).at(question.site, kAll);
      std::size_t told = 0;
      for (const auto action : kAll) {
        question.action = action;
        const auto was = plain_verdict(pack, question).code, is = plain_verdict(edited, question).code;
        if (was == is && (is != Code::permitted || why(before, question).obligations == why(after, question).obligations))
          continue;
        RC_ASSERT(told < answers.size());
        RC_ASSERT(answers[told].action == action);
        RC_ASSERT(answers[told].before.code == was);
        RC_ASSERT(answers[told].after.code == is);
        ++told;
      }
      RC_ASSERT(told == answers.size());
      changed += told;
    }
  });
  CHECK(changed > 0);
}
