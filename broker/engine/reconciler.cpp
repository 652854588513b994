// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/reconciler.hpp"

#include "broker/engine/dispatch.hpp"
#include "broker/engine/fence.hpp"
#include "broker/engine/observation.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr Milliseconds kShortestPause{1'000};

std::unexpected<Error> conflict(Reason reason) { return fail(ErrorKind::conflict, reason.code, std::move(reason.message)); }

/// The one that has the fence, as far as can be seen: duplicates end at once and say so, and what has started has it sooner than
/// what has not.
int rank(const ports::Sighting& s) { return s.status.reason.code == "DUPLICATE" ? 2 : s.status.started_at ? 0 : 1; }

/// Then the earlier submitted; among equals the lower job id, which schedulers count up.
bool earlier(const ports::Sighting& a, const ports::Sighting& b) {
  if (rank(a) != rank(b)) return rank(a) < rank(b);
  if (a.submitted_at != b.submitted_at) return a.submitted_at < b.submitted_at;
  const auto& x = a.status.id.str();
  const auto& y = b.status.id.str();
  return x.size() != y.size() ? x.size() < y.size() : x < y;
}

}  // namespace

void Reconciler::look_for(const JobId& id, SiteDesk& desk, Look look) {
  looks_[id] = look;
  desk.wake_reconciler.set();
}

void Reconciler::forget(const JobId& id) {
  looks_.erase(id);
  for (auto at = quarantined_.lower_bound({id, SiteJobId()}); at != quarantined_.end() && at->first.first == id;)
    at = quarantined_.erase(at);
}

std::optional<Reason> Reconciler::taken(const SiteDesk& desk, const JobId& id, const SiteJobId& site_job_id) const {
  const auto* holder = context_.book.bound_to(desk.site().id, site_job_id);
  if (holder == nullptr || *holder == id) return std::nullopt;
  const auto* theirs = context_.book.find(*holder);
  const auto* ours = context_.book.find(id);
  // One end that speaks for both tells them apart by their tags, also when it uses an id again before we know of the end.
  if (theirs == nullptr || ours == nullptr || !desk.asks_as_persons() || ours->owner == theirs->owner) return std::nullopt;
  return Reason{std::string(kSiteJobTaken), "site " + desk.site().id.str() + " says that job " + id.str() + " is site job " +
                                                site_job_id.str() + " there, which is that of job " + holder->str()};
}

std::vector<JobId> Reconciler::due(const SiteDesk& desk) {
  const auto now = context_.scheduler.now_monotonic();
  std::vector<JobId> ids;
  for (const auto& id : desk.unresolved) {
    const auto at = looks_.find(id);
    if (at != looks_.end() && (at->second.refused || now >= at->second.child_dead_at)) ids.push_back(id);
  }
  for (const auto& id : desk.unseen) {
    looks_.try_emplace(id, Look{.child_dead_at = now, .sent_at = now});
    ids.push_back(id);
  }
  return ids;
}

async::Task<> Reconciler::run(SiteDesk& desk) {
  auto pause = kShortestPause;
  while (true) {
    const auto now = context_.scheduler.now_monotonic();
    if (desk.unresolved.empty() && desk.unseen.empty()) {
      co_await desk.wake_reconciler.wait();
      pause = kShortestPause;
      continue;
    }
    const auto ids = due(desk);
    if (ids.empty()) {
      co_await desk.wake_reconciler.wait_until(context_.scheduler, now + kShortestPause);
      continue;
    }
    if (auto looked = co_await look(desk, ids); !looked) {
      context_.log.write(looked.error().code == kLeftAlone ? ports::LogLevel::debug : ports::LogLevel::warning,
                         "could not look for submissions without a receipt",
                         {{"site", desk.site().id.str()}, {"code", looked.error().code}, {"error", looked.error().message}});
    }
    // Sooner when there is something new to look for; else at a falling rate, within what the budget leaves.
    const auto next = std::max(context_.scheduler.now_monotonic() + pause, desk.spare_query_at());
    if (co_await desk.wake_reconciler.wait_until(context_.scheduler, next)) {
      pause = kShortestPause;
    } else {
      pause = std::min(pause * 2, std::max(desk.interval(context_.options.status_interval), kShortestPause));
    }
  }
}

