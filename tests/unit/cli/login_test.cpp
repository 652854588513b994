// SPDX-License-Identifier: Apache-2.0
// Logging in, and whence a call's token is, against a broker and an issuer that answer as they are told.
#include "broker/cli/login_file.hpp"
#include "broker/http/url.hpp"
#include "tests/unit/cli/call_under_test.hpp"
#include "tests/unit/transport/temporary_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <sys/un.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace hansa::cli {
namespace {

/// What a person who was tricked into a login should see before they type a code (RFC 8628, 5.4).
constexpr const char* kDeviceWords =
    "hansa: open https://idp.example/device and type the code ABCD-EFGH\n"
    "hansa: this lets \"hansa-cli\" on this machine act for you at the broker BROKER, by tokens of the issuer ISSUER for \"a\" "
    "(resource \"r\"), with: openid jobs; go on only if it was you who asked for it\n";

constexpr const char* kMe = R"({"principal":"one:alice","role":"user","projects":["ai-lab"]})";

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A value of a form, decoded.
std::string field_of(const std::string& form, const std::string& name) {
  const auto query = http::parse_query(form);
  for (const auto& [key, value] : query.value_or(http::Query{})) {
    if (key == name) return value;
  }
  return "";
}

/// An issuer: its description, and what its token endpoint says, one after the other.
struct IssuerUnderTest {
  std::deque<std::string> tokens;  // replies
  std::string device = reply(
      200,
      R"({"device_code":"dc","user_code":"ABCD-EFGH","verification_uri":"https://idp.example/device","expires_in":60,"interval":5})");
  std::string wrong_name;
  ScriptedServer server{ScriptedServer::AsAsked{}, [this](const std::string& request, const std::string& url) {
                          const auto line = line_of(request);
                          if (line.starts_with("GET /.well-known/openid-configuration "))
                            return reply(200, Json{{"issuer", url + wrong_name},
                                                   {"token_endpoint", url + "/token"},
                                                   {"device_authorization_endpoint", url + "/device"},
                                                   {"authorization_endpoint", url + "/auth"},
                                                   {"revocation_endpoint", url + "/revoke"},
                                                   {"code_challenge_methods_supported", {"S256"}}}
                                                  .dump());
                          if (line.starts_with("POST /device ")) return device;
                          if (line.starts_with("POST /revoke ")) return reply(200, "");
                          if (tokens.empty()) return reply(500, "{}");
                          auto next = tokens.front();
                          tokens.pop_front();
                          return next;
                        }};

  [[nodiscard]] std::string issuers() const {
    return Json{{"issuers",
                 {{{"id", "one"},
                   {"name", "One"},
                   {"url", server.url()},
                   {"audience", "a"},
                   {"client_id", "hansa-cli"},
                   {"scopes", {"openid", "jobs"}},
                   {"resource", "r"}}}}}
        .dump();
  }
};

std::string token(const std::string& access, int seconds = 3'600, const std::string& refresh = "r-1") {
  return reply(
      200, Json{{"access_token", access}, {"token_type", "Bearer"}, {"expires_in", seconds}, {"refresh_token", refresh}}.dump());
}
std::string pending(const std::string& error) { return reply(400, Json{{"error", error}}.dump()); }

/// A call without a token file, in a home of its own.
struct Visitor : OutsideUnderTest {
  Visitor() { environment["HOME"] = folder.path; }
  int run(const ScriptedServer& broker, std::vector<const char*> arguments) {
    out.clear();
    err.clear();
    environment["HANSA_URL"] = broker.url();
    auto outside = surroundings();
    return static_cast<int>(cli::run(arguments, outside));
  }
  [[nodiscard]] std::filesystem::path file() const { return folder.path / ".config/hansa/login.json"; }
  tests::TemporaryFolder folder;
};

}  // namespace

TEST_CASE("a login by device shows where to go, waits as told, and is kept for the owner alone", "[login]") {
  IssuerUnderTest issuer;
  issuer.tokens = {pending("authorization_pending"), pending("slow_down"), token("a-1")};
  Visitor visitor;
  ScriptedServer broker({reply(200, issuer.issuers()), reply(200, kMe)});
  CHECK(visitor.run(broker, {"login", "--device"}) == 0);
  CHECK(visitor.out == "logged in as one:alice (user), of the projects: ai-lab\n");
  CHECK(visitor.err.contains("open https://idp.example/device and type the code ABCD-EFGH"));
  CHECK(visitor.err.contains("\"hansa-cli\""));
  CHECK(visitor.err.contains("broker " + broker.url() + ", by tokens of the issuer " + issuer.server.url() +
                             " for \"a\" (resource \"r\"), with: openid jobs"));
  CHECK(visitor.pauses ==
        std::vector<Milliseconds>{Milliseconds{5'000}, Milliseconds{5'000}, Milliseconds{10'000}});  // slow_down: 5 s more
  CHECK((std::filesystem::status(visitor.file()).permissions() & std::filesystem::perms::all) == std::filesystem::perms(0600));
  const auto asked = issuer.server.requests();
  const auto begun = body_of(asked[1]), polled = body_of(asked[2]);
  CHECK(field_of(begun, "client_id") == "hansa-cli");
  CHECK(field_of(begun, "scope") == "openid jobs");
  CHECK(field_of(begun, "resource") == "r");
  CHECK(field_of(begun, "code_challenge_method") == "S256");
  CHECK(field_of(begun, "code_challenge").size() == 43);
  CHECK(field_of(polled, "grant_type") == "urn:ietf:params:oauth:grant-type:device_code");
  CHECK(field_of(polled, "code_verifier").size() == 43);
  CHECK(field_of(polled, "code_verifier") != field_of(begun, "code_challenge"));
  CHECK(header_of(broker.requests()[1], "Authorization") == "Bearer a-1");

  SECTION("and used by the next calls, at this broker alone") {
    ScriptedServer other({reply(200, kMe)});
    CHECK(visitor.run(other, {"whoami"}) == 4);
    CHECK(visitor.err.contains("hansa login"));
    auto login = Json::parse(text_of(visitor.file()));
    login["logins"][0]["broker"] = other.url();
    std::ofstream(visitor.file()) << login;
    CHECK(visitor.run(other, {"whoami"}) == 0);
    CHECK(header_of(other.requests()[0], "Authorization") == "Bearer a-1");
  }
  SECTION("a file that others can read is not used") {
    std::filesystem::permissions(visitor.file(), std::filesystem::perms(0640));
    ScriptedServer none({});
    CHECK(visitor.run(none, {"whoami"}) == 4);
    CHECK(visitor.err.contains("not yours alone"));
    std::filesystem::rename(visitor.file(), visitor.folder.path / "elsewhere");
    std::filesystem::permissions(visitor.folder.path / "elsewhere", std::filesystem::perms(0600));
    std::filesystem::create_symlink(visitor.folder.path / "elsewhere", visitor.file());
    CHECK(visitor.run(none, {"whoami"}) == 2);
    CHECK(visitor.err.contains("symbolic link"));
  }
}

TEST_CASE("a login by device tells whom it is for word for word and opens nothing", "[login][T26]") {
  IssuerUnderTest issuer;
  issuer.device =
      reply(200, R"({"device_code":"dc","user_code":"ABCD-EFGH","verification_uri":"https://idp.example/device",)"
                 R"("verification_uri_complete":"https://idp.example/device?user_code=ABCD-EFGH","expires_in":60,"interval":5})");
  issuer.tokens = {token("a-1")};
  Visitor visitor;
  visitor.environment["DISPLAY"] = ":0";  // there is a browser, and it is not called
  ScriptedServer broker({reply(200, issuer.issuers()), reply(200, kMe)});
  REQUIRE(visitor.run(broker, {"login", "--device"}) == 0);
  auto told = visitor.err;
  const auto put = [&](const std::string& what, const std::string& name) {
    for (auto at = told.find(what); at != std::string::npos; at = told.find(what)) told.replace(at, what.size(), name);
  };
  put(broker.url(), "BROKER");
  put(issuer.server.url(), "ISSUER");
  CHECK(told == kDeviceWords);
}

TEST_CASE("a login that the issuer or the broker refuses is not kept", "[login]") {
  IssuerUnderTest issuer;
  Visitor visitor;
  const auto attempt = [&](std::vector<std::string> replies, int status, const char* words) {
    ScriptedServer broker(std::move(replies));
    CHECK(visitor.run(broker, {"login", "--device"}) == status);
    CAPTURE(visitor.err);
    CHECK(visitor.err.contains(words));
    CHECK_FALSE(std::filesystem::exists(visitor.file()));
  };
  issuer.tokens = {pending("access_denied")};
  attempt({reply(200, issuer.issuers())}, 4, "access_denied");
  issuer.tokens = {pending("expired_token")};
  attempt({reply(200, issuer.issuers())}, 5, "in time");
  issuer.tokens = std::deque<std::string>(40, pending("authorization_pending"));
  attempt({reply(200, issuer.issuers())}, 5, "in time");
  issuer.tokens = {reply(200, R"({"access_token":"a b","token_type":"Bearer"})")};
  attempt({reply(200, issuer.issuers())}, 5, "no bearer token");
  issuer.tokens = {reply(200, R"({"access_token":"a","token_type":"DPoP"})")};
  attempt({reply(200, issuer.issuers())}, 5, "no bearer token");
  issuer.tokens = {token("a-1")};
  attempt({reply(200, issuer.issuers()), problem(401, "TOKEN_AUDIENCE")}, 4, "told so");
  issuer.device = reply(400, R"({"error":"invalid_scope","error_description":"no \u001b[31mjobs"})");
  attempt({reply(200, issuer.issuers())}, 4, "invalid_scope: no \\x1b[31mjobs");
  issuer.wrong_name = "/other";
  attempt({reply(200, issuer.issuers())}, 5, "does not describe itself");
  attempt({reply(200, R"({"issuers":[]})")}, 3, "takes tokens of no issuer");
  attempt({reply(200, R"({"issuers":[{"id":"one","url":"http://idp.example","client_id":"c"}]})")}, 5, "in the clear");
  attempt({reply(200, R"({"issuers":[{"id":"one","url":"x"},{"id":"two","url":"y"}]})")}, 2, "one, two");
}

TEST_CASE("a login by browser comes back to this machine, with the state that went out", "[login]") {
  for (const bool honest : {true, false}) {
    IssuerUnderTest issuer;
    issuer.tokens = {token("a-1")};
    Visitor visitor;
    visitor.environment["DISPLAY"] = ":0";
    ScriptedServer broker({reply(200, issuer.issuers()), reply(200, kMe)});
    std::thread browser;
    std::string page;
    auto outside = visitor.surroundings();
    outside.look.width = 80;
    outside.foreground = [&](const std::vector<std::string>& command, const std::string&) -> Result<int> {
      CHECK(command[0] == "xdg-open");
      const auto query = command[1].substr(command[1].find('?') + 1);
      CHECK(field_of(query, "response_type") == "code");
      CHECK(field_of(query, "code_challenge").size() == 43);
      browser = std::thread([&page, query, honest] {
        const auto back = field_of(query, "redirect_uri");
        const auto port = back.substr(17, back.find('/', 17) - 17);
        for (const auto& target :
             {std::string("/favicon.ico"), "/callback?code=c-1&state=" + (honest ? field_of(query, "state") : "forged")}) {
          const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
          sockaddr_in address{};
          address.sin_family = AF_INET;
          address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
          address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
          if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
            const auto request = "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
            (void)::send(fd, request.data(), request.size(), MSG_NOSIGNAL);
            char buffer[1024];
            for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
              page.append(buffer, static_cast<std::size_t>(got));
          }
          ::close(fd);
        }
      });
      return 0;
    };
    visitor.environment["HANSA_URL"] = broker.url();
    const std::vector<const char*> arguments{"login", "--browser"};
    const auto status = static_cast<int>(cli::run(arguments, outside));
    browser.join();
    CAPTURE(visitor.err);
    CHECK(status == (honest ? 0 : 4));
    CHECK(page.contains("404 Not Found"));
    CHECK(std::filesystem::exists(visitor.file()) == honest);
    const auto asked = issuer.server.requests();
    if (honest) {
      CHECK(field_of(body_of(asked[1]), "code") == "c-1");
      CHECK(field_of(body_of(asked[1]), "code_verifier").size() == 43);
    } else {
      CHECK(visitor.err.contains("not of this login"));
      CHECK(asked.size() == 1);  // no code is exchanged
    }
  }
}

TEST_CASE("a login that is about to end is renewed once, and one that is over is told", "[login]") {
  IssuerUnderTest issuer;
  issuer.tokens = {token("a-1", 100)};
  Visitor visitor;
  {
    ScriptedServer broker({reply(200, issuer.issuers()), reply(200, kMe)});
    REQUIRE(visitor.run(broker, {"login", "--device"}) == 0);
    auto login = Json::parse(text_of(visitor.file()));
    ScriptedServer next({reply(200, kMe), reply(200, kMe), reply(200, kMe)});
    login["logins"][0]["broker"] = next.url();
    std::ofstream(visitor.file()) << login;
    CHECK(visitor.run(next, {"whoami"}) == 0);  // good for more than a minute
    visitor.utc += std::chrono::seconds{41};
    issuer.tokens = {token("a-2", 3'600, "r-2")};
    CHECK(visitor.run(next, {"whoami"}) == 0);
    CHECK(visitor.run(next, {"whoami"}) == 0);
    const auto requests = next.requests();
    CHECK(header_of(requests[0], "Authorization") == "Bearer a-1");
    CHECK(header_of(requests[1], "Authorization") == "Bearer a-2");
    CHECK(header_of(requests[2], "Authorization") == "Bearer a-2");
    CHECK(text_of(visitor.file()).contains("r-2"));
    visitor.utc += std::chrono::hours{2};
    issuer.tokens = {pending("invalid_grant")};
    visitor.err.clear();
    CHECK(visitor.run(next, {"whoami"}) == 4);
    CHECK(visitor.err.contains("is over; run hansa login again"));
    issuer.tokens = {reply(503, "{}")};
    CHECK(visitor.run(next, {"whoami"}) == 5);  // the login is kept
    CHECK(text_of(visitor.file()).contains("r-2"));
    CHECK(visitor.run(next, {"logout"}) == 0);
    CHECK(visitor.out == "logged out\n");
    CHECK_FALSE(text_of(visitor.file()).contains("r-2"));
  }
  const auto asked = issuer.server.requests();
  CHECK(line_of(asked.back()).starts_with("POST /revoke "));
  CHECK(field_of(body_of(asked.back()), "token") == "r-2");
}

TEST_CASE("the token of a call is the first of several", "[login]") {
  Visitor visitor;
  const auto shown = [&] {
    ScriptedServer broker({reply(200, kMe)});
    CHECK(visitor.run(broker, {"whoami"}) == 0);
    CAPTURE(visitor.err);
    return header_of(broker.requests()[0], "Authorization").substr(7);
  };
  const auto file = [&](const char* name, const char* text) {
    const auto path = visitor.folder.path / name;
    std::ofstream(path) << text;
    std::filesystem::permissions(path, std::filesystem::perms(0600));
    return path.string();
  };
  visitor.environment["XDG_RUNTIME_DIR"] = visitor.folder.path;
  file(("bt_u" + std::to_string(::geteuid())).c_str(), "t-runtime\n");
  CHECK(shown() == "t-runtime");
  visitor.environment["BEARER_TOKEN_FILE"] = file("bearer", "t-file\n");
  CHECK(shown() == "t-file");
  visitor.environment["BEARER_TOKEN"] = "t-variable\n";
  CHECK(shown() == "t-variable");
  visitor.environment["HANSA_TOKEN_FILE"] = file("own", "t-own\n");
  CHECK(shown() == "t-own");
  for (const auto* name : {"HANSA_TOKEN_FILE", "BEARER_TOKEN", "BEARER_TOKEN_FILE", "XDG_RUNTIME_DIR"})
    visitor.environment.erase(name);
  ScriptedServer none({});
  CHECK(visitor.run(none, {"whoami"}) == 4);
  CHECK(visitor.err.contains("run hansa login"));
}

TEST_CASE("oidc-agent is asked for a token that the person's own settings or login name", "[login]") {
  Visitor visitor;
  const auto path = (visitor.folder.path / "agent.sock").string();
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener, 4) == 0);
  std::vector<std::string> asked;
  std::thread agent([&] {
    for (const std::string answer : {R"({"status":"success","access_token":"t-agent","issuer":"https://idp","expires_at":1})",
                                     R"({"status":"failure","error":"No account loaded"})"}) {
      const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      char buffer[2048];
      const auto got = ::recv(fd, buffer, sizeof buffer, 0);
      asked.emplace_back(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      for (const char c : answer) (void)::send(fd, &c, 1, MSG_NOSIGNAL);  // in pieces
      ::close(fd);
    }
  });
  visitor.environment["OIDC_SOCK"] = path;
  {
    ScriptedServer broker({reply(200, kMe)}), other({});
    CHECK(visitor.run(broker, {"whoami"}) == 4);  // for what, nobody said whom one trusts
    CHECK(visitor.err.contains("oidc_issuer"));
    std::filesystem::create_directories(visitor.folder.path / ".config/hansa");
    std::ofstream(visitor.folder.path / ".config/hansa/config.toml")
        << "url = \"" << broker.url()
        << "\"\noidc_issuer = \"https://idp.example/one\"\noidc_audience = \"https://hansa.example\"\n";
    CHECK(visitor.run(other, {"whoami"}) == 4);  // another broker
    CHECK(visitor.run(broker, {"whoami"}) == 0);
    const auto login = Json{{"broker", broker.url()},
                            {"issuer", "two"},
                            {"issuer_url", "https://idp.example/two"},
                            {"audience", "https://two.example"},
                            {"access_token", "old"},
                            {"expires_at", "2020-01-01T00:00:00Z"}};
    std::filesystem::remove(visitor.folder.path / ".config/hansa/config.toml");
    std::ofstream(visitor.file()) << Json{{"logins", {login}}};
    std::filesystem::permissions(visitor.file(), std::filesystem::perms(0600));
    CHECK(visitor.run(broker, {"whoami"}) == 4);
    CHECK(visitor.err.contains("No account loaded"));
    CHECK(broker.requests().size() == 1);  // it was not asked whom to trust
    CHECK(header_of(broker.requests()[0], "Authorization") == "Bearer t-agent");
  }
  agent.join();
  ::close(listener);
  const auto question = Json::parse(asked[0]);
  CHECK(question["request"] == "access_token");
  CHECK(question["issuer"] == "https://idp.example/one");
  CHECK(question["audience"] == "https://hansa.example");
  CHECK(Json::parse(asked[1])["issuer"] == "https://idp.example/two");
  CHECK(Json::parse(asked[1])["audience"] == "https://two.example");
  CHECK(question["application_hint"] == "hansa");
  CHECK(question["min_valid_period"] == 60);
}

TEST_CASE("who is to be shut out is named in one way", "[login]") {
  Call call;
  for (const auto& arguments : std::vector<std::vector<const char*>>{{"token", "revoke"},
                                                                     {"token", "revoke", "tok_1", "--person", "one:a"},
                                                                     {"token", "revoke", "--person", "a", "--issuer", "b"},
                                                                     {"token", "revoke", "tok_1", "--reason", "x"}}) {
    CHECK(call.run(arguments) == 2);
  }
  ScriptedServer broker({reply(201, R"({"number":7,"what":"person","value":"one:a"})")});
  CHECK(call.run(broker, {"token", "revoke", "--person", "one:a", "--reason", "lost"}) == 0);
  CHECK(call.out.contains("hansa token restore 7"));
  const auto request = broker.requests()[0];
  CHECK(line_of(request) == "POST /v1/revocations HTTP/1.1");
  CHECK(Json::parse(body_of(request)) == Json{{"what", "person"}, {"value", "one:a"}, {"reason", "lost"}});
}

}  // namespace hansa::cli
