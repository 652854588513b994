// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/code_keeper.hpp"

namespace hansa::engine {
namespace {

constexpr Milliseconds kSweepInterval{3'600'000};

std::unexpected<Error> no_code() {
  return fail(ErrorKind::not_found, "NO_CODE", "this broker carries no code: put it at the site yourself");
}

}  // namespace

void CodeKeeper::job_changed(const domain::Job* before, const domain::Job& after) {
  const auto& id = after.spec.code;
  if (id.empty()) return;
  const bool counted = before != nullptr && !domain::is_terminal(before->state), counts = !domain::is_terminal(after.state);
  if (counted == counts) return;
  auto& mine = jobs_[after.owner];
  if (counts) {
    ++mine[id];
    return;
  }
  if (--mine[id] == 0) mine.erase(id);
  if (mine.empty()) jobs_.erase(after.owner);
}

async::Task<std::optional<ports::CodeState>> CodeKeeper::look(Principal owner, CodeId id) {
  if (store_ == nullptr) co_return no_code();
  co_return co_await store_->look(std::move(owner), std::move(id));
}

async::Task<ports::CodeState> CodeKeeper::take(CodeOffer offer) {
  if (store_ == nullptr) co_return no_code();
  if (auto allowed = context_.rules.may_take(offer.owner, offer.spec, context_.scheduler.now_utc()); !allowed)
    co_return std::unexpected(allowed.error());
  std::set<CodeId> in_use;
  if (const auto mine = jobs_.find(offer.owner); mine != jobs_.end()) {
    for (const auto& [id, count] : mine->second) in_use.insert(id);
  }
  co_return co_await store_->put(std::move(offer.owner), std::move(offer.piece), std::move(in_use));
}

async::Task<> CodeKeeper::run() {
  for (;;) {
    std::map<Principal, std::set<CodeId>> in_use;
    for (const auto& [owner, ids] : jobs_) {
      for (const auto& [id, count] : ids) in_use[owner].insert(id);
    }
    const auto gone = co_await store_->sweep(std::move(in_use));
    if (gone && *gone > 0)
      context_.log.write(ports::LogLevel::info, "code that no job needs is removed", {{"archives", std::to_string(*gone)}});
    co_await context_.scheduler.sleep_until(context_.scheduler.now_monotonic() + kSweepInterval);
  }
}

async::Task<ports::Code> open_code(ports::CodeStore* store, Principal owner, CodeId id) {
  if (store == nullptr) co_return no_code();
  const auto known = co_await store->look(owner, id);
  if (!known) co_return std::unexpected(known.error());
  if (!*known || !(*known)->complete)
    co_return fail(ErrorKind::not_found, "CODE_NOT_HERE", "the job's code is not in the broker's state folder any more");
  const auto read = [store, owner, id](std::uint64_t offset, std::size_t limit) { return store->read(owner, id, offset, limit); };
  co_return ports::Code{.id = id, .size = (*known)->size, .read = read};
}

async::Task<> all_code_here(ports::CodeStore* store, Principal owner, std::set<CodeId> wanted) {
  for (const auto& id : wanted) {
    if (store == nullptr) co_return no_code();
    const auto known = co_await store->look(owner, id);
    if (!known) co_return std::unexpected(known.error());
    if (*known && (*known)->complete) continue;
    auto error = fail(ErrorKind::invalid_argument, "CODE_NOT_HERE",
                      "the code " + id.str() + " is not at this broker, or not yours; bring it first: PUT /v1/code/" + id.str() +
                          ", or hansa submit --code DIR");
    error.error().faults.push_back({.where = "/code", .message = error.error().message});
    co_return error;
  }
  co_return Result<void>{};
}

}  // namespace hansa::engine
