// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/estimate.hpp"

#include "tests/unit/routing/random_site.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <chrono>
#include <limits>

using namespace hansa;
using namespace hansa::routing;
using namespace hansa::routing::test;
using namespace std::chrono_literals;
using domain::Basis;
using domain::Likeness;

namespace {

domain::WaitScore waited(Seconds predicted, Seconds actual, Basis basis = Basis::queue, SizeClass size = SizeClass::small,
                         const char* project = "lab") {
  return {.site = SiteId("alpha"),
          .project = ProjectId(project),
          .size_class = std::string(to_string(size)),
          .basis = basis,
          .predicted = basis != Basis::history && basis != Basis::none ? std::optional(predicted) : std::nullopt,
          .p50 = predicted,
          .p90 = std::nullopt,
          .actual = actual};
}

domain::JobSpec job_of(std::int32_t cores, const char* project = "lab") {
  domain::JobSpec spec;
  spec.project = ProjectId(project);
  spec.resources.cpus_per_task = cores;
  return spec;
}

Estimate after(const WaitHistory& history, Seconds played, bool sees_everyone = true) {
  return estimate(played, sees_everyone, history.outlook(job_of(1), sees_everyone));
}

}  // namespace

TEST_CASE("size classes are drawn by the whole job's cores, or its GPUs") {
  const auto of = [](std::int32_t nodes, std::int32_t tasks, std::int32_t cpus, std::int32_t gpus) {
    return to_string(size_class({.nodes = nodes, .tasks = tasks, .cpus_per_task = cpus, .gpus_per_node = gpus, .gpu_model = ""}));
  };
  CHECK(of(1, 1, 1, 0) == "small");
  CHECK(of(1, 4, 4, 0) == "small");
  CHECK(of(2, 17, 1, 0) == "medium");
  CHECK(of(16, 16, 16, 0) == "medium");
  CHECK(of(16, 257, 1, 0) == "large");
  CHECK(of(1, 64, 8, 4) == "gpu-small");
  CHECK(of(2, 2, 1, 4) == "gpu-large");
  for (std::size_t i = 0; i < kSizeClasses; ++i) {
    const auto size = static_cast<SizeClass>(i);
    CHECK(parse_size_class(to_string(size)) == size);
  }
  CHECK_FALSE(parse_size_class("tiny"));
}

TEST_CASE("fewer than nine starts correct nothing, and say no p90") {
  WaitHistory history;
  for (int i = 0; i < 8; ++i) history.add(waited(1000s, 5000s));
  CHECK(after(history, 1000s).p50 == 1000s);
  CHECK_FALSE(after(history, 1000s).p90);
  CHECK_FALSE(after(history, 1000s).correction);
  history.add(waited(1000s, 5000s));
  CHECK(after(history, 1000s).p50 == 5000s);
  CHECK(after(history, 1000s).p90 == 5000s);
  CHECK(after(history, 1000s).predicted == 1000s);
}

TEST_CASE("the more a job is like those of the past, the more they say: project and size, size, site") {
  WaitHistory history;
  const auto likeness = [&](std::int32_t cores, const char* project) {
    const auto found = history.outlook(job_of(cores, project), true).corrections[static_cast<std::size_t>(Measure::later)];
    return found ? std::optional(found->likeness) : std::nullopt;
  };
  for (int i = 0; i < 9; ++i) history.add(waited(1000s, 2000s, Basis::queue, SizeClass::small, "lab"));
  CHECK(likeness(1, "lab") == Likeness::project);
  CHECK(likeness(1, "other") == Likeness::size);
  CHECK(likeness(1000, "lab") == Likeness::site);
  for (int i = 0; i < 9; ++i) history.add(waited(1000s, 9000s, Basis::queue, SizeClass::large, "other"));
  CHECK(after(history, 1000s).p50 == 2000s);
  CHECK(estimate(1000s, true, history.outlook(job_of(1000, "lab"), true)).p50 == 9000s);
}

