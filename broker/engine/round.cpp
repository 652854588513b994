// SPDX-License-Identifier: Apache-2.0
// How Placement's decisions come about and become events: in rounds over the lines of waiting jobs, or at once for a job that is
// about to be stored.
#include "broker/async/all_of.hpp"
#include "broker/engine/dispatch.hpp"
#include "broker/engine/dossier.hpp"
#include "broker/engine/placement.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr Milliseconds kIdle{60'000};          // between full rounds without news of a site
constexpr Milliseconds kBreath{5};             // between rounds: what comes meanwhile is placed together and shares commits
constexpr std::size_t kLinesTold = 1'000;       // remembered, a few kilobytes each
constexpr std::size_t kLooksAtATime = 32;       // then whoever asks the engine goes first
constexpr std::size_t kMarksPerRound = 256;    // "waiting" is written for so many at a time: submissions go first

bool is_busy(const Verdict& verdict) {
  return verdict.code == "BUDGET_FULL" || verdict.code == "SITE_BUSY" || verdict.code == "QUEUE_FED" ||
         verdict.code == "PLACE_LATER" || verdict.code == "KEPT_FREE";
}

/// What a job is told that no site takes now, and the state that this puts it into.
std::pair<EventBody, JobState> word_of(const Decision& decision) {
  const auto state = state_after(decision);
  if (state == JobState::rejected) return {Rejected{decision.reason}, state};
  if (state == JobState::staging) return {Staging{decision.reason}, state};
  if (state == JobState::held) return {Held{.reason = decision.reason}, state};
  return {Waiting{{"IN_LINE", "sites that can take it have as many of our jobs as they allow; it is next as they start"}},
          JobState::waiting};
}

}  // namespace

JobState state_after(const Decision& decision) {
  switch (routing::placing(decision)) {
    case routing::Placing::placed: return JobState::submitting;
    case routing::Placing::rejected: return JobState::rejected;
    case routing::Placing::staging: return JobState::staging;
    case routing::Placing::held: break;
  }
  return std::ranges::none_of(decision.verdicts, is_busy) ? JobState::held : JobState::waiting;
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

bool Placement::any_room() {
  return std::ranges::any_of(context_.desks, [](const auto& entry) {
    const auto& desk = *entry.second;
    return desk.state().health == SiteHealth::up && !desk.state().drained && entry.second->room() > 0;
  });
}

MonotonicTime Placement::next_round() {
  const auto now = context_.scheduler.now_monotonic();
  if (lines_.empty()) return now + kIdle;
  auto next = next_full_round_;
  for (const auto& [site, desk] : context_.desks) {
    if (const auto at = desk->next_submit_at(); at > now) next = std::min(next, at);
  }
  if (const auto asked = refusals_.next(now)) next = std::min(next, *asked);
  if (const auto tried = lapses_.next(now)) next = std::min(next, *tried);
  return next;
}

/// A site that did not take the job may be asked again, and could not in the last round.
bool Placement::may_return(const JobId& id, MonotonicTime now) const {
  if (!lapses_.empty() && lapses_.changed(context_.book.find(id)->owner, last_round_, now)) return true;
  return refusals_.over_since(id, last_round_, now);
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
  const auto verdict = state_after(decision);
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
  occupy(site, make_tag(job.id, intent.attempt), intent.queue, job, intent.variant);
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

}  // namespace hansa::engine
