// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/explanation.hpp"

#include <catch2/catch.hpp>

namespace hansa::cli {
namespace {

Json open_site(const char* site, int wait) {
  return {{"site", site},
          {"possible", true},
          {"obstacle", "none"},
          {"code", "OK"},
          {"message", "predicted"},
          {"source", "snapshot"},
          {"age_s", 12},
          {"queue", "main"},
          {"wait_s", wait},
          {"method", "queue played forward (EASY)"}};
}
Json shut_site(const char* site, const char* obstacle, const char* code, const char* message) {
  return {{"site", site}, {"possible", false},  {"obstacle", obstacle},
          {"code", code}, {"message", message}, {"source", "snapshot"}};
}

}  // namespace

TEST_CASE("a placed job: the chosen site first, then what else was possible, then what was not", "[explanation]") {
  const Json decision{
      {"at", "2026-11-22T10:00:00Z"},
      {"site", "delta"},
      {"reason", {{"code", "EARLIEST_START"}, {"message", "earliest predicted start: now"}}},
      {"job", {{"id", "01J"}, {"name", "train"}, {"state", "running"}}},
      {"verdicts",
       {shut_site("alpha", "permanent", "TOO_FEW_CORES", "needs 16 cores"),
        shut_site("beta", "temporary", "SITE_DOWN", "gone\x1b[2J"), open_site("gamma", 65), open_site("delta", 0)}}};
  CHECK(explanation(decision, {.width = 40}) ==
        "job 01J (train), running; decided for delta: earliest predicted start: now\n"
        "decided 2026-11-22T10:00:00Z\n"
        "\n"
        "delta  chosen    starts now      queue main, queue played forward (EASY), snapshot 12s old\n"
        "gamma  possible  starts in 1m5s  queue main, queue played forward (EASY), snapshot 12s old\n"
        "beta   not now   SITE_DOWN       gone\\x1b[2J\n"
        "alpha  no        TOO_FEW_CORES   needs 16 cores\n");
  CHECK_FALSE(is_never(decision));
}

TEST_CASE("a dry run that no site could ever take", "[explanation]") {
  const Json decision{{"at", "2026-11-22T10:00:00Z"},
                      {"site", nullptr},
                      {"reason", {{"code", "X"}, {"message", "no site could ever take it"}}},
                      {"verdicts", {shut_site("alpha", "permanent", "TOO_FEW_CORES", "needs 16 cores")}}};
  CHECK(explanation(decision, {}).starts_with("the job would be rejected: no site could ever take it\n"));
  CHECK(is_never(decision));
  auto held = decision;
  held["verdicts"].push_back(shut_site("beta", "temporary", "SITE_DOWN", "gone"));
  CHECK_FALSE(is_never(held));
  CHECK(explanation(held, {}).starts_with("the job would be held: "));
}

TEST_CASE("an answer that is no decision is shown as what it is", "[explanation]") {
  CHECK(explanation(Json::array(), {}).ends_with("the broker has no sites\n"));
  CHECK_FALSE(is_never(Json("x")));
}

}  // namespace hansa::cli
