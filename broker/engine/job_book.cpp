// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/job_book.hpp"

#include <algorithm>

namespace hansa::engine {

using domain::Job;

/// The right to change one job; given to those who ask in the order in which they asked.
class JobBook::Turn {
 public:
  Turn(JobBook& book, const JobId& id) : book_(book), id_(id), event_(book.strand_) {}
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  boost::asio::awaitable<void> come() {
    auto& queue = book_.turns_[id_];
    if (!queue.taken) {
      queue.taken = mine_ = true;
      co_return;
    }
    queue.waiting.push_back(&event_);
    waiting_ = true;
    mine_ = co_await event_.wait();
    waiting_ = false;
    if (!mine_) std::erase(book_.turns_[id_].waiting, &event_);
  }

  ~Turn() {
    const auto at = book_.turns_.find(id_);
    if (at == book_.turns_.end()) return;
    auto& queue = at->second;
    if (waiting_) {
      // Unwound while waiting. If the turn was handed over at that moment, it is handed on.
      if (std::erase(queue.waiting, &event_) == 0) mine_ = true;
    }
    if (!mine_) return;
    if (queue.waiting.empty()) {
      book_.turns_.erase(at);
    } else {
      auto* next = queue.waiting.front();
      queue.waiting.pop_front();
      next->set();
    }
  }

  [[nodiscard]] bool mine() const { return mine_; }

 private:
  JobBook& book_;
  JobId id_;
  async::Event event_;
  bool mine_ = false;
  bool waiting_ = false;
};

JobBook::JobBook(boost::asio::any_io_executor strand, async::Scheduler& scheduler, ports::JobStore& store, std::int64_t epoch)
    : strand_(std::move(strand)), scheduler_(scheduler), store_(store), epoch_(epoch) {}

const Job* JobBook::find(const JobId& id) const {
  const auto at = jobs_.find(id);
  return at == jobs_.end() ? nullptr : &at->second;
}

const JobId* JobBook::bound_to(const SiteId& site, const SiteJobId& site_job_id) const {
  const auto at = bound_.find({site, site_job_id});
  return at == bound_.end() ? nullptr : &at->second;
}

std::optional<JobBook::SiteJobKey> JobBook::bound_at(const Job& job) {
  const auto* attempt = domain::is_terminal(job.state) ? nullptr : job.live_attempt();
  if (attempt == nullptr || attempt->site_job_id.empty()) return std::nullopt;
  return SiteJobKey{attempt->site, attempt->site_job_id};
}

void JobBook::unbind(const std::optional<SiteJobKey>& from, const JobId& id) {
  if (!from) return;
  if (const auto at = bound_.find(*from); at != bound_.end() && at->second == id) bound_.erase(at);
}

void JobBook::insert(Job job) {
  const auto [at, is_new] = jobs_.try_emplace(job.id, std::move(job));
  if (!is_new) return;
  if (auto key = bound_at(at->second)) bound_.try_emplace(std::move(*key), at->first);
  wake_any();
  for (const auto& observer : observers_) observer(nullptr, at->second);
}

async::Task<Job> JobBook::change(JobId id, std::function<Result<Step>(const Job&)> decide) {
  Turn turn(*this, id);
  co_await turn.come();
  if (!turn.mine()) co_return fail(ErrorKind::cancelled, "STOPPING", "the broker is stopping");
  const auto* current = find(id);
  if (current == nullptr) co_return fail(ErrorKind::not_found, "JOB_NOT_ACTIVE", "job " + id.str() + " is over or unknown");

  auto step = decide(*current);
  if (!step) co_return std::unexpected(step.error());
  if (step->events.empty()) co_return *current;

  ports::JobChange change{.job = *current,
                          .events = {},
                          .decision = std::move(step->decision),
                          .documents = std::move(step->documents),
                          .score = std::move(step->score),
                          .hold = std::move(step->hold)};
  change.job.epoch = epoch_;
  for (auto& body : step->events) {
    change.events.push_back({.at = scheduler_.now_utc(), .body = std::move(body)});
    if (auto done = domain::apply(change.job, change.events.back()); !done) co_return std::unexpected(done.error());
  }
  const auto after = change.job;
  // At once, so that of two that are told the same id the second knows.
  const auto key = bound_at(after);
  const bool binds = key && key != bound_at(*current);
  if (binds) bound_.insert_or_assign(*key, id);
  if (auto recorded = co_await store_.record(std::move(change)); !recorded) {
    if (binds) unbind(key, id);
    co_return std::unexpected(recorded.error());
  }
  publish(after);
  co_return after;
}

async::Task<Job> JobBook::change_surely(JobId id, std::function<Result<Step>(const Job&)> decide) {
  constexpr Milliseconds kFirstPause{100}, kLongestPause{5'000};
  for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    auto done = co_await change(id, decide);
    if (done || !done.error().retryable) co_return done;
    co_await scheduler_.sleep_until(scheduler_.now_monotonic() + pause);
  }
}

void JobBook::publish(const Job& after) {
  auto& stored = jobs_.at(after.id);
  const Job before = std::exchange(stored, after);
  if (const auto was = bound_at(before); was != bound_at(after)) unbind(was, after.id);
  if (domain::is_terminal(after.state)) jobs_.erase(after.id);
  for (auto [at, end] = watchers_.equal_range(after.id); at != end; ++at) at->second->set();
  wake_any();
  for (const auto& observer : observers_) observer(&before, after);
}

async::Task<domain::Job> JobBook::wait_beyond(JobId id, std::int64_t version, async::Deadline deadline) {
  async::Event changed(strand_);
  const auto at = watchers_.emplace(id, &changed);
  struct Leave {
    JobBook& book;
    decltype(watchers_)::iterator at;
    ~Leave() { book.watchers_.erase(at); }
  } leave{*this, at};
  while (true) {
    const auto* job = find(id);
    if (job == nullptr) co_return fail(ErrorKind::not_found, "JOB_OVER", "job " + id.str() + " is over");
    if (job->version > version) co_return *job;
    if (!co_await changed.wait_until(scheduler_, deadline.at)) {
      co_return fail(ErrorKind::deadline_exceeded, "NO_CHANGE", "job " + id.str() + " has not changed in that time");
    }
  }
}

async::Task<std::int64_t> JobBook::wait_any(std::int64_t seen, async::Deadline deadline) {
  async::Event changed(strand_);
  any_watchers_.insert(&changed);
  struct Leave {
    JobBook& book;
    async::Event* event;
    ~Leave() { book.any_watchers_.erase(event); }
  } leave{*this, &changed};
  while (changes_ <= seen && co_await changed.wait_until(scheduler_, deadline.at)) {}
  co_return changes_;
}

void JobBook::wake_any() {
  ++changes_;
  for (auto* watcher : any_watchers_) watcher->set();
}

}  // namespace hansa::engine
