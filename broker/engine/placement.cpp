// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/placement.hpp"

#include "broker/core/digest.hpp"
#include "broker/core/time_text.hpp"
#include "broker/domain/one_range.hpp"
#include "broker/engine/dossier.hpp"
#include "broker/ports/task_statuses.hpp"
#include "policies/routing/replay.hpp"
#include "policies/routing/terms.hpp"

#include <algorithm>
#include <unordered_set>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr std::size_t index_of(JobState state) { return static_cast<std::size_t>(state); }  // into Line::jobs
static_assert(index_of(JobState::accepted) == 0 && index_of(JobState::waiting) == 1 && index_of(JobState::held) == 2 &&
              index_of(JobState::staging) == 3);

std::string no_allocation(const ProjectId& project, const Site& site) {
  return (project.str().empty() ? "a job without a project" : "project " + project.str()) + " has no allocation at " +
         site.id.str() + ": ask its operator for an entry " +
         (project.str().empty() ? "of a project of yours" : "\"" + project.str() + "\"") + " in the site's projects";
}

/// Why the site runs no such array; none: it does, or it is not known yet what it runs.
std::optional<Reason> runs_no_such_array(const SiteDesk& desk, const TaskArray& array) {
  if (array.empty() || !desk.snapshot()) return std::nullopt;
  const auto& limits = desk.snapshot()->arrays;
  const auto refuse = [](std::string why) { return Reason{"NO_SUCH_ARRAY", std::move(why)}; };
  if (!limits) return refuse("this site, or the broker's way to it, runs no job arrays; submit the tasks as jobs, in bulk");
  if (array.tasks.back() > limits->max_index) {
    return refuse("the largest index of a task there is " + std::to_string(limits->max_index) + ", and the job has " +
                  std::to_string(array.tasks.back()));
  }
  if (array.at_most > 0 && !limits->at_most)
    return refuse("its scheduler cannot keep to so many tasks at a time (%" + std::to_string(array.at_most) + ")");
  if (limits->any_indices || one_range(array)) return std::nullopt;
  return refuse("its scheduler runs two tasks or more with one step between them, not " +
                to_text({.tasks = array.tasks, .at_most = 0}));
}

}  // namespace

const JobId& Placement::Line::first() const {
  const JobId* first = nullptr;
  for (const auto& set : jobs) {
    if (!set.empty() && (first == nullptr || *set.begin() < *first)) first = &*set.begin();
  }
  return *first;
}

bool Placement::Line::empty() const {
  return std::ranges::all_of(jobs, [](const auto& set) { return set.empty(); });
}

std::vector<JobId> Placement::Line::untold(std::size_t most) const {
  std::vector<JobId> found;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (verdict && index_of(*verdict) == i) continue;
    for (auto id = jobs[i].begin(); id != jobs[i].end() && found.size() < most; ++id) found.push_back(*id);
  }
  return found;
}

bool Placement::is_in_line(const Job& job) {
  return index_of(job.state) < 4 && !job.held_by_user && !job.awaits_others() && job.live_attempt() == nullptr;
}

std::string Placement::line_of(const Job& job) const {
  auto key = shape_of(job);
  if (refusals_.knows(job.id)) key += "\na" + job.id.str();  // its verdicts are its own
  return key;
}

void Placement::not_taken(const Job& job, const Attempt& attempt, bool at_load) {
  if (!routing::is_about_credential(attempt.reason.code)) return refusals_.met(job, attempt);
  // So are all of theirs; what came before their last try is over.
  if (!at_load && &attempt == job.last_attempt())
    lapses_.met(attempt.site, job.owner, job.spec.time_limit, attempt.reason, context_.scheduler.now_monotonic());
}

void Placement::mind_login(const Job* before, const Job& after) {
  const auto* was = before == nullptr ? nullptr : before->live_attempt();
  if (was == nullptr || lapses_.empty()) return;
  const auto& is = after.attempts[static_cast<std::size_t>(was->number) - 1];
  const bool taken = is.state == AttemptState::bound && was->state != AttemptState::bound;
  const bool seen_again = is.state == AttemptState::bound && was->unknown_since && !is.unknown_since;
  if (taken || is.state == AttemptState::ended || is_terminal(after.state)) lapses_.is_back(is.site, after.owner, after.id);
  if (!taken && !seen_again) return;
  const auto known_for = taken ? std::optional(after.spec.time_limit) : std::nullopt;
  if (lapses_.login_good(is.site, after.owner, known_for, context_.scheduler.now_monotonic())) context_.placing.set();
}

