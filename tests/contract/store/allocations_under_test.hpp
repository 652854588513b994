// SPDX-License-Identifier: Apache-2.0
#pragma once
// Allocations in the stores' contract: a rule of a unit for a core's hour, attempts that are kept for, runs that are told.
#include "store_contract.hpp"

#include <algorithm>

namespace hansa::contract::allocations {

using domain::Allocation;
using domain::Charge;
using domain::kChargesPerUnit;

inline constexpr std::int64_t kHour = 3'600;

inline domain::ChargeRule by_core() { return {.unit = "core-hours", .per_core = 1'000}; }
inline Charge units(std::int64_t n) { return {n * kChargesPerUnit}; }

/// So many cores for an hour.
inline domain::Hold cores(std::int64_t count, std::int64_t runs = 1) {
  return {.rule = by_core(), .most = {.nodes = 1, .cores = count, .time = Seconds{kHour}}, .runs = runs};
}

inline Allocation a_grant(std::int64_t amount, const std::string& site = "", const std::string& project = "ai-lab") {
  return {.id = next_id(),
          .project = ProjectId(project),
          .site = SiteId(site),
          .unit = "core-hours",
          .granted = units(amount),
          .from = at(0),
          .by = Principal("local:root"),
          .at = at(0),
          .note = "call 7"};
}

inline domain::AttemptIntended intent(std::int32_t attempt = 1, const std::string& site = "alpha") {
  return {.attempt = attempt,
          .site = SiteId(site),
          .queue = QueueName("batch"),
          .account = LocalAccount("alice"),
          .scheduler_account = ""};
}

inline Result<void> intend(StoreUnderTest& store, domain::Job& job, const domain::Hold& hold, domain::AttemptIntended what) {
  auto next = job;
  auto made = change(next, {std::move(what)});
  made.hold = hold;
  auto done = store.wait(store.jobs().record(std::move(made)));
  if (done) job = std::move(next);
  return done;
}

/// The run of `job`'s last attempt that began `begun` seconds from the start, as the site's accounting has it.
inline domain::UsageRecord run_of(const domain::Job& job, std::int64_t count, std::int64_t begun = 100,
                                  std::int64_t lasted = kHour) {
  const auto& attempt = job.attempts.back();
  domain::UsageRecord record;
  record.site = attempt.site;
  record.cluster = "c";
  record.site_job_id = attempt.site_job_id;
  record.tag = domain::make_tag(job.id, attempt.number);
  record.account = attempt.account;
  record.submitted_at = at(1);
  record.started_at = at(begun);
  record.ended_at = at(begun + lasted);
  record.elapsed = Seconds{lasted};
  record.nodes = 1;
  record.cores = static_cast<std::int32_t>(count);
  record.core_seconds = {lasted * count};
  return record;
}

inline std::size_t booked(StoreUnderTest& store, std::vector<domain::UsageRecord> records) {
  const auto site = records.front().site;
  return store.wait(store.usage().book_usage(site, std::move(records), {"c"}, at(0))).value();
}

inline Allocation read(StoreUnderTest& store, const domain::AllocationId& id) {
  return store.wait(store.allocations().allocation(id, at(0))).value();
}

inline void bind_and_start(StoreUnderTest& store, domain::Job& job, const std::string& site_job_id) {
  const auto number = job.attempts.back().number;
  recorded(store, job,
           {domain::AttemptBound{.attempt = number, .site_job_id = SiteJobId(site_job_id)},
            domain::RunStarted{.attempt = number, .run = 0, .started_at = at(100)}});
}

inline domain::AttemptEnded ended(std::int32_t attempt, domain::Outcome outcome, std::int32_t run = 0) {
  domain::AttemptEnded event{.attempt = attempt, .run = run, .outcome = outcome};
  if (outcome != domain::Outcome::never_started) event.started_at = at(100), event.ended_at = at(100 + kHour);
  return event;
}

inline domain::SightingQuarantined one_too_many(const std::string& site_job_id) {
  return {.attempt = 1, .site_job_id = SiteJobId(site_job_id), .reason = {"DUPLICATE", "one too many"}};
}

/// So many core-hours are left at alpha, by its word of that second. How many were taken.
inline std::size_t tell(StoreUnderTest& store, std::int64_t left, std::int64_t second, bool by_itself = false) {
  ports::BalanceReport report{.balances = {},
                              .by = Principal(by_itself ? "broker:balances" : "local:root"),
                              .at = at(second),
                              .note = "sshare",
                              .by_itself = by_itself};
  report.balances.push_back(
      {.project = ProjectId("ai-lab"), .site = SiteId("alpha"), .unit = "core-hours", .left = units(left), .as_of = at(second)});
  return store.wait(store.allocations().tell_balances(std::move(report), {next_id()})).value();
}

inline Allocation balance(StoreUnderTest& store) {
  const auto all = store.wait(store.allocations().allocations(std::nullopt, at(0))).value();
  return *std::ranges::find(all, domain::AllocationKind::balance, &Allocation::kind);
}

}  // namespace hansa::contract::allocations
