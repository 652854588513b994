// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/refusals.hpp"

#include "broker/engine/dispatch.hpp"
#include "broker/engine/observation.hpp"
#include "broker/engine/secret_vault.hpp"
#include "policies/routing/terms.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr Milliseconds kFirstAvoidance{60'000}, kLongestAvoidance{3'600'000};
constexpr std::int32_t kRefusalsForGood = 3;
constexpr Milliseconds kVetoLasts{3'600'000};

/// The site's own no, about this job. Anything else (it was down, its budget was used up) passes.
bool is_refusal(const Reason& reason) { return reason.code == "SITE_REFUSED"; }

/// Jobs that are the same to a site's rules, but for what the registers say. `petaflop`: what the job adds to its project's.
std::string to_rules(const Principal& person, const JobSpec& spec, std::int64_t petaflop) {
  auto text = person.str() + '\n' + spec.project.str() + "\nt" + std::to_string(petaflop);
  for (const auto& label : spec.labels) text += "\nl" + label.str();
  for (const auto& dataset : spec.datasets) text += "\nd" + dataset.str();
  return text;
}

}  // namespace

void Refusals::met(const Job& job, const Attempt& attempt) {
  // A person has said that it may go there again.
  if (attempt.reason.code == kOtherAccount || attempt.reason.code == kSecretMissing) return;
  if (attempt.reason.code == kOverBudget) return;    // its desk waits for all jobs
  const auto now = context_.scheduler.now_monotonic();
  if (attempt.reason.code == kSiteRulesDeny) {
    std::erase_if(vetoes_, [&](const auto& veto) { return veto.second.until <= now; });
    const auto* desk = context_.desk(attempt.site);
    vetoes_.insert_or_assign(
        {attempt.site, to_rules(job.owner, job.spec, context_.training.at_most(job.spec))},
        Veto{.until = now + kVetoLasts,
             .site_rules = desk != nullptr && desk->snapshot() ? desk->snapshot()->site_rules : std::string(),
             .reason = attempt.reason});
    return;
  }
  auto& avoidance = sites_[job.id][attempt.site];
  const auto pause = std::min(kFirstAvoidance * (1 << std::min(avoidance.tries, 6)), kLongestAvoidance);
  ++avoidance.tries;
  if (is_refusal(attempt.reason)) ++avoidance.refusals;
  avoidance.until = now + pause;
  avoidance.reason = attempt.reason;
}

std::optional<Refusals::Word> Refusals::of(const JobId& id, const SiteId& site) const {
  const auto sites = sites_.find(id);
  if (sites == sites_.end()) return std::nullopt;
  const auto at = sites->second.find(site);
  if (at == sites->second.end()) return std::nullopt;
  const auto& avoidance = at->second;
  const bool for_good = avoidance.refusals >= kRefusalsForGood;
  if (!for_good && context_.scheduler.now_monotonic() >= avoidance.until) return std::nullopt;
  if (is_withheld(avoidance.reason) || avoidance.reason.code == kMoved) return Word{avoidance.reason, for_good};
  return Word{{is_refusal(avoidance.reason) ? "SITE_REFUSED" : "NOT_TAKEN",
               "the site did not take this job: " + avoidance.reason.message},
              for_good};
}

const Reason* Refusals::veto(const SiteId& site, const Principal& person, const JobSpec& spec) const {
  if (vetoes_.empty()) return nullptr;
  const auto veto = vetoes_.find({site, to_rules(person, spec, context_.training.at_most(spec))});
  return veto == vetoes_.end() || veto->second.until <= context_.scheduler.now_monotonic() ? nullptr : &veto->second.reason;
}

bool Refusals::over_since(const JobId& id, MonotonicTime before, MonotonicTime now) const {
  const auto sites = sites_.find(id);
  return sites != sites_.end() && std::ranges::any_of(sites->second, [&](const auto& entry) {
           return before < entry.second.until && entry.second.until <= now;
         });
}

std::optional<MonotonicTime> Refusals::next(MonotonicTime now) const {
  std::optional<MonotonicTime> next;
  for (const auto& [id, sites] : sites_) {
    for (const auto& [site, avoidance] : sites) {
      if (avoidance.until > now && (!next || avoidance.until < *next)) next = avoidance.until;
    }
  }
  return next;
}

bool Refusals::site_rules_are(const SiteId& site, const std::string& rules) {
  return std::erase_if(vetoes_, [&](const auto& veto) { return veto.first.first == site && veto.second.site_rules != rules; }) >
         0;
}

void Refusals::withheld_no_more() {
  for (auto& [id, sites] : sites_) {
    for (auto& [site, avoidance] : sites) {
      if (is_withheld(avoidance.reason)) avoidance.until = {};
    }
  }
}

}  // namespace hansa::engine
