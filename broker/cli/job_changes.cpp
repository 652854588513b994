// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "broker/cli/job_watch.hpp"
#include "broker/cli/several_jobs.hpp"

namespace hansa::cli {
namespace {

Result<ExitStatus> change(Session& session, const Invocation& call, const char* what, const std::string& body = {}) {
  const auto& ids = call.operands();
  SeveralJobs results(session, ids.size(), call.has("--json"));
  for (const auto& id : ids) {
    const auto answer = session.send("POST", job_path(id, what), body);
    if (!answer) {
      results.failed(answer.error());
      if (exit_status(answer.error().kind) == ExitStatus::unreachable) break;
      continue;
    }
    const auto job = Session::read(*answer);
    if (!job) return std::unexpected(job.error());
    auto line = shown(*job, "id") + " " + state_sentence(*job, session.now());
    if (const auto& asked = member(*job, "cancel"); asked.is_object() && raw_text(asked, "outcome").empty()) {
      line += " (cancelling; the outcome is told by: hansa show " + shown(*job, "id") + ")";
    }
    if (const auto tasks = raw_text(*job, "cancelled_tasks"); !tasks.empty())
      line += " (tasks cancelled, or being cancelled: " + shown(*job, "cancelled_tasks") + ")";
    results.answered(line, answer->body, ExitStatus::done);
  }
  return results.finish();
}

}  // namespace

Result<ExitStatus> hold(Session& session, const Invocation& call) { return change(session, call, "/hold"); }
Result<ExitStatus> release(Session& session, const Invocation& call) { return change(session, call, "/release"); }
Result<ExitStatus> cancel(Session& session, const Invocation& call) {
  const auto tasks = call.value("--task");
  if (!tasks) return change(session, call, "/cancel");
  if (call.operands().size() != 1)
    return fail(ErrorKind::invalid_argument, "USAGE",
                "--task names tasks of one array: give one ID with it; see: hansa cancel --help");
  return change(session, call, "/cancel", Json{{"tasks", *tasks}}.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Result<ExitStatus> resolve(Session& session, const Invocation& call) {
  const auto as = call.value("--as"), reason = call.value("--reason");
  if (as != "lost" || !reason || reason->empty()) {
    return fail(ErrorKind::invalid_argument, "USAGE",
                "hansa resolve needs --as lost (nothing else is known) and --reason TEXT; see: hansa resolve --help");
  }
  const auto body = Json{{"as", *as}, {"reason", *reason}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  const auto answer = session.send("POST", job_path(call.operands()[0], "/resolve"), body);
  if (!answer) return std::unexpected(answer.error());
  const auto job = Session::read(*answer);
  if (!job) return std::unexpected(job.error());
  session.print(call.has("--json") ? answer->body : shown(*job, "id") + " " + state_sentence(*job, session.now()) + "\n");
  return ExitStatus::done;
}

}  // namespace hansa::cli
