// SPDX-License-Identifier: Apache-2.0
// The keys of people's secrets, as a file: first drawn, added to, missing, damaged and open to others.
#include "broker/app/secrets_key.hpp"

#include "simulation/seeded_random.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

namespace hansa::app {
namespace {

struct KeyFile {
  tests::TemporaryFolder folder;
  std::filesystem::path file = folder.path / "secrets.key";
  simulation::SeededRandom random{5};

  auto read(bool any_sealed = false) { return secrets_keys(file, any_sealed, random); }
  void write(const std::string& text, mode_t mode = 0600) const {
    std::ofstream(file, std::ios::binary) << text;
    REQUIRE(::chmod(file.c_str(), mode) == 0);
  }
  [[nodiscard]] std::string text() const {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

}  // namespace

TEST_CASE("the first start draws a key for the broker's account alone, and later ones find it") {
  KeyFile key;
  const auto first = key.read();
  REQUIRE(first);
  struct stat found{};
  REQUIRE(::lstat(key.file.c_str(), &found) == 0);
  CHECK((found.st_mode & 07777U) == 0600U);
  CHECK(key.text().size() == 45);
  CHECK(key.read(true)->newest().id() == first->newest().id());
}

TEST_CASE("where secrets are sealed no other key is drawn in the place of one that is gone") {
  KeyFile key;
  const auto gone = key.read(true);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == "SECRETS_KEY_GONE");
  CHECK_THAT(gone.error().message, Catch::Contains("hansad secrets rekey"));
  CHECK_FALSE(std::filesystem::exists(key.file));
}

TEST_CASE("a new key stands before the older ones") {
  KeyFile key;
  const auto first = key.read();
  const auto added = add_secrets_key(key.file, key.random);
  REQUIRE(added);
  const auto both = key.read(true);
  REQUIRE(both);
  CHECK(both->newest().id() == *added);
  CHECK(both->newest().id() != first->newest().id());
  CHECK(both->find(first->newest().id()) != nullptr);
  KeyFile none;
  CHECK(add_secrets_key(none.file, none.random));  // what is sealed is given up
}

TEST_CASE("a file that others can read, or that holds no key, is refused and never told of", "[T22]") {
  KeyFile key;
  REQUIRE(key.read());
  const auto good = key.text();
  REQUIRE(::chmod(key.file.c_str(), 0640) == 0);
  CHECK_THAT(key.read().error().message, Catch::Contains("chmod 0600"));
  for (const std::string& bad :
       {std::string(), std::string("\n\n"), good.substr(0, 20), good + "more\n", std::string(70'000, 'a')}) {
    key.write(bad);
    const auto read = key.read(true);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "SECRETS_KEY_UNUSABLE");
    CHECK_FALSE(read.error().message.contains(good.substr(0, 20)));
    CHECK_FALSE(add_secrets_key(key.file, key.random));
    CHECK(key.text() == bad);
  }
  std::filesystem::remove(key.file);
  std::filesystem::create_symlink("/dev/null", key.file);
  CHECK(key.read().error().code == "SECRETS_KEY_UNUSABLE");
}

}  // namespace hansa::app
