// SPDX-License-Identifier: Apache-2.0
#include "broker/http/client.hpp"

#include "broker/async/real_scheduler.hpp"
#include "tests/testbed/certificates.hpp"
#include "tests/unit/async/manual_scheduler.hpp"
#include "tests/unit/http/echo_server.hpp"
#include "tests/unit/http/raw_client.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

using namespace hansa;
using namespace hansa::http;
using namespace std::chrono_literals;

namespace {

Url url_of(std::uint16_t port, bool tls = false) { return {.tls = tls, .host = "127.0.0.1", .port = port}; }

Client client_of(std::uint16_t port) { return {url_of(port), {.answer_timeout = 5s}}; }

/// Accepts connections and answers each with what `script` says, given the connection's number and descriptor.
class ScriptedServer {
 public:
  using Script = std::function<void(int number, int fd)>;

  explicit ScriptedServer(Script script) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(fd_, 8) != 0)
      throw std::runtime_error("listen");
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, script = std::move(script)] {
      for (;;) {
        const int connection = ::accept(fd_, nullptr, nullptr);
        if (connection < 0) return;
        script(++accepted_, connection);
        ::close(connection);
        ++closed_;
      }
    });
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }

  std::uint16_t port() const { return port_; }
  int accepted() const { return accepted_; }
  int closed() const { return closed_; }  // and the client's socket knows: between two on one machine nothing is on the way

  /// A request's header, and of its body what came with it.
  static std::string read(int fd) {
    std::string text;
    std::array<char, 4096> buffer{};
    while (!text.contains("\r\n\r\n")) {
      const auto size = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (size <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return text;
  }
  static void write(int fd, std::string_view text) { ::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }
  /// Until the client hangs up.
  static void drain(int fd) {
    std::array<char, 4096> buffer{};
    while (::recv(fd, buffer.data(), buffer.size(), 0) > 0) {}
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
  std::atomic<int> accepted_ = 0, closed_ = 0;
  std::thread thread_;
};

constexpr std::string_view kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Certificates for 127.0.0.1 and localhost (good) and for another name (wrong).
struct Certificates : test::Certificates {
  Certificates() {
    make("good", "IP:127.0.0.1,DNS:localhost");
    make("wrong", "DNS:elsewhere.example");
  }
  [[nodiscard]] TlsFiles files(const std::string& name) const { return {certificate(name), key(name)}; }
};

const Certificates& certificates() {
  static const Certificates made;
  return made;
}

}  // namespace

TEST_CASE("a client's request arrives as it was made, on one connection") {
  EchoServer server;
  auto url = url_of(server.port());
  url.prefix = "/broker";
  Client client(url, {.token = Secret("t0ken")});
  for (int i = 0; i < 3; ++i) {
    const auto response = client.request("POST", "/v1/jobs?x=%20", {{"X-Test", "a b"}}, "hello").value();
    CHECK(response.status == 200);
    CHECK(response.content_type == "application/json");
    CHECK(response.header("x-request-id"));
    const auto body = Json::parse(response.body);
    CHECK(body["method"] == "POST");
    CHECK(body["path"] == "/broker/v1/jobs");
    CHECK(body["query"] == Json::parse(R"([["x"," "]])"));
    CHECK(body["body"] == 5);
    CHECK(body["x-test"] == "a b");
    CHECK(body["authorization"] == "Bearer t0ken");
  }
  CHECK(server.server.load().connections == 1);
  CHECK(Json::parse(client.request("GET", "/").value().body)["body"] == 0);
  CHECK(client.request("HEAD", "/").value().body.empty());
  CHECK(client.request("GET", "/").value().status == 200);
}

TEST_CASE("a token may have a field of its own") {
  std::string seen;
  ScriptedServer server([&](int, int fd) {
    seen = ScriptedServer::read(fd);
    ScriptedServer::write(fd, kOk);
  });
  Client client(url_of(server.port()), {.token = Secret("t0ken"), .token_field = "X-SLURM-USER-TOKEN", .peer = "slurmrestd"});
  REQUIRE(client.request("GET", "/").has_value());
  CHECK(seen.contains("\r\nX-SLURM-USER-TOKEN: t0ken\r\n"));
  CHECK_FALSE(seen.contains("Authorization"));
  const auto away = Client(url_of(1), {.peer = "slurmrestd"}).request("GET", "/");
  CHECK(away.error().message.starts_with("cannot reach slurmrestd at http://127.0.0.1:1"));
}

TEST_CASE("a Unix socket in place of host and port") {
  const auto away = Client(url_of(1), {.unix_socket = "/nonexistent/socket", .peer = "slurmrestd"}).request("GET", "/");
  REQUIRE_FALSE(away.has_value());
  CHECK(away.error().kind == ErrorKind::unavailable);
  CHECK(away.error().message.starts_with("cannot reach slurmrestd at /nonexistent/socket: "));
  const auto long_path = Client(url_of(1), {.unix_socket = "/" + std::string(200, 'x')}).request("GET", "/");
  CHECK(long_path.error().code == "UNREACHABLE");
}

TEST_CASE("a client that is told to stop waits for nothing more") {
  const auto stop = std::make_shared<std::atomic<bool>>(false);
  ScriptedServer server([&](int, int fd) {
    ScriptedServer::read(fd);
    stop->store(true);
    ScriptedServer::drain(fd);  // no answer
  });
  Client client(url_of(server.port()), {.answer_timeout = 60s, .stop = stop});
  const auto answer = client.request("POST", "/", {}, "x");
  REQUIRE_FALSE(answer.has_value());
  CHECK(answer.error().kind == ErrorKind::unknown_outcome);
}

TEST_CASE("large bodies both ways") {
  EchoServer server({.body_limit = [](std::string_view, std::string_view) { return std::size_t{16} << 20; }},
                    [](Request request) -> async::Task<Response> { co_return Response{.body = std::move(request.body)}; });
  auto client = client_of(server.port());
  std::string body(std::size_t{10} << 20, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 % 251);
  CHECK(client.request("POST", "/", {}, body).value().body == body);
  Client small(url_of(server.port()), {.answer_limit = 1000});
  CHECK(small.request("POST", "/", {}, std::string(1001, 'x')).error().kind == ErrorKind::too_large);
  CHECK(small.request("POST", "/", {}, std::string(1000, 'x')).value().body.size() == 1000);
}

TEST_CASE("every status is a response, also one that comes before the request is out") {
  EchoServer server;
  auto client = client_of(server.port());
  const auto response = client.request("POST", "/", {}, std::string(std::size_t{6} << 20, 'x'));
  REQUIRE(response);
  CHECK(response->status == 413);
  CHECK(response->content_type == "application/problem+json");
  CHECK(client.request("GET", "/").value().status == 200);  // on a new connection
}

TEST_CASE("a broker that is not there is unavailable") {
  std::uint16_t port = 0;
  {
    const EchoServer server;
    port = server.port();
  }
  auto client = client_of(port);
  for (const auto* method : {"GET", "POST"}) {
    const auto error = client.request(method, "/").error();
    CHECK(error.kind == ErrorKind::unavailable);
    CHECK(error.code == "UNREACHABLE");
    CHECK(error.message.find("127.0.0.1:" + std::to_string(port)) != std::string::npos);
  }
  Client unnamed({.host = "no-such-host.invalid", .port = 80}, {});
  CHECK(unnamed.request("GET", "/").error().code == "UNREACHABLE");
}

TEST_CASE("an answer that does not come, or not whole, leaves an unknown outcome for what changes something") {
  const std::vector<std::string> answers{"",
                                         "HTTP/1.1 200 OK\r\n",
                                         "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
                                         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                                         "SSH-2.0-OpenSSH_9.2\r\n\r\n",
                                         "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"};
  for (const auto& answer : answers) {
    INFO(answer);
    const ScriptedServer server([&answer](int, int fd) {
      ScriptedServer::read(fd);
      ScriptedServer::write(fd, answer);
    });
    auto client = client_of(server.port());
    CHECK(client.request("POST", "/", {}, "x").error().kind == ErrorKind::unknown_outcome);
    CHECK(client.request("GET", "/").error().kind == ErrorKind::unavailable);
    CHECK(server.accepted() == 2);  // nothing was repeated
  }
}

TEST_CASE("an answer that is late is an unknown outcome, or a passed deadline") {
  const ScriptedServer server([](int, int fd) { ScriptedServer::drain(fd); });
  Client client(url_of(server.port()), {.answer_timeout = 30ms});
  CHECK(client.request("POST", "/", {}, "x").error().kind == ErrorKind::unknown_outcome);
  CHECK(client.request("DELETE", "/").error().kind == ErrorKind::unknown_outcome);
  CHECK(client.request("GET", "/").error().kind == ErrorKind::deadline_exceeded);
}

TEST_CASE("an answer drop by drop does not outlast its time") {
  const ScriptedServer server([](int, int fd) {
    ScriptedServer::read(fd);
    ScriptedServer::write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 500 && ::send(fd, "x", 1, MSG_NOSIGNAL) == 1; ++i) std::this_thread::sleep_for(2ms);
  });
  Client client(url_of(server.port()), {.answer_timeout = 50ms});
  const auto began = std::chrono::steady_clock::now();
  CHECK(client.request("GET", "/").error().kind == ErrorKind::deadline_exceeded);
  CHECK(std::chrono::steady_clock::now() - began < 900ms);
}

