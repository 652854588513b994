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
        "SITE   VERDICT   WAIT  START    WHY\n"
        "delta  chosen    none  now      queue main, queue played forward (EASY), snapshot 12s old\n"
        "gamma  possible  1m5s  in 1m5s  queue main, queue played forward (EASY), snapshot 12s old\n"
        "beta   not now                  SITE_DOWN: gone\\x1b[2J\n"
        "alpha  no                       TOO_FEW_CORES: needs 16 cores\n");
  CHECK_FALSE(is_never(decision));
}

TEST_CASE("a wait is a range, with what was predicted first and what corrected it", "[explanation]") {
  auto alpha = open_site("alpha", 600);
  alpha["wait_p90_s"] = 2700;
  alpha["predicted_s"] = 1500;
  alpha["correction"] = {{"likeness", "project"}, {"count", 40}, {"p50_ppm", 423'076}, {"p90_ppm", 1'769'230}};
  auto beta = open_site("beta", 1200);
  beta["method"] = "other people's jobs are hidden; how long ours have waited there";
  beta["correction"] = {{"likeness", "size"}, {"count", 9}, {"p50_ppm", 1}, {"p90_ppm", 2}};
  auto gamma = open_site("gamma", 0);
  gamma.erase("wait_s");
  auto delta = open_site("delta", 1900);
  delta["predicted_s"] = 0;
  delta["correction"] = {{"likeness", "site"}, {"count", 64}, {"p50_ppm", 1}, {"p90_ppm", 2}};
  const Json decision{{"site", "alpha"}, {"verdicts", {alpha, beta, gamma, delta}}};
  const auto text = explanation(decision, {});
  CHECK(text.ends_with(
      "alpha  chosen    10m          in 10m (up to 45m)  queue main, queue played forward (EASY), first predicted 25m, "
      "corrected by the "
      "last 40 starts of this project and size, snapshot 12s old\n"
      "beta   possible  20m          in 20m              queue main, other people's jobs are hidden; how long ours have "
      "waited there, by the "
      "last 9 starts of this size, snapshot 12s old\n"
      "delta  possible  31m40s       in 31m40s           queue main, queue played forward (EASY), first predicted now, "
      "corrected by the last "
      "64 starts, snapshot 12s old\n"
      "gamma  possible  no estimate  no estimate         queue main, queue played forward (EASY), snapshot 12s old\n"));
}

TEST_CASE("a site that lacks data starts the job when they are there, if its queue is not longer", "[explanation]") {
  auto alpha = open_site("alpha", 300);
  alpha["stage_in"] = {{"time_s", 1200},
                       {"bytes", 4096},
                       {"under_way", true},
                       {"from", {{{"dataset", "d1"}, {"site", "beta"}}, {{"dataset", "d2"}, {"site", "gamma"}}}}};
  auto beta = open_site("beta", 1800);
  beta["stage_in"] = {
      {"time_s", 60}, {"bytes", 7}, {"under_way", false}, {"from", Json::array({{{"dataset", "d1"}, {"site", "gamma"}}})}};
  const auto gamma = open_site("gamma", 1500);
  const Json decision{{"at", "2026-11-22T10:00:00Z"},
                      {"site", "alpha"},
                      {"reason", {{"code", "EARLIEST_START"}, {"message", "why"}}},
                      {"verdicts", {beta, gamma, alpha}}};
  const auto text = explanation(decision, {.width = 400});
  CHECK(
      text.ends_with("SITE   VERDICT   WAIT  DATA  START   WHY\n"
                     "alpha  chosen    5m    20m   in 20m  4096 bytes on their way: d1 from beta, d2 from gamma, queue main, "
                     "queue played forward "
                     "(EASY), snapshot 12s old\n"
                     "gamma  possible  25m         in 25m  queue main, queue played forward (EASY), snapshot 12s old\n"
                     "beta   possible  30m   1m    in 30m  7 bytes to come: d1 from gamma, queue main, queue played forward "
                     "(EASY), snapshot 12s "
                     "old\n"));
  CHECK(text.find("alpha ") < text.find("gamma "));
  CHECK(text.find("gamma ") < text.find("beta "));
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
