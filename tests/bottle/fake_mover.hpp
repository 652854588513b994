// SPDX-License-Identifier: Apache-2.0
#pragma once
// A mover that moves nothing: bytes come to pass with the virtual clock, so that a test tells to the second how far a transfer
// is. It lives longer than a broker process, as movers do. What real movers do is in tests/contract/mover and in the e2e tests;
// here it is about what the engine asks of one, and when.

#include "broker/ports/mover.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace hansa::bottle {

class FakeMover final : public ports::Mover {
 public:
  explicit FakeMover(const Clock& clock) : clock_(clock) {}

  std::int64_t per_second = 10;
  std::function<domain::TransferEnd(const domain::Transfer&)> ends = [](const auto&) { return domain::TransferEnd::moved; };
  bool silent = false;                   // no call is answered
  std::set<domain::TransferId> started;  // each once, however often it was
  std::set<domain::TransferId> cancelled;
  std::int64_t moved_bytes = 0;          // over all
  std::size_t most_at_once = 0;          // for one dataset and destination

  /// kill -9 of all supervisors: what has arrived stays.
  void interrupt() {
    for (auto& [id, work] : works_) settle(work), work.at_it = false;
  }
  [[nodiscard]] std::size_t known() const { return works_.size(); }

  async::Task<domain::TransferStatus> start(domain::Transfer transfer, async::Deadline) override {
    if (silent) co_return no_answer();
    const auto id = transfer.id;
    auto& work = works_.try_emplace(id, Work{.transfer = transfer}).first->second;
    if (work.transfer != transfer) co_return fail(ErrorKind::conflict, "TRANSFER_ID_REUSED", "it is of something else");
    settle(work);
    if (!work.outcome && !work.at_it) {
      work.at_it = true;
      work.since = clock_.now_monotonic();
      started.insert(id);
      const auto same = std::ranges::count_if(
          works_, [&](const auto& other) { return other.second.at_it && other.second.transfer.to == transfer.to; });
      most_at_once = std::max(most_at_once, static_cast<std::size_t>(same));
    }
    co_return tell(id);
  }
  async::Task<std::vector<domain::TransferStatus>> status(std::vector<domain::TransferId> ids, async::Deadline) override {
    if (silent) co_return no_answer();
    std::vector<domain::TransferStatus> all;
    for (const auto& id : ids) all.push_back(tell(id));
    co_return all;
  }
  async::Task<> cancel(domain::TransferId id, async::Deadline) override {
    if (silent) co_return no_answer();
    const auto at = works_.find(id);
    if (at == works_.end()) co_return fail(ErrorKind::not_found, "TRANSFER_NOT_FOUND", "there is none");
    settle(at->second);
    if (!at->second.outcome) end(at->second, domain::TransferEnd::cancelled);
    cancelled.insert(id);
    co_return Result<void>{};
  }
  async::Task<> forget(std::vector<domain::TransferId> ids, async::Deadline) override {
    if (silent) co_return no_answer();
    for (const auto& id : ids) {
      const auto at = works_.find(id);
      if (at != works_.end() && at->second.outcome) works_.erase(at);
    }
    co_return Result<void>{};
  }

 private:
  struct Work {
    domain::Transfer transfer;
    bool at_it = false;
    std::int64_t done = 0;
    MonotonicTime since{};
    std::optional<domain::TransferOutcome> outcome = {};
  };

  static std::unexpected<Error> no_answer() { return fail(ErrorKind::unavailable, "MOVER_AWAY", "the movers' host is away"); }

  void end(Work& work, domain::TransferEnd how) {
    work.at_it = false;
    work.outcome = domain::TransferOutcome{.end = how, .message = "so the test wants it", .detail = {}, .at = clock_.now_utc()};
  }
  void settle(Work& work) {
    if (!work.at_it) return;
    const auto now = clock_.now_monotonic();
    const auto size = work.transfer.content.size.value;
    const auto came = std::min(size - work.done, per_second * std::chrono::duration_cast<Seconds>(now - work.since).count());
    if (came > 0 || size == 0) work.since = now;
    work.done += came;
    moved_bytes += came;
    if (work.done == size) end(work, ends(work.transfer));
  }
  domain::TransferStatus tell(const domain::TransferId& id) {
    domain::TransferStatus status{
        .id = id, .moved_by = id, .phase = domain::TransferPhase::not_seen, .progress = {}, .outcome = {}};
    const auto at = works_.find(id);
    if (at == works_.end()) return status;
    auto& work = at->second;
    settle(work);
    status.phase = work.outcome ? domain::TransferPhase::ended
                   : work.at_it ? domain::TransferPhase::copying
                                : domain::TransferPhase::interrupted;
    status.progress = {.bytes = {work.done},
                       .files = 0,
                       .sent = {work.outcome ? work.done : 0},
                       .verified = {0},
                       .per_second = {work.at_it ? per_second : 0}};
    status.outcome = work.outcome;
    return status;
  }

  const Clock& clock_;
  std::map<domain::TransferId, Work> works_;
};

}  // namespace hansa::bottle
