// SPDX-License-Identifier: Apache-2.0
// Wrong brokers. Each has one mistake that somebody makes somewhere; the simulation must find every one of them.

#include "broker/ports/task_statuses.hpp"
#include "tests/sim/campaign.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

namespace hansa::sim {

using namespace domain;
using async::Deadline;
using async::Task;
using bottle::ForwardingConnector;
using bottle::ForwardingStore;
using bottle::Stores;

namespace {

/// A store behind another, which it owns.
class WrongStore : public ForwardingStore {
 public:
  explicit WrongStore(std::unique_ptr<Stores> inner) : ForwardingStore(*inner), inner_(std::move(inner)) {}

 private:
  std::unique_ptr<Stores> inner_;
};

// ---- of the store

/// Says "written" of some changes and writes them with the next change of the same job.
class Postponing final : public WrongStore {
 public:
  using Which = bool (*)(const EventBody&);
  Postponing(std::unique_ptr<Stores> inner, Which which) : WrongStore(std::move(inner)), which_(which) {}
  Task<ports::AcceptedJobs> accept_jobs(std::vector<ports::NewJob> jobs, std::optional<ports::Idempotency> key) override {
    for (auto& job : jobs) {
      if (!job.decided || !which_(job.decided->events.front().body)) continue;
      held_.emplace(job.job.id, std::move(*job.decided));
      job.decided.reset();
    }
    return WrongStore::accept_jobs(std::move(jobs), std::move(key));
  }
  Task<> record(ports::JobChange change) override {
    const auto held = held_.find(change.job.id);
    if (held != held_.end()) {
      auto before = std::move(held->second);
      held_.erase(held);
      before.events.insert(before.events.end(), change.events.begin(), change.events.end());
      change.events = std::move(before.events);
      if (!change.decision) change.decision = std::move(before.decision);
      change.documents.merge(before.documents);
    } else if (which_(change.events.front().body)) {
      const auto id = change.job.id;
      held_.emplace(id, std::move(change));
      co_return Result<void>{};
    }
    co_return co_await WrongStore::record(std::move(change));
  }

 private:
  Which which_;
  std::map<JobId, ports::JobChange> held_;
};

template <class Event>
bool is(const EventBody& body) {
  return std::holds_alternative<Event>(body);
}

class KeysInMemory final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<ports::AcceptedJobs> accept_jobs(std::vector<ports::NewJob> jobs, std::optional<ports::Idempotency> key) override {
    if (key) {
      if (const auto known = keys_.find(key->key); known != keys_.end())
        co_return ports::AcceptedJobs{.ids = known->second, .repeated = true};
    }
    auto answer = co_await WrongStore::accept_jobs(std::move(jobs), std::nullopt);
    if (answer && key) keys_[key->key] = answer->ids;
    co_return answer;
  }

 private:
  std::map<std::string, std::vector<JobId>> keys_;
};

/// The client has its answer while the jobs still wait for the next commit.
class EarlyAnswer final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<ports::AcceptedJobs> accept_jobs(std::vector<ports::NewJob> jobs, std::optional<ports::Idempotency> key) override {
    co_await flush();
    ports::AcceptedJobs answer;
    for (const auto& item : jobs) answer.ids.push_back(item.job.id);
    waiting_ = {std::move(jobs), std::move(key)};
    co_return answer;
  }
  Task<> record(ports::JobChange change) override {
    co_await flush();
    co_return co_await WrongStore::record(std::move(change));
  }

 private:
  Task<> flush() {
    if (waiting_.first.empty()) co_return Result<void>{};
    auto [jobs, key] = std::exchange(waiting_, {});
    (void)co_await WrongStore::accept_jobs(std::move(jobs), std::move(key));
    co_return Result<void>{};
  }
  std::pair<std::vector<ports::NewJob>, std::optional<ports::Idempotency>> waiting_;
};

class SecondEnd final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<> record(ports::JobChange change) override {
    const bool ends = is_terminal(change.job.state);
    auto again = change;
    auto done = co_await WrongStore::record(std::move(change));
    if (!done || !ends) co_return done;
    again.decision.reset();
    again.events = {
        {.at = again.events.back().at, .body = Ended{JobState::failed, {"LATE_WORD", "a listing of before said so"}}}};
    again.job.state = JobState::failed;
    ++again.job.version;
    (void)co_await WrongStore::record(std::move(again));
    co_return done;
  }
};

