// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/engine.hpp"

#include "broker/async/all_of.hpp"
#include "broker/async/run_on.hpp"
#include "broker/engine/code_keeper.hpp"
#include "broker/engine/context.hpp"
#include "broker/engine/dependencies.hpp"
#include "broker/engine/desk_connector.hpp"
#include "broker/engine/dispatch.hpp"
#include "broker/engine/doctor.hpp"
#include "broker/engine/fence.hpp"
#include "broker/engine/moves.hpp"
#include "broker/engine/observation.hpp"
#include "broker/engine/outputs.hpp"
#include "broker/engine/placement.hpp"
#include "broker/engine/reconciler.hpp"
#include "broker/engine/stager.hpp"
#include "broker/engine/watch.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <mutex>
#include <set>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr std::size_t kLoopTasks = 1'000;      // the loops of the sites
constexpr std::size_t kTasksPerJob = 3;       // at most: a submission, an observation, a cancel
constexpr std::size_t kLoadPage = 5'000;
constexpr Milliseconds kBetweenArrivals{5'000};  // of one person at one site that are taken up: each has everything placed anew

/// A change of a job that is not in the book: it is over, or it never was.
Error explain_absence(Error error) {
  if (error.code == "JOB_NOT_ACTIVE") {
    error.kind = ErrorKind::conflict;
    error.code = "JOB_OVER";
    error.message = "the job is over";
  }
  return error;
}

std::unexpected<Error> no_such_site(const SiteId& site) {
  return fail(ErrorKind::not_found, "SITE_NOT_FOUND", "there is no site \"" + site.str() + "\"; see: hansa sites");
}

}  // namespace

class Engine::Loops {
 public:
  Loops(Parts parts, EngineOptions options, std::vector<SiteSetup> sites)
      : parts_(std::move(parts)),
        options_(std::move(options)),
        desks_(make_desks(std::move(sites))),
        book_(parts_.strand, parts_.scheduler, parts_.jobs, options_.epoch),
        forecasts_(book_, parts_.jobs, parts_.estimates),
        training_(parts_.usage, options_.teraflops),
        budgets_(parts_.scheduler, parts_.allocations, desks_),
        shares_(parts_.scheduler, parts_.usage, options_),
        context_{.strand = parts_.strand,
                 .scheduler = parts_.scheduler,
                 .options = options_,
                 .log = parts_.log,
                 .jobs = parts_.jobs,
                 .usage = parts_.usage,
                 .datasets = parts_.datasets,
                 .code = parts_.code,
                 .accounts = parts_.accounts,
                 .rules = rulebook_,
                 .data = parts_.data,
                 .book = book_,
                 .forecasts = forecasts_,
                 .training = training_,
                 .budgets = budgets_,
                 .shares = shares_,
                 .desks = desks_,
                 .tasks = tasks_,
                 .placing = placing_},
        reconciler_(context_),
        dispatch_(context_, reconciler_),
        stager_(context_, parts_.transfers, parts_.ids, [this] { placement_.look_again(); }),
        placement_(context_, dispatch_, stager_),
        outputs_(context_),
        dependencies_(context_, parts_.strand),
        code_(context_, parts_.code),
        moves_(context_, parts_.strand, placement_, reconciler_),
        doctor_(context_, [this](SiteDesk& desk) { placement_.site_changed(desk); }),
        watch_(context_, reconciler_, moves_,
               [this](SiteDesk& desk) {
                 moves_.news();  // before those that wait here: it has waited longer
                 placement_.site_changed(desk);
                 doctor_.news(desk);
               }),
        intake_(
            parts_.scheduler, parts_.ids, options_, parts_.jobs, parts_.accounts, rulebook_, parts_.code,
            [this](Job job) { return foresee(std::move(job)); },
            [this](Intake::Delivery delivery) { deliver(std::move(delivery)); }),
        tasks_(parts_.strand, kLoopTasks + kTasksPerJob * options_.active_jobs,
               [this](std::string_view name, const Error& error) { task_failed(name, error); }) {
    make_movers();
    reconciler_.use(dispatch_);
    book_.on_change([this](const Job* before, const Job& after) { index(before, after); });
    for (auto& [id, desk] : desks_)
      desk->when_present([this, place = desk.get()](const Principal& person) { somebody_came(*place, person); });
  }

