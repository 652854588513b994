// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/commands.hpp"
#include "broker/cli/job_watch.hpp"
#include "broker/cli/several_jobs.hpp"

namespace hansa::cli {

Result<ExitStatus> wait(Session& session, const Invocation& call) {
  std::optional<MonotonicTime> until;
  if (const auto text = call.value("--timeout")) {
    const auto timeout = parse_duration(*text);
    if (!timeout) return fail(ErrorKind::invalid_argument, "USAGE", "--timeout: " + timeout.error().message);
    until = session.outside().clock.now_monotonic() + *timeout;
  }
  const auto& ids = call.operands();
  const auto again = ids.size() == 1 ? "the job goes on. Wait for it again with: hansa wait " + ids[0]
                                     : std::string("the jobs go on. Wait for them again with the same command");
  session.outside().on_interrupt("stopped waiting; " + again);
  SeveralJobs results(session, ids.size(), call.has("--json"));
  for (const auto& id : ids) {  // one after the other: it is over when the last of them is
    const auto watched = watch_job(session, id, until);
    if (!watched) {
      results.failed(watched.error());
      // Nor would the others be answered.
      if (exit_status(watched.error().kind) == ExitStatus::unreachable) break;
      continue;
    }
    const auto status = watched->over ? exit_status(raw_text(watched->job, "state")) : ExitStatus::timed_out;
    results.answered(shown(watched->job, "id") + " " + state_sentence(watched->job, session.now()), watched->body, status);
  }
  const auto status = results.finish();
  if (status == ExitStatus::timed_out) session.note("the time is up; " + again);
  return status;
}

}  // namespace hansa::cli
