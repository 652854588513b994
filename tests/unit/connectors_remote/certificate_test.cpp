// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/certificate.hpp"

#include "broker/core/encoding.hpp"
#include "broker/core/time_text.hpp"
#include "connectors/remote/memory_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

using namespace hansa;
using namespace hansa::connectors::remote;

namespace {

std::string number(std::uint64_t value, int size) {
  std::string bytes;
  for (int i = size - 1; i >= 0; --i) bytes += static_cast<char>(value >> (8U * static_cast<unsigned>(i)) & 0xFFU);
  return bytes;
}
std::string text(const std::string& bytes) { return number(bytes.size(), 4) + bytes; }

/// As PROTOCOL.certkeys lays it out.
struct Made {
  std::string type = "ssh-ed25519-cert-v01@openssh.com";
  std::string key = std::string(32, 'k');
  std::uint64_t whose = 1;
  std::string id = "alice";
  std::vector<std::string> principals{"alice"};
  std::uint64_t begins = 1'000'000'000;
  std::uint64_t ends = 2'000'000'000;
  std::string rest = {};

  [[nodiscard]] std::string blob() const {
    std::string names;
    for (const auto& name : principals) names += text(name);
    return text(type) + text(std::string(32, 'n')) + text(key) + number(7, 8) + number(whose, 4) + text(id) + text(names) +
           number(begins, 8) + number(ends, 8) + text("") + text(text("permit-pty") + text("")) + text("") +
           text("the CA's key") + text("its signature") + rest;
  }
  [[nodiscard]] std::string line() const { return type + " " + to_base64(blob()) + " a comment\n"; }
};

UtcTime at(std::int64_t seconds) { return from_unix_seconds(seconds); }

/// What ssh-keygen (OpenSSH 9.2) made: `ssh-keygen -s ca -I "key id" -n alice,bob -z 5 -V 20261129000000:20261130000000 key.pub`.
constexpr const char* kReal =
    "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIFaYvBEW2KCGeyEfr3WODyCEy"
    "woWcxBmHTb2AGAHjh3sAAAAIKyr9wTHuBuJorkaHZeex5pFYJG3o7Y5fg2AnxIZPr8OAAAAAAAAAAUAAAABAAAABmtleSBpZAAAABAAAAAFYWx"
    "pY2UAAAADYm9iAAAAAGsLawAAAAAAawy8gAAAAAAAAACCAAAAFXBlcm1pdC1YMTEtZm9yd2FyZGluZwAAAAAAAAAXcGVybWl0LWFnZW50LWZvc"
    "ndhcmRpbmcAAAAAAAAAFnBlcm1pdC1wb3J0LWZvcndhcmRpbmcAAAAAAAAACnBlcm1pdC1wdHkAAAAAAAAADnBlcm1pdC11c2VyLXJjAAAAAAA"
    "AAAAAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIAPqN/Pbkh3+S6uJPkx+/ZJYyvVzLxCMh1PXSRYYgKDSAAAAUwAAAAtzc2gtZWQyNTUxOQAAAEBe0"
    "hGiXJBNX4ZwbmTUWEydlw6b98Uoq1NN134bTvH3+FCC1U1n/p+FMI3Hs6JI41gDLo6ze1QVav2asi9ynN8M key.pub";
constexpr const char* kRealKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKyr9wTHuBuJorkaHZeex5pFYJG3o7Y5fg2AnxIZPr8O";

}  // namespace