  /// Whoever comes again and again is taken up now and then: an agent can break its connection as often as it likes.
  void somebody_came(SiteDesk& desk, const Principal& person) {
    const auto now = parts_.scheduler.now_monotonic();
    std::erase_if(arrivals_, [now](const auto& entry) { return !entry.second.again && now >= entry.second.next_at; });
    const auto [at, first] =
        arrivals_.try_emplace({desk.site().id, person}, Arrival{.next_at = now + kBetweenArrivals, .again = false});
    if (first) return take_up(desk, person);
    at->second.again = true;
    came_again_.set();
  }

  /// Those who have come again, once that is to be taken up.
  async::Task<> arrivals() {
    while (true) {
      const auto now = parts_.scheduler.now_monotonic();
      std::optional<MonotonicTime> next;
      for (auto& [whose, arrival] : arrivals_) {
        if (!arrival.again) continue;
        if (now >= arrival.next_at) {
          arrival = {.next_at = now + kBetweenArrivals, .again = false};
          take_up(*context_.desk(whose.first), whose.second);
        } else {
          next = std::min(next.value_or(arrival.next_at), arrival.next_at);
        }
      }
      if (next)
        co_await came_again_.wait_until(parts_.scheduler, *next);
      else
        co_await came_again_.wait();
    }
  }

  /// What waited for this person to log in there.
  void take_up(SiteDesk& desk, const Principal& person) {
    const auto bound = desk.bound;
    for (const auto& id : bound) {
      const auto* job = book_.find(id);
      if (job == nullptr || job->owner != person) continue;
      desk.stir(id);
      if (job->to_be_cancelled()) dispatch_.carry_cancel(id, true);
    }
    desk.wake_reconciler.set();
    desk.wake_usage.set();
    const auto interval = options_.snapshot_interval;
    if (!desk.snapshot() || parts_.scheduler.now_monotonic() - desk.snapshot_at() > interval) desk.wake_snapshot.set();
    placement_.login_good(desk.site().id, person);
  }

  async::Task<> start() {
    auto states = co_await parts_.sites.site_states();
    if (!states) co_return std::unexpected(states.error());
    for (auto& state : *states) {
      if (auto* desk = context_.desk(state.id)) {
        state.health = SiteHealth::unseen;  // what it was before this start is history
        desk->restore(std::move(state));
      }
    }
    auto calls = co_await parts_.sites.recent_calls(parts_.scheduler.now_monotonic());
    if (!calls) co_return std::unexpected(calls.error());
    for (const auto& call : *calls) {
      if (auto* desk = context_.desk(call.site)) desk->restore(call);
    }
    for (const auto& [id, desk] : desks_) {
      if (auto resumed = co_await forecasts_.resume(id); !resumed) co_return resumed;
    }
    auto tally = co_await parts_.jobs.tally();
    if (!tally) co_return std::unexpected(tally.error());
    moves_.begin(*tally);
    if (auto counted = co_await training_.start(); !counted) co_return counted;
    if (auto read = co_await budgets_.refresh(); !read) co_return std::unexpected(read.error());
    if (auto read = co_await shares_.refresh(); !read) co_return read;
    if (auto loaded = co_await load(); !loaded) co_return loaded;
    if (auto started = tasks_.spawn("arrivals", arrivals()); !started) co_return started;
    if (auto started = tasks_.spawn("moves", moves_.run()); !started) co_return started;
    if (auto started = tasks_.spawn("dependencies", dependencies_.run()); !started) co_return started;
    if (parts_.code != nullptr) {
      if (auto started = tasks_.spawn("code", code_.run()); !started) co_return started;
    }
    if (auto resumed = co_await stager_.start(); !resumed) co_return resumed;
    for (auto& [id, desk] : desks_) {
      for (auto started : {tasks_.spawn("snapshots", watch_.snapshots(*desk)), tasks_.spawn("states", watch_.states(*desk)),
                           tasks_.spawn("settle", watch_.settle(*desk)), tasks_.spawn("reconcile", reconciler_.run(*desk))}) {
        if (!started) co_return std::unexpected(started.error());
      }
    }
    co_return tasks_.spawn("place", placement_.run());
  }

  async::Task<> stop() { co_return co_await tasks_.close(); }

  /// Of the links whose work is done by sites' jobs; before anything is moved.
  void make_movers() {
    for (auto& [ends, link] : parts_.data.links) {
      auto* desk = link.make ? context_.desk(link.job_site) : nullptr;
      if (desk == nullptr) continue;
      auto& connector = desk_connectors_.emplace_back(
          std::make_unique<DeskConnector>(*desk, [this](DatasetId dataset) { return facts_of_copy(std::move(dataset)); }));
      link.mover = movers_.emplace_back(link.make(*connector)).get();
    }
  }

