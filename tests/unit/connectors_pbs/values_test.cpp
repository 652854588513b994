// SPDX-License-Identifier: Apache-2.0
#include "connectors/pbs/values.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace hansa::connectors::pbs {

TEST_CASE("times of PBS: ctime under UTC, and seconds") {
  CHECK(parse_time("Sun Nov 22 09:05:22 2026") == from_unix_seconds(1'795'338'322));
  CHECK(parse_time("Tue Dec  1 00:00:00 2026") == from_unix_seconds(1'796'083'200));
  CHECK(parse_time("1795338327") == from_unix_seconds(1'795'338'327));
  for (const auto bad : {"", "yesterday", "Sun Nov 22 09:05:22 26", "Sun Nov 31 09:05:22 2026", "Sun Nev 22 09:05:22 2026",
                         "Sun Nov 22 24:05:22 2026", "Sun Nov 22 09:05:22 2026 ", "-1", "1e9", "Sun Nov -2 09:05:22 2026"}) {
    INFO(bad);
    CHECK_FALSE(parse_time(bad).has_value());
  }
}

TEST_CASE("lengths of PBS") {
  CHECK(parse_length("00:00:03") == Seconds{3});
  CHECK(parse_length("1000:00:00") == Seconds{3'600'000});
  CHECK(parse_length("90") == Seconds{90});
  CHECK(parse_length("02:30") == Seconds{150});
  for (const auto bad : {"", ":", "1:2:3:4", "-1", "1:-2", "x", "1::2"}) {
    INFO(bad);
    CHECK_FALSE(parse_length(bad).has_value());
  }
}

TEST_CASE("sizes of PBS are rounded up to MiB") {
  CHECK(parse_size("24683620kb") == Mebibytes{24106});
  CHECK(parse_size("100mb") == Mebibytes{100});
  CHECK(parse_size("4gb") == Mebibytes{4096});
  CHECK(parse_size("2tb") == Mebibytes{2 << 20});
  CHECK(parse_size("1b") == Mebibytes{1});
  CHECK(parse_size("1048577") == Mebibytes{2});
  CHECK(parse_size("131072w") == Mebibytes{1});
  CHECK(parse_size("1048576KB") == Mebibytes{1024});
  CHECK(parse_size("0kb") == Mebibytes{0});
  for (const auto bad : {"", "b", "kb", "-1gb", "1.5gb", "12zz", "99999999999999999pb", "1 gb"}) {
    INFO(bad);
    CHECK_FALSE(parse_size(bad).has_value());
  }
}

TEST_CASE("job ids of PBS") {
  for (const auto good : {"0.pbs01", "12345.pbs-1.example.eu", "19[].pbs01", "19[2].pbs01"}) CHECK(is_job_id(good));
  for (const auto bad : {"", "12", "12.", ".pbs01", "x.pbs01", "12.pbs01 ", "12.pbs01\n13.pbs01", "19[.pbs01", "19].pbs01",
                         "19[x].pbs01", "-1.pbs01", "12.-x", "12.a/b", "12.a;b"}) {
    INFO(bad);
    CHECK_FALSE(is_job_id(bad));
  }
  CHECK_FALSE(is_job_id("1." + std::string(300, 'a')));
}

TEST_CASE("what a job asks for") {
  const auto chunks = parse_select("2:ncpus=4:mem=1gb:ngpus=1:gpu_model=a100:mpiprocs=4+ncpus=1:host=n1", {"ngpus", "gpu_model"});
  REQUIRE(chunks.has_value());
  REQUIRE(chunks->size() == 2);
  CHECK(chunks->at(0).copies == 2);
  CHECK(chunks->at(0).cores == 4);
  CHECK(chunks->at(0).memory == Mebibytes{1024});
  CHECK(chunks->at(0).gpus == 1);
  CHECK(chunks->at(0).gpu_model == "a100");
  CHECK(chunks->at(1).copies == 1);
  CHECK(chunks->at(1).cores == 1);
  CHECK(parse_select("4", {})->front().copies == 4);
  for (const auto bad : {"", "+", "1:ncpus=x", "1:ncpus", "1:mem=lots", "9999999999:ncpus=1", "1:ncpus=-1"}) {
    INFO(bad);
    CHECK_FALSE(parse_select(bad, {}).has_value());
  }
}

TEST_CASE("what a job has, node by node") {
  const auto parts = parse_exec_vnode("(n1:ncpus=4:mem=1048576kb+n2:ncpus=2)+(n1:ncpus=1:ngpus=2)", {});
  REQUIRE(parts.has_value());
  REQUIRE(parts->size() == 2);
  CHECK(parts->at(0).node == "n1");
  CHECK(parts->at(0).cores == 5);
  CHECK(parts->at(0).memory == Mebibytes{1024});
  CHECK(parts->at(0).gpus == 2);
  CHECK(parts->at(1).node == "n2");
  CHECK(parts->at(1).cores == 2);
  for (const auto bad : {"", "()", "(:ncpus=1)", "(n1:ncpus=x)", "(n1:ncpus)"}) {
    INFO(bad);
    CHECK_FALSE(parse_exec_vnode(bad, {}).has_value());
  }
}

}  // namespace hansa::connectors::pbs
