// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"

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
  return sheet.text({.colours = look.colours}, false);
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

Result<ExitStatus> site_drain(Session& session, const Invocation& call) {
  const auto reason = call.value("--reason");
  return one_site(session, call, "POST", "/drain",
                  reason ? Json{{"reason", *reason}}.dump(-1, ' ', false, Json::error_handler_t::replace) : "");
}

Result<ExitStatus> site_resume(Session& session, const Invocation& call) { return one_site(session, call, "POST", "/resume"); }

}  // namespace hansa::cli
