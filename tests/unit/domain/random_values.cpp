// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/domain/random_values.hpp"

#include <rapidcheck.h>

#include <array>
#include <limits>

namespace hansa::domain::test {

using rc::gen::arbitrary;
using rc::gen::element;
using rc::gen::inRange;

namespace {

template <typename T>
std::optional<T> perhaps(T value) {
  return *arbitrary<bool>() ? std::optional(std::move(value)) : std::nullopt;
}

template <typename NameType>
NameType random_name() {
  return NameType{random_text()};
}

std::string some_text() { return "x" + random_text(); }

std::int32_t random_small() {
  return *rc::gen::oneOf(inRange<std::int32_t>(0, 10), arbitrary<std::int32_t>(),
                         element(std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max()));
}
Reason random_reason() { return {random_text(), random_text()}; }
Outcome random_outcome() {
  return *element(Outcome::succeeded, Outcome::failed, Outcome::timed_out, Outcome::cancelled, Outcome::never_started);
}
CancelOutcome random_cancel_outcome() {
  return *element(CancelOutcome::never_started, CancelOutcome::stopped, CancelOutcome::already_ended, CancelOutcome::unknown);
}
JobState random_state() { return static_cast<JobState>(*inRange(0, static_cast<int>(JobState::rejected) + 1)); }

AttemptEnded random_end(std::int32_t attempt) {
  return {.attempt = attempt,
          .task_index = *element(0, 0, 3),
          .run = *element(0, 0, 1),
          .outcome = random_outcome(),
          .started_at = perhaps(random_time()),
          .ended_at = perhaps(random_time()),
          .exit_code = perhaps(random_small()),
          .signal = perhaps(random_small()),
          .reason = random_reason()};
}

Grant random_grant() {
  return {.nodes = random_small(),
          .tasks = random_small(),
          .cores = random_small(),
          .gpus = random_small(),
          .memory = {random_small()},
          .time_limit = Seconds{random_small()},
          .queue = random_name<QueueName>(),
          .account = random_text(),
          .exclusive = perhaps(*arbitrary<bool>())};
}

TasksSeen random_tasks(std::int32_t attempt) {
  TasksSeen seen{.attempt = attempt, .runs = {}};
  for (int i = *inRange(0, 3); i > 0; --i) {
    seen.runs.push_back({.task_index = *element(0, 1, 4, 5),
                         .number = *element(0, 0, 1),
                         .started_at = perhaps(from_unix_ms(1'000)),
                         .ended_at = perhaps(random_time()),
                         .exit_code = perhaps(random_small()),
                         .signal = perhaps(random_small()),
                         .outcome = perhaps(random_outcome())});
  }
  return seen;
}

/// The alternatives one by one. `attempt` is what those that name one shall name.
template <std::size_t I>
EventBody make(std::int32_t attempt) {
  using Event = std::variant_alternative_t<I, EventBody>;
  using std::is_same_v;
  if constexpr (is_same_v<Event, Accepted>)
    return Accepted{random_name<Principal>(), random_text(), random_spec()};
  else if constexpr (is_same_v<Event, Waiting>)
    return Waiting{random_reason()};
  else if constexpr (is_same_v<Event, Held>)
    return Held{random_reason(), *arbitrary<bool>()};
  else if constexpr (is_same_v<Event, Released>)
    return Released{};
  else if constexpr (is_same_v<Event, Rejected>)
    return Rejected{random_reason()};
  else if constexpr (is_same_v<Event, AttemptIntended>)
    return AttemptIntended{attempt,       random_name<SiteId>(), random_name<QueueName>(), random_name<LocalAccount>(),
                           random_text(), random_text()};
  else if constexpr (is_same_v<Event, AttemptResent>)
    return AttemptResent{attempt};
  else if constexpr (is_same_v<Event, AttemptUnknown>)
    return AttemptUnknown{attempt, random_reason()};
  else if constexpr (is_same_v<Event, AttemptSeenAgain>)
    return AttemptSeenAgain{attempt};
  else if constexpr (is_same_v<Event, AttemptBound>)
    return AttemptBound{attempt, random_name<SiteJobId>(), *arbitrary<bool>()};
  else if constexpr (is_same_v<Event, SightingQuarantined>)
    return SightingQuarantined{attempt, random_name<SiteJobId>(), random_reason()};
  else if constexpr (is_same_v<Event, AttemptSealed>)
    return AttemptSealed{attempt};
  else if constexpr (is_same_v<Event, RunStarted>)
    return RunStarted{attempt, *element(0, 0, 3), *element(0, 0, 1, 2), random_time()};
  else if constexpr (is_same_v<Event, RunRequeued>)
    return RunRequeued{attempt, *element(0, 0, 3), *element(0, 0, 1, 2)};
  else if constexpr (is_same_v<Event, RunFinishing>)
    return RunFinishing{attempt};
  else if constexpr (is_same_v<Event, AttemptEnded>)
    return random_end(attempt);
  else if constexpr (is_same_v<Event, CancelRequested>)
    return CancelRequested{random_name<Principal>()};
  else if constexpr (is_same_v<Event, CancelResolved>)
    return CancelResolved{random_cancel_outcome()};
  else if constexpr (is_same_v<Event, Ended>)
    return Ended{random_state(), random_reason()};
  else if constexpr (is_same_v<Event, Staging>)
    return Staging{random_reason()};
  else if constexpr (is_same_v<Event, ResolvedLost>)
    return ResolvedLost{random_name<Principal>(), random_text()};
  else if constexpr (is_same_v<Event, TasksSeen>)
    return random_tasks(attempt);
  else if constexpr (is_same_v<Event, AttemptGranted>)
    return AttemptGranted{attempt, random_grant(), random_reason()};
  else if constexpr (is_same_v<Event, TaskCancelRequested>)
    return TaskCancelRequested{random_name<Principal>(), *element(std::vector{0}, std::vector{1, 4}, std::vector{0, 1, 4, 5})};
  else
    return MoveIntended{attempt, {random_name<SiteId>(), random_name<SiteJobId>(), random_text()}};
}

using Maker = EventBody (*)(std::int32_t);
template <std::size_t... I>
constexpr std::array<Maker, sizeof...(I)> makers(std::index_sequence<I...>) {
  return {make<I>...};
}
constexpr auto kMakers = makers(std::make_index_sequence<std::variant_size_v<EventBody>>{});

}  // namespace

std::string random_text() {
  std::string text;
  for (int i = *element(0, 1, 2, 5); i > 0; --i) {
    text += *element<std::string>("a", "Zz", "0", " ", "\"", "\\", "/", "~", "\n", "\x01", "\x7F", std::string(1, '\0'),
                                  "\xC3\xA5", "\xE2\x82\xAC", "\xF0\x9F\x9A\x80", "'; --", std::string(300, 'x'));
  }
  return text;
}

JobId random_id() {
  std::array<std::uint8_t, 16> bytes{};
  for (auto& byte : bytes) byte = *arbitrary<std::uint8_t>();
  return JobId{bytes};
}

UtcTime random_time() {
  return from_unix_ms(
      *rc::gen::oneOf(inRange<std::int64_t>(-62'167'219'200'000, 253'402'300'799'999), element<std::int64_t>(0, 1, -1)));
}

Resources random_resources() {
  return {.nodes = random_small(),
          .tasks = random_small(),
          .cpus_per_task = random_small(),
          .memory_per_node = {*inRange<std::int64_t>(0, std::int64_t{1} << 40)},
          .gpus_per_node = *inRange(0, 9),
          .gpu_model = random_text()};
}

Software random_software() {
  Software software{
      .image = random_text(), .binds = {}, .processes_only = *arbitrary<bool>(), .modules = {}, .outbound = *arbitrary<bool>()};
  for (int i = *inRange(0, 3); i > 0; --i) software.binds.push_back(random_text());
  for (int i = *inRange(0, 3); i > 0; --i) software.modules.push_back(random_text());
  return software;
}

Variant random_variant() {
  Variant variant{.name = some_text(),
                  .when = {random_text(), random_text(), random_text(), random_name<SiteId>(), random_text()},
                  .resources = random_resources(),
                  .software = random_software(),
                  .environment = {}};
  for (int i = *inRange(0, 3); i > 0; --i) variant.environment.emplace(random_text(), random_text());
  return variant;
}

JobSpec random_spec() {
  JobSpec spec;
  spec.name = random_text();
  spec.project = random_name<ProjectId>();
  spec.resources = random_resources();
  if (*arbitrary<bool>()) spec.software = random_software();
  for (int i = *inRange(0, 3); i > 1; --i) spec.variants.push_back(random_variant());
  spec.time_limit = Seconds{*inRange<std::int64_t>(1, 1'000'000'000)};
  for (int i = *inRange(0, 3); i > 0; --i) spec.placement.sites.push_back(random_name<SiteId>());
  for (int i = *inRange(0, 3); i > 0; --i) spec.placement.countries.push_back(random_text());
  for (int i = *inRange(0, 3); i > 0; --i) spec.outputs.emplace(random_text(), random_text());
  if (*arbitrary<bool>()) spec.code = CodeId(random_text());
  for (int i = *inRange(0, 3); i > 1; --i)
    spec.secrets.push_back({.name = "hf-token", .file = *arbitrary<bool>() ? "hf-token" : "f"});
  spec.requeue = *arbitrary<bool>();
  if (*inRange(0, 4) == 0) spec.array = {.tasks = {0, 1, 4}, .at_most = *inRange(0, 3)};
  for (int i = *inRange(0, 3); i > 1; --i) spec.after.push_back(random_id());
  return spec;
}

Decision random_decision() {
  Decision decision{.at = random_time(),
                    .chosen = perhaps(SiteId{some_text()}),
                    .queue = random_name<QueueName>(),
                    .verdicts = {},
                    .reason = random_reason(),
                    .input_hash = random_text()};
  for (int i = *inRange(0, 4); i > 0; --i) {
    decision.verdicts.push_back({.site = random_name<SiteId>(),
                                 .obstacle = *element(Obstacle::none, Obstacle::temporary, Obstacle::permanent),
                                 .code = random_text(),
                                 .message = random_text(),
                                 .source = random_text(),
                                 .age = perhaps(Seconds{*arbitrary<std::int64_t>()}),
                                 .queue = random_name<QueueName>(),
                                 .variant = random_text(),
                                 .wait = perhaps(Seconds{*arbitrary<std::int32_t>()}),
                                 .stage_in = perhaps(StageIn{.time = Seconds{*arbitrary<std::int32_t>()},
                                                             .bytes = {*arbitrary<std::int64_t>()},
                                                             .under_way = *arbitrary<bool>(),
                                                             .from = {{DatasetId{random_text()}, random_name<SiteId>()}}}),
                                 .method = random_text(),
                                 .snapshot_hash = random_text()});
  }
  return decision;
}

EventBody random_event(std::size_t index) { return kMakers.at(index)(random_small()); }

EventBody random_event_for(const Job& job) {
  // Weighted so that many histories get as far as a run, a requeue, a second attempt; ends are rare. In EventBody's order.
  const auto index = *rc::gen::weightedElement<std::size_t>(
      {{1, 0},   {6, 1},   {2, 2},  {4, 3},   {1, 4},  {60, 5}, {6, 6},  {8, 7},  {8, 8},  {60, 9}, {4, 10}, {3, 11},
       {60, 12}, {12, 13}, {6, 14}, {20, 15}, {1, 16}, {4, 17}, {1, 18}, {1, 19}, {8, 20}, {4, 21}, {20, 22}});
  const auto last = static_cast<std::int32_t>(job.attempts.size());
  if (kMakers[index] == make<5>) return make<5>(*element(last + 1, last + 1, last + 1, last + 1, last, last + 2));
  auto event = kMakers.at(index)(*element(last, last, last, last, last, last, last, last, 0, 1, -1, last + 1));
  if (auto* end = std::get_if<AttemptEnded>(&event); end != nullptr && *element(true, true, true, true, true, false))
    end->outcome = Outcome::never_started;
  if (auto* move = std::get_if<MoveIntended>(&event); move != nullptr && last > 0)
    move->move.from = job.attempts.back().site_job_id;
  return event;
}

}  // namespace hansa::domain::test
