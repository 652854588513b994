// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/label_service.hpp"

#include "policies/rules/sentence.hpp"
#include "policies/rules/truth.hpp"

#include <set>

namespace hansa::rules {
namespace {

const std::string* text_value(const Scalar& value) { return std::get_if<std::string>(&value); }

/// One label at one site. What is not known of the site is as good as wrong; whatever else a rule asks may be as it likes.
class Prospect {
 public:
  Prospect(std::span<const Pack> packs, const SiteFacts& site, const std::string& label)
      : packs_(packs), dataset_{{Attribute::dataset_labels, std::vector{label}, Source::dataset_registry, {}}} {
    now_ = site.facts.empty() ? UtcTime{} : site.facts.front().observed_at;
    dataset_.front().observed_at = now_;
    site_ = site.facts;
  }

  /// What stands in the way, or "".
  [[nodiscard]] std::string obstacle() const {
    std::string nearest;
    std::size_t fewest = SIZE_MAX;
    bool permitted = false;
    for (const auto& pack : packs_) {
      for (const auto& rule : pack.rules) {
        if (!rule.covers(Action::place)) continue;
        if (rule.effect == Effect::forbid) {
          if (auto why = blocked_by(rule); !why.empty()) return why;
          continue;
        }
        if (!rule.about_datasets()) continue;
        const auto lacks = lacking(rule.when);
        permitted = permitted || lacks.empty();
        if (!lacks.empty() && lacks.size() < fewest && speaks_of_label(rule)) {
          fewest = lacks.size();
          nearest = rule.id + " needs that " + conjunction(lacks);
        }
      }
    }
    return permitted ? "" : nearest.empty() ? "no rule permits it" : nearest;
  }

 private:
  enum class Hold : std::uint8_t { yes, no, free };

  [[nodiscard]] Hold hold(const Clause& clause) const {
    const bool of_site = record_of(clause.attribute).subject == Subject::site && !clause.other;
    if (!of_site && clause.attribute != Attribute::dataset_labels) return Hold::free;
    static const Evidence kNobody;
    const FactView facts(kNobody, site_, &dataset_, now_);
    const auto truth = truth_of(clause, facts, [this](const std::string& id) -> const ValueSet& { return set(id); });
    return truth == Truth::yes ? Hold::yes : Hold::no;
  }

  [[nodiscard]] const ValueSet& set(const std::string& id) const {
    for (const auto& pack : packs_) {
      if (const auto* found = pack.find_set(id)) return *found;
    }
    static const ValueSet kNone;
    return kNone;
  }

  [[nodiscard]] std::vector<std::string> lacking(const std::vector<Clause>& clauses) const {
    std::vector<std::string> lacks;
    for (const auto& clause : clauses) {
      if (hold(clause) == Hold::no) lacks.push_back(sentence(clause));
    }
    return lacks;
  }

  [[nodiscard]] bool speaks_of_label(const Rule& rule) const {
    return std::ranges::any_of(rule.when, [&](const Clause& clause) {
      return clause.attribute == Attribute::dataset_labels && hold(clause) == Hold::yes;
    });
  }

  /// A forbid that certainly applies: nothing but the site and the label decides, and they do not lift it.
  [[nodiscard]] std::string blocked_by(const Rule& rule) const {
    static const Evidence kNobody;
    const FactView facts(kNobody, site_, &dataset_, now_);
    for (const auto& clause : rule.when) {
      const auto held = hold(clause);
      const bool unknown = held == Hold::no && facts.find(clause.attribute).state != FactState::known;
      if (held == Hold::free || (held == Hold::no && !unknown)) return "";
    }
    const auto lacks = lacking(rule.unless);
    if (!rule.unless.empty() && lacks.empty()) return "";
    return rule.id + " forbids it" + (lacks.empty() ? "" : " unless " + conjunction(lacks));
  }

  std::span<const Pack> packs_;
  Evidence dataset_;
  Evidence site_;
  UtcTime now_{};
};

}  // namespace

std::vector<Fault> unserved_labels(std::span<const Pack> packs, std::span<const SiteFacts> sites, const std::string& sites_file) {
  constexpr std::size_t kShown = 3;
  std::vector<Fault> faults;
  std::set<std::string> told;
  for (const auto& pack : packs) {
    for (const auto& rule : pack.rules) {
      for (const auto& clause : rule.when) {
        if (clause.attribute != Attribute::dataset_labels) continue;
        for (const auto& value : clause.values) {
          const auto* label = text_value(value);
          if (label == nullptr || !told.insert(*label).second) continue;
          std::string why;
          std::size_t blocked = 0;
          for (const auto& site : sites) {
            const auto obstacle = Prospect(packs, site, *label).obstacle();
            if (obstacle.empty()) break;
            if (++blocked <= kShown) why += (why.empty() ? "" : "; ") + site.id + ": " + obstacle;
          }
          if (blocked < sites.size()) continue;
          if (blocked > kShown) why += "; and " + std::to_string(blocked - kShown) + " more";
          faults.push_back({pack.file + ":" + std::to_string(clause.line) + ": rule[" + rule.id + "]",
                            "no site of " + sites_file + " can hold data labelled " + *label + " (" + why + ")"});
        }
      }
    }
  }
  return faults;
}

}  // namespace hansa::rules
