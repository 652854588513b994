// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/records.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::connectors::local;

namespace {

StartRecord a_start() {
  return {.supervisor = 4242, .supervisor_started = 99, .payload = 4243, .boot_id = "b", .started_at = from_unix_ms(1'000'500)};
}

}  // namespace

TEST_CASE("records come back as they were written") {
  JobRecord job{.id = 7,
                .tag = Tag("hansa-01ARZ3NDEKTSV4RRFFQ69G5FAV-1"),
                .person = Principal("local:alice"),
                .account = LocalAccount("alice"),
                .scheduler_account = "proj",
                .queue = QueueName("local"),
                .spec = {.name = "x", .resources = {.nodes = 1, .tasks = 3}, .time_limit = Seconds{61}, .placement = {}},
                .submitted_at = from_unix_ms(123'456),
                .launch = {.work_dir = "/w", .out = "o", .err = "e", .environment = {{"A", "b=c"}, {"D", ""}}}};
  const auto job_again = job_record(canonical_json(to_json(job)));
  REQUIRE(job_again);
  CHECK(*job_again == job);

  const auto start_again = start_record(canonical_json(to_json(a_start())));
  REQUIRE(start_again);
  CHECK(*start_again == a_start());

  ResultRecord result{.started_at = from_unix_ms(1),
                      .ended_at = from_unix_ms(2),
                      .exit_code = {},
                      .signal = 9,
                      .timed_out = true,
                      .launch_error = "no",
                      .survivors = 2,
                      .user_time = Milliseconds{5},
                      .system_time = Milliseconds{6}};
  const auto result_again = result_record(canonical_json(to_json(result)));
  REQUIRE(result_again);
  CHECK(*result_again == result);

  EndRecord end{.sequence = 3,
                .site_state = "TIMEOUT",
                .outcome = domain::Outcome::timed_out,
                .started_at = from_unix_ms(1),
                .ended_at = from_unix_ms(2),
                .exit_code = 1,
                .signal = {},
                .reason = {"TIMEOUT", "words"}};
  const auto end_again = end_record(canonical_json(to_json(end)));
  REQUIRE(end_again);
  CHECK(*end_again == end);
}

TEST_CASE("a record that is torn, tampered with or of another kind is refused") {
  auto json = to_json(a_start());
  for (const int pid : {0, 1, -1, -4242}) {  // kill() would take them for many processes, or for init
    auto bad = json;
    bad["supervisor"] = pid;
    CHECK_FALSE(start_record(canonical_json(bad)));
    bad = json;
    bad["payload"] = pid;
    CHECK_FALSE(start_record(canonical_json(bad)));
  }
  for (const char* text : {"", "{", "[]", "null", "{}", "{\"supervisor\":\"4242\"}", "{\"id\":1e3}", "{\"spec\":[]}"}) {
    INFO(text);
    CHECK_FALSE(start_record(text));
    CHECK_FALSE(job_record(text));
    CHECK_FALSE(result_record(text));
    CHECK_FALSE(end_record(text));
  }
  CHECK_FALSE(end_record(R"({"sequence":1,"site_state":"X","outcome":"splendid","ended_at":1})"));
}
