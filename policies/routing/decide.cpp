// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/decide.hpp"

#include "broker/core/time_text.hpp"
#include "broker/domain/allocation.hpp"
#include "policies/routing/terms.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace hansa::routing {
namespace {

using domain::Obstacle;
using domain::Verdict;

constexpr std::string_view kSnapshot = "snapshot";
constexpr std::string_view kSiteState = "site state";
constexpr std::string_view kConfiguration = "configuration";
constexpr std::string_view kRules = "rules";
constexpr std::string_view kRegister = "register of datasets";
constexpr std::string_view kMovers = "movers";
constexpr std::string_view kDoctor = "doctor";
constexpr std::string_view kAllocations = "allocations";
constexpr std::string_view kNotRequested = "NOT_REQUESTED";

/// Of the broker; an operator's to lift.
bool is_shut_out(std::string_view code) { return code == "PERSON_REVOKED"; }

/// Not for ever: it can be granted, the person can log in or be let in again.
bool may_change(const domain::Reason& no_account) {
  const auto& code = no_account.code;
  return code == kNoAllocation || domain::is_about_allocation(code) || is_about_credential(code) || is_shut_out(code);
}

/// "now" or "in 4m30s".
std::string when(Seconds wait) { return wait.count() == 0 ? "now" : "in " + format_duration(wait); }

/// The same with how late it may get: "in 10m (up to 45m)".
std::string when(const std::optional<Seconds>& p50, const std::optional<Seconds>& p90) {
  if (!p50) return "nobody can say when";
  return when(*p50) + (p90 && *p90 > *p50 ? " (up to " + format_duration(*p90) + ")" : "");
}

Seconds age_of(UtcTime then, UtcTime now) {
  return std::max(std::chrono::floor<Seconds>(now - then), Seconds{0});  // a clock that stepped back is no negative age
}

template <typename Items, typename Text>
std::string joined(const Items& items, Text text) {
  std::string result;
  for (const auto& item : items) result += (result.empty() ? "" : ", ") + text(item);
  return result;
}

/// One site's way through the checks. Each check returns a refusal or nothing.
class SiteCheck {
 public:
  SiteCheck(const DecisionInput& input, const SiteView& view) : input_(input), view_(view), spec_(input.spec) {}

  Verdict verdict() const {
    auto verdict = judged();
    if (view_.ruling != nullptr && !verdict.rules) verdict.rules = rule_verdict(*view_.ruling);
    return verdict;
  }

 private:
  using Refusal = std::optional<Verdict>;

  Verdict judged() const {
    for (const auto check : {&SiteCheck::requested, &SiteCheck::account, &SiteCheck::ever, &SiteCheck::allocation,
                             &SiteCheck::ruled, &SiteCheck::data, &SiteCheck::drained, &SiteCheck::fit, &SiteCheck::reachable,
                             &SiteCheck::fresh, &SiteCheck::budget, &SiteCheck::caller, &SiteCheck::now}) {
      if (auto refusal = (this->*check)()) return std::move(*refusal);
    }
    return estimate();
  }

  Verdict refuse(Obstacle obstacle, std::string code, std::string message, std::string_view source,
                 std::optional<UtcTime> seen_at = std::nullopt) const {
    Verdict verdict;
    verdict.site = view_.site->id;
    verdict.obstacle = obstacle;
    verdict.code = std::move(code);
    verdict.source = std::string(source);
    if (seen_at) verdict.age = age_of(*seen_at, input_.now);
    verdict.message =
        std::move(message) + " (" + verdict.source + (verdict.age ? ", " + format_duration(*verdict.age) + " old" : "") + ")";
    return verdict;
  }

  Refusal requested() const {
    const auto& sites = spec_.placement.sites;
    if (!sites.empty() && std::ranges::find(sites, view_.site->id) == sites.end()) {
      return refuse(Obstacle::permanent, std::string(kNotRequested),
                    "the job asks for " + joined(sites, [](const SiteId& site) { return site.str(); }), "job");
    }
    const auto& countries = spec_.placement.countries;
    if (!countries.empty() && std::ranges::find(countries, view_.site->country) == countries.end()) {
      return refuse(Obstacle::permanent, std::string(kNotRequested),
                    "the job asks for country " + joined(countries, [](const std::string& country) { return country; }) +
                        "; this site is in " + view_.site->country,
                    "job");
    }
    return std::nullopt;
  }

  Refusal account() const {
    if (!view_.no_account || may_change(*view_.no_account)) return std::nullopt;
    const auto& reason = *view_.no_account;
    return refuse(Obstacle::permanent, reason.code.empty() ? "NO_ACCOUNT" : reason.code,
                  reason.message.empty() ? "no account of this person at this site" : reason.message, kConfiguration);
  }

