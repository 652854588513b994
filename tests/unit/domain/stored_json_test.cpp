// SPDX-License-Identifier: Apache-2.0
// What is stored is read back the same; what cannot have been written is refused with the field that is wrong.
#include "broker/domain/canonical_text.hpp"
#include "tests/unit/domain/random_values.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <set>

using namespace hansa;
using namespace hansa::domain;
using namespace hansa::domain::test;

namespace {

constexpr auto kEvents = std::variant_size_v<EventBody>;

template <std::size_t... I>
std::vector<EventBody> defaults(std::index_sequence<I...>) {
  return {EventBody(std::in_place_index<I>)...};
}

std::string event_fault(const char* name, const char* json) {
  const auto read = event_from_json(name, *parse_json(json));
  if (read) return "read";
  CHECK(read.error().kind == ErrorKind::internal);
  CHECK(read.error().code == "BAD_STORED_JSON");
  return read.error().message;
}

}  // namespace

TEST_CASE("the stored names of the events are what they were") {
  const char* kNames[] = {"accepted",
                          "waiting",
                          "held",
                          "released",
                          "rejected",
                          "attempt_intended",
                          "attempt_resent",
                          "attempt_unknown",
                          "attempt_seen_again",
                          "attempt_bound",
                          "sighting_quarantined",
                          "attempt_sealed",
                          "run_started",
                          "run_requeued",
                          "run_finishing",
                          "attempt_ended",
                          "cancel_requested",
                          "cancel_resolved",
                          "ended",
                          "resolved_lost",
                          "move_intended",
                          "staging",
                          "tasks_seen",
                          "attempt_granted",
                          "task_cancel_requested"};
  const auto events = defaults(std::make_index_sequence<kEvents>{});
  REQUIRE(std::size(kNames) == kEvents);
  for (std::size_t i = 0; i < kEvents; ++i) CHECK(event_name(events[i]) == kNames[i]);
}

TEST_CASE("every event, whatever it holds, is read back the same") {
  for (std::size_t index = 0; index < kEvents; ++index) {
    rc::prop("event_from_json(to_json(e)) == e, alternative " + std::to_string(index), [index] {
      const auto event = random_event(index);
      RC_ASSERT(event.index() == index);
      const auto text = canonical_json(to_json(event));
      const auto read = event_from_json(event_name(event), *parse_json(text));
      RC_ASSERT(read.has_value());
      RC_ASSERT(*read == event);
      RC_ASSERT(canonical_json(to_json(*read)) == text);
      RC_ASSERT(canonical_text(event) == text);
    });
  }
}

TEST_CASE("every specification is read back the same") {
  rc::prop("spec_from_json(to_json(s)) == s", [] {
    const auto spec = random_spec();
    const auto read = spec_from_json(*parse_json(canonical_json(to_json(spec))));
    RC_ASSERT(read.has_value());
    RC_ASSERT(*read == spec);
    RC_ASSERT(canonical_text(spec) == canonical_json(to_json(spec)));
  });
}

TEST_CASE("the stored text of a specification is what it was") {
  CHECK(canonical_text(JobSpec{}) == R"({"cpus_per_task":1,"nodes":1,"project":"","tasks":1,"time_limit_s":3600})");
  const JobSpec full{
      .name = "a \"b\"",
      .project = ProjectId("p"),
      .resources = {.nodes = 2, .tasks = 3, .cpus_per_task = 4, .memory_per_node = {5}, .gpus_per_node = 6, .gpu_model = "a100"},
      .time_limit = Seconds{7},
      .placement = {{SiteId("x"), SiteId("a")}, {"FI", "EE"}},
      .datasets = {DatasetId("d2"), DatasetId("d1")},
      .labels = {Label("personal"), Label("health")},
      .outputs = {{"m \"x\"", "out/m"}, {"a", "a"}},
      .code = CodeId("sha256:ab"),
      .requeue = true};
  const std::string text =
      R"({"code":"sha256:ab","countries":["FI","EE"],"cpus_per_task":4,"datasets":["d2","d1"],"gpu_model":"a100","gpus_per_node":6,)"
      R"("labels":["health","personal"],"memory_per_node_mib":5,"name":"a \"b\"","nodes":2,"outputs":{"a":"a","m \"x\"":"out/m"},"project":"p","requeue":true,)"
      R"("sites":["x","a"],"tasks":3,"time_limit_s":7})";
  CHECK(canonical_text(full) == text);
  CHECK(accepted_text(Principal("local:alice"), "b", text) == R"({"broker_id":"b","owner":"local:alice","spec":)" + text + "}");
}

TEST_CASE("every decision is read back the same") {
  rc::prop("decision_from_json(to_json(d)) == d", [] {
    const auto decision = random_decision();
    const auto read = decision_from_json(*parse_json(canonical_json(to_json(decision))));
    RC_ASSERT(read.has_value());
    RC_ASSERT(*read == decision);
  });
}

