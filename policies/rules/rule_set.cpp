// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/rule_set.hpp"

#include "policies/rules/canonical.hpp"
#include "policies/rules/sentence.hpp"

#include <algorithm>
#include <tuple>

namespace hansa::rules {
namespace {

// The sections of Bound::words_.
enum Section : std::size_t { when_false, when_unknown, unless_false, unless_unknown, in_effect };
constexpr std::size_t kSections = 4;

void set_bit(std::uint64_t* words, std::size_t i) { words[i / 64] |= std::uint64_t{1} << (i % 64); }
bool bit(const std::uint64_t* words, std::size_t i) { return (words[i / 64] >> (i % 64) & 1U) != 0; }

void unite(std::uint64_t* into, const std::uint64_t* from, std::size_t words) {
  for (std::size_t i = 0; i < words; ++i) into[i] |= from[i];
}

/// Clauses that say the same are neither before nor after one another, whatever their lines (same()).
bool is_before(const Clause* a, const Clause* b) {
  const auto key = [](const Clause& c) { return std::tie(c.attribute, c.op, c.values, c.set, c.other); };
  return key(*a) < key(*b);
}

bool is_in_effect(const Rule& rule, const Pack& pack, UtcTime now) {
  const auto begun = [&](const std::optional<UtcTime>& from) { return !from || *from <= now; };
  const auto over = [&](const std::optional<UtcTime>& until) { return until && *until <= now; };
  if (!begun(rule.effective_from) || !begun(pack.effective_from) || over(rule.effective_until) || over(pack.effective_until))
    return false;
  return rule.effect == Effect::forbid || !over(rule.basis_until);
}

}  // namespace

/// How the rules of one word stand, all 64 at once.
struct RuleSet::Judged {
  std::uint64_t permits = 0, forbids = 0;  // that are asked
  std::uint64_t applies = 0, undecided = 0, lifted = 0;
};

void RuleSet::compile_clauses() {
  std::map<const Clause*, std::uint32_t, decltype(&is_before)> known(&is_before);
  const auto number_of = [&](const Clause& clause) {
    const auto [there, added] = known.emplace(&clause, static_cast<std::uint32_t>(clauses_.size()));
    if (added) {
      clauses_.push_back({.clause = &clause,
                          .sentence = sentence(clause),
                          .subject = record_of(clause.attribute).subject,
                          .cross = kNoCross,
                          .rules = std::vector<std::uint64_t>(2 * width_)});
    }
    return there->second;
  };
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const auto& rule = rules_[i];
    Written written{.sentence = sentence(rule), .pack = pack_of(i).id + " " + pack_of(i).version, .when = {}, .unless = {}};
    for (const auto& clause : rule.when) {
      written.when.push_back(number_of(clause));
      set_bit(clauses_[written.when.back()].rules.data(), i);
    }
    for (const auto& clause : rule.unless) {
      written.unless.push_back(number_of(clause));
      set_bit(clauses_[written.unless.back()].rules.data() + width_, i);
    }
    any_obligations_ = any_obligations_ || !rule.obligations.empty();
    written_.push_back(std::move(written));
  }
  for (std::uint32_t i = 0; i < clauses_.size(); ++i) {
    const auto& clause = *clauses_[i].clause;
    if (clause.attribute == Attribute::dataset_labels || clause.attribute == Attribute::project_labels) on_kind_.push_back(i);
    if (!clause.other) continue;
    clauses_[i].cross = cross_.size();
    cross_.push_back({.clause = i, .seen_place = place_of(clause.attribute), .with_place = place_of(*clause.other)});
  }
}

std::size_t RuleSet::place_of(Attribute compared) {
  const auto there = std::ranges::find(compared_, compared);
  if (there != compared_.end()) return static_cast<std::size_t>(there - compared_.begin());
  compared_.push_back(compared);
  return compared_.size() - 1;
}

