// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/audit_log.hpp"

#include <catch2/catch.hpp>

using namespace hansa::connectors::account_switch;

TEST_CASE("a logged value cannot end its line, its quotes or its field", "[T08]") {
  CHECK(in_quotes("local:alice") == "\"local:alice\"");
  CHECK(in_quotes("") == "\"\"");
  CHECK(in_quotes("a\nended pid=1") == "\"a\\x0aended pid=1\"");
  CHECK(in_quotes("a\" account=\"root") == "\"a\\x22 account=\\x22root\"");
  CHECK(in_quotes("\\x0a") == "\"\\x5cx0a\"");
  CHECK(in_quotes(std::string("\0\x1b[2J\x7f\r", 7)) == "\"\\x00\\x1b[2J\\x7f\\x0d\"");
  CHECK(in_quotes("\xc3\xa4") == "\"\\xc3\\xa4\"");
}

TEST_CASE("a logged value is bounded") {
  CHECK(in_quotes(std::string(256, 'a')) == '"' + std::string(256, 'a') + '"');
  CHECK(in_quotes(std::string(10'000, 'a')) == '"' + std::string(256, 'a') + "...\"");
}
