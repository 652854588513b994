// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/rulebook.hpp"

#include "broker/core/time_text.hpp"
#include "policies/routing/decide.hpp"

#include <algorithm>
#include <limits>
#include <variant>

namespace hansa::engine {

using Kind = domain::FactSubject::Kind;
using rules::Action;
using rules::Attribute;
using rules::Evidence;
using rules::Subject;
using rules::tell;

namespace {

template <typename Key>
void tell(Evidence& evidence, const std::map<Key, RegisterFacts>& facts, const Key& key, UtcTime now) {
  if (const auto at = facts.find(key); at != facts.end()) tell(evidence, at->second, now);
}

std::vector<std::string> texts(const domain::Labels& labels) {
  std::vector<std::string> texts;
  for (const auto& label : labels) texts.push_back(label.str());
  return texts;
}

/// In place of what the project's facts say of elsewhere: that and what was counted here, as old as what they say.
void add_training(Evidence& evidence, std::int64_t counted, UtcTime now) {
  const auto told = std::ranges::find(evidence, Attribute::project_training_petaflop, &rules::Fact::attribute);
  if (told == evidence.end()) return tell(evidence, Attribute::project_training_petaflop, counted, now);
  auto& elsewhere = std::get<std::int64_t>(told->value);
  elsewhere += std::min(counted, std::numeric_limits<std::int64_t>::max() - elsewhere);
}

/// Whether the register has withdrawn what it said of elsewhere, or that has ended: then the sum is not known either.
bool is_unknown_elsewhere(const Regulations& in_force, const ProjectId& project, UtcTime now) {
  const auto facts = in_force.projects.find(project);
  return facts != in_force.projects.end() && std::ranges::any_of(facts->second, [&](const auto& fact) {
           return fact.attribute == Attribute::project_training_petaflop && !fact.counts(now);
         });
}

Evidence evidence_of_job(const Regulations& in_force, const Principal& person, const domain::JobSpec& spec, TrainingSum training,
                         UtcTime now) {
  Evidence evidence;
  tell(evidence, Attribute::user_id, person.str(), now);
  tell(evidence, in_force.facts_of_person(person), now);
  tell(evidence, Attribute::project_id, spec.project.str(), now);
  tell(evidence, in_force.projects, spec.project, now);
  if (training && !is_unknown_elsewhere(in_force, spec.project, now)) add_training(evidence, *training, now);
  tell(evidence, Attribute::request_labels, texts(spec.labels), now);
  return evidence;
}

Evidence evidence_of_dataset(const domain::Dataset& dataset, UtcTime now) {
  Evidence evidence;
  tell(evidence, Attribute::dataset_id, dataset.id.str(), now);
  tell(evidence, Attribute::dataset_labels, texts(dataset.labels), now);
  const auto& terms = dataset.terms;
  if (terms.permit) {
    tell(evidence, Attribute::dataset_permit, terms.permit->id, now);
    tell(evidence, Attribute::dataset_permit_until, terms.permit->until, now);
  }
  if (!terms.transfer_basis.empty()) tell(evidence, Attribute::dataset_transfer_basis, terms.transfer_basis, now);
  if (terms.reviewed) tell(evidence, Attribute::dataset_reviewed, *terms.reviewed, now);
  return evidence;
}

/// In place of what the configuration says of it.
void put(RegisterFacts& facts, const domain::RegisteredFact& told) {
  const auto* record = rules::find_attribute(told.key.attribute);
  if (record == nullptr || !told.change) return;
  RegisterFact fact{.attribute = record->attribute, .value = {}, .as_of = std::nullopt, .change = told.change};
  fact.withdrawn = !told.statement;
  if (told.statement) {
    fact.value = told.statement->value;
    fact.as_of = told.statement->as_of;
    fact.until = told.statement->until;
    fact.evidence = told.statement->evidence;
  }
  const auto configured = std::ranges::find(facts, record->attribute, &RegisterFact::attribute);
  if (configured == facts.end())
    facts.push_back(std::move(fact));
  else
    *configured = std::move(fact);
}

/// Null: nobody has heard of it.
template <typename Of>
auto find_facts(Of& regulations, const domain::FactSubject& subject) -> decltype(&regulations.broker) {
  const auto in = [](auto& facts, const auto& key) {
    const auto at = facts.find(key);
    return at == facts.end() ? nullptr : &at->second;
  };
  switch (subject.kind) {
    case Kind::broker: return &regulations.broker;
    case Kind::site: return in(regulations.sites, SiteId(subject.id));
    case Kind::project: return in(regulations.projects, ProjectId(subject.id));
    case Kind::person: return in(regulations.people, Principal(subject.id));
  }
  return nullptr;
}

}  // namespace

const RegisterFacts* Regulations::facts_of(const domain::FactSubject& subject) const { return find_facts(*this, subject); }

RegisterFacts Regulations::facts_of_person(const Principal& person) const {
  const auto at = people.find(person);
  auto facts = at == people.end() ? RegisterFacts{} : at->second;
  if (!vouched) return facts;
  for (auto& fact : vouched(person)) {
    if (std::ranges::find(facts, fact.attribute, &RegisterFact::attribute) == facts.end()) facts.push_back(std::move(fact));
  }
  return facts;
}

std::optional<std::string> no_copy(const domain::Dataset& dataset, const SiteId& site, UtcTime now) {
  const auto* replica = dataset.replica_at(site);
  const auto state = replica == nullptr ? std::nullopt : std::optional(domain::state_of(*replica, now));
  if (state == domain::ReplicaState::verified) return std::nullopt;
  auto why = "dataset " + dataset.id.str() + " has no verified copy at this site (";
  if (!state)
    why += "there is none";
  else if (*state == domain::ReplicaState::unverified)
    why += "the one that is there waits for its verification";
  else
    why += "its verification ended " + format_utc(replica->verified->expires_at);
  return why + ")";
}

std::optional<domain::Reason> no_data(const Regulations& in_force, const domain::JobSpec& spec, const Dossier& dossier,
                                      const SiteId& site, UtcTime now) {
  if (spec.datasets.empty()) return std::nullopt;
  if (!in_force.rules) {
    return domain::Reason{std::string(kNoRules),
                          "no rule pack is in force at this broker, so that nothing permits registered data to go anywhere; an "
                          "operator sets packs under [rules] in hansad.toml"};
  }
  if (dossier.missing) return dossier.missing;
  for (const auto& dataset : dossier.datasets) {
    if (auto why = no_copy(dataset, site, now)) return domain::Reason{std::string(kNoReplica), std::move(*why)};
  }
  return std::nullopt;
}

Hearing::Hearing(InForce in_force, const Principal& person, const domain::JobSpec& spec, const Dossier& dossier,
                 TrainingSum training, UtcTime now)
    : in_force_(std::move(in_force)),
      now_(now),
      job_(evidence_of_job(*in_force_, person, spec, training, now)),
      bound_job_(in_force_->rules->bind(Subject::job, job_, now)) {
  for (const auto& dataset : dossier.datasets) datasets_.push_back(evidence_of_dataset(dataset, now));
  for (const auto& dataset : datasets_) bound_datasets_.push_back(in_force_->rules->bind(Subject::dataset, dataset, now));
}

std::optional<rules::Explanation> Hearing::denied(Action action, const RegisterFacts& place) const {
  Evidence facts;
  tell(facts, place, now_);
  const auto bound = in_force_->rules->bind(Subject::site, facts, now_);
  if (in_force_->rules->decide(action, bound_job_, bound, bound_datasets_).allowed()) return std::nullopt;
  return rules::explain(*in_force_->rules, action, bound_job_, bound, bound_datasets_);
}

const rules::Explanation& Hearing::at(const SiteId& site, const rules::Bound& place) {
  const auto known = rulings_.find(site);
  if (known != rulings_.end()) return known->second;
  return rulings_.emplace(site, routing::ruling(*in_force_->rules, bound_job_, place, bound_datasets_)).first->second;
}

const rules::Explanation& Hearing::stage_in(std::size_t number, const SiteId& site, const rules::Bound& place) {
  const std::pair key{number, site};
  const auto known = stagings_.find(key);
  if (known != stagings_.end()) return known->second;
  return stagings_.emplace(key, routing::stage_ruling(*in_force_->rules, bound_job_, place, bound_datasets_.at(number)))
      .first->second;
}

rules::Explanation Hearing::explained(const rules::Bound& place) const {
  return routing::ruling(*in_force_->rules, bound_job_, place, bound_datasets_, rules::Told::all);
}

routing::RuledJob Hearing::ruled() const {
  routing::RuledJob ruled{.rules = &*in_force_->rules, .packs_hash = in_force_->packs_hash, .job = &job_, .datasets = {}};
  for (const auto& dataset : datasets_) ruled.datasets.push_back(&dataset);
  return ruled;
}

Hearing& Sitting::hear(const Principal& person, const domain::JobSpec& spec, const Dossier& dossier, TrainingSum training) {
  auto key = person.str() + '\n' + spec.project.str();
  for (const auto& label : spec.labels) key += "\nl" + label.str();
  for (const auto& dataset : dossier.datasets) key += "\nd" + dataset.id.str() + '@' + std::to_string(dataset.version);
  if (training) key += "\nt" + std::to_string(*training);
  return hearings_.try_emplace(std::move(key), in_force_, person, spec, dossier, training, now_).first->second;
}

const rules::Bound& Sitting::place(const SiteId& site) {
  auto& place = places_[site];
  if (!place.bound) {
    tell(place.facts, in_force_->sites, site, now_);
    place.bound = in_force_->rules->bind(Subject::site, place.facts, now_);
  }
  return *place.bound;
}

InForce Rulebook::in_force() const {
  const std::lock_guard lock(mutex_);
  return in_force_;
}

void Rulebook::replace(Regulations configured) {
  const std::lock_guard lock(mutex_);
  configured_ = std::move(configured);
  put_in_force();
}

void Rulebook::amend(const std::vector<domain::RegisteredFact>& news) {
  const std::lock_guard lock(mutex_);
  for (const auto& fact : news) {
    if (fact.version == 0) {  // its subject was forgotten
      registered_.erase(fact.key);
      continue;
    }
    auto& known = registered_[fact.key];
    if (fact.version >= known.version) known = fact;
  }
  put_in_force();
}

std::optional<domain::Statement> Rulebook::configured(const domain::FactKey& key) const {
  const std::lock_guard lock(mutex_);
  const auto* facts = configured_.facts_of(key.subject);
  const auto* record = rules::find_attribute(key.attribute);
  if (facts == nullptr || record == nullptr) return std::nullopt;
  const auto fact = std::ranges::find(*facts, record->attribute, &RegisterFact::attribute);
  if (fact == facts->end()) return std::nullopt;
  return domain::Statement{.value = fact->value, .as_of = fact->as_of, .until = fact->until, .evidence = fact->evidence};
}

void Rulebook::put_in_force() {
  auto next = std::make_shared<Regulations>(configured_);
  for (const auto& [key, fact] : registered_) {
    // People need not be configured; to places and projects that are not there goes nothing.
    if (key.subject.kind == Kind::person) next->people.try_emplace(Principal(key.subject.id));
    if (auto* facts = find_facts(*next, key.subject)) put(*facts, fact);
  }
  in_force_ = std::move(next);
}

Result<void> Rulebook::may_take(const Principal& person, const domain::JobSpec& spec, UtcTime now) const {
  const auto in_force = this->in_force();
  if (!in_force->rules) return {};
  // The script and its environment come to lie here, the datasets do not.
  const auto why = Hearing(in_force, person, spec, {}, {}, routing::ruling_time(now)).denied(Action::intake, in_force->broker);
  if (why) return routing::denial(*why);
  return {};
}

Result<void> Rulebook::may_leave(Action leaving, const Principal& person, const domain::JobSpec& spec, const Dossier& dossier,
                                 const SiteId& site, const std::vector<std::string>& obligations, UtcTime now) const {
  const auto in_force = this->in_force();
  const auto kept = [&](const std::vector<std::string>& by) -> Result<void> {
    auto reason = kept_there(leaving, by, dossier);
    if (!reason) return {};
    return fail(ErrorKind::permission_denied, reason->code, std::move(reason->message));
  };
  if (auto shown = kept(obligations); !shown || !in_force->rules) return shown;
  if (dossier.missing) return fail(ErrorKind::permission_denied, dossier.missing->code, dossier.missing->message);
  static const RegisterFacts kDownload{{Attribute::site_kind, std::string("download"), std::nullopt}};
  Sitting sitting(in_force, routing::ruling_time(now));
  auto& hearing = sitting.hear(person, spec, dossier, {});
  if (const auto why = hearing.denied(leaving, kDownload)) return routing::denial(*why);
  return kept(hearing.at(site, sitting.place(site)).obligations);
}

ports::JobFacts Rulebook::told_of(const Principal& person, const domain::JobSpec& spec, const Dossier& dossier,
                                  TrainingSum training, UtcTime now) const {
  const auto as_told = [](const Evidence& evidence) {
    std::vector<ports::ToldFact> told;
    for (const auto& fact : evidence)
      told.push_back({std::string(rules::record_of(fact.attribute).name), fact.value, fact.observed_at});
    return told;
  };
  ports::JobFacts facts{.job = as_told(evidence_of_job(*in_force(), person, spec, training, now)), .datasets = {}};
  for (const auto& dataset : dossier.datasets) facts.datasets.push_back(as_told(evidence_of_dataset(dataset, now)));
  return facts;
}

Result<void> Rulebook::may_send(const Principal& person, const domain::JobSpec& spec, const Dossier& dossier,
                                TrainingSum training, const SiteId& site, UtcTime now) const {
  const auto in_force = this->in_force();
  if (in_force->rules && !dossier.missing) {
    Sitting sitting(in_force, routing::ruling_time(now));
    const auto& place = sitting.place(site);
    auto& hearing = sitting.hear(person, spec, dossier, training);
    if (hearing.at(site, place).code != rules::Code::permitted) return routing::denial(hearing.explained(place));
  }
  if (auto reason = no_data(*in_force, spec, dossier, site, now))
    return fail(ErrorKind::permission_denied, reason->code, std::move(reason->message));
  return {};
}

std::optional<domain::Reason> kept_there(Action leaving, const std::vector<std::string>& obligations, const Dossier& dossier) {
  const bool log = leaving == Action::log_export, copy = leaving == Action::stage_in;
  const bool reviewed = !dossier.datasets.empty() && !dossier.missing &&
                        std::ranges::all_of(dossier.datasets, [](const auto& dataset) { return dataset.terms.reviewed == true; });
  const auto binds = [&](std::string_view name) {
    return std::ranges::any_of(obligations, [&](const auto& text) { return rules::parts_of(text).name == name; });
  };
  const std::string what = log ? "what the job prints" : copy ? "a dataset that lies there" : "what the job leaves";
  if (binds(log ? "no_log_export" : "no_stage_out")) {
    return domain::Reason{std::string(kObligation), what + " stays at the site: the rules let the job " +
                                                        (copy ? "read it" : "run") + " there with the obligation " +
                                                        (log ? "no_log_export" : "no_stage_out") +
                                                        (copy ? "" : "; look at it there")};
  }
  if (binds("airlock_output") && !reviewed) {
    return domain::Reason{std::string(kObligation),
                          what + " may leave the site only after a review (obligation airlock_output): " +
                              (copy ? "have it" : "look at it there, or have its datasets") +
                              " reviewed and that recorded with hansa data terms DATASET --reviewed true"};
  }
  return std::nullopt;
}

bool is_withheld(const domain::Reason& reason) {
  return routing::is_about_credential(reason.code) || reason.code == routing::kRulesDeny || reason.code == kDatasetUnknown ||
         reason.code == kNoReplica || reason.code == kNoRules || reason.code == kSiteRulesDeny;
}

}  // namespace hansa::engine
