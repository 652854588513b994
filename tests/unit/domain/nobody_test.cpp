// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/nobody.hpp"

#include <catch2/catch.hpp>

using namespace hansa;

TEST_CASE("a name is found where it stands alone") {
  domain::Names names;
  names.add("local:anna");
  names.add("anna");
  for (const auto* told : {"local:anna", "of local:anna.", "person:local:anna", "(local:anna)", "local:anna: no", "/home/anna/x",
                           "anna@login1 was refused", "anna:staff", "as anna. Then"}) {
    INFO(told);
    CHECK(names.in(told));
    CHECK_FALSE(names.without(told).contains("anna"));
  }
  for (const auto* other :
       {"malanna", "anna-b", "anna.maria", "anna+x", "maria.anna", "x@anna", "local:anna@uni.fi", "other:anna:b"}) {
    INFO(other);
    CHECK_FALSE(names.in(other));
    CHECK(names.without(other) == other);
  }
  domain::Names principal;
  principal.add("local:anna");
  for (const auto* other : {"local:anna.maria", "local:anna@uni.fi", "local:anna+x", "local:anna:b", "my.local:anna"}) {
    INFO(other);
    CHECK_FALSE(principal.in(other));
    CHECK(principal.without(other) == other);
  }
}
