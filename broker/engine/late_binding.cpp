// SPDX-License-Identifier: Apache-2.0
// What Placement knows of late binding (ADR 0010, 0017): whose turn it is, who may stand in a site's line, what is kept free for
// the more urgent ones and for those that move.
#include "broker/core/time_text.hpp"
#include "broker/engine/observation.hpp"
#include "broker/engine/placement.hpp"
#include "policies/routing/urgency.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

/// That one start of it takes there; nodes of its own are as large as that site's on the average.
std::int64_t cores_of(const Resources& resources, std::int64_t cores, std::int64_t nodes) {
  const auto whole = resources.exclusive && nodes > 0 ? (cores + nodes - 1) / nodes : 0;
  return std::max<std::int64_t>(resources.cores_per_node(), whole) * resources.nodes;
}

/// What the budget lets states be seen by, beside snapshots and accounting.
Milliseconds between_looks(const Site& site) {
  return Milliseconds{std::max(1'000, 180'000 / std::max(1, site.budget.queries_per_minute))};
}

bool in_line(const Job* job) {
  return job != nullptr && !is_terminal(job->state) && !job->held_by_user && job->live_attempt() == nullptr;
}

}  // namespace

Placement::Turn Placement::turn_of(const JobId& first) const {
  const auto& job = *context_.book.find(first);
  const auto limit = job.spec.time_limit.count();
  const auto waited = std::chrono::floor<Seconds>(context_.scheduler.now_utc() - job.accepted_at).count();
  const auto length = routing::counted_length(limit, runs_.expected(job.owner, limit));
  const auto urgency = routing::urgency(std::max<std::int64_t>(waited, 0), routing::kHeadStart, length);
  return {-context_.shares.weighed(job.spec.project, urgency), first};
}

void Placement::learn(const Job& over) {
  const auto* last = over.last_attempt();
  if (!over.spec.array.empty()) return;  // how long all of it took says little of one task
  if (!over.started_at || !over.ended_at || last == nullptr || last->outcome == Outcome::never_started) return;
  const auto ran = std::chrono::floor<Seconds>(*over.ended_at - *over.started_at);
  runs_.ran(over.owner, std::max<std::int64_t>(ran.count(), 1));
  if (over.state != JobState::succeeded) return;  // a node that fails each job at once is not fed the more for it
  const auto desk = context_.desks.find(last->site);
  if (desk == context_.desks.end() || ran > between_looks(desk->second->site())) return;
  auto& desktop = desktops_[last->site];
  auto& runs = desktop.short_runs;
  const auto now = context_.scheduler.now_monotonic();
  while (!runs.empty() && now - runs.front().first > 2 * between_looks(desk->second->site())) runs.pop_front();
  runs.emplace_back(now, cores_of(resources_of(over.spec, last->variant), desktop.cores, desktop.nodes));
}

/// Cores of ours that came free there of themselves between the last two looks or so: as many will before the next.
std::int64_t Placement::turned_over(const SiteDesk& desk, const Desktop& desktop) const {
  const auto now = context_.scheduler.now_monotonic();
  std::int64_t cores = 0;
  for (const auto& [seen, of_run] : desktop.short_runs) cores += now - seen <= 2 * between_looks(desk.site()) ? of_run : 0;
  return cores;
}

std::optional<Reason> Placement::not_there(const Decision& decision, const JobSpec& asked, const JobId* id) {
  const auto& desk = *context_.desks.at(*decision.chosen);
  const auto& verdict = *std::ranges::find(decision.verdicts, *decision.chosen, &Verdict::site);
  const bool as_is = asked.variants.empty() && desk.site().hardware == Hardware{};
  const auto there = as_is ? std::nullopt : std::optional(spec_for(asked, verdict.variant, desk.site().hardware));
  const auto& spec = there ? *there : asked;
  const auto at = desktops_.find(desk.site().id);
  if (verdict.stage_in || at == desktops_.end() || !at->second.profile) return std::nullopt;
  const auto* kept = kept_at(desk.site().id, id);
  if (starts_at_once(verdict)) return kept == nullptr ? std::nullopt : delays(*at->second.profile, *kept, verdict.queue, spec);
  const bool nowhere_else = std::ranges::all_of(decision.verdicts, [&](const Verdict& other) {
    return other.site == verdict.site || other.obstacle == Obstacle::permanent;
  });
  if (at->second.others_waiting > 0 && nowhere_else) return std::nullopt;  // the sooner in that line the better
  auto stays = at->second.others_waiting > 0 ? place_later(at->second, spec, id) : fed(desk, at->second, spec, kept);
  if (stays && id != nullptr && !wish_ && verdict.predicted) {
    const auto start = context_.scheduler.now_utc() + *verdict.predicted;
    wish_ = Kept{.job = *id, .site = desk.site().id, .queue = verdict.queue, .variant = verdict.variant, .at = start};
  }
  return stays;
}

