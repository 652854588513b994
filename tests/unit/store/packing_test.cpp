// SPDX-License-Identifier: Apache-2.0
#include "broker/store/jobs.hpp"

#include <catch2/catch.hpp>

using namespace hansa::store;

TEST_CASE("a packed list comes back byte for byte") {
  const std::vector<std::vector<std::string>> lists{
      {}, {""}, {"", ""}, {"a", "5:hello,", ","}, {std::string("\0\xff\n", 3)}, {std::string(100'000, ':')}};
  for (const auto& list : lists) CHECK(unpack(pack(list)) == list);
}

TEST_CASE("what is not a packed list is not guessed at") {
  for (const auto* bad : {"5", "5:", "5:abc", "5:hello", "5:hello;", ":a,", "a:b,", "-1:,", "1:a,x", "1:a,2:", " 1:a,",
                          "99999999999:a,", "18446744073709551615:,"}) {
    INFO(bad);
    CHECK_FALSE(unpack(bad));
  }
}