  /// A copy is its dataset's owner's: whoever waits for it, it is one.
  async::Task<ports::JobFacts> facts_of_copy(DatasetId id) {
    if (context_.datasets == nullptr) co_return ports::JobFacts{};
    auto dataset = co_await context_.datasets->dataset(id);
    if (!dataset) co_return std::unexpected(dataset.error());
    JobSpec spec;
    spec.project = dataset->project;
    spec.datasets = {id};
    const auto owner = dataset->owner;
    const Dossier dossier{.datasets = {std::move(*dataset)}, .missing = {}};
    co_return rulebook_.told_of(owner, spec, dossier, std::nullopt, context_.scheduler.now_utc());
  }

  /// The book is the truth about what is not over; these indices follow from it.
  void index(const Job* before, const Job& after) {
    const auto* was = before == nullptr ? nullptr : before->live_attempt();
    const auto* is = after.live_attempt();
    count_at_site(was, before, false);
    count_at_site(is, &after, true);
    if (waits_here(after))
      waiting_here_.insert(after.id);
    else if (before != nullptr && waits_here(*before))
      waiting_here_.erase(after.id);
    if (was != nullptr && (is == nullptr || is->site != was->site)) {
      if (auto* desk = context_.desk(was->site)) {
        if (before->started_at) desk->place_came_free();
        for (auto* set : {&desk->live, &desk->bound, &desk->unresolved, &desk->unseen, &desk->waiting_there})
          set->erase(after.id);
      }
    }
    if (is != nullptr) {
      if (auto* desk = context_.desk(is->site)) {
        const auto keep = [&](std::set<JobId>& set, bool member) {
          member ? (void)set.insert(after.id) : (void)set.erase(after.id);
        };
        keep(desk->live, true);
        keep(desk->bound, is->state == AttemptState::bound);
        keep(desk->unresolved, is->state == AttemptState::sent);
        const bool unseen = is->state == AttemptState::bound && is->unknown_since && is->reason.code == kNotSeen;
        if (unseen && !desk->unseen.contains(after.id)) desk->wake_reconciler.set();
        keep(desk->unseen, unseen);
        // What has started and is in no listing does not wait there, whatever was last seen of it.
        const bool ran = is->unknown_since && is->reason.code == kRanUnseen;
        keep(desk->waiting_there, (after.state == JobState::submitting || after.state == JobState::queued) && !ran);
      }
    }
    if (is_terminal(after.state)) {
      ++counters_.ended;
      ++counters_.ended_by_state[std::string(to_string(after.state))];
      reconciler_.forget(after.id);
      forecasts_.forget(after.id);
      const auto* last = after.last_attempt();
      auto* desk = last == nullptr ? nullptr : context_.desk(last->site);
      if (desk != nullptr && !last->site_job_id.empty()) desk->wake_usage.set();
    }
    if (before != nullptr) --by_state_[static_cast<std::size_t>(before->state)];
    if (!is_terminal(after.state)) ++by_state_[static_cast<std::size_t>(after.state)];
    training_.job_changed(before, after);
    budgets_.job_changed(after);
    placement_.job_changed(before, after);
    code_.job_changed(before, after);
    dependencies_.job_changed(before, after);
    intake_.active_jobs(book_.size());
  }

  /// Neither at a site, nor held back by anything that the job is told.
  static bool waits_here(const Job& job) { return job.state == JobState::accepted || job.state == JobState::waiting; }

  void count_at_site(const domain::Attempt* attempt, const Job* job, bool is_there) {
    auto* desk = attempt == nullptr ? nullptr : context_.desk(attempt->site);
    if (desk == nullptr) return;
    desk->jobs_in[static_cast<std::size_t>(job->state)] += is_there ? 1 : -1;
    if (!attempt->unknown_since) return;
    const std::pair key{*attempt->unknown_since, job->id};
    is_there ? (void)desk->unknown.insert(key) : (void)desk->unknown.erase(key);
  }

  async::Task<Job> change(JobId id, std::function<Result<Step>(const Job&)> decide) {
    auto done = co_await book_.change(id, std::move(decide));
    if (!done) co_return std::unexpected(explain_absence(done.error()));
    co_return done;
  }

  async::Task<Job> hold(JobId id) {
    co_return co_await change(id, [](const Job& job) -> Result<Step> {
      if (job.held_by_user) return Step{};
      if (job.live_attempt() != nullptr) {
        return fail(
            ErrorKind::conflict, "JOB_AT_SITE",
            "job " + job.id.str() + " is at site " + job.live_attempt()->site.str() + " already; cancel it if it must not run");
      }
      return Step{.events = {Held{.reason = {"HELD_BY_USER", "held by its user; release it with: hansa release " + job.id.str()},
                                  .by_user = true}}};
    });
  }

