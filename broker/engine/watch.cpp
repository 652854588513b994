// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/watch.hpp"

#include "broker/async/all_of.hpp"
#include "broker/engine/fence.hpp"
#include "broker/engine/moves.hpp"
#include "broker/engine/observation.hpp"
#include "broker/engine/reconciler.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr Milliseconds kGather{50};  // many things happen together
constexpr int kLooksAtOnce = 6;  // looks, as long as the budget has them; those after them are spread over what it has

/// What an attempt is bound to that has run this: of a task its array.
const SiteJobId& bound_to(const UsageRecord& record) { return record.array_id.empty() ? record.site_job_id : record.array_id; }

}  // namespace

async::Task<> Watch::snapshots(SiteDesk& desk) {
  while (true) {
    auto snapshot = co_await desk.call<SiteSnapshot>(
        CallKind::snapshot, context_.call_deadline(),
        [](ports::SiteConnector& connector, async::Deadline until) { return connector.snapshot(until); });
    if (snapshot) desk.take_snapshot(std::move(*snapshot));
    on_snapshot_(desk);  // also after a failure: a site that went down changes where jobs can go
    const auto next = context_.scheduler.now_monotonic() + desk.interval(context_.options.snapshot_interval);
    // A site that is left alone is probed by this, when that is due.
    const auto regular = [&] { return desk.breaker().open() ? desk.snapshot_allowed_at() : next; };
    auto at = regular();
    while (co_await desk.wake_snapshot.wait_until(context_.scheduler, at)) {  // what comes meanwhile may allow it sooner
      const auto early = desk.early_snapshot_at();
      at = desk.breaker().open() ? early : std::min({at, early, next});
      if (at <= context_.scheduler.now_monotonic()) {
        co_await context_.scheduler.sleep_until(at);  // what happened together comes first
        break;
      }
    }
  }
}

async::Task<> Watch::states(SiteDesk& desk) {
  if (desk.asks_as_persons()) co_return co_await states_by_person(desk);
  auto pause = context_.options.first_poll_after;
  auto last_look = context_.scheduler.now_monotonic();
  auto last_answer = last_look;
  int in_a_row = 0;
  while (true) {
    if (desk.bound.empty()) {
      co_await desk.wake_status.wait();
      in_a_row = 0;
      last_look = last_answer = context_.scheduler.now_monotonic();
      pause = context_.options.first_poll_after;
      continue;
    }
    // After something happened: soon, then at a falling rate, with what the budget leaves. In any case at the regular cadence.
    const auto interval = desk.interval(context_.options.status_interval);
    const auto next = [&] {
      const auto free = in_a_row < kLooksAtOnce ? desk.spare_query_at() : desk.spread_query_at(last_look);
      return std::min(std::max(context_.scheduler.now_monotonic() + pause, free), last_look + interval);
    };
    if (co_await desk.wake_status.wait_until(context_.scheduler, next())) {
      pause = context_.options.first_poll_after;
      co_await context_.scheduler.sleep_until(next());
    }
    ++in_a_row;
    last_look = context_.scheduler.now_monotonic();
    const auto heard = co_await look_or_mark(desk, std::nullopt, last_answer);
    pause = next_pause(pause, heard, interval);
  }
}

/// A question for each person: whoever has been due longest, in what the budget leaves beside the regular rest. Side by side, for
/// one who does not answer is not to keep the others waiting.
async::Task<> Watch::states_by_person(SiteDesk& desk) {
  std::map<Whose::value_type, std::shared_ptr<Look>> looks;
  auto& scheduler = context_.scheduler;
  const auto first_pause = context_.options.first_poll_after;
  while (true) {
    const auto now = scheduler.now_monotonic();
    std::set<Whose::value_type> people;
    const auto stirred = std::exchange(desk.stirred, {});
    for (const auto& id : desk.bound) {
      const auto* job = context_.book.find(id);
      const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
      if (attempt == nullptr) continue;
      auto& look = looks[{job->owner, attempt->account}];
      if (!look) look = std::make_shared<Look>(now + first_pause, first_pause, now);
      if (stirred.contains(id)) {
        look->pause = first_pause;
        look->due = std::min(look->due, now + first_pause);
      }
      people.emplace(job->owner, attempt->account);
    }
    std::erase_if(looks, [&](const auto& entry) { return !people.contains(entry.first); });
    const std::pair<const Whose::value_type, std::shared_ptr<Look>>* next = nullptr;
    std::int32_t under_way = 0;
    for (const auto& entry : looks) {
      if (entry.second->under_way)
        ++under_way;
      else if (next == nullptr || entry.second->due < next->second->due)
        next = &entry;
    }
    if (next == nullptr || under_way >= std::max(1, desk.site().budget.concurrent_calls - 1)) {
      co_await desk.wake_status.wait();  // also set when one of them has ended
      continue;
    }
    const auto at = std::max(next->second->due, desk.spare_query_at());
    if (at > now) {
      if (co_await desk.wake_status.wait_until(scheduler, at)) co_await scheduler.sleep_until(std::min(at, now + kGather));
      continue;
    }
    next->second->under_way = true;
    if (!context_.tasks.spawn("look", look_at_person(desk, next->first, next->second)))
      (void)co_await look_at_person(desk, next->first, next->second);
  }
}

