// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/request.hpp"

#include "broker/core/canonical_json.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::connectors::account_switch;

namespace {

struct TextSource : ByteSource {
  explicit TextSource(std::string text) : bytes(std::move(text)) {}
  std::string bytes;
  std::size_t at = 0;

  Result<std::string> read_exactly(std::size_t count) override {
    if (bytes.size() - at < count) return fail(ErrorKind::invalid_argument, "REQUEST_TRUNCATED", "ended");
    at += count;
    return bytes.substr(at - count, count);
  }
};

std::string length(std::size_t n) {
  std::string text;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) text += static_cast<char>(n >> shift & 0xffU);
  return text;
}

Json good() {
  return {{"protocol", 1},
          {"account", "alice"},
          {"program", "/usr/bin/sbatch"},
          {"limit_s", 30},
          {"output_limit", 1000},
          {"person", "local:alice"},
          {"tag", "hansa-1"},
          {"arguments", {"--parsable"}},
          {"environment", {{"TZ", "UTC"}}},
          {"working_directory", ".hansa/jobs"}};
}

}  // namespace

TEST_CASE("a request is read from its bytes as it was meant") {
  const auto header = good().dump();
  TextSource source(length(header.size()) + header + length(5) + "#!/bi" + "n/sh");
  const auto request = read_header(source);
  REQUIRE(request);
  CHECK(request->account == "alice");
  CHECK(request->program == "/usr/bin/sbatch");
  CHECK(request->arguments == std::vector<std::string>{"--parsable"});
  CHECK(request->environment == std::vector<std::pair<std::string, std::string>>{{"TZ", "UTC"}});
  CHECK(request->working_directory == ".hansa/jobs");
  CHECK(request->person == "local:alice");
  CHECK(request->tag == "hansa-1");
  CHECK(request->limit == Seconds{30});
  CHECK(request->output_limit == 1000);
  CHECK(read_input(source).value() == "#!/bi");
}

TEST_CASE("arguments arrive byte for byte") {
  auto header = good();
  const std::vector<std::string> odd = {"", "-x", "$(id)", "a\nb", "'\"", "größe", "--", "\x01"};
  header["arguments"] = odd;
  CHECK(parse_header(header.dump()).value().arguments == odd);
}

TEST_CASE("what may be left out is empty") {
  auto header = good();
  for (const auto* field : {"arguments", "environment", "working_directory", "tag"}) header.erase(field);
  const auto request = parse_header(header.dump());
  REQUIRE(request);
  CHECK(request->arguments.empty());
  CHECK(request->environment.empty());
  CHECK(request->working_directory.empty());
  CHECK(request->tag.empty());
}

