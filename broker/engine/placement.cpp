// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/placement.hpp"

#include "broker/async/all_of.hpp"
#include "broker/core/digest.hpp"
#include "broker/core/time_text.hpp"
#include "broker/domain/one_range.hpp"
#include "broker/engine/dispatch.hpp"
#include "broker/engine/dossier.hpp"
#include "broker/engine/observation.hpp"
#include "broker/ports/task_statuses.hpp"
#include "policies/routing/replay.hpp"
#include "policies/routing/terms.hpp"

#include <algorithm>
#include <unordered_set>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr Milliseconds kIdle{60'000};          // between full rounds without news of a site
constexpr Milliseconds kAfterFailure{1'000};   // when the store refuses
constexpr Milliseconds kBreath{5};             // between rounds: what comes meanwhile is placed together and shares commits
constexpr Milliseconds kFirstAvoidance{60'000}, kLongestAvoidance{3'600'000};
constexpr std::int32_t kRefusalsForGood = 3;
constexpr Milliseconds kVetoLasts{3'600'000};
constexpr std::size_t kLinesTold = 1'000;       // remembered, a few kilobytes each
constexpr std::size_t kLooksAtATime = 32;       // then whoever asks the engine goes first
constexpr std::size_t kMarksPerRound = 256;    // "waiting" is written for so many at a time: submissions go first

constexpr std::size_t index_of(JobState state) { return static_cast<std::size_t>(state); }  // into Line::jobs
static_assert(index_of(JobState::accepted) == 0 && index_of(JobState::waiting) == 1 && index_of(JobState::held) == 2 &&
              index_of(JobState::staging) == 3);

/// The room that the job will take: of an array, that of as many tasks as run side by side. What starts is played as if it were
/// the first of them alone.
void occupy(routing::AvailabilityProfile& profile, const Tag& tag, const QueueName& queue, const Job& job,
            std::string_view variant, const Site& site, UtcTime from) {
  constexpr std::int32_t kMostPlayed = 64;  // more fill any site, and each changes the profile's documents
  const auto resources = in_units_of(site.hardware, resources_of(job.spec, variant));
  for (auto i = std::min(job.side_by_side(), kMostPlayed); i > 0; --i)
    profile.occupy(tag, queue, resources, job.spec.time_limit, from);
}

bool is_in_line(const Job& job) {
  return index_of(job.state) < 4 && !job.held_by_user && !job.awaits_others() && job.live_attempt() == nullptr;
}

/// The site's own no, about this job. Anything else (it was down, its budget was used up) passes.
bool is_refusal(const Reason& reason) { return reason.code == "SITE_REFUSED"; }

/// Jobs that are the same to a site's rules, but for what the registers say. `petaflop`: what the job adds to its project's.
std::string to_rules(const Principal& person, const JobSpec& spec, std::int64_t petaflop) {
  auto text = person.str() + '\n' + spec.project.str() + "\nt" + std::to_string(petaflop);
  for (const auto& label : spec.labels) text += "\nl" + label.str();
  for (const auto& dataset : spec.datasets) text += "\nd" + dataset.str();
  return text;
}

bool is_busy(const Verdict& verdict) {
  return verdict.code == "BUDGET_FULL" || verdict.code == "SITE_BUSY" || verdict.code == "QUEUE_FED" ||
         verdict.code == "PLACE_LATER" || verdict.code == "KEPT_FREE";
}

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

/// What a job is told that no site takes now, and the state that this puts it into.
std::pair<EventBody, JobState> word_of(const Decision& decision) {
  if (routing::placing(decision) == routing::Placing::rejected) return {Rejected{decision.reason}, JobState::rejected};
  if (routing::placing(decision) == routing::Placing::staging) return {Staging{decision.reason}, JobState::staging};
  if (std::ranges::none_of(decision.verdicts, is_busy)) return {Held{.reason = decision.reason}, JobState::held};
  return {Waiting{{"IN_LINE", "sites that can take it have as many of our jobs as they allow; it is next as they start"}},
          JobState::waiting};
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

std::string Placement::line_of(const Job& job) const {
  auto key = shape_of(job);
  if (avoid_.contains(job.id)) key += "\na" + job.id.str();  // its verdicts are its own
  return key;
}

void Placement::avoid(const Job& job, const Attempt& attempt, bool at_load) {
  if (attempt.reason.code == kOtherAccount) return;  // a person has said that it may go there again
  if (attempt.reason.code == kOverBudget) return;  // its desk waits for all jobs
  const auto now = context_.scheduler.now_monotonic();
  if (attempt.reason.code == kSiteRulesDeny) {  // so do all that are like it
    std::erase_if(vetoes_, [&](const auto& veto) { return veto.second.until <= now; });
    const auto* desk = context_.desk(attempt.site);
    vetoes_.insert_or_assign(
        {attempt.site, to_rules(job.owner, job.spec, context_.training.at_most(job.spec))},
        Veto{.until = now + kVetoLasts,
             .site_rules = desk != nullptr && desk->snapshot() ? desk->snapshot()->site_rules : std::string(),
             .reason = attempt.reason});
    return;
  }
  if (routing::is_about_credential(attempt.reason.code)) {  // so do all of theirs; what came before their last try is over
    if (!at_load && &attempt == job.last_attempt())
      lapses_.met(attempt.site, job.owner, job.spec.time_limit, attempt.reason, now);
    return;
  }
  auto& avoidance = avoid_[job.id][attempt.site];
  const auto pause = std::min(kFirstAvoidance * (1 << std::min(avoidance.tries, 6)), kLongestAvoidance);
  ++avoidance.tries;
  if (is_refusal(attempt.reason)) ++avoidance.refusals;
  avoidance.until = now + pause;
  avoidance.reason = attempt.reason;
}

const Placement::Veto* Placement::veto_of(const SiteId& site, const Principal& person, const JobSpec& spec) const {
  const auto veto =
      vetoes_.empty() ? vetoes_.end() : vetoes_.find({site, to_rules(person, spec, context_.training.at_most(spec))});
  return veto == vetoes_.end() || veto->second.until <= context_.scheduler.now_monotonic() ? nullptr : &veto->second;
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
  if (was_in_line) {  // before avoid_ changes: its shape is still what it was
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
    if ((before == nullptr || ended_now) && attempt.outcome == Outcome::never_started) avoid(after, attempt, before == nullptr);
  }
  if (is_terminal(after.state)) {
    avoid_.erase(after.id);
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
      occupy(*desktop.profile, make_tag(id, attempt->number), attempt->queue, *job, attempt->variant, desk.site(),
             context_.scheduler.now_utc());
    }
    occupy_promised(desk.site().id, nullptr);
    // A site with other rules than those that refused is asked again.
    const auto vetoes = std::erase_if(vetoes_, [&](const auto& veto) {
      return veto.first.first == desk.site().id && veto.second.site_rules != desk.snapshot()->site_rules;
    });
    news = news || vetoes > 0 || !seen_before || seen_before != what_is_seen(desktop);
  }
  if (!news) return;  // a hundred thousand may wait for something to change
  sites_changed_ = true;
  post_outlook();
  context_.placing.set();
}

void Placement::facts_changed() {
  vetoes_.clear();
  look_again();
}

void Placement::login_good(const SiteId& site, const Principal& person) {
  (void)lapses_.login_good(site, person, std::nullopt, context_.scheduler.now_monotonic());
  look_again();
}

void Placement::look_again() {
  for (auto& [id, avoided] : avoid_) {
    for (auto& [site, avoidance] : avoided) {
      if (is_withheld(avoidance.reason)) avoidance.until = {};
    }
  }
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

async::Task<Dossier> Placement::dossier_of(Principal person, std::vector<DatasetId> datasets) {
  auto key = person.str();
  for (const auto& id : datasets) key += '\n' + id.str();
  if (const auto known = dossiers_.find(key); known != dossiers_.end()) co_return known->second;
  if (dossiers_.empty()) {
    if (auto measured = co_await stager_.measure_room(); !measured) co_return std::unexpected(measured.error());
  }
  auto read = co_await open_dossier(&context_, std::move(person), std::move(datasets));
  if (read) dossiers_.insert_or_assign(std::move(key), *read);
  co_return read;
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

bool Placement::any_room() {
  return std::ranges::any_of(context_.desks, [](const auto& entry) {
    const auto& desk = *entry.second;
    return desk.state().health == SiteHealth::up && !desk.state().drained && entry.second->room() > 0;
  });
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
  const auto avoided = id == nullptr ? avoid_.end() : avoid_.find(*id);
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
    if (const auto* veto = veto_of(site, person, spec)) view.not_now = veto->reason;
    if (avoided != avoid_.end()) {
      if (const auto at = avoided->second.find(site); at != avoided->second.end()) {
        const auto& avoidance = at->second;
        const auto not_taken = is_withheld(avoidance.reason) || avoidance.reason.code == kMoved
                                   ? avoidance.reason
                                   : Reason{is_refusal(avoidance.reason) ? "SITE_REFUSED" : "NOT_TAKEN",
                                            "the site did not take this job: " + avoidance.reason.message};
        if (avoidance.refusals >= kRefusalsForGood)
          view.no_account = not_taken;
        else if (context_.scheduler.now_monotonic() < avoidance.until)
          view.not_now = not_taken;
      }
    }
    mind_moves(id, hearing, *in_force, view);
    input.sites.push_back(std::move(view));
  }
  ++decisions_;
  wish_.reset();
  auto decision = routing::decide(input);
  while (decision.chosen) {
    auto enough = beyond_budget(decision, spec, array);
    if (!enough) enough = not_there(decision, spec, id);
    if (!enough) break;
    std::ranges::find_if(input.sites, [&](const auto& v) { return v.site->id == *decision.chosen; })->not_now = std::move(enough);
    decision = routing::decide(input);
  }
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

MonotonicTime Placement::next_round() {
  const auto now = context_.scheduler.now_monotonic();
  if (lines_.empty()) return now + kIdle;
  auto next = next_full_round_;
  for (const auto& [site, desk] : context_.desks) {
    if (const auto at = desk->next_submit_at(); at > now) next = std::min(next, at);
  }
  for (const auto& [id, sites] : avoid_) {
    for (const auto& [site, avoidance] : sites) {
      if (avoidance.until > now) next = std::min(next, avoidance.until);
    }
  }
  if (const auto tried = lapses_.next(now)) next = std::min(next, *tried);
  return next;
}

/// A site that did not take the job may be asked again, and could not in the last round.
bool Placement::may_return(const JobId& id, MonotonicTime now) const {
  if (!lapses_.empty() && lapses_.changed(context_.book.find(id)->owner, last_round_, now)) return true;
  const auto sites = avoid_.find(id);
  return sites != avoid_.end() && std::ranges::any_of(sites->second, [&](const auto& entry) {
           return last_round_ < entry.second.until && entry.second.until <= now;
         });
}

async::Task<> Placement::run() {
  while (true) {
    co_await context_.placing.wait_until(context_.scheduler, next_round());
    if (auto done = co_await round(); !done) {
      context_.log.write(ports::LogLevel::warning, "placing pauses",
                         {{"code", done.error().code}, {"error", done.error().message}});
      co_await context_.scheduler.sleep_until(context_.scheduler.now_monotonic() + kAfterFailure);
      sites_changed_ = true;
      post_outlook();
      context_.placing.set();
    }
    co_await context_.scheduler.sleep_until(context_.scheduler.now_monotonic() + kBreath);
  }
}

Foresight Placement::foresee(const Job& job) {
  if (context_.budgets.is_behind()) return {.round = rounds_};  // a round first reads what is left
  // Whoever came before goes before.
  if (auto told = board_.foresee(job, context_.scheduler.now_monotonic())) return std::move(*told);
  Foresight foresight{.round = rounds_};
  if (in_round_ || foreseen_ || !job.spec.datasets.empty()) return foresight;
  Considered considered;
  considered.decision = decide(job.owner, job.spec, {}, &job.id, &considered.documents);
  switch (routing::placing(considered.decision)) {
    case routing::Placing::rejected: return foresight;
    case routing::Placing::staging:  // only a job with datasets
    case routing::Placing::held: foresight.events.push_back(word_of(considered.decision).first); break;
    case routing::Placing::placed: {
      // An allocation is taken from in a round: that there is none left must not refuse the submission.
      if (context_.desk(*considered.decision.chosen)->site().charging) return foresight;
      auto intent = intend(job, considered.decision);
      if (!intent) return foresight;
      foreseen_ = {.job = job.id, .person = job.owner, .site = intent->site, .tag = make_tag(job.id, intent->attempt)};
      foresight.events.push_back(std::move(*intent));
    }
  }
  foresight.decision = std::move(considered.decision);
  foresight.documents = std::move(considered.documents);
  return foresight;
}

void Placement::settle(const JobId& id, const Job* stored, Foresight foresight) {
  if (foreseen_ && foreseen_->job == id) {
    if (stored == nullptr) {
      release(foreseen_->site, foreseen_->tag);
      lapses_.is_back(foreseen_->site, foreseen_->person, id);
    }
    foreseen_.reset();
    context_.placing.set();  // a round may have waited for it
  }
  if (stored == nullptr) return;
  mark_stored(foresight.documents);
  if (!foresight.documents.empty() && is_in_line(*stored)) remember(line_of(*stored), std::move(*foresight.decision));
  if (foresight.round != rounds_) context_.placing.set();  // a round has missed it
}

void Placement::remember(const std::string& shape, Decision told) {
  if (told_.size() >= kLinesTold) {  // it only spares a second look
    told_.clear();
    board_.take_all_down();
  }
  auto [word, state] = word_of(told);
  told_.insert_or_assign(
      shape, std::make_shared<const Notice>(std::move(word), state, std::move(told), context_.scheduler.now_monotonic() + kIdle));
  post(shape);
}

void Placement::post(const std::string& shape) {
  const auto line = lines_.find(shape);
  const auto told = told_.find(shape);
  const bool counts = line != lines_.end() && told != told_.end() && line->second.verdict == told->second->state;
  board_.put_up(shape, counts ? told->second : nullptr);
}

async::Task<> Placement::round() {
  const auto more_left = co_await context_.budgets.refresh();
  if (!more_left) co_return std::unexpected(more_left.error());
  if (*more_left) sites_changed_ = true;
  if (auto read = co_await context_.shares.refresh(); !read) co_return read;
  if (foreseen_) co_return Result<void>{};
  ++rounds_;
  dossiers_.clear();
  in_round_ = true;
  struct Leave {
    bool& in_round;
    ~Leave() { in_round = false; }
  } leave{in_round_};
  const auto now = context_.scheduler.now_monotonic();
  const bool news = std::exchange(sites_changed_, false) || now >= next_full_round_;
  post_outlook();
  if (news) next_full_round_ = now + kIdle;
  kept_.clear();
  std::map<Turn, std::string> heads;  // the first of each line that there may be something to do for
  for (const auto& [shape, line] : lines_) {
    if (news || line.verdict != JobState::held || !line.all_told() || may_return(line.first(), now))
      heads.emplace(turn_of(line.first()), shape);
  }
  std::size_t marks = kMarksPerRound;
  for (std::size_t looks = 1; !heads.empty(); ++looks) {
    if (looks % kLooksAtATime == 0) co_await context_.scheduler.sleep_until(context_.scheduler.now_monotonic());
    const auto shape = heads.extract(heads.begin()).mapped();
    auto line = lines_.find(shape);
    if (line == lines_.end()) continue;
    if (!news && !any_room() && line->second.all_told() && !may_return(line->second.first(), now)) continue;
    const auto id = line->second.first();
    const auto* job = context_.book.find(id);
    Dossier dossier;
    if (!job->spec.datasets.empty()) {
      auto read = co_await dossier_of(job->owner, job->spec.datasets);
      if (!read) co_return std::unexpected(read.error());
      dossier = std::move(*read);
      line = lines_.find(shape);
      if (line == lines_.end()) continue;
      if (line->second.first() != id) {  // it has left its line meanwhile
        heads.emplace(turn_of(line->second.first()), shape);
        continue;
      }
      job = context_.book.find(id);
    }
    Considered considered;
    withdraw(id);  // it takes the place that was kept for it, or another
    considered.decision = decide(job->owner, job->spec, dossier, &id, &considered.documents);
    if (!job->spec.datasets.empty()) stager_.decided(shape, considered.decision, dossier);
    if (routing::placing(considered.decision) != routing::Placing::placed) {
      keep_free(id);
      if (auto told = co_await tell(shape, std::move(considered), marks); !told) co_return told;
      continue;
    }
    const auto placed = co_await place(id, std::move(considered));
    if (!placed && (placed.error().retryable || placed.error().code == "STALE_EPOCH")) co_return std::unexpected(placed.error());
    if (!placed) {  // this job's trouble, not the others'
      context_.log.write(ports::LogLevel::error, "a job cannot be placed",
                         {{"job", id.str()}, {"code", placed.error().code}, {"error", placed.error().message}});
      continue;
    }
    line = lines_.find(shape);
    if (*placed && line != lines_.end()) heads.emplace(turn_of(line->second.first()), shape);
  }
  last_round_ = now;
  co_return Result<void>{};
}

async::Task<> Placement::tell(std::string shape, Considered considered, std::size_t& budget) {
  const auto& decision = considered.decision;
  const auto verdict = word_of(decision).second;
  auto& line = lines_.at(shape);
  if (line.verdict && line.verdict != verdict) told_.erase(shape);
  line.verdict = verdict;
  post(shape);
  const auto ids = line.untold(budget);
  budget -= ids.size();
  if (budget == 0) context_.placing.set();  // the rest in the next round: submissions go first
  // The first takes along the documents that the decision rests on; the others go side by side, so that they share a commit.
  std::vector<async::Task<bool>> others;
  bool told = false;
  for (const auto& id : ids) {
    if (&id == &ids.front()) {
      auto noted = co_await note_not_placed(id, considered);
      if (!noted) co_return std::unexpected(noted.error());
      if (!*noted) continue;
      considered.documents.clear();
      told = true;
    } else {
      others.push_back(note_not_placed(id, considered));
    }
  }
  for (const auto& noted : co_await async::all_of(std::move(others))) {
    if (!noted) co_return std::unexpected(noted.error());
  }
  if (told && verdict != JobState::rejected && lines_.contains(shape)) remember(shape, std::move(considered.decision));
  co_return Result<void>{};
}

std::optional<AttemptIntended> Placement::intend(const Job& job, const Decision& decision) {
  const auto& site = context_.desk(*decision.chosen)->site();
  auto account = context_.accounts.account_of(job.owner, site.id);
  if (!account) return std::nullopt;
  const auto scheduler_account = site.scheduler_accounts.find(job.spec.project);
  AttemptIntended intent{.attempt = static_cast<std::int32_t>(job.attempts.size()) + 1,
                         .site = site.id,
                         .queue = decision.queue,
                         .account = std::move(*account),
                         .scheduler_account = scheduler_account == site.scheduler_accounts.end() ? "" : scheduler_account->second,
                         .variant = std::ranges::find(decision.verdicts, site.id, &Verdict::site)->variant};
  occupy(*desktops_[site.id].profile, make_tag(job.id, intent.attempt), intent.queue, job, intent.variant, site,
         context_.scheduler.now_utc());
  lapses_.sets_out(site.id, job.owner, job.spec.time_limit, job.id);
  return intent;
}

void Placement::release(const SiteId& site, const Tag& tag) {
  if (auto& profile = desktops_[site].profile) profile->release(tag, context_.scheduler.now_utc());
}

async::Task<bool> Placement::place(JobId id, Considered considered) {
  const auto& decision = considered.decision;
  const auto site = *decision.chosen;
  auto* desk = context_.desk(site);
  const auto* job = context_.book.find(id);
  const auto submitted = std::ranges::count_if(job->attempts, [](const Attempt& a) {
    return a.reason.code != "NOT_SENT" && a.reason.code != kOverBudget && !is_withheld(a.reason);
  });
  if (submitted >= context_.options.max_attempts) {
    auto ended = co_await context_.book.change(id, [&](const Job& now) -> Result<Step> {
      if (now.live_attempt() != nullptr) return Step{};
      return Step{.events = {Ended{JobState::failed,
                                   {"NO_SITE_TOOK_IT", "no site took it in " + std::to_string(submitted) + " attempts"}}}};
    });
    if (!ended && ended.error().kind != ErrorKind::not_found) co_return std::unexpected(ended.error());
    co_return true;
  }
  const auto person = job->owner;
  auto intent = intend(*job, decision);
  if (!intent) co_return false;  // the account map changed this very moment: the next round says so
  const auto number = intent->attempt;
  const auto hold = context_.budgets.need(desk->site(), intent->queue, job->spec, intent->variant, job->array_left());
  const auto project = job->spec.project;

  bool intended = false;
  auto done = co_await context_.book.change(id, [&](const Job& now) -> Result<Step> {
    intended = now.live_attempt() == nullptr && !now.held_by_user && !now.cancel &&
               static_cast<std::int32_t>(now.attempts.size()) + 1 == number;
    if (!intended) return Step{};
    if (!hold) return std::unexpected(hold.error());
    return Step{.events = {std::move(*intent)}, .decision = decision, .documents = considered.documents, .hold = *hold};
  });
  if (!done || !intended) {
    release(site, make_tag(id, number));
    lapses_.is_back(site, person, id);
    if (!done && is_about_allocation(done.error().code)) {  // somebody was quicker: it is told so in the next round
      context_.budgets.stale();
      sites_changed_ = true;
      context_.placing.set();
      co_return false;
    }
    if (!done && done.error().kind != ErrorKind::not_found) co_return std::unexpected(done.error());
    co_return context_.book.find(id) == nullptr || !is_in_line(*context_.book.find(id));
  }
  mark_stored(considered.documents);
  if (*hold) context_.budgets.taken(project, site, **hold);
  dispatch_.send(id, *desk);
  co_return true;
}

async::Task<bool> Placement::note_not_placed(JobId id, Considered considered) {
  const auto& decision = considered.decision;
  bool noted = false;
  auto done = co_await context_.book.change(id, [&](const Job& now) -> Result<Step> {
    if (now.live_attempt() != nullptr || now.held_by_user || now.cancel) return Step{};
    auto [word, next] = word_of(decision);
    if (now.state == next) return Step{};  // the same news twice is none; what each site says now, explain() asks anew
    noted = true;
    return Step{.events = {std::move(word)}, .decision = decision, .documents = considered.documents};
  });
  const bool stored = done && noted;
  if (stored) mark_stored(considered.documents);
  if (done || done.error().kind == ErrorKind::not_found) co_return stored;
  if (done.error().retryable || done.error().code == "STALE_EPOCH") co_return std::unexpected(done.error());
  context_.log.write(ports::LogLevel::error, "a job's verdict cannot be recorded",
                     {{"job", id.str()}, {"code", done.error().code}, {"error", done.error().message}});
  co_return false;  // this job's trouble, not the others'
}

void Placement::mark_stored(const Documents& documents) {
  for (auto& [site, desktop] : desktops_) {
    if (desktop.profile) desktop.profile->mark_stored(documents);
  }
  const auto in_force = context_.rules.in_force();
  if (documents.contains(in_force->packs_hash)) packs_stored_ = in_force->packs_hash;
}

}  // namespace hansa::engine
