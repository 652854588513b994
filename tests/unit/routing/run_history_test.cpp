// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/run_history.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace hansa::routing {

TEST_CASE("a person's next job is expected to run as their last two did, within its limit") {
  RunHistory<std::string> history;
  CHECK(history.expected("ann", 100) == 100);
  history.ran("ann", 40);
  CHECK(history.expected("ann", 100) == 40);
  history.ran("ann", 60);
  CHECK(history.expected("ann", 100) == 50);
  history.ran("ann", 400);
  CHECK(history.expected("ann", 1000) == 230);
  CHECK(history.expected("ann", 100) == 100);
  CHECK(history.expected("bob", 7) == 7);
  history.ran("bob", 0);
  CHECK(history.expected("bob", 7) == 1);
}

}  // namespace hansa::routing