async::Task<> Watch::look_at_person(SiteDesk& desk, Whose whose, std::shared_ptr<Look> look) {
  struct Ended {
    SiteDesk& desk;
    Look& look;
    ~Ended() {
      look.under_way = false;
      desk.wake_status.set();
    }
  } ended{desk, *look};
  // Who does not answer is asked less and less.
  const auto interval = desk.interval(context_.options.status_interval);
  const auto pause = look->pause;
  look->pause = std::min(look->pause * 2, interval);
  const auto heard = co_await look_or_mark(desk, std::move(whose), look->last_answer);
  look->pause = heard ? next_pause(pause, heard, interval) : std::min(std::max(pause, interval / 2) * 2, 4 * interval);
  look->due = context_.scheduler.now_monotonic() + look->pause;
  co_return Result<void>{};
}

Milliseconds Watch::next_pause(Milliseconds pause, const Result<ShortestRun>& heard, Milliseconds interval) const {
  pause = std::min(pause * 2, interval);
  return heard && *heard ? std::min(pause, std::max(**heard, context_.options.first_poll_after)) : pause;
}

async::Task<Watch::ShortestRun> Watch::look_or_mark(SiteDesk& desk, Whose whose, MonotonicTime& last_answer) {
  auto heard = co_await look_at_states(desk, whose);
  const auto now = context_.scheduler.now_monotonic();
  if (heard) {
    last_answer = now;
    co_return heard;
  }
  const auto& error = heard.error();
  context_.log.write(ports::LogLevel::debug, "status could not be read",
                     {{"site", desk.site().id.str()},
                      {"person", whose ? whose->first.str() : ""},
                      {"code", error.code},
                      {"error", error.message}});
  // A full store: marked at the next look.
  if (now - last_answer > 2 * desk.interval(context_.options.status_interval))
    (void)co_await mark_unseen(desk, std::move(whose), {error.code, error.message});
  co_return heard;
}

async::Task<Watch::ShortestRun> Watch::look_at_states(SiteDesk& desk, Whose whose) {
  if (auto absent = whose ? desk.absent(whose->first) : std::nullopt)
    co_return fail(ErrorKind::unavailable, absent->code, std::move(absent->message));
  std::vector<JobId> ids;
  std::vector<ports::SiteJob> asked;
  for (const auto& id : desk.bound) {
    const auto* job = context_.book.find(id);
    const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
    if (attempt == nullptr || (whose && *whose != std::pair(job->owner, attempt->account))) continue;
    ids.push_back(id);
    asked.push_back(site_job(*job, *attempt));
  }
  auto answers = co_await desk.call<std::vector<ports::JobStatus>>(
      CallKind::query, context_.call_deadline(),
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.status(std::move(asked), until); });
  if (!answers) co_return std::unexpected(answers.error());
  if (answers->size() != ids.size()) {
    co_return fail(ErrorKind::internal, "BAD_STATUS",
                   "the connector of site " + desk.site().id.str() + " answered for " + std::to_string(answers->size()) + " of " +
                       std::to_string(ids.size()) + " jobs");
  }
  ShortestRun shortest;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto* job = context_.book.find(ids[i]);
    count_devices((*answers)[i], desk.site().hardware.devices_per_gpu);
    if (job != nullptr) (*answers)[i] = as_a_whole(*job, std::move((*answers)[i]));
    context_.forecasts.heard(ids[i], (*answers)[i]);
    if (job == nullptr || observing_.contains(ids[i])) continue;
    if (observe(*job, (*answers)[i]).empty() && !asks_for_the_fence(*job, (*answers)[i])) continue;
    if (const auto& told = (*answers)[i]; told.started_at && told.ended_at)
      shortest = std::min(shortest.value_or(Milliseconds::max()), std::max(*told.ended_at - *told.started_at, Milliseconds{0}));
    // Side by side, so that they share commits; when the group is full, one by one.
    if (!context_.tasks.spawn("observe", apply(ids[i], (*answers)[i]))) {
      if (auto done = co_await apply(ids[i], (*answers)[i]); !done) co_return std::unexpected(done.error());
    }
  }
  co_return shortest;
}