  async::Task<Job> release(JobId id) {
    co_return co_await change(id, [this](const Job& job) -> Result<Step> {
      if (job.held_by_user) {
        Step step{.events = {Released{}}};
        if (auto waits = dependencies_.why_not_yet(job.id)) step.events.emplace_back(Held{.reason = std::move(*waits)});
        return step;
      }
      if (job.state != JobState::held) return Step{};
      return fail(ErrorKind::conflict, "NOT_HELD",
                  "job " + job.id.str() + " is not held by its user: " +
                      (job.awaits_others() ? job.reason.message : "no site can take it now (" + job.reason.message + ")"));
    });
  }

  async::Task<Job> cancel(JobId id, Principal by) {
    bool more = false;
    auto done = co_await change(id, [&](const Job& job) -> Result<Step> {
      more = !job.cancel;
      if (job.cancel) return Step{};
      Step step{.events = {CancelRequested{by}}};
      if (job.live_attempt() == nullptr) {
        step.events.emplace_back(CancelResolved{CancelOutcome::never_started});
        step.events.emplace_back(Ended{JobState::cancelled, {"CANCELLED", "cancelled by " + by.str()}});
      }
      return step;
    });
    if (!done) co_return done;
    if (const auto* attempt = done->live_attempt(); attempt != nullptr) {
      if (attempt->state == AttemptState::bound) dispatch_.carry_cancel(id, more);
      if (auto* desk = context_.desk(attempt->site)) desk->wake_reconciler.set();
    }
    co_return done;
  }

  async::Task<Job> cancel_tasks(JobId id, Principal by, std::vector<std::int32_t> tasks) {
    bool all = false, more = false;
    auto done = co_await change(id, [&](const Job& job) -> Result<Step> {
      if (job.spec.array.empty())
        return fail(ErrorKind::invalid_argument, "NOT_AN_ARRAY", "job " + job.id.str() + " is no array; cancel it without tasks");
      std::vector<std::int32_t> unknown;
      std::ranges::set_difference(tasks, job.spec.array.tasks, std::back_inserter(unknown));
      if (!unknown.empty()) {
        return fail(ErrorKind::invalid_argument, "NO_SUCH_TASK",
                    "job " + job.id.str() + " has no task " + task_ranges(unknown).substr(0, 200) + "; its array is " +
                        to_text(job.spec.array).substr(0, 200));
      }
      if (job.cancel) return Step{};
      const auto* attempt = job.live_attempt();
      std::erase_if(tasks, [&](std::int32_t task) {
        const auto* run = attempt == nullptr ? nullptr : attempt->last_run(task);
        return std::ranges::binary_search(job.cancelled_tasks, task) || (run != nullptr && run->outcome);
      });
      auto left = attempt == nullptr ? job.spec.array.tasks : job.open_tasks(*attempt);
      std::erase_if(left, [&](std::int32_t task) {
        return std::ranges::binary_search(job.cancelled_tasks, task) || std::ranges::binary_search(tasks, task);
      });
      all = left.empty() && !tasks.empty();
      more = !all && !tasks.empty();
      if (!more) return Step{};
      return Step{.events = {TaskCancelRequested{by, tasks}}};
    });
    if (!done) co_return done;
    if (all) co_return co_await cancel(id, std::move(by));  // nothing would be left of it
    if (const auto* attempt = done->live_attempt(); attempt != nullptr && attempt->state == AttemptState::bound)
      dispatch_.carry_cancel(id, more);
    co_return done;
  }

  async::Task<Job> resolve_lost(JobId id, Principal by, std::string reason) {
    SiteDesk* desk = nullptr;
    std::optional<ports::Fence> fence;
    auto done = co_await change(id, [&](const Job& job) -> Result<Step> {
      if (const auto* attempt = job.live_attempt(); attempt != nullptr) {
        desk = context_.desk(attempt->site);
        fence = fence_of(job, *attempt);
      }
      return Step{.events = {ResolvedLost{by, reason}}};
    });
    // What may still lie there must not start when the site is back. If it runs already it goes on to its end, and is booked.
    if (done && desk != nullptr && fence) (void)tasks_.spawn("seal", seal_given_up(*desk, *fence));
    co_return done;
  }

