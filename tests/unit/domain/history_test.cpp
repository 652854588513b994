// SPDX-License-Identifier: Apache-2.0
// Whatever happens to a job in whatever order: the invariants of transition.hpp hold.
#include "broker/domain/transition.hpp"
#include "tests/unit/domain/random_values.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>

using namespace hansa;
using namespace hansa::domain;
using namespace hansa::domain::test;

namespace {

/// What no event whatever may do, from `before` to `after`.
void check_step(const Job& before, const Job& after, const EventBody& event) {
  RC_ASSERT(after.version == before.version + 1);
  RC_ASSERT(after.id == before.id);
  RC_ASSERT(after.owner == before.owner);
  RC_ASSERT(after.spec == before.spec);
  RC_ASSERT(after.accepted_at == before.accepted_at);
  if (is_terminal(before.state)) {
    RC_ASSERT(after.state == before.state);
    RC_ASSERT(after.reason == before.reason);
    RC_ASSERT(after.ended_at == before.ended_at);
    RC_ASSERT(after.exit_code == before.exit_code);
    RC_ASSERT(after.attempts.size() == before.attempts.size());
  }
  RC_ASSERT(after.attempts.size() >= before.attempts.size());
  if (after.attempts.size() > before.attempts.size()) RC_ASSERT(!before.awaits_others());
  for (std::size_t i = 0; i < before.attempts.size(); ++i) {
    const auto &was = before.attempts[i], &is = after.attempts[i];
    RC_ASSERT(is.site == was.site);
    RC_ASSERT(is.account == was.account);
    RC_ASSERT(is.sends >= was.sends);
    RC_ASSERT(is.sealed || !was.sealed);
    const auto* bound = std::get_if<AttemptBound>(&event);
    if (!was.site_job_id.empty() && (bound == nullptr || !bound->adopted)) RC_ASSERT(is.site_job_id == was.site_job_id);
    for (const auto& run : was.runs) {  // of a task: over once, unless another site job takes the attempt
      if (bound != nullptr || before.spec.array.empty() || !run.outcome) continue;
      RC_ASSERT(std::ranges::find(is.runs, run) != is.runs.end());
    }
    if (was.state == AttemptState::ended) {
      RC_ASSERT(is.state == AttemptState::ended);
      RC_ASSERT(is.outcome == was.outcome);
      RC_ASSERT(is.runs == was.runs);
    }
  }
  const bool mark = std::holds_alternative<AttemptUnknown>(event) || std::holds_alternative<AttemptSeenAgain>(event) ||
                    std::holds_alternative<SightingQuarantined>(event) || std::holds_alternative<AttemptSealed>(event) ||
                    std::holds_alternative<AttemptResent>(event) || std::holds_alternative<CancelRequested>(event) ||
                    std::holds_alternative<CancelResolved>(event);
  if (mark) {
    RC_ASSERT(after.state == before.state);
    RC_ASSERT(after.reason == before.reason);
  }
}

void check_job(const Job& job) {
  for (std::size_t i = 0; i < job.attempts.size(); ++i) {
    const auto& attempt = job.attempts[i];
    RC_ASSERT(attempt.number == static_cast<std::int32_t>(i) + 1);
    RC_ASSERT(attempt.sends >= 1);
    if (attempt.state == AttemptState::bound) RC_ASSERT(!attempt.site_job_id.empty());
    if (i + 1 < job.attempts.size()) {
      RC_ASSERT(attempt.state == AttemptState::ended);
      RC_ASSERT(attempt.outcome == Outcome::never_started);  // or the job would have gone elsewhere after it ran
    }
  }
  RC_ASSERT(std::ranges::count_if(job.attempts, [](const Attempt& a) { return a.state != AttemptState::ended; }) <= 1);
  const auto* live = job.live_attempt();
  if (is_terminal(job.state)) {
    RC_ASSERT(live == nullptr);
    RC_ASSERT(job.ended_at.has_value());
  }
  const bool at_site = job.state == JobState::submitting || job.state == JobState::queued || job.state == JobState::running ||
                       job.state == JobState::finishing;
  RC_ASSERT(at_site == (live != nullptr));
  if (live != nullptr) RC_ASSERT((job.state == JobState::submitting) == (live->state != AttemptState::bound));
  if (job.held_by_user && !is_terminal(job.state)) RC_ASSERT(job.state == JobState::held);
}

}  // namespace

TEST_CASE("any events in any order: terminal is final, one live attempt, one site job id at a time, and the events tell it all") {
  int several = 0, ran = 0, over = 0;  // that the histories get anywhere
  rc::prop("a history", [&] {
    const JobId id = random_id();
    std::vector<JobEvent> events{{random_time(), random_event(0)}};
    auto job = new_job(id, 5, events[0].at, std::get<Accepted>(events[0].body));
    for (int i = *rc::gen::element(10, 40, 100, 200); i > 0; --i) {
      const JobEvent event{random_time(), random_event_for(job)};
      const auto before = job;
      const auto done = apply(job, event);
      if (done) {
        events.push_back(event);
        check_step(before, job, event.body);
      } else {
        RC_ASSERT(job == before);
        RC_ASSERT(done.error().code == "ILLEGAL_TRANSITION");
      }
      check_job(job);
    }
    RC_ASSERT(job.version == static_cast<std::int64_t>(events.size()));
    several += job.attempts.size() > 1 ? 1 : 0;
    ran += std::ranges::any_of(job.attempts, [](const Attempt& a) { return !a.runs.empty(); }) ? 1 : 0;
    over += is_terminal(job.state) ? 1 : 0;

    const auto again = replay(id, 5, events);
    RC_ASSERT(again.has_value());
    RC_ASSERT(*again == job);

    // The same through the stored form of each event.
    for (auto& event : events) {
      const auto read = event_from_json(event_name(event.body), *parse_json(canonical_json(to_json(event.body))));
      RC_ASSERT(read.has_value());
      event.body = *read;
    }
    RC_ASSERT(*replay(id, 5, events) == job);
  });
  CHECK(several >= 10);
  CHECK(ran >= 10);
  CHECK(over >= 10);
}
