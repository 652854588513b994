// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/json_tree.hpp"

#include "broker/core/canonical_json.hpp"

#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <string>
#include <vector>

using namespace hansa;
using namespace hansa::wire;

namespace {

constexpr std::size_t kDepth = 4;

bool same(const JsonNode& node, const Json& value) {
  switch (node.kind) {
    case JsonNode::Kind::null: return value.is_null();
    case JsonNode::Kind::boolean: return value.is_boolean() && value.get<bool>() == node.truth;
    case JsonNode::Kind::integer: return value.is_number_integer() && value == node.integer;
    case JsonNode::Kind::other_number:
      return value.is_number_float() || (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX);
    case JsonNode::Kind::text: return value.is_string() && value.get_ref<const std::string&>() == node.text;
    case JsonNode::Kind::array:
      if (!value.is_array() || value.size() != node.count) return false;
      for (std::size_t i = 0; i < node.count; ++i) {
        if (!same(node.members()[i], value[i])) return false;
      }
      return true;
    case JsonNode::Kind::object: {
      if (!value.is_object() || value.size() != node.count) return false;
      auto member = node.members().begin();  // both by name
      for (const auto& [name, there] : value.items()) {
        if (member->name != name || node.find(name) != &*member || !same(*member, there)) return false;
        ++member;
      }
      return node.find("no such member") == nullptr;
    }
  }
  return false;
}

/// The tree takes what parse_json takes, and says of the rest what that says.
bool agree(const std::string& text) {
  const JsonTree tree(text, kDepth);
  const auto value = parse_json(text, kDepth);
  if (!value) return !tree.root() && tree.root().error().message == value.error().message;
  return tree.root() && same(*tree.root(), *value);
}

}  // namespace

TEST_CASE("the tree of a text is the value that parse_json makes of it") {
  const std::string kTexts[] = {
      "", " ", "null", "true", "false", "nul", "truex", "TRUE", "[]", "{}", "[ ]", "{ }", "[,]", "[1,]", "[1 2]", "{,}", "{1:2}",
      R"({"a"})", R"({"a":})", R"({"a":1,})", R"({"a":1 "b":2})", R"({"a":1,"b":2})", R"({"b":1,"a":2})", R"({"a":1,"a":2})",
      R"({"":0})", R"([[[[]]]])", R"([[[[[]]]]])", R"({"a":{"b":{"c":{}}}})", R"([{"a":[{"b":[]}]}])", "[", "{", R"({"a":[)", "]",
      "}", "[1]x", "1 2", "\xEF\xBB\xBF[1]", "\xEF\xBB[1]", " \t\r\n[1] \t\r\n", "\f[1]", "// a\n1", "\v1",
      // Numbers.
      "0", "-0", "00", "01", "-", "+1", "1.", ".5", "1.5", "-1.5e3", "1e", "1e+", "1e5", "1E-5", "0x1", "1_000", "Infinity",
      "NaN", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615",
      "18446744073709551616", "1e308", "1e309", "-1e309", "1e-400", std::string(400, '9'), "0.1e", "-01", "1.0",
      // Strings.
      R"("a)", R"(")", R"("\)", R"("\")", R"("\"")", R"("\\\/\b\f\n\r\t")", R"("\a")", R"("\u00e5\u20AC")", R"("\u00")",
      R"("\u00g0")", R"("\u-001")", R"("\u+001")", R"("\u 001")", R"("\uD83D\uDE80")", R"("\uD83D")", R"("\uDE80")",
      R"("\uD83D\u0041")", R"("\uD83Dx")", R"("\uD83D\n")", R"("\u0000")", R"("a\u0000b")", R"("\uD83D\uD83D")", "\"\x7F\"",
      "\"\x1F\"", "\"\n\"", "\"\t\"", "\"\xC3\xA5\"", "\"\xC3\"", "\"\xC3\\u0041\"", "\"\\u0041\xA5\"", "\"\xC3\\u0080\"",
      "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xF0\x9F\x9A\x80\"", "\"\xFF\"", "\xC3\xA5",
      "{\"\xC3\xA5\":1,\"z\":2,\"a\":3}", "{\"\\u0061\":1,\"a\":2}", "{\"\xFF\":1}", std::string("1\0", 2),
      std::string("\"\0\"", 3), std::string("\0", 1)};
  for (const auto& text : kTexts) {
    INFO(text);
    CHECK(agree(text));
    CHECK(agree("[" + text + "]"));
    CHECK(agree("{\"x\":" + text + ",\"y\":1}"));
  }
}

TEST_CASE("tree and value agree on whatever bytes come") {
  const auto pieces = rc::gen::element<std::string>("{", "}", "[", "]", ",", ":", " ", "\"", "\\", "\"a\"", "\"b\"",
                                                    "\"c\":", "\"\\u00e5\"", "\\uD83D\\uDE80", "\\n", "x", "1", "-0", "1.5", "e9",
                                                    "true", "null", "\xC3\xA5", "\xC3", "\n", std::string(100, 'y'));
  rc::prop("of pieces", [&] {
    std::string text;
    for (const auto& piece : *rc::gen::container<std::vector<std::string>>(pieces)) text += piece;
    RC_ASSERT(agree(text));
  });
  rc::prop("of a value, whole, cut and with a byte changed", [&] {
    Json value = Json::object();
    for (const auto& name : *rc::gen::container<std::vector<std::string>>(pieces)) {
      auto& member = value[canonical_json(name)];
      switch (*rc::gen::inRange(0, 4)) {
        case 0: member = canonical_json(name + *rc::gen::arbitrary<std::string>()); break;
        case 1: member = *rc::gen::arbitrary<std::int64_t>(); break;
        case 2: member = {1, Json::object({{"z", nullptr}, {"a", false}})}; break;
        default: member = *rc::gen::arbitrary<bool>();
      }
    }
    auto text = canonical_json(value);
    RC_ASSERT(JsonTree(text, kDepth).root().has_value());
    RC_ASSERT(agree(text));
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    RC_ASSERT(agree(text.substr(0, at)));
    text[at] = *rc::gen::arbitrary<char>();
    RC_ASSERT(agree(text));
  });
}

TEST_CASE("a tree may be larger than the room it begins with") {
  Json value = Json::object();
  for (int i = 0; i < 5'000; ++i) value["name" + std::to_string(i * 7'919 % 5'000)] = {i, "line\n" + std::string(50, 'x')};
  CHECK(agree(canonical_json(value)));
}
