// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/engine.hpp"

#include "broker/async/all_of.hpp"
#include "broker/async/run_on.hpp"
#include "broker/engine/arrivals.hpp"
#include "broker/engine/balances.hpp"
#include "broker/engine/code_keeper.hpp"
#include "broker/engine/context.hpp"
#include "broker/engine/dependencies.hpp"
#include "broker/engine/desk_connector.hpp"
#include "broker/engine/dispatch.hpp"
#include "broker/engine/doctor.hpp"
#include "broker/engine/moves.hpp"
#include "broker/engine/observation.hpp"
#include "broker/engine/orders.hpp"
#include "broker/engine/outputs.hpp"
#include "broker/engine/placement.hpp"
#include "broker/engine/reconciler.hpp"
#include "broker/engine/secret_copies.hpp"
#include "broker/engine/secret_vault.hpp"
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
                 .secrets = parts_.secrets,
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
        arrivals_(context_, dispatch_, placement_),
        outputs_(context_),
        dependencies_(context_, parts_.strand),
        orders_(context_, dispatch_, dependencies_),
        code_(context_, parts_.code),
        secret_copies_(context_, parts_.secrets == nullptr ? nullptr : &parts_.secrets->store()),
        moves_(context_, parts_.strand, placement_, reconciler_),
        balances_(context_, parts_.allocations, parts_.ids),
        doctor_(context_, [this](SiteDesk& desk) { placement_.site_changed(desk); }),
        watch_(context_, reconciler_, moves_,
               [this](SiteDesk& desk) {
                 moves_.news();  // before those that wait here: it has waited longer
                 placement_.site_changed(desk);
                 doctor_.news(desk);
               }),
        intake_(
            parts_.scheduler, parts_.ids, options_, parts_.jobs, parts_.accounts, rulebook_, parts_.code, parts_.secrets,
            [this](Job job) { return foresee(std::move(job)); },
            [this](Intake::Delivery delivery) { deliver(std::move(delivery)); }),
        tasks_(parts_.strand, kLoopTasks + kTasksPerJob * options_.active_jobs,
               [this](std::string_view name, const Error& error) { task_failed(name, error); }) {
    make_movers();
    reconciler_.use(dispatch_);
    book_.on_change([this](const Job* before, const Job& after) { index(before, after); });
    for (auto& [id, desk] : desks_)
      desk->when_present([this, place = desk.get()](const Principal& person) { arrivals_.came(*place, person); });
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
    if (auto started = tasks_.spawn("arrivals", arrivals_.run()); !started) co_return started;
    if (auto started = tasks_.spawn("moves", moves_.run()); !started) co_return started;
    if (auto started = tasks_.spawn("dependencies", dependencies_.run()); !started) co_return started;
    if (parts_.code != nullptr) {
      if (auto started = tasks_.spawn("code", code_.run()); !started) co_return started;
    }
    if (parts_.secrets != nullptr) {
      if (auto started = tasks_.spawn("secrets", secret_copies_.run()); !started) co_return started;
    }
    if (auto resumed = co_await stager_.start(); !resumed) co_return resumed;
    for (auto& [id, desk] : desks_) {
      for (auto started : {tasks_.spawn("snapshots", watch_.snapshots(*desk)), tasks_.spawn("states", watch_.states(*desk)),
                           tasks_.spawn("settle", watch_.settle(*desk)), tasks_.spawn("reconcile", reconciler_.run(*desk)),
                           tasks_.spawn("balances", balances_.run(*desk))}) {
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
    secret_copies_.job_changed(before, after);
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
  Arrivals arrivals_;
  Outputs outputs_;
  Dependencies dependencies_;
  Orders orders_;
  CodeKeeper code_;
  SecretCopies secret_copies_;
  Moves moves_;
  Balances balances_;
  Doctor doctor_;
  Watch watch_;
  Intake intake_;
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

async::Task<Job> Engine::hold(JobId id) { return loops_->orders_.hold(id); }
async::Task<Job> Engine::release(JobId id) { return loops_->orders_.release(id); }
async::Task<Job> Engine::cancel(JobId id, Principal by) { return loops_->orders_.cancel(id, std::move(by)); }
async::Task<Job> Engine::cancel_tasks(JobId id, Principal by, std::vector<std::int32_t> tasks) {
  return loops_->orders_.cancel_tasks(id, std::move(by), std::move(tasks));
}
async::Task<Job> Engine::resolve_lost(JobId id, Principal by, std::string reason) {
  return loops_->orders_.resolve_lost(id, std::move(by), std::move(reason));
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
  for (const auto& [id, desk] : loops_->desks_) {
    reports.push_back(report_of(*desk, loops_->parts_.scheduler));
    reports.back().drifted = loops_->doctor_.drifted(id);
    if (const auto* reading = loops_->balances_.reading(id)) reports.back().balances = *reading;
  }
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