  async::Task<> seal_given_up(SiteDesk& desk, ports::Fence fence) {
    constexpr Milliseconds kFirstPause{10'000}, kLongestPause{3'600'000};
    for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
      const auto outcome = co_await seal_fence(context_, desk, fence);
      if (outcome && !outcome->sealed) {
        parts_.log.write(ports::LogLevel::warning, "a job that was given up has run at its site",
                         {{"tag", fence.tag.str()}, {"site", desk.site().id.str()}, {"site_job_id", outcome->holder.str()}});
      }
      if (outcome) co_return Result<void>{};
      co_await parts_.scheduler.sleep_until(parts_.scheduler.now_monotonic() + pause);
    }
  }

  [[nodiscard]] SiteReport report(SiteDesk& desk) const {
    SiteReport report{.site = desk.site(), .state = desk.state()};
    report.budget_use = desk.budget_use();
    if (desk.snapshot()) report.own_budget = desk.snapshot()->own_budget;
    report.quiet_until = desk.quiet_until();
    report.breaker = desk.breaker().state();
    report.failures_in_a_row = desk.breaker().failures();
    if (desk.breaker().open()) {
      const auto left = desk.breaker().next_probe() - parts_.scheduler.now_monotonic();
      report.next_probe = parts_.scheduler.now_utc() + std::max(Milliseconds{0}, left);
    }
    report.times_left_alone = desk.times_left_alone();
    report.drifted = doctor_.drifted(desk.site().id);
    report.our_live_jobs = static_cast<std::int64_t>(desk.live.size());
    report.our_waiting_jobs = static_cast<std::int64_t>(desk.waiting_there.size());
    report.calls = desk.calls().read();
    report.calls_made = desk.calls().all_begun();
    report.our_unknown_jobs = static_cast<std::int64_t>(desk.unknown.size());
    if (!desk.unknown.empty()) report.oldest_unknown = desk.unknown.begin()->first;
    for (const auto state : {JobState::submitting, JobState::queued, JobState::running, JobState::finishing})
      report.our_jobs_in.emplace_back(state, desk.jobs_in[static_cast<std::size_t>(state)]);
    if (!desk.snapshot()) return report;
    const auto& snapshot = *desk.snapshot();
    report.snapshot_at = snapshot.taken_at;
    report.scheduler = snapshot.scheduler;
    report.cluster = snapshot.cluster;
    report.running_jobs = std::ranges::count_if(snapshot.running, [](const auto& work) { return !work.id.empty(); });
    report.waiting_jobs = static_cast<std::int64_t>(snapshot.waiting.size());
    for (const auto& queue : snapshot.queues) report.queues.push_back(queue.name.str());
    for (const auto& node : snapshot.nodes) {
      ++report.nodes;
      report.cores += node.cores;
      report.gpus += node.gpus;
      if (!node.usable) continue;
      ++report.usable_nodes;
      report.free_cores += node.cores;
      report.free_gpus += node.gpus;
    }
    for (const auto& work : snapshot.running) {
      for (const auto& share : work.shares) {
        if (share.node >= snapshot.nodes.size() || !snapshot.nodes[share.node].usable) continue;
        report.free_cores -= share.cores;
        report.free_gpus -= share.gpus;
      }
    }
    report.free_cores = std::max<std::int64_t>(0, report.free_cores);
    report.free_gpus = std::max<std::int64_t>(0, report.free_gpus);
    return report;
  }

  [[nodiscard]] Counters counters() const {
    auto counters = counters_;
    for (std::size_t i = 0; i < by_state_.size(); ++i) {
      const auto state = static_cast<JobState>(i);
      if (!is_terminal(state)) counters.jobs_by_state[std::string(to_string(state))] = by_state_[i];
    }
    for (const auto& [outcome, count] : placement_.decisions()) {
      counters.decisions += count;
      counters.decisions_by_outcome.emplace_back(to_string(outcome), count);
    }
    if (!waiting_here_.empty()) counters.oldest_waiting = book_.find(*waiting_here_.begin())->accepted_at;
    counters.submissions = dispatch_.submissions();
    counters.moves = moves_.begun();
    for (const auto& [id, desk] : desks_) counters.messages += desk->messages();
    return counters;
  }

  Desks make_desks(std::vector<SiteSetup> sites) {
    Desks desks;
    for (auto& setup : sites) {
      const auto id = setup.site.id;
      desks.emplace(id, std::make_unique<SiteDesk>(parts_.strand, parts_.scheduler, options_, parts_.sites, parts_.log,
                                                   std::move(setup.site), std::move(setup.connector)));
    }
    return desks;
  }

