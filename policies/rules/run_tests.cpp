// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/run_tests.hpp"

#include <algorithm>

namespace hansa::rules {
namespace {

std::string names_of(const std::vector<Attribute>& attributes) {
  std::string text;
  for (const auto attribute : attributes) text += (text.empty() ? "" : ", ") + std::string(record_of(attribute).name);
  return attributes.empty() ? "nothing" : text;
}

std::string obligations_text(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all += (all.empty() ? "" : ", ") + text;
  return texts.empty() ? "none" : all;
}

/// What a test asks, bound to a rule set.
class Case {
 public:
  Case(const RuleSet& rules, const PackTest& test) : rules_(rules), test_(test) {
    std::vector<Given> of_job;
    std::vector<Given> of_site;
    for (const auto& fact : test.given) (record_of(fact.attribute).subject == Subject::site ? of_site : of_job).push_back(fact);
    job_ = evidence_of(of_job, test.stale, test.now);
    site_ = evidence_of(of_site, test.stale, test.now);
    for (const auto& dataset : test.datasets) datasets_.push_back(evidence_of(dataset, test.stale, test.now));
    bound_job_ = rules.bind(Subject::job, job_, test.now);
    bound_site_ = rules.bind(Subject::site, site_, test.now);
    for (const auto& dataset : datasets_) bound_datasets_.push_back(rules.bind(Subject::dataset, dataset, test.now));
  }
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;

  [[nodiscard]] TestOutcome outcome() const {
    TestOutcome outcome{.name = test_.name, .line = test_.line};
    outcome.explanation = explain(rules_, test_.action, bound_job_, bound_site_, bound_datasets_);
    const auto& why = outcome.explanation;
    const auto wrong = [&](std::string what) { outcome.wrong.push_back(std::move(what)); };
    if (why.code != test_.expect) wrong("expected " + std::string(to_string(test_.expect)) + ", but " + why.sentence);
    for (const auto& id : test_.because) {
      if (std::ranges::find(why.applied, id, &AppliedRule::rule) == why.applied.end())
        wrong("expected that " + id + " applies; it does not");
    }
    for (const auto& id : test_.silent) {
      if (std::ranges::find(why.applied, id, &AppliedRule::rule) != why.applied.end())
        wrong("expected that " + id + " does not apply; it does");
    }
    if (!test_.lacking.empty() && why.lacking != test_.lacking) {
      wrong("expected lacking evidence: " + names_of(test_.lacking) + "; lacking: " + names_of(why.lacking));
    }
    if (test_.obligations && why.obligations != *test_.obligations) {
      wrong("expected obligations: " + obligations_text(*test_.obligations) + "; found: " + obligations_text(why.obligations));
    }
    return outcome;
  }

  void add_to(std::vector<RuleCoverage>& coverage) const {
    std::vector<const Bound*> subjects;
    for (const auto& dataset : bound_datasets_) subjects.push_back(&dataset);
    if (subjects.empty()) subjects.push_back(nullptr);
    for (const auto* dataset : subjects) {
      const auto stands = rules_.stands(test_.action, bound_job_, bound_site_, dataset);
      for (auto& rule : coverage) {
        const auto at = std::ranges::find(rules_.rules(), rule.rule, &Rule::id) - rules_.rules().begin();
        const auto stand = stands.of_rule(static_cast<std::size_t>(at));
        rule.applies = rule.applies || stand == RuleSet::Stand::applies;
        rule.holds_back = rule.holds_back || stand == RuleSet::Stand::does_not_apply || stand == RuleSet::Stand::lifted;
      }
    }
  }

 private:
  const RuleSet& rules_;
  const PackTest& test_;
  Evidence job_, site_;
  std::vector<Evidence> datasets_;
  Bound bound_job_, bound_site_;
  std::vector<Bound> bound_datasets_;
};

}  // namespace

Evidence evidence_of(const std::vector<Given>& given, const std::vector<Attribute>& stale, UtcTime now) {
  Evidence evidence;
  for (const auto& [attribute, value] : given) {
    const auto& record = record_of(attribute);
    const bool old = std::ranges::find(stale, attribute) != stale.end();
    evidence.push_back({attribute, value, record.source, old ? now - record.max_age - Seconds{1} : now});
  }
  return evidence;
}

std::size_t TestReport::failed() const {
  return static_cast<std::size_t>(std::ranges::count_if(tests, [](const TestOutcome& test) { return !test.wrong.empty(); }));
}

std::vector<Fault> TestReport::faults(const Pack& pack) const {
  std::vector<Fault> faults;
  const auto tell = [&](std::uint32_t line, const std::string& key, std::string message) {
    faults.push_back({pack.file + ":" + std::to_string(line) + ": " + key, std::move(message)});
  };
  for (const auto& test : tests) {
    for (const auto& wrong : test.wrong) tell(test.line, "test[" + test.name + "]", wrong);
  }
  for (const auto& rule : coverage) {
    if (!rule.applies)
      tell(rule.line, "rule[" + rule.rule + "]", "applies in no test of the pack; write a test in which it does");
    if (!rule.holds_back)
      tell(rule.line, "rule[" + rule.rule + "]",
           "is in no test of the pack seen not to apply; write a test in which it does not");
  }
  return faults;
}

Result<TestReport> run_tests(const Pack& pack) {
  auto rules = RuleSet::compile({pack});
  if (!rules) return std::unexpected(rules.error());
  TestReport report;
  for (const auto& rule : pack.rules) report.coverage.push_back({rule.id, rule.line});
  for (const auto& test : pack.tests) {
    const Case one(*rules, test);
    report.tests.push_back(one.outcome());
    one.add_to(report.coverage);
  }
  return report;
}

}  // namespace hansa::rules
