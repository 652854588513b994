// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/text.hpp"

#include "broker/core/encoding.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace hansa::cli {

using namespace std::literals;

TEST_CASE("nothing that moves, colours, hides or turns reaches a terminal", "[text]") {
  CHECK(printable("train-1 für Kajaani, 東京") == "train-1 für Kajaani, 東京");
  CHECK(printable("a\nb\tc\rd") == "a\\nb\\tc\\rd");
  CHECK(printable("\x1b[2J\x07\x7f\0"sv) == "\\x1b[2J\\x07\\x7f\\x00");
  CHECK(printable("\xC2\x9B"
                  "31m") == "\\u{9b}31m");                 // CSI as one C1 character
  CHECK(printable("a\u202Eb\u200Bc\uFEFF\u2028") == "a\\u{202e}b\\u{200b}c\\u{feff}\\u{2028}");
  CHECK(printable("\xff\xC3(\xE2\x82") == "\\xff\\xc3(\\xe2\\x82");   // no UTF-8
  CHECK(printable("\xC0\x80\xED\xA0\x80") == "\\xc0\\x80\\xed\\xa0\\x80");  // over-long, surrogate
}

TEST_CASE("any bytes become printable UTF-8, and stay what they are", "[text]") {
  std::string all;
  for (int i = 0; i < 65'536; ++i) {
    all += static_cast<char>(i & 0xFF);
    all += static_cast<char>((i >> 8) & 0xFF);
  }
  const auto text = printable(all);
  CHECK(is_utf8(text));
  CHECK(std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }));
  CHECK(printable(text) == text);
}

TEST_CASE("columns and clipping count what is seen", "[text]") {
  CHECK(columns_of("für") == 3);
  CHECK(columns_of("東京") == 4);
  CHECK(columns_of("e\u0301") == 1);
  CHECK(clipped("abcdef", 6) == "abcdef");
  CHECK(clipped("abcdefg", 6) == "abcde…");
  CHECK(clipped("東京都庁", 5) == "東京…");
  CHECK(clipped("abc", 0).empty());
}

TEST_CASE("CSV fields follow RFC 4180 and are no formulas", "[text]") {
  CHECK(csv_field("ai-lab") == "ai-lab");
  CHECK(csv_field("a,b") == "\"a,b\"");
  CHECK(csv_field("say \"hi\"") == "\"say \"\"hi\"\"\"");
  CHECK(csv_field("two\nlines") == "\"two\nlines\"");
  CHECK(csv_field("=1+1") == "'=1+1");
  CHECK(csv_field("+1") == "'+1");
  CHECK(csv_field("-1") == "'-1");
  CHECK(csv_field("@cmd") == "'@cmd");
  CHECK(csv_field("\tx") == "'\tx");
  CHECK(csv_field("\rx") == "\"'\rx\"");
  CHECK(csv_field("=HYPERLINK(\"http://x\",\"y\")") == "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\"");
  CHECK(csv_field("").empty());
}

TEST_CASE("tables align, drop empty columns, and give way on a narrow terminal", "[text]") {
  Table table({{"JOB"}, {"NAME", false, true}, {"EMPTY"}, {"EXIT", true}});
  table.add({"A1", "für", "", "0"});
  table.add({"B", "a rather long name", "", Cell("3", Tint::bad)});
  CHECK(table.text({}) ==
        "JOB  NAME                EXIT\n"
        "A1   für                    0\n"
        "B    a rather long name     3\n");
  CHECK(table.text({.width = 20}) ==
        "JOB  NAME       EXIT\n"
        "A1   für           0\n"
        "B    a rather…     3\n");
  CHECK(table.text({}, false).starts_with("A1  "));
}

TEST_CASE("colours come only where they are wanted, and never from a cell's text", "[text]") {
  Table table({{"STATE"}});
  table.add({Cell("\x1b[31mfailed", Tint::bad)});
  CHECK(table.text({}) == "STATE\n\\x1b[31mfailed\n");
  CHECK(table.text({.colours = true}) == "\x1b[1mSTATE\x1b[0m\n\x1b[31m\\x1b[31mfailed\x1b[0m\n");
}

}  // namespace hansa::cli
