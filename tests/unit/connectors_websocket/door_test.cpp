// SPDX-License-Identifier: Apache-2.0
// Whoever knocks is hostile: what they can hold, and for how long, is bounded.
#include "broker/http/header_scan.hpp"
#include "tests/unit/connectors_websocket/harbour.hpp"
#include "tests/unit/http/raw_client.hpp"

#include <array>

namespace hansa::connectors::websocket::test {

namespace {

using http::ClientSocket;

ClientSocket::Time soon() { return std::chrono::steady_clock::now() + 5s; }

/// TLS, without a certificate of its own.
class TlsClient {
 public:
  explicit TlsClient(const Harbour& harbour)
      : socket_(std::move(*ClientSocket::connect({.tls = true, .host = "127.0.0.1", .port = harbour.listener->port()},
                                                 {.ca_file = harbour.certificates.certificate("broker")}, soon()))) {}
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = socket_.write(bytes, soon());
      if (sent.end != ClientSocket::End::ok) return false;
      bytes.remove_prefix(sent.size);
    }
    return true;
  }
  /// All that comes until the other end closes.
  std::string rest() {
    std::string text;
    std::array<char, 4'096> buffer{};
    while (true) {
      const auto got = socket_.read(buffer, soon());
      if (got.end != ClientSocket::End::ok) return text;
      text.append(buffer.data(), got.size);
    }
  }
  std::string ask(std::string_view bytes) {
    send(bytes);
    return rest();
  }

 private:
  ClientSocket socket_;
};

constexpr std::string_view kUpgrade =
    "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
    "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

}  // namespace

