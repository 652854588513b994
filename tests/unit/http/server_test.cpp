// SPDX-License-Identifier: Apache-2.0
#include "broker/http/server.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/unit/http/echo_server.hpp"
#include "tests/unit/http/raw_client.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

using namespace hansa;
using namespace hansa::http;
using namespace std::chrono_literals;

namespace {

using Kind = ServerEvent::Kind;

std::string get(std::string_view target, std::string_view more = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(more) + "\r\n";
}

std::string post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

Json body_of(const std::string& response) {
  const auto at = response.find("\r\n\r\n");
  return at == std::string::npos ? Json() : Json::parse(response.substr(at + 4), nullptr, false);
}

std::string code_of(const std::string& response) {
  const auto body = body_of(response);
  return body.is_object() ? body.value("code", "") : "";
}

template <class Condition>
bool soon(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

/// A handler that waits to be let go (or is cancelled), looking every millisecond.
struct Gate {
  std::atomic<int> inside = 0;
  std::atomic<bool> open = false;
  async::RealScheduler clock;

  Handler handler() {
    return [this](Request request) { return pass(this, std::move(request)); };
  }
  static async::Task<Response> pass(Gate* gate, Request request) {
    struct Inside {
      Gate* gate;
      explicit Inside(Gate* g) : gate(g) { ++gate->inside; }
      Inside(const Inside&) = delete;
      Inside& operator=(const Inside&) = delete;
      ~Inside() { --gate->inside; }
    } const inside(gate);
    if (request.path == "/fast") co_return Response{.body = "fast"};
    while (!gate->open) co_await gate->clock.sleep_until(gate->clock.now_monotonic() + 1ms);
    co_return Response{.body = "through"};
  }
};

}  // namespace

TEST_CASE("a request is answered, and the connection goes on") {
  EchoServer server;
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    client.send(get("/a%20b/%C3%A4?x=1&y=%26+z&flag", "X-Test: hello\r\n"));
    const auto response = client.response();
    REQUIRE(status_of(response) == 200);
    CHECK(response.find("Content-Type: application/json\r\n") != std::string::npos);
    CHECK(response.find("\r\nDate: ") != std::string::npos);
    CHECK(response.find("\r\nX-Request-Id: ") != std::string::npos);
    CHECK(response.find("Connection: close") == std::string::npos);
    const auto body = body_of(response);
    CHECK(body["method"] == "GET");
    CHECK(body["path"] == "/a b/\xc3\xa4");
    CHECK(body["query"] == Json::parse(R"([["x","1"],["y","& z"],["flag",""]])"));
    CHECK(body["x-test"] == "hello");
    CHECK(body["headers"] == 2);
  }
  CHECK(soon([&] { return server.events.count(Kind::answered) == 3; }));
  CHECK(server.server.load().connections == 1);
  client.close();
  CHECK(soon([&] { return server.server.load().connections == 0; }));
}

TEST_CASE("a header and a body that come byte by byte are one request") {
  EchoServer server;
  RawClient client(server.port());
  for (const char c : post("/x", "hello")) client.send(std::string(1, c));
  CHECK(body_of(client.response())["body"] == 5);
}

