// SPDX-License-Identifier: Apache-2.0
// The way out to issuers against a server that is none: slow, gone, redirecting, endless.
#include "broker/identity/outward_calls.hpp"

#include "broker/async/real_scheduler.hpp"
#include "broker/http/server.hpp"
#include "tests/testbed/certificates.hpp"
#include "tests/unit/cli/scripted_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>

#include <array>
#include <atomic>

using namespace hansa;
using namespace hansa::identity;
using cli::ScriptedServer;

namespace {

struct Way {
  boost::asio::io_context io{1};
  async::RealScheduler scheduler;
  OutwardCalls calls{scheduler};

  Result<OutwardAnswer> call(OutwardRequest request, Milliseconds patience = Milliseconds{10'000}) {
    std::optional<Result<OutwardAnswer>> outcome;
    boost::asio::co_spawn(io,
                          async::detail::keep(&outcome, calls.call(std::move(request), async::Deadline::in(scheduler, patience))),
                          [](const std::exception_ptr& e) {
                            if (e) std::rethrow_exception(e);
                          });
    io.restart();
    io.run();
    REQUIRE(outcome);
    return std::move(*outcome);
  }
  std::string code(const std::string& url, Milliseconds patience = Milliseconds{10'000}) {
    const auto told = call({.url = url, .private_addresses = true}, patience);
    return told ? std::to_string(told->status) : told.error().code;
  }
};

}  // namespace

TEST_CASE("an issuer's answer comes whole, with its type and its age", "[outward]") {
  Way way;
  ScriptedServer server({ScriptedServer::reply(200, "{}", "Cache-Control: public, max-age=7200\r\n"),
                         ScriptedServer::reply(200, "{}"), ScriptedServer::reply(401, "{}")});
  const auto told = way.call({.url = server.url() + "/keys?a=b", .private_addresses = true});
  REQUIRE(told);
  CHECK(told->content_type == "application/json");
  CHECK(told->max_age == Seconds{7'200});
  CHECK(way.call({.url = server.url() + "/introspect",
                  .user = "a b",
                  .password = Secret("c:d"),
                  .form = Secret("token=x"),
                  .private_addresses = true})
            ->max_age == std::nullopt);
  CHECK(way.call({.url = server.url() + "/userinfo", .bearer = Secret("t0ken"), .private_addresses = true})->status == 401);
  const auto requests = server.requests();
  CHECK(requests[0].starts_with("GET /keys?a=b HTTP/1.1\r\n"));
  CHECK(requests[1].starts_with("POST /introspect HTTP/1.1\r\n"));
  CHECK(requests[1].contains("Authorization: Basic YSUyMGI6YyUzQWQ=\r\n"));  // "a%20b:c%3Ad"
  CHECK(requests[1].ends_with("\r\n\r\ntoken=x"));
  CHECK(requests[2].contains("Authorization: Bearer t0ken\r\n"));
}

TEST_CASE("what an issuer should not answer is an error in time", "[outward][T03][T13]") {
  Way way;
  SECTION("redirects, also to where credentials of machines lie") {
    for (const auto* target : {"http://169.254.169.254/latest/meta-data/", "/elsewhere", "https://evil.example/"}) {
      ScriptedServer server({ScriptedServer::reply(302, "", std::string("Location: ") + target + "\r\n")});
      CHECK(way.code(server.url()) == "PROVIDER_REDIRECTS");
      CHECK(server.requests().size() == 1);
    }
  }
  SECTION("too much") {
    ScriptedServer server(
        {ScriptedServer::reply(200, std::string(OutwardCalls::kMostAnswerBytes + 40'000, ' ')),
         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n" + std::string(400'000, '['),
         "HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'x')});
    for (int i = 0; i < 3; ++i) CHECK(way.code(server.url()) == "PROVIDER_UNREACHABLE");
  }
  SECTION("too little, and nothing like HTTP") {
    ScriptedServer server(
        {"", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "SSH-2.0-OpenSSH_9.2\r\n", std::string(100, '\0')});
    for (int i = 0; i < 4; ++i) CHECK(way.code(server.url()) == "PROVIDER_UNREACHABLE");
  }
  SECTION("nobody there, and no name at all") {
    std::string gone;
    {
      const ScriptedServer server({});
      gone = server.url();
    }
    CHECK(way.code(gone) == "PROVIDER_UNREACHABLE");
    CHECK(way.code("https://nothing.invalid/") == "PROVIDER_UNREACHABLE");
    for (const auto* url : {"", "x", "ftp://a", "http://", "https://a b/", "http://127.0.0.1/#x"})
      CHECK(way.code(url) == "PROVIDER_ANSWER");
  }
}

TEST_CASE("an issuer that hangs is left, and keeps no other waiting", "[outward][T24]") {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(listener, 64) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const auto hung = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  {
    Way way;
    for (int i = 0; i < 30; ++i) {
      const auto code = way.code(hung, Milliseconds{5});
      CHECK((code == "PROVIDER_UNREACHABLE" || code == "LOOKUPS_HANG"));
    }
    ScriptedServer other({ScriptedServer::reply(200, "{}")});
    CHECK(way.code(other.url()) == "200");
  }
  ::close(listener);
}

TEST_CASE("only addresses of the Internet are called, unless the configuration says otherwise", "[outward][T03][T13]") {
  for (const auto* address : {"127.0.0.1",
                              "127.255.255.255",
                              "10.0.0.1",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "0.0.0.0",
                              "192.0.0.1",
                              "192.0.2.1",
                              "198.18.0.1",
                              "198.51.100.7",
                              "203.0.113.9",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "fc00::1",
                              "fd12::1",
                              "ff02::1",
                              "::ffff:127.0.0.1",
                              "::ffff:8.8.8.8",
                              "64:ff9b::7f00:1",
                              "2001::1",
                              "2001:db8::1",
                              "2002:7f00:1::",
                              "localhost",
                              "",
                              "1.2.3",
                              "0x7f.1"}) {
    CAPTURE(address);
    CHECK_FALSE(is_public_address(address));
  }
  for (const auto* address : {"8.8.8.8", "172.32.0.1", "172.15.255.255", "100.63.255.255", "100.128.0.1", "192.0.1.1",
                              "198.20.0.1", "223.255.255.255", "2a00:1450::1", "2001:4860::8888", "2600::1"}) {
    CAPTURE(address);
    CHECK(is_public_address(address));
  }
  Way way;
  const ScriptedServer server({});
  const auto refused = way.call({.url = server.url()});
  REQUIRE(!refused);
  CHECK(refused.error().code == "ADDRESS_PRIVATE");
  CHECK(way.call({.url = "http://localhost" + server.url().substr(16)}).error().code == "ADDRESS_PRIVATE");
}

TEST_CASE("no spelling of an address leads to a machine of the network's own", "[outward][T13]") {
  ScriptedServer server(ScriptedServer::AsAsked{},
                        [](const std::string&, const std::string&) { return ScriptedServer::reply(200, "{}"); });
  const auto port = server.url().substr(server.url().rfind(':'));
  Way way;
  int tried = 0, looked_at = 0;
  const auto refused = [&](const std::string& url) {
    CAPTURE(url);
    const auto told = way.call({.url = url}, Milliseconds{5'000});
    REQUIRE_FALSE(told);
    CHECK((told.error().code == "ADDRESS_PRIVATE" || told.error().code == "PROVIDER_ANSWER" ||
           told.error().code == "PROVIDER_UNREACHABLE"));
    ++tried;
    looked_at += told.error().code == "ADDRESS_PRIVATE" ? 1 : 0;
  };
  for (const std::string host : {"127.0.0.1",
                                 "127.1",
                                 "127.0.1",
                                 "127.255.255.254",
                                 "2130706433",
                                 "0x7f000001",
                                 "0x7F.0.0.1",
                                 "0177.0.0.1",
                                 "017700000001",
                                 "0",
                                 "0.0.0.0",
                                 "00000177.1",
                                 "127.0.0.01",
                                 "localhost",
                                 "LOCALHOST",
                                 "localhost.",
                                 "[::1]",
                                 "[::]",
                                 "[::ffff:127.0.0.1]",
                                 "[::ffff:7f00:1]",
                                 "[0:0:0:0:0:ffff:127.0.0.1]",
                                 "[::127.0.0.1]",
                                 "[64:ff9b::7f00:1]",
                                 "[2002:7f00:1::]",
                                 "[fe80::1]",
                                 "[fe80::1%25lo]",
                                 "[fd00::1]",
                                 "[ff02::1]",
                                 "169.254.169.254",
                                 "2852039166",
                                 "0xa9fea9fe",
                                 "0251.0376.0251.0376",
                                 "[::ffff:169.254.169.254]",
                                 "[::ffff:a9fe:a9fe]",
                                 "[fd00:ec2::254]",
                                 "10.0.0.1",
                                 "10.1",
                                 "167772161",
                                 "172.16.0.1",
                                 "192.168.0.1",
                                 "3232235521",
                                 "100.64.0.1",
                                 "198.18.0.1",
                                 "224.0.0.1",
                                 "255.255.255.255"}) {
    refused("http://" + host + port + "/");
  }
  for (const std::string prefix : {"http://public.example@", "http://public.example:80@", "http://127.0.0.1#@",
                                   "http://public.example%00@", "http://public.example%2F@", "http://public.example\\@",
                                   "http://\t", "http:///", "http:", "http:/", "//", "HTTP://[", "http://127.0.0.1%2523@"}) {
    refused(prefix + "127.0.0.1" + port + "/");
  }
  for (const std::string scheme : {"gopher", "file", "ftp", "dict", "ldap", "unix", "jar:http", "ws", "data"})
    refused(scheme + "://127.0.0.1" + port + "/");
  CHECK(tried >= 60);
  CHECK(looked_at >= 30);
  CHECK(server.requests().empty());
}

TEST_CASE("an issuer is who its certificate says by authority and name", "[outward][T23]") {
  hansa::test::Certificates certificates;
  certificates.make("good", "IP:127.0.0.1,DNS:localhost");
  certificates.make("wrong", "DNS:elsewhere.example");
  certificates.make("ended", "IP:127.0.0.1", -7'200, -3'600);
  std::atomic<int> asked = 0;
  Way way;
  for (const auto& [name, authority, code] :
       std::vector<std::array<std::string, 3>>{{"good", "good", "200"},
                                               {"good", "", "PROVIDER_UNREACHABLE"},
                                               {"good", "wrong", "PROVIDER_UNREACHABLE"},
                                               {"wrong", "wrong", "PROVIDER_UNREACHABLE"},
                                               {"ended", "ended", "PROVIDER_UNREACHABLE"}}) {
    CAPTURE(name, authority);
    http::ServerOptions options;
    options.tls = http::TlsFiles{certificates.certificate(name), certificates.key(name)};
    http::Server server(options, [&](http::Request) -> async::Task<http::Response> {
      ++asked;
      co_return http::Response{.status = 200, .content_type = "application/json", .body = "{}"};
    });
    REQUIRE(server.start());
    const auto told = way.call({.url = "https://127.0.0.1:" + std::to_string(server.port()) + "/keys",
                                .bearer = Secret("t0ken"),
                                .ca_file = authority.empty() ? "" : certificates.certificate(authority),
                                .private_addresses = true});
    CHECK((told ? std::to_string(told->status) : told.error().code) == code);
  }
  CHECK(asked == 1);
}