  async::Task<> load() {
    std::optional<JobId> after;
    while (true) {
      auto page = co_await parts_.jobs.active_jobs(after, kLoadPage);
      if (!page) co_return std::unexpected(page.error());
      if (page->empty()) break;
      after = page->back().id;
      std::vector<async::Task<>> resumptions;  // side by side, so that what they mark shares commits
      for (auto& job : *page) {
        resumptions.push_back(resume(job.id));
        book_.insert(std::move(job));
      }
      for (auto& resumed : co_await async::all_of(std::move(resumptions))) {
        if (!resumed) co_return resumed;
      }
    }
    co_return Result<void>{};
  }

  /// What the last process left under way.
  async::Task<> resume(JobId id) {
    const auto* job = book_.find(id);
    const auto* attempt = job->live_attempt();
    if (attempt == nullptr) co_return Result<void>{};
    auto* desk = context_.desk(attempt->site);
    if (desk == nullptr) {
      parts_.log.write(ports::LogLevel::warning, "a job is at a site that is no longer configured",
                       {{"job", id.str()},
                        {"site", attempt->site.str()},
                        {"remedy", "configure the site again, or: hansa resolve " + id.str() + " --as lost"}});
      if (attempt->unknown_since) co_return Result<void>{};
      auto marked = co_await book_.change(id, [](const Job& now) -> Result<Step> {
        const auto& site = now.live_attempt()->site.str();
        return Step{.events = {AttemptUnknown{now.live_attempt()->number,
                                              {"SITE_GONE", "site " + site + " is no longer configured at this broker"}}}};
      });
      if (!marked) co_return std::unexpected(marked.error());
      co_return Result<void>{};
    }
    if (attempt->state == AttemptState::bound) {
      desk->wake_status.set();
      if (job->to_be_cancelled()) dispatch_.carry_cancel(id);
      if (taking_back(*job)) moves_.carry(id);
      co_return Result<void>{};
    }
    // An intent without a receipt may have been sent. Whoever sent it limits itself, so it is dead by now or soon.
    // When it was sent again is not known: then it may have been a moment ago.
    const auto sent_for = attempt->sends > 1 ? Milliseconds{0}
                                             : std::clamp<Milliseconds>(parts_.scheduler.now_utc() - attempt->intended_at,
                                                                        Milliseconds{0}, options_.submit_timeout);
    const auto now = parts_.scheduler.now_monotonic();
    const bool refused = is_refused(attempt->reason);
    const auto number = attempt->number;
    if (attempt->state == AttemptState::intended) {
      auto marked = co_await book_.change(id, [number](const Job&) -> Result<Step> {
        return Step{
            .events = {AttemptUnknown{number, {"BROKER_RESTARTED", "the broker stopped between the intent and the receipt"}}}};
      });
      if (!marked) co_return std::unexpected(marked.error());
    }
    reconciler_.look_for(id, *desk,
                         {.child_dead_at = now + (options_.submit_timeout - sent_for), .sent_at = now, .refused = refused});
    co_return Result<void>{};
  }

  /// On any thread.
  async::Task<Foresight> foresee(Job job) {
    if (auto told = placement_.notices().foresee(job, parts_.scheduler.now_monotonic())) co_return std::move(*told);
    co_return co_await async::run_on(parts_.strand, ask_placement(std::move(job)));
  }
  async::Task<Foresight> ask_placement(Job job) { co_return placement_.foresee(job); }

  /// On any thread. What comes while the strand is on its way goes along.
  void deliver(Intake::Delivery delivery) {
    {
      const std::lock_guard lock(delivered_mutex_);
      delivered_.push_back(std::move(delivery));
      if (delivered_.size() > 1) return;
    }
    boost::asio::post(parts_.strand, [this] { take_in(); });
  }

  void take_in() {
    std::vector<Intake::Delivery> delivered;
    {
      const std::lock_guard lock(delivered_mutex_);
      delivered.swap(delivered_);
    }
    for (auto& delivery : delivered) {
      const auto* first = delivery.jobs.empty() ? nullptr : &delivery.jobs.front();
      if (delivery.asked) placement_.settle(*delivery.asked, first, std::move(delivery.foresight));
      for (auto& job : delivery.jobs) {
        ++counters_.accepted;
        moves_.accepted();
        const auto id = job.id;
        book_.insert(std::move(job));
        const auto* attempt = book_.find(id)->live_attempt();
        if (attempt != nullptr) dispatch_.send(id, *context_.desk(attempt->site));
      }
    }
  }

