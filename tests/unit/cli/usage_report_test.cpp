// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/usage_report.hpp"

#include "broker/cli/estimate_report.hpp"

#include <catch2/catch.hpp>

namespace hansa::cli {
namespace {

Json row(const char* project, const char* site, std::int64_t runs, std::int64_t seconds) {
  return {{"project", project},          {"site", site},     {"runs", runs},           {"elapsed_s", seconds},
          {"core_seconds", 2 * seconds}, {"gpu_seconds", 0}, {"node_seconds", seconds}};
}

}  // namespace

TEST_CASE("usage as CSV", "[usage_report]") {
  const Json report{{"by", {"project", "site"}},
                    {"rows", {row("ai-lab", "alpha", 3, 90), row("=evil,1", "be\"ta", 1, 9'007'199'254'740'993)}}};
  CHECK(usage_csv(report) ==
        "project,site,runs,elapsed_s,core_seconds,gpu_seconds,node_seconds\r\n"
        "ai-lab,alpha,3,90,180,0,90\r\n"
        "\"'=evil,1\",\"be\"\"ta\",1,9007199254740993,18014398509481986,0,9007199254740993\r\n");
  CHECK(usage_csv({{"by", {"site"}}, {"rows", Json::array()}}) ==
        "site,runs,elapsed_s,core_seconds,gpu_seconds,node_seconds\r\n");
}

TEST_CASE("usage as a table has a total where there is something to add up", "[usage_report]") {
  Json report{{"by", {"project"}}, {"rows", {row("ai-lab", "alpha", 3, 90)}}};
  CHECK(usage_table(report, {}) ==
        "PROJECT  RUNS  ELAPSED  CORE-SECONDS  GPU-SECONDS  NODE-SECONDS\n"
        "ai-lab      3    1m30s           180            0            90\n");
  report["rows"].push_back(row("x\x1b[2J", "beta", 1, 30));
  CHECK(usage_table(report, {}) ==
        "PROJECT   RUNS  ELAPSED  CORE-SECONDS  GPU-SECONDS  NODE-SECONDS\n"
        "ai-lab       3    1m30s           180            0            90\n"
        "x\\x1b[2J     1      30s            60            0            30\n"
        "total        4       2m           240            0           120\n");
  CHECK(usage_table({{"by", {"project"}}, {"rows", Json::array()}}, {}).empty());
}

TEST_CASE("estimates: the shares that started in time for people, counts for spreadsheets", "[estimate_report]") {
  const Json report{{"by", {"site", "class"}},
                    {"rows",
                     {{{"site", "alpha"},
                       {"class", "small"},
                       {"starts", 7},
                       {"estimated", 6},
                       {"within_p50", 3},
                       {"ranged", 6},
                       {"within_p90", 5},
                       {"predicted_s", 600},
                       {"actual_s", 540},
                       {"error_s", 65}},
                      {{"site", "be\x1b[2Jta"},
                       {"class", "large"},
                       {"starts", 1},
                       {"estimated", 0},
                       {"within_p50", 0},
                       {"ranged", 0},
                       {"within_p90", 0},
                       {"predicted_s", nullptr},
                       {"actual_s", 0},
                       {"error_s", nullptr}}}}};
  CHECK(estimates_table(report, {}) ==
        "SITE         CLASS  STARTS  PREDICTED  WAITED  WITHIN P50  WITHIN P90  OFF BY\n"
        "alpha        small       7        10m      9m        50 %        83 %    1m5s\n"
        "be\\x1b[2Jta  large       1          -      0s           -           -       -\n");
  CHECK(estimates_csv(report).starts_with(
      "site,class,starts,estimated,within_p50,ranged,within_p90,predicted_s,actual_s,error_s\r\n"
      "alpha,small,7,6,3,6,5,600,540,65\r\n"));
  CHECK(estimates_csv(report).ends_with(",large,1,0,0,0,0,,0,\r\n"));
  CHECK(estimates_table({{"by", {"site"}}, {"rows", Json::array()}}, {}).empty());
  const Json absurd{{"by", {"site"}}, {"rows", {{{"site", "x"}, {"estimated", INT64_MAX}, {"within_p50", INT64_MAX}}}}};
  CHECK(estimates_table(absurd, {}).contains("100 %"));
}

}  // namespace hansa::cli
