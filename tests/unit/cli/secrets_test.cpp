// SPDX-License-Identifier: Apache-2.0
// `hansa secret`: what is sent, and that what it is stands nowhere else.
#include "broker/wire/job_request.hpp"
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>

#include <cstdio>

namespace hansa::cli {
namespace {

constexpr const char* kMarker = "MARKER-hf_qX7Zk2";

std::string kept(const std::string& name = "hf-token") {
  return reply(200, R"({"name":")" + name + R"(","bytes":17,"changed_at":"2026-11-22T10:00:00Z"})");
}

}  // namespace

TEST_CASE("a secret goes from standard input to the broker byte for byte and is shown to nobody", "[secrets]") {
  Call call;
  call.in = std::string(kMarker) + "\n";
  ScriptedServer server({kept()});
  CHECK(call.run(server, {"secret", "put", "hf-token"}) == 0);
  CHECK(line_of(server.requests()[0]) == "PUT /v1/secrets/hf-token HTTP/1.1");
  CHECK(body_of(server.requests()[0]) == call.in);
  CHECK(call.out.empty());
  CHECK_THAT(call.err, Catch::Contains("17 bytes") && Catch::Contains("--secret hf-token"));
  CHECK_FALSE(call.err.contains(kMarker));
}

TEST_CASE("a secret comes from a file", "[secrets]") {
  Call call;
  ScriptedServer server({kept()});
  CHECK(call.run(server, {"secret", "put", "hf-token", "--file", call.token().c_str()}) == 0);
  CHECK(body_of(server.requests()[0]) == "secret-token\n");
}

TEST_CASE("what is no secret does not leave", "[secrets]") {
  Call nameless, empty, large, nowhere;
  ScriptedServer server({});
  nameless.in = kMarker;
  CHECK(nameless.run(server, {"secret", "put", "a/b"}) == 2);
  empty.in.clear();
  CHECK(empty.run(server, {"secret", "put", "a"}) == 2);
  large.in = std::string(65'537, 'x');
  CHECK(large.run(server, {"secret", "put", "a"}) != 0);
  CHECK(nowhere.run(server, {"secret", "put", "a", "--file", "/nonexistent"}) == 2);
  CHECK(server.requests().empty());
  CHECK_FALSE(nameless.err.contains(kMarker));
}

TEST_CASE("secrets are listed by name and deleted", "[secrets]") {
  Call list;
  CHECK(list.run(
            ScriptedServer({reply(200, R"({"secrets":[{"name":"hf-token","bytes":17,"changed_at":"2026-11-22T10:00:00Z"}]})")}),
            {"secret", "list"}) == 0);
  CHECK_THAT(list.out, Catch::Contains("hf-token") && Catch::Contains("17") && Catch::Contains("2026-11-22T10:00:00Z"));
  Call gone;
  ScriptedServer server({reply(200, R"({"status":"deleted"})")});
  CHECK(gone.run(server, {"secret", "delete", "hf-token"}) == 0);
  CHECK(line_of(server.requests()[0]) == "DELETE /v1/secrets/hf-token HTTP/1.1");
  CHECK(gone.out == "secret hf-token is deleted\n");
  Call none;
  CHECK(none.run(ScriptedServer({problem(404, "SECRET_NOT_FOUND")}), {"secret", "delete", "x"}) == 3);
}

TEST_CASE("submit names secrets, and says what is wrong with one by its option", "[secrets]") {
  Call call;
  ScriptedServer server({reply(201, job("waiting"))});
  CHECK(call.run(server, {"submit", "--secret", "hf-token", "--secret", "s3=credentials", "-"}) == 0);
  const auto sent = Json::parse(body_of(server.requests()[0]));
  CHECK(sent["secrets"] == Json{"hf-token", "s3=credentials"});
  CHECK(wire::job_from_json(sent));
  Call wrong;
  CHECK(wrong.run(ScriptedServer({}), {"submit", "--secret", "hunter2 itself", "-"}) == 2);
  CHECK_THAT(wrong.err, Catch::Contains("--secret") && !Catch::Contains("hunter2"));
  Call unknown;
  CHECK(unknown.run(ScriptedServer({problem(400, "SECRET_NOT_FOUND", R"(,"errors":[{"pointer":"/secrets","detail":"none"}])")}),
                    {"submit", "--secret", "x", "-"}) == 2);
  CHECK_THAT(unknown.err, Catch::Contains("--secret: none"));
}

}  // namespace hansa::cli