void Placement::job_changed(const Job* before, const Job& after) {
  const bool was_in_line = before != nullptr && is_in_line(*before);
  const bool anybody_waited = !lines_.empty();
  // An array that has lost tasks stands in another.
  const bool same_line = was_in_line && is_in_line(after) && before->cancelled_tasks == after.cancelled_tasks;
  if (was_in_line) {  // before refusals_ change: its shape is still what it was
    const auto line = lines_.find(line_of(*before));
    line->second.jobs[index_of(before->state)].erase(after.id);
    if (line->second.empty() && !same_line) {
      const auto shape = line->first;
      told_.erase(shape);
      stager_.dissolved(shape);
      lines_.erase(line);
      post(shape);
    }
  }

  const auto* was = before == nullptr ? nullptr : before->live_attempt();
  const auto* is = after.live_attempt();
  const bool left = was != nullptr && (is == nullptr || is->number != was->number);
  if (left) {
    const auto& attempt = after.attempts[static_cast<std::size_t>(was->number) - 1];
    auto& profile = desktops_[attempt.site].profile;
    if (profile) {
      profile->release(make_tag(after.id, attempt.number), context_.scheduler.now_utc());
      if (!attempt.site_job_id.empty()) profile->release(attempt.site_job_id, context_.scheduler.now_utc());
    }
  }
  mind_login(before, after);
  for (const auto& attempt : after.attempts) {  // also those of before a restart
    const bool ended_now = left && attempt.number == was->number;
    if ((before == nullptr || ended_now) && attempt.outcome == Outcome::never_started)
      not_taken(after, attempt, before == nullptr);
  }
  if (is_terminal(after.state)) {
    refusals_.forget(after.id);
    learn(after);
  }
  promise_stands(after);
  bool told = true;
  if (is_in_line(after)) {
    auto& line = lines_[line_of(after)];
    line.jobs[index_of(after.state)].insert(after.id);
    told = same_line || line.verdict == after.state;
  }
  if (anybody_waited == lines_.empty()) post_outlook();

  // Somebody in line who has not been told yet, or a place that came free.
  const bool freed = left || (before != nullptr && before->state != after.state && was != nullptr);
  if (!told || freed) context_.placing.set();
}

/// What decisions rest on; none while it is too old to be trusted.
std::optional<std::tuple<std::string, std::int64_t, bool>> Placement::what_is_seen(const Desktop& desktop) const {
  const bool fresh =
      desktop.built_from && context_.scheduler.now_monotonic() - *desktop.built_from <= context_.options.snapshot_freshness;
  if (!fresh || !desktop.profile ||
      context_.scheduler.now_utc() - desktop.profile->taken_at() > context_.options.snapshot_freshness)
    return std::nullopt;
  return std::tuple(desktop.profile->hash(), desktop.cores, desktop.others_waiting > 0);
}

void Placement::occupy(const Site& site, const Tag& tag, const QueueName& queue, const Job& job, std::string_view variant) {
  constexpr std::int32_t kMostPlayed = 64;  // more fill any site, and each changes the profile's documents
  const auto resources = in_units_of(site.hardware, resources_of(job.spec, variant));
  auto& profile = *desktops_[site.id].profile;
  for (auto i = std::min(job.side_by_side(), kMostPlayed); i > 0; --i)
    profile.occupy(tag, queue, resources, job.spec.time_limit, context_.scheduler.now_utc());
}