TEST_CASE("a kept connection that the server closed is opened again") {
  const ScriptedServer server([](int, int fd) {
    ScriptedServer::read(fd);
    ScriptedServer::write(fd, kOk);
  });
  auto client = client_of(server.port());
  for (int i = 1; i <= 3; ++i) {
    CHECK(client.request("POST", "/", {}, "x").value().body == "ok");
    CHECK(server.accepted() == i);
    while (server.closed() < i) std::this_thread::yield();
  }
}

TEST_CASE("a kept connection that breaks while it is used: repeated only where repeating is safe") {
  const auto answers_first_only = [](int, int fd) {
    ScriptedServer::read(fd);
    ScriptedServer::write(fd, kOk);
    ScriptedServer::read(fd);  // the second request on it gets no answer
  };
  for (const bool with_key : {false, true}) {
    const ScriptedServer server(answers_first_only);
    auto client = client_of(server.port());
    const auto fields = with_key ? Client::Fields{{"Idempotency-Key", "k"}} : Client::Fields{};
    REQUIRE(client.request("POST", "/", fields, "x"));
    const auto second = client.request("POST", "/", fields, "x");
    CHECK(second.has_value() == with_key);
    if (!second) CHECK(second.error().kind == ErrorKind::unknown_outcome);
    CHECK(client.request("GET", "/"));
  }
}

