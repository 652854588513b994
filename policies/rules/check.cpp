// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/check.hpp"

#include "broker/core/time_text.hpp"
#include "policies/rules/fields.hpp"
#include "policies/rules/label_service.hpp"
#include "policies/rules/region.hpp"
#include "policies/rules/sentence.hpp"

#include <set>

namespace hansa::rules {
namespace {

std::string path_of(const Rule& rule, std::string_view key = {}) {
  return "rule[" + rule.id + "]" + (key.empty() ? "" : "." + std::string(key));
}

/// A rule and where it stands.
struct Placed {
  const Pack* pack = nullptr;
  const Rule* rule = nullptr;
  Region when;
};

std::string named(const Placed& placed, const Pack& seen_from) {
  return placed.rule->id + (placed.pack == &seen_from ? "" : " (" + placed.pack->file + ")");
}

class RuleCheck {
 public:
  RuleCheck(const Domains& domains, const Placed& placed, Findings& findings)
      : domains_(domains), rule_(*placed.rule), findings_(findings) {}

  void run() {
    check_clauses(rule_.when, "when");
    check_clauses(rule_.unless, "unless");
    if (rule_.effect == Effect::permit && rule_.when.empty()) {
      fault("when", "is missing: the rule would permit " +
                        std::string(rule_.unless.empty() ? "everything" : "nearly everything") + "; say what it permits");
    }
    const Region when(domains_, rule_.when);
    if (const auto attribute = when.contradiction()) {
      fault("when", "can never hold: its clauses on " + name(*attribute) +
                        " contradict each other, so the rule is unreachable; "
                        "correct them or remove the rule");
      return;
    }
    if (rule_.unless.empty()) return;
    if (const auto attribute = Region(domains_, rule_.unless).contradiction()) {
      fault("unless", "can never hold: its clauses on " + name(*attribute) + " contradict each other (all of them must hold)");
      return;
    }
    if (when.implies(rule_.unless)) {
      fault("unless",
            "holds wherever `when` does, so the rule can never apply: it is unreachable; correct it or remove the rule");
      return;
    }
    auto both = when;
    for (const auto& clause : rule_.unless) both.add(clause);
    if (const auto attribute = both.contradiction()) {
      fault("unless",
            "can never hold where `when` does (" + name(*attribute) + "), so it lifts nothing; correct it or remove it");
    }
  }

 private:
  static std::string name(Attribute attribute) { return std::string(record_of(attribute).name); }
  void fault(std::string_view key, std::string message) { findings_.add(rule_.line, path_of(rule_, key), std::move(message)); }

  void check_clauses(const std::vector<Clause>& clauses, std::string_view key) {
    for (std::size_t i = 0; i < clauses.size(); ++i) {
      const auto& clause = clauses[i];
      const auto where = path_of(rule_, key) + "[" + std::to_string(i) + "]";
      const auto tell = [&](std::string message) {
        findings_.add(clause.line, where, "\"" + sentence(clause) + "\" " + std::move(message));
      };
      std::vector<Clause> others = clauses;
      others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
      const bool again = std::ranges::any_of(others.begin(), others.begin() + static_cast<std::ptrdiff_t>(i),
                                             [&](const Clause& other) { return same(other, clause); });
      if (again)
        tell("stands here twice; remove one of them");
      else if (Region(domains_, {clause}).empty())
        tell("is always false; correct it");
      else if (Region(domains_, {}).implies(clause))
        tell("is always true, so it says nothing; remove it or correct it");
      else if (const Region rest(domains_, others); !rest.empty() && rest.implies(clause) && !repeated_later(clauses, i))
        tell("follows from the other clauses, so it says nothing; remove it or correct it");
    }
  }

  static bool repeated_later(const std::vector<Clause>& clauses, std::size_t i) {
    return std::any_of(clauses.begin() + static_cast<std::ptrdiff_t>(i) + 1, clauses.end(),
                       [&](const Clause& other) { return same(other, clauses[i]); });
  }