void Placement::site_changed(SiteDesk& desk) {
  auto& desktop = desktops_[desk.site().id];
  const auto& state = desk.state();
  const auto looked_over = state.doctor ? std::optional(state.doctor->at) : std::nullopt;
  bool news = desktop.health != state.health || desktop.drained != state.drained || desktop.looked_over != looked_over;
  desktop.health = state.health;
  desktop.looked_over = looked_over;
  desktop.drained = state.drained;
  if (desk.snapshot() && desktop.built_from != desk.snapshot_at()) {
    const auto seen_before = what_is_seen(desktop);
    std::unordered_set<SiteJobId> ours;
    for (const auto& id : desk.live) {
      const auto* job = context_.book.find(id);
      if (job != nullptr && job->live_attempt() != nullptr) ours.insert(job->live_attempt()->site_job_id);
    }
    desktop.cores = desktop.nodes = desktop.others_waiting = 0;
    for (const auto& node : desk.snapshot()->nodes) {
      desktop.cores += node.usable ? node.cores : 0;
      desktop.nodes += node.usable ? 1 : 0;
    }
    for (const auto& work : desk.snapshot()->waiting)
      desktop.others_waiting += work.eligible && !ours.contains(work.id) && !ours.contains(ports::array_of(work.id)) ? 1 : 0;
    if (!desk.snapshot()->sees_everyone) desktop.others_waiting = std::max<std::int64_t>(desktop.others_waiting, 1);
    desktop.profile = routing::build_profile(*desk.snapshot(), context_.scheduler.now_utc());
    desktop.built_from = desk.snapshot_at();
    // Ours on their way may not have been in that snapshot: they still take their room.
    for (const auto& id : desk.waiting_there) {
      const auto* job = context_.book.find(id);
      const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
      if (attempt == nullptr) continue;
      const auto& waiting = desk.snapshot()->waiting;
      const auto& running = desk.snapshot()->running;
      const auto seen = [&](const auto& list) {
        return std::ranges::any_of(
            list, [&](const auto& w) { return w.id == attempt->site_job_id || ports::array_of(w.id) == attempt->site_job_id; });
      };
      if (!attempt->site_job_id.empty() && (seen(waiting) || seen(running))) continue;
      occupy(desk.site(), make_tag(id, attempt->number), attempt->queue, *job, attempt->variant);
    }
    occupy_promised(desk.site().id, nullptr);
    const bool other_rules = refusals_.site_rules_are(desk.site().id, desk.snapshot()->site_rules);
    news = news || other_rules || !seen_before || seen_before != what_is_seen(desktop);
  }
  if (!news) return;  // a hundred thousand may wait for something to change
  sites_changed_ = true;
  post_outlook();
  context_.placing.set();
}

void Placement::facts_changed() {
  refusals_.no_vetoes();
  look_again();
}

void Placement::login_good(const SiteId& site, const Principal& person) {
  (void)lapses_.login_good(site, person, std::nullopt, context_.scheduler.now_monotonic());
  look_again();
}

void Placement::look_again() {
  refusals_.withheld_no_more();
  sites_changed_ = true;
  post_outlook();
  context_.placing.set();
}

async::Task<Decision> Placement::consider(Principal person, JobSpec spec) {
  const auto dossier = co_await open_dossier(&context_, person, spec.datasets);
  if (!dossier) co_return std::unexpected(dossier.error());
  co_return decide(person, spec, *dossier, nullptr, nullptr);
}

async::Task<Decision> Placement::reconsider(Job job) {
  const auto dossier = co_await open_dossier(&context_, job.owner, job.spec.datasets);
  if (!dossier) co_return std::unexpected(dossier.error());
  co_return decide(job.owner, job.spec, *dossier, &job.id, nullptr);
}

std::optional<Reason> Placement::busy(SiteDesk& desk) const {
  if (const auto end = desk.quiet_until()) {
    return Reason{"SITE_QUIET",
                  "site " + desk.site().id.str() + " has quiet hours until " + format_utc(*end) + ": nothing new is sent there"};
  }
  if (desk.room() > 0) return std::nullopt;
  if (desk.slowed_down())
    return Reason{"SITE_BUSY", "the site's own end takes no more submissions for the moment: its load budget is used up"};
  return Reason{"SITE_BUSY", "submissions are under way up to the site's budget (" +
                                 std::to_string(desk.site().budget.submits_per_minute) + " a minute, " +
                                 std::to_string(desk.site().budget.concurrent_calls) + " at a time)"};
}

