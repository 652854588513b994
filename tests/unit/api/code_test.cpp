// SPDX-License-Identifier: Apache-2.0
// Code over REST: brought by its owner, in pieces, for its owner's jobs.
#include "broker/core/digest.hpp"
#include "broker/domain/code_archive.hpp"
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

namespace {

std::string archive_with(const std::string& text) {
  return domain::code_header({.path = "run.sh", .kind = domain::CodeEntry::Kind::program, .size = text.size()}) + text +
         domain::code_padding(text.size()) + domain::code_end();
}

struct Bringing {
  ApiUnderTest broker;
  std::string archive = archive_with("#!/bin/sh\n" + std::string(4'000, '#'));
  std::string id = domain::code_id_of(sha256_hex(archive)).str();

  Told put(const std::string& query = "", const std::string& person = "alice", std::string_view bytes = {}) {
    const std::string body(bytes.empty() ? std::string_view(archive) : bytes);
    return broker.call(person, "PUT", "/v1/code/" + id + query, body);
  }
  Told get(const std::string& person = "alice") { return broker.call(person, "GET", "/v1/code/" + id); }
  Told submit(const std::string& person = "alice", const ApiUnderTest::Fields& fields = {}) {
    return broker.call(person, "POST", "/v1/jobs", {{"script", kHold}, {"code", id}, {"project", "ai-lab"}}, fields);
  }
};

}  // namespace

TEST_CASE("code is brought whole or in pieces, then a job may name it") {
  Bringing b;
  CHECK(b.get().code() == "CODE_NOT_HERE");
  CHECK(b.broker.call("alice", "HEAD", "/v1/code/" + b.id).status == 404);
  const auto early = b.submit();
  CHECK(early.status == 400);
  CHECK(early.code() == "CODE_NOT_HERE");
  CHECK(early.fault("/code") != "");
  CHECK(b.broker.call("alice", "GET", "/v1/jobs").body["jobs"].empty());

  const auto all = std::to_string(b.archive.size());
  const auto half = b.put("?size=" + all, "alice", std::string_view(b.archive).substr(0, 1000));
  CHECK(half.status == 200);
  CHECK(half.body == Json{{"id", b.id}, {"received_bytes", 1000}, {"complete", false}});
  CHECK(b.get().body == half.body);
  CHECK(b.submit().code() == "CODE_NOT_HERE");
  const auto gap = b.put("?offset=2000&size=" + all, "alice", std::string_view(b.archive).substr(2000));
  CHECK(gap.status == 409);
  CHECK(gap.code() == "CODE_GAP");
  CHECK(b.put("?offset=1000", "alice", std::string_view(b.archive).substr(1000)).body["complete"] == true);
  CHECK(b.put().body["complete"] == true);  // again, whole
  CHECK(b.broker.call("alice", "HEAD", "/v1/code/" + b.id).status == 200);

  const auto job = b.submit();
  REQUIRE(job.status == 201);
  const auto details = b.broker.call("alice", "GET", "/v1/jobs/" + job.body["id"].get<std::string>()).body;
  CHECK(details["code"] == b.id);
  b.broker.time.advance(Milliseconds{5'000});
  CHECK(b.broker.call("alice", "GET", "/v1/jobs/" + job.body["id"].get<std::string>()).body["state"] == "running");
  const auto plain = b.broker.submit("alice");
  CHECK(b.broker.call("alice", "GET", "/v1/jobs/" + plain).body["code"] == nullptr);
}

TEST_CASE("code of others is as if it were not there", "[T11]") {
  Bringing b;
  REQUIRE(b.put().status == 200);
  CHECK(b.get("bob").code() == "CODE_NOT_HERE");
  CHECK(b.submit("bob").code() == "CODE_NOT_HERE");
  CHECK(b.get("operator").code() == "CODE_NOT_HERE");
  CHECK(b.get("auditor").status == 403);
  CHECK(b.put("", "auditor").status == 403);
  CHECK(b.broker.call("", "PUT", "/v1/code/" + b.id, b.archive).status == 401);
  CHECK(b.put("", "carol").code() == "NO_PROJECT");  // could not submit a job either
  CHECK(b.put("", "bob").code() == "WHICH_PROJECT");
  CHECK(b.put("?project=climate", "bob").status == 200);
  CHECK(b.submit("bob").status == 201);
}

TEST_CASE("a submission that is repeated finds its job, whatever became of the code") {
  Bringing b;
  REQUIRE(b.put().status == 200);
  const auto first = b.submit("alice", {{"Idempotency-Key", "k"}});
  REQUIRE(first.status == 201);
  std::filesystem::remove_all(b.broker.code_files());
  CHECK(b.get().status == 404);
  const auto again = b.submit("alice", {{"Idempotency-Key", "k"}});
  CHECK(again.status == 200);
  CHECK(again.body["id"] == first.body["id"]);
  CHECK(b.submit("alice", {{"Idempotency-Key", "k2"}}).code() == "CODE_NOT_HERE");
}

TEST_CASE("what is no code is refused, each with its reason") {
  Bringing b;
  CHECK(b.broker.call("alice", "PUT", "/v1/code/sha256:ab", b.archive).code() == "BAD_CODE_ID");
  CHECK(b.broker.call("alice", "GET", "/v1/code/" + std::string(64, 'a')).code() == "BAD_CODE_ID");
  CHECK(b.put("?size=0").fault("?size") != "");
  CHECK(b.put("?offset=-1").fault("?offset") != "");
  CHECK(b.put("?label=secret").fault("?label") != "");
  CHECK(b.put("?depth=1").status == 400);
  const auto large = b.put("?size=20000");
  CHECK(large.status == 413);
  CHECK(large.code() == "CODE_TOO_LARGE");
  auto other = b.archive;
  other[600] = '!';
  CHECK(b.put("", "alice", other).code() == "CODE_MISMATCH");
  b.id = domain::code_id_of(sha256_hex("no tar")).str();
  CHECK(b.put("", "alice", "no tar").code() == "BAD_CODE");
  CHECK(b.get().status == 404);
  CHECK(Api::body_limit("PUT", "/v1/code/" + b.id) == kMaxCodePiece);
  CHECK(b.broker.refuse_body("", "PUT", "/v1/code/" + b.id) == 401);
  // What a dry run asks needs no code to be there.
  CHECK(b.broker.call("alice", "POST", "/v1/jobs?dry_run=true", {{"script", kHold}, {"code", b.id}}).status == 200);
}

TEST_CASE("code that a job still needs is kept, other code goes in its time") {
  Bringing b;
  REQUIRE(b.put().status == 200);
  b.broker.call("operator", "POST", "/v1/sites/alpha/drain", Json::object());
  const auto job = b.submit();
  REQUIRE(job.status == 201);
  const auto needed = b.id;
  const auto bring_others = [&](char mark) {
    for (int i = 0; i < 8; ++i) {  // 30,000 bytes are kept of hers: five
      b.broker.time.advance(Milliseconds{4'000'000});
      b.archive = archive_with(mark + std::to_string(i) + std::string(4'000, '#'));
      b.id = domain::code_id_of(sha256_hex(b.archive)).str();
      INFO(i);
      REQUIRE(b.put().status == 200);
    }
    b.id = needed;
    return b.get().status;
  };
  CHECK(bring_others('a') == 200);
  REQUIRE(b.broker.call("alice", "POST", "/v1/jobs/" + job.body["id"].get<std::string>() + "/cancel").status == 200);
  CHECK(bring_others('b') == 404);
}

}  // namespace hansa::api::test
