// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"

#include <catch2/catch.hpp>

namespace hansa::contract {

std::unique_ptr<StoreUnderTest> next_store() {
  const auto kinds = stores_under_test();
  const auto index = GENERATE(range(0, static_cast<int>(stores_under_test().size())));
  UNSCOPED_INFO("store: " << kinds[static_cast<std::size_t>(index)].name);
  return kinds[static_cast<std::size_t>(index)].make();
}

}  // namespace hansa::contract
