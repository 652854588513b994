// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one clause says of the evidence, the plain way: true, false, or unknown. The compiled rule set says the same faster.

#include "policies/rules/domain.hpp"

namespace hansa::rules {

enum class Truth : std::uint8_t { no, yes, unknown };

/// The facts of one question, whoever they are about. The evidence must outlive it.
class FactView {
 public:
  /// `dataset`: null for a job without datasets.
  FactView(const Evidence& job, const Evidence& site, const Evidence* dataset, UtcTime now)
      : job_(&job), site_(&site), dataset_(dataset), clock_{Attribute::now, now, Source::clock, now}, now_(now) {}

  [[nodiscard]] FoundFact find(Attribute attribute) const;
  [[nodiscard]] UtcTime now() const { return now_; }

 private:
  const Evidence* job_;
  const Evidence* site_;
  const Evidence* dataset_;
  Fact clock_;
  UtcTime now_;
};

/// Of a clause that compares two facts, with the values of both.
bool compare(Op op, const Value& seen, const Value& with);

Truth truth_of(const Clause& clause, const FactView& facts, const FindSet& sets);

/// Whether a rule applies: `when` holds, and not all of `unless` (Kleene's three values).
Truth applies(const Rule& rule, const FactView& facts, const FindSet& sets);

}  // namespace hansa::rules