void RuleSet::compile_tables() {
  const auto sets = [this](const std::string& id) -> const ValueSet& { return find_set(id); };
  for (const auto& record : vocabulary()) {
    std::vector<std::uint32_t> numbers;
    std::vector<const Clause*> clauses;
    for (std::uint32_t i = 0; i < clauses_.size(); ++i) {
      const auto& clause = *clauses_[i].clause;
      if (clause.attribute != record.attribute || clause.other) continue;
      numbers.push_back(i);
      clauses.push_back(&clause);
    }
    if (numbers.empty()) continue;
    Table table{.attribute = record.attribute,
                .domain = Domain(record.attribute, clauses, sets),
                .cells = {},
                .clauses = {},
                .asking = std::vector<std::uint64_t>(2 * width_)};
    if (!is_several(record.type)) table.cells.resize(table.domain.cells() * 2 * width_);
    for (const auto number : numbers) {
      const auto& rules = clauses_[number].rules;
      auto named = table.domain.named_by(*clauses_[number].clause, sets);
      unite(table.asking.data(), rules.data(), 2 * width_);
      for (std::size_t cell = 0; !table.cells.empty() && cell < named.size(); ++cell) {
        if (!named.test(cell)) unite(table.cells.data() + cell * 2 * width_, rules.data(), 2 * width_);
      }
      table.clauses.push_back({.clause = number, .named = std::move(named)});
    }
    tables_.push_back(std::move(table));
  }
}

void RuleSet::compile_masks() {
  with_unless_.resize(width_);
  for (auto* masks : {&permits_, &forbids_}) {
    for (auto& of_action : *masks) {
      for (auto& mask : of_action) mask.resize(width_);
    }
  }
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const auto& rule = rules_[i];
    if (!rule.unless.empty()) set_bit(with_unless_.data(), i);
    const bool about_datasets = rule.about_datasets();
    for (const auto action : rule.actions) {
      auto& masks = (rule.effect == Effect::permit ? permits_ : forbids_)[static_cast<std::size_t>(action)];
      if (!about_datasets) set_bit(masks[0].data(), i);
      // What asks nothing about a dataset permits none, but may well forbid.
      if (about_datasets || rule.effect == Effect::forbid) set_bit(masks[1].data(), i);
    }
  }
}

Result<RuleSet> RuleSet::compile(std::vector<Pack> packs) {
  std::vector<Fault> faults;
  const auto fault = [&](const Pack& pack, std::uint32_t line, const std::string& key, std::string message) {
    faults.push_back({pack.file + ":" + std::to_string(std::max(line, 1U)) + ": " + key, std::move(message)});
  };
  RuleSet set;
  std::ranges::sort(packs, {},
                    [](const Pack& pack) { return std::pair<std::string_view, std::string_view>(pack.id, pack.file); });
  set.packs_ = std::move(packs);
  std::vector<std::pair<const Rule*, std::size_t>> order;
  std::map<std::string_view, const Pack*> rule_owners;
  for (std::size_t p = 0; p < set.packs_.size(); ++p) {
    const auto& pack = set.packs_[p];
    if (p > 0 && set.packs_[p - 1].id == pack.id)
      fault(pack, 1, "meta.id", "is that of " + set.packs_[p - 1].file + " too; load one of them");
    for (const auto& values : pack.sets) {
      const auto [there, added] = set.sets_.emplace(values.id, values);
      if (!added && (there->second.values != values.values || there->second.type != values.type))
        fault(pack, values.line, "set[" + values.id + "]",
              "has other values than in another pack; a list that changes needs a new version");
    }
    for (const auto& rule : pack.rules) {
      const auto [there, added] = rule_owners.emplace(rule.id, &pack);
      if (!added)
        fault(pack, rule.line, "rule[" + rule.id + "]", "is also in " + there->second->file + "; give it a name of its own");
      order.emplace_back(&rule, p);
    }
  }
  if (order.size() > kMostRules)
    faults.push_back({"rules", "are " + std::to_string(order.size()) + " in all packs; at most " + std::to_string(kMostRules)});
  if (!faults.empty()) {
    Error error{.kind = ErrorKind::invalid_argument, .code = "BAD_RULE_PACK", .message = "the rule packs do not go together"};
    error.faults = std::move(faults);
    return std::unexpected(std::move(error));
  }
  std::ranges::sort(order, {}, [](const auto& entry) -> const std::string& { return entry.first->id; });
  for (const auto& [rule, pack] : order) {
    set.rules_.push_back(*rule);
    set.pack_of_rule_.push_back(pack);
  }
  set.hash_ = policy_hash(set.packs_);
  set.width_ = (set.rules_.size() + 63) / 64;
  set.compile_clauses();
  set.compile_tables();
  set.compile_masks();
  return set;
}

