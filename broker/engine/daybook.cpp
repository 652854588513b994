// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/daybook.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace hansa::engine {
namespace {

constexpr std::size_t kLeavesInPage = 1'000;
constexpr Milliseconds kAfterMidnight{60'000};
constexpr Milliseconds kTriedAgainAfter{600'000};

std::chrono::sys_days day_of(UtcTime time) { return std::chrono::floor<std::chrono::days>(time); }

/// A field of a record; "" and 0 of none.
std::int64_t number_in(const std::string& record, std::string_view name) {
  ledger::RecordFields fields;
  return fields.parse(record) ? fields.integer(name).value_or(0) : 0;
}

}  // namespace

Daybook::Daybook(boost::asio::any_io_executor strand, async::Scheduler& scheduler, ports::LedgerStore& ledger, Periods& periods,
                 ports::Log& log)
    : strand_(strand),
      scheduler_(scheduler),
      ledger_(ledger),
      periods_(periods),
      log_(log),
      news_(strand),
      tasks_(strand, 1, [&log](std::string_view, const Error& error) {
        log.write(ports::LogLevel::error, "the ledger's daybook ended", {{"code", error.code}, {"error", error.message}});
      }) {}

async::Task<> Daybook::start() { co_return tasks_.spawn("daybook", run()); }

void Daybook::policy_in_force(std::string hash) {
  boost::asio::post(strand_, [this, hash = std::move(hash)]() mutable {
    policy_ = std::move(hash);
    news_.set();
  });
}

async::Task<> Daybook::run() {
  const auto told = [this](const char* what, const Result<void>& done) {
    if (done) return;
    log_.write(ports::LogLevel::error, what, {{"code", done.error().code}, {"error", done.error().message}});
  };
  std::optional<std::chrono::sys_days> written;
  while (true) {
    bool failed = false;
    auto head = co_await ledger_.ledger_head();
    if (head && !head->key.empty()) {
      told("the rules in force could not be written into the ledger", co_await note_policy());
      if (const auto today = day_of(scheduler_.now_utc()); written != today) {
        const auto decisions = co_await note_decisions();
        const auto month = co_await open_month();
        told("the day's decisions could not be written into the ledger", decisions);
        told("the month could not be opened in the ledger", month);
        failed = !decisions || !month;
        if (!failed) written = today;
      }
    }
    const auto midnight = UtcTime(day_of(scheduler_.now_utc()) + std::chrono::days{1});
    auto until = std::chrono::ceil<Milliseconds>(midnight - scheduler_.now_utc()) + kAfterMidnight;
    if (failed) until = std::min(until, kTriedAgainAfter);
    co_await news_.wait_until(scheduler_, scheduler_.now_monotonic() + until);
  }
}

async::Task<> Daybook::note_policy() {
  if (policy_.empty()) co_return Result<void>{};
  const auto last = co_await periods_.store().newest_record("policy");
  if (!last) co_return std::unexpected(last.error());
  ledger::RecordFields fields;
  if (!last->empty() && fields.parse(*last) && fields.text("sha256") == policy_) co_return Result<void>{};
  auto added = co_await ledger_.append_record(
      {.kind = "policy", .at = scheduler_.now_utc(), .fields = {{"sha256", policy_}}, .after_key = {}});
  if (!added) co_return std::unexpected(added.error());
  co_return Result<void>{};
}

async::Task<> Daybook::open_month() {
  auto period = ledger::period_of(to_unix_seconds(scheduler_.now_utc()));
  const auto months = co_await periods_.store().months();
  if (!months) co_return std::unexpected(months.error());
  if (std::ranges::find(*months, period, &ports::Month::period) != months->end()) co_return Result<void>{};
  const auto opened = co_await periods_.open(std::move(period));
  if (!opened) co_return std::unexpected(opened.error());
  co_return Result<void>{};
}

/// Those of the days before, at most once a day, however often the broker starts.
async::Task<> Daybook::note_decisions() {
  const auto last = co_await periods_.store().newest_record("decision");
  if (!last) co_return std::unexpected(last.error());
  if (!last->empty() && day_of(from_unix_seconds(number_in(*last, "at"))) >= day_of(scheduler_.now_utc()))
    co_return Result<void>{};
  const auto first = last->empty() ? 1 : number_in(*last, "last") + 1;
  ledger::Peaks tree;
  auto next = first;
  while (true) {
    const auto leaves = co_await periods_.store().decision_leaves(next, kLeavesInPage, false);
    if (!leaves) co_return std::unexpected(leaves.error());
    for (const auto& leaf : *leaves) {
      tree.add(ledger::leaf_hash(leaf.text));
      next = leaf.sequence + 1;
    }
    if (leaves->size() < kLeavesInPage) break;
  }
  if (tree.size() == 0) co_return Result<void>{};
  const auto root = tree.root();
  auto added = co_await ledger_.append_record({.kind = "decision",
                                               .at = scheduler_.now_utc(),
                                               .fields = {{"decisions", tree.size()},
                                                          {"first", first},
                                                          {"last", next - 1},
                                                          {"sha256", ledger::hex_of(ledger::bytes_of(root))}},
                                               .after_key = {}});
  if (!added) co_return std::unexpected(added.error());
  co_return Result<void>{};
}

}  // namespace hansa::engine