async::Task<> Reconciler::look(SiteDesk& desk, std::vector<JobId> ids) {
  std::vector<ports::SiteJob> wanted;
  std::vector<JobId> looked_for;
  for (const auto& id : ids) {
    const auto* job = context_.book.find(id);
    const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
    const auto known = looks_.find(id);  // seals before this one took their time
    const bool wanted_still = attempt != nullptr && (attempt->state != AttemptState::bound || desk.unseen.contains(id));
    if (!wanted_still || known == looks_.end()) continue;
    // The site itself said no: the seal settles it at once, whatever the queue shows.
    if (known->second.refused) {
      const auto reason = attempt->reason;
      if (auto sealed = co_await seal(desk, id, reason); !sealed) {
        context_.log.write(ports::LogLevel::warning, "could not seal",
                           {{"job", id.str()}, {"site", desk.site().id.str()}, {"error", sealed.error().message}});
      }
      continue;
    }
    wanted.push_back(site_job(*job, *attempt));
    looked_for.push_back(id);
  }
  if (wanted.empty()) co_return Result<void>{};
  if (!desk.asks_as_persons()) co_return co_await look_in_site(desk, std::move(looked_for), std::move(wanted));
  std::map<std::pair<Principal, LocalAccount>, std::pair<std::vector<JobId>, std::vector<ports::SiteJob>>> people;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto& [theirs, jobs] = people[{wanted[i].person, wanted[i].account}];
    theirs.push_back(looked_for[i]);
    jobs.push_back(std::move(wanted[i]));
  }
  Result<void> done;
  for (auto& [person, theirs] : people) {
    if (desk.absent(person.first)) continue;  // looked for as soon as they come
    auto looked = co_await look_in_site(desk, std::move(theirs.first), std::move(theirs.second));
    if (!looked) done = std::move(looked);  // the next one's login may be better
    co_await context_.scheduler.sleep_until(desk.spare_query_at());
  }
  co_return done;
}

async::Task<> Reconciler::look_in_site(SiteDesk& desk, std::vector<JobId> looked_for, std::vector<ports::SiteJob> wanted) {
  auto found = co_await desk.call<ports::FindResult>(
      CallKind::query, context_.call_deadline(),
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.find(wanted, until); });
  if (!found) co_return std::unexpected(found.error());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::vector<ports::Sighting> sightings;
    std::ranges::copy_if(found->sightings, std::back_inserter(sightings), [&](const auto& s) { return s.tag == wanted[i].tag; });
    const bool absence_counts = found->queue_seen && found->history_seen;
    auto judged = desk.unseen.contains(looked_for[i])
                      ? co_await judge_unseen(desk, looked_for[i], std::move(sightings), absence_counts)
                      : co_await judge(desk, looked_for[i], std::move(sightings), absence_counts);
    if (!judged && judged.error().kind != ErrorKind::not_found) {
      context_.log.write(ports::LogLevel::warning, "could not resolve a submission without a receipt",
                         {{"job", looked_for[i].str()}, {"site", desk.site().id.str()}, {"error", judged.error().message}});
    }
  }
  co_return Result<void>{};
}

