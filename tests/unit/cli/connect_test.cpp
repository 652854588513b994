// SPDX-License-Identifier: Apache-2.0
// `hansa connect`: what is run, what it is handed, and what is refused of what the broker says.
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>

namespace hansa::cli {
namespace {

std::string berth(const std::string& login = R"("login.alpha.example")", const std::string& agent = "null",
                  const std::string& terms = "allowed") {
  return reply(201, R"({"site":"alpha","person":"local:alice","token":"hansa_berth_x","token_until":"2026-11-22T10:05:00Z",)"
                    R"("session_until":"2026-11-22T22:00:00Z","broker":"wss://b:7718","pin":"sha256:00","terms":")" +
                        terms + R"(","login":)" + login + R"(,"agent":)" + agent + "}");
}

using Words = std::vector<std::string>;

Words ssh_to(const std::string& host, const std::string& command) {
  return {"ssh", "-T", "-a", "-x", "-o", "ServerAliveInterval=30", host, "exec /bin/sh -c '" + command + "'"};
}
constexpr const char* kFound = R"(PATH="$PATH:$HOME/.local/bin"; exec hansa-agent --person)";

}  // namespace

TEST_CASE("connect logs in by the person's own ssh and hands the agent its token", "[connect]") {
  Call call;
  ScriptedServer server({berth()});
  CHECK(call.run(server, {"connect", "alpha", "--for", "2h"}) == 0);
  CHECK(line_of(server.requests()[0]) == "POST /v1/sites/alpha/connections HTTP/1.1");
  CHECK(body_of(server.requests()[0]) == R"({"for_s":7200})");
  CHECK(call.ran == ssh_to("login.alpha.example", kFound));
  const auto ticket = Json::parse(call.handed);
  CHECK(call.handed.ends_with("}\n"));
  CHECK(std::ranges::count(call.handed, '\n') == 1);
  CHECK(ticket == Json{{"broker", "wss://b:7718"},
                       {"pin", "sha256:00"},
                       {"site", "alpha"},
                       {"person", "local:alice"},
                       {"token", "hansa_berth_x"},
                       {"session_until", "2026-11-22T22:00:00Z"}});
  for (const auto& word : call.ran) CHECK_FALSE(word.contains("hansa_berth_"));
  CHECK_FALSE((call.out + call.err).contains("hansa_berth_"));
  CHECK_FALSE(call.err.contains("terms of use"));
}

TEST_CASE("connect starts the agent where and how it is told", "[connect]") {
  Call named;
  CHECK(named.run(ScriptedServer({berth()}), {"connect", "alpha", "--login", "al@node-1", "--agent", "~/bin/agent",
                                              "--agent-config", "/etc/hansa/a.toml"}) == 0);
  CHECK(named.ran == ssh_to("al@node-1", R"(exec "$HOME"/bin/agent --person --config /etc/hansa/a.toml)"));
  Call told;
  CHECK(told.run(ScriptedServer({berth(R"("l")", R"("/opt/hansa-agent")")}), {"connect", "alpha"}) == 0);
  CHECK(told.ran == ssh_to("l", "exec /opt/hansa-agent --person"));
  Call local;
  CHECK(local.run(ScriptedServer({berth("null")}), {"connect", "alpha", "--local"}) == 0);
  CHECK(local.ran == Words{"hansa-agent", "--person"});
  CHECK(local.handed.contains("hansa_berth_x"));
  Call at_home;
  at_home.environment["HOME"] = "/home/al";
  at_home.missing = {"hansa-agent"};
  CHECK(at_home.run(ScriptedServer({berth("null")}), {"connect", "alpha", "--local", "--agent-config", "~/a.toml"}) == 0);
  CHECK(at_home.ran == Words{"/home/al/.local/bin/hansa-agent", "--person", "--config", "/home/al/a.toml"});
  CHECK(at_home.handed.contains("hansa_berth_x"));
  Call absent;
  absent.environment["HOME"] = "/home/al";
  absent.missing = {"hansa-agent", "/home/al/.local/bin/hansa-agent"};
  CHECK(absent.run(ScriptedServer({berth("null")}), {"connect", "alpha", "--local"}) == 3);
  CHECK(absent.err.contains("--agent PATH"));
  Call printed;
  CHECK(printed.run(ScriptedServer({berth()}), {"connect", "alpha", "--print"}) == 0);
  CHECK(printed.ran.empty());
  CHECK(Json::parse(printed.out)["token"] == "hansa_berth_x");
  CHECK(printed.err.contains("until 2026-11-22T10:05:00Z: run hansa-agent --person"));
  Call warned;
  CHECK(warned.run(ScriptedServer({berth(R"("l")", "null", "not_stated")}), {"connect", "alpha"}) == 0);
  CHECK(warned.err.contains("nobody has stated whether the terms of use of site alpha allow"));
}

