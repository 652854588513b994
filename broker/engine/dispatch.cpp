// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/dispatch.hpp"

#include "broker/engine/code_keeper.hpp"
#include "broker/engine/dossier.hpp"
#include "broker/engine/fence.hpp"
#include "broker/engine/observation.hpp"
#include "broker/engine/reconciler.hpp"
#include "broker/engine/secret_vault.hpp"
#include "broker/engine/stager.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

/// A place among the submissions that a desk has under way.
struct Dispatch::Place {
  Place(SiteDesk& d, async::Event& p) : desk(d), placing(p) {
    ++desk.submitting;
    ++desk.unsent;
  }
  ~Place() {
    leave();
    --desk.submitting;
    placing.set();
  }
  /// Its turn has come: the rate has counted it.
  void leave() {
    if (!std::exchange(left, true)) --desk.unsent;
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  SiteDesk& desk;
  async::Event& placing;
  bool left = false;
};

namespace {

const Attempt* unbound_attempt(const Job& job, std::int32_t number) {
  const auto* attempt = job.live_attempt();
  return attempt != nullptr && attempt->number == number && attempt->state != AttemptState::bound ? attempt : nullptr;
}

/// Of an error that proves that nothing left. A site that will not have this person says no for good; one that is away, or has
/// its budget used up, says nothing about the job.
std::string why_not_sent(const Error& error) {
  if (is_withheld({error.code, error.message}) || error.code == kSecretMissing) return error.code;
  if (error.kind == ErrorKind::permission_denied) return "SITE_REFUSED";
  return std::string(error.kind == ErrorKind::rate_limited ? kOverBudget : "NOT_SENT");
}

}  // namespace

void Dispatch::send(const JobId& id, SiteDesk& desk) {
  // If the group is closed the broker is stopping: the intent is durable and is resolved at the next start.
  (void)context_.tasks.spawn("submit", submit(id, std::make_shared<Place>(desk, context_.placing)));
}

async::Task<> Dispatch::submit(JobId id, std::shared_ptr<Place> place) {
  auto& desk = place->desk;
  const auto* job = context_.book.find(id);
  const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
  if (attempt == nullptr || attempt->state == AttemptState::bound || attempt->sealed) co_return Result<void>{};
  const auto number = attempt->number;
  ports::SubmitRequest request{.job = id,
                               .attempt = number,
                               .tag = make_tag(id, number),
                               .person = job->owner,
                               .account = attempt->account,
                               .scheduler_account = attempt->scheduler_account,
                               .queue = attempt->queue,
                               .spec = spec_for(job->spec, attempt->variant, desk.site().hardware),
                               .payload = {},
                               .variant = attempt->variant,
                               .devices_per_gpu = desk.site().hardware.devices_per_gpu};
  if (!request.spec.array.empty()) request.spec.array.tasks = job->open_tasks(*attempt);
  const auto* named = find_variant(job->spec, attempt->variant);
  const auto variant = named == nullptr ? std::nullopt : std::optional(*named);  // the job may change while its payload is read
  const bool first_send = attempt->sends == 1 && attempt->state == AttemptState::intended;

  auto payload = co_await context_.jobs.payload(id);
  if (!payload) {
    if (first_send)
      co_return co_await not_sent(id, number,
                                  {"NOT_SENT", "the broker could not read the job's script: " + payload.error().message});
    co_return co_await unknown(id, number, desk, async::Deadline{context_.scheduler.now_monotonic()}, payload.error());
  }
  request.payload = std::move(*payload);
  if (variant) put_environment(request.payload.environment, *variant);

  const auto deadline = async::Deadline::in(context_.scheduler, context_.options.submit_timeout);
  bool asked = false;
  auto receipt = co_await desk.call<ports::SubmitReceipt>(
      CallKind::submit, deadline,
      [&](ports::SiteConnector& connector, async::Deadline until) {
        place->leave();
        return submit_if_allowed(&connector, desk.site().id, std::move(request), until, &asked);
      },
      &asked);
  if (receipt) co_return co_await bind(id, number, receipt->site_job_id, desk);

  const auto& error = receipt.error();
  context_.log.write(ports::LogLevel::warning, "submission without a receipt",
                     {{"job", id.str()},
                      {"site", desk.site().id.str()},
                      {"code", error.code},
                      {"error", error.message},
                      {"detail", error.detail}});
  if (ports::surely_not_sent(error) && first_send) {
    if (error.code == "NO_SECRETS_THERE" && context_.secrets != nullptr)  // a row that is left only costs a question
      (void)co_await context_.secrets->store().secret_copy_gone(id, number);
    co_return co_await not_sent(id, number, {why_not_sent(error), error.message});
  }
  co_return co_await unknown(id, number, desk, deadline, error);
}

async::Task<ports::SubmitReceipt> Dispatch::submit_if_allowed(ports::SiteConnector* connector, SiteId site,
                                                              ports::SubmitRequest request, async::Deadline until, bool* asked) {
  const auto dossier = co_await open_dossier(&context_, request.person, request.spec.datasets);
  if (!dossier) {  // whatever the store's trouble is, nothing has left
    co_return fail(ErrorKind::unavailable, dossier.error().code,
                   "the broker could not read what the job's datasets are: " + dossier.error().message);
  }
  const auto now = context_.scheduler.now_utc();
  const auto tag = parse_tag(request.tag.str());
  const auto training = context_.training.with(request.spec, tag ? std::optional(tag->job) : std::nullopt);
  if (auto allowed = context_.rules.may_send(request.person, request.spec, *dossier, training, site, now); !allowed)
    co_return std::unexpected(allowed.error());
  request.facts = context_.rules.told_of(request.person, request.spec, *dossier, training, now);
  for (auto& variable : data_environment(context_.data, *dossier, site))
    request.payload.environment.push_back(std::move(variable));
  if (const auto id = image_dataset(request.spec.software.image); !id.empty()) {
    const auto dataset = std::ranges::find(dossier->datasets, id, &Dataset::id);
    const auto path = dataset == dossier->datasets.end() ? std::string() : data_path(context_.data, *dataset, site);
    if (path.empty())
      co_return fail(ErrorKind::unavailable, kNoReplica,
                     "where dataset " + id.str() + ", of the job's image, lies at site " + site.str() + " is not known");
    request.spec.software.image = image_at(request.spec.software.image, path);
    if (!is_well_formed(request.spec.software))  // of the path all but the root's has been looked at
      co_return fail(ErrorKind::unavailable, "IMAGE_PATH",
                     "dataset " + id.str() + ", of the job's image, lies at site " + site.str() + " at " +
                         std::string(image_path(request.spec.software.image)) +
                         ", from where no image is started (it has \"..\" or control characters in it, or is too long): its "
                         "operator can name the root's folder otherwise");
  }
  if (!request.spec.code.empty()) {
    auto code = co_await open_code(context_.code, request.person, request.spec.code);
    if (!code) co_return fail(ErrorKind::unavailable, code.error().code, code.error().message, code.error().detail);
    request.code = std::move(*code);
  }
  if (!request.spec.secrets.empty()) {  // the last of all: opened for no longer than it takes
    if (context_.secrets == nullptr)
      co_return fail(ErrorKind::not_found, kSecretMissing, "this broker keeps no secrets any more");
    auto secrets = co_await context_.secrets->open_for(request.person, request.job, request.attempt, request.spec.secrets);
    if (!secrets && secrets.error().code != kSecretMissing)
      co_return fail(ErrorKind::unavailable, secrets.error().code, secrets.error().message, secrets.error().detail);
    if (!secrets) co_return std::unexpected(std::move(secrets.error()));
    request.secrets = std::move(*secrets);
  }
  ++submissions_;
  *asked = true;
  co_return co_await connector->submit(std::move(request), until);
}

async::Task<> Dispatch::unknown(JobId id, std::int32_t attempt, SiteDesk& desk, async::Deadline child_dead, Error error) {
  auto marked = co_await context_.book.change_surely(id, [&](const Job& now) -> Result<Step> {
    if (unbound_attempt(now, attempt) == nullptr) return Step{};
    return Step{.events = {AttemptUnknown{attempt, {error.code, error.message}}}};
  });
  const auto* job = context_.book.find(id);  // it may have been given up as lost
  if (job != nullptr && unbound_attempt(*job, attempt) != nullptr) {
    reconciler_.look_for(id, desk,
                         {.child_dead_at = child_dead.at,
                          .sent_at = context_.scheduler.now_monotonic(),
                          .refused = is_refused({error.code, error.message})});
  }
  if (!marked && marked.error().kind != ErrorKind::not_found) co_return std::unexpected(marked.error());
  co_return Result<void>{};
}

async::Task<> Dispatch::not_sent(JobId id, std::int32_t attempt, Reason reason) {
  auto done = co_await context_.book.change_surely(id, [&](const Job& now) -> Result<Step> {
    if (unbound_attempt(now, attempt) == nullptr) return Step{};
    return end_never_started(now, reason, false);
  });
  if (!done && done.error().kind != ErrorKind::not_found) co_return std::unexpected(done.error());
  co_return Result<void>{};
}

async::Task<> Dispatch::bind(JobId id, std::int32_t attempt, SiteJobId site_job_id, SiteDesk& desk) {
  const auto* known = context_.book.find(id);
  const auto* sent = known == nullptr ? nullptr : known->live_attempt();
  ports::SiteJob ours = sent == nullptr ? ports::SiteJob{} : site_job(*known, *sent);
  ours.id = site_job_id;
  bool taken = false;
  auto done = co_await context_.book.change_surely(id, [&](const Job& now) -> Result<Step> {
    taken = unbound_attempt(now, attempt) != nullptr && !now.live_attempt()->sealed;
    if (!taken) return Step{};
    if (auto other = reconciler_.taken(desk, id, site_job_id)) return fail(ErrorKind::conflict, other->code, other->message);
    return Step{.events = {AttemptBound{attempt, site_job_id, false}}};
  });
  if (!done && done.error().code == kSiteJobTaken) {
    context_.log.write(
        ports::LogLevel::warning, "a receipt names another job's site job and is not believed",
        {{"job", id.str()}, {"site", desk.site().id.str()}, {"site_job_id", site_job_id.str()}, {"error", done.error().message}});
    co_return co_await unknown(id, attempt, desk, async::Deadline{context_.scheduler.now_monotonic()}, done.error());
  }
  desk.stir(id);
  if (done && taken) {
    if (done->to_be_cancelled()) carry_cancel(id);
    co_return Result<void>{};
  }
  // That the receipt could not be stored (another broker process has taken over, the disk failed) says nothing against the job at
  // the site: whoever comes next finds it.
  if (!done && done.error().kind != ErrorKind::not_found) co_return std::unexpected(done.error());
  // The job went another way while this was under way (found and adopted, given up as lost): what was submitted is one too many,
  // unless it is the very job that was adopted.
  const auto* attempt_now = done ? done->live_attempt() : nullptr;
  if (attempt_now != nullptr && attempt_now->site_job_id == site_job_id) co_return Result<void>{};
  context_.log.write(ports::LogLevel::warning, "cancels a submission that came too late",
                     {{"job", id.str()}, {"site", desk.site().id.str()}, {"site_job_id", site_job_id.str()}});
  // Of two submissions of one live attempt either may have the fence: what runs is left to run.
  const bool twin = attempt_now != nullptr && attempt_now->number == attempt;
  if (twin) {
    auto noted = co_await reconciler_.quarantine(
        id, attempt, site_job_id, {"DUPLICATE", "one submission too many of this attempt; its fence keeps it from running"});
    if (!noted && noted.error().kind != ErrorKind::not_found) co_return noted;
  }
  const auto when = twin ? ports::CancelWhen::only_while_pending : ports::CancelWhen::always;
  auto cancelled = co_await desk.call<CancelOutcome>(
      CallKind::cancel, context_.call_deadline(),
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.cancel(ours, when, until); });
  if (!cancelled) co_return std::unexpected(cancelled.error());
  co_return Result<void>{};
}

