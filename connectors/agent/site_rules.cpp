// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/site_rules.hpp"

#include "broker/core/digest.hpp"
#include "connectors/assembly/regulations.hpp"
#include "policies/routing/ruling.hpp"
#include "policies/rules/evidence_json.hpp"

#include <algorithm>
#include <utility>

namespace hansa::connectors::agent {

using rules::Attribute;
using rules::Evidence;
using rules::Subject;
using rules::tell;

namespace {

constexpr std::string_view kBrokerItself = "broker:";  // the issuer of what is no person's; who of them gets in says the map

/// What a broker's registers say of a job, or of a dataset. Of a place nobody but the site is believed, of the time nobody but
/// its clock; what the site has said itself stays. An attribute of a later vocabulary than this program's is passed over.
void tell_what_was_told(Evidence& evidence, const std::vector<ports::ToldFact>& told, Subject subject, UtcTime now) {
  const auto own = evidence.size();
  const auto said = [&](Attribute attribute) {
    return std::ranges::any_of(evidence.begin(), evidence.begin() + static_cast<std::ptrdiff_t>(own),
                               [&](const rules::Fact& fact) { return fact.attribute == attribute; });
  };
  for (const auto& fact : told) {
    const auto* record = rules::find_attribute(fact.attribute);
    if (record == nullptr || record->subject != subject || record->source == rules::Source::clock || said(record->attribute))
      continue;
    // Clocks differ a little; what is far ahead is no evidence.
    tell(evidence, record->attribute, fact.value, fact.as_of - now > rules::kClockSkew ? fact.as_of : std::min(fact.as_of, now));
  }
}

template <typename Key>
void tell_own(Evidence& evidence, const std::map<Key, rules::RegisterFacts>& facts, const Key& key, UtcTime now) {
  if (const auto at = facts.find(key); at != facts.end()) tell(evidence, at->second, now);
}

/// One for each dataset that the job names, told or not, and for each that is told beside: none goes unjudged.
std::vector<Evidence> evidence_of_datasets(const ports::SubmitRequest& request, UtcTime now) {
  std::vector<Evidence> all;
  const auto id_of = [](const std::vector<ports::ToldFact>& told) {
    const auto id = std::ranges::find(told, rules::record_of(Attribute::dataset_id).name, &ports::ToldFact::attribute);
    const auto* text = id == told.end() ? nullptr : std::get_if<std::string>(&id->value);
    return text == nullptr ? std::string() : *text;
  };
  const auto add = [&](const std::string& id, const std::vector<ports::ToldFact>& told) {
    auto& evidence = all.emplace_back();
    tell(evidence, Attribute::dataset_id, id, now);
    tell_what_was_told(evidence, told, Subject::dataset, now);
  };
  for (const auto& dataset : request.spec.datasets) {
    const auto told = std::ranges::find(request.facts->datasets, dataset.str(), id_of);
    add(dataset.str(), told == request.facts->datasets.end() ? std::vector<ports::ToldFact>{} : *told);
  }
  for (const auto& told : request.facts->datasets) {
    const auto id = id_of(told);
    if (std::ranges::find(request.spec.datasets, DatasetId(id)) == request.spec.datasets.end()) add(id, told);
  }
  return all;
}

std::unexpected<Error> refused(std::string why, std::string detail = {}) {
  return fail(ErrorKind::permission_denied, routing::kSiteRulesDeny, "the site's own rules refused this job: " + std::move(why),
              std::move(detail));
}

/// Of facts: the same for the same ones, whenever they are read.
std::string text_of(const rules::RegisterFacts& facts) {
  Evidence evidence;
  tell(evidence, facts, UtcTime{});
  return canonical_json(rules::to_json(evidence));
}

std::string digest_of(const OwnRegulations& own, std::span<const rules::PackText> packs) {
  auto text = routing::packs_document(packs) + text_of(own.site);
  for (const auto& [id, facts] : own.projects) text += id.str() + text_of(facts);
  for (const auto& [id, facts] : own.people) text += id.str() + text_of(facts);
  return sha256_hex(text);
}

/// An agent sees submissions, and nothing of what becomes of them.
std::vector<Fault> unkept_obligations(const rules::RuleSet& rules) {
  std::vector<Fault> faults;
  for (const auto& rule : rules.rules()) {
    for (const auto& obligation : rule.obligations) {
      if (rules::parts_of(obligation).by_site) continue;
      faults.push_back({"rule " + rule.id, "has the obligation " + obligation +
                                               ", which a broker keeps and an agent cannot: leave it to the broker's packs"});
    }
  }
  return faults;
}

}  // namespace

Result<OwnRegulations> own_regulations(const config::AgentConfig& config, const std::filesystem::path& shipped_packs) {
  OwnRegulations own;
  own.site = assembly::facts_of_place(config.site.id.str(), "cluster", config.site.country, config.site.facts);
  for (const auto& project : config.projects) own.projects.emplace(project.id, assembly::facts_of_project(project.facts));
  for (const auto& person : config.people) own.people.emplace(person.id, assembly::facts_of_person(person));
  if (config.rules.packs.empty()) return own;
  const auto packs = assembly::read_packs(config.rules, shipped_packs);
  if (!packs) return std::unexpected(packs.error());
  auto loaded = rules::load(*packs);
  if (!loaded) return std::unexpected(loaded.error());
  if (auto faults = unkept_obligations(*loaded); !faults.empty()) {
    auto error =
        fail(ErrorKind::invalid_argument, "BAD_RULE_PACK", "the site's own rules have obligations that nobody would keep");
    error.error().faults = std::move(faults);
    return error;
  }
  own.rules = std::make_shared<const rules::RuleSet>(std::move(*loaded));
  own.digest = digest_of(own, *packs);
  return own;
}

Result<void> SiteRules::may_run(const ports::SubmitRequest& request) const {
  if (!own_.rules) return {};
  if (!request.facts) {
    return refused(
        "EVIDENCE_MISSING: the broker tells nothing of person, project and data, which they ask about; a broker of this version "
        "tells it of every job");
  }
  const auto now = routing::ruling_time(clock_.now_utc());
  Evidence job;
  const bool copies = request.stages_in && request.person.str().starts_with(kBrokerItself);
  if (!copies) {  // a copy is its dataset's owner's, as told
    tell(job, Attribute::user_id, request.person.str(), now);
    tell_own(job, own_.people, request.person, now);
    tell(job, Attribute::project_id, request.spec.project.str(), now);
    tell_own(job, own_.projects, request.spec.project, now);
  }
  tell_what_was_told(job, request.facts->job, Subject::job, now);
  Evidence site;
  tell(site, own_.site, now);
  const auto datasets = evidence_of_datasets(request, now);

  const auto bound_job = own_.rules->bind(Subject::job, job, now);
  const auto bound_site = own_.rules->bind(Subject::site, site, now);
  std::vector<rules::Bound> bound_datasets;
  for (const auto& dataset : datasets) bound_datasets.push_back(own_.rules->bind(Subject::dataset, dataset, now));
  if (copies && bound_datasets.empty()) return refused("it copies, and names no dataset");
  auto why = copies ? routing::stage_ruling(*own_.rules, bound_job, bound_site, bound_datasets.front())
                    : routing::ruling(*own_.rules, bound_job, bound_site, bound_datasets, rules::Told::all);
  for (std::size_t i = 1; copies && i < bound_datasets.size() && why.code == rules::Code::permitted; ++i)
    why = routing::stage_ruling(*own_.rules, bound_job, bound_site, bound_datasets[i]);
  if (why.code == rules::Code::permitted) return {};
  const auto denial = routing::denial(why).error();
  std::string facts;
  for (const auto& fault : denial.faults) facts += (facts.empty() ? "" : "; ") + fault.message;
  return refused(denial.message, std::move(facts));
}

}  // namespace hansa::connectors::agent