TEST_CASE("nothing that the broker or a person names becomes an option or a second command", "[connect][T09]") {
  for (const auto* login : {"-oProxyCommand=x", "a b", "a;b", "$(x)", "a'b", "", "a\nb", "h\xC3\xB6st"}) {
    Call call;
    CHECK(call.run(ScriptedServer({berth()}), {"connect", "alpha", "--login", login}) == 2);
    CHECK(call.ran.empty());
    Call told;
    CHECK(told.run(ScriptedServer({berth(Json(login).dump(-1, ' ', true, Json::error_handler_t::replace))}),
                   {"connect", "alpha"}) == 2);
    CHECK(told.ran.empty());
  }
  for (const auto* path : {"agent", "-x", "/a b", "/a'b", "/a;b", "/$(x)", "~bob/agent", "/a\nb", "~/"}) {
    if (std::string_view(path) == "~/") continue;  // a folder: the shell there says so
    Call call;
    CHECK(call.run(ScriptedServer({berth()}), {"connect", "alpha", "--agent", path}) == 2);
    CHECK(call.ran.empty());
    Call told;
    CHECK(told.run(ScriptedServer({berth(R"("l")", Json(path).dump())}), {"connect", "alpha"}) == 2);
    CHECK(told.ran.empty());
  }
  Call nowhere;
  CHECK(nowhere.run(ScriptedServer({berth("null")}), {"connect", "alpha"}) == 2);
  CHECK(nowhere.err.contains("--login [USER@]HOST"));
  Call twice;
  CHECK(twice.run({"connect", "alpha", "--print", "--local"}) == 2);
  Call endless;
  CHECK(endless.run({"connect", "alpha", "--for", "ever"}) == 2);
}

TEST_CASE("connect ends as the login does", "[connect]") {
  const auto ends = [](int status) {
    Call call;
    call.status = status;
    const auto told = call.run(ScriptedServer({berth()}), {"connect", "alpha"});
    return std::pair(told, call.err);
  };
  CHECK(ends(0).first == 0);
  CHECK(ends(130).first == 130);
  CHECK(ends(255).first == 5);
  CHECK(ends(127).first == 3);
  CHECK(ends(127).second.contains("--agent PATH"));
  CHECK(ends(69).first == 5);
  Call refused;
  CHECK(refused.run(ScriptedServer({problem(403, "TERMS_FORBID")}), {"connect", "alpha"}) == 4);
  CHECK(refused.ran.empty());
}

TEST_CASE("disconnect ends one's own sessions or somebody's", "[connect]") {
  Call own;
  ScriptedServer server({reply(200, R"({"site":"alpha","person":"local:alice","ended":1})")});
  CHECK(own.run(server, {"disconnect", "alpha"}) == 0);
  CHECK(line_of(server.requests()[0]) == "POST /v1/sites/alpha/connections/end HTTP/1.1");
  CHECK(own.out.contains("local:alice is disconnected from site alpha"));
  Call other;
  ScriptedServer again({reply(200, R"({"site":"alpha","person":"local:bob","ended":0})")});
  CHECK(other.run(again, {"disconnect", "alpha", "--person", "bob", "--reason", "left"}) == 0);
  CHECK(body_of(again.requests()[0]) == R"({"person":"bob","reason":"left"})");
  CHECK(other.out.contains("local:bob had no session"));
}

TEST_CASE("who is connected is shown at the site", "[connect]") {
  const std::string state =
      R"({"person":"local:alice","connected":true,"session_until":"2026-11-22T22:00:00Z","connection":{"since":"2026-11-22T10:00:00Z","from":"192.0.2.7:1","name":"hansa-agent 1"},"last_failure":null})";
  Call sheet;
  CHECK(sheet.run(ScriptedServer({reply(
                      200, R"({"id":"alpha","health":"up","people":{"terms":"not_stated","connected":1,"you":)" + state + "}}")}),
                  {"site", "show", "alpha"}) == 0);
  CHECK(sheet.out.contains("1 connected; nobody has stated whether the site's terms allow them"));
  CHECK(sheet.out.contains("connected since 2026-11-22T10:00:00Z from 192.0.2.7:1, until 2026-11-22T22:00:00Z"));
  Call empty;
  CHECK(
      empty.run(ScriptedServer({reply(200, R"({"sites":[{"id":"alpha","state":"up","health":"up","people":{"connected":0}}]})")}),
                {"sites"}) == 0);
  CHECK(empty.out.contains("nobody is connected: hansa connect alpha"));
  Call list;
  ScriptedServer server({problem(404, "NO_AGENT_SITE"), reply(200, R"({"site":"alpha","connections":[)" + state + "]}")});
  CHECK(list.run(server, {"site", "agent", "alpha"}) == 0);
  CHECK(line_of(server.requests()[1]) == "GET /v1/sites/alpha/connections HTTP/1.1");
  CHECK(list.out.contains("local:alice"));
  CHECK(list.out.contains("hansa-agent 1"));
  Call user;
  ScriptedServer own({problem(403, "ROLE_LACKS_RIGHT"), reply(200, R"({"site":"alpha","connections":[]})")});
  CHECK(user.run(own, {"site", "agent", "alpha"}) == 0);
  CHECK(user.out == "nobody has a session at site alpha\n");
}

}  // namespace hansa::cli
