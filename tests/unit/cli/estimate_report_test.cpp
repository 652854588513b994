// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/estimate_report.hpp"

#include <catch2/catch.hpp>

namespace hansa::cli {
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