async::Task<> Reconciler::judge(SiteDesk& desk, JobId id, std::vector<ports::Sighting> sightings, bool absence_counts) {
  const auto* job = context_.book.find(id);
  const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
  if (attempt == nullptr || attempt->state == AttemptState::bound) co_return Result<void>{};
  const auto number = attempt->number;
  const auto cluster = desk.snapshot() ? desk.snapshot()->cluster : std::string{};

  std::vector<ports::Sighting> ours;
  bool ours_by_another_clock = false, of_another_job = false;
  for (auto& sighting : sightings) {
    const auto* now = context_.book.find(id);
    const auto* live = now == nullptr ? nullptr : now->live_attempt();
    if (live == nullptr || live->number != number) co_return Result<void>{};
    if (auto foreign = why_foreign(*live, sighting, cluster, context_.options.clock_skew)) {
      ours_by_another_clock = ours_by_another_clock || foreign->code == "OLDER_THAN_INTENT";
      if (auto noted = co_await quarantine(id, number, sighting.status.id, *foreign); !noted) co_return noted;
    } else if (auto other = taken(desk, id, sighting.status.id)) {
      of_another_job = true;
      if (auto noted = co_await quarantine(id, number, sighting.status.id, *other); !noted) co_return noted;
    } else {
      ours.push_back(std::move(sighting));
    }
  }
  const auto at = looks_.find(id);
  if (at == looks_.end()) co_return Result<void>{};
  if (!ours.empty()) co_return co_await adopt(desk, id, std::move(ours));

  // Nobody wants it any more: no need to know where it is, once it can never start.
  job = context_.book.find(id);
  if (job != nullptr && job->cancel) co_return co_await seal(desk, id, {"CANCELLED", "cancelled before the site had it"});

  // Half a look proves nothing; and what is under its tag may be its own after all, once the other is over.
  if (!absence_counts || of_another_job || !absent(at->second)) co_return Result<void>{};
  job = context_.book.find(id);
  attempt = job == nullptr ? nullptr : job->live_attempt();
  if (attempt == nullptr) co_return Result<void>{};
  if (ours_by_another_clock) {  // only the fence can tell
    co_return co_await seal(
        desk, id,
        {"NOT_TAKEN", "what site " + desk.site().id.str() + " shows under its tag is older than the attempt; check its clock"});
  }
  if (attempt->sends >= context_.options.max_sends || desk.state().drained || desk.quiet_until()) {
    co_return co_await seal(
        desk, id,
        {"NOT_TAKEN", "site " + desk.site().id.str() + " did not take it in " + std::to_string(attempt->sends) +
                          (attempt->sends == 1 ? " submission" : " submissions")});
  }

  auto resent = co_await context_.book.change(id, [&](const Job& current) -> Result<Step> {
    const auto* live = current.live_attempt();
    if (live == nullptr || live->number != number || live->state == AttemptState::bound || live->sealed) return Step{};
    return Step{.events = {AttemptResent{number}}};
  });
  if (!resent) co_return std::unexpected(resent.error());
  looks_.erase(id);  // dispatch gives a new one if this send is not answered either
  dispatch_->send(id, desk);
  co_return Result<void>{};
}

/// A look has found nothing, queue and history both answering. True: that is enough.
bool Reconciler::absent(Look& look) const {
  const auto now = context_.scheduler.now_monotonic();
  if (!look.absent_since) look.absent_since = now;
  return now - look.sent_at >= context_.options.visibility_window &&
         now - *look.absent_since >= context_.options.second_look_after;
}

async::Task<> Reconciler::judge_unseen(SiteDesk& desk, JobId id, std::vector<ports::Sighting> sightings, bool absence_counts) {
  const auto* job = context_.book.find(id);
  const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
  const auto at = looks_.find(id);
  if (attempt == nullptr || at == looks_.end()) co_return Result<void>{};
  const auto bound = attempt->site_job_id;
  // Not that the accounting alone calls it alive: it does so for ever of what the controller has forgotten.
  const auto shows = [&](const ports::Sighting& s) {
    return s.status.id == bound && s.account == attempt->account && s.status.phase != ports::Phase::not_seen;
  };
  if (std::ranges::any_of(sightings, shows)) {
    looks_.erase(at);
    desk.stir(id);  // which tells what it is
    co_return Result<void>{};
  }
  if (absence_counts && absent(at->second)) co_return co_await end_unseen(desk, id, bound);
  co_return Result<void>{};
}

