// SPDX-License-Identifier: Apache-2.0
// print_rules_cases SEED: 250 random rule sets and 100 questions to each, with our answers. One JSON document a line, a rule set
// each.
#include "tests/integration/rules_cedar/cedar_text.hpp"

#include <cstdlib>
#include <iostream>

using namespace hansa;
using namespace hansa::rules;
using namespace hansa::rules::test;

int main(int argc, char** argv) {
  const auto seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
  for (std::uint64_t i = 0; i < 250; ++i) {
    RandomRules random(seed * 1000 + i);
    const auto pack = random.pack(1 + random.below(16));
    const auto rules = RuleSet::compile({pack});
    if (!rules) return 1;
    Json set{{"policies", cedar_policies(pack)}, {"questions", Json::array()}};
    for (int k = 0; k < 100; ++k) {
      const auto question = random_question(random);
      set["questions"].push_back({{"action", to_string(question.action)},
                                  {"contexts", cedar_contexts(question)},
                                  {"allowed", ask(*rules, question).allowed()}});
    }
    std::cout << set.dump() << '\n';
  }
  return std::cout.good() ? 0 : 1;
}