void Dispatch::carry_cancel(const JobId& id, bool more) {
  const auto [at, is_new] = cancelling_.try_emplace(id, std::make_shared<async::Event>(context_.strand));
  if (!is_new && more) at->second->set();
  if (!is_new) return;
  if (!context_.tasks.spawn("cancel", cancel_until_resolved(id))) cancelling_.erase(id);
}

async::Task<> Dispatch::cancel_until_resolved(JobId id) {
  struct Done {
    decltype(cancelling_)& all;
    JobId id;
    ~Done() { all.erase(id); }
  } done{cancelling_, id};
  const auto more = cancelling_.at(id);

  constexpr Milliseconds kFirstPause{2'000}, kLongestPause{300'000};
  for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    const auto* job = context_.book.find(id);
    const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
    if (attempt == nullptr || attempt->state != AttemptState::bound) co_return Result<void>{};
    const auto tasks = job->cancel ? std::vector<std::int32_t>{} : job->tasks_to_cancel(*attempt);
    if (!job->cancel && tasks.empty()) co_return Result<void>{};
    if (job->cancel && job->cancel->outcome && *job->cancel->outcome != CancelOutcome::unknown) co_return Result<void>{};
    auto* desk = context_.desk(attempt->site);
    if (desk == nullptr) co_return Result<void>{};

    auto ours = site_job(*job, *attempt);
    if (!job->cancel) {
      ours.tasks = tasks;
      ours.these_tasks_only = true;
    }
    Result<CancelOutcome> outcome = CancelOutcome::unknown;
    if (auto absent = desk->absent(job->owner)) {  // carried there as soon as they come
      outcome = fail(ErrorKind::unavailable, absent->code, std::move(absent->message));
    } else {
      outcome = co_await desk->call<CancelOutcome>(CallKind::cancel, context_.call_deadline(),
                                                   [&](ports::SiteConnector& connector, async::Deadline until) {
                                                     return connector.cancel(ours, ports::CancelWhen::always, until);
                                                   });
    }
    if (!outcome) {
      context_.log.write(ports::LogLevel::warning, "cancel without an answer",
                         {{"job", id.str()},
                          {"site", desk->site().id.str()},
                          {"code", outcome.error().code},
                          {"error", outcome.error().message}});
    }
    if (outcome && ours.these_tasks_only) (void)co_await settle_unseen(*desk, id, ours);  // tried again below
    // What it did to the attempt is seen at the next look: the site speaks of one site job, and another may have the fence.
    const bool answered = outcome.value_or(CancelOutcome::unknown) != CancelOutcome::unknown;
    if (!answered) {
      auto stored = co_await context_.book.change_surely(id, [&](const Job& now) -> Result<Step> {
        const bool silent = now.cancel && !now.cancel->outcome;
        return silent ? Step{.events = {CancelResolved{CancelOutcome::unknown}}} : Step{};
      });
      if (!stored) co_return Result<void>{};
    }
    desk->stir(id);
    const auto until_next = answered ? std::max(pause, context_.options.status_interval) : pause;
    const auto next = context_.scheduler.now_monotonic() + until_next;
    if (co_await more->wait_until(context_.scheduler, next))
      pause = kFirstPause;
    else if (context_.scheduler.now_monotonic() < next)
      co_return Result<void>{};  // the broker stops: what is not resolved is taken up at its next start
  }
}