  /// Permanent unless some queue could hold the job. Node sizes and limits are believed however old the snapshot is.
  Refusal ever() const {
    if (view_.profile == nullptr) return std::nullopt;
    return nearest_miss(Obstacle::permanent);
  }

  Refusal allocation() const {
    if (!view_.no_account || !may_change(*view_.no_account)) return std::nullopt;
    const auto& [code, message] = *view_.no_account;
    return refuse(Obstacle::temporary, code, message,
                  code == kNoAllocation               ? kConfiguration
                  : domain::is_about_allocation(code) ? kAllocations
                                                      : "broker");
  }

  /// The sentence has the rules, every value with its age, and what would be allowed.
  Refusal ruled() const {
    if (view_.ruling == nullptr && input_.ruled)
      return refuse(Obstacle::temporary, std::string(kRulesDeny), "the rules were not asked about this site", kRules);
    if (view_.ruling == nullptr || view_.ruling->code == rules::Code::permitted) return std::nullopt;
    return denied(*view_.ruling);
  }

  Verdict denied(const rules::Explanation& ruling) const {
    const bool evidence = ruling.code == rules::Code::evidence_missing;
    auto refusal = refuse(Obstacle::temporary, evidence ? "EVIDENCE_MISSING" : std::string(kRulesDeny), "", kRules);
    refusal.message = ruling.sentence;
    return refusal;
  }

  Refusal data() const {
    for (const auto& reason : {view_.no_data, view_.missing.no_way}) {
      if (reason) return refuse(Obstacle::temporary, reason->code, reason->message, kRegister);
    }
    for (const auto& dataset : view_.missing.datasets) {
      if (may_not(dataset.ruling)) return not_to_be_staged(*dataset.ruling);
      if (best_way(dataset) != nullptr) continue;
      const auto& way = dataset.ways.front();
      if (may_not(way.ruling)) return not_to_be_staged(*way.ruling);
      const auto& reason = way.kept ? *way.kept : *way.not_now;
      return refuse(Obstacle::temporary, reason.code, reason.message, way.kept ? kRules : kMovers);
    }
    return std::nullopt;
  }

  static bool may_not(const rules::Explanation* ruling) { return ruling != nullptr && ruling->code != rules::Code::permitted; }

  Verdict not_to_be_staged(const rules::Explanation& ruling) const {
    auto refusal = denied(ruling);
    refusal.rules = rule_verdict(ruling);
    return refusal;
  }

  static Seconds time_of(domain::Bytes bytes, domain::Bytes per_second) {
    const auto speed = std::max<std::int64_t>(per_second.value, 1);
    return Seconds{bytes.value / speed + (bytes.value % speed == 0 ? 0 : 1)};
  }

  /// The fastest that nothing speaks against.
  static const Way* best_way(const MissingDataset& dataset) {
    const Way* best = nullptr;
    for (const auto& way : dataset.ways) {
      if (may_not(way.ruling) || way.kept || way.not_now) continue;
      const auto rank = [](const Way& w) { return std::tuple(-w.per_second.value, w.from); };
      if (best == nullptr || rank(way) < rank(*best)) best = &way;
    }
    return best;
  }

  /// After data() has found nothing in its way.
  std::optional<domain::StageIn> stage_in() const {
    if (view_.missing.datasets.empty()) return std::nullopt;
    domain::StageIn plan{.time = Seconds{0}, .bytes = {0}, .under_way = true, .from = {}};
    std::map<SiteId, Seconds> by_source;
    for (const auto& dataset : view_.missing.datasets) {
      const auto& way = *best_way(dataset);
      plan.bytes += dataset.bytes;
      plan.under_way = plan.under_way && dataset.under_way;
      plan.from.push_back(
          {.dataset = dataset.number < spec_.datasets.size() ? spec_.datasets[dataset.number] : DatasetId{}, .site = way.from});
      plan.time = std::max(plan.time, by_source[way.from] += time_of(dataset.bytes, way.per_second));
    }
    return plan;
  }

  Refusal drained() const {
    if (!view_.state->drained) return std::nullopt;
    const auto& why = view_.state->drain_reason;
    return refuse(Obstacle::temporary, "SITE_DRAINED",
                  "an operator of the broker lets it take no new jobs" + (why.empty() ? "" : ": " + why), kSiteState);
  }

  Refusal fit() const {
    if (!view_.found) return std::nullopt;
    return refuse(Obstacle::temporary, "SITE_UNFIT", view_.found->what, kDoctor, view_.found->at);
  }

