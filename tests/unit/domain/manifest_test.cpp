// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/manifest.hpp"

#include "broker/core/digest.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace hansa;
using namespace hansa::domain;

namespace {

ManifestFile file(std::string path, std::string_view bytes) {
  return {.path = std::move(path), .size = {static_cast<std::int64_t>(bytes.size())}, .sha256 = sha256_hex(bytes)};
}

}  // namespace

// What sha256sum(1) makes of the same text, typed by hand.
TEST_CASE("a manifest is this text and no other") {
  std::vector<ManifestFile> files = {file("b", "hello"), file("a/z", ""), file("a/n\nl\\", "x")};
  const std::string expected =
      "hansa-manifest-1\n"
      "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 1 a/n\\nl\\\\\n"
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 a/z\n"
      "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824 5 b\n";
  CHECK(manifest_text(files) == expected);
  std::ranges::reverse(files);
  CHECK(manifest_text(files) == expected);

  const auto content = content_of(files);
  CHECK(content.files == 3);
  CHECK(content.size == Bytes{6});
  CHECK(content.hash.str() == "2d5ead5c6af84d57f3951e4ff419850ea0ca6dcba33cf1dee3cbef338e5faef9");
  CHECK(is_content_hash(content.hash.str()));
}

TEST_CASE("an empty dataset has a hash") {
  CHECK(content_of({}) == Content{.size = {0},
                                  .files = 0,
                                  .hash = ContentHash("018a2c257d0910903db6ae2f533aa71a3474fadad5ceaf131b8286b8f43c9d66")});
}

TEST_CASE("paths are in the order of their bytes, not of anybody's language") {
  const auto text = manifest_text({file("\xc3\xa9", ""), file("z", ""), file("a/b", ""), file("a-b", ""), file("A", "")});
  std::vector<std::size_t> places;
  for (const auto* path : {" A\n", " a-b\n", " a/b\n", " z\n", " \xc3\xa9\n"}) places.push_back(text.find(path));
  CHECK(std::ranges::is_sorted(places));
  CHECK(places.back() != std::string::npos);
}

TEST_CASE("no two datasets have one manifest") {
  // A name that would write a second line, or the escape of one.
  const auto honest = manifest_text({file("a", "1"), file("b", "2")});
  const auto forged = manifest_text({file("a\n" + sha256_hex("2") + " 1 b", "1")});
  CHECK(honest != forged);
  CHECK(manifest_text({file("a\nb", "")}) != manifest_text({file("a\\nb", "")}));
}
