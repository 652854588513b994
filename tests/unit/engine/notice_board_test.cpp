// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/notice_board.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <thread>

using namespace hansa;
using namespace hansa::engine;
using namespace std::chrono_literals;

namespace {

domain::Job job_of(std::int32_t tasks) {
  domain::Job job;
  job.owner = Principal{"local:alice"};
  job.spec.project = ProjectId{"ai-lab"};
  job.spec.resources.tasks = tasks;
  return job;
}

std::shared_ptr<const Notice> held(std::string why, MonotonicTime good_until) {
  domain::Decision decision;
  decision.reason = {"NO_SITE_NOW", why};
  return std::make_shared<const Notice>(domain::Held{.reason = decision.reason}, domain::JobState::held, decision, good_until);
}

constexpr MonotonicTime kNow{1'000'000ms};

}  // namespace

TEST_CASE("a job of a line that was told is told the same, until that is old", "[engine]") {
  NoticeBoard board;
  board.outlook(3, false, true);
  board.put_up(shape_of(job_of(2)), held("alpha is full", kNow + 1s));
  const auto told = board.foresee(job_of(2), kNow);
  REQUIRE(told);
  CHECK(told->round == 3);
  REQUIRE(told->events.size() == 1);
  CHECK(std::get<domain::Held>(told->events[0]).reason.message == "alpha is full");
  REQUIRE(told->decision);
  CHECK(told->decision->reason.message == "alpha is full");
  CHECK(told->documents.empty());

  const auto old = board.foresee(job_of(2), kNow + 1s);
  REQUIRE(old);
  CHECK(old->events.empty());
  const auto other = board.foresee(job_of(3), kNow);  // no line of its shape has been told anything
  REQUIRE(other);
  CHECK(other->events.empty());
}

TEST_CASE("news, and a notice that is taken down, leave the word to the next round", "[engine]") {
  NoticeBoard board;
  CHECK(board.foresee(job_of(2), kNow));  // before the first round: news of every site
  board.outlook(1, false, true);
  board.put_up(shape_of(job_of(2)), held("alpha is full", kNow + 1s));
  REQUIRE_FALSE(board.foresee(job_of(2), kNow)->events.empty());
  SECTION("a site has news") {
    board.outlook(1, true, true);
    CHECK(board.foresee(job_of(2), kNow)->events.empty());
    board.outlook(2, false, true);
    CHECK_FALSE(board.foresee(job_of(2), kNow)->events.empty());
  }
  SECTION("its line is over") {
    board.put_up(shape_of(job_of(2)), nullptr);
    CHECK(board.foresee(job_of(2), kNow)->events.empty());
  }
  SECTION("all are taken down") {
    board.take_all_down();
    CHECK(board.foresee(job_of(2), kNow)->events.empty());
  }
}

TEST_CASE("where nobody waits only placement can say", "[engine]") {
  NoticeBoard board;
  board.outlook(1, false, false);
  board.put_up(shape_of(job_of(2)), held("alpha is full", kNow + 1s));
  CHECK_FALSE(board.foresee(job_of(2), kNow));
}

TEST_CASE("whoever reads the board while it is written gets one whole notice", "[engine]") {
  NoticeBoard board;
  board.outlook(0, false, true);
  const auto shape = shape_of(job_of(2));
  board.put_up(shape, held("0", kNow + 1s));
  std::atomic<bool> over{false};
  std::thread placement([&] {
    for (int i = 1; i <= 2'000; ++i) board.put_up(shape, held(std::to_string(i), kNow + 1s));
    over = true;
  });
  bool whole = true;
  do {
    const auto told = board.foresee(job_of(2), kNow);
    whole = whole && told && told->events.size() == 1 &&
            std::get<domain::Held>(told->events[0]).reason.message == told->decision->reason.message;
  } while (!over);
  placement.join();
  CHECK(whole);
}

TEST_CASE("a shape tells apart whatever placement looks at", "[engine]") {
  const auto same = shape_of(job_of(2));
  CHECK(shape_of(job_of(2)) == same);
  const auto differs = [&](auto change) {
    auto job = job_of(2);
    change(job);
    return shape_of(job) != same;
  };
  CHECK(differs([](auto& job) { job.owner = Principal{"local:bob"}; }));
  CHECK(differs([](auto& job) { job.spec.project = ProjectId{"other"}; }));
  CHECK(differs([](auto& job) { job.spec.resources.nodes += 1; }));
  CHECK(differs([](auto& job) { job.spec.resources.cpus_per_task += 1; }));
  CHECK(differs([](auto& job) { job.spec.resources.memory_per_node.value += 1; }));
  CHECK(differs([](auto& job) { job.spec.resources.gpus_per_node += 1; }));
  CHECK(differs([](auto& job) { job.spec.resources.gpu_model = "a100"; }));
  CHECK(differs([](auto& job) { job.spec.time_limit += 1s; }));
  CHECK(differs([](auto& job) { job.spec.placement.sites.emplace_back("alpha"); }));
  CHECK(differs([](auto& job) { job.spec.placement.countries.emplace_back("FI"); }));
  CHECK(differs([](auto& job) { job.spec.datasets.emplace_back("corpus"); }));
}