TEST_CASE("that jobs start at once is measured apart from how long others wait") {
  WaitHistory history;
  for (int i = 0; i < 20; ++i) history.add(waited(0s, 600s));
  CHECK(after(history, 0s).p50 == 600s);
  CHECK(after(history, 7200s).p50 == 7200s);
  for (int i = 0; i < 20; ++i) history.add(waited(7200s, 1800s));
  CHECK(after(history, 0s).p50 == 600s);
  CHECK(after(history, 7200s).p50 == 1800s);
}

TEST_CASE("what is finer than a minute is as predicted") {
  WaitHistory history;
  for (int i = 0; i < 20; ++i) history.add(waited(0s, Seconds{i * 3}));
  CHECK(after(history, 0s).p50 == 0s);
  CHECK(after(history, 0s).p90 == 0s);
}

TEST_CASE("a site that hides its queue: the scheduler's word, then how long ours have waited, then no estimate") {
  WaitHistory history;
  CHECK(after(history, 100s, false).basis == Basis::none);
  CHECK_FALSE(after(history, 100s, false).p50);
  for (int i = 0; i < 9; ++i) history.add(waited(0s, Seconds{600 * (i + 1)}, Basis::none));
  auto found = after(history, 100s, false);
  CHECK(found.basis == Basis::history);
  CHECK(found.p50 == 3000s);   // the fifth of nine
  CHECK(found.p90 == 5400s);   // the ninth
  CHECK_FALSE(found.predicted);
  auto outlook = history.outlook(job_of(1), false);
  outlook.scheduler_says = 4000s;
  found = estimate(100s, false, outlook);
  CHECK(found.basis == Basis::scheduler);
  CHECK(found.p50 == 4000s);
  CHECK_FALSE(found.p90);
  for (int i = 0; i < 9; ++i) history.add(waited(4000s, 2000s, Basis::scheduler));
  outlook = history.outlook(job_of(1), false);
  outlook.scheduler_says = 8000s;
  CHECK(estimate(100s, false, outlook).p50 == times_factor(8000s, factor_ppm(4000s, 2000s)));
  CHECK(after(history, 100s, true).basis == Basis::queue);  // what is seen goes before all of it
}

TEST_CASE("a site that hides its queue: room now goes before all words, and is corrected by how often it was taken by others") {
  WaitHistory history;
  CHECK(after(history, 0s, false).basis == Basis::room);
  CHECK(after(history, 0s, false).p50 == 0s);
  for (int i = 0; i < 9; ++i) history.add(waited(0s, Seconds{600 * (i + 1)}, Basis::room));
  const auto found = after(history, 0s, false);
  CHECK(found.basis == Basis::room);
  CHECK(found.p50 == 3000s);
  auto outlook = history.outlook(job_of(1), false);
  outlook.ours_first = true;
  CHECK(estimate(0s, false, outlook).basis == Basis::history);
  outlook.scheduler_says = 10s;
  CHECK(estimate(0s, false, outlook).basis == Basis::scheduler);
}