async::Task<> Dispatch::settle_unseen(SiteDesk& desk, JobId id, ports::SiteJob tasks) {
  constexpr std::size_t kSealedAtATime = 50;  // each is a file of the account's
  const auto told = co_await desk.call<std::vector<ports::JobStatus>>(
      CallKind::query, context_.call_deadline(),
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.status({tasks}, until); });
  if (!told) co_return std::unexpected(told.error());
  if (told->size() != 1) co_return Result<void>{};
  std::vector<Run> gone;
  for (const auto task : tasks.tasks) {
    const auto is_it = [&](const ports::JobStatus& status) { return status.task_index == task; };
    if (std::ranges::any_of(told->front().tasks, is_it) || gone.size() == kSealedAtATime) continue;
    const auto seal = co_await seal_fence(
        context_, desk, {.tag = tasks.tag, .task_index = task, .account = tasks.account, .person = tasks.person});
    if (!seal) break;
    if (seal->sealed) gone.push_back(Run{.task_index = task, .outcome = Outcome::cancelled});
  }
  if (gone.empty()) co_return Result<void>{};
  auto done = co_await context_.book.change_surely(id, [&](const Job& now) -> Result<Step> {
    const auto* attempt = now.live_attempt();
    if (attempt == nullptr || attempt->site_job_id != tasks.id) return Step{};
    std::erase_if(gone, [&](const Run& run) { return attempt->last_run(run.task_index) != nullptr; });
    if (gone.empty()) return Step{};
    return Step{.events = {TasksSeen{.attempt = attempt->number, .runs = gone}}};
  });
  if (!done) co_return std::unexpected(done.error());
  co_return Result<void>{};
}

}  // namespace hansa::engine
