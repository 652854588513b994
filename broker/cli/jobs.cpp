// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "broker/cli/explanation.hpp"
#include "broker/cli/pages.hpp"
#include "broker/cli/sheet.hpp"
#include "broker/cli/submission.hpp"
#include "broker/domain/task_array.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace hansa::cli {
namespace {

/// How long it has run, or ran.
std::string ran(const Json& job, UtcTime now) {
  const auto started = time(job, "started_at");
  return started ? duration_text(time(job, "ended_at").value_or(now) - *started) : std::string();
}

std::string exit_text(const Json& job) {
  if (const auto signal = number_text(job, "signal"); !signal.empty()) return "signal " + signal;
  return number_text(job, "exit_code");
}

std::vector<Cell> job_row(const Json& job, UtcTime now) {
  const auto state = shown(job, "state");
  const auto unknown = time(job, "unknown_since");
  return {shown(job, "id"),
          shown(job, "name"),
          Cell(unknown ? state + " (not seen for " + age_text(unknown, now) + ")" : state, unknown ? Tint::odd : tint_of(state)),
          shown(job, "site"),
          shown(job, "site_job_id"),
          age_text(time(job, "accepted_at"), now),
          ran(job, now),
          exit_text(job),
          shown(member(job, "reason"), "code")};
}

/// "38 succeeded (0-37), 2 failed (38,39)"
std::string tasks_text(const Json& tasks) {
  std::string text;
  if (!tasks.is_object()) return text;
  for (const auto& [state, of_state] : tasks.items()) {
    text += (text.empty() ? "" : ", ") + number_text(of_state, "count") + " " + printable(state) + " (" +
            shown(of_state, "tasks") + ")";
  }
  return text;
}

/// How the tasks of an array that did not succeed have ended: "exit code 3" -> tasks.
std::map<std::string, std::vector<std::int32_t>> failures(const Json& runs) {
  std::map<std::string, std::vector<std::int32_t>> ends;
  for (const auto& run : runs) {
    const auto outcome = raw_text(run, "outcome");
    if (outcome.empty() || outcome == "succeeded") continue;
    auto text = printable(outcome);
    if (const auto code = number_text(run, "exit_code"); !code.empty()) text += ", exit code " + code;
    if (const auto signal = number_text(run, "signal"); !signal.empty()) text += ", signal " + signal;
    ends[text].push_back(static_cast<std::int32_t>(number(run, "task_index").value_or(0)));
  }
  return ends;
}

std::string attempt_lines(const Json& attempt, bool array, const Look& look) {
  Sheet sheet;
  auto what = shown(attempt, "state");
  if (const auto outcome = shown(attempt, "outcome"); !outcome.empty()) what += ", " + outcome;
  if (const auto unknown = shown(attempt, "unknown_since"); !unknown.empty()) what += ", not seen since " + unknown;
  sheet.line("  state", what);
  sheet.line("  queue", shown(attempt, "queue"));
  sheet.line("  variant", shown(attempt, "variant"));
  sheet.line("  account", shown(attempt, "account"));
  sheet.line("  charged to", shown(attempt, "scheduler_account"));
  sheet.line("  granted", granted_text(member(attempt, "granted")));
  if (const auto& otherwise = member(attempt, "granted_otherwise"); otherwise.is_object())
    sheet.line("  not as asked", shown(otherwise, "message"), Tint::odd);
  sheet.line("  site's job id", shown(attempt, "site_job_id"));
  sheet.line("  tag", shown(attempt, "tag"));
  sheet.line("  intended", shown(attempt, "intended_at"));
  if (number(attempt, "sends").value_or(0) > 1) sheet.line("  sent", number_text(attempt, "sends") + " times, under one tag");
  if (member(attempt, "sealed") == true) sheet.line("  sealed", "it can never start");
  sheet.line("  reason", reason_text(attempt));
  // A move that was made is the reason; one that came too late is told here.
  if (const auto& move = member(attempt, "move"); move.is_object() && raw_text(member(attempt, "reason"), "code") != "MOVED")
    sheet.line("  move begun", "to " + shown(move, "to") + ": " + shown(move, "why"));
  const auto& runs = member(attempt, "runs");
  if (runs.is_array() && array) {
    for (auto& [end, tasks] : failures(runs)) {
      std::ranges::sort(tasks);
      sheet.line("  tasks", end + ": " + domain::task_ranges(tasks));
    }
  } else if (runs.is_array()) {
    for (const auto& run : runs) {
      auto text = shown(run, "started_at") + " to " + shown(run, "ended_at");
      if (const auto outcome = shown(run, "outcome"); !outcome.empty()) text += ", " + outcome;
      if (const auto code = number_text(run, "exit_code"); !code.empty()) text += ", exit code " + code;
      if (const auto signal = number_text(run, "signal"); !signal.empty()) text += ", signal " + signal;
      sheet.line("  run", text);
    }
  }
  return "attempt " + number_text(attempt, "number") + " at " + shown(attempt, "site") + "\n" + sheet.text(look);
}

std::string job_sheet(const Json& job, const Look& look, UtcTime now) {
  Sheet sheet;
  sheet.line("job", shown(job, "id"));
  sheet.line("name", shown(job, "name"));
  sheet.line("state", shown(job, "state"), tint_of(raw_text(job, "state")));
  sheet.line("reason", reason_text(job));
  sheet.line("exit code", number_text(job, "exit_code"));
  sheet.line("signal", number_text(job, "signal"));
  if (const auto unknown = time(job, "unknown_since")) {
    sheet.line("not seen since", shown(job, "unknown_since") + ": the site does not tell; the job may well go on", Tint::odd);
  }
  if (const auto& cancel = member(job, "cancel"); cancel.is_object()) {
    const auto outcome = shown(cancel, "outcome");
    sheet.line("cancel", "asked by " + shown(cancel, "by") + " at " + shown(cancel, "at") +
                             "; outcome: " + (outcome.empty() ? "not known yet" : outcome));
  }
  sheet.line("owner", shown(job, "owner"));
  sheet.line("project", shown(job, "project"));
  sheet.line("site", shown(job, "site"));
  sheet.line("queue", shown(job, "queue"));
  sheet.line("site's job id", shown(job, "site_job_id"));
  add_request(sheet, job);
  sheet.line("tasks", tasks_text(member(job, "tasks")));
  sheet.line("tasks' cancel", shown(job, "cancelled_tasks"));
  sheet.line("accepted", shown(job, "accepted_at"));
  sheet.line("started", shown(job, "started_at"));
  sheet.line("ended", shown(job, "ended_at"));
  sheet.line("ran", ran(job, now));
  auto out = sheet.text(look);
  if (const auto table = transfer_table(member(job, "transfers")); !table.empty()) out += "\n" + table.text(look);
  const auto& attempts = member(job, "attempts");
  if (attempts.is_array()) {
    for (const auto& attempt : attempts) out += "\n" + attempt_lines(attempt, member(job, "array").is_string(), look);
  }
  return out;
}

}  // namespace