TEST_CASE("requests sent ahead are answered one by one, in order") {
  EchoServer server;
  RawClient client(server.port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += post("/" + std::to_string(i), std::string(static_cast<std::size_t>(i) * 100, 'b'));
  client.send(all);
  for (int i = 0; i < 50; ++i) {
    const auto body = body_of(client.response());
    CHECK(body["path"] == "/" + std::to_string(i));
    CHECK(body["body"] == i * 100);
  }
}

TEST_CASE("a chunked body is put together; its trailer is no header") {
  EchoServer server;
  RawClient client(server.port());
  client.send("POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  client.send("6;extension=1\r\n world\r\n0\r\nX-Test: smuggled\r\nAuthorization: Bearer z\r\n\r\n" + get("/next"));
  const auto body = body_of(client.response());
  CHECK(body["body"] == 11);
  CHECK_FALSE(body.contains("x-test"));
  CHECK_FALSE(body.contains("authorization"));
  CHECK(body_of(client.response())["path"] == "/next");
}

TEST_CASE("a large body arrives whole") {
  EchoServer server({.body_limit = [](std::string_view, std::string_view) { return std::size_t{8} << 20; }});
  RawClient client(server.port());
  client.send(post("/big", std::string(std::size_t{8} << 20, 'x')));
  CHECK(body_of(client.response())["body"] == 8 << 20);
  std::string chunks = "POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 64; ++i) chunks += "10000\r\n" + std::string(65536, 'y') + "\r\n";
  client.send(chunks + "0\r\n\r\n");
  CHECK(body_of(client.response())["body"] == 64 * 65536);
}

TEST_CASE("HTTP/1.0 and Connection: close end the connection after the answer") {
  EchoServer server;
  for (const std::string request : {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"}) {
    RawClient client(server.port());
    client.send(request);
    const auto all = client.rest();
    CHECK(status_of(all) == 200);
    CHECK(all.find("Connection: close\r\n") != std::string::npos);
    CHECK(client.closed_within(0));
  }
}

TEST_CASE("HEAD, 204 and 304 have no body") {
  EchoServer server({}, [](Request request) -> async::Task<Response> {
    co_return Response{.status = request.path == "/204" ? 204 : request.path == "/304" ? 304 : 200, .body = "text"};
  });
  RawClient client(server.port());
  client.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto head = client.until("\r\n\r\n");
  CHECK(head.find("Content-Length: 4\r\n") != std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
  for (const auto* path : {"/204", "/304"}) {
    client.send(get(path));
    const auto response = client.until("\r\n\r\n");
    CHECK(response.find("Content-Length") == std::string::npos);
    CHECK(response.ends_with("\r\n\r\n"));
  }
}

TEST_CASE("malformed and ambiguous requests are refused at once, with a problem, and the connection is closed", "[T24]") {
  struct Case {
    std::string bytes;
    int status;
  };
  const std::string host = "Host: x\r\n";
  const std::vector<Case> cases{
      {"GET\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},                                              // no Host
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n", 400},
      {"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/1.1\n" + host + "\n", 400},                                      // LF alone
      {"GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", 400},                             // CR alone
      {"GET / HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", 400},                    // obs-fold
      {"GET / HTTP/1.1\r\n" + host + "X: a\r\n\tb\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n X: a\r\n" + host + "\r\n", 400},                         // blank before the first field
      {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400},                                  // blank before the colon
      {"GET / HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + ": empty\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n" + host + std::string("X: \0\r\n\r\n", 8), 400},         // NUL
      {"GET / HTTP/1.1\r\n" + host + "X: \x01\r\n\r\n", 400},
      {"GET /\xc3\xa4 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET / b HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /a%2Fb HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /a%00 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /a%0a HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /%ff HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /a/../b HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /a/%2e%2e/b HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET /?a=%f HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET a HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET * HTTP/1.1\r\n" + host + "\r\n", 400},
      {"CONNECT example.org:443 HTTP/1.1\r\n" + host + "\r\n", 400},
      {"GET / HTTP/2.0\r\n" + host + "\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"G\x7fT / HTTP/1.1\r\n" + host + "\r\n", 400},
      {"\x16\x03\x01\x02\r\n\r\n", 400},                                            // TLS on the plain port
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 5, 5\r\n\r\nhello", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: +5\r\n\r\nhello", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: -5\r\n\r\nhello", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 0x5\r\n\r\nhello", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999999\r\n\r\nhello", 400},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length: 18446744073709551615\r\n\r\nhello", 413},
      {"POST / HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", 400},     // LF alone
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5;\nx\r\nhello\r\n0\r\n\r\n", 400},  // in an extension
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5;a=\rb\r\nhello\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\nZ: w\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\x0b" + "chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" + host + "Expect: a-pony\r\nContent-Length: 5\r\n\r\n", 417},
      {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 414},
      {"GET /" + std::string(20000, 'a'), 414},
      {"GET / HTTP/1.1\r\n" + host + "X: " + std::string(17000, 'a') + "\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\n" + host + "X: " + std::string(17000, 'a'), 431},
  };
  EchoServer server;
  for (const auto& [bytes, status] : cases) {
    INFO(bytes.substr(0, 200));
    RawClient client(server.port());
    client.send(bytes);
    client.send(get("/smuggled"));
    const auto all = client.rest();
    CHECK(status_of(all) == status);
    CHECK(client.closed_within(0));
    CHECK(all.find("application/problem+json") != std::string::npos);
    CHECK(all.find("Connection: close\r\n") != std::string::npos);
    CHECK(all.find("smuggled") == std::string::npos);
    CHECK(body_of(all)["status"] == status);
  }
  CHECK(server.events.count(Kind::refused) == cases.size());
  CHECK(server.events.count(Kind::answered) == 0);
}

TEST_CASE("odd but right requests are taken") {
  EchoServer server;
  RawClient client(server.port());
  for (const std::string& request :
       {std::string("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("GET http://other/ HTTP/1.1\r\nHost: x\r\n\r\n"),
        std::string("GET http://other HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("BREW / HTTP/1.1\r\nHost: x\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost:\r\n\r\n"), std::string("GET / HTTP/1.1\r\nhost: x\r\nX-Empty:\r\nX: \xff\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n"),
        std::string("POST / HTTP/1.1\r\nHost: x\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n")}) {
    INFO(request);
    client.send(request);
    const auto response = client.response();
    CHECK(status_of(response) == 200);
    CHECK(body_of(response)["path"] == "/");
  }
}

TEST_CASE("the body's limit depends on the target, and is refused before the body is read", "[T24]") {
  EchoServer server({.body_limit = [](std::string_view method, std::string_view path) -> std::size_t {
    return method == "POST" && path == "/bulk" ? 1000 : 10;
  }});
  {
    RawClient client(server.port());
    client.send(post("/bulk", std::string(1000, 'x')) + post("/one", std::string(10, 'x')));
    CHECK(body_of(client.response())["body"] == 1000);
    CHECK(body_of(client.response())["body"] == 10);
  }
  for (const std::string& request :
       {std::string("POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"),
        std::string("POST /bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"),
        std::string("PUT /bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n"),
        std::string("POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n"),
        std::string("POST /one HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\n")}) {
    INFO(request);
    RawClient client(server.port());
    client.send(request);
    const auto response = client.response();
    CHECK(status_of(response) == 413);
    CHECK(code_of(response) == "BODY_TOO_LARGE");
  }
}

TEST_CASE("a long body is not read from whom the handler's owner refuses", "[T24]") {
  EchoServer server({.refuse_body = [](const Request& head) -> std::optional<Response> {
                       if (head.headers.get("authorization")) return std::nullopt;
                       auto answer = problem(401, "NO_TOKEN", "who are you?", head.request_id);
                       answer.headers.emplace_back("WWW-Authenticate", "Bearer");
                       return answer;
                     },
                     .free_body = 10});
  for (const std::string& frame :
       {std::string("Content-Length: 11\r\n"), std::string("Content-Length: 11\r\nExpect: 100-continue\r\n"),
        std::string("Transfer-Encoding: chunked\r\n")}) {
    INFO(frame);
    RawClient client(server.port());
    client.send("POST /one HTTP/1.1\r\nHost: x\r\n" + frame + "\r\n");  // and none of the body
    const auto response = client.response();
    CHECK(status_of(response) == 401);
    CHECK(code_of(response) == "NO_TOKEN");
    CHECK(response.find("WWW-Authenticate: Bearer\r\n") != std::string::npos);
    CHECK(client.closed_within(5000));
  }
  RawClient client(server.port());
  client.send(post("/one", std::string(10, 'x')));
  CHECK(body_of(client.response())["body"] == 10);
  client.send("POST /one HTTP/1.1\r\nHost: x\r\nAuthorization: me\r\nContent-Length: 11\r\n\r\nhello world");
  CHECK(body_of(client.response())["body"] == 11);
}

TEST_CASE("a client that sends all of a body that is too large still reads why it was refused") {
  EchoServer server({.body_limit = [](std::string_view, std::string_view) { return std::size_t{10}; }});
  RawClient client(server.port());
  CHECK(client.send(post("/", std::string(std::size_t{4} << 20, 'x'))));
  CHECK(status_of(client.response()) == 413);
  CHECK(client.closed_within(5000));
  CHECK_FALSE(client.was_reset());
}

TEST_CASE("100 Continue is sent when a client waits for it") {
  EchoServer server;
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  CHECK(body_of(client.response())["body"] == 5);
}

TEST_CASE("slow clients are cut off, and told so where they can be", "[T24]") {
  ServerOptions options{.header_timeout = 20s, .idle_timeout = 20s, .body_timeout = 20s, .minimum_rate = 1 << 20};
  const auto trickle = [&options](std::string_view start, std::string_view drop) {
    const EchoServer server(options);
    RawClient client(server.port());
    client.send(start);
    for (int i = 0; i < 200 && client.send(drop); ++i) std::this_thread::sleep_for(2ms);
    return client.response();
  };
  SECTION("a header drop by drop") {
    options.header_timeout = 60ms;
    CHECK(status_of(trickle("GET / HTTP/1.1\r\nHost: x\r\nX: ", "a")) == 408);
  }
  SECTION("a header that stops") {
    options.header_timeout = 60ms;
    CHECK(status_of(trickle("GET / HT", "")) == 408);
  }
  SECTION("a body drop by drop") {
    options.body_timeout = 60ms;
    CHECK(status_of(trickle("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "a")) == 408);
  }
  SECTION("a chunked body drop by drop") {
    options.body_timeout = 60ms;
    CHECK(status_of(trickle("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n")) == 408);
  }
  SECTION("a chunked body drop by drop, in chunks that are nearly all header") {
    options.body_timeout = 60ms;
    options.minimum_rate = 1000;
    CHECK(status_of(trickle("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                            "1;" + std::string(1000, 'e') + "\r\na\r\n")) == 408);
  }
  SECTION("a connection that says nothing, before and after a request") {
    options.idle_timeout = 60ms;
    const EchoServer server(options);
    RawClient fresh(server.port());
    CHECK(fresh.rest().empty());
    CHECK(fresh.closed_within(0));
    RawClient used(server.port());
    used.send(get("/"));
    CHECK(status_of(used.response()) == 200);
    CHECK(used.rest().empty());
    CHECK(used.closed_within(0));
    CHECK(soon([&] { return server.server.load().connections == 0; }));
  }
}

TEST_CASE("a body that keeps the minimum rate may take longer than the body's time-out") {
  const EchoServer server({.body_timeout = 60ms, .minimum_rate = 1});
  RawClient client(server.port());
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n");
  for (int i = 0; i < 60; ++i) {
    client.send("a");
    std::this_thread::sleep_for(2ms);
  }
  CHECK(status_of(client.response()) == 200);
}

TEST_CASE("a client that reads no answer is cut off", "[T24]") {
  EchoServer server({.write_timeout = 60ms, .minimum_rate = std::size_t{1} << 30}, [](Request) -> async::Task<Response> {
    co_return Response{.body = std::string(std::size_t{32} << 20, 'x')};
  });
  RawClient client(server.port(), 4096);
  client.send(get("/"));
  CHECK(soon([&] { return server.events.count(Kind::dropped) == 1; }));
  CHECK(soon([&] { return server.server.load().connections == 0; }));
}

TEST_CASE("the memory of answers that are not read is bounded, and given back", "[T24]") {
  constexpr std::size_t kLarge = 8 << 20;  // more than the kernel takes off our hands
  EchoServer server({.answer_memory = kLarge + 1000}, [](Request request) -> async::Task<Response> {
    if (request.path != "/stream") co_return Response{.body = std::string(kLarge, 'x')};
    Response response{.body = "begin"};
    response.next = []() -> async::Task<std::optional<std::string>> { co_return std::string(kLarge, 'x'); };
    co_return response;
  });
  auto lazy = std::make_unique<RawClient>(server.port(), 4096);
  lazy->send(get("/"));
  REQUIRE(lazy->until("xxx").find("xxx") != std::string::npos);  // its answer is on its way, and stays there
  RawClient second(server.port());
  second.send(get("/"));
  const auto refusal = second.response();
  CHECK(status_of(refusal) == 503);
  CHECK(code_of(refusal) == "OVERLOADED");
  CHECK(refusal.find("Retry-After: 1\r\n") != std::string::npos);
  RawClient stream(server.port());
  stream.send(get("/stream"));
  CHECK(stream.rest().ends_with("5\r\nbegin\r\n"));
  CHECK(stream.closed_within(0));
  lazy.reset();
  REQUIRE(soon([&] { return server.server.load().connections == 1; }));
  for (int i = 0; i < 2; ++i) {
    second.send(get("/"));
    CHECK(second.response().size() > kLarge);
  }
}

TEST_CASE("a stream whose client does not read is cut off") {
  EchoServer server({.write_timeout = 60ms, .minimum_rate = std::size_t{1} << 30}, [](Request) -> async::Task<Response> {
    Response response{.body = "begin"};
    response.next = []() -> async::Task<std::optional<std::string>> { co_return std::string(std::size_t{1} << 20, 'x'); };
    co_return response;
  });
  RawClient client(server.port(), 4096);
  client.send(get("/"));
  CHECK(soon([&] { return server.events.count(Kind::dropped) == 1; }));
  CHECK(soon([&] { return server.server.load().connections == 0; }));
  CHECK(server.server.load().streams == 0);
}

TEST_CASE("a client that goes in the middle of its request leaves nothing behind") {
  EchoServer server;
  for (const std::string& part :
       {std::string("GET /"), std::string("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"),
        std::string("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")}) {
    RawClient client(server.port());
    client.send(part);
    client.shut_write();  // half-open: we could still answer, but there is nothing to answer
    CHECK(client.rest().empty());
    CHECK(client.closed_within(0));
  }
  CHECK(soon([&] { return server.server.load().connections == 0; }));
  CHECK(server.events.count(Kind::answered) == 0);
}

TEST_CASE("a client that has closed its sending side gets its answer") {
  EchoServer server;
  RawClient client(server.port());
  client.send(get("/last"));
  client.shut_write();
  CHECK(body_of(client.rest())["path"] == "/last");
}

TEST_CASE("one connection too many while all are busy is told so and closed; room made is used", "[T24]") {
  Gate gate;
  EchoServer server({.max_connections = 2}, gate.handler());
  auto first = std::make_unique<RawClient>(server.port());
  RawClient second(server.port());
  first->send(get("/1"));
  second.send(get("/2"));
  REQUIRE(soon([&] { return gate.inside == 2; }));
  RawClient third(server.port());
  third.send(get("/3"));
  const auto refusal = third.rest();
  CHECK(status_of(refusal) == 503);
  CHECK(code_of(refusal) == "TOO_MANY_CONNECTIONS");
  CHECK(refusal.find("Retry-After: ") != std::string::npos);
  gate.open = true;
  CHECK(status_of(second.response()) == 200);
  first.reset();
  third.close();
  REQUIRE(soon([&] { return server.server.load().connections == 1; }));
  RawClient fourth(server.port());
  fourth.send(get("/4"));
  CHECK(status_of(fourth.response()) == 200);
}

TEST_CASE("the memory of all bodies together is bounded, and given back", "[T24]") {
  EchoServer server({.body_memory = 1000});
  RawClient first(server.port());
  first.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
  RawClient probe(server.port());
  REQUIRE(soon([&] {
    RawClient second(server.port());
    second.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\n" + std::string(200, 'x'));
    return status_of(second.response()) == 503;
  }));
  {
    RawClient chunked(server.port());
    chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nc8\r\n" + std::string(200, 'x') +
                 "\r\n0\r\n\r\n");
    CHECK(status_of(chunked.response()) == 503);
  }
  first.send(std::string(900, 'x'));
  CHECK(status_of(first.response()) == 200);
  for (int i = 0; i < 5; ++i) {
    probe.send(post("/", std::string(999, 'x')));
    CHECK(status_of(probe.response()) == 200);
  }
}

TEST_CASE("a body that is only claimed takes no memory from others") {
  constexpr std::size_t kMost = 1 << 20;
  EchoServer server({.body_limit = [](std::string_view, std::string_view) { return kMost; }, .body_memory = kMost});
  RawClient idle(server.port());
  idle.send("POST /idle HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: " + std::to_string(kMost) + "\r\n\r\n");
  REQUIRE(idle.until("\r\n\r\n").starts_with("HTTP/1.1 100"));
  RawClient busy(server.port());
  for (int i = 0; i < 3; ++i) {
    busy.send(post("/busy", std::string(kMost / 2, 'x')));
    REQUIRE(status_of(busy.response()) == 200);
  }
  idle.send(std::string(kMost, 'x'));
  CHECK(status_of(idle.response()) == 200);
}

TEST_CASE("a handler's Error or exception is a 500 that shows nothing of it") {
  EchoServer server({}, [](Request request) -> async::Task<Response> {
    if (request.path == "/throw") throw std::runtime_error("secret");
    co_return fail(ErrorKind::conflict, "X", "secret", "secret");
  });
  RawClient client(server.port());
  for (const auto* path : {"/throw", "/error"}) {
    client.send(get(path));
    const auto response = client.response();
    CHECK(status_of(response) == 500);
    CHECK(response.find("secret") == std::string::npos);
    CHECK(code_of(response) == "INTERNAL");
  }
}

TEST_CASE("what a handler puts into a field cannot end it") {
  EchoServer server({}, [](Request) -> async::Task<Response> {
    co_return Response{.content_type = "text/plain\r\nX-Evil: 1",
                       .headers = {{"Location", "/a\r\nX-Evil: 2\r\n\r\nbody"}, {"X\r\nX-Evil", "3"}}};
  });
  RawClient client(server.port());
  client.send(get("/"));
  const auto response = client.response();
  CHECK(response.find("\nX-Evil") == std::string::npos);
  CHECK(response.find("Location: /a  X-Evil: 2    body\r\n") != std::string::npos);
}

TEST_CASE("a streaming answer comes in chunks, and the connection goes on") {
  EchoServer server({}, [](Request) -> async::Task<Response> {
    Response response{.content_type = "text/event-stream", .body = "first "};
    response.next = [n = 0]() mutable -> async::Task<std::optional<std::string>> {
      ++n;
      if (n == 2) co_return std::string();  // nothing just now
      if (n > 3) co_return std::nullopt;
      co_return "piece" + std::to_string(n) + " ";
    };
    co_return response;
  });
  RawClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.send(get("/"));
    const auto all = client.until("0\r\n\r\n");
    CHECK(all.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
    CHECK(all.ends_with("\r\n\r\n6\r\nfirst \r\n7\r\npiece1 \r\n7\r\npiece3 \r\n0\r\n\r\n"));
  }
  RawClient old(server.port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  CHECK(old.rest().ends_with("\r\n\r\nfirst piece1 piece3 "));
}

TEST_CASE("a stream that fails is cut, so that it does not look complete") {
  EchoServer server({}, [](Request) -> async::Task<Response> {
    Response response{.body = "begin"};
    response.next = []() -> async::Task<std::optional<std::string>> { co_return fail(ErrorKind::unavailable, "X", "x"); };
    co_return response;
  });
  RawClient client(server.port());
  client.send(get("/"));
  const auto all = client.rest();
  CHECK(all.ends_with("5\r\nbegin\r\n"));
  CHECK(client.closed_within(0));
  CHECK(soon([&] { return server.events.count(Kind::dropped) == 1; }));
}

TEST_CASE("a stream is cancelled when its client goes, and when the server stops") {
  Gate gate;
  EchoServer server({}, [&gate](Request) -> async::Task<Response> {
    Response response{.body = "begin"};
    response.next = [&gate]() -> async::Task<std::optional<std::string>> {
      auto passed = co_await Gate::pass(&gate, {});
      if (!passed) co_return std::unexpected(passed.error());
      co_return passed->body;
    };
    co_return response;
  });
  RawClient first(server.port());
  RawClient second(server.port());
  first.send(get("/"));
  second.send(get("/"));
  CHECK(first.until("begin").find("begin") != std::string::npos);
  CHECK(second.until("begin").find("begin") != std::string::npos);
  REQUIRE(soon([&] { return gate.inside == 2; }));
  CHECK(server.server.load().streams == 2);
  first.close();
  CHECK(soon([&] { return gate.inside == 1; }));
  const auto began = std::chrono::steady_clock::now();
  server.server.stop(20s);
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  CHECK(gate.inside == 0);
  CHECK(second.closed_within(1000));
}

TEST_CASE("stopping closes idle connections, lets a request end, and refuses new ones") {
  Gate gate;
  EchoServer server({}, gate.handler());
  const auto port = server.port();
  RawClient idle(port);
  RawClient fresh(port);
  idle.send(get("/fast"));
  REQUIRE(status_of(idle.response()) == 200);
  RawClient busy(port);
  busy.send(get("/"));
  REQUIRE(soon([&] { return gate.inside == 1; }));
  auto stopped = std::async(std::launch::async, [&] { server.server.stop(20s); });
  CHECK(idle.closed_within(2000));
  CHECK(fresh.closed_within(2000));
  CHECK(soon([&] {
    try {
      RawClient late(port);
      return false;
    } catch (const std::runtime_error&) { return true; }
  }));
  CHECK(stopped.wait_for(0s) == std::future_status::timeout);
  gate.open = true;
  const auto response = busy.rest();
  CHECK(status_of(response) == 200);
  CHECK(response.find("Connection: close\r\n") != std::string::npos);
  busy.close();
  CHECK(stopped.wait_for(5s) == std::future_status::ready);
}

TEST_CASE("a request that outlives the grace is cancelled") {
  Gate gate;
  EchoServer server({}, gate.handler());
  RawClient busy(server.port());
  busy.send(get("/"));
  REQUIRE(soon([&] { return gate.inside == 1; }));
  server.server.stop(20ms);
  CHECK(gate.inside == 0);
  CHECK(busy.closed_within(1000));
}

TEST_CASE("several threads serve") {
  EchoServer server({.threads = 2});
  std::vector<std::future<int>> clients;
  for (int c = 0; c < 8; ++c) {
    clients.push_back(std::async(std::launch::async, [&server] {
      RawClient client(server.port());
      int right = 0;
      for (int i = 0; i < 50; ++i) {
        client.send(post("/x", "hello"));
        right += status_of(client.response()) == 200 ? 1 : 0;
      }
      return right;
    }));
  }
  for (auto& client : clients) CHECK(client.get() == 50);
}

TEST_CASE("a server has its address before it serves: clients wait") {
  Server server({}, echo);
  REQUIRE(server.listen());
  RawClient client(server.port());
  client.send(post("/x", "hello"));
  REQUIRE(server.start());
  CHECK(status_of(client.response()) == 200);
  Server unused({}, echo);
  REQUIRE(unused.listen());
  unused.stop(Milliseconds{0});
}

TEST_CASE("a server that cannot start says why") {
  EchoServer first;
  Server taken({.port = first.port()}, echo);
  CHECK(taken.start().error().code == "ADDRESS_IN_USE");
  Server nowhere({.address = "localhost"}, echo);
  CHECK(nowhere.start().error().code == "BAD_ADDRESS");
  Server not_ours({.address = "203.0.113.1"}, echo);
  CHECK(not_ours.start().error().code == "CANNOT_LISTEN");
  Server no_files({.tls = TlsFiles{"/no/such.crt", "/no/such.key"}}, echo);
  const auto tls = no_files.start();
  CHECK(tls.error().code == "TLS_FILES");
  CHECK(tls.error().message.find("/no/such.crt") != std::string::npos);
}

TEST_CASE("an IPv6 listener") {
  std::unique_ptr<EchoServer> server;
  try {
    server = std::make_unique<EchoServer>(ServerOptions{.address = "::1"});
  } catch (const std::runtime_error&) {
    WARN("no IPv6 on this machine");
    return;
  }
  CHECK(server->port() != 0);
}