async::Task<> Watch::apply(JobId id, ports::JobStatus status) {
  struct Observing {
    std::unordered_set<JobId>& set;
    JobId id;
    ~Observing() { set.erase(id); }
  } observing{observing_, id};
  observing_.insert(id);

  // It ended before its payload, or without it. If the seal wins, nothing of the attempt can start any more, and the job may go
  // elsewhere; else whoever has the fence is the attempt's job.
  bool sealed = false;
  const auto* job = context_.book.find(id);
  if (job != nullptr && asks_for_the_fence(*job, status)) {
    const auto* attempt = job->live_attempt();
    auto* desk = attempt == nullptr || attempt->site_job_id != status.id ? nullptr : context_.desk(attempt->site);
    if (desk == nullptr) co_return Result<void>{};
    const auto fence = co_await seal_fence(context_, *desk, fence_of(*job, *attempt));
    if (!fence) co_return Result<void>{};  // asked again at the next look
    if (!fence->sealed && fence->holder != status.id)
      co_return co_await reconciler_.bind_holder(*desk, id, status.id, fence->holder);
    sealed = fence->sealed && status.phase == ports::Phase::ended;
    if (sealed) {
      if (status.outcome != Outcome::cancelled) status.outcome = Outcome::never_started;
      status.started_at.reset();  // its wrapper may have, the payload has not
      for (auto& task : status.tasks) task.started_at.reset();
      if (const auto* now = context_.book.find(id)) read_as_taken_back(*now, status);
    } else if (status.outcome == Outcome::never_started) {
      status.outcome = Outcome::failed;  // it has run
    }
  }
  auto score = co_await context_.forecasts.score(id, status);
  if (!score) co_return std::unexpected(score.error());
  bool scored = false;
  auto done = co_await context_.book.change(id, [&](const Job& now) -> Result<Step> {
    const auto* attempt = now.live_attempt();
    if (attempt == nullptr || attempt->site_job_id != status.id) return Step{};
    Step step{.events = observe(now, status)};
    scored = *score && Forecasts::starting(&now, status) == attempt && (*score)->attempt == attempt->number;
    if (scored) step.score = *score;
    const bool started = std::ranges::any_of(attempt->runs, [](const Run& run) { return run.started_at.has_value(); });
    if (sealed && !started && !attempt->sealed) step.events.insert(step.events.begin(), AttemptSealed{attempt->number});
    return step;
  });
  if (done && scored) context_.forecasts.learn(**score);
  if (done && taking_back(*done)) moves_.carry(id);
  // Over already, or the store is full: the site is asked again, it forgets nothing in the meantime.
  if (!done && done.error().kind != ErrorKind::not_found && !done.error().retryable) co_return std::unexpected(done.error());
  co_return Result<void>{};
}

async::Task<> Watch::mark_unseen(SiteDesk& desk, Whose whose, Reason reason) {
  std::vector<async::Task<Job>> marks;  // side by side, so that they share commits
  for (const auto& id : desk.bound) {
    const auto* job = context_.book.find(id);
    const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
    if (attempt == nullptr || attempt->unknown_since) continue;
    if (whose && *whose != std::pair(job->owner, attempt->account)) continue;
    marks.push_back(context_.book.change(id, [&](const Job& now) -> Result<Step> {
      const auto* live = now.live_attempt();
      if (live == nullptr || live->unknown_since || live->state != AttemptState::bound || live->site != desk.site().id)
        return Step{};
      return Step{.events = {AttemptUnknown{live->number, reason}}};
    }));
  }
  for (const auto& marked : co_await async::all_of(std::move(marks))) {
    if (!marked && marked.error().kind != ErrorKind::not_found) co_return std::unexpected(marked.error());
  }
  co_return Result<void>{};
}