TEST_CASE("what is no request for an agent's connection is refused, and closed") {
  Harbour harbour;
  const auto upgrade = std::string(kUpgrade);
  struct Case {
    std::string request;
    const char* status;
  };
  const Case kCases[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "404"},
      {"GET /v1/jobs HTTP/1.1\r\n" + upgrade, "404"},
      {"GET /v1/agents/alpha HTTP/1.1\r\nHost: h\r\n\r\n", "404"},                       // no WebSocket
      {"POST /v1/agents/alpha HTTP/1.1\r\n" + upgrade, "404"},
      {"GET /v1/agents/ HTTP/1.1\r\n" + upgrade, "404"},
      {"GET /v1/agents/a%2Fb HTTP/1.1\r\n" + upgrade, "404"},
      {"GET /v1/agents/" + std::string(100, 'x') + " HTTP/1.1\r\n" + upgrade, "404"},
      {"POST /v1/agents/alpha/enrolment HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n", "404"},
      {"POST /v1/agents/alpha/enrolment HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "404"},
      {"POST /v1/agents/alpha/enrolment HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n", "401"},
      {"GET /v1/agents/alpha HTTP/1.1\r\n" + upgrade, "401"},                            // no key
      {"GET /v1/agents/alpha HTTP/1.1\r\n" + upgrade + "\x81\x80", "400"},               // frames before the answer
      {"GET /v1/agents/alpha HTTP/1.1\nHost: h\n\n", "400"},
      {"GET /v1/agents/alpha HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", "400"},
      {"GET /v1/agents/alpha HTTP/1.1\r\nHost: h\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n", "400"},
      {"\x16\x03\x01 \r\n\r\n", "400"},
      {std::string("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n", 29), "400"},
      {"GET /v1/agents/alpha HTTP/1.1\r\nHost: h\r\nX: " + std::string(9'000, 'x') + "\r\n\r\n", "431"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.request.substr(0, 80));
    const auto answer = TlsClient(harbour).ask(c.request);
    CHECK(answer.starts_with(std::string("HTTP/1.1 ") + c.status + " "));
    CHECK(answer.contains("application/problem+json"));
  }
  CHECK(harbour.notes().empty());
  CHECK(harbour.listener->figures().let_in.empty());
}

TEST_CASE("who shakes no hands, or says nothing, or says it too slowly, is cut off", "[T24]") {
  Harbour harbour({.admit_within = 200ms});
  http::RawClient silent(harbour.listener->port());
  CHECK(silent.rest().empty());
  http::RawClient plain(harbour.listener->port());
  plain.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  plain.rest();
  TlsClient quiet(harbour);
  CHECK(quiet.rest().empty());
  TlsClient slow(harbour);
  slow.send("GET /v1/agents/alpha HTT");
  CHECK(slow.rest().empty());
  for (int i = 0; i < 200 && harbour.listener->figures().refused["TOO_SLOW"] < 3; ++i) { harbour.wait_a_moment(); }
  auto figures = harbour.listener->figures();
  CHECK(figures.refused["TOO_SLOW"] == 3);
  CHECK(figures.tls_failed == 1);
  CHECK(figures.connections == 4);
}

TEST_CASE("of one network only so many may wait to be let in: the oldest gives way, and who is let in does not count") {
  Harbour harbour({.admit_within = 20s, .knocking = {.of_network = 3}});
  const auto agent = harbour.dial();
  REQUIRE(agent);
  std::vector<std::unique_ptr<http::RawClient>> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(std::make_unique<http::RawClient>(harbour.listener->port()));
  CHECK_FALSE(waiting.front()->closed_within(50));
  http::RawClient elsewhere(harbour.listener->port(), 0, "127.0.9.9");
  http::RawClient another(harbour.listener->port());
  CHECK(waiting.front()->closed_within(5'000));
  CHECK(harbour.listener->figures().turned_away == 1);
  for (auto* other : {waiting[1].get(), waiting[2].get(), &elsewhere, &another}) CHECK_FALSE(other->closed_within(20));
  const auto broker = harbour.take();
  auto send = [](protocol::Lines* lines) -> async::Task<> { return lines->write("in"); };
  REQUIRE(harbour.run(send(agent->get())));
  CHECK(*harbour.run(broker->read()) == "in");
  harbour.end(**agent);
  harbour.end(*broker);
}

TEST_CASE("whoever fills the door with what goes nowhere keeps no agent out", "[T24]") {
  constexpr std::string_view kHello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);  // and no more of it
  const std::string half = "GET /v1/agents/alpha HTTP/1.1\r\n" + std::string(kUpgrade.substr(0, 60));
  std::string rubbish;
  for (int i = 0; i < 20; ++i) rubbish += "GET / HTTP/1.1\r\nHost: h\r\n\r\n\x81\x80";
  struct Case {
    const char* what;
    std::string_view bytes;  // of what comes after a TLS handshake, but the first two
    bool tls;
  };
  const std::string oversize = "GET /v1/agents/alpha HTTP/1.1\r\nX: " + std::string(8'100, 'x');
  const Case kCases[] = {
      {"silence", "", false},          {"half a TLS hello", kHello, false},  {"a header byte by byte", "GET /v1", true},
      {"half an upgrade", half, true}, {"pipelined rubbish", rubbish, true}, {"a head up to its limit", oversize, true}};
  for (const auto& c : kCases) {
    CAPTURE(c.what);
    Harbour harbour({.admit_within = 60s, .knocking = {.all = 16, .of_network = 4}});
    std::vector<std::unique_ptr<http::RawClient>> silent;
    std::vector<std::unique_ptr<TlsClient>> shaken;
    for (int i = 0; i < 24; ++i) {
      const auto from = "127.0." + std::to_string(1 + i % 8) + ".1";
      if (c.tls) {
        shaken.push_back(std::make_unique<TlsClient>(harbour));  // all from 127.0.0.1, which is the agent's network
        shaken.back()->send(c.bytes);
      } else {
        silent.push_back(std::make_unique<http::RawClient>(harbour.listener->port(), 0, from.c_str()));
        silent.back()->send(c.bytes);
      }
    }
    const auto agent = harbour.dial();
    CHECK(agent);
    CHECK(harbour.noted("+hansa-agent test"));  // the door knows it a moment after the agent does
    const auto figures = harbour.listener->figures();
    CHECK(figures.connections == 25);
    CHECK(figures.turned_away + (figures.refused.contains("BAD_REQUEST") ? figures.refused.at("BAD_REQUEST") : 0) >= 9);
    CHECK(figures.let_in.at("connected") == 1);
  }
}

TEST_CASE("what an agent calls itself is shown as plain text") {
  Harbour harbour;
  auto options = harbour.dial_options();
  options.name = "agent\x1b[31m";
  CHECK(harbour.code_of(options) == "BAD_REQUEST");
  options.name = "agent\xC3\xA5\"" + std::string(500, 'x');
  REQUIRE(harbour.dial(options));
  const std::scoped_lock lock(harbour.door.mutex);
  const auto& name = harbour.door.knocks.front().name;
  CHECK(name.starts_with("agent???x"));
  CHECK(name.size() == 80);
}

TEST_CASE("a new certificate is for new connections; of a bad one nothing is taken") {
  Harbour harbour;
  auto agent = harbour.dial();
  REQUIRE(agent);
  const auto pin = harbour.listener->key_id();
  harbour.certificates.make("broker", "IP:127.0.0.1");
  REQUIRE(harbour.listener->reload_tls());
  CHECK(harbour.listener->key_id() != pin);
  CHECK(harbour.code_of(harbour.dial_options()) == "OK");
  auto with_the_old_pin = harbour.dial_options();
  with_the_old_pin.pin = pin;
  CHECK(harbour.code_of(with_the_old_pin) == "BROKER_KEY");
  std::filesystem::remove(harbour.certificates.key("broker"));
  CHECK(harbour.listener->reload_tls().error().code == "TLS_FILES");
  CHECK(harbour.code_of(with_the_old_pin) == "BROKER_KEY");
}

}  // namespace hansa::connectors::websocket::test
