// SPDX-License-Identifier: Apache-2.0
#pragma once
// Brokers whose store is not what it should be, and those whose datasets are not.

#include "broker/ports/catalogue.hpp"
#include "broker/ports/transfers.hpp"
#include "tests/bottle/forwarding.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace hansa::sim::wrong {

using namespace domain;
using async::Deadline;
using async::Task;
using bottle::ForwardingStore;
using bottle::Stores;

/// A store behind another, which it owns.
class WrongStore : public ForwardingStore {
 public:
  explicit WrongStore(std::unique_ptr<Stores> inner) : ForwardingStore(*inner), inner_(std::move(inner)) {}

 private:
  std::unique_ptr<Stores> inner_;
};

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
  Task<std::size_t> book_usage(SiteId site, std::vector<UsageRecord> records, ports::UsageCursor next, UtcTime at) override {
    for (auto& record : records) record.submitted_at += Seconds(life_ - 1);
    return WrongStore::book_usage(std::move(site), std::move(records), std::move(next), at);
  }

 private:
  int life_;
  std::set<SiteId> read_;
};

class CursorFirst final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<std::size_t> book_usage(SiteId site, std::vector<UsageRecord> records, ports::UsageCursor next, UtcTime at) override {
    if (auto moved = co_await WrongStore::book_usage(site, {}, next, at); !moved) co_return moved;
    co_return co_await WrongStore::book_usage(site, std::move(records), next, at);
  }
};

class DrainInMemory final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<> record_site_state(SiteState) override { co_return Result<void>{}; }
};

/// What was found at a site is forgotten by a restart.
class FindingsInMemory final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<> record_site_state(SiteState state) override {
    state.doctor.reset();
    return WrongStore::record_site_state(std::move(state));
  }
};

/// Whole nodes are accounted for as the tasks on them.
class UsageByTasks final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Task<std::size_t> book_usage(SiteId site, std::vector<UsageRecord> records, ports::UsageCursor next, UtcTime at) override {
    for (auto& record : records) {
      record.cores = std::min(record.cores, record.nodes);
      record.core_seconds = {record.elapsed.count() * record.cores};
    }
    return WrongStore::book_usage(std::move(site), std::move(records), std::move(next), at);
  }
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

}  // namespace hansa::sim::wrong