/// After a restart the accounting is read from its beginning, and a record's key has the life of the broker in it.
class UsageTwice final : public WrongStore {
 public:
  UsageTwice(std::unique_ptr<Stores> inner, int life) : WrongStore(std::move(inner)), life_(life) {}
  Task<ports::UsageCursor> usage_cursor(SiteId site) override {
    if (read_.insert(site).second) co_return ports::UsageCursor{};
    co_return co_await WrongStore::usage_cursor(std::move(site));
  }
  Task<std::size_t> book_usage(SiteId site, std::vector<UsageRecord> records, ports::UsageCursor next) override {
    for (auto& record : records) record.submitted_at += Seconds(life_ - 1);
    return WrongStore::book_usage(std::move(site), std::move(records), std::move(next));
  }

 private:
  int life_;
  std::set<SiteId> read_;
};

class CursorFirst final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<std::size_t> book_usage(SiteId site, std::vector<UsageRecord> records, ports::UsageCursor next) override {
    if (auto moved = co_await WrongStore::book_usage(site, {}, next); !moved) co_return moved;
    co_return co_await WrongStore::book_usage(site, std::move(records), next);
  }
};

class DrainInMemory final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<> record_site_state(SiteState) override { co_return Result<void>{}; }
};

class CallsInMemory final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<> record_call(ports::SiteCall) override { co_return Result<void>{}; }
};

/// How many moves there have been is counted anew by each life.
class MovesInMemory final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<ports::Tally> tally() override {
    auto tally = co_await WrongStore::tally();
    if (tally) tally->moves = 0;
    co_return tally;
  }
};

/// What is over has done what it was to do.
class AnyEndIsSuccess final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<Job> job(JobId id) override {
    auto job = co_await WrongStore::job(id);
    if (job && is_terminal(job->state)) job->state = JobState::succeeded;
    co_return job;
  }
};

// ---- of the way to a site

/// What is to be moved is gone from its site: nobody waits for the site's word.
class MovesAtOnce final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    if (when == ports::CancelWhen::only_while_pending) co_return CancelOutcome::never_started;
    co_return co_await inner().cancel(std::move(job), when, d);
  }
};

class UnknownIsFailed final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    auto receipt = co_await inner().submit(std::move(request), d);
    if (!receipt && receipt.error().kind == ErrorKind::unknown_outcome) receipt.error().kind = ErrorKind::unavailable;
    co_return receipt;
  }
};

class AbsenceIsEnd final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(std::move(jobs), d);
    if (!answer) co_return answer;
    for (auto& status : *answer) {
      if (status.phase != ports::Phase::not_seen) continue;
      status.phase = ports::Phase::ended;
      status.outcome = Outcome::succeeded;
    }
    co_return answer;
  }
};

/// Twice without an answer: the site is down, and its jobs with it.
class SilentIsDead final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    silent_ = answer ? 0 : silent_ + 1;
    if (silent_ < 2) co_return answer;
    std::vector<ports::JobStatus> dead;
    for (const auto& job : jobs)
      dead.push_back({.id = job.id, .phase = ports::Phase::ended, .outcome = Outcome::failed, .reason = {"SITE_LOST", "gone"}});
    co_return dead;
  }

 private:
  int silent_ = 0;
};

class AdoptsByName final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::FindResult> find(std::vector<ports::SiteJob> wanted, Deadline d) override {
    auto found = co_await inner().find(wanted, d);
    if (!found) co_return found;
    for (auto& sighting : found->sightings) {
      for (const auto& job : wanted) {
        if (job.tag == sighting.tag) sighting.account = job.account, sighting.submitted_at = job.intended_at;
      }
    }
    co_return found;
  }
};

class UnreachableIsSealed final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SealOutcome> seal(ports::Fence fence, Deadline d) override {
    auto outcome = co_await inner().seal(std::move(fence), d);
    if (!outcome) co_return ports::SealOutcome{.sealed = true, .holder = {}};
    co_return outcome;
  }
};

class HeldIsSealed final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SealOutcome> seal(ports::Fence fence, Deadline d) override {
    auto outcome = co_await inner().seal(std::move(fence), d);
    if (outcome) outcome->sealed = true;
    co_return outcome;
  }
};

class NoSeal final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SealOutcome> seal(ports::Fence, Deadline) override { co_return ports::SealOutcome{.sealed = true, .holder = {}}; }
};

