// SPDX-License-Identifier: Apache-2.0
// The way out through an HTTP proxy: which one counts, what it is asked, and what is said of its refusals. The proxy is a fake
// (connect_proxy.hpp); TLS and keys are the real ones, from end to end.
#include "connectors/websocket/proxy.hpp"

#include "tests/unit/connectors_websocket/connect_proxy.hpp"
#include "tests/unit/connectors_websocket/harbour.hpp"

#include <map>

namespace hansa::connectors::websocket::test {

namespace {

constexpr const char* kPassword = "pass:w%20ord";

http::Url broker_at(const std::string& host, std::uint16_t port = 7718) { return {.tls = true, .host = host, .port = port}; }

/// "" is straight.
std::string chosen(const std::optional<std::string>& configured, const http::Url& broker,
                   const std::map<std::string, std::string>& environment) {
  const auto proxy = proxy_for(configured, broker, [&](const char* name) {
    const auto at = environment.find(name);
    return at == environment.end() ? nullptr : at->second.c_str();
  });
  if (!proxy) return proxy.error().code;
  return *proxy ? (*proxy)->authority() : "";
}

DialOptions through(const Harbour& harbour, const ConnectProxy& proxy, const std::string& login = {}) {
  auto options = harbour.dial_options();
  options.proxy = Proxy{.host = "127.0.0.1", .port = proxy.port(), .login = Secret(login)};
  return options;
}

}  // namespace

TEST_CASE("which proxy counts: the configured one before the environment's; no_proxy and this machine are exempt") {
  const auto broker = broker_at("hansa.example.org");
  using Environment = std::map<std::string, std::string>;
  const Environment both{{"https_proxy", "http://low:3128"}, {"HTTPS_PROXY", "http://up:3128"}};
  const Environment exempt{{"https_proxy", "http://low:3128"}, {"no_proxy", "example.org"}};
  CHECK(chosen({}, broker, {}).empty());
  CHECK(chosen({}, broker, both) == "low:3128");
  CHECK(chosen({}, broker, {{"HTTPS_PROXY", "up:3128"}}) == "up:3128");
  CHECK(chosen({}, broker, {{"https_proxy", ""}, {"HTTPS_PROXY", "up:3128"}}) == "up:3128");
  CHECK(chosen({}, broker, {{"http_proxy", "http://other:1"}, {"HTTP_PROXY", "http://other:1"}}).empty());
  CHECK(chosen({}, broker, exempt).empty());
  CHECK(chosen({}, broker, {{"https_proxy", "low:1"}, {"NO_PROXY", "example.org"}}).empty());
  CHECK(chosen("http://own:1", broker, exempt) == "own:1");
  CHECK(chosen("none", broker, both).empty());
  for (const auto* here : {"localhost", "127.0.0.1", "127.8.8.8", "::1"}) CHECK(chosen({}, broker_at(here), both).empty());
  CHECK(chosen({}, broker, {{"https_proxy", "http://user:pass@low:3128/"}}) == "low:3128");
  CHECK(chosen({}, broker, {{"https_proxy", "HTTP://[2001:db8::1]:3128"}}) == "[2001:db8::1]:3128");
  CHECK(chosen({}, broker, {{"https_proxy", "http://low"}}) == "low:80");
}

TEST_CASE("no_proxy names hosts with what is below them, addresses and networks") {
  struct Case {
    const char* list;
    const char* host;
    bool exempt;
  };
  const Case kCases[] = {
      {"example.org", "hansa.example.org", true},
      {".example.org", "hansa.example.org", true},
      {"*.example.org", "hansa.example.org", true},
      {"HANSA.Example.org", "hansa.example.ORG", true},
      {"ample.org", "hansa.example.org", false},
      {"hansa.example.org.evil", "hansa.example.org", false},
      {"a, b ,example.org", "example.org", true},
      {"a b example.org", "example.org", true},
      {"*", "anything", true},
      {"example.org:7718", "example.org", true},
      {"example.org:443", "example.org", false},
      {"example.org:x", "example.org", false},
      {"192.0.2.7", "192.0.2.7", true},
      {"192.0.2.7", "192.0.2.77", false},
      {"192.0.2.7:7718", "192.0.2.7", true},
      {"192.0.0.0/16", "192.0.2.7", true},
      {"192.0.0.0/24", "192.0.2.7", false},
      {"192.0.0.0/99", "192.0.2.7", false},
      {"2001:db8::/32", "2001:db8::7", true},
      {"2001:db9::/32", "2001:db8::7", false},
      {"[2001:db8::7]", "2001:db8::7", true},
      {"[2001:db8::7]:7718", "2001:db8::7", true},
      {"2001:db8::7", "2001:db8:0:0::7", true},
      {"10.0.0.0/8", "10.example.org", false},
      {"", "example.org", false},
      {",, ,.,*.", "example.org", false},
      {":7718", "example.org", false},
      {"[", "example.org", false},
      {"]:", "example.org", false},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.list, c.host);
    CHECK(is_exempt(c.list, broker_at(c.host)) == c.exempt);
  }
}