TEST_CASE("every malformed header is refused, and the refusal names the field", "[T08]") {
  struct Case {
    const char* field;
    Json value;
  };
  const std::string long_text(5000, 'a');
  const std::string nul("a\0b", 3);
  const Case cases[] = {
      {"protocol", 2},
      {"protocol", "1"},
      {"protocol", nullptr},
      {"account", ""},
      {"account", 7},
      {"account", "-alice"},
      {"account", ".alice"},
      {"account", "al ice"},
      {"account", "alice\n"},
      {"account", "../alice"},
      {"account", nul},
      {"account", std::string(65, 'a')},
      {"account", "älice"},
      {"account", Json::array()},
      {"program", ""},
      {"program", "sbatch"},
      {"program", "./sbatch"},
      {"program", "/usr/../bin/sh"},
      {"program", "//bin/sh"},
      {"program", "/bin/./sh"},
      {"program", "/bin/sh/"},
      {"program", "/"},
      {"program", "/" + long_text},
      {"program", nul},
      {"arguments", "x"},
      {"arguments", {{"a", "b"}}},
      {"arguments", {1}},
      {"arguments", {nullptr}},
      {"arguments", {nul}},
      {"arguments", nullptr},
      {"environment", "x"},
      {"environment", {"x"}},
      {"environment", {{"A=B", "x"}}},
      {"environment", {{"", "x"}}},
      {"environment", {{"1A", "x"}}},
      {"environment", {{"A", 1}}},
      {"environment", {{"A", nul}}},
      {"working_directory", "/etc"},
      {"working_directory", ".."},
      {"working_directory", "a/../b"},
      {"working_directory", "a//b"},
      {"working_directory", "a/"},
      {"working_directory", "."},
      {"working_directory", nul},
      {"working_directory", 1},
      {"person", ""},
      {"person", long_text},
      {"person", nul},
      {"person", nullptr},
      {"tag", 1},
      {"tag", nul},
      {"tag", long_text},
      {"limit_s", 0},
      {"limit_s", -1},
      {"limit_s", 86401},
      {"limit_s", "30"},
      {"limit_s", 1.5},
      {"limit_s", true},
      {"limit_s", 18446744073709551615U},
      {"output_limit", 0},
      {"output_limit", 268435457},
      {"output_limit", nullptr},
      {"shell", "x"},
      {"uid", 0},
  };
  for (const auto& c : cases) {
    auto header = good();
    header[c.field] = c.value;
    const auto request = parse_header(header.dump());
    INFO(c.field << " = " << c.value.dump());
    REQUIRE_FALSE(request);
    CHECK(request.error().code == "REQUEST_MALFORMED");
    CHECK(one_line(request.error()).find(std::string("/") + c.field) != std::string::npos);
  }
  for (const auto* field : {"protocol", "account", "program", "person", "limit_s", "output_limit"}) {
    auto header = good();
    header.erase(field);
    const auto request = parse_header(header.dump());
    INFO("without " << field);
    REQUIRE_FALSE(request);
    CHECK(one_line(request.error()).find(std::string("/") + field + ": missing") != std::string::npos);
  }
}

TEST_CASE("what is no JSON object of the right kind is refused") {
  for (const auto* text :
       {"", " ", "{", "[]", "null", "1", "\"x\"", "{}{}", "{\"account\":\"a\",\"account\":\"b\"}", "{\"account\":\"\xff\"}",
        "[[[[[[[[[[[[[[[[[[", "{\"arguments\":[[[[1]]]]}", "\xef\xbb\xbf{}", "{'a':1}", "{\"a\":NaN}", "// x\n{}"}) {
    INFO(text);
    const auto request = parse_header(text);
    REQUIRE_FALSE(request);
    CHECK(request.error().code == "REQUEST_MALFORMED");
  }
}

TEST_CASE("all faults are told at once, with what was probably meant") {
  auto header = good();
  header["acount"] = "x";
  header["limit_s"] = 0;
  header.erase("account");
  const auto request = parse_header(header.dump());
  REQUIRE_FALSE(request);
  CHECK(request.error().faults.size() == 3);
  CHECK(one_line(request.error()).find("did you mean \"account\"?") != std::string::npos);
}

TEST_CASE("lengths are judged before anything of that length is read", "[T24]") {
  struct Case {
    std::string bytes;
    const char* code;
  };
  const Case cases[] = {{"", "REQUEST_TRUNCATED"},
                        {"\0\0\0", "REQUEST_TRUNCATED"},
                        {length(0), "REQUEST_MALFORMED"},
                        {length(kMaxHeaderBytes + 1) + "{}", "REQUEST_TOO_LARGE"},
                        {length(0xffffffffU), "REQUEST_TOO_LARGE"},
                        {length(10) + "{}", "REQUEST_TRUNCATED"},
                        {length(kMaxHeaderBytes) + "{}", "REQUEST_TRUNCATED"}};
  for (const auto& c : cases) {
    TextSource source(c.bytes);
    const auto request = read_header(source);
    REQUIRE_FALSE(request);
    CHECK(request.error().code == c.code);
  }
  TextSource at_limit(length(kMaxInputBytes) + std::string(kMaxInputBytes, 'x'));
  CHECK(read_input(at_limit).value().size() == kMaxInputBytes);
  TextSource over(length(kMaxInputBytes + 1));
  CHECK(read_input(over).error().code == "REQUEST_TOO_LARGE");
  TextSource none(length(0));
  CHECK(read_input(none).value().empty());
}
