// SPDX-License-Identifier: Apache-2.0
// The server's edges: who gives way to whom, what a client may say of its request, what TLS is spoken.
#include "broker/async/real_scheduler.hpp"
#include "broker/http/client.hpp"
#include "broker/http/server.hpp"
#include "tests/testbed/certificates.hpp"
#include "tests/unit/http/echo_server.hpp"
#include "tests/unit/http/raw_client.hpp"

#include <catch2/catch.hpp>
#include <openssl/ssl.h>

#include <array>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace hansa::http::test {

using namespace std::chrono_literals;

namespace {

using Clients = std::vector<std::unique_ptr<RawClient>>;

std::string get(std::string_view target, std::string_view more = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" + std::string(more) + "\r\n";
}

bool answers(RawClient& client, std::string_view target = "/") {
  return client.send(get(target)) && status_of(client.response()) == 200;
}

std::string field_of(const std::string& response, const std::string& name) {
  const auto at = response.find("\r\n" + name + ": ");
  if (at == std::string::npos) return "";
  const auto begin = at + name.size() + 4;
  return response.substr(begin, response.find("\r\n", begin) - begin);
}

/// Whoever asks for /known is known from then on.
async::Task<Response> doorkeeper(Request request) {
  Response response{.body = request.network};
  response.knows_caller = request.path == "/known";
  if (request.path == "/slowly") response.pause = 200ms;
  co_return response;
}

Clients crowd(const EchoServer& server, int size, const char* from = "127.0.0.1") {
  Clients clients;
  for (int i = 0; i < size; ++i) clients.push_back(std::make_unique<RawClient>(server.port(), 0, from));
  return clients;
}

int closed(Clients& clients) {
  int count = 0;
  for (auto& client : clients) count += client->closed_within(5) ? 1 : 0;
  return count;
}

bool soon(const std::function<bool()>& condition) {
  for (int i = 0; i < 5'000 && !condition(); ++i) std::this_thread::sleep_for(1ms);
  return condition();
}

}  // namespace

TEST_CASE("of one network so many strangers wait: the oldest gives way to the newest and nobody else does", "[T24]") {
  EchoServer server({.max_strangers_of_network = 3}, doorkeeper);
  RawClient elsewhere(server.port(), 0, "127.0.9.9");
  RawClient guest(server.port());
  REQUIRE(answers(guest, "/known"));
  auto strangers = crowd(server, 3);
  REQUIRE(soon([&] { return server.server.load().connections == 5; }));
  RawClient newest(server.port());
  CHECK(strangers.front()->closed_within(5'000));
  CHECK(server.events.count(ServerEvent::Kind::dropped) == 1);
  CHECK(closed(strangers) == 1);
  for (auto* other : {&elsewhere, &guest, &newest}) CHECK(answers(*other));
}

TEST_CASE("whoever holds half a header or half a body gives way as one that says nothing does", "[T24]") {
  for (const std::string bytes :
       {"", "GET / HTT", "GET / HTTP/1.1\r\nX: y\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"}) {
    CAPTURE(bytes);
    EchoServer server({.max_connections = 8, .max_strangers_of_network = 8}, doorkeeper);
    auto strangers = crowd(server, 8);
    for (auto& stranger : strangers) stranger->send(bytes);
    std::this_thread::sleep_for(10ms);
    for (int i = 0; i < 8; ++i) {
      RawClient person(server.port());
      CHECK(answers(person, "/known"));
    }
    CHECK(soon([&] { return server.server.load().connections <= 8; }));
  }
}

TEST_CASE("when all connections are taken a stranger of the largest crowd gives way and people only when there is none",
          "[T24]") {
  EchoServer server({.max_connections = 6, .max_strangers_of_network = 100}, doorkeeper);
  Clients people = crowd(server, 2);
  for (auto& person : people) REQUIRE(answers(*person, "/known"));
  RawClient lone(server.port(), 0, "127.0.5.5");
  REQUIRE(answers(lone));
  auto strangers = crowd(server, 3, "127.0.7.7");
  REQUIRE(soon([&] { return server.server.load().connections == 6; }));
  Clients more = crowd(server, 1);
  REQUIRE(answers(*more[0], "/known"));
  CHECK(strangers[0]->closed_within(5'000));
  CHECK(closed(strangers) == 1);
  CHECK(closed(people) == 0);
  for (int i = 0; i < 3; ++i) {  // in the place of the other strangers
    more.push_back(std::make_unique<RawClient>(server.port()));
    REQUIRE(answers(*more.back(), "/known"));
  }
  CHECK(lone.closed_within(5'000));
  CHECK(closed(strangers) == 3);
  CHECK(closed(people) == 0);
  RawClient last(server.port());
  CHECK(answers(last, "/known"));
  CHECK(people[0]->closed_within(5'000));
  CHECK(closed(people) + closed(more) == 1);
}

TEST_CASE("thousands of connections that say nothing keep nobody out", "[T24]") {
  EchoServer server({.threads = 2, .max_connections = 64, .max_strangers_of_network = 32}, doorkeeper);
  RawClient person(server.port());
  REQUIRE(answers(person, "/known"));
  Clients flood;
  for (int i = 0; i < 3'000; ++i) {
    const auto from = "127." + std::to_string(1 + i % 100) + ".0.1";
    flood.push_back(std::make_unique<RawClient>(server.port(), 0, from.c_str()));
    if (flood.size() > 200) flood.erase(flood.begin());
    if (i % 300 == 0) {
      CHECK(answers(person));
      bool is_in = false;
      for (int tries = 0; tries < 50 && !is_in; ++tries) {  // the thread that it comes to may have nobody to send away just then
        RawClient another(server.port());
        is_in = answers(another, "/known");
      }
      CHECK(is_in);
    }
    CHECK(server.server.load().connections <= 64 + 64);
  }
  CHECK(answers(person));
}

TEST_CASE("who asks too often is not read for a while and then goes on where they were") {
  EchoServer server({}, doorkeeper);
  RawClient client(server.port());
  const auto began = std::chrono::steady_clock::now();
  client.send(get("/slowly") + get("/2"));
  CHECK(status_of(client.response()) == 200);
  CHECK(status_of(client.response()) == 200);
  CHECK(std::chrono::steady_clock::now() - began >= 200ms);
  SECTION("unless they go") {
    client.send(get("/slowly"));
    CHECK(status_of(client.response()) == 200);
    client.close();
    CHECK(soon([&] { return server.server.load().connections == 0; }));
  }
  SECTION("or the server stops") {
    client.send(get("/slowly"));
    CHECK(status_of(client.response()) == 200);
    server.server.stop(0ms);
    CHECK(client.closed_within(5'000));
  }
}

TEST_CASE("a request has the id that its client gives it, if it is one") {
  EchoServer server;
  RawClient client(server.port());
  const auto id_for = [&](const std::string& given) {
    client.send(get("/", "X-Request-Id: " + given + "\r\n"));
    return field_of(client.response(), "X-Request-Id");
  };
  CHECK(id_for("Build.42_a-b") == "Build.42_a-b");
  CHECK(id_for(std::string(64, 'x')) == std::string(64, 'x'));
  for (const auto* odd : {"", "a b", "a\"b", "a;b", "<i>", "\xc3\xa4", "a,b"}) {
    CAPTURE(odd);
    const auto own = id_for(odd);
    CHECK(own != odd);
    CHECK(is_request_id(own));
  }
  CHECK(id_for(std::string(65, 'x')).size() < 65);
  client.send("GET /../ HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n");
  const auto refused = client.response();
  CHECK(field_of(refused, "X-Request-Id") == "mine");
  CHECK(refused.contains(R"("request_id":"mine")"));
}

namespace {

struct Certificates : hansa::test::Certificates {
  Certificates() {
    make("good", "IP:127.0.0.1,DNS:localhost");
    make("old", "IP:127.0.0.1", -7'200, -3'600);
    make("new", "IP:127.0.0.1", 3'600, 7'200);
    make("elsewhere", "DNS:elsewhere.example");
    make_authority("authority");
    make_authority("old-authority", -7'200, -3'600);
    make("issued", "IP:127.0.0.1", -3'600, 86'400, "authority");
    make("outlives", "IP:127.0.0.1", -3'600, 86'400, "old-authority");
  }
};

const Certificates& certificates() {
  static const Certificates kMade;
  return kMade;
}

TlsFiles files_of(const std::string& name) { return {certificates().certificate(name), certificates().key(name)}; }

struct Offer {
  int least = TLS1_2_VERSION, most = TLS1_3_VERSION;
  const char* ciphers = nullptr;  // of TLS 1.2
  const char* groups = nullptr;
};

/// The cipher that a client gets which offers only these; "": none.
std::string agreed(std::uint16_t port, const Offer& offer) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_security_level(context.get(), 0);  // it offers what nobody should
  SSL_CTX_set_min_proto_version(context.get(), offer.least);
  SSL_CTX_set_max_proto_version(context.get(), offer.most);
  if (offer.ciphers != nullptr) REQUIRE(SSL_CTX_set_cipher_list(context.get(), offer.ciphers) == 1);
  if (offer.groups != nullptr) REQUIRE(SSL_CTX_set1_groups_list(context.get(), offer.groups) == 1);
  const std::unique_ptr<SSL, decltype(&SSL_free)> session(SSL_new(context.get()), SSL_free);
  const RawClient client(port);
  SSL_set_fd(session.get(), client.descriptor());
  return SSL_connect(session.get()) == 1 ? SSL_get_cipher_name(session.get()) : "";
}

}  // namespace

TEST_CASE("TLS is 1.2 with forward secrecy and authenticated ciphers or 1.3, and nothing older", "[T23]") {
  EchoServer server({.tls = files_of("good")});
  CHECK(agreed(server.port(), {}).starts_with("TLS_"));
  CHECK(agreed(server.port(), {.least = 0, .most = TLS1_1_VERSION}).empty());
  for (const auto* good : {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"})
    CHECK(agreed(server.port(), {.most = TLS1_2_VERSION, .ciphers = good}) == good);
  for (const auto* bad : {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-CCM", "AES128-GCM-SHA256",
                          "DHE-RSA-AES256-GCM-SHA384", "aNULL:eNULL", "PSK"})
    CHECK(agreed(server.port(), {.most = TLS1_2_VERSION, .ciphers = bad}).empty());
  for (const auto* group : {"X25519", "prime256v1", "secp384r1"}) CHECK_FALSE(agreed(server.port(), {.groups = group}).empty());
  for (const auto* group : {"secp521r1", "X448", "ffdhe2048"})
    CHECK(agreed(server.port(), {.least = TLS1_3_VERSION, .groups = group}).empty());
}

TEST_CASE("browsers are told to come by HTTPS alone, by HTTPS alone") {
  const auto told = [](std::optional<TlsFiles> tls, Seconds for_so_long, const char* target) {
    EchoServer server({.tls = std::move(tls), .hsts_max_age = for_so_long});
    Client client({.tls = server.server.certificate_ends().has_value(), .host = "127.0.0.1", .port = server.port()},
                  {.ca_file = certificates().certificate("good")});
    const auto answer = client.request("GET", target);
    return answer ? std::string(answer->header("Strict-Transport-Security").value_or("none")) : answer.error().message;
  };
  CHECK(told(files_of("good"), 63'072'000s, "/") == "max-age=63072000");
  CHECK(told(files_of("good"), 63'072'000s, "/a%2Fb") == "max-age=63072000");  // a refusal, too
  CHECK(told(files_of("good"), 0s, "/") == "none");
  CHECK(told(std::nullopt, 63'072'000s, "/") == "none");
}

TEST_CASE("a client says what is wrong with a certificate and what mends it") {
  struct Case {
    const char* served;
    const char* trusted;
    const char* words;
  };
  for (const auto& [served, trusted, words] :
       {Case{"issued", "authority", ""}, Case{"good", "authority", "set ca_file"}, Case{"old", "old", "renews it"},
        Case{"new", "new", "clock of this machine behind"}, Case{"elsewhere", "elsewhere", "another name than 127.0.0.1"},
        Case{"outlives", "old-authority", "the authority above it"}}) {
    CAPTURE(served, trusted);
    EchoServer server({.tls = files_of(served)});
    Client client({.tls = true, .host = "127.0.0.1", .port = server.port()}, {.ca_file = certificates().certificate(trusted)});
    const auto answer = client.request("GET", "/");
    CHECK(answer.has_value() == std::string_view(words).empty());
    if (answer) continue;
    CHECK(answer.error().code == "TLS_REFUSED");
    CHECK(answer.error().message.contains(words));
  }
}

}  // namespace hansa::http::test
