// SPDX-License-Identifier: Apache-2.0
#include "config/client_config.hpp"

#include <catch2/catch.hpp>
#include <stdlib.h>  // mkdtemp

#include <fstream>
#include <map>

using namespace hansa;
using namespace hansa::config;

namespace {

struct Home {
  std::filesystem::path path;
  explicit Home(std::string_view settings) {
    std::string name = (std::filesystem::temp_directory_path() / "hansa-home-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
    if (settings.empty()) return;
    std::filesystem::create_directories(path / ".config/hansa");
    std::ofstream(path / ".config/hansa/config.toml") << settings;
  }
  Home(const Home&) = delete;
  Home& operator=(const Home&) = delete;
  ~Home() { std::filesystem::remove_all(path); }
};

Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

}  // namespace

TEST_CASE("without any setting the client speaks to this machine") {
  const Home home("");
  CHECK(load_client_config({}, environment_of({{"HOME", home.path}})) == ClientConfig{});
  CHECK(load_client_config({}, environment_of({})) == ClientConfig{});
}

TEST_CASE("what oidc-agent may be asked for is of the file's own broker alone") {
  const Home home("url = \"https://file.example.org/\"\noidc_issuer = \"https://idp.example\"\noidc_audience = \"hansa\"\n");
  const auto own = load_client_config({}, environment_of({{"HOME", home.path}, {"HANSA_URL", "https://file.example.org"}}));
  REQUIRE(own);
  CHECK(own->oidc_issuer == "https://idp.example");
  CHECK(own->oidc_audience == "hansa");
  const auto other = load_client_config({.url = "https://evil.example.org"}, environment_of({{"HOME", home.path}}));
  REQUIRE(other);
  CHECK(other->oidc_issuer.empty());
  CHECK(other->oidc_audience.empty());
}

TEST_CASE("flags come before the environment, that before the file") {
  const Home home("url = \"https://file.example.org/\"\ntoken_file = \"~/token\"\nca_file = \"ca.pem\"\nproject = \"ai-lab\"\n");
  auto config = load_client_config({}, environment_of({{"HOME", home.path}}));
  REQUIRE(config);
  CHECK(config->url == "https://file.example.org");
  CHECK(config->token_file == home.path / "token");
  CHECK(config->ca_file == home.path / ".config/hansa/ca.pem");
  CHECK(config->project == ProjectId("ai-lab"));

  const auto environment =
      environment_of({{"HOME", home.path}, {"HANSA_URL", "https://env.example.org"}, {"HANSA_TOKEN_FILE", "env-token"}});
  config = load_client_config({}, environment);
  REQUIRE(config);
  CHECK(config->url == "https://env.example.org");
  CHECK(config->token_file == "env-token");
  CHECK(config->project == ProjectId("ai-lab"));

  const ClientSettings flags{
      .url = "http://[::1]:80", .token_file = "flag-token", .ca_file = "flag-ca", .project = ProjectId("p")};
  config = load_client_config(flags, environment);
  REQUIRE(config);
  CHECK(*config == ClientConfig{"http://[::1]:80", "flag-token", "flag-ca", ProjectId("p")});

  config = load_client_config({}, environment_of({{"HOME", home.path}, {"HANSA_URL", ""}}));
  REQUIRE(config);
  CHECK(config->url == "https://file.example.org");
}

TEST_CASE("the client's file is checked whole") {
  const auto settings =
      parse_client_config("urll = \"x\"\nproject = \"a b\"\ntoken = \"hunter2\"\nca_file = \"~bob/x\"\n", "c.toml", "/home/a");
  REQUIRE_FALSE(settings);
  const auto& faults = settings.error().faults;
  REQUIRE(faults.size() == 4);
  CHECK(faults[0].where == "c.toml:1: urll");
  CHECK_THAT(faults[0].message, Catch::Contains("(did you mean \"url\"?)"));
  CHECK(faults[1].where == "c.toml:2: project");
  CHECK(faults[2].where == "c.toml:3: token");
  CHECK_THAT(faults[2].message, Catch::Contains("a secret never stands in this file") && !Catch::Contains("hunter2"));
  CHECK(faults[3].where == "c.toml:4: ca_file");
}

TEST_CASE("a token never travels in the clear: plain HTTP is for loopback alone", "[T22]") {
  for (const auto* url :
       {"https://hansa.example.org", "https://hansa.example.org:8443/", "https://10.0.0.1", "http://127.0.0.1:7717",
        "http://localhost:7717", "http://[::1]:7717", "https://[2001:db8::1]:443", "http://127.0.0.1"}) {
    INFO(url);
    CHECK(load_client_config({.url = url}, environment_of({})));
  }
  for (const auto* url :
       {"http://hansa.example.org", "http://10.0.0.1:7717", "http://localhost.evil.org", "http://127.0.0.1@evil.org", "ftp://x",
        "https://", "https:///x", "https://a/b", "https://a?b", "https://a b", "https://a:99999", "https://a:", "http://[::]:80",
        "https://[::1", "hansa.example.org", "", "http://127.0.0.1.evil.org"}) {
    INFO(url);
    const auto config = load_client_config({.url = url}, environment_of({}));
    REQUIRE_FALSE(config);
    CHECK(config.error().faults[0].where == "--url");
  }
  const auto config = load_client_config({}, environment_of({{"HANSA_URL", "http://example.org"}}));
  REQUIRE_FALSE(config);
  CHECK(config.error().faults[0].where == "HANSA_URL");
}