  void task_failed(std::string_view name, const Error& error) {
    parts_.log.write(ports::LogLevel::error, "task failed",
                     {{"task", std::string(name)}, {"code", error.code}, {"error", error.message}, {"detail", error.detail}});
  }

  Parts parts_;
  EngineOptions options_;
  Desks desks_;
  std::vector<std::unique_ptr<DeskConnector>> desk_connectors_;
  std::vector<std::unique_ptr<ports::Mover>> movers_;
  JobBook book_;
  Forecasts forecasts_;
  TrainingCompute training_;
  Budgets budgets_;
  FairShares shares_;
  Rulebook rulebook_;
  async::Event placing_{parts_.strand};
  Context context_;
  Reconciler reconciler_;
  Dispatch dispatch_;
  Stager stager_;
  Placement placement_;
  Outputs outputs_;
  Dependencies dependencies_;
  CodeKeeper code_;
  Moves moves_;
  Doctor doctor_;
  Watch watch_;
  Intake intake_;
  struct Arrival {
    MonotonicTime next_at{};  // when another one is taken up
    bool again = false;  // there has been one since the last that was
  };
  std::map<std::pair<SiteId, Principal>, Arrival> arrivals_;  // of late
  async::Event came_again_{parts_.strand};
  Counters counters_;
  std::array<std::int64_t, kJobStates> by_state_{};
  std::set<JobId> waiting_here_;  // ids rise with the time of acceptance
  std::mutex delivered_mutex_;  // guards the next
  std::vector<Intake::Delivery> delivered_;
  async::TaskGroup tasks_;
};

Engine::Engine(Parts parts, EngineOptions options, std::vector<SiteSetup> sites)
    : loops_(std::make_unique<Loops>(std::move(parts), std::move(options), std::move(sites))) {}
Engine::~Engine() = default;

async::Task<> Engine::start() { return loops_->start(); }
async::Task<> Engine::stop() { return loops_->stop(); }
boost::asio::any_io_executor Engine::executor() const { return loops_->parts_.strand; }
Intake& Engine::intake() { return loops_->intake_; }
const Rulebook& Engine::rules() const { return loops_->rulebook_; }

void Engine::regulate(Regulations regulations) {
  loops_->rulebook_.replace(std::move(regulations));
  facts_changed();
}

void Engine::amend(const std::vector<domain::RegisteredFact>& news) {
  loops_->rulebook_.amend(news);
  facts_changed();
}

void Engine::facts_changed() {
  boost::asio::post(loops_->parts_.strand, [loops = loops_.get()] { loops->placement_.facts_changed(); });
}

void Engine::allocations_changed() {
  boost::asio::post(loops_->parts_.strand, [loops = loops_.get()] {
    loops->budgets_.stale();
    loops->placing_.set();
  });
}

async::Task<Decision> Engine::consider(Principal person, JobSpec spec) {
  auto project = loops_->intake_.project_for(person, spec.project);
  if (!project) co_return std::unexpected(project.error());
  spec.project = std::move(*project);
  if (auto allowed = rules().may_take(person, spec, loops_->parts_.scheduler.now_utc()); !allowed)
    co_return std::unexpected(allowed.error());
  if (auto known = co_await all_before_known(loops_->parts_.jobs, person, {spec.after}); !known)
    co_return std::unexpected(known.error());
  co_return co_await loops_->placement_.consider(std::move(person), std::move(spec));
}

async::Task<Decision> Engine::explain(Job job) {
  const bool in_broker = !is_terminal(job.state) && job.live_attempt() == nullptr;
  if (job.awaits_others()) {  // what the sites would say; none is chosen before its time
    auto decision = co_await loops_->placement_.reconsider(job);
    if (!decision) co_return decision;
    decision->chosen.reset();
    decision->queue = {};
    decision->reason = job.reason;
    co_return decision;
  }
  if (in_broker) co_return co_await loops_->placement_.reconsider(std::move(job));
  co_return co_await loops_->parts_.jobs.decision(job.id);
}

async::Task<std::optional<FairShare>> Engine::fair_share(ProjectId project) { co_return loops_->shares_.of(project); }

