// SPDX-License-Identifier: Apache-2.0
#include "connectors/protocol/session.hpp"

#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/connectors_protocol/fake_lines.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <catch2/catch.hpp>

#include <chrono>
#include <future>
#include <string>

using namespace hansa;
using namespace hansa::connectors::protocol;
using async::Deadline;
using async::ManualScheduler;
using async::Task;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

/// A session in the middle of its life, and the test at its far end.
class Talk {
 public:
  explicit Talk(SessionOptions options = {}) {
    session = std::make_shared<Session>(
        io.get_executor(), time, std::make_unique<FakeLines>(far),
        [this](std::string method, Json params, Deadline deadline) {
          return serve(std::move(method), std::move(params), deadline);
        },
        options);
    life = async::start(io.get_executor(), run(session));
    time.poll();
  }
  ~Talk() {
    if (life.ended()) return;
    session->stop({});
    finish();
  }
  Talk(const Talk&) = delete;
  Talk& operator=(const Talk&) = delete;

  auto call(std::string method, Milliseconds within = 10s) {
    auto started = async::start(io.get_executor(), ask(session, std::move(method), Deadline::in(time, within)));
    time.poll();
    return started;
  }
  const Error& finish() {
    for (int i = 0; i < 10 && !life.ended(); ++i) time.advance(1s);
    REQUIRE(life.ended());
    return life.value();
  }
  void say(const Json& message) {
    far->say(message);
    time.poll();
  }

  asio::io_context io;
  ManualScheduler time{io};
  std::shared_ptr<FarEnd> far = std::make_shared<FarEnd>(io.get_executor());
  std::shared_ptr<Session> session;
  async::Started<Error> life;
  std::vector<std::string> served;
  int cut = 0;

 private:
  static asio::awaitable<Error> run(std::shared_ptr<Session> session) { co_return co_await session->run(); }
  static Task<Json> ask(std::shared_ptr<Session> session, std::string method, Deadline deadline) {
    co_return co_await session->call(method, Json::object(), deadline);
  }
  Task<Json> serve(std::string method, Json params, Deadline) {
    served.push_back(method);
    if (method == "slow") {
      struct Cut {
        int& count;
        bool finished = false;
        ~Cut() { count += finished ? 0 : 1; }
      } told{cut};
      co_await time.sleep_until(time.now_monotonic() + 1h);
      co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
      told.finished = true;
    }
    if (method == "large") co_return Json{{"text", std::string(kMaxLineBytes, 'x')}};
    if (method == "fails") co_return fail(ErrorKind::storage_full, "NO_ROOM", "the disk is full", "of /scratch");
    co_return Json{{"echo", params.value("text", "")}};
  }
};

Json request(const Json& id, const std::string& method, Json params = Json::object()) {
  return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}};
}
Json answer(const Json& id, Json result) { return {{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}}; }

}  // namespace