/// The site has no record of its job any more: it lost it, or never kept it. What has not started can go again.
async::Task<> Reconciler::end_unseen(SiteDesk& desk, JobId id, SiteJobId bound) {
  const auto* job = context_.book.find(id);
  const auto number = job->live_attempt()->number;
  const auto outcome = co_await seal_fence(context_, desk, fence_of(*job, *job->live_attempt()));
  if (!outcome) co_return std::unexpected(outcome.error());
  if (!outcome->sealed && outcome->holder != bound) co_return co_await bind_holder(desk, id, bound, outcome->holder);

  const auto& site = desk.site().id.str();
  auto done = co_await context_.book.change_surely(id, [&](const Job& current) -> Result<Step> {
    const auto* live = current.live_attempt();
    if (live == nullptr || live->number != number || live->site_job_id != bound || !live->unknown_since) return Step{};
    if (!outcome->sealed) {
      return Step{
          .events = {AttemptUnknown{number,
                                    {std::string(kRanUnseen), "site job " + bound.str() + " has started, and site " + site +
                                                                  " has no record of it; if it will have none: hansa resolve " +
                                                                  id.str() + " --as lost"}}}};
    }
    const bool started = std::ranges::any_of(live->runs, [](const Run& run) { return run.started_at.has_value(); });
    return end_never_started(
        current, {"SITE_FORGOT", "site " + site + " has no record of site job " + bound.str() + ", which never started"},
        !started);
  });
  if (!done && done.error().kind != ErrorKind::not_found) co_return std::unexpected(done.error());
  looks_.erase(id);
  co_return Result<void>{};
}

async::Task<> Reconciler::bind_holder(SiteDesk& desk, JobId id, SiteJobId bound, SiteJobId holder) {
  bool changed = false;
  auto done = co_await context_.book.change_surely(id, [&](const Job& now) -> Result<Step> {
    const auto* live = now.live_attempt();
    changed = live != nullptr && live->state == AttemptState::bound && live->site_job_id == bound;
    if (!changed) return Step{};
    if (auto other = taken(desk, id, holder)) return conflict(std::move(*other));
    return Step{.events = {SightingQuarantined{live->number,
                                               bound,
                                               {"DUPLICATE", "one submission too many of this attempt; site job " + holder.str() +
                                                                 " has its fence"}},
                           AttemptBound{live->number, holder, true}}};
  });
  if (!done && done.error().kind != ErrorKind::not_found) co_return std::unexpected(done.error());
  looks_.erase(id);
  if (!done || !changed) co_return Result<void>{};
  quarantined_.insert_or_assign({id, bound}, "DUPLICATE");
  context_.log.write(
      ports::LogLevel::warning, "the fence of an attempt is held by another submission of it: bound to that one",
      {{"job", id.str()}, {"site", desk.site().id.str()}, {"site_job_id", holder.str()}, {"instead_of", bound.str()}});
  desk.stir(id);
  if (done->to_be_cancelled()) dispatch_->carry_cancel(id);
  co_return Result<void>{};
}

