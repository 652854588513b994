// SPDX-License-Identifier: Apache-2.0
#include "broker/core/toml_document.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace hansa;

TEST_CASE("TOML: a tree that remembers where everything stood, in the order of the file") {
  const auto file = parse_toml("z = 1\n[a]\nlist = [\"x\",\n  true]\nwhen = 1979-05-27\n", "f.toml");
  REQUIRE(file);
  REQUIRE(file->items.size() == 2);
  CHECK(file->items[0].key == "z");
  CHECK(file->items[0].integer == 1);
  const auto* list = file->find("a")->find("list");
  REQUIRE(list != nullptr);
  CHECK(list->key_at == TomlMark{3, 1});
  REQUIRE(list->items.size() == 2);
  CHECK(list->items[0].text == "x");
  CHECK(list->items[1].at == TomlMark{4, 3});
  CHECK(list->items[1].boolean);
  CHECK(file->find("a")->find("when")->kind == TomlNode::Kind::date);
  CHECK(file->find("a")->find("when")->text == "1979-05-27");
  CHECK(file->find("b") == nullptr);
}

TEST_CASE("TOML: a backslash at a line's end joins it with the next") {
  const auto file = parse_toml("a = \"\"\"one \\\n   tw\xC3\xB6\"\"\"\n", "f.toml");
  REQUIRE(file);
  CHECK(file->find("a")->text == "one tw\xC3\xB6");
}

TEST_CASE("TOML: a number with a fraction keeps its value, though no configuration key takes one") {
  const auto file = parse_toml("share = 0.25\nwhole = 1\n", "f.toml");
  REQUIRE(file);
  CHECK(file->find("share")->kind == TomlNode::Kind::other);
  CHECK(file->find("share")->fraction == 0.25);
  CHECK_FALSE(file->find("whole")->fraction);
}

// What toml++ checks by an assertion, or not at all.
TEST_CASE("TOML: no text ends the program; each fault has its line") {
  const std::string first = "fine = 1\n";
  for (const std::string text :
       {"[&", "[[[1]]]", "[&]", "a\xe2\x80\x83= 1", "a = \"\"\"\\\xe2\x80\x83\"\"\"", "\xff = 1", "a = \"\xff\""}) {
    INFO(text);
    const auto file = parse_toml(first + text + "\nmore = 2\n", "f.toml");
    REQUIRE_FALSE(file);
    CHECK(file.error().code == "TOML_SYNTAX");
    REQUIRE(file.error().faults.size() == 1);
    CHECK_THAT(file.error().faults[0].where, Catch::StartsWith("f.toml:2:"));
  }
  CHECK_FALSE(parse_toml("a = " + std::string(100'000, '['), "f.toml"));
  std::string dots = "a";
  for (int i = 0; i < 100'000; ++i) dots += ".a";
  CHECK_FALSE(parse_toml(dots + " = 1", "f.toml"));
}

TEST_CASE("TOML: dates, with a time or without, as RFC 3339 has them") {
  for (const std::string text : {"2026-12-01", "0009-01-02", "2026-12-01T00:00:00Z", "2026-12-01T23:59:01+02:30",
                                 "2026-12-01T23:59:01-11:00", "2026-12-01T07:05:03"}) {
    INFO(text);
    const auto file = parse_toml("v = " + text, "f");
    REQUIRE(file);
    CHECK(file->find("v")->kind == TomlNode::Kind::date);
    CHECK(file->find("v")->text == text);
    CHECK(toml_literal(*file->find("v")) == text);
  }
  CHECK(parse_toml("v = 2026-12-01T00:00:00.125Z", "f")->find("v")->text == "2026-12-01T00:00:00Z");
  CHECK(parse_toml("v = 07:05:03", "f")->find("v")->text == "a time of day");
}

TEST_CASE("TOML: what is written is read back") {
  const std::string odd("a\"\\\n\x01\x7f \xc3\xa4", 9);
  CHECK(parse_toml("v = " + toml_literal(TomlNode::of_text(odd)), "f")->find("v")->text == odd);
  CHECK(parse_toml(toml_key(odd) + " = 1", "f")->find(odd) != nullptr);
  CHECK(toml_key("plain-key_1") == "plain-key_1");
}
