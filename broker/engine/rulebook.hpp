// SPDX-License-Identifier: Apache-2.0
#pragma once
// The rules in force, and what the broker's registers tell of itself, its sites, projects and people: every hop asks here,
// intake, place and dispatch alike (DESIGN section 6). Rules and facts are replaced together, as a whole; who has begun to ask
// goes on with what was in force then.

#include "broker/domain/dataset.hpp"
#include "broker/domain/fact.hpp"
#include "broker/domain/job.hpp"
#include "broker/ports/site_connector.hpp"
#include "policies/routing/ruling.hpp"
#include "policies/rules/register_facts.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace hansa::engine {

using rules::RegisterFact;
using rules::RegisterFacts;

struct Regulations {
  std::shared_ptr<const rules::RuleSet> rules;  // none: no rule is in force
  std::string packs_document;           // routing::packs_document of their texts
  std::string packs_hash;
  RegisterFacts broker;
  std::map<SiteId, RegisterFacts> sites;
  std::map<ProjectId, RegisterFacts> projects;
  std::map<Principal, RegisterFacts> people;

  /// What issuers say of people, and when they did; none: nothing is heard of them. Thread-safe.
  std::function<RegisterFacts(const Principal&)> vouched = {};

  /// All that is told of a person: on what the register or the configuration says something, that counts, whoever else vouches.
  [[nodiscard]] RegisterFacts facts_of_person(const Principal& person) const;
  /// Null: no place or project of that name, or a person of whom nothing is told.
  [[nodiscard]] const RegisterFacts* facts_of(const domain::FactSubject& subject) const;
};
using InForce = std::shared_ptr<const Regulations>;

/// What the register of datasets says of those that a job names.
struct Dossier {
  std::vector<domain::Dataset> datasets;
  std::optional<domain::Reason> missing;  // of one that is not registered, as far as this person can see
};

/// "dataset d1 has no verified copy at this site (there is none)"; none: one is there, and counts at that moment.
std::optional<std::string> no_copy(const domain::Dataset& dataset, const SiteId& site, UtcTime now);

/// Why a job finds no data at that site; none: it reads none, or a verified copy of each dataset is there.
std::optional<domain::Reason> no_data(const Regulations& in_force, const domain::JobSpec& spec, const Dossier& dossier,
                                      const SiteId& site, UtcTime now);

/// What TrainingCompute counts of the job's project, the job included; it is added to what the project's facts say of elsewhere.
using TrainingSum = std::optional<std::int64_t>;

/// One job, or all of one shape, before the rules in one second. Refers to itself: neither copied nor moved.
class Hearing {
 public:
  Hearing(InForce in_force, const Principal& person, const domain::JobSpec& spec, const Dossier& dossier, TrainingSum training,
          UtcTime now);
  Hearing(const Hearing&) = delete;
  Hearing& operator=(const Hearing&) = delete;

  /// Why it may not; none: it may. `place`: what is known of the receiving one.
  [[nodiscard]] std::optional<rules::Explanation> denied(rules::Action action, const RegisterFacts& place) const;
  /// May it be placed there and sent there? Asked once a site: what a verdict needs to know. `place` is the site's evidence,
  /// bound for the same second.
  const rules::Explanation& at(const SiteId& site, const rules::Bound& place);
  /// The same with every fact.
  [[nodiscard]] rules::Explanation explained(const rules::Bound& place) const;
  /// May the job's dataset of that number be brought there, or be taken from there?
  const rules::Explanation& stage_in(std::size_t number, const SiteId& site, const rules::Bound& place);
  [[nodiscard]] routing::RuledJob ruled() const;

 private:
  InForce in_force_;
  UtcTime now_;
  rules::Evidence job_;
  std::vector<rules::Evidence> datasets_;
  rules::Bound bound_job_;
  std::vector<rules::Bound> bound_datasets_;
  std::map<SiteId, rules::Explanation> rulings_;
  std::map<std::pair<std::size_t, SiteId>, rules::Explanation> stagings_;
};