TEST_CASE("no wait is beyond reckoning") {
  constexpr auto kMost = Seconds::max();
  for (const auto predicted : {Seconds::min(), -1s, 0s, 60s, Seconds{kHorizon}, kMost}) {
    for (const auto actual : {Seconds::min(), -1s, 0s, 86'400s, kMost}) {
      const auto wait = times_factor(predicted, factor_ppm(predicted, actual));
      CHECK(wait >= 0s);
      CHECK(wait <= Seconds{kHorizon});
    }
    CHECK(times_factor(predicted, std::numeric_limits<std::int64_t>::max()) <= Seconds{kHorizon});
    CHECK(times_factor(predicted, std::numeric_limits<std::int64_t>::min()) == 0s);
  }
}

TEST_CASE("an outlook as it is stored is the same one") {
  WaitHistory history;
  for (int i = 0; i < 30; ++i) history.add(waited(Seconds{i * 40}, Seconds{i * 70}));
  for (const bool sees_everyone : {true, false}) {
    auto outlook = history.outlook(job_of(1), sees_everyone);
    outlook.scheduler_says = 5s;
    outlook.ours_first = !sees_everyone;
    const auto again = outlook_from_json(to_json(outlook));
    REQUIRE(again);
    CHECK(*again == outlook);
  }
  CHECK(to_json(Outlook{}).empty());
  for (const auto* bad :
       {R"(3)", R"({"later": 3})", R"({"later": {"likeness": "friends", "count": 9, "p50_ppm": 1, "p90_ppm": 1}})",
        R"({"scheduler_says_s": "soon"})", R"({"ours_first": 1})"}) {
    INFO(bad);
    CHECK_FALSE(outlook_from_json(parse_json(bad).value()));
  }
}

TEST_CASE("correction has its algebra") {
  const auto random_wait = [] { return Seconds{pick(0, 200'000)}; };
  rc::prop("after enough starts with one bias, half of the next are within the p50", [&] {
    const auto predicted = random_wait(), actual = random_wait();
    WaitHistory history;
    const auto n = pick(9, 100);
    for (std::int32_t i = 0; i < n; ++i) history.add(waited(predicted, actual));
    const auto found = after(history, predicted);
    const auto off = *found.p50 > actual ? *found.p50 - actual : actual - *found.p50;
    RC_ASSERT(off <= kResolution);
    RC_ASSERT(found.p50 == found.p90);
  });
  rc::prop("p50 is never past p90, and the order of the starts in the window does not matter", [&] {
    std::vector<domain::WaitScore> scores;
    const auto n = pick(9, 64);
    for (std::int32_t i = 0; i < n; ++i) {
      const auto basis = pick(0, 3) == 0 ? Basis::none : Basis::queue;
      scores.push_back(waited(random_wait(), random_wait(), basis));
    }
    WaitHistory forth, back;
    for (const auto& score : scores) forth.add(score);
    std::ranges::reverse(scores);
    const auto turn = pick(0, n - 1);
    std::ranges::rotate(scores, scores.begin() + turn);
    for (const auto& score : scores) back.add(score);
    for (const bool sees_everyone : {true, false}) {
      const auto outlook = forth.outlook(job_of(1), sees_everyone);
      RC_ASSERT(outlook == back.outlook(job_of(1), sees_everyone));
      const auto found = estimate(random_wait(), sees_everyone, outlook);
      RC_ASSERT(!found.p90 || *found.p50 <= *found.p90);
    }
  });
  rc::prop("only the last 64 starts count", [&] {
    std::vector<domain::WaitScore> scores;
    const auto n = pick(64, 150);
    for (std::int32_t i = 0; i < n; ++i) scores.push_back(waited(7200s, random_wait()));
    WaitHistory all, last;
    for (const auto& score : scores) all.add(score);
    for (auto score = scores.end() - 64; score != scores.end(); ++score) last.add(*score);
    RC_ASSERT(all.outlook(job_of(1), true) == last.outlook(job_of(1), true));
    const auto correction = all.outlook(job_of(1), true).corrections[static_cast<std::size_t>(Measure::later)];
    RC_ASSERT(correction && correction->count == 64);
  });
  rc::prop("of starts from one distribution nine in ten come within the p90 that those before give", [&] {
    WaitHistory history;
    int within = 0, asked = 0;
    for (int i = 0; i < 400; ++i) {
      const auto actual = Seconds{7200 * std::int64_t{pick(1, 100)} / pick(1, 30)};
      if (const auto found = after(history, 7200s); found.p90) {
        ++asked;
        within += actual <= *found.p90 + kResolution ? 1 : 0;
      }
      history.add(waited(7200s, actual));
    }
    RC_ASSERT(within * 100 >= asked * 78);
  });
}
