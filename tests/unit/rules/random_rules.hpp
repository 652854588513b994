// SPDX-License-Identifier: Apache-2.0
#pragma once
// Random packs and evidence from small pools of values, so that rules meet. Seeded: a seed that fails is the test case.

#include "policies/rules/rule_set.hpp"

#include <random>

namespace hansa::rules::test {

class RandomRules {
 public:
  explicit RandomRules(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  bool chance(unsigned percent) { return random_() % 100 < percent; }
  template <typename T>
  T one_of(const std::vector<T>& values) {
    return values[below(values.size())];
  }

  /// With comparisons of two facts, unless told otherwise.
  Clause clause(bool request_too, bool cross = true);
  Rule rule(std::size_t number, bool cross = true);
  Pack pack(std::size_t rules, bool cross = true);

  Value value(const AttributeRecord& record);
  /// Of one subject: most facts there and good, some missing, stale, from the future, ill-typed, from somebody else or told
  /// twice.
  Evidence evidence(Subject subject);

  [[nodiscard]] UtcTime now() const { return now_; }

 private:
  std::string text(Type member, const AttributeRecord& record);
  Scalar scalar(const AttributeRecord& record);

  std::mt19937_64 random_;
  UtcTime now_ = from_unix_seconds(1'800'000'000);
};

/// The sets that random rules name.
const ValueSet& random_set(const std::string& id);

/// A random question to a rule set.
struct Question {
  Action action{};
  UtcTime now{};
  Evidence job, site;
  std::vector<Evidence> datasets;
};
Question random_question(RandomRules& random, std::size_t most_datasets = 3);
Verdict ask(const RuleSet& rules, const Question& question);

}  // namespace hansa::rules::test