Result<ExitStatus> jobs(Session& session, const Invocation& call) {
  const auto count = wanted_count(call);
  if (!count) return std::unexpected(count.error());
  Target filtered("/v1/jobs");
  std::string states;
  for (const auto state : call.values("--state")) states += (states.empty() ? "" : ",") + std::string(state);
  if (!states.empty()) filtered.add("state", states);
  if (const auto project = call.value("--project")) filtered.add("project", *project);
  if (const auto since = call.value("--since")) {
    const auto moment = parse_moment("--since", *since, session.now(), Direction::back);
    if (!moment) return std::unexpected(moment.error());
    filtered.add("since", format_utc(*moment));
  }

  auto pages = read_pages(session, filtered, "jobs", *count);
  if (!pages) return std::unexpected(pages.error());
  if (call.has("--json")) {
    session.print(pages_document("jobs", std::move(*pages)));
    return ExitStatus::done;
  }
  const auto& [all, cursor] = *pages;
  if (all.empty()) {
    session.note("no jobs" + std::string(filtered.str().contains('?') ? " like that" : ""));
    return ExitStatus::done;
  }
  Table table({{"JOB"},
               {"NAME", false, true},
               {"STATE"},
               {"SITE"},
               {"SITE JOB", true},
               {"AGE", true},
               {"RAN", true},
               {"EXIT", true},
               {"REASON", false, true}});
  for (const auto& job : all) table.add(job_row(job, session.now()));
  session.print(table.text(session.look()));
  if (cursor.is_string() && !call.has("--limit"))
    session.note("these are the newest " + std::to_string(kUsualCount) + "; see all with: hansa jobs --all");
  return ExitStatus::done;
}

Result<ExitStatus> show(Session& session, const Invocation& call) {
  auto answer = session.send("GET", job_path(call.operands()[0]));
  if (!answer) return std::unexpected(answer.error());
  const auto job = Session::read(*answer);
  if (!job) return std::unexpected(job.error());
  session.print(call.has("--json") ? answer->body : job_sheet(*job, session.look(), session.now()));
  return ExitStatus::done;
}

Result<ExitStatus> explain(Session& session, const Invocation& call) {
  auto answer = session.send("GET", job_path(call.operands()[0], "/explain"));
  if (!answer) return std::unexpected(answer.error());
  const auto decision = Session::read(*answer);
  if (!decision) return std::unexpected(decision.error());
  session.print(call.has("--json") ? answer->body : explanation(*decision, session.look()));
  return ExitStatus::done;
}

}  // namespace hansa::cli