  Refusal reachable() const {
    if (view_.state->health != domain::SiteHealth::down) return std::nullopt;
    const auto& error = view_.state->last_error.message;
    return refuse(Obstacle::temporary, "SITE_DOWN", "the site does not answer" + (error.empty() ? "" : ": " + error), kSiteState,
                  view_.state->last_failure);
  }

  Refusal fresh() const {
    if (view_.profile == nullptr) {
      return refuse(Obstacle::temporary, "NO_SNAPSHOT", "the site has not been seen since the broker started", kSiteState);
    }
    const auto age = age_of(view_.profile->taken_at(), input_.now);
    if (age <= view_.freshness) return std::nullopt;
    return refuse(Obstacle::temporary, "SNAPSHOT_STALE",
                  "what is known of its queues is " + format_duration(age) + " old; at most " + format_duration(view_.freshness) +
                      " is trusted",
                  kSnapshot, view_.profile->taken_at());
  }

  Refusal budget() const {
    const auto allowed = view_.site->budget.waiting_jobs;
    if (view_.our_waiting < allowed) return std::nullopt;
    return refuse(Obstacle::temporary, "BUDGET_FULL",
                  std::to_string(view_.our_waiting) + (view_.our_waiting == 1 ? " job" : " jobs") +
                      " of this broker already waiting there; the site allows " + std::to_string(allowed),
                  kConfiguration);
  }

  Refusal caller() const {
    if (!view_.not_now) return std::nullopt;
    return refuse(Obstacle::temporary, view_.not_now->code, view_.not_now->message,
                  view_.not_now->code == kSiteRulesDeny ? "site" : "broker");
  }

  Refusal now() const { return nearest_miss(Obstacle::temporary); }

  /// None as soon as one queue has a lesser obstacle than `bar`; otherwise what the queue nearest to taking it lacks.
  Refusal nearest_miss(Obstacle bar) const {
    std::optional<QueueFit> nearest;
    std::size_t others = 0;
    for (const auto& [queue, terms, fit] : fits()) {
      if (fit.obstacle < bar) return std::nullopt;
      if (fit.obstacle != bar) continue;
      if (nearest) ++others;
      if (!nearest || fit.passed > nearest->passed) nearest = fit;
    }
    const auto taken = view_.profile->taken_at();
    if (!nearest && bar == Obstacle::permanent) return std::nullopt;
    if (!nearest) return refuse(Obstacle::temporary, "QUEUE_DOWN", "the site shows no queue", kSnapshot, taken);
    if (nearest->found_at) return refuse(bar, nearest->code, nearest->message, kDoctor, nearest->found_at);
    if (nearest->by_profile) return refuse(bar, nearest->code, nearest->message, kConfiguration);
    if (others > 0 && bar == Obstacle::permanent) {
      nearest->message += others == 1 ? "; nor can its other queue hold it"
                                      : "; nor can any of its " + std::to_string(others) + " other queues hold it";
    }
    return refuse(bar, nearest->code, nearest->message, kSnapshot, taken);
  }

  struct Candidate {
    const QueueFacts* queue = nullptr;
    Terms terms;
    QueueFit fit;
  };

  /// Of its queues, the preferred one first.
  const std::vector<Candidate>& fits() const {
    if (fits_) return *fits_;
    auto& fits = fits_.emplace();
    const auto& facts = view_.profile->facts();
    for (const auto& queue : facts.queues) {
      auto terms = terms_at(*view_.site, facts, queue, spec_, view_.offers);
      auto fit = terms.refusal.value_or(QueueFit{});
      const bool may_change = fit.by_profile && fit.obstacle == Obstacle::temporary;
      if (!terms.refusal || may_change) fit = fit_queue(facts, queue, terms.resources, spec_.time_limit);
      if (may_change && fit.obstacle != Obstacle::permanent) fit = *terms.refusal;
      fits.push_back({.queue = &queue, .terms = std::move(terms), .fit = std::move(fit)});
    }
    std::ranges::sort(fits, {}, [](const Candidate& c) { return std::tuple(!c.queue->is_default, std::cref(c.queue->name)); });
    return fits;
  }

