// SPDX-License-Identifier: Apache-2.0
// The job's row is a projection of its events: whatever legal history is recorded, both tell the same.
#include "store_contract.hpp"
#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <algorithm>
#include <utility>

using namespace hansa;
using namespace hansa::contract;

namespace {

using rc::gen::element;

std::string text() {
  return *element<std::string>("", "OK", "it's \"quoted\"\n\t\\", "'; DROP TABLE jobs; --",
                               "\xC3\xA5\xE2\x82\xAC\xF0\x9F\x9A\x80", std::string("a\0b", 3), std::string(3000, 'x'));
}
domain::Reason reason() { return {text(), text()}; }
template <typename T>
std::optional<T> perhaps(T value) {
  return *rc::gen::arbitrary<bool>() ? std::optional(std::move(value)) : std::nullopt;
}

/// Mostly one that the job may meet now; which of them is legal is the state machine's word.
domain::EventBody any_event(const domain::Job& job) {
  using namespace domain;
  const auto last = static_cast<std::int32_t>(job.attempts.size());
  const auto attempt = *element(last, last, last, 1, 2);
  const auto task = *element(0, 0, 1, 7);
  const auto run = *element(0, 0, 1, 2);
  const auto when = at(*rc::gen::inRange(0, 100000)) + Milliseconds{*rc::gen::inRange(0, 999)};
  switch (*rc::gen::weightedElement<int>({{20, 0},  {10, 1}, {10, 2},  {1, 3},   {60, 4},  {20, 5},  {20, 6},
                                          {20, 7},  {60, 8}, {10, 9},  {10, 10}, {60, 11}, {60, 12}, {20, 13},
                                          {20, 14}, {3, 15}, {10, 16}, {1, 17},  {1, 18},  {20, 19}, {20, 20}, {20, 21}})) {
    case 0: return Waiting{.reason = reason()};
    case 1: return Held{.reason = reason(), .by_user = *rc::gen::arbitrary<bool>()};
    case 2: return Released{};
    case 3: return Rejected{.reason = reason()};
    case 4:
      return AttemptIntended{.attempt = last + 1,
                             .site = SiteId(*element<std::string>("alpha", "beta")),
                             .queue = QueueName(text()),
                             .account = LocalAccount(*element<std::string>("", "alice")),
                             .scheduler_account = text(),
                             .variant = text()};
    case 5: return AttemptResent{.attempt = attempt};
    case 6: return AttemptUnknown{.attempt = attempt, .reason = reason()};
    case 7: return AttemptSeenAgain{.attempt = attempt};
    case 8:
      return AttemptBound{.attempt = attempt,
                          .site_job_id = SiteJobId(*element<std::string>("1", "4711", "12_3")),
                          .adopted = *rc::gen::arbitrary<bool>()};
    case 9: return SightingQuarantined{.attempt = attempt, .site_job_id = SiteJobId("5"), .reason = reason()};
    case 10: return AttemptSealed{.attempt = attempt};
    case 11: return RunStarted{.attempt = attempt, .task_index = task, .run = run, .started_at = when};
    case 12: return RunRequeued{.attempt = attempt, .task_index = task, .run = run};
    case 13: return RunFinishing{.attempt = attempt};
    case 14:
      return AttemptEnded{.attempt = attempt,
                          .task_index = task,
                          .run = run,
                          .outcome = *rc::gen::weightedElement<Outcome>({{1, Outcome::succeeded},
                                                                         {1, Outcome::failed},
                                                                         {1, Outcome::timed_out},
                                                                         {1, Outcome::cancelled},
                                                                         {12, Outcome::never_started}}),
                          .started_at = perhaps(when),
                          .ended_at = perhaps(when + Milliseconds{1500}),
                          .exit_code = perhaps(std::int32_t{137}),
                          .signal = perhaps(std::int32_t{9}),
                          .reason = reason()};
    case 15: return CancelRequested{.by = Principal("local:bob")};
    case 16:
      return CancelResolved{.outcome = *element(CancelOutcome::never_started, CancelOutcome::stopped,
                                                CancelOutcome::already_ended, CancelOutcome::unknown)};
    case 17: return Ended{.state = *element(JobState::cancelled, JobState::failed), .reason = reason()};
    case 19: return Staging{.reason = reason()};
    case 20:
      return AttemptGranted{.attempt = attempt,
                            .grant = {.cores = 4,
                                      .time_limit = Seconds{600},
                                      .queue = QueueName("short"),
                                      .account = text(),
                                      .exclusive = perhaps(*rc::gen::arbitrary<bool>())},
                            .reason = reason()};
    case 21: return TaskCancelRequested{.by = Principal("local:bob"), .tasks = {0}};
    default: return ResolvedLost{.by = Principal("local:root"), .reason = text()};
  }
}

}  // namespace

TEST_CASE("whatever legal history is recorded, the row equals the replayed events") {
  auto store = next_store();
  std::size_t recorded_events = 0;
  std::size_t most_attempts = 0;
  const bool held = rc::check([&] {
    auto job = accepted(*store);
    std::vector<domain::JobEvent> all{
        {.at = job.accepted_at, .body = domain::Accepted{.owner = job.owner, .broker_id = job.broker_id, .spec = job.spec}}};
    ports::JobChange step;
    const auto record = [&] {
      if (step.events.empty()) return;
      step.job = job;
      const auto done = store->wait(store->jobs().record(std::exchange(step, {})));
      RC_ASSERT(done.has_value());
    };
    for (int i = 0; i < 80; ++i) {
      domain::JobEvent event{.at = at(100 + i), .body = any_event(job)};
      if (!domain::apply(job, event)) continue;
      step.events.push_back(event);
      all.push_back(event);
      if (*rc::gen::inRange(0, 3) != 0) record();
    }
    record();
    recorded_events += all.size();
    most_attempts = std::max(most_attempts, job.attempts.size());

    const auto row = store->wait(store->jobs().job(job.id));
    RC_ASSERT(row.has_value());
    RC_ASSERT(*row == job);
    const auto stored = store->wait(store->jobs().events(job.id));
    RC_ASSERT(stored.has_value());
    std::vector<domain::JobEvent> events;
    for (const auto& event : *stored) events.push_back(event.event);
    RC_ASSERT(events == all);
    const auto replayed = domain::replay(job.id, job.epoch, events);
    RC_ASSERT(replayed.has_value());
    RC_ASSERT(*replayed == *row);
    const auto active = store->wait(store->jobs().jobs({.states = {job.state}, .limit = 1000})).value();
    RC_ASSERT(std::ranges::any_of(active, [&](const domain::Job& other) { return other.id == job.id; }));
  });
  CHECK(held);
  CHECK(recorded_events > 1000);  // the histories are histories
  CHECK(most_attempts >= 3);
}
