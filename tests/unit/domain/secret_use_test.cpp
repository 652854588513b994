// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/secret_use.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::domain;

TEST_CASE("a secret is named with the file that it is found in") {
  const auto plain = parse_secret_use("hf-token");
  REQUIRE(plain);
  CHECK(*plain == SecretUse{.name = "hf-token", .file = "hf-token"});
  CHECK(to_text(*plain) == "hf-token");
  const auto filed = parse_secret_use("s3.key=credentials_2");
  REQUIRE(filed);
  CHECK(*filed == SecretUse{.name = "s3.key", .file = "credentials_2"});
  CHECK(to_text(*filed) == "s3.key=credentials_2");
  CHECK(to_text(*parse_secret_use("a=a")) == "a");
}

TEST_CASE("no name of a secret leads elsewhere, and what is wrong is not repeated") {
  const std::string long_name(65, 'a');
  for (const std::string text : {"", "=", "a=", "=a", ".a", "-a", "_a", "..", "a/b", "a=b/c", "a=../b", "a=.b", "a b", "a=b=c",
                                 "\xC3\xA4", "a\nb", long_name.c_str()}) {
    INFO(text);
    const auto read = parse_secret_use(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "BAD_SECRET");
  }
  CHECK(parse_secret_use(std::string(64, 'a') + '=' + std::string(64, 'b')));
  const auto pasted = parse_secret_use("hunter2 the secret itself");
  REQUIRE_FALSE(pasted);
  CHECK_FALSE(pasted.error().message.contains("hunter2"));
}