class NewTagForResend final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    if (!sent_.insert(request.tag).second) request.tag = make_tag(request.job, request.attempt + 1);
    return inner().submit(std::move(request), d);
  }

 private:
  std::set<Tag> sent_;
};

class AlwaysRequeue final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    request.spec.requeue = true;
    return inner().submit(std::move(request), d);
  }
};

/// What a cancel was sent for is over.
class CancelIsEnd final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<CancelOutcome> cancel(ports::SiteJob job, ports::CancelWhen when, Deadline d) override {
    cancelled_.insert({job.id, job.tag});
    return inner().cancel(std::move(job), when, d);
  }
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (!answer) co_return answer;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (!cancelled_.contains({jobs[i].id, jobs[i].tag}) || (*answer)[i].phase == ports::Phase::ended) continue;
      (*answer)[i].phase = ports::Phase::ended;
      (*answer)[i].outcome = Outcome::cancelled;
    }
    co_return answer;
  }

 private:
  std::set<std::pair<SiteJobId, Tag>> cancelled_;
};

/// Some tasks of an array are in no listing: it is sent again, so that they run.
class ResendsForTheRest final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    if (!request.spec.array.empty()) sent_.insert_or_assign(request.tag, request);
    return inner().submit(std::move(request), d);
  }
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (!answer) co_return answer;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      const auto shown = (*answer)[i].tasks.size();
      if (shown == 0 || shown == jobs[i].tasks.size()) continue;
      const auto again = sent_.extract(jobs[i].tag);
      if (again.empty()) continue;
      auto& request = again.mapped();
      request.tag = make_tag(request.job, request.attempt + 1);
      (void)co_await inner().submit(std::move(request), d);
    }
    co_return answer;
  }

 private:
  std::map<Tag, ports::SubmitRequest> sent_;
};

/// What is not listed of an array has done its work and left.
class MissingTasksAreDone final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (!answer) co_return answer;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      auto& array = (*answer)[i];
      if (array.tasks.empty()) continue;
      for (const auto task : jobs[i].tasks) {
        if (std::ranges::find(array.tasks, task, &ports::JobStatus::task_index) != array.tasks.end()) continue;
        array.tasks.push_back(
            {.id = array.id, .phase = ports::Phase::ended, .outcome = Outcome::succeeded, .reason = {}, .task_index = task});
      }
      ports::sum_up(array, jobs[i].tasks.size());
    }
    co_return answer;
  }
};

class SystemClock final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(std::move(jobs), d);
    if (!answer) co_return answer;
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    for (auto& status : *answer) {
      if (status.started_at) *status.started_at += Milliseconds(now / 1000 % 100'000);
    }
    co_return answer;
  }
};

class AsksTwice final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<std::vector<ports::JobStatus>> status(std::vector<ports::SiteJob> jobs, Deadline d) override {
    auto answer = co_await inner().status(jobs, d);
    if (answer) co_return answer;
    for (int again = 0; again < 20 && !answer; ++again) answer = co_await inner().status(jobs, d);  // it will surely come back
    co_return answer;
  }
};

class TellsScripts final : public ForwardingConnector {
 public:
  using ForwardingConnector::ForwardingConnector;
  Task<ports::SubmitReceipt> submit(ports::SubmitRequest request, Deadline d) override {
    const auto script = request.payload.script;
    auto receipt = co_await inner().submit(std::move(request), d);
    if (!receipt) receipt.error().detail = "sbatch <<< " + script;
    co_return receipt;
  }
};

// ---- of the wrapper

using connectors::model::ClusterJob;
using connectors::model::Fences;

std::optional<Reason> no_fence(Fences&, const ClusterJob&) { return std::nullopt; }

/// A lock that does not say whose it is: who may be started again takes it for its own.
std::optional<Reason> without_holder(Fences& fences, const ClusterJob& job) {
  auto refused = connectors::model::take_fence(fences, job);
  if (refused && refused->code == "DUPLICATE" && job.request.requeue) return std::nullopt;
  return refused;
}

std::optional<Reason> any_error_is_duplicate(Fences& fences, const ClusterJob& job) {
  auto refused = connectors::model::take_fence(fences, job);
  if (refused) refused->code = "DUPLICATE";
  return refused;
}

std::optional<Reason> requeue_is_duplicate(Fences& fences, const ClusterJob& job) {
  if (job.run > 0 && job.request.requeue) return Reason{"DUPLICATE", "the fence is taken"};
  return connectors::model::take_fence(fences, job);
}

