// SPDX-License-Identifier: Apache-2.0
#pragma once
// Rule packs together, compiled: what a decision needs is a few words of bits for each subject, and their union.
//
// Semantics (Cedar's): what no rule permits is denied, one forbid that applies beats every permit, order means nothing. Evidence
// that is missing, stale, ill-typed or from the wrong source is neither true nor false: a forbid that may apply denies, a permit
// that may apply does not permit, both with EVIDENCE_MISSING. A job with datasets is asked about once for each of them, and each
// must be allowed; there only a permit that asks about the dataset permits. Pure: no clock, no I/O, no state.

#include "broker/core/error.hpp"
#include "policies/rules/truth.hpp"

#include <array>
#include <bit>
#include <map>
#include <span>

namespace hansa::rules {

inline constexpr std::size_t kNoDataset = SIZE_MAX;

struct Verdict {
  Code code = Code::no_permit;
  std::size_t dataset = kNoDataset;  // the first that is not allowed
  [[nodiscard]] bool allowed() const { return code == Code::permitted; }
  friend bool operator==(const Verdict&, const Verdict&) = default;
};

/// One subject's evidence, looked at once. Refers to the evidence, which must outlive it, and to the rule set it was made by.
/// Valid for the instant it was made for: evidence grows old.
class Bound {
 public:
  [[nodiscard]] const Evidence& evidence() const { return *evidence_; }
  [[nodiscard]] UtcTime now() const { return now_; }

 private:
  friend class RuleSet;
  const Evidence* evidence_ = nullptr;
  UtcTime now_{};
  std::vector<const Value*> compared_;  // known facts that rules compare with others, each in its place
  std::vector<Truth> truths_;           // by clause; unknown of those that ask somebody else
  /// Rules whose `when` is false, unknown, whose `unless` is false, unknown; of a job: that are in effect.
  std::vector<std::uint64_t> words_;
};

/// A bit a rule, by the rules' order. As many words as a rule set has count, the others hold nothing.
using RuleBits = std::array<std::uint64_t, kMostRules / 64>;

class RuleSet {
 public:
  RuleSet(RuleSet&&) = default;
  RuleSet& operator=(RuleSet&&) = default;
  RuleSet(const RuleSet&) = delete;  // large, and Bounds belong to one
  RuleSet& operator=(const RuleSet&) = delete;

  /// Faults (BAD_RULE_PACK): a rule's or pack's id that another has, a set that two packs fill differently, too many rules.
  static Result<RuleSet> compile(std::vector<Pack> packs);

  [[nodiscard]] const std::string& hash() const { return hash_; }  // policy_hash of the packs
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }  // by id
  [[nodiscard]] const Pack& pack_of(std::size_t rule) const { return packs_[pack_of_rule_[rule]]; }
  [[nodiscard]] std::span<const Pack> packs() const { return packs_; }
  [[nodiscard]] const ValueSet& find_set(const std::string& id) const { return sets_.at(id); }

  // What is written in them. Rules often say the same: a clause has one number, in whichever rules it stands.
  struct Written {
    std::string sentence;
    std::string pack;                        // "gdpr-eea 1.0.0"
    std::vector<std::uint32_t> when, unless;  // numbers of clauses
  };
  [[nodiscard]] const Written& written(std::size_t rule) const { return written_[rule]; }
  [[nodiscard]] const Clause& clause(std::uint32_t number) const { return *clauses_[number].clause; }
  [[nodiscard]] const std::string& sentence_of(std::uint32_t number) const { return clauses_[number].sentence; }
  [[nodiscard]] bool any_obligations() const { return any_obligations_; }
  /// Numbers of the clauses that say what the data or the project are, by their labels; rising.
  [[nodiscard]] std::span<const std::uint32_t> clauses_on_kind() const { return on_kind_; }
  /// Rules that have it in `when`: words() of them.
  [[nodiscard]] std::span<const std::uint64_t> rules_when(std::uint32_t clause) const {
    return std::span(clauses_[clause].rules).first(width_);
  }

  [[nodiscard]] Bound bind(Subject subject, const Evidence& evidence, UtcTime now) const;

