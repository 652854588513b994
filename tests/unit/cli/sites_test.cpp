// SPDX-License-Identifier: Apache-2.0
// `hansa site`: how a site's care and its doctor's findings are told.
#include "tests/unit/cli/call_under_test.hpp"

#include <catch2/catch.hpp>

namespace hansa::cli {
namespace {

const std::string kDoctorReport =
    R"({"site":"alpha","at":"2026-11-22T10:00:00Z","scheduler":"slurm 22.05.8","faults":1,"warnings":1,"findings":[)"
    R"({"check":"VERSION","verdict":"ok","value":"slurm 22.05.8","source":"scontrol show config","at":"2026-11-20T10:00:00Z"},)"
    R"({"check":"CLOCK","verdict":"fault","value":"2m ahead of ours","source":"sdiag","at":"2026-11-22T10:00:00Z","remedy":"keep clocks by NTP"},)"
    R"({"check":"ROOM","account":"alice","verdict":"warning","value":"1 GiB \u001b[31m","source":"stat","at":"2026-11-22T10:00:00Z","remedy":"make space"},)"
    R"({"check":"NETWORK","verdict":"not_checked","value":"x","source":"nothing","at":"2026-11-22T10:00:00Z","remedy":"ask"}],)"
    R"("drift":[{"check":"CLOCK","before":"ok: as ours","after":"fault: 2m ahead of ours","at":"2026-11-22T10:00:00Z"}]})";

}  // namespace

TEST_CASE("site doctor prints a line a check, and ends with 1 if there is a fault", "[sites]") {
  Call call;
  ScriptedServer server({reply(200, kDoctorReport, "")});
  CHECK(call.run(server, {"site", "doctor", "alpha"}) == 1);
  CHECK(line_of(server.requests()[0]) == "POST /v1/sites/alpha/doctor HTTP/1.1");
  CHECK(call.out.starts_with("site alpha, slurm 22.05.8, 2026-11-22T10:00:00Z: 1 faults, 1 warnings\n"));
  CHECK(call.out.contains("fault        CLOCK"));
  CHECK(call.out.contains("warning      ROOM alice"));
  CHECK(call.out.contains("not checked  NETWORK"));
  CHECK(call.out.contains("2m ahead of ours (sdiag); keep clocks by NTP\n"));
  CHECK(call.out.contains("slurm 22.05.8 (scontrol show config, 2026-11-20T10:00:00Z)\n"));  // from before
  CHECK_FALSE(call.out.contains('\x1b'));
  CHECK(call.out.contains("2026-11-22T10:00:00Z CLOCK changed: ok: as ours -> fault: 2m ahead of ours\n"));
  Call json;
  CHECK(json.run(ScriptedServer({reply(200, kDoctorReport, "")}), {"site", "doctor", "alpha", "--json"}) == 1);
  CHECK(json.out == kDoctorReport);
  Call well;
  CHECK(well.run(ScriptedServer({reply(200, R"({"site":"alpha","faults":0,"warnings":0,"findings":[],"drift":[]})", "")}),
                 {"site", "doctor", "alpha"}) == 0);
  Call refused;
  CHECK(refused.run(ScriptedServer({problem(403, "ROLE_LACKS_RIGHT")}), {"site", "doctor", "alpha"}) == 4);
}

TEST_CASE("site show tells the budget's use, the breaker, quiet hours and what the doctor found wrong", "[sites]") {
  const std::string site =
      R"({"id":"alpha","state":"down","budget_use":{"queries":{"used":3,"limit":10,"held_back":0},"submits":{"used":0,"limit":600},"cancels":{"used":1,"limit":600},)"
      R"("concurrent_calls":{"used":1,"limit":4},"waiting_jobs":{"used":7,"limit":50}},"snapshot_at":"2026-11-22T03:00:00Z","profile":{"outbound":["gpu"]},)"
      R"("own_budget":{"queries":{"used":5,"limit":6},"submits":{"used":2,"limit":60},"cancels":{"used":0,"limit":60},"concurrent_calls":{"used":1,"limit":2}},"quiet_hours":["22:00-06:00 Europe/Helsinki"],"quiet_until":"2026-11-22T04:00:00Z",)"
      R"("breaker":{"state":"open","failures_in_a_row":9,"next_probe_at":"2026-11-22T10:02:00Z"},"doctor":)" +
      kDoctorReport + "}";
  Call call;
  CHECK(call.run(ScriptedServer({reply(200, site, "")}), {"site", "show", "alpha"}) == 0);
  CHECK(call.out.contains("3/10 queries, 0/600 submits, 1/600 cancels in the last minute; 1/4 calls, 7/50 waiting jobs now"));
  CHECK(call.out.contains("5/6 queries, 2/60 submits, 0/60 cancels in the minute before 2026-11-22T03:00:00Z; 1/2 calls then"));
  CHECK(call.out.contains("reach the outside"));
  CHECK(call.out.contains("22:00-06:00 Europe/Helsinki; now, until 2026-11-22T04:00:00Z"));
  CHECK(call.out.contains("open: it is left alone after 9 calls without an answer; next probe 2026-11-22T10:02:00Z"));
  CHECK(call.out.contains("2026-11-22T10:00:00Z: 1 faults, 1 warnings"));
  CHECK(call.out.contains("CLOCK"));
  CHECK_FALSE(call.out.contains("VERSION"));  // only what is wrong
  CHECK(call.out.contains("CLOCK changed"));
}

TEST_CASE("site show tells how it stands with the balances that are read there", "[sites]") {
  const auto shown = [](const std::string& balances) {
    Call call;
    CHECK(call.run(ScriptedServer({reply(200, R"({"id":"alpha","state":"up","balances":)" + balances + "}", "")}),
                   {"site", "show", "alpha"}) == 0);
    return call.out;
  };
  CHECK_FALSE(shown("null").contains("balances"));
  CHECK(shown(R"({"read_at":"2026-11-22T10:00:00Z","balances":2,"left_out":[],"failing":null})")
            .contains("2 read at 2026-11-22T10:00:00Z\n"));
  const auto failing = shown(
      R"({"read_at":"2026-11-22T10:00:00Z","balances":1,"left_out":["climate: no limit of cpu"],"failing":{"code":"SITE_SILENT","message":"no answer"}})");
  CHECK(failing.contains("1 read at 2026-11-22T10:00:00Z; now: SITE_SILENT: no answer"));
  CHECK(failing.contains("climate: no limit of cpu"));
  CHECK(shown(R"({"read_at":null,"balances":0,"left_out":[],"failing":null})").contains("not read yet"));
}

TEST_CASE("site show tells how the site's agent is connected, and its last failure", "[sites]") {
  const std::string failure =
      R"("last_failure":{"at":"2026-11-22T09:00:00Z","from":"192.0.2.7:1","code":"CONNECTION_SILENT","message":"nothing \u001b[31m came"})";
  const auto shown = [&](const std::string& agent) {
    Call call;
    CHECK(call.run(ScriptedServer({reply(200, R"({"id":"alpha","state":"up","agent":)" + agent + "}", "")}),
                   {"site", "show", "alpha"}) == 0);
    CHECK_FALSE(call.out.contains('\x1b'));
    return call.out;
  };
  const auto connected =
      shown(R"({"key":"sha256:1","connection":{"since":"2026-11-22T10:00:00Z","from":"192.0.2.7:9","name":"hansa-agent 0.1"},)" +
            failure + "}");
  CHECK(connected.contains("connected since 2026-11-22T10:00:00Z from 192.0.2.7:9 (hansa-agent 0.1)"));
  CHECK(connected.contains("2026-11-22T09:00:00Z CONNECTION_SILENT: nothing"));
  CHECK(shown(R"({"key":"sha256:1","connection":null,)" + failure + "}").contains("not connected"));
  CHECK(shown(R"({"key":null,"connection":null})").contains("not enrolled; see: hansa site enroll"));
  CHECK(shown(R"({"key":null,"connection":null,"invited_until":"2026-11-23T10:00:00Z"})").contains("until 2026-11-23T10:00:00Z"));
  CHECK_FALSE(shown("null").contains("enrol"));
}

TEST_CASE("site enroll prints the token alone, and what to do with it beside", "[sites]") {
  const std::string made =
      R"({"site":"alpha","token":"hansa_enrol_x","expires_at":"2026-11-23T10:00:00Z","broker":"wss://b.example:7718","pin":"sha256:00"})";
  Call call;
  ScriptedServer server({reply(201, made, "")});
  CHECK(call.run(server, {"site", "enroll", "alpha", "--expires", "2d"}) == 0);
  CHECK(line_of(server.requests()[0]) == "POST /v1/sites/alpha/agent/enrolment HTTP/1.1");
  CHECK(server.requests()[0].contains("expires_at"));
  CHECK(call.out == "hansa_enrol_x\n");
  CHECK(call.err.contains("hansa-agent enroll --broker wss://b.example:7718 --pin sha256:00"));
  CHECK_FALSE(call.err.contains("hansa_enrol_x"));
}

TEST_CASE("site revoke and site agent", "[sites]") {
  const std::string agent =
      R"({"site":"alpha","key":null,"enrolled_at":null,"connection":null,"events":[{"at":"2026-11-22T10:00:00Z","what":"invited","by":"local:op","expires_at":"2026-11-23T10:00:00Z"},)"
      R"({"at":"2026-11-22T10:05:00Z","what":"enrolled","from":"192.0.2.7:9","key":"sha256:1"},{"at":"2026-11-22T11:00:00Z","what":"revoked","by":"local:op","reason":"lost"}]})";
  Call revoke;
  ScriptedServer server({reply(200, agent, "")});
  CHECK(revoke.run(server, {"site", "revoke", "alpha", "--reason", "lost"}) == 0);
  CHECK(line_of(server.requests()[0]) == "POST /v1/sites/alpha/agent/revoke HTTP/1.1");
  CHECK(server.requests()[0].contains(R"({"reason":"lost"})"));
  CHECK(revoke.out.starts_with("the agent of site alpha is revoked"));
  Call show;
  CHECK(show.run(ScriptedServer({reply(200, agent, "")}), {"site", "agent", "alpha"}) == 0);
  CHECK(show.out.starts_with("agent of site alpha: not enrolled"));
  CHECK(show.out.contains("good until 2026-11-23T10:00:00Z"));
  CHECK(show.out.contains("192.0.2.7:9"));
  CHECK(show.out.contains("lost"));
}

}  // namespace hansa::cli