async::Task<> Watch::settle(SiteDesk& desk) {
  constexpr Milliseconds kAfterAnEnd{1'000};
  auto pause = context_.options.usage_interval;
  while (true) {
    const auto interval = desk.interval(context_.options.usage_interval);
    auto more = co_await book_page(desk);
    if (!more) {
      context_.log.write(more.error().code == kLeftAlone ? ports::LogLevel::debug : ports::LogLevel::warning,
                         "usage could not be read",
                         {{"site", desk.site().id.str()}, {"code", more.error().code}, {"error", more.error().message}});
    }
    if (more && *more) {
      // A new broker's first reading is many pages of the past: the jobs of now come first.
      co_await context_.scheduler.sleep_until(desk.spare_query_at(SiteDesk::Spare::half));
      continue;
    }
    // Accounting lags the queue: after an end it is read soon, and again at a falling rate. Jobs that end together are booked
    // together.
    pause = std::min(pause * 4, interval);
    const auto now = context_.scheduler.now_monotonic();
    const bool an_end = co_await desk.wake_usage.wait_until(context_.scheduler,
                                                            std::max(now + pause, desk.spare_query_at(SiteDesk::Spare::half)));
    if (!an_end) continue;
    pause = kAfterAnEnd;
    co_await context_.scheduler.sleep_until(
        std::max(context_.scheduler.now_monotonic() + pause, desk.spare_query_at(SiteDesk::Spare::half)));
  }
}

bool Watch::awaits_binding(const SiteDesk& desk, const UsageRecord& record) const {
  const auto tag = parse_tag(record.tag.str());
  const auto* job = tag ? context_.book.find(tag->job) : nullptr;
  const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
  return attempt != nullptr && attempt->number == tag->attempt && attempt->site == desk.site().id &&
         attempt->state != AttemptState::bound && (attempt->account.empty() || attempt->account == record.account);
}

/// Runs of further submissions of a bound attempt: recorded as such, so that what they used is booked with it.
async::Task<> Watch::note_twins(SiteDesk& desk, const std::vector<UsageRecord>& records) {
  for (const auto& record : records) {
    const auto tag = parse_tag(record.tag.str());
    const auto* job = tag ? context_.book.find(tag->job) : nullptr;
    const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
    if (attempt == nullptr || attempt->number != tag->attempt || attempt->site != desk.site().id) continue;
    if (attempt->state != AttemptState::bound || attempt->site_job_id == bound_to(record)) continue;
    if (!attempt->account.empty() && attempt->account != record.account) continue;
    auto noted =
        co_await reconciler_.quarantine(tag->job, tag->attempt, bound_to(record),
                                        {"DUPLICATE", "one submission too many of this attempt: only one of them has its fence"});
    if (!noted && noted.error().kind != ErrorKind::not_found) co_return noted;
  }
  co_return Result<void>{};
}

async::Task<bool> Watch::book_page(SiteDesk& desk) {
  const auto& site = desk.site().id;
  auto cursor = co_await context_.usage.usage_cursor(site);
  if (!cursor) co_return std::unexpected(cursor.error());
  auto page = co_await desk.call<ports::UsagePage>(
      CallKind::query, context_.call_deadline(),
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.usage(*cursor, until); });
  if (!page) co_return std::unexpected(page.error());
  if (page->records.empty() && page->next.text == cursor->text) co_return false;
  // What belongs to an attempt that is still looked for can be booked only once it is bound: the page is read again then.
  const bool early = std::ranges::any_of(page->records, [&](const UsageRecord& record) { return awaits_binding(desk, record); });
  if (auto noted = co_await note_twins(desk, page->records); !noted) co_return std::unexpected(noted.error());
  std::vector<JobId> jobs;
  for (const auto& record : page->records) {
    if (const auto tag = parse_tag(record.tag.str()); tag && record.gpus > 0) jobs.push_back(tag->job);
  }
  auto booked = co_await context_.usage.book_usage(site, std::move(page->records), early ? *cursor : page->next,
                                                   context_.scheduler.now_utc());
  if (!booked) co_return std::unexpected(booked.error());
  if (*booked > 0 && desk.site().charging) {  // what was kept for those runs may be free again
    context_.budgets.stale();
    context_.placing.set();
  }
  if (!jobs.empty()) {
    if (auto counted = co_await context_.training.booked(std::move(jobs)); !counted) co_return std::unexpected(counted.error());
  }
  co_return !page->complete && !early;
}

}  // namespace hansa::engine