TEST_CASE("a certificate says for which key and whom and how long it is") {
  const auto read = read_certificate(Made{.principals = {"alice", "wheel"}}.line(), "it");
  REQUIRE(read);
  CHECK(read->key == std::string(32, 'k'));
  CHECK(read->principals == std::vector<std::string>{"alice", "wheel"});
  CHECK(read->begins == at(1'000'000'000));
  CHECK(read->ends == at(2'000'000'000));
  CHECK(read->id == "\"alice\"");
  CHECK(read->line + " a comment\n" == Made{.principals = {"alice", "wheel"}}.line());
  CHECK(read_certificate(Made{.ends = ~std::uint64_t{0}}.line(), "it")->ends == UtcTime::max());
}

TEST_CASE("one that ssh-keygen has made is read as it says") {
  const auto read = read_certificate(kReal, "it");
  REQUIRE(read);
  CHECK(read->id == "\"key id\"");
  CHECK(read->principals == std::vector<std::string>{"alice", "bob"});
  CHECK(format_utc(read->begins) == "2026-11-29T00:00:00Z");
  CHECK(format_utc(read->ends) == "2026-11-30T00:00:00Z");
  const auto key = read_public_key(kRealKey, "it");
  REQUIRE(key);
  CHECK(check_certificate(*read, *key, "bob", at(1'795'953'600), "it"));
}

TEST_CASE("what is no certificate is refused wherever it ends") {
  const auto good = Made{}.blob();
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(read_certificate(Made{}.type + " " + to_base64(good.substr(0, size)), "it"));
  }
  auto odd_names = Made{};
  odd_names.principals = {"alice"};
  auto bent = odd_names.blob();
  bent.replace(bent.find(text("alice") + number(odd_names.begins, 8)), 4, number(6, 4));  // longer than the list that it is in
  const auto [what, line] = GENERATE_COPY(table<std::string, std::string>({
      {"empty", ""},
      {"a public key", "ssh-ed25519 " + to_base64(text("ssh-ed25519") + text(std::string(32, 'k')))},
      {"another type without", Made{.type = "ssh-rsa-cert-v01@openssh.com"}.line()},
      {"another type within",
       "ssh-ed25519-cert-v01@openssh.com " + to_base64(Made{.type = "ssh-rsa-cert-v01@openssh.com"}.blob())},
      {"something behind it", Made{.rest = "x"}.line()},
      {"a short key", Made{.key = "k"}.line()},
      {"a host's", Made{.whose = 2}.line()},
      {"of nobody", Made{.whose = 0}.line()},
      {"two lines", Made{}.line() + Made{}.line()},
      {"a private key", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"},
      {"no base 64", Made{}.type + " !!!!"},
      {"no space", Made{}.type + to_base64(good)},
      {"too long", Made{.id = std::string(20'000, 'i')}.line()},
      {"a bent list", Made{}.type + " " + to_base64(bent)},
      {"too many names", Made{.principals = std::vector<std::string>(257, "a")}.line()},
  }));
  CAPTURE(what);
  const auto read = read_certificate(line, "what it printed");
  REQUIRE_FALSE(read);
  CHECK(read.error().code == "CREDENTIAL_BAD");
  CHECK_THAT(read.error().message, Catch::Contains("what it printed"));
}

TEST_CASE("a certificate is looked at before it is shown") {
  const auto certificate = [](Made made) { return *read_certificate(made.line(), "it"); };
  const auto key = std::string(32, 'k');
  const auto now = at(1'500'000'000);
  CHECK(check_certificate(certificate({}), key, "alice", now, "it"));
  const auto [made, part] = GENERATE(table<Made, std::string>({
      {Made{.key = std::string(32, 'x')}, "another key"},
      {Made{.principals = {}}, "every account"},
      {Made{.principals = {"bob"}}, "\"bob\", not for the principal \"alice\""},
      {Made{.principals = {"alice,bob"}}, "not for the principal"},
      {Made{.principals = {"\x1b[31malice"}}, "\"?[31malice\""},
      {Made{.ends = 1'500'000'000}, "ended at 2017-07-14T02:40:00Z"},
      {Made{.begins = 1'500'001'000}, "begins only at"},
  }));
  const auto checked = check_certificate(certificate(made), key, "alice", now, "it");
  REQUIRE_FALSE(checked);
  CHECK(checked.error().code == "CREDENTIAL_BAD");
  CHECK_THAT(checked.error().message, Catch::Contains(part));
}

TEST_CASE("keys are put into a folder in memory that is ours alone and are gone with their login", "[T07]") {
  const struct Place {
    Place() { REQUIRE(::mkdtemp(name.data()) != nullptr); }
    ~Place() { std::filesystem::remove_all(name); }
    [[nodiscard]] const std::string& path() const { return name; }
    std::string name = "/dev/shm/hansa-test-XXXXXX";
  } place;
  auto folder = MemoryFolder::open(place.path(), "keys");
  REQUIRE(folder);
  std::string path;
  {
    const auto files = folder->write(
        {.private_key = Secret("the key"), .certificate = {.line = "the certificate", .key = {}, .id = {}, .principals = {}}});
    REQUIRE(files);
    path = (*files)->key();
    struct stat facts{};
    REQUIRE(::stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 07777U) == 0600);
    CHECK(std::filesystem::exists(path + "-cert.pub"));
  }
  CHECK(std::filesystem::is_empty(place.path() + "/keys"));
  std::ofstream(place.path() + "/keys/left") << "by an earlier life";
  CHECK(MemoryFolder::open(place.path(), "keys"));
  CHECK(std::filesystem::is_empty(place.path() + "/keys"));
  ::chmod((place.path() + "/keys").c_str(), 0755);
  CHECK(MemoryFolder::open(place.path(), "keys").error().code == "BAD_MEMORY_FOLDER");
  std::filesystem::create_directory_symlink("/", place.path() + "/link");
  CHECK(MemoryFolder::open(place.path(), "link").error().code == "BAD_MEMORY_FOLDER");
  CHECK(MemoryFolder::open("/no/such/place", "keys").error().code == "BAD_MEMORY_FOLDER");
}

TEST_CASE("a folder on a disk is refused") {
  const auto here = std::filesystem::current_path();  // where tests are built
  const auto refused = MemoryFolder::open(here, "hansa-no-such-folder");
  CHECK_FALSE(std::filesystem::exists(here / "hansa-no-such-folder"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == "BAD_MEMORY_FOLDER");
  CHECK_THAT(refused.error().message, Catch::Contains("memory_dir"));
}
