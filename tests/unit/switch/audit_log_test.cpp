// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/audit_log.hpp"

#include <catch2/catch.hpp>

using namespace hansa::connectors::account_switch;

TEST_CASE("a logged value cannot end its line, its quotes or its field") {
  CHECK(quoted("local:alice") == "\"local:alice\"");
  CHECK(quoted("") == "\"\"");
  CHECK(quoted("a\nended pid=1") == "\"a\\x0aended pid=1\"");
  CHECK(quoted("a\" account=\"root") == "\"a\\x22 account=\\x22root\"");
  CHECK(quoted("\\x0a") == "\"\\x5cx0a\"");
  CHECK(quoted(std::string("\0\x1b[2J\x7f\r", 7)) == "\"\\x00\\x1b[2J\\x7f\\x0d\"");
  CHECK(quoted("\xc3\xa4") == "\"\\xc3\\xa4\"");
}

TEST_CASE("a logged value is bounded") {
  CHECK(quoted(std::string(256, 'a')) == '"' + std::string(256, 'a') + '"');
  CHECK(quoted(std::string(10'000, 'a')) == '"' + std::string(256, 'a') + "...\"");
}