TEST_CASE("an address that is none is an error that repeats nothing of it") {
  const auto broker = broker_at("hansa.example.org");
  for (const std::string text :
       {"https://user:hunter2@proxy:1", "socks5://user:hunter2@proxy:1", "http://user:hunter2@", "http://",
        "user:hunter2@proxy:99999", "http://u%zz:hunter2@proxy:1", "http://u:hunter2%0d%0aX@proxy:1", "http://u:hunter2@pro xy:1",
        "http://u:hunter2@proxy:1?x", "://hunter2"}) {
    CAPTURE(text);
    const auto proxy =
        proxy_for({}, broker, [&](const char* name) { return std::string(name) == "https_proxy" ? text.c_str() : nullptr; });
    REQUIRE_FALSE(proxy);
    CHECK(proxy.error().code == "BAD_PROXY");
    CHECK(proxy.error().message.contains("https_proxy"));
    CHECK_FALSE((proxy.error().message + proxy.error().detail).contains("hunter2"));
  }
}

TEST_CASE("an agent enrols and is let in through a proxy, which sees a name and a port") {
  Harbour harbour;
  ConnectProxy proxy({.login = "user:" + std::string(kPassword)});
  harbour.door.known.clear();
  const auto options = through(harbour, proxy, "user:" + std::string(kPassword));
  REQUIRE(harbour.enrol(options, "good"));
  auto agent = harbour.dial(options);
  REQUIRE(agent);
  const auto broker = harbour.take();
  REQUIRE(broker);
  auto send = [](protocol::Lines* lines) -> async::Task<> { return lines->write("hello"); };
  REQUIRE(harbour.run(send(agent->get())));
  CHECK(*harbour.run(broker->read()) == "hello");
  const auto heads = proxy.heads();
  REQUIRE(heads.size() == 2);
  const auto target = "127.0.0.1:" + std::to_string(harbour.listener->port());
  for (const auto& head : heads) {
    CHECK(head.starts_with("CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n"));
    CHECK_FALSE(head.contains(harbour.door.known));
  }
  harbour.end(**agent);
  harbour.end(*broker);
}

TEST_CASE("who the broker is counts through a proxy as well", "[T23]") {
  Harbour harbour;
  ConnectProxy proxy;
  auto options = through(harbour, proxy);
  options.pin = "sha256:" + std::string(64, '0');
  CHECK(harbour.code_of(options) == "BROKER_KEY");
  options.pin.clear();
  options.ca_file = harbour.certificates.certificate("broker");
  CHECK(harbour.code_of(options) == "OK");
  options.broker.host = "localhost";
  CHECK(harbour.code_of(options) == "OK");
  options.broker.host = "hansa.example.org";  // which only the proxy has to find
  CHECK(harbour.code_of(options) == "BROKER_NAME");
}

TEST_CASE("a proxy that opens no tunnel is told apart from a broker that is down; a password is never repeated") {
  Harbour harbour;
  struct Case {
    ProxyManners manners;
    const char* login;
    const char* code;
    const char* words;
  };
  const Case kCases[] = {
      {{.login = "u:p"}, "", "PROXY_LOGIN", "agent.proxy_login_file"},
      {{.login = "u:p"}, "u:hunter2", "PROXY_LOGIN", "does not take the login"},
      {{.answer = "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM\r\n\r\n"},
       "u:hunter2",
       "PROXY_LOGIN",
       "status 407, Negotiate, NTLM"},
      {{.answer = "HTTP/1.0 403 Forbidden\r\n\r\n<html>"}, "", "PROXY_REFUSED", "allow CONNECT"},
      {{.answer = "HTTP/1.1 504 Gateway Timeout\r\n\r\n"}, "", "PROXY_UPSTREAM", "status 504"},
      {{.answer = "HTTP/1.1 301 Moved\r\nLocation: http://x\r\n\r\n"}, "", "PROXY_REFUSED", "status 301"},
      {{.answer = "SSH-2.0-OpenSSH_9.2\r\n\r\n"}, "", "NOT_A_PROXY", "agent.proxy"},
      {{.answer = "HTTP/1.1 2000 OK\r\n\r\n"}, "", "NOT_A_PROXY", ""},
      {{.answer = "HTTP/1.1 200 OK\n\n"}, "", "NOT_A_PROXY", ""},
      {{.answer = "HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n"}, "", "NOT_A_PROXY", ""},
      {{.before = "early"}, "", "NOT_A_PROXY", ""},
      {{.answer = "HTTP/1.1 200"}, "", "PROXY_CUT", "closed the connection"},
      {{.silent = true}, "", "PROXY_SILENT", "has not opened a tunnel"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.code, c.manners.answer.substr(0, 40));
    ConnectProxy proxy(c.manners);
    Dialler dialler(harbour.scheduler, through(harbour, proxy, c.login));
    const auto lines = harbour.run(dialler.open(async::Deadline::in(harbour.scheduler, c.manners.silent ? 300ms : 10'000ms)));
    REQUIRE_FALSE(lines);
    CHECK(lines.error().code == c.code);
    CHECK(lines.error().kind == ErrorKind::unavailable);
    CHECK(lines.error().message.contains(c.words));
    CHECK_FALSE((lines.error().message + lines.error().detail).contains("hunter2"));
  }
  auto options = harbour.dial_options();
  options.proxy = Proxy{.host = "127.0.0.1", .port = 1};
  CHECK(harbour.code_of(options) == "PROXY_UNREACHABLE");
  options.proxy = Proxy{.host = "no-such-host.invalid", .port = 1};
  CHECK(harbour.code_of(options) == "PROXY_NOT_FOUND");
  ConnectProxy proxy;
  options = through(harbour, proxy);
  options.broker.port = 1;
  CHECK(harbour.code_of(options) == "PROXY_UPSTREAM");
}

}  // namespace hansa::connectors::websocket::test
