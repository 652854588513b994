// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/slots.hpp"

#include <catch2/catch.hpp>

#include <chrono>

using namespace hansa;
using namespace hansa::connectors::local;
using namespace std::chrono_literals;
using Starts = std::vector<std::size_t>;

namespace {

const UtcTime kNow = from_unix_seconds(1000);
const Room kMachine{.cores = 4, .memory_mib = 4000, .gpus = 1};

Candidate job(std::int64_t cores, Seconds limit) { return {{.cores = cores, .memory_mib = cores, .gpus = 0}, limit}; }
Occupant until(std::int64_t cores, Seconds left) { return {{.cores = cores, .memory_mib = cores, .gpus = 0}, kNow + left}; }

}  // namespace

TEST_CASE("jobs start in order while they fit") {
  CHECK(choose_starts(kMachine, {}, {job(2, 1h), job(2, 1h), job(1, 1s)}, kNow) == Starts{0, 1});
}

TEST_CASE("a later job starts first only if it cannot delay the first that waits") {
  const std::vector<Occupant> running{until(3, 100s)};
  CHECK(choose_starts(kMachine, running, {job(4, 1h), job(1, 100s)}, kNow) == Starts{1});
  CHECK(choose_starts(kMachine, running, {job(4, 1h), job(1, 101s)}, kNow).empty());
  CHECK(choose_starts(kMachine, running, {job(3, 1h), job(1, 1h)}, kNow) == Starts{1});  // beside it there is room for ever
  CHECK(choose_starts(kMachine, {until(2, 100s)}, {job(3, 1h), job(1, 1h), job(1, 1h)}, kNow) == Starts{1});
}

TEST_CASE("jobs that start now count for the reservation") {
  // The first job ends at 10 s; the second needs all four cores then; the third must be gone by then.
  CHECK(choose_starts(kMachine, {}, {job(3, 10s), job(4, 1h), job(1, 11s), job(1, 10s)}, kNow) == Starts{0, 3});
}

TEST_CASE("memory and GPUs count like cores") {
  Candidate greedy{{.cores = 1, .memory_mib = 3000, .gpus = 0}, 1h};
  CHECK(choose_starts(kMachine, {}, {greedy, greedy}, kNow) == Starts{0});
  Candidate gpu{{.cores = 1, .memory_mib = 1, .gpus = 1}, 1h};
  CHECK(choose_starts(kMachine, {}, {gpu, gpu}, kNow) == Starts{0});
}

TEST_CASE("a job larger than the machine holds nobody up") {
  CHECK(choose_starts(kMachine, {until(1, 10s)}, {job(9, 1h), job(2, 1h)}, kNow) == Starts{1});
}

TEST_CASE("a job that wants the machine for itself alone takes all of it, if it holds the job") {
  CHECK(room_for({.nodes = 1, .tasks = 1, .cpus_per_task = 1, .exclusive = true}, kMachine) == kMachine);
  CHECK_FALSE(kMachine.holds(room_for({.nodes = 1, .tasks = 999, .cpus_per_task = 1, .exclusive = true}, kMachine)));
  CHECK_FALSE(kMachine.holds(
      room_for({.nodes = 1, .tasks = 1, .cpus_per_task = 1, .memory_per_node = {999'999'999}, .exclusive = true}, kMachine)));
}

TEST_CASE("memory that is not asked for comes with the cores") {
  CHECK(room_for({.nodes = 1, .tasks = 2, .cpus_per_task = 1}, kMachine) == Room{.cores = 2, .memory_mib = 2000, .gpus = 0});
  CHECK(room_for({.nodes = 1, .tasks = 1, .cpus_per_task = 1, .memory_per_node = {77}, .gpus_per_node = 1}, kMachine) ==
        Room{.cores = 1, .memory_mib = 77, .gpus = 1});
  CHECK(room_for({.nodes = 1, .tasks = 2'000'000'000, .cpus_per_task = 2'000'000'000}, kMachine).cores ==
        4'000'000'000'000'000'000);
}