/// One fence for all attempts of a job.
std::optional<Reason> shared(Fences& fences, const ClusterJob& job) {
  auto of_job = job;
  if (const auto tag = parse_tag(job.request.name)) of_job.request.name = make_tag(tag->job, 1).str();
  return connectors::model::take_fence(fences, of_job);
}

/// Each task has a fence, and the array has none.
std::optional<Reason> tasks_alone(Fences& fences, const ClusterJob& job) {
  auto task = job;
  task.array_id = {};
  return connectors::model::take_fence(fences, task);
}

// ---- of the data

class WrongTransfers : public ports::TransferStore {
 public:
  explicit WrongTransfers(std::unique_ptr<ports::TransferStore> inner) : inner_(std::move(inner)) {}
  Task<> begin_transfer(ports::BegunTransfer begun) override { return inner_->begin_transfer(std::move(begun)); }
  Task<> end_transfer(TransferId id, TransferOutcome outcome, std::optional<ports::LinkSpeed> measured) override {
    return inner_->end_transfer(id, std::move(outcome), std::move(measured));
  }
  Task<std::vector<ports::BegunTransfer>> transfers_under_way() override { return inner_->transfers_under_way(); }
  Task<std::vector<ports::LinkSpeed>> link_speeds() override { return inner_->link_speeds(); }
  Task<ports::Occupied> occupied(SiteId site, RootName root, UtcTime now) override {
    return inner_->occupied(std::move(site), std::move(root), now);
  }

 private:
  std::unique_ptr<ports::TransferStore> inner_;
};

class TransfersInMemory final : public WrongTransfers {
 public:
  using WrongTransfers::WrongTransfers;
  Task<std::vector<ports::BegunTransfer>> transfers_under_way() override { co_return std::vector<ports::BegunTransfer>{}; }
};

class NotOnRecord final : public WrongTransfers {
 public:
  using WrongTransfers::WrongTransfers;
  Task<> begin_transfer(ports::BegunTransfer) override { co_return Result<void>{}; }
};

/// A copy is believed that nobody has verified.
class BelievesCopies final : public ports::CatalogueStore {
 public:
  explicit BelievesCopies(std::unique_ptr<ports::CatalogueStore> inner) : inner_(std::move(inner)) {}
  Task<> record_step(ports::CatalogueStep step) override { return inner_->record_step(std::move(step)); }
  Task<Dataset> dataset(DatasetId id) override {
    auto dataset = co_await inner_->dataset(std::move(id));
    if (!dataset) co_return dataset;
    const auto seen = dataset->replicas.front().verified;
    for (const auto* site : {"alpha", "beta", "gamma"}) {
      if (dataset->replica_at(SiteId(site)) != nullptr) continue;
      auto copy = dataset->replicas.front();
      copy.site = SiteId(site);
      copy.verified = seen;
      dataset->replicas.push_back(std::move(copy));
    }
    co_return dataset;
  }
  Task<std::vector<Dataset>> datasets(ports::DatasetQuery query) override { return inner_->datasets(std::move(query)); }
  Task<DatasetChange> change(ChangeId id) override { return inner_->change(id); }
  Task<std::vector<DatasetChange>> changes(ports::ChangeQuery query) override { return inner_->changes(std::move(query)); }

 private:
  std::unique_ptr<ports::CatalogueStore> inner_;
};

// ---- all of them

template <class Store, class... Arguments>
std::function<Wrongs()> store(Arguments... arguments) {
  return [=] {
    return Wrongs{.stores = [=](std::unique_ptr<Stores> inner) -> std::unique_ptr<Stores> {
      return std::make_unique<Store>(std::move(inner), arguments...);
    }};
  };
}

template <class Connector>
std::function<Wrongs()> connector() {
  return [] {
    return Wrongs{.connector = [](std::unique_ptr<ports::SiteConnector> inner) -> std::unique_ptr<ports::SiteConnector> {
      return std::make_unique<Connector>(std::move(inner));
    }};
  };
}

template <class Transfers>
std::function<Wrongs()> transfers() {
  return [] {
    return Wrongs{.transfers = [](std::unique_ptr<ports::TransferStore> inner) -> std::unique_ptr<ports::TransferStore> {
      return std::make_unique<Transfers>(std::move(inner));
    }};
  };
}