TEST_CASE("answers find their questions in any order") {
  Talk talk;
  const auto first = talk.call("one");
  const auto second = talk.call("two");
  REQUIRE(talk.far->heard.size() == 2);
  const auto one = Json::parse(talk.far->heard[0]);
  const auto two = Json::parse(talk.far->heard[1]);
  CHECK(one["jsonrpc"] == "2.0");
  CHECK(one["method"] == "one");
  CHECK(one["params"]["remaining_ms"] == 10'000);
  CHECK(one["params"]["clock_ms"].is_number_integer());
  talk.say(answer(two["id"], {{"is", 2}}));
  CHECK_FALSE(first.ended());
  REQUIRE(second.ended());
  CHECK((*second.value())["is"] == 2);
  talk.say({{"jsonrpc", "2.0"},
            {"id", one["id"]},
            {"error", error_to_json(fail(ErrorKind::not_found, "NO_JOB", "no such job").error())}});
  REQUIRE(first.ended());
  CHECK(first.value().error().kind == ErrorKind::not_found);
  CHECK(first.value().error().code == "NO_JOB");
}

TEST_CASE("a long answer is parsed away from the strand, and what comes after it keeps its place") {
  std::promise<void> busy;
  asio::thread_pool readers{1};
  asio::post(readers, [over = busy.get_future().share()] { over.wait(); });
  Talk talk({.readers = &readers});
  const auto first = talk.call("snapshot");
  const auto second = talk.call("status");
  talk.say(answer(1, {{"text", std::string(std::size_t{1} << 20, 'x')}}));
  talk.say(answer(2, {{"n", 7}}));
  CHECK_FALSE(first.ended());
  CHECK_FALSE(second.ended());
  busy.set_value();
  for (int i = 0; i < 1'000 && !second.ended(); ++i) {
    talk.io.restart();
    talk.io.run_one_for(std::chrono::milliseconds(10));
  }
  REQUIRE(second.ended());
  REQUIRE(first.ended());
  CHECK(first.value().value()["text"].get<std::string>().size() == std::size_t{1} << 20);
  CHECK(second.value().value()["n"] == 7);
}

TEST_CASE("a long line that is none is told as one all the same") {
  asio::thread_pool readers{1};
  Talk talk({.readers = &readers});
  talk.far->say(std::string(std::size_t{1} << 20, '['));
  for (int i = 0; i < 1'000 && !talk.session->ended(); ++i) {
    talk.io.restart();
    talk.io.run_one_for(std::chrono::milliseconds(10));
  }
  CHECK(talk.finish().code == "NOT_THE_PROTOCOL");
}

TEST_CASE("an answer that does not come in time is an unknown outcome and is waited for no longer") {
  Talk talk;
  const auto call = talk.call("submit", 5s);
  const auto id = talk.far->last()["id"];
  talk.time.advance(5s);
  REQUIRE(call.ended());
  CHECK(call.value().error().kind == ErrorKind::unknown_outcome);
  CHECK(call.value().error().code == "NO_ANSWER");
  talk.time.poll();
  CHECK(talk.far->last()["method"] == "cancel_request");
  CHECK(talk.far->last()["params"]["id"] == id);
  CHECK_FALSE(talk.far->last().contains("id"));
  talk.say(answer(id, Json::object()));  // too late: nobody's
  CHECK_FALSE(talk.life.ended());
}

TEST_CASE("a line that never left is told from one that may have") {
  Talk talk;
  talk.far->takes_no_more = true;
  const auto leaving = talk.call("first", 5s);
  const auto queued = talk.call("second", 5s);
  talk.time.advance(5s);
  REQUIRE(leaving.ended());
  REQUIRE(queued.ended());
  CHECK(leaving.value().error().kind == ErrorKind::unknown_outcome);
  CHECK(queued.value().error().kind == ErrorKind::unavailable);
  CHECK(queued.value().error().code == "LINE_NOT_SENT");
  talk.far->takes_no_more = false;
  talk.far->takes_again.set();
  talk.time.poll();
  for (const auto& line : talk.far->heard) CHECK(line.find("second") == std::string::npos);  // and it never leaves
}

TEST_CASE("what was under way when the connection broke") {
  Talk talk;
  const auto sent = talk.call("sent");
  talk.far->takes_no_more = true;
  const auto leaving = talk.call("leaving");
  const auto queued = talk.call("queued");
  talk.far->hang_up();
  const auto& why = talk.finish();
  CHECK(why.code == "CONNECTION_ENDED");
  REQUIRE((sent.ended() && leaving.ended() && queued.ended()));
  CHECK(sent.value().error().kind == ErrorKind::unknown_outcome);
  CHECK(leaving.value().error().code == "LINE_NOT_SENT");  // not all of it left
  CHECK(queued.value().error().code == "LINE_NOT_SENT");
  const auto afterwards = talk.call("afterwards");
  REQUIRE(afterwards.ended());
  CHECK(afterwards.value().error().code == "LINE_NOT_SENT");
}

TEST_CASE("what is not the protocol ends the connection and says why") {
  const auto [line, code, part] = GENERATE(table<std::string, std::string, std::string>({
      {"Welcome to Alpha! Use of this system is monitored.", "NOT_THE_PROTOCOL", "Welcome to Alpha!"},
      {"\x1b[1;31mMaintenance on Tuesday\x1b[0m", "NOT_THE_PROTOCOL", "?[1;31mMaintenance"},
      {"", "NOT_THE_PROTOCOL", "forced command"},
      {"[]", "NOT_THE_PROTOCOL", "not the connector protocol"},
      {"42", "NOT_THE_PROTOCOL", "not the connector protocol"},
      {R"({"id": 1, "result": {}})", "NOT_THE_PROTOCOL", "not the connector protocol"},
      {R"({"jsonrpc": "1.0", "id": 1, "result": {}})", "NOT_THE_PROTOCOL", "not the connector protocol"},
      {R"({"jsonrpc": "2.0", "id": 1, "result": {}, "result": {}})", "NOT_THE_PROTOCOL", "not the connector protocol"},
      {"{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": \"\xff\"}", "NOT_THE_PROTOCOL", "not the connector protocol"},
      {R"({"jsonrpc": "2.0", "id": 1)", "NOT_THE_PROTOCOL", "not the connector protocol"},
      {std::string(100'000, '['), "NOT_THE_PROTOCOL", "not the connector protocol"},
      {R"({"jsonrpc": "2.0", "id": 1})", "BAD_LINE", "neither a request nor an answer"},
      {R"({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}})", "BAD_LINE", "neither a request nor an answer"},
      {R"({"jsonrpc": "2.0", "result": {}})", "BAD_LINE", "neither a request nor an answer"},
      {R"({"jsonrpc": "2.0", "id": {}, "method": "ping"})", "BAD_LINE", "odd id"},
      {R"({"jsonrpc": "2.0", "id": 1.5, "method": "ping"})", "BAD_LINE", "odd id"},
      {R"({"jsonrpc": "2.0", "id": 1, "method": 3})", "BAD_LINE", "without a name"},
      {R"({"jsonrpc": "2.0", "id": 1, "method": "x", "params": []})", "BAD_LINE", "object of parameters"},
      {R"({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "parse error"}})", "NOT_UNDERSTOOD", "parse error"},
  }));
  Talk talk;
  const auto call = talk.call("snapshot");
  talk.far->say(line);
  const auto& why = talk.finish();
  CAPTURE(line, why.message);
  CHECK(why.code == code);
  CHECK_THAT(why.message, Catch::Contains(part));
  CHECK(why.message.size() < 1'000);
  REQUIRE(call.ended());
  CHECK(call.value().error().kind == ErrorKind::unknown_outcome);
}

TEST_CASE("lines that mean nothing to us do no harm") {
  Talk talk;
  talk.say(answer(999, {{"of", "nobody"}}));
  talk.say(answer("text", Json::object()));
  talk.say({{"jsonrpc", "2.0"}, {"method", "progress"}, {"params", {{"percent", 50}}}});
  talk.say({{"jsonrpc", "2.0"}, {"method", "cancel_request"}, {"params", {{"id", 77}}}});
  talk.far->say(text_of(request(5, "echo", {{"text", "x"}})) + "\r");
  talk.time.poll();
  CHECK_FALSE(talk.life.ended());
  CHECK(talk.far->last() == answer(5, {{"echo", "x"}}));
}

TEST_CASE("requests are served side by side, and each is answered once") {
  Talk talk({.requests = 2});
  talk.say(request("a", "slow"));
  talk.say(request(1, "echo", {{"text", "hi"}}));
  CHECK(talk.far->last() == answer(1, {{"echo", "hi"}}));
  talk.say(request("a", "echo"));
  CHECK(talk.far->last()["error"]["data"]["code"] == "SAME_ID");
  talk.say(request(2, "slow"));
  talk.say(request(3, "echo"));
  CHECK(talk.far->last()["error"]["data"]["code"] == "BUSY");
  CHECK(talk.far->last()["error"]["code"] == number_of(ErrorKind::rate_limited));
  talk.say({{"jsonrpc", "2.0"}, {"method", "cancel_request"}, {"params", {{"id", "a"}}}});
  CHECK(talk.cut == 1);
  CHECK(talk.far->last()["id"] == "a");
  CHECK(talk.far->last()["error"]["data"]["kind"] == "cancelled");
  talk.say(request(4, "fails"));
  CHECK(talk.far->last()["error"] == Json{{"code", -32011},
                                          {"message", "the disk is full"},
                                          {"data", {{"kind", "storage_full"}, {"code", "NO_ROOM"}, {"detail", "of /scratch"}}}});
  talk.say(request(5, "ping"));
  CHECK(talk.far->last() == answer(5, Json::object()));
  talk.far->hang_up();
  talk.finish();
  CHECK(talk.cut == 2);  // with the connection
}

TEST_CASE("who asks and does not read is not served for ever") {
  Talk talk({.backlog = 10'000});
  talk.far->takes_no_more = true;
  for (int i = 0; i < 300; ++i) talk.far->say(request(i, i % 2 == 0 ? "ping" : "echo"));
  CHECK(talk.finish().code == "CONNECTION_CLOGGED");
}

TEST_CASE("an answer that does not fit into a line is told as that") {
  Talk talk;
  talk.say(request(1, "large"));
  CHECK(talk.far->last()["error"]["data"]["code"] == "ANSWER_TOO_LARGE");
}

TEST_CASE("a request that does not fit into a line or is not UTF-8 does not leave") {
  Talk talk;
  auto ask = [](std::shared_ptr<Session> session, std::string text, Deadline deadline) -> Task<Json> {
    co_return co_await session->call("submit", {{"text", text}}, deadline);
  };
  for (const auto& text : {std::string(kMaxLineBytes, 'x'), std::string("\xff")}) {
    const auto call = async::start(talk.io.get_executor(), ask(talk.session, text, Deadline::in(talk.time, 5s)));
    talk.time.poll();
    REQUIRE(call.ended());
    CHECK((call.value().error().code == "LINE_TOO_LONG" || call.value().error().code == "NOT_UTF8"));
  }
  CHECK(talk.far->heard.empty());
}

TEST_CASE("past its time nothing is done: also if the line was held up on its way") {
  Talk talk;
  talk.say(request(1, "echo", {{"remaining_ms", 0}}));
  CHECK(talk.far->last()["error"]["data"]["kind"] == "deadline_exceeded");
  talk.say(request(2, "slow", {{"remaining_ms", 3'000}}));
  talk.time.advance(3s);
  CHECK(talk.far->last()["error"]["data"]["kind"] == "deadline_exceeded");
  CHECK(talk.cut == 1);
  talk.served.clear();

  // Another clock than ours, which the first line gives away.
  talk.say(request(3, "echo", {{"remaining_ms", 60'000}, {"clock_ms", 5'000'000}}));
  CHECK(talk.served.size() == 1);
  talk.time.advance(70s);
  talk.say(request(4, "echo", {{"remaining_ms", 60'000}, {"clock_ms", 5'000'000}}));  // written then, read now
  CHECK(talk.far->last()["error"]["data"]["kind"] == "deadline_exceeded");
  CHECK(talk.served.size() == 1);
  talk.say(request(5, "echo", {{"remaining_ms", 60'000}, {"clock_ms", 5'069'000}}));  // a second late
  CHECK(talk.far->last() == answer(5, {{"echo", ""}}));
}

TEST_CASE("an end that hears nothing asks, and then ends the connection") {
  Talk talk;
  talk.time.advance(19s);
  CHECK(talk.far->heard.empty());
  talk.time.advance(1s);
  CHECK(talk.far->last()["method"] == "ping");
  talk.say(answer(talk.far->last()["id"], Json::object()));
  for (int i = 0; i < 89; ++i) talk.time.advance(1s);
  CHECK_FALSE(talk.life.ended());
  for (int i = 0; i < 25; ++i) talk.time.advance(1s);
  REQUIRE(talk.life.ended());
  CHECK(talk.life.value().code == "CONNECTION_SILENT");
}

TEST_CASE("an error of the other end is taken at its word only where that is understood") {
  const auto bad = GENERATE(as<std::string>{}, "null", "{}", "3", R"({"code": "x"})",
                            R"({"message": "no kind", "data": {"code": "SITE_BUDGET"}})",
                            R"({"message": "odd kind", "data": {"kind": "fine", "code": "X"}})", R"({"data": []})");
  const auto error = error_from_json(Json::parse(bad));
  CHECK(error.kind == ErrorKind::internal);
  CHECK(error.code == "BAD_ANSWER");
  CHECK_FALSE(error.message.empty());
  const auto odd_code = error_from_json({{"message", "x"}, {"data", {{"kind", "not_found"}, {"code", "a b\n"}}}});
  CHECK(odd_code.kind == ErrorKind::not_found);
  CHECK(odd_code.code == "SITE_ERROR");
}

TEST_CASE("every kind of error goes there and back") {
  for (int i = 0; i <= static_cast<int>(ErrorKind::internal); ++i) {
    const auto error = fail(static_cast<ErrorKind>(i), "SOME_CODE", "a message", "a detail").error();
    const auto back = error_from_json(Json::parse(text_of(error_to_json(error))));
    CHECK(back.kind == error.kind);
    CHECK(back.code == error.code);
    CHECK(back.message == error.message);
    CHECK(back.detail == error.detail);
    CHECK(back.retryable == error.retryable);
  }
}

TEST_CASE("how long a line was on its way is told by the quickest one of late") {
  Transit transit;
  const auto at = [](Milliseconds t) { return MonotonicTime{t}; };
  CHECK(transit.delay(1'000ms, at(50'000ms)) == 0ms);
  CHECK(transit.delay(2'000ms, at(51'500ms)) == 500ms);
  CHECK(transit.delay(3'000ms, at(51'900ms)) == 0ms);   // quicker than any before
  CHECK(transit.delay(4'000ms, at(53'000ms)) == 100ms);
  // After a silence of an hour the first line may be the one that was held up.
  CHECK(transit.delay(5'000ms, at(3'653'900ms)) == 3'600'000ms);
  CHECK(transit.delay(3'605'000ms, at(3'653'950ms)) == 50ms);
  // A clock that loses time is no delay for ever.
  auto sent = 3'605'000ms;
  auto received = 3'653'950ms;
  for (int i = 0; i < 100; ++i) {
    sent += 60'000ms;
    received += 60'010ms;
    CHECK(transit.delay(sent, at(received)) < 200ms);
  }
}
