// SPDX-License-Identifier: Apache-2.0
#include "broker/core/suggest.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace hansa;

TEST_CASE("the nearest candidate, if it is near") {
  const std::vector<std::string_view> fields{"nodes", "tasks", "cpus_per_task", "gpu_model", "time_limit_s"};
  const std::pair<const char*, const char*> kCases[] = {
      {"nodes", "nodes"},                  // itself
      {"node", "nodes"},                   // one missing, one too many, one wrong, two swapped
      {"nodess", "nodes"},
      {"nofes", "nodes"},
      {"ndoes", "nodes"},
      {"cpu_per_task", "cpus_per_task"},
      {"cpuspertask", "cpus_per_task"},
      {"time_limit", "time_limit_s"},
      {"TASKS", ""},                       // five letters away
      {"ntasks", "tasks"},
      {"wall", ""},
      {"xyz", ""},
      {"", ""},
  };
  for (const auto& [word, candidate] : kCases) {
    CAPTURE(word);
    CHECK(nearest(word, fields) == candidate);
  }
}

TEST_CASE("a tie goes to the first, an endless word to nobody, no candidates give nothing") {
  const std::vector<std::string_view> twins{"site_a", "site_b"};
  CHECK(nearest("site_c", twins) == "site_a");
  const std::string endless(65, 'n');
  const std::vector<std::string_view> same{endless};
  CHECK(nearest(endless, same).empty());
  CHECK(nearest("nodes", {}).empty());
}

TEST_CASE("the question is asked only if there is something to ask") {
  const std::vector<std::string_view> fields{"nodes"};
  CHECK(did_you_mean("noodes", fields) == " (did you mean \"nodes\"?)");
  CHECK(did_you_mean("walltime", fields).empty());
}
