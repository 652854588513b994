// SPDX-License-Identifier: Apache-2.0
// Answers that nobody recorded: hostile, broken, or of something else than slurmrestd.
#include "connectors/slurmrest/lists.hpp"
#include "connectors/slurmrest/reply.hpp"
#include "connectors/slurmrest/submission.hpp"

#include <catch2/catch.hpp>

namespace hansa::connectors::slurmrest {

namespace {

http::Response response(int status, std::string body) { return {.status = status, .body = std::move(body)}; }

Error question(int status, std::string body) {
  const auto failure = failure_of(Reply::read(response(status, std::move(body))), "alice");
  REQUIRE(failure.has_value());
  return *failure;
}

std::string submission(int status, std::string body) {
  const auto receipt = read_receipt(response(status, std::move(body)), "alice");
  if (receipt) return "receipt " + receipt->site_job_id.str();
  CHECK(receipt.error().kind == ErrorKind::unknown_outcome);
  CHECK_FALSE(receipt.error().message.empty());
  return receipt.error().code;
}

Document parsed(std::string text) {
  auto document = Document::parse(std::move(text));
  REQUIRE(document.has_value());
  return std::move(*document);
}

std::string job(const std::string& changes = "") {
  return R"({"job_id":7,"name":"n","user_name":"alice","cluster":"c","partition":"main","state_reason":"None","nodes":"n1",)"
         R"("job_state":["RUNNING"],"submit_time":1795341614,"start_time":{"set":true,"infinite":false,"number":1795341615},)"
         R"("end_time":0,"time_limit":{"set":true,"infinite":true,"number":0},"tres_alloc_str":"cpu=2,node=1")" +
         changes + "}";
}

}  // namespace

TEST_CASE("slurmrest: what is no answer of slurmrestd's is said as such") {
  CHECK(question(200, "<html><body>Login</body></html>").code == "SITE_GARBLED");
  CHECK(question(200, "").code == "SITE_GARBLED");
  CHECK(question(200, R"({"jobs":[{"job_id":1)").code == "SITE_GARBLED");
  CHECK(question(200, "[1,2]").code == "SITE_GARBLED");
  CHECK(question(200, std::string(100'000, '[')).code == "SITE_GARBLED");
  CHECK(question(200, R"({"a":1,"a":2})").code == "SITE_GARBLED");
  CHECK(question(401, "Authentication failure").code == "TOKEN_REFUSED");
  CHECK(question(403, "<html>Forbidden</html>").code == "TOKEN_REFUSED");
  CHECK(question(404, "Unable to find requested URL endpoint.").code == "SITE_VERSION");
  CHECK(question(500, "<html>oops</html>").code == "SITE_DOWN");
  CHECK(question(503, "").code == "SITE_DOWN");
  CHECK(question(204, "").code == "SITE_GARBLED");
  CHECK(question(304, "").code == "SITE_DOWN");
  CHECK(question(307, "").code == "SITE_REDIRECTS");
  auto moved = response(302, "");
  moved.headers = {{"Location", "https://login.example.eu/\x1b[31m"}};
  const auto redirect = failure_of(Reply::read(moved), "alice");
  REQUIRE(redirect.has_value());
  CHECK(redirect->code == "SITE_REDIRECTS");
  CHECK(redirect->message.contains("to https://login.example.eu/"));
  CHECK_FALSE(redirect->message.contains('\x1b'));
  CHECK(question(200, "<html>").kind == ErrorKind::internal);
  CHECK(question(500, "x").kind == ErrorKind::unavailable);
  CHECK(question(401, "x").kind == ErrorKind::unavailable);  // the token may be renewed: no job is refused for it
  CHECK(question(200, R"({"errors":[{"error_number":2002}]})").kind == ErrorKind::permission_denied);
}

TEST_CASE("slurmrest: errors[] in a 200 is an error, whatever else the answer has") {
  CHECK(question(200, R"({"jobs":[],"errors":[{"error":"Access/permission denied","error_number":2002}]})").code ==
        "SITE_DENIED");
  CHECK(question(200, R"({"jobs":[],"errors":["strange"]})").code == "SITE_DOWN");
  CHECK(question(200, R"({"jobs":[],"errors":{"a":1}})").code == "SITE_DOWN");
  CHECK(question(200, R"({"errors":[{"error":"Protocol authentication error","error_number":1007}]})").code == "TOKEN_REFUSED");
  const auto vague = question(500, R"({"errors":[{"error":"Unspecified error","error_number":-1}]})");
  CHECK(vague.message.contains("controller does not answer"));
  CHECK(vague.message.contains("token of \"alice\""));
  CHECK_FALSE(failure_of(Reply::read(response(200, R"({"jobs":[],"errors":null})")), "alice").has_value());
  const auto hostile = question(200, "{\"errors\":[{\"error\":\"\x1b[2J\xff\",\"error_number\":9}]}");
  CHECK_FALSE(hostile.message.contains('\x1b'));
}

TEST_CASE("slurmrest: a change that finds the job over is none that failed; a controller that is away is no refusal") {
  const auto change = [](int status, std::string body) {
    const auto failure = failure_of_change(Reply::read(response(status, std::move(body))), "alice");
    return failure ? failure->code : "fine";
  };
  CHECK(change(200, R"({"status":[],"errors":[]})") == "fine");
  CHECK(change(200, R"({"status":[{"error":{"code":2017,"message":"Invalid job id"}}],"errors":[]})") == "fine");
  CHECK(change(500, R"({"errors":[{"error_number":2021,"error":"Job/step already completing"}]})") == "fine");
  CHECK(change(200, R"({"status":[{"error":{"code":2002,"message":"denied"}}],"errors":[]})") == "SITE_DENIED");
  CHECK(change(403, R"({"errors":[{"error_number":1,"error":"Operation not permitted"}]})") == "SITE_DOWN");
  CHECK(change(200, "<html>") == "SITE_GARBLED");
}

TEST_CASE("slurmrest: only a job id that is sure is a receipt") {
  CHECK(submission(200, R"({"job_id":12,"errors":[]})") == "receipt 12");
  CHECK(submission(200, R"({"job_id":{"set":true,"infinite":false,"number":12}})") == "receipt 12");
  CHECK(submission(200, R"({"job_id":12,"errors":[{"error_code":2042,"error":"Job is in held state"}]})") == "receipt 12");
  CHECK(submission(200, R"({"job_id":12,"errors":[{"error_code":2015,"error":"x"}]})") == "SITE_GARBLED");
  CHECK(submission(500, R"({"job_id":12,"errors":[]})") == "SITE_GARBLED");
  CHECK(submission(200, R"({"job_id":0,"errors":[]})") == "SITE_GARBLED");
  CHECK(submission(200, R"({"job_id":-4})") == "SITE_GARBLED");
  CHECK(submission(200, R"({"job_id":"12"})") == "SITE_GARBLED");
  CHECK(submission(200, R"({"job_id":12.5})") == "SITE_GARBLED");
  CHECK(submission(200, R"({"job_id":99999999999})") == "SITE_GARBLED");
  CHECK(submission(200, R"({"errors":[],"warnings":[]})") == "SITE_GARBLED");
  CHECK(submission(200, "<html>") == "SITE_GARBLED");
  CHECK(submission(200, R"({"job_id":1)") == "SITE_GARBLED");
  CHECK(submission(422, R"({"errors":[{"error_number":2000,"error":"Invalid partition name specified"}]})") == "SITE_REFUSED");
  CHECK(submission(502, R"({"errors":[{"error_number":1800,"error":"Unable to contact slurm controller"}]})") == "SITE_SILENT");
  CHECK(submission(502, "<html>Bad Gateway</html>") == "SITE_SILENT");
  CHECK(submission(504, R"({"message":"upstream timed out"})") == "SITE_SILENT");
  CHECK(submission(401, "Authentication failure") == "SITE_REFUSED");
  CHECK(submission(307, "") == "SITE_REFUSED");
}

TEST_CASE("slurmrest: numbers in three states and plain, and what is none") {
  const auto read = [](const std::string& text) {
    const auto document = parsed("{\"n\":" + text + "}");
    const auto value = number(document.root().find("n"));
    return !value ? std::string("malformed") : !*value ? "none" : std::to_string(**value);
  };
  CHECK(read("5") == "5");
  CHECK(read("null") == "none");
  CHECK(read("-1") == "none");
  CHECK(read(R"({"set":true,"infinite":false,"number":5})") == "5");
  CHECK(read(R"({"set":true,"number":5})") == "5");
  CHECK(read(R"({"set":false,"infinite":false,"number":5})") == "none");
  CHECK(read(R"({"set":true,"infinite":true,"number":5})") == "none");
  CHECK(read(R"({"set":true})") == "malformed");
  CHECK(read(R"({"set":true,"number":"5"})") == "malformed");
  CHECK(read("\"5\"") == "malformed");
  CHECK(read("5.5") == "malformed");
  CHECK(read("18446744073709551615") == "malformed");
  CHECK(read("[5]") == "malformed");
}

TEST_CASE("slurmrest: records are lost one by one") {
  const auto read = [](const std::string& jobs) { return read_queue(parsed("{\"jobs\":[" + jobs + "]}").root()); };
  const auto good = read(job());
  REQUIRE(good.has_value());
  REQUIRE(good->rows.size() == 1);
  CHECK_FALSE(good->rows[0].time_limit.has_value());
  CHECK_FALSE(good->rows[0].ends_at.has_value());
  for (const std::string& odd : std::vector<std::string>{R"({"job_id":0})", R"({"job_id":"7"})", "7", "null", "[]", "{}"}) {
    INFO(odd);
    const auto listing = read(odd + ',' + job());
    REQUIRE(listing.has_value());
    CHECK(listing->rows.size() == 1);
    REQUIRE(listing->dropped.size() == 1);
    CHECK(listing->dropped[0].row == 1);
  }
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"\"job_id\":7", "\"job_id\":70000000000"},
                                                        {"[\"RUNNING\"]", "[]"},
                                                        {"[\"RUNNING\"]", "7"},
                                                        {"\"submit_time\":1795341614", "\"submit_time\":null"},
                                                        {"\"end_time\":0", "\"end_time\":999999999999999"},
                                                        {"cpu=2", "cpu=x"},
                                                        {"\"user_name\":\"alice\"", "\"user_name\":7"}}) {
    INFO(from << " -> " << to);
    auto changed = job();
    changed.replace(changed.find(from), from.size(), to);
    const auto listing = read(changed);
    REQUIRE(listing.has_value());
    CHECK(listing->rows.empty());
    CHECK(listing->dropped.size() == 1);
  }
  CHECK(read_queue(parsed("{\"jobs\":{}}").root()).error().code == "SITE_GARBLED");
  CHECK(read_queue(parsed("{}").root()).error().code == "SITE_GARBLED");
  CHECK(read_history(parsed("{}").root(), "").error().code == "SITE_GARBLED");
}

TEST_CASE("slurmrest: a name that is no UTF-8 hides nobody's job") {
  auto odd = job();
  odd.replace(odd.find("\"n\""), 3, "\"\xff\xfe\xc3\xed\xa0\x80z\"");
  auto document = Document::parse("{\"jobs\":[" + odd + ',' + job() + "]}");
  REQUIRE(document.has_value());
  const auto listing = read_queue(document->root());
  REQUIRE(listing.has_value());
  CHECK(listing->rows.size() == 2);
  CHECK(std::ranges::any_of(listing->rows, [](const auto& row) { return row.name == "??????z"; }));
}

TEST_CASE("slurmrest: tasks of an array that wait, as many as are told") {
  const auto tasks = [](const std::string& list) {
    auto waiting = job(R"(,"array_job_id":{"set":true,"infinite":false,"number":7},"array_task_string":")" + list + '"');
    return read_queue(parsed("{\"jobs\":[" + waiting + "]}").root())->rows;
  };
  CHECK(tasks("0-3").size() == 4);
  CHECK(tasks("0-9:3%2").size() == 4);
  CHECK(tasks("1,5,7-8").back().display_id == "7_8");
  CHECK(tasks("1,5,...").size() == 2);
  CHECK(tasks("x").size() == 1);
  CHECK(tasks("3-1").size() == 1);
  CHECK(tasks("").size() == 1);
  CHECK(tasks("0-999999999").size() == 1);
  CHECK(tasks("1,5,...").back().more_tasks);
  CHECK_FALSE(tasks("1,5,...").front().more_tasks);
  for (const auto& row : tasks("1,5")) {
    CHECK_FALSE(row.more_tasks);
    CHECK(row.array_id == "7");
    CHECK(row.tasks.size() == 1);
  }
  CHECK(tasks("").front().array_id == "7");  // cancelled before it was taken apart: the accounting knows of its tasks
}

TEST_CASE("slurmrest: tasks of an array that wait are no more rows than any listing may have", "[costly]") {
  auto waiting = job(R"(,"array_job_id":{"set":true,"infinite":false,"number":7},"array_task_string":"0-4000000")");
  CHECK(read_queue(parsed("{\"jobs\":[" + waiting + "]}").root())->rows.size() == slurm::kMaxRows);
}

TEST_CASE("slurmrest: 0.0.38 complains of a change of an array that went well") {
  const auto failure = [](std::string body) {
    return failure_of_change(Reply::read({.status = 500, .body = std::move(body)}), "alice").has_value();
  };
  CHECK_FALSE(
      failure(R"({"errors":[{"description":"job array update from [localhost]:57082 failed","source":"_parse_job_list"}]})"));
  CHECK(failure(R"({"errors":[{"description":"job update from [localhost]:57082 failed","source":"_parse_job_list"}]})"));
  CHECK(failure(
      R"({"errors":[{"error_number":2002,"error":"Access/permission denied","description":"job array update from x failed"}]})"));
}

TEST_CASE("slurmrest: runs of an array's tasks, alone and together") {
  const auto runs = [](const std::string& array) {
    return read_history(
        parsed(R"({"jobs":[{"job_id":11,"array":)" + array +
               R"(,"cluster":"c","name":"n","user":"u","account":"a","partition":"p","state":{"current":"CANCELLED"},)"
               R"("tres":{"allocated":[]},"time":{"submission":1795341614,"start":0,"end":1795341620,"elapsed":0}}]})")
            .root(),
        "");
  };
  const auto alone = runs(R"({"job_id":6,"task_id":3,"task":null})")->rows.at(0);
  CHECK(alone.of_array);
  CHECK(alone.id == "6");
  CHECK(alone.shown_id == "6_3");
  CHECK(alone.tasks == std::vector{3});
  CHECK(alone.line.starts_with("6_3|"));
  CHECK(runs(R"({"job_id":6,"task_id":{"set":true,"number":0},"task":""})")->rows.at(0).shown_id == "6_0");
  for (const auto* together : {"4-6,9", "0x270", "[4-6,9%2]"}) {
    CAPTURE(together);
    const auto row = runs(R"({"job_id":6,"task_id":null,"task":")" + std::string(together) + "\"}")->rows.at(0);
    CHECK(row.tasks == std::vector{4, 5, 6, 9});
    CHECK(row.shown_id == "6_[4-6,9]");
  }
  for (const auto* none : {R"({"job_id":0,"task_id":null,"task":null})", R"({"job_id":6,"task_id":null,"task":""})", "null"}) {
    CAPTURE(none);
    const auto row = runs(none)->rows.at(0);
    CHECK_FALSE(row.of_array);
    CHECK(row.id == "11");
    CHECK(row.shown_id == "11");
  }
  CHECK(runs(R"({"job_id":6,"task_id":4000001})")->rows.empty());
  CHECK(runs(R"({"job_id":"x","task_id":4})")->rows.empty());
}

TEST_CASE("slurmrest: partitions that name too many nodes together are left out") {
  std::string list;
  for (int i = 0; i < 12; ++i) {
    list += (i == 0 ? "" : ",") + std::string(R"({"name":"p)") + std::to_string(i) +
            R"(","nodes":{"configured":"n[1-200000]"},"partition":{"state":["UP"]}})";
  }
  slurm::Inventory inventory;
  REQUIRE(read_partitions(parsed("{\"partitions\":[" + list + "]}").root(), inventory).has_value());
  CHECK(inventory.partitions.size() == 10);
  CHECK(inventory.dropped.size() == 2);
}

TEST_CASE("slurmrest: states of several words, as squeue and sacct print them") {
  const auto state = [](const std::string& words) {
    auto changed = job();
    changed.replace(changed.find("[\"RUNNING\"]"), 11, words);
    const auto rows = read_queue(parsed("{\"jobs\":[" + changed + "]}").root())->rows;
    return rows.empty() ? std::string() : rows[0].state;
  };
  CHECK(state(R"(["CANCELLED","COMPLETING"])") == "COMPLETING");
  CHECK(state(R"(["PENDING","SPECIAL_EXIT"])") == "SPECIAL_EXIT");
  CHECK(state(R"(["PENDING","REQUEUED"])") == "PENDING");
  CHECK(state(R"(["RUNNING","CONFIGURING"])") == "CONFIGURING");
  CHECK(state(R"(["COMPLETED","LAUNCH_FAILED"])") == "COMPLETED");
  CHECK(state(R"("completed")") == "COMPLETED");
}

}  // namespace hansa::connectors::slurmrest
