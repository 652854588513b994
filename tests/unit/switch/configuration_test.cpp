// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/configuration.hpp"

#include "connectors/switch/request.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace hansa;
using namespace hansa::connectors::account_switch;

namespace {

const std::string kMinimal = "callers = [\"daemon\"]\nprograms = [\"/usr/bin/env\"]\n";  // both are on every Debian

std::string faults_of(const std::string& toml) {
  const auto configuration = parse_configuration(toml, "switch.toml");
  REQUIRE_FALSE(configuration);
  CHECK(configuration.error().code == "SWITCH_CONFIGURATION");
  return one_line(configuration.error());
}

}  // namespace

TEST_CASE("what a configuration leaves out has safe values") {
  const auto configuration = parse_configuration(kMinimal, "switch.toml");
  REQUIRE(configuration);
  REQUIRE(configuration->callers.size() == 1);
  CHECK(configuration->callers[0].name == "daemon");
  CHECK(configuration->callers[0].uid > 0);
  CHECK(configuration->programs == std::vector<std::string>{"/usr/bin/env"});
  CHECK(configuration->minimum_uid == 1000);
  CHECK(configuration->environment == std::vector<std::string>{"LC_ALL", "TZ"});
  CHECK(configuration->accounts.empty());
  CHECK(configuration->denied_gids.empty());
  CHECK(configuration->max_concurrent == 64);
  CHECK(configuration->request_time_s == 10);
}

TEST_CASE("every key is taken") {
  const auto configuration = parse_configuration(kMinimal + R"(
minimum_uid = 2000
denied_groups = ["daemon"]
accounts = ["alice", "bob"]
environment = ["SLURM_CONF"]
max_concurrent = 8
request_time_s = 3
)",
                                                 "switch.toml");
  REQUIRE(configuration);
  CHECK(configuration->minimum_uid == 2000);
  CHECK(configuration->denied_gids == std::vector<gid_t>{1});
  CHECK(configuration->accounts == std::vector<std::string>{"alice", "bob"});
  CHECK(configuration->environment == std::vector<std::string>{"SLURM_CONF"});
  CHECK(configuration->max_concurrent == 8);
  CHECK(configuration->request_time_s == 3);
}

TEST_CASE("an empty list of variables allows none") {
  CHECK(parse_configuration(kMinimal + "environment = []\n", "switch.toml").value().environment.empty());
}

TEST_CASE("each fault names its line, its key and what is allowed") {
  struct Case {
    const char* line;  // the third of the file
    const char* fault;
  };
  const Case cases[] = {
      {"minimum_uid = 999", "switch.toml:3 minimum_uid: must be an integer from 1000"},
      {"minimum_uid = -1", "switch.toml:3 minimum_uid: must be an integer"},
      {"minimum_uid = \"1000\"", "switch.toml:3 minimum_uid: must be an integer"},
      {"minimum_uid = 1000.0", "switch.toml:3 minimum_uid: must be an integer"},
      {"denied_groups = [\"no-such-group\"]", "switch.toml:3 denied_groups: \"no-such-group\": no such group"},
      {"denied_groups = \"wheel\"", "switch.toml:3 denied_groups: must be an array of strings"},
      {"denied_groups = [1]", "switch.toml:3 denied_groups: must be an array of strings"},
      {"accounts = [\"\"]", "switch.toml:3 accounts: \"\": must not be empty"},
      {"accounts = [\"alice\\u0000x\"]", "must not hold a NUL character"},
      {"accounts = [\"a\", \"a\"]", "switch.toml:3 accounts: \"a\" is listed twice"},
      {"environment = [\"LD_PRELOAD\"]", "switch.toml:3 environment: \"LD_PRELOAD\": would put other code"},
      {"environment = [\"BASH_ENV\"]", "switch.toml:3 environment: \"BASH_ENV\": would put other code"},
      {"environment = [\"PATH\"]", "switch.toml:3 environment: \"PATH\": is set by hansa-switch itself"},
      {"environment = [\"A=B\"]", "switch.toml:3 environment: \"A=B\": must match"},
      {"max_concurrent = 0", "switch.toml:3 max_concurrent: must be an integer from 1 to 4096"},
      {"request_time_s = 61", "switch.toml:3 request_time_s: must be an integer from 1 to 60"},
      {"minimum_ui = 1000", "switch.toml:3 minimum_ui: unknown key (did you mean \"minimum_uid\"?)"},
      {"[callers2]", "switch.toml:3 callers2: unknown key"},
      {"minimum_uid = = 3", "switch.toml:3:"},
  };
  for (const auto& c : cases) {
    INFO(c.line);
    CHECK_THAT(faults_of(kMinimal + c.line + "\n"), Catch::Contains(c.fault));
  }
}

// The running daemon reads its file again whenever it has changed: whatever root wrote there must not end it.
TEST_CASE("a file that is no TOML is a fault with its line") {
  std::string many_dots = "a";
  for (int i = 0; i < 100; ++i) many_dots += ".a";
  const std::string deep(1000, '[');
  for (const auto& line : {std::string("[&"), std::string("[[[1]]]"), std::string("= 1"), std::string("a = "),
                           std::string("a = ["), std::string("\xff"), std::string("a = \"\xff\""),
                           std::string("a\xe2\x80\x83= 1"), std::string("a = \"\"\"\\\xe2\x80\x83\"\"\""), std::string("[a]]"),
                           std::string("a = 1 b = 2"), many_dots + " = 1", "a = " + deep, "[" + deep}) {
    INFO(line.substr(0, 80));
    CHECK_THAT(faults_of(kMinimal + line + "\n"), Catch::Contains("switch.toml is not valid TOML: switch.toml:"));
  }
  CHECK_THAT(faults_of(kMinimal + "[&\n"), Catch::Contains("switch.toml:3:"));
}

TEST_CASE("callers and programs are required, and must be there") {
  CHECK_THAT(faults_of(""), Catch::Contains("callers: missing") && Catch::Contains("programs: missing"));
  CHECK_THAT(faults_of("callers = []\nprograms = []"), Catch::Contains("switch.toml:1 callers: must not be empty") &&
                                                           Catch::Contains("switch.toml:2 programs: must not be empty"));
  CHECK_THAT(
      faults_of("callers = [\"no-such-account\", \"root\"]\nprograms = [\"sbatch\", \"/no/such\", \"/tmp\", \"/usr/bin\"]"),
      Catch::Contains("no such account") && Catch::Contains("root asks nobody") && Catch::Contains("sbatch is not a full path") &&
          Catch::Contains("/no cannot be examined") && Catch::Contains("\"/tmp\"") &&
          Catch::Contains("/usr/bin is not a regular file"));
}

TEST_CASE("a file that others can write is no configuration") {
  for (const auto* path : {"/tmp/switch.toml", "switch.toml", "/etc", "/no/such"}) {
    const auto configuration = load_configuration(path);
    INFO(path);
    REQUIRE_FALSE(configuration);
    CHECK_THAT(configuration.error().message, Catch::Contains("must be a file of root's"));
  }
}