Wrongs believes_copies() {
  return {.datasets = [](std::unique_ptr<ports::CatalogueStore> inner) -> std::unique_ptr<ports::CatalogueStore> {
    return std::make_unique<BelievesCopies>(std::move(inner));
  }};
}

std::function<Wrongs()> wrapper(connectors::model::Wrapper wrong) {
  return [wrong = std::move(wrong)] { return Wrongs{.wrapper = wrong}; };
}

Wrongs usage_twice() {
  return {.stores = [life = 0](std::unique_ptr<Stores> inner) mutable -> std::unique_ptr<Stores> {
    return std::make_unique<UsageTwice>(std::move(inner), ++life);
  }};
}

}  // namespace

const std::vector<Mistake>& mistakes() {
  static const std::vector<Mistake> all{
      {"intent_after_send", "the intent is committed after the send", store<Postponing>(&is<AttemptIntended>)},
      {"unknown_is_failed", "a submission without an answer has failed", connector<UnknownIsFailed>()},
      {"absence_is_end", "what squeue does not show is over", connector<AbsenceIsEnd>()},
      {"silent_is_dead", "the jobs of a site that does not answer are dead", connector<SilentIsDead>()},
      {"adopts_by_name", "whatever has the name is adopted, whose and when not asked", connector<AdoptsByName>()},
      {"unreachable_is_sealed", "the next site is tried before the last one has confirmed", connector<UnreachableIsSealed>()},
      {"held_is_sealed", "the seal's answer is not read", connector<HeldIsSealed>()},
      {"new_tag_for_resend", "a submission that is repeated gets a new tag", connector<NewTagForResend>()},
      {"always_requeue", "every job may be requeued by its site", connector<AlwaysRequeue>()},
      {"keys_in_memory", "idempotency keys are kept in memory only", store<KeysInMemory>()},
      {"early_answer", "a group commit is acknowledged early", store<EarlyAnswer>()},
      {"second_end", "a terminal state is overwritten", store<SecondEnd>()},
      {"cancel_not_durable", "a cancel is acknowledged and not written", store<Postponing>(&is<CancelRequested>)},
      {"cancel_is_end", "what was cancelled is over, whatever the site did", connector<CancelIsEnd>()},
      {"drain_in_memory", "a drain is forgotten by a restart", store<DrainInMemory>()},
      {"calls_in_memory", "a restart begins a new minute of a site's budget", store<CallsInMemory>()},
      {"usage_twice", "usage is recorded twice after a restart", usage_twice},
      {"cursor_first", "the accounting's cursor moves before the records are booked", store<CursorFirst>()},
      {"system_clock", "a time is read from the system's clock", connector<SystemClock>()},
      {"asks_again_and_again", "a question without an answer is repeated at once", connector<AsksTwice>()},
      {"tells_scripts", "an error carries the job's script into the log", connector<TellsScripts>()},
      {"fence_skipped", "the payload starts without a fence", wrapper(no_fence)},
      {"fence_without_holder", "the lock does not say whose it is", wrapper(without_holder)},
      {"fence_error_is_duplicate", "any error is taken for \"duplicate\"", wrapper(any_error_is_duplicate)},
      {"fence_requeue_is_duplicate", "a requeue is taken for a duplicate", wrapper(requeue_is_duplicate)},
      {"fence_shared", "attempts share one fence", wrapper(shared)},
      {"array_resent_for_its_rest", "an array is sent again when some of its tasks are not seen", connector<ResendsForTheRest>()},
      {"missing_tasks_are_done", "what is not listed of an array has succeeded", connector<MissingTasksAreDone>()},
      {"array_without_its_right", "an array's tasks have a fence each, and the array has none", wrapper(tasks_alone)},
      {"move_without_seal", "a job moves without a seal", connector<NoSeal>()},
      {"move_at_once", "a job moves without waiting for the outcome of its cancel", connector<MovesAtOnce>()},
      {"moves_in_memory", "moves are counted anew after a restart", store<MovesInMemory>()},
      {"transfers_in_memory", "a restart forgets what is being moved", transfers<TransfersInMemory>()},
      {"transfer_not_on_record", "a transfer begins before it is on record", transfers<NotOnRecord>()},
      {"believes_copies", "a copy counts that nobody has verified", believes_copies},
      {"any_end_is_success", "a job goes ahead when what it comes after is over, however that ended", store<AnyEndIsSuccess>()},
  };
  return all;
}

}  // namespace hansa::sim