TEST_CASE("interim answers are skipped; an answer may end with its connection") {
  const ScriptedServer server([](int, int fd) {
    ScriptedServer::read(fd);
    ScriptedServer::write(
        fd, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n\r\nto the end");
  });
  auto client = client_of(server.port());
  const auto response = client.request("POST", "/").value();
  CHECK(response.status == 201);
  CHECK(response.body == "to the end");
}

TEST_CASE("what cannot be sent as it is, is not sent") {
  EchoServer server;
  auto client = client_of(server.port());
  CHECK(client.request("GET", "v1").error().kind == ErrorKind::invalid_argument);
  CHECK(client.request("GET", "/a b").error().kind == ErrorKind::invalid_argument);
  CHECK(client.request("GET", "/\r\nX: y").error().kind == ErrorKind::invalid_argument);
  CHECK(client.request("G T", "/").error().kind == ErrorKind::invalid_argument);
  CHECK(client.request("GET", "/", {{"X", "a\r\nY: b"}}).error().kind == ErrorKind::invalid_argument);
  CHECK(client.request("GET", "/", {{"X:", "a"}}).error().kind == ErrorKind::invalid_argument);
  Client broken(url_of(server.port()), {.token = Secret("abc\n")});
  const auto error = broken.request("GET", "/").error();
  CHECK(error.kind == ErrorKind::invalid_argument);
  CHECK(error.message.find("abc") == std::string::npos);
}

TEST_CASE("a stream is given piece by piece, and may be left") {
  EchoServer server({}, [](Request request) -> async::Task<Response> {
    if (request.path == "/none") co_return problem(404, "NOT_THERE", "no");
    Response response{.content_type = "text/event-stream"};
    const bool breaks = request.path == "/breaks";
    response.next = [n = 0, breaks]() mutable -> async::Task<std::optional<std::string>> {
      if (++n > 3 && breaks) co_return fail(ErrorKind::unavailable, "X", "x");
      if (n > 3) co_return std::nullopt;
      co_return std::to_string(n);
    };
    co_return response;
  });
  auto client = client_of(server.port());
  std::string all;
  const auto keep = [&all](std::string_view piece) {
    all += piece;
    return true;
  };
  CHECK(client.stream("/", {}, keep).value().status == 200);
  CHECK(all == "123");
  const auto refused = client.stream("/none", {}, keep).value();
  CHECK(refused.status == 404);
  CHECK(refused.body.find("NOT_THERE") != std::string::npos);
  all.clear();
  CHECK_FALSE(client.stream("/breaks", {}, keep));
  CHECK(all == "123");
  int pieces = 0;
  CHECK(client.stream("/", {}, [&pieces](std::string_view) { return ++pieces < 1; }));
  CHECK(pieces == 1);
  CHECK(client.request("GET", "/none").value().status == 404);
}

TEST_CASE("what an answer announces takes no memory before it comes") {
  ScriptedServer server([](int, int fd) {
    ScriptedServer::read(fd);
    ScriptedServer::write(fd, "HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\npiece");
  });
  auto client = client_of(server.port());
  const auto whole = client.request("GET", "/", {}, "");
  REQUIRE_FALSE(whole);
  CHECK(whole.error().code == "ANSWER_LOST");
  std::string heard;
  CHECK_FALSE(client.stream("/", {}, [&](std::string_view piece) {
    heard += piece;
    return true;
  }));
  CHECK(heard == "piece");
}

TEST_CASE("a chunked answer may be cut anywhere") {
  const std::string answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  for (std::size_t cut = answer.size() - 16; cut < answer.size(); ++cut) {
    INFO(cut);
    const ScriptedServer server([&](int, int fd) {
      ScriptedServer::read(fd);
      ScriptedServer::write(fd, answer.substr(0, cut));
      std::this_thread::sleep_for(10ms);  // so that it is read in pieces, mostly
      ScriptedServer::write(fd, answer.substr(cut));
    });
    const auto result = client_of(server.port()).request("GET", "/");
    REQUIRE(result);
    CHECK(result->body == "hello");
  }
}

TEST_CASE("a stream that falls silent ends with an error") {
  const ScriptedServer server([](int, int fd) {
    ScriptedServer::read(fd);
    ScriptedServer::write(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    ScriptedServer::drain(fd);
  });
  Client client(url_of(server.port()), {.stream_idle_timeout = 30ms});
  std::string all;
  const auto result = client.stream("/", {}, [&all](std::string_view piece) {
    all += piece;
    return true;
  });
  CHECK(all == "hello");
  CHECK(result.error().kind == ErrorKind::deadline_exceeded);
}

TEST_CASE("over TLS: the same, on a kept connection, with large bodies and streams") {
  EchoServer server({.tls = certificates().files("good"),
                     .body_limit = [](std::string_view, std::string_view) { return std::size_t{8} << 20; }},
                    [](Request request) -> async::Task<Response> {
                      if (request.path != "/stream") co_return co_await echo(std::move(request));
                      Response response;
                      response.next = [n = 0]() mutable -> async::Task<std::optional<std::string>> {
                        if (++n > 100) co_return std::nullopt;
                        co_return std::string(10000, 'x');
                      };
                      co_return response;
                    });
  Client client(url_of(server.port(), true), {.token = Secret("t"), .ca_file = certificates().certificate("good")});
  for (int i = 0; i < 3; ++i) {
    const auto response = client.request("POST", "/", {}, std::string(std::size_t{4} << 20, 'x'));
    REQUIRE(response);
    const auto body = Json::parse(response->body);
    CHECK(body["body"] == 4 << 20);
    CHECK(body["encrypted"] == true);
  }
  std::size_t size = 0;
  CHECK(client.stream("/stream", {}, [&size](std::string_view piece) {
    size += piece.size();
    return true;
  }));
  CHECK(size == 1'000'000);
  CHECK(server.server.load().connections == 1);
  Client named({.tls = true, .host = "localhost", .port = server.port()}, {.ca_file = certificates().certificate("good")});
  CHECK(named.request("GET", "/"));
}

TEST_CASE("a certificate is always verified: its authority, and its name", "[T23]") {
  EchoServer good({.tls = certificates().files("good")});
  EchoServer wrong({.tls = certificates().files("wrong")});
  Client stranger(url_of(good.port(), true), {});
  const auto refused = stranger.request("GET", "/");
  REQUIRE_FALSE(refused);
  const auto& unknown = refused.error();
  CHECK(unknown.code == "TLS_REFUSED");
  CHECK(unknown.message.find("ca_file") != std::string::npos);
  Client misled(url_of(wrong.port(), true), {.ca_file = certificates().certificate("wrong")});
  const auto elsewhere = misled.request("GET", "/");
  REQUIRE_FALSE(elsewhere);
  CHECK(elsewhere.error().code == "TLS_REFUSED");
  Client lost(url_of(good.port(), true), {.ca_file = "/no/such/file"});
  CHECK(lost.request("GET", "/").error().code == "CA_FILE");
  CHECK(good.events.count(ServerEvent::Kind::answered) == 0);
  CHECK(wrong.events.count(ServerEvent::Kind::answered) == 0);
}

TEST_CASE("TLS clients that do not shake hands are cut off; plain talk on the TLS port fails") {
  EchoServer server({.tls = certificates().files("good"), .handshake_timeout = 50ms});
  RawClient silent(server.port());
  CHECK(silent.closed_within(5000));
  RawClient plain(server.port());
  plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  plain.rest();
  CHECK(plain.closed_within(5000));
  Client not_tls(url_of(server.port()), {.answer_timeout = 5s});
  CHECK_FALSE(not_tls.request("GET", "/"));
  const EchoServer other;
  Client to_plain(url_of(other.port(), true), {.ca_file = certificates().certificate("good"), .connect_timeout = 5s});
  CHECK(to_plain.request("GET", "/").error().code == "UNREACHABLE");
}

TEST_CASE("certificates are changed while the server runs") {
  const Certificates& files = certificates();
  const auto crt = std::filesystem::path(files.folder()) / "live.crt";
  const auto key = std::filesystem::path(files.folder()) / "live.key";
  const auto install = [&](const std::string& name) {
    std::filesystem::copy_file(files.certificate(name), crt, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy_file(files.key(name), key, std::filesystem::copy_options::overwrite_existing);
  };
  install("wrong");
  EchoServer server({.tls = TlsFiles{crt, key}});
  const auto try_good = [&] {
    Client client(url_of(server.port(), true), {.ca_file = files.certificate("good")});
    return client.request("GET", "/").has_value();
  };
  CHECK_FALSE(try_good());
  install("good");
  REQUIRE(server.server.reload_tls());
  CHECK(try_good());
  const auto end = server.server.certificate_ends();
  REQUIRE(end);
  CHECK(*end > async::RealScheduler{}.now_utc());
  std::filesystem::remove(key);
  CHECK(server.server.reload_tls().error().code == "TLS_FILES");
  CHECK(try_good());
}
