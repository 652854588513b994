// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "broker/cli/job_watch.hpp"
#include "broker/cli/ledger_link.hpp"
#include "broker/cli/submission.hpp"

#include <algorithm>
#include <charconv>

namespace hansa::cli {
namespace {

constexpr const char* kDifferences[] = {"missing_at_broker", "missing_at_site", "field_mismatch", "duplicate", "late"};

std::string count_text(const Json& json, const char* key) {
  const auto value = number(json, key);
  return value ? std::to_string(*value) : "-";
}

/// "core_seconds 800/1200": the ledger's word, the site's.
std::string fields_text(const Json& difference) {
  std::string text;
  const auto& fields = member(difference, "fields");
  if (!fields.is_object()) return text;
  for (const auto& [name, both] : fields.items()) {
    if (!both.is_array() || both.size() != 2 || !both[0].is_string() || !both[1].is_string()) continue;
    text += (text.empty() ? "" : ", ") + printable(name) + " " + printable(both[0].get<std::string>()) + "/" +
            printable(both[1].get<std::string>());
  }
  return text;
}

std::string reconciliation_text(const Json& made, const Look& look) {
  const auto& counts = member(made, "counts");
  std::string text = "site " + shown(made, "site") + ", runs that ended from " + shown(made, "from") + " and before " +
                     shown(made, "to") + ", asked at " + shown(made, "begun_at") + " (" + shown(made, "id") + ")\n" +
                     count_text(made, "matched") + " match";
  for (const auto* kind : kDifferences) {
    if (const auto count = number(counts, kind).value_or(0); count > 0) text += ", " + std::to_string(count) + " " + kind;
  }
  text += "; unexplained: " + count_text(made, "unexplained") + "\n";
  const auto others = number(made, "others");
  text += others ? "runs that are not the broker's: " + std::to_string(*others) + "\n"
                 : std::string("the site does not show other people's runs\n");
  const auto& differences = member(made, "differences");
  if (!differences.is_array() || differences.empty()) return text;
  Table table({{"DIFFERENCE"},
               {"KIND"},
               {"JOB"},
               {"ENDED"},
               {"RECORD", true},
               {"OUTCOME"},
               {"LEDGER/SITE", false, true},
               {"EXPLAINED", false, true}});
  for (const auto& difference : differences) {
    table.add({shown(difference, "key"), shown(difference, "kind"), shown(difference, "site_job_id"),
               shown(difference, "ended_at"), count_text(difference, "record"), shown(difference, "outcome"),
               fields_text(difference), shown(member(difference, "explanation"), "reason")});
  }
  return text + table.text(look);
}

Result<Answer> wait_for(Session& session, const std::string& id) {
  session.outside().on_interrupt("stopped waiting; the reconciliation goes on: hansa ledger reconciliations " + id);
  for (auto pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    auto answer = session.send("GET", "/v1/ledger/reconciliations/" + percent_encoded(id));
    if (!answer) return answer;
    const auto told = Session::read(*answer);
    if (!told) return std::unexpected(told.error());
    const auto state = raw_text(*told, "state");
    if (state == "failed")
      return fail(ErrorKind::unavailable, "NOT_RECONCILED", "the site could not be reconciled: " + reason_text(*told));
    if (state != "under_way") return answer;
    session.outside().pause(pause);
  }
}

/// Exit 1: there is something to explain.
Result<ExitStatus> show_reconciliation(Session& session, const Invocation& call, const Answer& answer) {
  const auto made = Session::read(answer);
  if (!made) return std::unexpected(made.error());
  session.print(call.has("--json") ? answer.body : reconciliation_text(*made, session.look()));
  return number(*made, "unexplained").value_or(0) > 0 ? ExitStatus::fault_found : ExitStatus::done;
}

std::string checkpoint_text(const Json& period, const char* which) {
  const auto& checkpoint = member(period, which);
  if (!checkpoint.is_object()) return std::string(which) + " checkpoint: not signed yet\n";
  return std::string(which) + " checkpoint, of " + count_text(checkpoint, "size") + " records, at " +
         shown(checkpoint, "signed_at") + "\n";
}

std::string period_text(const Json& period, const Look& look) {
  std::string text = "period " + shown(period, "period") + ": " + shown(period, "state");
  if (const auto closed = shown(period, "closed_at"); !closed.empty())
    text += " since " + closed + ", record " + count_text(period, "close_record") + ", behind its summary";
  text += "\n";
  if (raw_text(period, "state") != "not_opened") text += checkpoint_text(period, "opening");
  if (raw_text(period, "state") == "closed") text += checkpoint_text(period, "closing");
  if (const auto unseen = number(period, "unseen_records").value_or(0); unseen > 0)
    text += std::to_string(unseen) + " records were booked since their sites were reconciled\n";
  Table table({{"SITE"},
               {"GRADE"},
               {"SETTLED"},
               {"NOT FROM"},
               {"UNEXPLAINED", true},
               {"SIGNED RECORDS", true},
               {"EXPLAINED", false, true}});
  const auto& sites = member(period, "sites");
  for (std::size_t i = 0; sites.is_array() && i < sites.size(); ++i) {
    const auto& site = sites[i];
    table.add({shown(site, "site"), shown(site, "grade"), Cell(member(site, "settled") == true ? "yes" : "no"),
               shown(site, "unsettled_from"), count_text(site, "unexplained"), count_text(site, "signed_size"),
               shown(member(site, "explanation"), "reason")});
  }
  return table.empty() ? text : text + table.text(look);
}

Result<ExitStatus> tell_period(Session& session, const Invocation& call, std::string_view method, const std::string& target) {
  const auto answer = session.send(method, target);
  if (!answer) return std::unexpected(answer.error());
  const auto period = Session::read(*answer);
  if (!period) return std::unexpected(period.error());
  session.print(call.has("--json") ? answer->body : period_text(*period, session.look()));
  return ExitStatus::done;
}

std::string period_path(const Invocation& call) { return "/v1/ledger/periods/" + percent_encoded(call.operands()[0]); }

Result<ExitStatus> tell_adjustment(Session& session, const Invocation& call, const Result<Answer>& answer) {
  if (!answer) return std::unexpected(answer.error());
  const auto adjustment = Session::read(*answer);
  if (!adjustment) return std::unexpected(adjustment.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto id = shown(*adjustment, "id");
  const auto state = raw_text(*adjustment, "state");
  session.print(id + "\n");
  if (state == "pending") session.note("it waits for another operator: hansa ledger approve " + id);
  if (state == "approved") session.note("booked as record " + count_text(*adjustment, "booked_as"));
  return ExitStatus::done;
}

Result<ExitStatus> rule_on(Session& session, const Invocation& call, const char* ruling) {
  Json body = Json::object();
  if (const auto reason = call.value("--reason")) body["reason"] = *reason;
  return tell_adjustment(
      session, call, session.send("POST", "/v1/ledger/adjustments/" + percent_encoded(call.operands()[0]) + ruling, body.dump()));
}

}  // namespace

Result<ExitStatus> ledger_reconcile(Session& session, const Invocation& call) {
  Json body{{"site", call.operands()[0]}};
  for (const auto* option : {"--from", "--to"}) {
    const auto text = call.value(option);
    if (!text) continue;
    const auto moment = parse_moment(option, *text, session.now(), Direction::back);
    if (!moment) return std::unexpected(moment.error());
    body[option + 2] = format_utc(*moment);
  }
  if (!body.contains("from")) {
    return fail(ErrorKind::invalid_argument, "USAGE",
                "hansa ledger reconcile needs --from D: the first day of the runs that are compared, by their ends");
  }
  const auto begun = session.send("POST", "/v1/ledger/reconciliations", body.dump());
  if (!begun) return std::unexpected(begun.error());
  const auto told = Session::read(*begun);
  if (!told) return std::unexpected(told.error());
  const auto answer = wait_for(session, raw_text(*told, "id"));
  if (!answer) return std::unexpected(answer.error());
  return show_reconciliation(session, call, *answer);
}

Result<ExitStatus> ledger_reconciliations(Session& session, const Invocation& call) {
  if (!call.operands().empty()) {
    const auto answer = session.send("GET", "/v1/ledger/reconciliations/" + percent_encoded(call.operands()[0]));
    if (!answer) return std::unexpected(answer.error());
    return show_reconciliation(session, call, *answer);
  }
  Target target("/v1/ledger/reconciliations");
  if (const auto site = call.value("--site")) target.add("site", *site);
  if (const auto limit = call.value("--limit")) target.add("limit", *limit);
  const auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto list = Session::read(*answer);
  if (!list) return std::unexpected(list.error());
  Table table(
      {{"RECONCILIATION"}, {"SITE"}, {"FROM"}, {"TO"}, {"AT"}, {"MATCH", true}, {"UNEXPLAINED", true}, {"OTHERS", true}, {"BY"}});
  const auto& all = member(*list, "reconciliations");
  for (std::size_t i = 0; all.is_array() && i < all.size(); ++i) {
    const auto& one = all[i];
    table.add({shown(one, "id"), shown(one, "site"), shown(one, "from"), shown(one, "to"), shown(one, "at"),
               count_text(one, "matched"), count_text(one, "unexplained"), count_text(one, "others"), shown(one, "by")});
  }
  if (table.empty())
    session.note("no site was reconciled yet");
  else
    session.print(table.text(session.look()));
  return ExitStatus::done;
}

Result<ExitStatus> ledger_explain_difference(Session& session, const Invocation& call) {
  const auto reason = call.value("--reason");
  if (!reason)
    return fail(ErrorKind::invalid_argument, "USAGE", "hansa ledger explain-difference needs --reason TEXT: why they differ");
  const Json body{{"site", call.operands()[0]}, {"difference", call.operands()[1]}, {"reason", *reason}};
  const auto answer = session.send("POST", "/v1/ledger/explanations", body.dump());
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) session.print(answer->body);
  return ExitStatus::done;
}

Result<ExitStatus> ledger_period_show(Session& session, const Invocation& call) {
  if (!call.operands().empty()) return tell_period(session, call, "GET", period_path(call));
  const auto answer = session.send("GET", "/v1/ledger/periods");
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto list = Session::read(*answer);
  if (!list) return std::unexpected(list.error());
  Table table({{"PERIOD"}, {"STATE"}, {"OPENED"}, {"CLOSED"}});
  const auto& all = member(*list, "periods");
  for (std::size_t i = 0; all.is_array() && i < all.size(); ++i)
    table.add({shown(all[i], "period"), shown(all[i], "state"), shown(all[i], "opened_at"), shown(all[i], "closed_at")});
  if (table.empty())
    session.note("no period was opened yet");
  else
    session.print(table.text(session.look()));
  return ExitStatus::done;
}

Result<ExitStatus> ledger_period_open(Session& session, const Invocation& call) {
  return tell_period(session, call, "POST", period_path(call) + "/open");
}

Result<ExitStatus> ledger_period_close(Session& session, const Invocation& call) {
  return tell_period(session, call, "POST", period_path(call) + (call.has("--early") ? "/close?early=true" : "/close"));
}

Result<ExitStatus> ledger_adjust(Session& session, const Invocation& call) {
  const auto reason = call.value("--reason");
  if (!reason)
    return fail(ErrorKind::invalid_argument, "USAGE", "hansa ledger adjust needs --reason TEXT, which stays in the ledger");
  const auto whole = [](std::string_view name, std::string_view text) -> Result<std::int64_t> {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc{} && end == text.data() + text.size()) return value;
    return fail(ErrorKind::invalid_argument, "USAGE", std::string(name) + " must be a whole number, as 3600 or -3600");
  };
  Json body{{"reason", *reason}};
  const auto record = whole("RECORD", call.operands()[0]);
  if (!record) return std::unexpected(record.error());
  body["record"] = *record;
  for (const auto& [option, field] :
       {std::pair{"--core-seconds", "core_seconds"}, {"--gpu-seconds", "gpu_seconds"}, {"--node-seconds", "node_seconds"}}) {
    const auto text = call.value(option);
    if (!text) continue;
    const auto amount = whole(option, *text);
    if (!amount) return std::unexpected(amount.error());
    body[field] = *amount;
  }
  return tell_adjustment(session, call, session.send("POST", "/v1/ledger/adjustments", body.dump()));
}