Decision Placement::decide(const Principal& person, const JobSpec& spec, const Dossier& dossier, const JobId* id,
                           Documents* documents) {
  routing::DecisionInput input{.spec = spec, .now = context_.scheduler.now_utc(), .ruled = std::nullopt, .sites = {}};
  const auto in_force = context_.rules.in_force();
  Hearing* hearing = nullptr;
  if (in_force->rules && !dossier.missing) {  // of what is not registered there is nothing to ask
    const auto second = routing::ruling_time(input.now);
    if (!sitting_ || !sitting_->is_of(in_force, second)) sitting_.emplace(in_force, second);
    hearing =
        &sitting_->hear(person, spec, dossier, context_.training.with(spec, id == nullptr ? std::nullopt : std::optional(*id)));
    input.ruled = hearing->ruled();
  }
  const auto* known = id == nullptr ? nullptr : context_.book.find(*id);
  const auto array = known == nullptr ? spec.array : known->array_left();
  const bool needs_offers = routing::needs_offers(spec);
  for (auto& [site, desk] : context_.desks) {
    auto& desktop = desktops_[site];
    routing::SiteView view{.site = &desk->site(),
                           .state = &desk->state(),
                           .profile = desktop.profile ? &*desktop.profile : nullptr,
                           .our_waiting = static_cast<std::int32_t>(desk->waiting_there.size()),
                           .outlook = context_.forecasts.outlook(*desk, spec, input.now),
                           .freshness = std::chrono::ceil<Seconds>(context_.options.snapshot_freshness)};
    if (auto account = context_.accounts.account_of(person, site); !account) {
      view.no_account = Reason{account.error().code, account.error().message};
    } else if (desk->site().allocation_required && !desk->site().scheduler_accounts.contains(spec.project)) {
      view.no_account = Reason{std::string(routing::kNoAllocation), no_allocation(spec.project, desk->site())};
    } else if (auto cannot = runs_no_such_array(*desk, array)) {
      view.no_account = std::move(cannot);
    } else if (auto absent = desk->absent(person)) {
      view.no_account = std::move(absent);
    } else if (auto lacks = context_.budgets.lacking_everywhere(*desk, spec, array)) {
      view.no_account = std::move(lacks);
    } else if (desk->state().doctor) {
      const auto* bar = bar_in(*desk->state().doctor, *account, person, desk->site().ignored_findings, input.now);
      if (bar != nullptr) view.found = routing::Found{.what = bar->check + ": " + bar->value, .at = bar->at};
    }
    if (needs_offers && desk->state().doctor)
      view.offers = offers_in(*desk->state().doctor, desk->site().ignored_findings, input.now);
    if (hearing != nullptr) {
      const auto& place = sitting_->place(site);
      view.facts = &place.evidence();
      view.ruling = &hearing->at(site, place);
    }
    view.no_data = no_data(*in_force, spec, dossier, site, input.now);
    if (view.no_data && view.no_data->code == kNoReplica) {
      view.no_data.reset();
      view.missing = stager_.missing_at(site, dossier, *hearing, *sitting_, input.now);
    }
    view.not_now = busy(*desk);
    if (const auto* lapse = lapses_.holds(site, person, spec.time_limit, context_.scheduler.now_monotonic()))
      view.not_now = *lapse;
    if (const auto* veto = refusals_.veto(site, person, spec)) view.not_now = *veto;
    if (const auto refused = id == nullptr ? std::nullopt : refusals_.of(*id, site))
      (refused->for_good ? view.no_account : view.not_now) = refused->reason;
    mind_moves(id, hearing, *in_force, view);
    input.sites.push_back(std::move(view));
  }
  wish_.reset();
  auto decision = routing::decide(input);
  while (decision.chosen) {
    auto enough = beyond_budget(decision, spec, array);
    if (!enough) enough = not_there(decision, spec, id);
    if (!enough) break;
    std::ranges::find_if(input.sites, [&](const auto& v) { return v.site->id == *decision.chosen; })->not_now = std::move(enough);
    decision = routing::decide(input);
  }
  ++decisions_.at(state_after(decision));
  if (documents != nullptr) {
    auto text = routing::input_document(input);
    decision.input_hash = sha256_hex(text);
    documents->emplace(decision.input_hash, std::move(text));
    if (input.ruled && packs_stored_ != in_force->packs_hash) documents->emplace(in_force->packs_hash, in_force->packs_document);
    for (const auto& [site, desktop] : desktops_) {
      if (desktop.profile) documents->insert(desktop.profile->unstored().begin(), desktop.profile->unstored().end());
    }
  }
  return decision;
}

std::optional<Reason> Placement::beyond_budget(const Decision& decision, const JobSpec& spec, const TaskArray& array) const {
  const auto& site = context_.desks.at(*decision.chosen)->site();
  const auto& verdict = *std::ranges::find(decision.verdicts, *decision.chosen, &Verdict::site);
  return context_.budgets.lacking(site, verdict.queue, spec, verdict.variant, array);
}

void Placement::mark_stored(const Documents& documents) {
  for (auto& [site, desktop] : desktops_) {
    if (desktop.profile) desktop.profile->mark_stored(documents);
  }
  const auto in_force = context_.rules.in_force();
  if (documents.contains(in_force->packs_hash)) packs_stored_ = in_force->packs_hash;
}

}  // namespace hansa::engine