Bound RuleSet::bind(Subject subject, const Evidence& evidence, UtcTime now) const {
  Bound bound;
  bound.evidence_ = &evidence;
  bound.now_ = now;
  bound.truths_.resize(clauses_.size(), Truth::unknown);
  bound.words_.resize((kSections + (subject == Subject::job ? 1 : 0)) * width_);
  auto* words = bound.words_.data();
  const Fact clock{Attribute::now, now, Source::clock, now};
  for (const auto& table : tables_) {
    if (record_of(table.attribute).subject != subject) continue;
    const auto found =
        table.attribute == Attribute::now ? FoundFact{&clock, FactState::known} : find_fact(evidence, table.attribute, now);
    if (found.state != FactState::known) {
      unite(words + when_unknown * width_, table.asking.data(), width_);
      unite(words + unless_unknown * width_, table.asking.data() + width_, width_);
      continue;
    }
    if (const auto* several = std::get_if<std::vector<std::string>>(&found.fact->value)) {
      Bits values(table.domain.cells());
      for (const auto& value : *several) values.set(table.domain.cell_of_text(value));
      for (const auto& [number, named] : table.clauses) {
        const auto& known = clauses_[number];
        const bool so = holds(known.clause->op, values, named);
        bound.truths_[number] = so ? Truth::yes : Truth::no;
        if (so) continue;
        unite(words + when_false * width_, known.rules.data(), width_);
        unite(words + unless_false * width_, known.rules.data() + width_, width_);
      }
      continue;
    }
    const auto cell = table.domain.cell_of(found.fact->value);
    for (const auto& [number, named] : table.clauses) bound.truths_[number] = named.test(cell) ? Truth::yes : Truth::no;
    const auto* falsified = table.cells.data() + cell * 2 * width_;
    unite(words + when_false * width_, falsified, width_);
    unite(words + unless_false * width_, falsified + width_, width_);
  }
  bound.compared_.resize(compared_.size());
  for (std::size_t i = 0; i < compared_.size(); ++i) {
    if (record_of(compared_[i]).subject != subject || compared_[i] == Attribute::now) continue;
    const auto found = find_fact(evidence, compared_[i], now);
    if (found.state == FactState::known) bound.compared_[i] = &found.fact->value;
  }
  if (subject == Subject::job) {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      if (is_in_effect(rules_[i], pack_of(i), now)) set_bit(words + in_effect * width_, i);
    }
  }
  return bound;
}

Truth RuleSet::truth_of(const CrossClause& cross, const Bound& job, const Bound& site, const Bound* dataset) const {
  const Value now = job.now_;
  const auto value_of = [&](Attribute attribute, std::size_t place) -> const Value* {
    if (attribute == Attribute::now) return &now;
    switch (record_of(attribute).subject) {
      case Subject::job: return job.compared_[place];
      case Subject::site: return site.compared_[place];
      case Subject::dataset: return dataset == nullptr ? nullptr : dataset->compared_[place];
    }
    return nullptr;
  };
  const auto& clause = *clauses_[cross.clause].clause;
  const auto* seen = value_of(clause.attribute, cross.seen_place);
  const auto* with = value_of(*clause.other, cross.with_place);
  if (seen == nullptr || with == nullptr) return Truth::unknown;
  return compare(clause.op, *seen, *with) ? Truth::yes : Truth::no;
}

void RuleSet::add_cross(std::uint64_t* words, const Bound& job, const Bound& site, const Bound* dataset) const {
  for (const auto& cross : cross_) {
    const auto truth = truth_of(cross, job, site, dataset);
    if (truth == Truth::yes) continue;
    const auto& rules = clauses_[cross.clause].rules;
    const bool known = truth == Truth::no;
    unite(words + (known ? when_false : when_unknown) * width_, rules.data(), width_);
    unite(words + (known ? unless_false : unless_unknown) * width_, rules.data() + width_, width_);
  }
}