Result<ExitStatus> ledger_adjustments(Session& session, const Invocation& call) {
  Target target("/v1/ledger/adjustments");
  if (const auto limit = call.value("--limit")) target.add("limit", *limit);
  const auto answer = session.send("GET", target.str());
  if (!answer) return std::unexpected(answer.error());
  if (call.has("--json")) {
    session.print(answer->body);
    return ExitStatus::done;
  }
  const auto list = Session::read(*answer);
  if (!list) return std::unexpected(list.error());
  Table table({{"ADJUSTMENT"},
               {"RECORD", true},
               {"CORE-SECONDS", true},
               {"GPU-SECONDS", true},
               {"NODE-SECONDS", true},
               {"STATE"},
               {"BY"},
               {"RULED BY"},
               {"REASON", false, true}});
  const auto& all = member(*list, "adjustments");
  for (std::size_t i = 0; all.is_array() && i < all.size(); ++i) {
    const auto& one = all[i];
    table.add({shown(one, "id"), count_text(one, "record"), count_text(one, "core_seconds"), count_text(one, "gpu_seconds"),
               count_text(one, "node_seconds"), shown(one, "state"), shown(one, "by"), shown(member(one, "ruling"), "by"),
               shown(one, "reason")});
  }
  if (table.empty())
    session.note("nobody has asked for an adjustment");
  else
    session.print(table.text(session.look()));
  return ExitStatus::done;
}

Result<ExitStatus> ledger_approve(Session& session, const Invocation& call) { return rule_on(session, call, "/approve"); }
Result<ExitStatus> ledger_reject(Session& session, const Invocation& call) { return rule_on(session, call, "/reject"); }

}  // namespace hansa::cli