  const Domains& domains_;
  const Rule& rule_;
  Findings& findings_;
};

bool equal_clauses(const std::vector<Clause>& a, const std::vector<Clause>& b) {
  return a.size() == b.size() && std::ranges::all_of(a, [&](const Clause& clause) {
           return std::ranges::any_of(b, [&](const Clause& other) { return same(clause, other); });
         });
}

void check_pair(const Placed& mine, const Placed& other, Findings& findings) {
  const auto& rule = *mine.rule;
  const auto& with = *other.rule;
  if (mine.when.empty() || other.when.empty()) return;  // told already
  if (rule.effect == Effect::permit && with.effect == Effect::forbid) {
    if (covers(with, rule, mine.when)) {
      findings.add(
          rule.line, path_of(rule),
          "permits nothing: wherever it applies, " + named(other, *mine.pack) + " forbids; narrow that one, or remove this one");
    }
    return;
  }
  // Packs are used alone and together: what one has in common with another is no fault.
  if (rule.effect != with.effect || mine.pack != other.pack) return;
  const bool twins =
      rule.actions == with.actions && equal_clauses(rule.when, with.when) && equal_clauses(rule.unless, with.unless);
  const bool is_first = rule.line < with.line;
  if (twins) {
    if (!is_first) findings.add(rule.line, path_of(rule), "says the same as " + with.id + "; remove one of them");
  } else if (std::ranges::includes(with.obligations, rule.obligations) && covers(with, rule, mine.when) &&
             !(is_first && covers(rule, with, other.when))) {
    findings.add(rule.line, path_of(rule),
                 "adds nothing: wherever it applies, " + with.id + " " + std::string(to_string(with.effect)) +
                     "s too; remove it or narrow that one");
  }
}

/// An obligation that nobody keeps would be worse than none: whoever reads the rule would rely on it.
void check_obligations(const Rule& rule, Findings& findings) {
  for (const auto& obligation : rule.obligations) {
    const auto [name, number, by_site] = parts_of(obligation);
    const auto record = std::ranges::find(obligations(), name, &ObligationRecord::name);
    if (record == obligations().end() || by_site == (record->keeper == Keeper::site)) continue;
    findings.add(rule.line, path_of(rule, "obligations"),
                 by_site ? "has \"" + obligation + "\", but the broker keeps that itself; write it without \"by site\""
                         : "has \"" + obligation +
                               "\", which this broker cannot see to: have the sites that the rule speaks of "
                               "agree to it, and write \"" +
                               obligation + " by site\"");
  }
}

void check_dates(const Pack& pack, UtcTime now, Findings& findings) {
  if (pack.effective_until && *pack.effective_until <= now) {
    findings.add(1U, "meta.effective_until",
                 "was " + format_utc(*pack.effective_until) +
                     ": no rule of the pack is in effect any more; renew the pack or stop loading it");
  }
  for (const auto& rule : pack.rules) {
    if (rule.basis_until && *rule.basis_until <= now) {
      findings.add(rule.line, path_of(rule, "basis_until"),
                   "was " + format_utc(*rule.basis_until) + ": the legal basis (" + rule.legal_basis + ") has ended; " +
                       rule.owner + " must renew it or remove the rule");
    }
    if (rule.review_by && *rule.review_by <= now) {
      findings.add(rule.line, path_of(rule, "review_by"),
                   "was " + format_utc(*rule.review_by) + ": " + rule.owner + " must review the rule and set a new date");
    }
    if (rule.effective_until && *rule.effective_until <= now) {
      findings.add(rule.line, path_of(rule, "effective_until"),
                   "was " + format_utc(*rule.effective_until) + ": the rule is not in effect any more; remove it");
    }
  }
}

void check_sets(const Pack& pack, Findings& findings) {
  std::set<std::string_view> used;
  for (const auto& rule : pack.rules) {
    for (const auto* clauses : {&rule.when, &rule.unless}) {
      for (const auto& clause : *clauses) used.insert(clause.set);
    }
  }
  for (const auto& set : pack.sets) {
    if (!used.contains(set.id)) findings.add(set.line, "set[" + set.id + "]", "is used by no rule; remove it");
  }
}

}  // namespace

std::vector<Fault> ended(std::span<const Pack> packs, UtcTime now) {
  std::vector<Fault> faults;
  for (const auto& pack : packs) {
    Findings findings(pack.file);
    check_dates(pack, now, findings);
    append(faults, findings.faults());
  }
  return faults;
}

std::vector<Fault> check(std::span<const Pack> packs, const CheckOptions& options) {
  std::vector<const Rule*> rules;
  for (const auto& pack : packs) {
    for (const auto& rule : pack.rules) rules.push_back(&rule);
  }
  const Domains domains(rules, [&](const std::string& id) -> const ValueSet& {
    for (const auto& pack : packs) {
      if (const auto* set = pack.find_set(id)) return *set;
    }
    static const ValueSet kNone;
    return kNone;
  });
  std::vector<Placed> all;
  for (const auto& pack : packs) {
    for (const auto& rule : pack.rules) all.push_back({&pack, &rule, Region(domains, rule.when)});
  }
  std::vector<Fault> faults;
  for (const auto& pack : packs) {
    Findings findings(pack.file);
    for (const auto& mine : all) {
      if (mine.pack != &pack) continue;
      RuleCheck(domains, mine, findings).run();
      check_obligations(*mine.rule, findings);
      for (const auto& other : all) {
        if (other.rule != mine.rule) check_pair(mine, other, findings);
      }
    }
    check_sets(pack, findings);
    if (options.now) check_dates(pack, *options.now, findings);
    append(faults, findings.faults());
  }
  if (!options.sites.empty()) { append(faults, unserved_labels(packs, options.sites, options.sites_file)); }
  return faults;
}

}  // namespace hansa::rules