/// Where other people stand in line, whom nothing that is kept here holds up, a job takes its place among them: a wide one at
/// once, each after a while; before that it can still go wherever room comes first.
std::optional<Reason> Placement::place_later(const Desktop& desktop, const JobSpec& spec, const JobId* id) const {
  const auto* job = id == nullptr ? nullptr : context_.book.find(*id);
  const auto waited = job == nullptr ? Milliseconds{0} : context_.scheduler.now_utc() - job->accepted_at;
  const auto& options = context_.options;
  if (cores_of(spec.resources, desktop.cores, desktop.nodes) * spec.array.side_by_side() * 100 >=
          options.place_percent * desktop.cores ||
      waited >= options.place_after)
    return std::nullopt;
  const bool seen = desktop.profile->facts().sees_everyone;
  return Reason{"PLACE_LATER",
                std::string(seen ? "other people's jobs wait there" : "other people's jobs are hidden there, and may wait") +
                    "; it takes its place among them once it has waited " + format_duration(options.place_after) +
                    ", and goes before that to whichever site would start it at once"};
}

/// Where the line is ours alone, no more of ours wait in it than would fill half of the site at once (one job at least), or than
/// it has got through of late, which keeps it fed between two looks. The rest waits here; and nobody stands in that line before a
/// more urgent one that does.
std::optional<Reason> Placement::fed(const SiteDesk& desk, const Desktop& desktop, const JobSpec& spec, const Kept* kept) const {
  std::int64_t waiting = 0;
  for (const auto& other : desk.waiting_there) {
    const auto* job = context_.book.find(other);
    if (job == nullptr) continue;
    const auto& resources = resources_of(job->spec, job->attempts.empty() ? "" : job->attempts.back().variant);
    waiting += cores_of(resources, desktop.cores, desktop.nodes) * job->side_by_side();
  }
  const auto fills = std::max(desktop.cores, 2 * turned_over(desk, desktop));
  if (!desk.waiting_there.empty() &&
      (waiting + cores_of(spec.resources, desktop.cores, desktop.nodes) * spec.array.side_by_side()) * 2 > fills) {
    return Reason{"QUEUE_FED", "enough of our jobs wait there already (" + std::to_string(waiting) + " of its " +
                                   std::to_string(desktop.cores) + " cores); more wait here, where they can still go elsewhere"};
  }
  if (kept == nullptr) return std::nullopt;
  return Reason{"KEPT_FREE", "job " + kept->job.str() + " is more urgent and waits here for that site"};
}

void Placement::keep_free(const JobId& id) {
  if (wish_ && wish_->job == id) kept_.try_emplace(wish_->site, *wish_);
}

const Placement::Kept* Placement::kept_at(const SiteId& site, const JobId* but_for) const {
  const auto at = kept_.find(site);
  if (at == kept_.end() || (but_for != nullptr && at->second.job == *but_for)) return nullptr;
  return in_line(context_.book.find(at->second.job)) ? &at->second : nullptr;
}