TEST_CASE("an event that cannot have been written is refused with its field") {
  const struct {
    const char *name, *json, *field;
  } kBad[] = {
      {"waiting", "[]", "not an object"},
      {"waiting", R"({"reason_code": 7})", "\"reason_code\""},
      {"accepted", R"({"broker_id": "b", "spec": {}})", "\"owner\""},
      {"accepted", R"({"owner": "o", "broker_id": "b"})", "\"spec\""},
      {"accepted", R"({"owner": "o", "broker_id": "b", "spec": {"project": "p"}})", "\"spec\""},
      {"held", R"({"by_user": 1})", "\"by_user\""},
      {"attempt_intended", R"({"attempt": 1})", "\"site\""},
      {"attempt_intended", R"({"attempt": "1", "site": "s"})", "\"attempt\""},
      {"attempt_resent", R"({})", "\"attempt\""},
      {"attempt_resent", R"({"attempt": 1.0})", "\"attempt\""},
      {"attempt_resent", R"({"attempt": 2147483648})", "\"attempt\""},
      {"attempt_resent", R"({"attempt": -2147483649})", "\"attempt\""},
      {"attempt_resent", R"({"attempt": 18446744073709551615})", "\"attempt\""},
      {"attempt_resent", R"({"attempt": 9223372036854775808})", "\"attempt\""},
      {"attempt_bound", R"({"attempt": 1, "site_job_id": 4711})", "\"site_job_id\""},
      {"run_started", R"({"attempt": 1, "task_index": 0, "run": 0})", "\"started_at_ms\""},
      {"run_started", R"({"attempt": 1, "task_index": 0, "run": 0, "started_at_ms": 18446744073709551615})", "\"started_at_ms\""},
      {"attempt_ended", R"({"attempt": 1, "task_index": 0, "run": 0, "outcome": "gone"})", "\"outcome\""},
      {"attempt_ended", R"({"attempt": 1, "task_index": 0, "run": 0, "outcome": "failed", "exit_code": null})", "\"exit_code\""},
      {"cancel_resolved", R"({"outcome": ""})", "\"outcome\""},
      {"ended", R"({"state": "over"})", "\"state\""},
      {"resolved_lost", R"({"by": "o"})", "\"reason\""},
      {"vanished", "{}", "no event is called \"vanished\""},
      {"", "{}", "no event is called \"\""},
  };
  for (const auto& [name, json, field] : kBad) {
    CAPTURE(name, json);
    CHECK_THAT(event_fault(name, json), Catch::Contains(field));
  }
}

TEST_CASE("a specification or a decision that cannot have been written is refused with its field") {
  const Json spec = {{"project", "p"}, {"nodes", 1}, {"tasks", 1}, {"cpus_per_task", 1}, {"time_limit_s", 60}};
  REQUIRE(spec_from_json(spec));
  const std::pair<const char*, Json> kBad[] = {{"project", 1},
                                               {"nodes", "1"},
                                               {"tasks", nullptr},
                                               {"cpus_per_task", 1.5},
                                               {"time_limit_s", "1h"},
                                               {"memory_per_node_mib", "1G"},
                                               {"gpus_per_node", true},
                                               {"gpu_model", 100},
                                               {"sites", "alpha"},
                                               {"sites", Json::array({1})},
                                               {"countries", Json::array({nullptr})},
                                               {"requeue", "yes"},
                                               {"name", 1}};
  for (const auto& [key, value] : kBad) {
    auto bent = spec;
    bent[key] = value;
    const auto read = spec_from_json(bent);
    REQUIRE_FALSE(read);
    CHECK_THAT(read.error().message, Catch::Contains("\"" + std::string(key) + "\""));
  }
  for (const auto& [key, value] : spec.items()) {
    auto without = spec;
    without.erase(key);
    CHECK_FALSE(spec_from_json(without));
  }
  CHECK_FALSE(spec_from_json(nullptr));

  CHECK(decision_from_json({{"at_ms", 1}}));
  CHECK_FALSE(decision_from_json(Json::array()));
  CHECK_FALSE(decision_from_json(Json::object()));
  CHECK_FALSE(decision_from_json({{"at_ms", 1}, {"verdicts", Json::object()}}));
  CHECK_FALSE(decision_from_json({{"at_ms", 1}, {"verdicts", Json::array({1})}}));
  CHECK_FALSE(decision_from_json(
      {{"at_ms", 1}, {"verdicts", Json::array({{{"site", "a"}, {"obstacle", "some"}, {"code", ""}, {"message", ""}}})}}));
}

TEST_CASE("every enumerator has one spelling of its own, and nothing else is read") {
  std::set<std::string_view> spellings;
  for (int i = 0; i <= static_cast<int>(JobState::rejected); ++i) {
    const auto state = static_cast<JobState>(i);
    CHECK(parse_job_state(to_string(state)) == state);
    spellings.insert(to_string(state));
  }
  CHECK(spellings.size() == 14);
  for (const auto state : {AttemptState::intended, AttemptState::sent, AttemptState::bound, AttemptState::ended})
    CHECK(parse_attempt_state(to_string(state)) == state);
  for (const auto outcome :
       {Outcome::succeeded, Outcome::failed, Outcome::timed_out, Outcome::cancelled, Outcome::never_started}) {
    CHECK(parse_outcome(to_string(outcome)) == outcome);
  }
  for (const auto outcome :
       {CancelOutcome::never_started, CancelOutcome::stopped, CancelOutcome::already_ended, CancelOutcome::unknown}) {
    CHECK(parse_cancel_outcome(to_string(outcome)) == outcome);
  }
  for (const auto* text : {"", "?", "Running", "running ", "run"}) {
    CHECK_FALSE(parse_job_state(text));
    CHECK_FALSE(parse_attempt_state(text));
    CHECK_FALSE(parse_outcome(text));
    CHECK_FALSE(parse_cancel_outcome(text));
  }
}