async::Task<Job> Engine::hold(JobId id) { return loops_->hold(id); }
async::Task<Job> Engine::release(JobId id) { return loops_->release(id); }
async::Task<Job> Engine::cancel(JobId id, Principal by) { return loops_->cancel(id, std::move(by)); }
async::Task<Job> Engine::cancel_tasks(JobId id, Principal by, std::vector<std::int32_t> tasks) {
  return loops_->cancel_tasks(id, std::move(by), std::move(tasks));
}
async::Task<Job> Engine::resolve_lost(JobId id, Principal by, std::string reason) {
  return loops_->resolve_lost(id, std::move(by), std::move(reason));
}
async::Task<Job> Engine::wait_beyond(JobId id, std::int64_t version, async::Deadline deadline) {
  return loops_->book_.wait_beyond(id, version, deadline);
}
async::Task<std::int64_t> Engine::wait_any(std::int64_t seen, async::Deadline deadline) {
  return loops_->book_.wait_any(seen, deadline);
}
async::Task<ports::OutputChunk> Engine::read_output(Job job, ports::Stream stream, std::uint64_t offset, std::size_t limit,
                                                    async::Deadline deadline, std::optional<std::int32_t> task) {
  return loops_->outputs_.read_stream(std::move(job), task, stream, offset, limit, deadline);
}
async::Task<std::vector<ports::FileFacts>> Engine::look_at_outputs(Job job, async::Deadline deadline) {
  return loops_->outputs_.look(std::move(job), deadline);
}
async::Task<ports::FileChunk> Engine::read_named_output(Job job, std::string name, std::uint64_t offset, std::size_t limit,
                                                        async::Deadline deadline) {
  return loops_->outputs_.read(std::move(job), std::move(name), offset, limit, deadline);
}

async::Task<std::optional<ports::CodeState>> Engine::look_at_code(Principal owner, CodeId id) {
  return loops_->code_.look(std::move(owner), std::move(id));
}
async::Task<ports::CodeState> Engine::take_code(Principal owner, JobSpec spec, ports::CodePiece piece) {
  auto project = loops_->intake_.project_for(owner, spec.project);
  if (!project) co_return std::unexpected(project.error());
  spec.project = std::move(*project);
  co_return co_await loops_->code_.take({.owner = std::move(owner), .spec = std::move(spec), .piece = std::move(piece)});
}

async::Task<std::vector<TransferReport>> Engine::transfers(DatasetId dataset) { co_return loops_->stager_.under_way(dataset); }

async::Task<std::vector<SiteReport>> Engine::sites() {
  std::vector<SiteReport> reports;
  for (const auto& [id, desk] : loops_->desks_) reports.push_back(loops_->report(*desk));
  co_return reports;
}

async::Task<> Engine::forget(domain::Names names) {
  for (auto& [id, desk] : loops_->desks_) desk->forget(names);
  co_return Result<void>{};
}

async::Task<> Engine::drain_site(SiteId site, std::string reason) {
  auto* desk = loops_->context_.desk(site);
  if (desk == nullptr) co_return no_such_site(site);
  auto done = co_await desk->set_drained(true, std::move(reason));
  loops_->placement_.site_changed(*desk);
  co_return done;
}

async::Task<> Engine::resume_site(SiteId site) {
  auto* desk = loops_->context_.desk(site);
  if (desk == nullptr) co_return no_such_site(site);
  auto done = co_await desk->set_drained(false, "");
  loops_->placement_.site_changed(*desk);
  co_return done;
}

async::Task<DoctorReport> Engine::look_over_site(SiteId site, Principal by) {
  auto* desk = loops_->context_.desk(site);
  if (desk == nullptr) co_return no_such_site(site);
  co_return co_await loops_->doctor_.look_over(*desk, std::move(by));
}

async::Task<ports::UsagePage> Engine::read_accounting(SiteId site, ports::UsageCursor from) {
  auto* desk = loops_->context_.desk(site);
  if (desk == nullptr) co_return no_such_site(site);
  auto& context = loops_->context_;
  co_await context.scheduler.sleep_until(desk->spare_query_at(SiteDesk::Spare::half));
  auto page = co_await desk->call<ports::UsagePage>(
      CallKind::query, context.call_deadline(),
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.usage(from, until); });
  if (page && !(desk->snapshot() && desk->snapshot()->sees_everyone)) page->others.reset();
  co_return page;
}

async::Task<> Engine::usage_booked(SiteId site, std::vector<JobId> jobs) {
  auto* desk = loops_->context_.desk(site);
  if (desk == nullptr) co_return no_such_site(site);
  if (desk->site().charging) {  // what was kept for those runs may be free again
    loops_->budgets_.stale();
    loops_->placing_.set();
  }
  co_return co_await loops_->training_.booked(std::move(jobs));
}

async::Task<Counters> Engine::counters() { co_return loops_->counters(); }

}  // namespace hansa::engine
