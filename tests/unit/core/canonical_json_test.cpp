// SPDX-License-Identifier: Apache-2.0
#include "broker/core/canonical_json.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using namespace hansa;

namespace {

std::string nested(std::size_t depth, char open, char close) { return std::string(depth, open) + std::string(depth, close); }

}  // namespace

TEST_CASE("canonical JSON: sorted by bytes, no white space, text as it is") {
  CHECK(canonical_json(Json::parse(R"( { "b" : 1, "a" : [ true, null, -5 ], "B" : {} } )")) ==
        R"({"B":{},"a":[true,null,-5],"b":1})");
  CHECK(canonical_json(Json{{"\xC3\xA5", 1}, {"z", 2}, {"a", 3}}) == "{\"a\":3,\"z\":2,\"\xC3\xA5\":1}");
  CHECK(canonical_json("quote \" slash / back \\ line \n \x01 \xE2\x82\xAC") ==
        "\"quote \\\" slash / back \\\\ line \\n \\u0001 \xE2\x82\xAC\"");
  CHECK(canonical_json(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(canonical_json(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(canonical_json("a\xFFz") == "\"a\xEF\xBF\xBDz\"");
}

TEST_CASE("it is what the library writes, byte for byte") {
  const auto texts = rc::gen::oneOf(rc::gen::string<std::string>(),
                                    rc::gen::element<std::string>("plain", "", "\xC3\xA5", "\xFF", "\x7F", "\x80"));
  rc::prop("of any value", [&] {
    const auto bits = *rc::gen::container<std::vector<unsigned>>(rc::gen::inRange(0U, 9U));
    Json value = Json::array();
    std::vector<Json*> open{&value};  // a walk: deeper, another member, back
    for (const auto bit : bits) {
      auto& here = *open.back();
      const auto put = [&](Json member) -> Json& {
        if (here.is_array()) return here.emplace_back(std::move(member));
        return here[*texts] = std::move(member);
      };
      switch (bit) {
        case 0: open = {&value}; break;
        case 1: open.push_back(&put(Json::array())); break;
        case 2: open.push_back(&put(Json::object())); break;
        case 3: put(*texts); break;
        case 4: put(*rc::gen::arbitrary<std::int64_t>()); break;
        case 5: put(*rc::gen::arbitrary<std::uint64_t>()); break;
        case 6: put(*rc::gen::arbitrary<bool>()); break;
        case 7: put(*rc::gen::arbitrary<double>()); break;
        default: put(nullptr);
      }
    }
    RC_ASSERT(canonical_json(value) == value.dump(-1, ' ', false, Json::error_handler_t::replace));
  });
}

TEST_CASE("two spellings of one value are one canonical text") {
  const auto one = parse_json(R"({"x": "\u00e5\/", "y": [1, 2]})");
  const auto other = parse_json("{\"y\":[1,2],\n\"x\":\"\xC3\xA5/\"}");
  REQUIRE(one);
  REQUIRE(other);
  CHECK(canonical_json(*one) == canonical_json(*other));
  CHECK(*parse_json(canonical_json(*one)) == *one);
}

TEST_CASE("as deep as allowed and no deeper, arrays and objects alike") {
  CHECK(parse_json(nested(16, '[', ']')));
  CHECK_FALSE(parse_json(nested(17, '[', ']')));
  CHECK(parse_json("1", 0));
  CHECK_FALSE(parse_json("[]", 0));
  CHECK(parse_json(R"({"a":[{"b":[]}]})", 4));
  const auto deep = parse_json(R"({"a":[{"b":[]}]})", 3);
  REQUIRE_FALSE(deep);
  CHECK(deep.error().code == "BAD_JSON");
  CHECK(deep.error().message == "nested deeper than 3 levels");
  CHECK(parse_json("[" + nested(15, '[', ']') + "," + nested(15, '[', ']') + "]"));  // side by side is not deeper

  std::string bomb;
  for (int i = 0; i < 200'000; ++i) bomb += "{\"a\":";
  CHECK_FALSE(parse_json(bomb));
  CHECK_FALSE(parse_json(std::string(1'000'000, '[')));
}

TEST_CASE("a key may occur once in one object, and again in another") {
  CHECK(parse_json(R"([{"a":1},{"a":2,"b":{"a":3}}])"));
  for (const auto* text :
       {R"({"a":1,"a":1})", R"({"a":1,"b":{"c":[]},"a":2})", R"({"x":{"a":1,"\u0061":2}})", R"([[{"":1,"":2}]])"}) {
    CAPTURE(text);
    const auto read = parse_json(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().message.find("occurs twice in one object") != std::string::npos);
  }
}

TEST_CASE("whole numbers keep their value; what no number can hold is refused") {
  CHECK(parse_json("9223372036854775807")->get<std::int64_t>() == std::numeric_limits<std::int64_t>::max());
  CHECK(parse_json("-9223372036854775808")->get<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
  CHECK(parse_json("18446744073709551615")->get<std::uint64_t>() == std::numeric_limits<std::uint64_t>::max());
  CHECK(parse_json("18446744073709551616")->is_number_float());  // no integer any more, so that no reader takes it for one
  CHECK(parse_json("1.0")->is_number_float());
  CHECK(parse_json("1e2")->is_number_float());
  for (const std::string& text : std::vector<std::string>{"1e999", "-1e999", "1" + std::string(400, '0')})
    CHECK_FALSE(parse_json(text));
}

TEST_CASE("what is not JSON is refused with the byte where it went wrong") {
  using namespace std::string_view_literals;
  const std::string_view kBad[] = {""sv,
                                   " "sv,
                                   "{"sv,
                                   "}"sv,
                                   "[1,]"sv,
                                   "{\"a\":1,}"sv,
                                   "{\"a\"}"sv,
                                   "{a:1}"sv,
                                   "{'a':1}"sv,
                                   "[1 2]"sv,
                                   "1 2"sv,
                                   "{} {}"sv,
                                   "nul"sv,
                                   "True"sv,
                                   "NaN"sv,
                                   "Infinity"sv,
                                   "-"sv,
                                   "01"sv,
                                   "+1"sv,
                                   ".5"sv,
                                   "1."sv,
                                   "1e"sv,
                                   "0x10"sv,
                                   "\"open"sv,
                                   "\"\\x\""sv,
                                   "\"\\u12\""sv,
                                   "\"\\ud800\""sv,
                                   "\"tab\tin\""sv,
                                   "// c\n1"sv,
                                   "/* c */ 1"sv,
                                   "\"\xFF\""sv,
                                   "\"\xC0\xAF\""sv,
                                   "\"\xED\xA0\x80\""sv,
                                   "\"\xF4\x90\x80\x80\""sv,
                                   "\"\xE2\x82\""sv,
                                   "{\"\xFF\":1}"sv,
                                   "{}\0"sv,
                                   "{}\0{\"a\":1}"sv,
                                   "\0"sv,
                                   "{\"a\0b\":1}"sv,
                                   "[1,\0 2]"sv};
  for (const auto text : kBad) {
    CAPTURE(text);
    const auto read = parse_json(text);
    REQUIRE_FALSE(read);
    CHECK(read.error().kind == ErrorKind::invalid_argument);
    CHECK(read.error().code == "BAD_JSON");
    CHECK(read.error().message.starts_with("not valid JSON at byte "));
  }
  CHECK(parse_json("[1, x]").error().message == "not valid JSON at byte 5");
  CHECK(parse_json("{}\0"sv).error().message == "not valid JSON at byte 3");
  CHECK(parse_json(R"("an escaped \u0000 is text")")->get<std::string>().find('\0') == 11);
}