/// One second of questions: each place and each job is looked at once. Strand: its owner's.
class Sitting {
 public:
  /// `now`: of routing::ruling_time.
  Sitting(InForce in_force, UtcTime now) : in_force_(std::move(in_force)), now_(now) {}

  [[nodiscard]] bool is_of(const InForce& in_force, UtcTime now) const { return in_force_ == in_force && now_ == now; }
  [[nodiscard]] const Regulations& in_force() const { return *in_force_; }
  Hearing& hear(const Principal& person, const domain::JobSpec& spec, const Dossier& dossier, TrainingSum training);
  const rules::Bound& place(const SiteId& site);

 private:
  struct Place {
    rules::Evidence facts;
    std::optional<rules::Bound> bound;  // refers to `facts`
  };
  InForce in_force_;
  UtcTime now_;
  std::map<std::string, Hearing> hearings_;
  std::map<SiteId, Place> places_;
};

/// Thread-safe.
class Rulebook {
 public:
  [[nodiscard]] InForce in_force() const;
  /// `configured`: what the registers say takes its place in there.
  void replace(Regulations configured);
  /// What the registers say by now. Older news of the same fact is passed over.
  void amend(const std::vector<domain::RegisteredFact>& news);
  /// What the configuration says of it, whatever the registers do.
  [[nodiscard]] std::optional<domain::Statement> configured(const domain::FactKey& key) const;

  /// Whether the broker may hold what this person submits. permission_denied, RULES_DENY: the message has the rules, what they
  /// found and what they would allow; the faults have every fact that they asked for, with its source and age.
  [[nodiscard]] Result<void> may_take(const Principal& person, const domain::JobSpec& spec, UtcTime now) const;
  /// Whether what the job prints (`log_export`) or leaves (`stage_out`) at `site` may be read through the broker, by a person at
  /// a machine of their own. The same error; or OBLIGATION, by what the job was let run there with, and by what goes with that
  /// now.
  [[nodiscard]] Result<void> may_leave(rules::Action leaving, const Principal& person, const domain::JobSpec& spec,
                                       const Dossier& dossier, const SiteId& site, const std::vector<std::string>& obligations,
                                       UtcTime now) const;
  /// Whether the job may leave for that site, at this moment. The same error.
  [[nodiscard]] Result<void> may_send(const Principal& person, const domain::JobSpec& spec, const Dossier& dossier,
                                      TrainingSum training, const SiteId& site, UtcTime now) const;
  /// What the broker's registers say at this moment of a job that goes to a site, for the site's own rules.
  [[nodiscard]] ports::JobFacts told_of(const Principal& person, const domain::JobSpec& spec, const Dossier& dossier,
                                        TrainingSum training, UtcTime now) const;

 private:
  void put_in_force();  // under mutex_

  mutable std::mutex mutex_;
  Regulations configured_;
  std::map<domain::FactKey, domain::RegisteredFact> registered_;
  InForce in_force_ = std::make_shared<const Regulations>();
};

/// Why an obligation keeps something at its site, which is about to leave through the broker (`stage_out`, `log_export`; a copy
/// of a dataset, for the `stage_in` at another); none: none does.
std::optional<domain::Reason> kept_there(rules::Action leaving, const std::vector<std::string>& obligations,
                                         const Dossier& dossier);
inline constexpr std::string_view kObligation = "OBLIGATION";

/// Codes of a denial by rules, the broker's or the site's own: no scheduler has seen the job.
inline constexpr std::string_view kDatasetUnknown = "DATASET_UNKNOWN";
inline constexpr std::string_view kNoReplica = "NO_REPLICA";
inline constexpr std::string_view kNoRules = "NO_RULES";
using routing::kSiteRulesDeny;
bool is_withheld(const domain::Reason& reason);

}  // namespace hansa::engine