/// A job that would start now may not make the more urgent one start later than it can.
std::optional<Reason> Placement::delays(const routing::AvailabilityProfile& profile, const Kept& kept, const QueueName& queue,
                                        const JobSpec& spec) const {
  const auto now = context_.scheduler.now_utc();
  if (now + spec.time_limit <= kept.at) return std::nullopt;
  const auto urgent = spec_for(context_.book.find(kept.job)->spec, kept.variant, context_.desks.at(kept.site)->site().hardware);
  const auto before = profile.earliest_start(kept.queue, urgent.resources, urgent.time_limit, now);
  auto with_it = profile;
  with_it.occupy(Tag("beside"), queue, spec.resources, spec.time_limit, now);
  const auto after = with_it.earliest_start(kept.queue, urgent.resources, urgent.time_limit, now);
  if (!before || (after && after->at <= std::max(before->at, kept.at))) return std::nullopt;
  return Reason{"KEPT_FREE", "job " + kept.job.str() + " is more urgent and starts there at " + format_utc(kept.at) +
                                 ", if nothing that runs longer takes its room"};
}

// ---- moves

std::optional<UtcTime> Placement::start_of(const SiteId& site, const SiteJobId& id) const {
  const auto at = desktops_.find(site);
  return at == desktops_.end() || !at->second.profile ? std::nullopt : at->second.profile->start_of(id);
}

std::optional<Decision> Placement::elsewhere(const Job& job, const Dossier& dossier) {
  auto decision = decide(job.owner, job.spec, dossier, &job.id, nullptr);
  if (!decision.chosen) return std::nullopt;
  const auto verdict = std::ranges::find(decision.verdicts, *decision.chosen, &Verdict::site);
  if (!starts_at_once(*verdict) || verdict->stage_in) return std::nullopt;
  promises_.insert_or_assign(job.id, Promise{.site = *decision.chosen,
                                             .queue = decision.queue,
                                             .variant = verdict->variant,
                                             .tag = make_tag(job.id, static_cast<std::int32_t>(job.attempts.size()) + 1)});
  occupy_promised(*decision.chosen, &job.id);
  return decision;
}

void Placement::occupy_promised(const SiteId& site, const JobId* only) {
  auto& profile = desktops_[site].profile;
  for (const auto& [id, promise] : promises_) {
    const auto* job = context_.book.find(id);
    if (promise.site != site || !profile || job == nullptr || (only != nullptr && id != *only)) continue;
    const auto resources = in_units_of(context_.desks.at(site)->site().hardware, resources_of(job->spec, promise.variant));
    profile->occupy(promise.tag, promise.queue, resources, job->spec.time_limit, context_.scheduler.now_utc());
  }
}

void Placement::withdraw(const JobId& id) {
  const auto promise = promises_.find(id);
  if (promise == promises_.end()) return;
  release(promise->second.site, promise->second.tag);
  promises_.erase(promise);
  context_.placing.set();
}

void Placement::promise_stands(const Job& job) {
  const bool moves = job.live_attempt() != nullptr && move_under_way(job) != nullptr;
  if (!moves && !in_line(&job)) withdraw(job.id);
}

void Placement::mind_moves(const JobId* id, const Hearing* hearing, const Regulations& in_force, routing::SiteView& view) const {
  for (const auto& [mover, promise] : promises_) {
    if (promise.site == view.site->id && (id == nullptr || mover != *id)) ++view.our_waiting;
  }
  const auto* job = id == nullptr ? nullptr : context_.book.find(*id);
  const auto* attempt = job == nullptr ? nullptr : job->last_attempt();
  if (attempt == nullptr) return;
  const bool waits = attempt->state != AttemptState::ended;
  if (!waits && attempt->reason.code != kMoved) return;
  if (attempt->site == view.site->id) {
    if (waits) view.not_now = Reason{"WAITS_THERE", "it waits there already"};
    return;
  }
  const auto facts = in_force.sites.find(view.site->id);
  const auto denied = hearing == nullptr ? std::nullopt
                                         : hearing->denied(rules::Action::reroute,
                                                           facts == in_force.sites.end() ? RegisterFacts{} : facts->second);
  if (!denied) return;
  const bool evidence = denied->code == rules::Code::evidence_missing;
  view.not_now = Reason{evidence ? "EVIDENCE_MISSING" : std::string(routing::kRulesDeny),
                        "it may not be taken there from " + attempt->site.str() + ": " + denied->sentence};
}

}  // namespace hansa::engine
