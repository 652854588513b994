// SPDX-License-Identifier: Apache-2.0
#pragma once
// The tests that a pack carries: what it says must be so, and whether every rule is seen applying and not applying.

#include "policies/rules/explain.hpp"

namespace hansa::rules {

struct TestOutcome {
  std::string name;
  std::uint32_t line = 0;
  std::vector<std::string> wrong;  // empty: passed
  Explanation explanation;
};

struct RuleCoverage {
  std::string rule;
  std::uint32_t line = 0;
  bool applies = false;            // in some test
  bool holds_back = false;         // in some test that asks it
};

struct TestReport {
  std::vector<TestOutcome> tests;  // in the order of the file
  std::vector<RuleCoverage> coverage;
  [[nodiscard]] std::size_t failed() const;
  /// A fault for each test that fails and each rule that is not seen both ways; where = "file:line: key".
  [[nodiscard]] std::vector<Fault> faults(const Pack& pack) const;
};

/// Of one pack, alone: what other packs say does not count.
Result<TestReport> run_tests(const Pack& pack);

/// The facts of a test as evidence of that moment, each from the source it must come from.
Evidence evidence_of(const std::vector<Given>& given, const std::vector<Attribute>& stale, UtcTime now);

}  // namespace hansa::rules