  Verdict estimate() const {
    const auto& profile = *view_.profile;
    const Candidate* chosen = nullptr;
    Seconds wait{0};
    for (const auto& candidate : fits()) {
      if (candidate.fit.obstacle != Obstacle::none) continue;
      const auto start = profile.earliest_time(*candidate.queue, candidate.terms.resources, spec_.time_limit, input_.now);
      if (!start) continue;
      const auto here = Seconds{std::max<std::int64_t>(to_unix_seconds(*start) - to_unix_seconds(input_.now), 0)};
      if (chosen == nullptr || here < wait) std::tie(chosen, wait) = std::pair(&candidate, here);
    }
    if (chosen == nullptr) {  // only if taken room outlasts every prediction: a site that over-commits its nodes for ever
      return refuse(Obstacle::temporary, "NO_START_IN_SIGHT", "no start can be predicted in any of its queues", kSnapshot,
                    profile.taken_at());
    }
    const auto* best = chosen->queue;
    const auto& variant = chosen->terms.variant;
    const auto found = routing::estimate(wait, profile.facts().sees_everyone, view_.outlook);
    Verdict verdict = refuse(Obstacle::none, "OK",
                             (found.p50 ? "predicted to start " : "can take it, ") + when(found.p50, found.p90) + " in queue \"" +
                                 best->name.str() + "\"" + (variant.empty() ? "" : " as variant \"" + variant + "\""),
                             kSnapshot, profile.taken_at());
    verdict.queue = best->name;
    verdict.variant = variant;
    verdict.basis = found.basis;
    verdict.predicted = found.predicted;
    verdict.correction = found.correction;
    verdict.wait = found.p50;
    verdict.wait_p90 = found.p90;
    verdict.method = method(found.basis, *best);
    verdict.snapshot_hash = profile.hash();
    verdict.stage_in = stage_in();
    if (verdict.stage_in) {
      verdict.message +=
          "; its data can be there " + when(verdict.stage_in->time) + " (" +
          joined(verdict.stage_in->from, [](const domain::StageSource& s) { return s.dataset.str() + " from " + s.site.str(); }) +
          (verdict.stage_in->under_way ? ", on their way)" : ")");
    }
    return verdict;
  }

  static std::string method(domain::Basis basis, const QueueFacts& queue) {
    switch (basis) {
      case domain::Basis::queue:
        return std::string("queue played forward (EASY)") + (queue.backlog_from != kForever ? ", its far end as a whole" : "");
      case domain::Basis::room: return "other people's jobs are hidden; beside what they have there is room now";
      case domain::Basis::scheduler: return "other people's jobs are hidden; the scheduler's word on ours that wait there";
      case domain::Basis::history: return "other people's jobs are hidden; how long ours have waited there";
      case domain::Basis::none: break;
    }
    return "other people's jobs are hidden, and too few of ours have started there";
  }

  const DecisionInput& input_;
  const SiteView& view_;
  const domain::JobSpec& spec_;
  mutable std::optional<std::vector<Candidate>> fits_;  // looked at by several checks
};

/// It was there when the job came: a job that asks for another is refused then.
Verdict unknown_site(const SiteId& site) {
  Verdict verdict;
  verdict.site = site;
  verdict.obstacle = Obstacle::temporary;
  verdict.code = "SITE_UNKNOWN";
  verdict.source = kConfiguration;
  verdict.message =
      "the broker no longer has a site of this name; until it has, the job waits or is cancelled (" + verdict.source + ")";
  return verdict;
}

/// When the queue has let it through and its data are there, whichever is later; a site without an estimate is last.
Seconds time_to_start(const Verdict& verdict) {
  if (!verdict.wait) return Seconds::max();
  return verdict.stage_in ? std::max(*verdict.wait, verdict.stage_in->time) : *verdict.wait;
}

std::string when_it_starts(const Verdict& verdict) {
  return verdict.wait && verdict.stage_in ? when(time_to_start(verdict), verdict.wait_p90) : when(verdict.wait, verdict.wait_p90);
}

domain::Reason why_none(const std::vector<Verdict>& verdicts, bool can_change) {
  if (verdicts.empty()) return {std::string(kNoSiteNow), "the broker has no sites"};
  const auto denied = [](const Verdict& verdict) {
    return verdict.source == kRules && verdict.rules && verdict.rules->code != to_string(rules::Code::permitted);
  };
  if (std::ranges::all_of(verdicts, denied)) {
    return {std::string(kRulesDeny),
            "the rules let it go to no site: " + joined(verdicts, [](const Verdict& verdict) {
              return verdict.site.str() + " " + verdict.rules->code +
                     (verdict.rules->rules.empty() ? "" : " (" + joined(verdict.rules->rules, [](const std::string& rule) {
                                                            return rule;
                                                          }) + ")");
            })};
  }
  // What nothing but the person's login stands in the way of is said as it is; and what nothing but an allocation does.
  for (const auto is_about_it : {is_shut_out, is_about_credential, domain::is_about_allocation}) {
    const auto first = std::ranges::find_if(verdicts, is_about_it, &Verdict::code);
    if (first != verdicts.end() && std::ranges::all_of(verdicts, [&](const Verdict& verdict) {
          return verdict.obstacle == Obstacle::permanent || is_about_it(verdict.code);
        }))
      return {first->code, "site " + first->site.str() + ": " + first->message};
  }
  std::vector<const Verdict*> asked_for;
  for (const auto& verdict : verdicts) {
    if (verdict.code != kNotRequested) asked_for.push_back(&verdict);
  }
  if (!asked_for.empty() &&
      std::ranges::all_of(asked_for, [](const Verdict* verdict) { return verdict->code == kSiteRulesDeny; })) {
    return {std::string(kSiteRulesDeny),
            joined(asked_for, [](const Verdict* verdict) { return verdict->site.str() + ": " + verdict->message; })};
  }
  const auto list = joined(verdicts, [](const Verdict& verdict) { return verdict.site.str() + " " + verdict.code; });
  return can_change ? domain::Reason{std::string(kNoSiteNow), "no site can take it now: " + list}
                    : domain::Reason{std::string(kNoSiteEver), "no site could ever take it: " + list};
}

domain::Reason why_this(const Verdict& best, const Verdict* next) {
  auto text = (best.wait ? "earliest predicted start: " : "no start is predicted: ") + when_it_starts(best) + ", at " +
              best.site.str() + " (queue " + best.queue.str() + (best.variant.empty() ? "" : ", variant " + best.variant) +
              (best.stage_in ? ", once its data are there" : "") + "); ";
  if (next == nullptr) {
    text += "no other site can take it now";
  } else if (time_to_start(*next) == time_to_start(best)) {
    text += next->site.str() + (best.wait ? " as early, site names decide" : " neither, site names decide");
  } else {
    text += "next " + next->site.str() + (next->wait ? " " : ", ") + when_it_starts(*next);
  }
  return {std::string(kEarliestStart), std::move(text)};
}

}  // namespace

