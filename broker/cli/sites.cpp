// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "broker/cli/submission.hpp"

namespace hansa::cli {
namespace {

std::string of(const Json& site, const char* free, const char* all) {
  const auto total = number(site, all);
  return total && *total > 0 ? number_text(site, free) + "/" + std::to_string(*total) : std::string();
}

/// What an operator should know: why it is drained, or what went wrong last.
std::string trouble(const Json& site) {
  if (member(site, "drained") == true) {
    const auto why = shown(site, "drain_reason");
    return "drained" + (why.empty() ? "" : ": " + why);
  }
  const auto& people = member(site, "people");
  if (people.is_object() && number(people, "connected").value_or(0) == 0)
    return "nobody is connected: hansa connect " + shown(site, "id");
  if (raw_text(site, "health") == "up") return {};
  return shown(member(site, "last_error"), "message");
}

std::vector<Cell> site_row(const Json& site, UtcTime now) {
  const auto state = shown(site, "state");
  return {shown(site, "id"),
          Cell(state, tint_of(state)),
          shown(site, "country"),
          shown(site, "connector"),
          of(site, "usable_nodes", "nodes"),
          of(site, "free_cores", "cores"),
          of(site, "free_gpus", "gpus"),
          number_text(site, "running_jobs"),
          number_text(site, "waiting_jobs"),
          number_text(site, "our_live_jobs"),
          age_text(time(site, "snapshot_at"), now),
          trouble(site)};
}

std::string verdict_word(const Json& finding) {
  const auto verdict = shown(finding, "verdict");
  return verdict == "not_checked" ? "not checked" : verdict;
}

Tint verdict_tint(const Json& finding) {
  const auto verdict = raw_text(finding, "verdict");
  return verdict == "ok" ? Tint::good : verdict == "fault" ? Tint::bad : Tint::odd;
}

std::string check_of(const Json& of) {
  const auto account = shown(of, "account");
  return shown(of, "check") + (account.empty() ? "" : " " + account);
}

/// What was seen, where, when if not with the rest of the report, and what to do about it.
std::string sighting(const Json& finding, const std::string& report_at) {
  const auto at = shown(finding, "at"), remedy = shown(finding, "remedy");
  return shown(finding, "value") + " (" + shown(finding, "source") +
         (at.substr(0, 10) == report_at.substr(0, 10) ? "" : ", " + at) + ")" + (remedy.empty() ? "" : "; " + remedy) +
         (member(finding, "bars") == true ? "; no job goes there meanwhile" : "");
}

/// One line a check.
std::string findings_table(const Json& report, const Look& look, bool troubles_only) {
  const auto report_at = shown(report, "at");
  Table table({{"VERDICT"}, {"CHECK"}, {"SEEN (WHERE); REMEDY", false, true}});
  if (const auto& findings = member(report, "findings"); findings.is_array()) {
    for (const auto& f : findings) {
      const auto verdict = raw_text(f, "verdict");
      if (troubles_only && verdict != "fault" && verdict != "warning") continue;
      table.add({Cell(verdict_word(f), verdict_tint(f)), check_of(f), sighting(f, report_at)});
    }
  }
  return table.empty() ? "" : table.text(look);
}

std::string drift_lines(const Json& report) {
  std::string text;
  if (const auto& drift = member(report, "drift"); drift.is_array()) {
    for (const auto& d : drift)
      text += shown(d, "at") + " " + check_of(d) + " changed: " + shown(d, "before") + " -> " + shown(d, "after") + "\n";
  }
  return text;
}

/// "3/10 queries": what is used of what the site allows.
std::string used_of(const Json& use, const char* kind, const char* word) {
  const auto& line = member(use, kind);
  return number_text(line, "used") + "/" + number_text(line, "limit") + " " + word;
}

std::string breaker_text(const Json& breaker) {
  const auto state = raw_text(breaker, "state");
  if (state == "closed") {
    const auto failures = number(breaker, "failures_in_a_row").value_or(0);
    return failures == 0 ? "" : "closed; " + std::to_string(failures) + " calls in a row without an answer";
  }
  return (state == "half_open" ? std::string("half open: a probe is under way") : std::string("open: it is left alone")) +
         " after " + number_text(breaker, "failures_in_a_row") + " calls without an answer; next probe " +
         shown(breaker, "next_probe_at");
}

/// How a site's agent stands that connects to the broker by itself.
std::string agent_text(const Json& agent) {
  if (const auto& connection = member(agent, "connection"); connection.is_object())
    return "connected since " + shown(connection, "since") + " from " + shown(connection, "from") + " (" +
           shown(connection, "name") + ")";
  const auto invited = shown(agent, "invited_until");
  if (!raw_text(agent, "key").empty()) return "not connected";
  return "not enrolled" + (invited.empty() ? "; see: hansa site enroll" : "; a token waits to be used until " + invited);
}

std::string agent_failure(const Json& agent) {
  const auto& failure = member(agent, "last_failure");
  if (!failure.is_object()) return {};
  return shown(failure, "at") + " " + shown(failure, "code") + ": " + shown(failure, "message") + " (from " +
         shown(failure, "from") + ")";
}

/// How a person's own agent stands.
std::string connection_text(const Json& state) {
  if (const auto& connection = member(state, "connection"); connection.is_object())
    return "connected since " + shown(connection, "since") + " from " + shown(connection, "from") + ", until " +
           shown(state, "session_until");
  const auto until = shown(state, "session_until");
  return until.empty() ? "not connected" : "not connected; the session lasts until " + until;
}

std::string people_terms_text(const Json& people) {
  const auto terms = shown(people, "terms");
  return terms == "not_stated" ? "nobody has stated whether the site's terms allow them" : "the site's terms: " + terms;
}

std::string site_sheet(const Json& site, const Look& look) {
  Table sheet({{""}, {""}});
  const auto line = [&](const char* label, const std::string& value, Tint tint = Tint::none) {
    if (!value.empty()) sheet.add({Cell(label, Tint::strong), Cell(value, tint)});
  };
  line("site", shown(site, "id"));
  line("name", shown(site, "name"));
  line("state", shown(site, "state"), tint_of(raw_text(site, "state")));
  line("drained because", shown(site, "drain_reason"));
  line("country", shown(site, "country"));
  line("connector", shown(site, "connector"));
  if (const auto& agent = member(site, "agent"); agent.is_object()) {
    line("agent", agent_text(agent), member(agent, "connection").is_object() ? Tint::good : Tint::bad);
    line("agent's last failure", agent_failure(agent));
  }
  if (const auto& people = member(site, "people"); people.is_object()) {
    line("people's agents", number_text(people, "connected") + " connected; " + people_terms_text(people),
         number(people, "connected").value_or(0) > 0 ? Tint::good : Tint::odd);
    if (const auto& you = member(people, "you"); you.is_object()) {
      line("you", connection_text(you) + (member(you, "connected") == true ? "" : "; hansa connect " + shown(site, "id")));
      line("your last failure", agent_failure(you));
    }
  }
  line("scheduler", shown(site, "scheduler"));
  line("cluster", shown(site, "cluster"));
  std::string queues;
  if (const auto& list = member(site, "queues"); list.is_array()) {
    for (const auto& queue : list) {
      if (queue.is_string()) queues += (queues.empty() ? "" : ", ") + printable(queue.get<std::string>());
    }
  }
  line("queues", queues);
  line("usable nodes", of(site, "usable_nodes", "nodes"));
  line("free cores", of(site, "free_cores", "cores"));
  line("free GPUs", of(site, "free_gpus", "gpus"));
  line("jobs there", number_text(site, "running_jobs") + " running, " + number_text(site, "waiting_jobs") + " waiting");
  line("of this broker", number_text(site, "our_live_jobs") + " not over, " + number_text(site, "our_waiting_jobs") +
                             " waiting, " + number_text(site, "our_unknown_jobs") + " not seen");
  const auto& profile = member(site, "profile");
  line("GPUs of", shown(profile, "gpu_vendor"));
  line("processors", shown(profile, "architecture"));
  if (number(profile, "devices_per_gpu").value_or(1) > 1)
    line("counts GPUs", "by " + number_text(profile, "devices_per_gpu") + " that a program sees");
  line("modules", listed(member(profile, "modules")));
  if (member(profile, "containers") == true) {
    const auto images = listed(member(profile, "images"));
    line("containers", images.empty() ? "any image that a digest pins" : "of " + images);
    line("binds", listed(member(profile, "binds")));
  }
  line("reach the outside", listed(member(profile, "outbound")));
  line("seen", shown(site, "snapshot_at"));
  line("last success", shown(site, "last_success"));
  line("last failure", shown(site, "last_failure"));
  line("last error", reason_text(site, "last_error"));
  line("calls made", number_text(site, "calls_made"));
  if (const auto& budget = member(site, "budget"); budget.is_object()) {
    line("budget", number_text(budget, "queries_per_minute") + " queries, " + number_text(budget, "submits_per_minute") +
                       " submits, " + number_text(budget, "cancels_per_minute") + " cancels a minute; " +
                       number_text(budget, "concurrent_calls") + " calls at once; " + number_text(budget, "waiting_jobs") +
                       " waiting jobs");
  }
  if (const auto& use = member(site, "budget_use"); use.is_object()) {
    line("used of it", used_of(use, "queries", "queries") + ", " + used_of(use, "submits", "submits") + ", " +
                           used_of(use, "cancels", "cancels") + " in the last minute; " +
                           used_of(use, "concurrent_calls", "calls") + ", " + used_of(use, "waiting_jobs", "waiting jobs") +
                           " now");
  }
  if (const auto& use = member(site, "own_budget"); use.is_object()) {
    line("its own budget", used_of(use, "queries", "queries") + ", " + used_of(use, "submits", "submits") + ", " +
                               used_of(use, "cancels", "cancels") + " in the minute before " + shown(site, "snapshot_at") + "; " +
                               used_of(use, "concurrent_calls", "calls") + " then");
  }
  const auto hours = listed(member(site, "quiet_hours"));
  const auto quiet_until = shown(site, "quiet_until");
  line("quiet hours", hours + (quiet_until.empty() ? "" : "; now, until " + quiet_until),
       quiet_until.empty() ? Tint::none : Tint::odd);
  line("breaker", breaker_text(member(site, "breaker")), Tint::bad);
  if (const auto& balances = member(site, "balances"); balances.is_object()) {
    const auto read_at = shown(balances, "read_at");
    const auto failing = reason_text(balances, "failing");
    line("balances",
         (read_at.empty() ? "not read yet" : number_text(balances, "balances") + " read at " + read_at) +
             (failing.empty() ? "" : "; now: " + failing),
         failing.empty() ? Tint::none : Tint::bad);
    if (const auto& left_out = member(balances, "left_out"); left_out.is_array()) {
      for (const auto& why : left_out) line("no balance of", why.is_string() ? why.get<std::string>() : "", Tint::odd);
    }
  }
  if (const auto& doctor = member(site, "doctor"); doctor.is_object()) {
    line("looked over",
         shown(doctor, "at") + ": " + number_text(doctor, "faults") + " faults, " + number_text(doctor, "warnings") +
             " warnings (hansa site doctor)",
         number(doctor, "faults").value_or(0) > 0 ? Tint::bad : Tint::none);
  }
  if (const auto& facts = member(site, "facts"); facts.is_array()) {
    for (const auto& fact : facts) {
      const auto state = shown(fact, "state");
      const auto as_of = shown(fact, "as_of"), until = shown(fact, "until"), change = shown(fact, "change");
      line(shown(fact, "attribute").c_str(),
           shown(fact, "value") + (as_of.empty() ? "" : ", as of " + as_of) + (until.empty() ? "" : ", until " + until) +
               (change.empty() ? "" : ", by change " + change) + (state == "known" ? "" : " (" + state + ")"),
           state == "known" ? Tint::none : Tint::bad);
    }
  }
  const auto& doctor = member(site, "doctor");
  return sheet.text({.colours = look.colours}, false) + findings_table(doctor, {.colours = look.colours}, true) +
         drift_lines(doctor);
}

Result<ExitStatus> one_site(Session& session, const Invocation& call, std::string_view method, std::string_view rest,
                            const std::string& body = {}) {
  const auto answer = session.send(method, "/v1/sites/" + percent_encoded(call.operands()[0]) + std::string(rest), body);
  if (!answer) return std::unexpected(answer.error());
  const auto site = Session::read(*answer);
  if (!site) return std::unexpected(site.error());
  if (call.has("--json"))
    session.print(answer->body);
  else
    session.print(rest.empty() ? site_sheet(*site, session.look()) : shown(*site, "id") + " is " + shown(*site, "state") + "\n");
  return ExitStatus::done;
}

}  // namespace

Result<ExitStatus> sites(Session& session, const Invocation& call) {
  const auto answer = session.send("GET", "/v1/sites");
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto list = Session::read(*answer);
  if (!list) return std::unexpected(list.error());
  Table table({{"SITE"},
               {"STATE"},
               {"COUNTRY"},
               {"KIND"},
               {"NODES", true},
               {"FREE CORES", true},
               {"FREE GPUS", true},
               {"RUNNING", true},
               {"WAITING", true},
               {"OURS", true},
               {"SEEN", true},
               {"TROUBLE", false, true}});
  if (const auto& all = member(*list, "sites"); all.is_array()) {
    for (const auto& site : all) table.add(site_row(site, session.now()));
  }
  if (table.empty())
    session.note("the broker has no sites; an operator adds them to hansad.toml ([[site]])");
  else
    session.print(table.text(session.look()));
  if (member(*list, "rules_in_force") == false)
    session.note(
        "no rule is in force at this broker: jobs go by room and accounts alone, and jobs that name datasets go nowhere");
  return ExitStatus::done;
}

Result<ExitStatus> site_show(Session& session, const Invocation& call) { return one_site(session, call, "GET", ""); }

Result<ExitStatus> site_doctor(Session& session, const Invocation& call) {
  const auto answer = session.send("POST", "/v1/sites/" + percent_encoded(call.operands()[0]) + "/doctor", "");
  if (!answer) return std::unexpected(answer.error());
  const auto report = Session::read(*answer);
  if (!report) return std::unexpected(report.error());
  if (call.has("--json")) {
    session.print(answer->body);
  } else {
    const auto scheduler = shown(*report, "scheduler");
    session.print("site " + shown(*report, "site") + (scheduler.empty() ? "" : ", " + scheduler) + ", " + shown(*report, "at") +
                  ": " + number_text(*report, "faults") + " faults, " + number_text(*report, "warnings") + " warnings\n" +
                  findings_table(*report, {.colours = session.look().colours}, false) + drift_lines(*report));
  }
  return number(*report, "faults").value_or(0) > 0 ? ExitStatus::fault_found : ExitStatus::done;
}

namespace {

/// Of a site that people's own agents serve.
Result<ExitStatus> people_connected(Session& session, const Invocation& call, const Answer& answer) {
  const auto list = Session::read(answer);
  if (!list) return std::unexpected(list.error());
  if (call.has("--json")) {
    session.print(answer.body);
    return ExitStatus::done;
  }
  Table table({{"PERSON"}, {"STATE"}, {"AGENT"}, {"LAST FAILURE", false, true}});
  if (const auto& all = member(*list, "connections"); all.is_array()) {
    for (const auto& state : all)
      table.add(
          {shown(state, "person"), connection_text(state), shown(member(state, "connection"), "name"), agent_failure(state)});
  }
  session.print(table.empty() ? "nobody has a session at site " + shown(*list, "site") + "\n" : table.text(session.look()));
  return ExitStatus::done;
}

}  // namespace

Result<ExitStatus> site_agent(Session& session, const Invocation& call) {
  const auto site = "/v1/sites/" + percent_encoded(call.operands()[0]);
  const auto answer = session.send("GET", site + "/agent");
  // A user may see no site's agent, but their own.
  if (!answer && (answer.error().code == "NO_AGENT_SITE" || answer.error().code == "ROLE_LACKS_RIGHT")) {
    if (const auto people = session.send("GET", site + "/connections")) return people_connected(session, call, *people);
  }
  if (!answer) return std::unexpected(answer.error());
  const auto agent = Session::read(*answer);
  if (!agent) return std::unexpected(agent.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  auto text = "agent of site " + shown(*agent, "site") + ": " + agent_text(*agent) + "\n";
  if (const auto key = shown(*agent, "key"); !key.empty())
    text += "key: " + key + ", enrolled " + shown(*agent, "enrolled_at") + "\n";
  if (const auto failure = agent_failure(*agent); !failure.empty()) text += "last failure: " + failure + "\n";
  Table table({{"AT"}, {"WHAT"}, {"BY"}, {"KEY, OR WHY", false, true}});
  if (const auto& events = member(*agent, "events"); events.is_array()) {
    for (const auto& event : events) {
      const auto by = shown(event, "by"), expires = shown(event, "expires_at");
      table.add({shown(event, "at"), shown(event, "what"), by.empty() ? shown(event, "from") : by,
                 shown(event, "key") + shown(event, "reason") + (expires.empty() ? "" : "good until " + expires)});
    }
  }
  session.print(text + (table.empty() ? "" : table.text(session.look())));
  return ExitStatus::done;
}

Result<ExitStatus> site_enroll(Session& session, const Invocation& call) {
  const auto& site = call.operands()[0];
  Json request = Json::object();
  if (const auto expires = call.value("--expires")) {
    const auto moment = parse_moment("--expires", *expires, session.now(), Direction::forward);
    if (!moment) return std::unexpected(moment.error());
    request["expires_at"] = format_utc(*moment);
  }
  const auto answer = session.send("POST", "/v1/sites/" + percent_encoded(site) + "/agent/enrolment", request.dump());
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto made = Session::read(*answer);
  if (!made) return std::unexpected(made.error());
  session.print(shown(*made, "token") + "\n");
  session.note("with this token site " + shown(*made, "site") + "'s agent enrols, once, until " + shown(*made, "expires_at") +
               "; it is shown this once. At the site, as the agent's account, which reads it from its standard input: "
               "hansa-agent enroll --broker " +
               shown(*made, "broker") + " --pin " + shown(*made, "pin"));
  return ExitStatus::done;
}

Result<ExitStatus> site_revoke(Session& session, const Invocation& call) {
  const auto reason = call.value("--reason");
  const auto body = reason ? Json{{"reason", *reason}}.dump(-1, ' ', false, Json::error_handler_t::replace) : "";
  const auto answer = session.send("POST", "/v1/sites/" + percent_encoded(call.operands()[0]) + "/agent/revoke", body);
  if (!answer) return std::unexpected(answer.error());
  const auto agent = Session::read(*answer);
  if (!agent) return std::unexpected(agent.error());
  session.print(call.has("--json")
                    ? answer->body
                    : "the agent of site " + shown(*agent, "site") + " is revoked; to let one in again: hansa site enroll\n");
  return ExitStatus::done;
}

Result<ExitStatus> site_drain(Session& session, const Invocation& call) {
  const auto reason = call.value("--reason");
  return one_site(session, call, "POST", "/drain",
                  reason ? Json{{"reason", *reason}}.dump(-1, ' ', false, Json::error_handler_t::replace) : "");
}

Result<ExitStatus> site_resume(Session& session, const Invocation& call) { return one_site(session, call, "POST", "/resume"); }

}  // namespace hansa::cli