async::Task<> Reconciler::adopt(SiteDesk& desk, JobId id, std::vector<ports::Sighting> ours) {
  std::ranges::sort(ours, earlier);
  const auto* job = context_.book.find(id);
  const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
  if (attempt == nullptr) co_return Result<void>{};
  const auto number = attempt->number;
  auto template_job = site_job(*job, *attempt);

  const auto first = ours.front().status.id;
  auto bound = co_await context_.book.change(id, [&](const Job& current) -> Result<Step> {
    const auto* live = current.live_attempt();
    if (live == nullptr || live->number != number || live->state == AttemptState::bound) return Step{};
    if (auto other = taken(desk, id, first)) return conflict(std::move(*other));
    return Step{.events = {AttemptBound{number, first, true}}};
  });
  if (!bound) co_return std::unexpected(bound.error());
  looks_.erase(id);
  context_.log.write(ports::LogLevel::info, "adopted a submission that was found at the site",
                     {{"job", id.str()}, {"site", desk.site().id.str()}, {"site_job_id", first.str()}});
  desk.stir(id);
  if (bound->to_be_cancelled()) dispatch_->carry_cancel(id);

  // The fence lets one of them run; the others only take up room.
  for (std::size_t i = 1; i < ours.size(); ++i) {
    const auto& extra = ours[i];
    auto noted = co_await quarantine(id, number, extra.status.id,
                                     {"DUPLICATE", "one submission too many of this attempt; its fence keeps it from running"});
    if (!noted && noted.error().kind != ErrorKind::not_found) co_return noted;
    if (extra.status.phase == ports::Phase::ended) continue;
    template_job.id = extra.status.id;
    auto cancelled = co_await desk.call<CancelOutcome>(
        CallKind::cancel, context_.call_deadline(), [&](ports::SiteConnector& connector, async::Deadline until) {
          return connector.cancel(template_job, ports::CancelWhen::only_while_pending, until);
        });
    if (!cancelled) co_return std::unexpected(cancelled.error());
  }
  co_return Result<void>{};
}

async::Task<> Reconciler::seal(SiteDesk& desk, JobId id, Reason reason) {
  const auto* job = context_.book.find(id);
  const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
  if (attempt == nullptr || attempt->state == AttemptState::bound) co_return Result<void>{};
  const auto number = attempt->number;
  const auto outcome = co_await seal_fence(context_, desk, fence_of(*job, *attempt));
  if (!outcome) co_return std::unexpected(outcome.error());

  auto done = co_await context_.book.change_surely(id, [&](const Job& current) -> Result<Step> {
    const auto* live = current.live_attempt();
    if (live == nullptr || live->number != number || live->state == AttemptState::bound) return Step{};
    if (outcome->sealed) return end_never_started(current, reason, true);
    if (auto other = taken(desk, id, outcome->holder)) return conflict(std::move(*other));
    return Step{.events = {AttemptBound{number, outcome->holder, true}}};  // the payload had won: it is running, and ours
  });
  if (!done) co_return std::unexpected(done.error());
  looks_.erase(id);
  if (!outcome->sealed) {
    desk.stir(id);
    if (done->to_be_cancelled()) dispatch_->carry_cancel(id);
  }
  co_return Result<void>{};
}

async::Task<> Reconciler::quarantine(JobId id, std::int32_t attempt, SiteJobId site_job_id, Reason reason) {
  // The usage of a twin is booked with its attempt: no other job's is.
  const auto* job = context_.book.find(id);
  const auto* live = job == nullptr ? nullptr : job->live_attempt();
  const auto* desk = live == nullptr || live->number != attempt ? nullptr : context_.desk(live->site);
  if (reason.code == "DUPLICATE" && desk != nullptr) {
    if (auto other = taken(*desk, id, site_job_id)) reason = std::move(*other);
  }
  // A twin stays one; what was foreign by its time may turn out to be one, and is booked from then on.
  const auto [known, fresh] = quarantined_.try_emplace({id, site_job_id}, reason.code);
  if (!fresh && (known->second == reason.code || known->second == "DUPLICATE")) co_return Result<void>{};
  known->second = reason.code;
  context_.log.write(ports::LogLevel::warning, "a site job carries our tag and is not adopted",
                     {{"job", id.str()}, {"site_job_id", site_job_id.str()}, {"code", reason.code}, {"reason", reason.message}});
  auto done = co_await context_.book.change(
      id, [&](const Job&) -> Result<Step> { return Step{.events = {SightingQuarantined{attempt, site_job_id, reason}}}; });
  if (!done) {
    quarantined_.erase({id, site_job_id});
    co_return std::unexpected(done.error());
  }
  co_return Result<void>{};
}

}  // namespace hansa::engine