domain::Decision decide(const DecisionInput& input) {
  domain::Decision decision;
  decision.at = input.now;
  if (input.ruled) decision.policy_hash = input.ruled->rules->hash();
  decision.verdicts.reserve(input.sites.size());
  std::vector<const SiteView*> views;
  views.reserve(input.sites.size());
  for (const auto& view : input.sites) views.push_back(&view);
  std::ranges::sort(views, {}, [](const SiteView* view) -> const SiteId& { return view->site->id; });
  for (const auto* view : views) decision.verdicts.push_back(SiteCheck(input, *view).verdict());
  for (const auto& site : input.spec.placement.sites) {
    if (std::ranges::find(decision.verdicts, site, &Verdict::site) == decision.verdicts.end())
      decision.verdicts.push_back(unknown_site(site));
  }
  if (decision.verdicts.size() > views.size()) std::ranges::sort(decision.verdicts, {}, &Verdict::site);

  std::vector<const Verdict*> ranked;
  for (const auto& verdict : decision.verdicts) {
    if (verdict.obstacle == Obstacle::none) ranked.push_back(&verdict);
  }
  // What has been begun is finished: otherwise every other estimate would turn data round half-way.
  const auto on_its_way = [](const Verdict* verdict) { return verdict->stage_in && verdict->stage_in->under_way; };
  if (std::ranges::any_of(ranked, on_its_way)) {
    std::erase_if(ranked, [&](const Verdict* verdict) { return verdict->stage_in && !on_its_way(verdict); });
  }
  std::ranges::sort(ranked, {}, [](const Verdict* verdict) { return std::tuple(time_to_start(*verdict), verdict->site); });
  if (ranked.empty()) {
    decision.reason = why_none(decision.verdicts, placing(decision) == Placing::held);
    return decision;
  }
  decision.chosen = ranked.front()->site;
  decision.queue = ranked.front()->queue;
  decision.reason = why_this(*ranked.front(), ranked.size() > 1 ? ranked[1] : nullptr);
  return decision;
}

Placing placing(const domain::Decision& decision) {
  if (decision.chosen) {
    const auto at = std::ranges::find(decision.verdicts, *decision.chosen, &Verdict::site);
    return at != decision.verdicts.end() && at->stage_in ? Placing::staging : Placing::placed;
  }
  const bool never = !decision.verdicts.empty() && std::ranges::all_of(decision.verdicts, [](const Verdict& verdict) {
    return verdict.obstacle == Obstacle::permanent;
  });
  return never ? Placing::rejected : Placing::held;
}

}  // namespace hansa::routing
