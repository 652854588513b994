// SPDX-License-Identifier: Apache-2.0
// The outputs that a job names, over REST: what is there, whole and in ranges, and whom they are not told.
#include "tests/unit/api/api_under_test.hpp"

namespace hansa::api::test {

namespace {

/// A job of alice's that runs: a file of a little more than two pieces, an empty one, a folder, a link, and nothing.
struct Left {
  Left() {
    while (large.size() < (std::size_t{2} << 20)) large += std::to_string(large.size()) + std::string(1000, 'x') + "\n";
    std::string script = kHold;
    for (std::size_t at = 0; at < large.size(); at = large.find('\n', at) + 1)
      script += "#model-file out/large=" + large.substr(at, large.find('\n', at) - at) + "\n";
    script += "#model-file small=text\n#model-file empty=\n#model-folder d\n#model-link l\n";
    id = broker.submit("alice", {{"script", script},
                                 {"outputs",
                                  {{"large", "out/large"},
                                   {"small one", "small"},
                                   {"empty", "empty"},
                                   {"folder", "d"},
                                   {"link", "l"},
                                   {"none", "none"}}}});
    broker.time.advance(Milliseconds{10'000});
  }
  Told get(const std::string& name, const ApiUnderTest::Fields& fields = {}, const std::string& person = "alice") {
    return broker.call(person, "GET", "/v1/jobs/" + id + "/outputs" + (name.empty() ? "" : "/" + name), Json(), fields);
  }

  ApiUnderTest broker;
  std::string large, id;
};

}  // namespace

TEST_CASE("outputs are listed with what is there of each") {
  Left left;
  const auto told = left.get("");
  REQUIRE(told.status == 200);
  CHECK(told.body["job_state"] == "running");
  std::map<std::string, std::string> states;
  for (const auto& output : told.body["outputs"]) {
    states[output["name"]] = output["state"];
    CHECK(output.contains("version") == (output["state"] == "file"));
    CHECK(output.contains("size_bytes") == (output["state"] == "file"));
  }
  CHECK(states == std::map<std::string, std::string>{{"large", "file"},
                                                     {"small one", "file"},
                                                     {"empty", "file"},
                                                     {"folder", "folder"},
                                                     {"link", "link"},
                                                     {"none", "missing"}});
  CHECK(told.body["outputs"][2]["size_bytes"] == left.large.size());
  CHECK(told.body["outputs"][2]["path"] == "out/large");
  CHECK(left.broker.call("alice", "GET", "/v1/jobs/" + left.id).body["outputs"]["large"] == "out/large");
  const auto plain = left.broker.submit("alice");
  CHECK(left.broker.call("alice", "GET", "/v1/jobs/" + plain + "/outputs").body["outputs"] == Json::array());
}

TEST_CASE("an output comes whole, or the range of it that is asked for") {
  Left left;
  const auto whole = left.get("large");
  CHECK(whole.status == 200);
  CHECK((whole.text == left.large));
  CHECK_FALSE(whole.cut);
  CHECK(whole.header("Accept-Ranges") == "bytes");
  CHECK(whole.header("X-Content-Type-Options") == "nosniff");
  const auto tag = whole.header("ETag");
  const auto size = std::to_string(left.large.size());

  const struct {
    const char* range;
    std::size_t first, count;
  } kRanges[] = {{"bytes=0-0", 0, 1},
                 {"bytes=5-14", 5, 10},
                 {"bytes=2000000-", 2'000'000, left.large.size() - 2'000'000},
                 {"bytes=10-99999999999", 10, left.large.size() - 10}};
  for (const auto& [range, first, count] : kRanges) {
    CAPTURE(range);
    const auto part = left.get("large", {{"Range", range}, {"If-Match", "\"other\", " + tag}, {"If-Range", tag}});
    CHECK(part.status == 206);
    CHECK((part.text == left.large.substr(first, count)));
    CHECK(part.header("Content-Range") ==
          "bytes " + std::to_string(first) + "-" + std::to_string(first + count - 1) + "/" + size);
    CHECK(part.header("ETag") == tag);
  }
  // What is no single range from a byte on is not heeded.
  for (const auto* range : {"bytes=-5", "bytes=1-2,4-5", "bytes=5-4", "lines=1-2", "bytes=x-", "bytes=18446744073709551616-"}) {
    CAPTURE(range);
    CHECK(left.get("small one", {{"Range", range}}).status == 200);
  }
  for (const auto* range : {"bytes=5-", "bytes=9223372036854775806-"}) {
    const auto beyond = left.get("small one", {{"Range", range}});
    CHECK(beyond.status == 416);
    CHECK(beyond.code() == "NO_SUCH_RANGE");
    CHECK(beyond.header("Content-Range") == "bytes */5");
  }
  const auto empty = left.get("empty");
  CHECK(empty.status == 200);
  CHECK(empty.text.empty());
}

TEST_CASE("a range counts only for the version that the client knows") {
  Left left;
  const auto other = left.get("small one", {{"If-Match", "\"7-x\""}});
  CHECK(other.status == 412);
  CHECK(other.code() == "OUTPUT_CHANGED");
  CHECK(left.get("small one", {{"If-Match", "*"}}).status == 200);
  const auto anew = left.get("small one", {{"Range", "bytes=2-"}, {"If-Range", "\"7-x\""}});
  CHECK(anew.status == 200);
  CHECK(anew.text == "text\n");
}

TEST_CASE("what cannot be fetched says why, and others' outputs do not exist", "[T11]") {
  Left left;
  const struct {
    const char* name;
    int status;
    const char *code, *remedy;
  } kTable[] = {{"folder", 409, "OUTPUT_NOT_A_FILE", "tar -czf"},
                {"link", 403, "OUTPUT_IS_LINK", "cp -L"},
                {"none", 404, "OUTPUT_MISSING", "not there yet"},
                {"lrage", 404, "NO_SUCH_OUTPUT", "did you mean \"large\"?"}};
  for (const auto& [name, status, code, remedy] : kTable) {
    CAPTURE(name);
    const auto told = left.get(name);
    CHECK(told.status == status);
    CHECK(told.code() == code);
    CHECK(told.body["detail"].get<std::string>().contains(remedy));
  }
  for (const auto* name : {"", "large"}) {
    CHECK(left.get(name, {}, "bob").status == 404);
    CHECK(left.get(name, {}, "operator").code() == "BREAK_GLASS_NEEDED");
    CHECK(left.get(name, {}, "auditor").status == 403);
    CHECK(left.get(name, {}, "").status == 401);
  }
  const auto held = left.broker.submit("alice", {{"script", kHold}, {"resources", {{"tasks", 4}}}, {"outputs", {{"x", "x"}}}});
  CHECK(left.broker.call("alice", "GET", "/v1/jobs/" + held + "/outputs").body["outputs"][0]["state"] == "missing");
}

}  // namespace hansa::api::test
