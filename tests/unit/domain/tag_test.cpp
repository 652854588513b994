// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/job.hpp"
#include "tests/unit/domain/random_values.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <string>

using namespace hansa;
using namespace hansa::domain;

TEST_CASE("a tag is the job and the attempt, and is read back") {
  const auto id = *JobId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV");
  CHECK(make_tag(id, 1).str() == "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-1");
  CHECK(make_tag(id, 2147483647).str() == "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-2147483647");
  rc::prop("parse_tag(make_tag(j, n)) == (j, n)", [] {
    const auto job = test::random_id();
    const auto attempt = *rc::gen::oneOf(rc::gen::inRange(1, 20), rc::gen::positive<std::int32_t>());
    const auto parts = parse_tag(make_tag(job, attempt).str());
    RC_ASSERT(parts.has_value());
    RC_ASSERT(parts->job == job);
    RC_ASSERT(parts->attempt == attempt);
  });
}

TEST_CASE("a name that anybody could give to a job is no tag", "[T20]") {
  const std::string good = "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-1";
  REQUIRE(parse_tag(good));
  const std::string kHostile[] = {
      "",
      "bash",
      "hansa",
      "hansa-",
      "hansa--1",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV",              // no attempt
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-0",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-01",           // another spelling of 1
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-+1",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV--1",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-1 ",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV- 1",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-1.0",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-0x1",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-1-1",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-2147483648",   // past 32 bits
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-99999999999999999999",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAV_1",
      "hansa-01aryz6s41tsv4rrffq69g5fav-1",            // another spelling of the id
      "hansa-O1ARYZ6S41TSV4RRFFQ69G5FAV-1",
      "hansa-81ARYZ6S41TSV4RRFFQ69G5FAV-1",            // past 128 bits
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FA-1",
      "hansa-01ARYZ6S41TSV4RRFFQ69G5FAVV-1",
      "HANSA-01ARYZ6S41TSV4RRFFQ69G5FAV-1",
      "Hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-1",
      " hansa-01ARYZ6S41TSV4RRFFQ69G5FAV-1",
      "xhansa-01ARYZ6S41TSV4RRFFQ69G5FAV-1",
      "hansa01ARYZ6S41TSV4RRFFQ69G5FAV-1",
      good + "\n",
      good + std::string(1, '\0'),
      good + "\xD9\xA1",                               // an Arabic one
      good + "; rm -rf /",
      std::string(100'000, 'h'),
  };
  for (const auto& text : kHostile) {
    CAPTURE(text.substr(0, 60));
    CHECK_FALSE(parse_tag(text));
  }
}

TEST_CASE("the fullest node needs its share of the tasks, rounded up") {
  const auto cores = [](std::int32_t nodes, std::int32_t tasks, std::int32_t cpus) {
    return Resources{.nodes = nodes, .tasks = tasks, .cpus_per_task = cpus}.cores_per_node();
  };
  CHECK(cores(1, 1, 1) == 1);
  CHECK(cores(2, 2, 4) == 4);
  CHECK(cores(2, 3, 4) == 8);
  CHECK(cores(3, 10, 1) == 4);
  CHECK(cores(1, 128, 2) == 256);
}