  /// All Bounds of the same instant. No allocation, no text but where rules compare ids of two facts.
  [[nodiscard]] Verdict decide(Action action, const Bound& job, const Bound& site, std::span<const Bound> datasets) const;

  /// How the rules stand to one question. Of a job without datasets: dataset = null.
  enum class Stand : std::uint8_t { not_asked, does_not_apply, applies, undecided, lifted };
  struct Stands {
    Code code = Code::no_permit;
    RuleBits permits, forbids;            // that are asked; of these:
    RuleBits applies, undecided, lifted;  // lifted: `when` holds, and all of `unless` does
    [[nodiscard]] Stand of_rule(std::size_t rule) const;
  };
  [[nodiscard]] Stands stands(Action action, const Bound& job, const Bound& site, const Bound* dataset) const;
  [[nodiscard]] Truth truth_of(std::uint32_t clause, const Bound& job, const Bound& site, const Bound* dataset) const {
    const auto& known = clauses_[clause];
    if (known.cross != kNoCross) return truth_of(cross_[known.cross], job, site, dataset);
    const auto* asked = known.subject == Subject::job ? &job : known.subject == Subject::site ? &site : dataset;
    return asked == nullptr ? Truth::unknown : asked->truths_[clause];
  }

  [[nodiscard]] std::size_t words() const { return width_; }  // of RuleBits that count
  template <typename Each>
  void each_rule(const RuleBits& rules, Each each) const {
    for (std::size_t word = 0; word < width_; ++word) {
      for (auto left = rules[word]; left != 0; left &= left - 1)
        each(word * 64 + static_cast<std::size_t>(std::countr_zero(left)));
    }
  }

 private:
  static constexpr std::size_t kNoCross = SIZE_MAX;
  struct KnownClause {
    const Clause* clause = nullptr;  // in rules_
    std::string sentence;
    Subject subject{};
    std::size_t cross = kNoCross;      // in cross_, if it compares two facts
    std::vector<std::uint64_t> rules;  // that have it in `when`, that have it in `unless`
  };
  struct NamedCells {
    std::uint32_t clause = 0;
    Bits named;
  };
  /// The clauses on one attribute: each is evaluated once, for all rules that have it.
  struct Table {
    Attribute attribute{};
    Domain domain;
    std::vector<std::uint64_t> cells;  // of a single value: for each cell, rules whose `when`, whose `unless` is false there
    std::vector<NamedCells> clauses;
    std::vector<std::uint64_t> asking;  // rules that ask about it in `when`, in `unless`
  };
  struct CrossClause {
    std::uint32_t clause = 0;
    std::size_t seen_place = 0, with_place = 0;  // in Bound::compared_
  };
  struct Judged;

  RuleSet() = default;
  void compile_clauses();
  void compile_tables();
  void compile_masks();
  std::size_t place_of(Attribute compared);
  [[nodiscard]] Truth truth_of(const CrossClause& clause, const Bound& job, const Bound& site, const Bound* dataset) const;
  void add_cross(std::uint64_t* words, const Bound& job, const Bound& site, const Bound* dataset) const;
  [[nodiscard]] Judged judge(Action action, bool about_dataset, const std::uint64_t* words, const std::uint64_t* in_effect,
                             std::size_t word) const;
  [[nodiscard]] Code code_of(Action action, bool about_dataset, const std::uint64_t* words, const std::uint64_t* in_effect) const;

  std::string hash_;
  std::vector<Pack> packs_;
  std::vector<Rule> rules_;
  std::vector<std::size_t> pack_of_rule_;
  std::map<std::string, ValueSet> sets_;
  std::size_t width_ = 0;  // words for one bit a rule
  std::vector<Written> written_;  // by the rules' order
  std::vector<KnownClause> clauses_;
  std::vector<std::uint32_t> on_kind_;  // numbers of clauses
  bool any_obligations_ = false;
  std::vector<Table> tables_;
  std::vector<CrossClause> cross_;
  std::vector<Attribute> compared_;  // by their place
  std::vector<std::uint64_t> with_unless_;
  // By action, then whether a dataset is asked about.
  std::array<std::array<std::vector<std::uint64_t>, 2>, kActions> permits_, forbids_;
};

}  // namespace hansa::rules