RuleSet::Judged RuleSet::judge(Action action, bool about_dataset, const std::uint64_t* words, const std::uint64_t* effective,
                               std::size_t word) const {
  const auto part = [&](Section section) { return words[section * width_ + word]; };
  const auto a = static_cast<std::size_t>(action);
  const auto d = about_dataset ? 1U : 0U;
  Judged judged{.permits = permits_[a][d][word] & effective[word], .forbids = forbids_[a][d][word] & effective[word]};
  const auto with_unless = with_unless_[word];
  const auto when_holds = ~part(when_false) & ~part(when_unknown);
  const auto all_unless_hold = with_unless & ~part(unless_false) & ~part(unless_unknown);
  const auto does_not_apply = part(when_false) | all_unless_hold;
  judged.applies = when_holds & (~with_unless | part(unless_false));
  judged.undecided = ~does_not_apply & ~judged.applies;
  judged.lifted = when_holds & all_unless_hold;
  return judged;
}

Code RuleSet::code_of(Action action, bool about_dataset, const std::uint64_t* words, const std::uint64_t* effective) const {
  std::uint64_t permitted = 0, perhaps_permitted = 0, forbidden = 0, perhaps_forbidden = 0;
  for (std::size_t word = 0; word < width_; ++word) {
    const auto judged = judge(action, about_dataset, words, effective, word);
    permitted |= judged.permits & judged.applies;
    perhaps_permitted |= judged.permits & judged.undecided;
    forbidden |= judged.forbids & judged.applies;
    perhaps_forbidden |= judged.forbids & judged.undecided;
  }
  if (forbidden != 0) return Code::forbidden;
  if (perhaps_forbidden != 0) return Code::evidence_missing;
  if (permitted != 0) return Code::permitted;
  return perhaps_permitted != 0 ? Code::evidence_missing : Code::no_permit;
}

Verdict RuleSet::decide(Action action, const Bound& job, const Bound& site, std::span<const Bound> datasets) const {
  std::array<std::uint64_t, kSections * kMostRules / 64> of_job_and_site;
  std::array<std::uint64_t, kSections * kMostRules / 64> all;
  const auto count = kSections * width_;
  const auto* effective = job.words_.data() + in_effect * width_;
  for (std::size_t i = 0; i < count; ++i) of_job_and_site[i] = job.words_[i] | site.words_[i];
  if (datasets.empty()) {
    add_cross(of_job_and_site.data(), job, site, nullptr);
    return {.code = code_of(action, false, of_job_and_site.data(), effective)};
  }
  for (std::size_t d = 0; d < datasets.size(); ++d) {
    for (std::size_t i = 0; i < count; ++i) all[i] = of_job_and_site[i] | datasets[d].words_[i];
    add_cross(all.data(), job, site, &datasets[d]);
    const auto code = code_of(action, true, all.data(), effective);
    if (code != Code::permitted) return {.code = code, .dataset = d};
  }
  return {.code = Code::permitted};
}

RuleSet::Stands RuleSet::stands(Action action, const Bound& job, const Bound& site, const Bound* dataset) const {
  std::array<std::uint64_t, kSections * kMostRules / 64> words;
  for (std::size_t i = 0; i < kSections * width_; ++i) {
    words[i] = job.words_[i] | site.words_[i] | (dataset == nullptr ? 0 : dataset->words_[i]);
  }
  add_cross(words.data(), job, site, dataset);
  const auto* effective = job.words_.data() + in_effect * width_;
  Stands stands;
  stands.code = code_of(action, dataset != nullptr, words.data(), effective);
  for (std::size_t word = 0; word < width_; ++word) {
    const auto judged = judge(action, dataset != nullptr, words.data(), effective, word);
    const auto asked = judged.permits | judged.forbids;
    stands.permits[word] = judged.permits;
    stands.forbids[word] = judged.forbids;
    stands.applies[word] = judged.applies & asked;
    stands.undecided[word] = judged.undecided & asked;
    stands.lifted[word] = judged.lifted & asked;
  }
  return stands;
}

RuleSet::Stand RuleSet::Stands::of_rule(std::size_t rule) const {
  if (!bit(permits.data(), rule) && !bit(forbids.data(), rule)) return Stand::not_asked;
  if (bit(applies.data(), rule)) return Stand::applies;
  if (bit(undecided.data(), rule)) return Stand::undecided;
  return bit(lifted.data(), rule) ? Stand::lifted : Stand::does_not_apply;
}

}  // namespace hansa::rules
