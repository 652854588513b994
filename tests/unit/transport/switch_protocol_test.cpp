// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/switch_protocol.hpp"

#include "broker/core/canonical_json.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::connectors::transport;
using namespace std::chrono_literals;

namespace {

std::string frame(char type, const std::string& payload) {
  std::string bytes(1, type);
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(payload.size() >> shift & 0xffU);
  return bytes + payload;
}

const std::string kEnd = frame('x', R"({"exit_status":0,"out_truncated":false,"err_truncated":false})");

Command sbatch() {
  return {.program = "/usr/bin/sbatch",
          .arguments = {"--parsable"},
          .environment = {{"TZ", "UTC"}},
          .working_directory = "w",
          .input = "#!",
          .output_limit = 100,
          .account = LocalAccount("alice"),
          .person = Principal("local:alice"),
          .tag = "t"};
}

}  // namespace

TEST_CASE("a request has the form that the switch reads") {
  const auto bytes = encode_request(sbatch(), 30s).value();
  const std::string json =
      R"({"account":"alice","arguments":["--parsable"],"environment":{"TZ":"UTC"},"limit_s":30,"output_limit":100,)"
      R"("person":"local:alice","program":"/usr/bin/sbatch","protocol":1,"tag":"t","working_directory":"w"})";
  CHECK(bytes == std::string("\0\0\0", 3) + static_cast<char>(json.size()) + json + std::string("\0\0\0\2", 4) + "#!");
}

TEST_CASE("what the switch would not take is not sent") {
  auto command = sbatch();
  command.arguments = {"\xff"};
  CHECK(encode_request(command, 30s).error().kind == ErrorKind::invalid_argument);
  command = sbatch();
  command.environment = {{"A", "\xc3"}};
  CHECK(encode_request(command, 30s).error().kind == ErrorKind::invalid_argument);
  command = sbatch();
  command.arguments = {std::string(65'536, 'a')};
  CHECK(encode_request(command, 30s).error().kind == ErrorKind::too_large);
  command = sbatch();
  command.input = std::string(8 * 1024 * 1024, '\xff');  // not text: as it is
  CHECK(encode_request(command, 30s));
  command.input += 'x';
  CHECK(encode_request(command, 30s).error().kind == ErrorKind::too_large);
}

TEST_CASE("an answer is the same however it is cut into pieces") {
  const auto bytes = frame('o', "ab") + frame('e', "E") + frame('o', "c") + frame('o', "") +
                     frame('x', R"({"signal":15,"out_truncated":false,"err_truncated":true})");
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    ReplyReader reader(100);
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      REQUIRE_FALSE(reader.ended());
      REQUIRE(reader.take(std::string_view(bytes).substr(at, piece)));
    }
    REQUIRE(reader.ended());
    CHECK(reader.result().out == "abc");
    CHECK(reader.result().err == "E");
    CHECK(reader.result().signal == 15);
    CHECK_FALSE(reader.result().exit_status);
    CHECK_FALSE(reader.result().out_truncated);
    CHECK(reader.result().err_truncated);
  }
}

TEST_CASE("no more output is kept than was asked for") {
  ReplyReader reader(3);
  REQUIRE(reader.take(frame('o', "ab") + frame('o', "cd") + frame('e', "xyz") + kEnd));
  CHECK(reader.result().out == "abc");
  CHECK(reader.result().out_truncated);
  CHECK(reader.result().err == "xyz");
  CHECK_FALSE(reader.result().err_truncated);
}

TEST_CASE("a refusal is an error of its kind; after the start it is an unknown outcome") {
  const auto refusal = [](const std::string& json) {
    ReplyReader reader(10);
    REQUIRE(reader.take(frame('x', json)));
    REQUIRE(reader.ended());
    return reader.refusal().value();
  };
  const auto denied = refusal(R"({"error":{"kind":"permission_denied","code":"ACCOUNT_DENIED","message":"no"},"started":false})");
  CHECK(denied.kind == ErrorKind::permission_denied);
  CHECK(denied.code == "ACCOUNT_DENIED");
  CHECK(denied.message == "hansa-switch: no");
  CHECK_FALSE(denied.retryable);
  CHECK(refusal(R"({"error":{"kind":"unavailable","code":"X","message":"no"},"started":false})").retryable);
  CHECK(refusal(R"({"error":{"kind":"permission_denied","code":"X","message":"no"},"started":true})").kind ==
        ErrorKind::unknown_outcome);
  // Never started, so never an unknown outcome, whatever another version calls it.
  CHECK(refusal(R"({"error":{"kind":"unknown_outcome","code":"X","message":"no"},"started":false})").kind ==
        ErrorKind::unavailable);
  CHECK(refusal(R"({"error":{"kind":"of_tomorrow","code":"X","message":"no"},"started":false})").kind == ErrorKind::unavailable);
}

TEST_CASE("what is no answer of a switch is seen") {
  const std::string cases[] = {
      frame('z', ""),
      "HTTP/1.1 400 Bad Request\r\n",
      std::string("o\xff\xff\xff\xff", 5),
      std::string("o\x00\x01\x00\x01", 5),
      frame('x', ""),
      frame('x', "{}"),
      frame('x', "[]"),
      frame('x', "{\"exit_status\":\"0\"}"),
      frame('x', "{\"exit_status\":-1}"),
      frame('x', "{\"exit_status\":256}"),
      frame('x', "{\"exit_status\":99999999999999999999}"),
      frame('x', "{\"exit_status\":0,\"signal\":15}"),
      frame('x', "{\"error\":{\"kind\":\"unavailable\",\"code\":\"X\"},\"started\":false}"),
      frame('x', "{\"error\":{\"kind\":\"unavailable\",\"code\":\"X\",\"message\":\"m\"}}"),
      frame('x', "{\"error\":\"no\",\"started\":false}"),
      kEnd + "x",
      kEnd + kEnd,
      kEnd + frame('o', "late"),
  };
  for (const auto& bytes : cases) {
    ReplyReader reader(100);
    INFO(bytes);
    CHECK_FALSE(reader.take(bytes));
  }
  ReplyReader reader(100);
  CHECK(reader.take(kEnd.substr(0, kEnd.size() - 1)));
  CHECK_FALSE(reader.ended());
}
