// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/sealing.hpp"

#include "broker/core/encoding.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace hansa;

namespace {

using engine::SealingKey;
using engine::SealingKeys;

class Counting final : public Random {
 public:
  void fill(std::span<std::byte> out) override {
    for (auto& byte : out) byte = std::byte{next_++};
  }

 private:
  unsigned char next_ = 1;
};

SealingKey key_of(char byte) { return SealingKey::parse(to_base64(std::string(SealingKey::kBytes, byte))).value(); }

std::string bytes_of(std::string_view hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

}  // namespace

TEST_CASE("what is sealed opens with its key and what it is about", "[T22]") {
  Counting random;
  const auto key = key_of('k');
  for (const std::string& text : {std::string(), std::string("s"), std::string("a\0b\xff", 4), std::string(65'536, 'x')}) {
    const auto sealed = key.seal(Secret(text), "alice", random);
    CHECK(sealed.size() == text.size() + 28);
    CHECK((text.size() < 3 || !sealed.contains(text)));
    const auto opened = key.open(sealed, "alice");
    REQUIRE(opened);
    CHECK(opened->reveal() == text);
    CHECK(key.open(sealed, "bob").error().code == "SEAL_BROKEN");
    CHECK(key_of('j').open(sealed, "alice").error().code == "SEAL_BROKEN");
  }
}

TEST_CASE("a sealed text of which any bit was changed, or that was cut, does not open", "[T22]") {
  Counting random;
  const auto key = key_of('k');
  const auto sealed = key.seal(Secret("secret"), "alice", random);
  for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
    auto other = sealed;
    other[i / 8] = static_cast<char>(other[i / 8] ^ (1 << (i % 8)));
    CHECK_FALSE(key.open(other, "alice"));
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) CHECK_FALSE(key.open(sealed.substr(0, size), "alice"));
  CHECK_FALSE(key.open(sealed + 'x', "alice"));
}

TEST_CASE("it is AES-256-GCM: the published case 16 of McGrew and Viega") {
  const auto key =
      SealingKey::parse(to_base64(bytes_of("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))).value();
  const auto sealed = bytes_of(
      "cafebabefacedbaddecaf888"
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
      "76fc6ece0f4e1768cddf8853bb2d551b");
  const auto opened = key.open(sealed, bytes_of("feedfacedeadbeeffeedfacedeadbeefabaddad2"));
  REQUIRE(opened);
  CHECK(
      opened->reveal() ==
      bytes_of("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
               "ba637b39"));
}

TEST_CASE("the same text is never sealed the same, and a key's id tells nothing of it") {
  Counting random;
  const auto key = key_of('k');
  std::set<std::string> all;
  for (int i = 0; i < 10; ++i) all.insert(key.seal(Secret("secret"), "alice", random));
  CHECK(all.size() == 10);
  CHECK(key.id().size() == 16);
  CHECK(key.id() != key_of('j').id());
  CHECK_FALSE(to_base64(key.text().reveal()).contains(key.id()));
}

TEST_CASE("only 32 bytes of base 64 are a key; of several the first seals and all open") {
  for (const std::string& text :
       {std::string(), to_base64(std::string(31, 'k')), to_base64(std::string(33, 'k')), std::string(44, '!')})
    CHECK(SealingKey::parse(text).error().code == "BAD_KEY");
  Counting random;
  const auto older = SealingKey::draw(random), newer = SealingKey::draw(random);
  CHECK(SealingKey::parse(older.text().reveal())->id() == older.id());
  const SealingKeys keys({newer, older});
  CHECK(keys.newest().id() == newer.id());
  REQUIRE(keys.find(older.id()) != nullptr);
  CHECK(keys.find(older.id())->open(older.seal(Secret("s"), "", random), "")->reveal() == "s");
  CHECK(keys.find("0000000000000000") == nullptr);
}
