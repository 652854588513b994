// SPDX-License-Identifier: Apache-2.0
#include "broker/core/encoding.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <string>

using namespace hansa;

TEST_CASE("base 64: the vectors of RFC 4648, section 10") {
  const std::pair<const char*, const char*> kVectors[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kVectors) {
    CHECK(to_base64(bytes) == text);
    CHECK(from_base64(text) == bytes);
  }
  CHECK(to_base64("\xFB\xEF\xFF") == "++//");
  CHECK(to_base64(std::string_view("\0\0\0", 3)) == "AAAA");
}

TEST_CASE("base 64 is broken into lines, without a trailing break") {
  CHECK(to_base64("foobar", 4) == "Zm9v\nYmFy");
  CHECK(to_base64("foobar", 8) == "Zm9vYmFy");
  CHECK(to_base64("foobar", 3) == "Zm9\nvYm\nFy");
  CHECK(to_base64("foob", 1) == "Z\nm\n9\nv\nY\ng\n=\n=");
  CHECK(to_base64("", 4).empty());
}

TEST_CASE("nothing but padded standard base 64 is taken") {
  const std::string kBad[] = {
      "Z",          "Zg",      "Zg=",  "Zg===", "=",        "====",     "A===", "Zg==Zg==", "Z=g=",     "Zm9v\n",
      "Zm9v\nYmFy", " Zm9",    "Zm9 ", "Zm-_",  "Zm8=AAAA", "Zm9v====", "Zh==", "Zm9=",     "Zm9v*mFy", std::string("Zm\0v", 4),
      "Zm9\xFF",    "Zm9v=mFy"};
  for (const auto& text : kBad) {
    CAPTURE(text);
    CHECK_FALSE(from_base64(text));
  }
}

TEST_CASE("any bytes survive base 64, in lines or not") {
  rc::prop("from_base64(to_base64(b)) == b", [](const std::string& bytes) {
    RC_ASSERT(from_base64(to_base64(bytes)) == bytes);
    const auto width = *rc::gen::inRange<std::size_t>(1, 80);
    auto lines = to_base64(bytes, width);
    for (std::size_t at = 0, end = 0; at < lines.size(); at = end + 1) {
      end = std::min(lines.find('\n', at), lines.size());
      RC_ASSERT(end - at <= width);
      RC_ASSERT(end - at > 0U);
    }
    std::erase(lines, '\n');
    RC_ASSERT(lines == to_base64(bytes));
  });
}

TEST_CASE("hex is lower case, two digits a byte") {
  const std::byte bytes[] = {std::byte{0}, std::byte{0x0F}, std::byte{0xA0}, std::byte{0xFF}};
  CHECK(to_hex(bytes) == "000fa0ff");
  CHECK(to_hex({}).empty());
}

TEST_CASE("UTF-8 of RFC 3629, at each of its edges") {
  using namespace std::string_view_literals;
  const std::string_view kGood[] = {""sv,
                                    "plain"sv,
                                    "\0"sv,
                                    "\x7F"sv,
                                    "\xC2\x80"sv,
                                    "\xDF\xBF"sv,
                                    "\xE0\xA0\x80"sv,
                                    "\xED\x9F\xBF"sv,
                                    "\xEE\x80\x80"sv,
                                    "\xEF\xBF\xBF"sv,
                                    "\xF0\x90\x80\x80"sv,
                                    "\xF4\x8F\xBF\xBF"sv,
                                    "\xEF\xBB\xBFmark"sv,
                                    "\xC3\xA5\xE2\x82\xAC\xF0\x9F\x9A\x80"sv};
  for (const auto text : kGood) {
    CAPTURE(text);
    CHECK(is_utf8(text));
  }
  const std::string_view kBad[] = {"\x80"sv,                 // a continuation alone
                                   "\xBF"sv,
                                   "\xC0\x80"sv,             // over-long: U+0000, '/', U+007F
                                   "\xC0\xAF"sv,
                                   "\xC1\xBF"sv,
                                   "\xE0\x80\xAF"sv,
                                   "\xE0\x9F\xBF"sv,
                                   "\xF0\x80\x80\xAF"sv,
                                   "\xF0\x8F\xBF\xBF"sv,
                                   "\xED\xA0\x80"sv,         // surrogates: the first, the last, a pair
                                   "\xED\xBF\xBF"sv,
                                   "\xED\xA0\xBD\xED\xB8\x80"sv,
                                   "\xF4\x90\x80\x80"sv,     // U+110000 and on
                                   "\xF5\x80\x80\x80"sv,
                                   "\xF8\x88\x80\x80\x80"sv, // five and six bytes
                                   "\xFC\x84\x80\x80\x80\x80"sv,
                                   "\xFE"sv,
                                   "\xFF"sv,
                                   "\xC3"sv,                 // cut short
                                   "\xE2\x82"sv,
                                   "\xF0\x9F\x9A"sv,
                                   "a\xE2\x82z"sv,
                                   "\xC3\xC3\xA5"sv,
                                   "\xE2\x28\xA1"sv,
                                   "good\xE2\x82\xAC then \xFF"sv};
  for (const auto text : kBad) {
    CAPTURE(text);
    CHECK_FALSE(is_utf8(text));
  }
}
