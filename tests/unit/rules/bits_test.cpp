// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/bits.hpp"

#include <catch2/catch.hpp>

using hansa::rules::Bits;

TEST_CASE("all bits, around the borders of words: as many as there are, and none behind") {
  for (const std::size_t size : {1U, 2U, 63U, 64U, 65U, 128U, 129U, 130U}) {
    INFO(size);
    const Bits none(size), all(size, true);
    CHECK_FALSE(none.any());
    CHECK(all.count() == size);
    CHECK(all.full());
    CHECK_FALSE(none.full());
    for (std::size_t i = 0; i < size; ++i) CHECK(all.test(i));
    CHECK(none.within(all));
    CHECK_FALSE(all.within(none));
    CHECK_FALSE(all.meets(none));
    Bits set(size);
    for (std::size_t i = 0; i < size; ++i) {
      CHECK(all.meets([&] {
        Bits one(size);
        one.set(i);
        return one;
      }()));
      set.set(i);
      CHECK(set.count() == i + 1);
      CHECK((all - set).count() == size - i - 1);
    }
    CHECK(set == all);
    CHECK((all - all) == none);
    CHECK((none | all) == all);
    CHECK((none & all) == none);
  }
}
