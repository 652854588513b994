// SPDX-License-Identifier: Apache-2.0
#include "config/text_file.hpp"

#include "tests/testbed/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <fstream>

namespace hansa::config {

TEST_CASE("a file of secrets that everybody can read or change is told with its remedy") {
  const hansa::test::TemporaryFolder folder;
  const auto file = folder.path() + "/secret";
  CHECK_FALSE(exposure_of(file));  // others find out that it is not there
  std::ofstream(file) << "user:word\n";
  for (const ::mode_t mode : {0600U, 0640U, 0660U, 0400U}) {
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    CHECK_FALSE(exposure_of(file));
  }
  for (const ::mode_t mode : {0604U, 0644U, 0602U, 0666U}) {
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    const auto told = exposure_of(file);
    REQUIRE(told);
    CHECK(told->contains(file));
    CHECK(told->contains("chmod 0640"));
  }
}

}  // namespace hansa::config
