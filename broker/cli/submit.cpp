// SPDX-License-Identifier: Apache-2.0
// A submission is sent with an Idempotency-Key, always: if its answer is lost, the same request is sent again with the same
// key, and the broker answers with the job that it made the first time. It is never doubled. The broker is asked to answer once
// it has decided about the job, so that exit status and words are the same whoever looks on.

#include "broker/cli/code_pack.hpp"
#include "broker/cli/commands.hpp"
#include "broker/cli/explanation.hpp"
#include "broker/cli/job_watch.hpp"
#include "broker/cli/sheet.hpp"
#include "broker/cli/submission.hpp"
#include "broker/cli/variants_file.hpp"
#include "broker/core/encoding.hpp"
#include "broker/wire/job_request.hpp"

#include <algorithm>
#include <array>

namespace hansa::cli {
namespace {

// A broker restarts in about two seconds; more than half a minute is an outage.
constexpr Milliseconds kRepeatPauses[] = {Milliseconds{100},   Milliseconds{400},   Milliseconds{1'000},
                                          Milliseconds{2'000}, Milliseconds{4'000}, Milliseconds{8'000}};

std::string random_key(Random& random) {
  std::array<std::byte, 16> bytes{};
  random.fill(bytes);
  return to_hex(bytes);
}

Result<Answer> send_submission(Session& session, const std::string& body, const std::string& key) {
  const BrokerLink::Fields fields{{"Idempotency-Key", key}, {"Prefer", "wait=5"}};
  session.outside().on_interrupt("stopped; the job may have been accepted: submit the same again with --idempotency-key " + key +
                                 " to learn its id; it is not doubled");
  auto answer = session.send("POST", "/v1/jobs", body, fields);
  // Unreachable from the start: nothing happened, and the caller can tell at once.
  if (answer || answer.error().kind != ErrorKind::unknown_outcome) return answer;
  for (const auto pause : kRepeatPauses) {
    session.outside().pause(pause);
    answer = session.send("POST", "/v1/jobs", body, fields);
    if (answer || (answer.error().kind != ErrorKind::unknown_outcome && !answer.error().retryable)) return answer;
  }
  return fail(ErrorKind::unknown_outcome, "SUBMISSION_UNKNOWN",
              answer.error().message + "; the job may have been accepted: submit the same again with --idempotency-key " + key +
                  " to learn its id; it is not doubled");
}

/// Held, rejected or not decided about yet: said on standard error, where the id's reader does not stumble over it.
ExitStatus judged(Session& session, const Json& job) {
  const auto state = raw_text(job, "state");
  if (state == "held" || state == "rejected")
    session.note("job " + shown(job, "id") + " is " + state_sentence(job, session.now()));
  else if (state == "accepted")
    session.note("job " + shown(job, "id") + " is accepted; where it goes is not decided yet: hansa explain " + shown(job, "id"));
  return state == "rejected" ? ExitStatus::rejected : ExitStatus::done;
}

/// Of directives in the script that are not used, and so on.
void tell_notes(Session& session, const Json& answer) {
  const auto& notes = member(answer, "notes");
  if (!notes.is_array()) return;
  for (const auto& note : notes) {
    if (note.is_string()) session.note("SCRIPT: " + note.get<std::string>());
  }
}

Result<ExitStatus> dry_run(Session& session, const std::string& body, bool json) {
  auto answer = session.send("POST", "/v1/jobs?dry_run=true", body);
  if (!answer) return std::unexpected(in_options(answer.error()));
  const auto decision = Session::read(*answer);
  if (!decision) return std::unexpected(decision.error());
  tell_notes(session, *decision);
  session.print(json ? answer->body
                     : submission_text(member(*decision, "submission"), session.look()) + explanation(*decision, session.look()));
  return is_never(*decision) ? ExitStatus::rejected : ExitStatus::done;
}

/// Follows the job to its end; says so when it is held meanwhile, since nothing else would.
Result<ExitStatus> follow(Session& session, const std::string& id, bool json) {
  session.outside().on_interrupt("stopped waiting; the job goes on. Wait for it with: hansa wait " + id);
  std::string told;
  auto watched = watch_job(session, id, std::nullopt, [&](const Json& job) {
    const auto sentence = raw_text(job, "state") == "held" ? state_sentence(job, session.now()) : std::string();
    if (!sentence.empty() && sentence != told) session.note("job " + id + " is " + sentence);
    told = sentence;
  });
  if (!watched) return std::unexpected(watched.error());
  const auto status = exit_status(raw_text(watched->job, "state"));
  if (json) session.print(watched->body);
  if (!json || status != ExitStatus::done) session.note("job " + id + " " + state_sentence(watched->job, session.now()));
  return status;
}

}  // namespace

Result<ExitStatus> submit(Session& session, const Invocation& call) {
  const bool json = call.has("--json");
  if (const auto project = call.value("--project")) session.flags().project = ProjectId{*project};
  auto submission = submission_from(call, session.outside());
  if (!submission) return std::unexpected(submission.error());
  const auto settings = session.settings();
  if (!settings) return std::unexpected(settings.error());
  if ((*settings)->project) submission->spec.project = *(*settings)->project;
  std::optional<CodePack> code;
  if (const auto folder = call.value("--code")) {
    auto packed = CodePack::of(std::string(*folder), session.outside().environment);
    if (!packed) return std::unexpected(packed.error());
    submission->spec.code = packed->id();
    code.emplace(std::move(*packed));
  }
  auto request = request_of(*submission, call);
  if (const auto file = call.value("--variants")) {
    auto variants = read_variants_file(std::string(*file));
    if (!variants) return std::unexpected(variants.error());
    request["variants"] = std::move(*variants);
  }
  const auto body = request.dump(-1, ' ', false, Json::error_handler_t::replace);  // all of it is UTF-8
  if (body.size() > wire::kMaxRequestBytes) {
    return fail(ErrorKind::too_large, "REQUEST_TOO_LARGE",
                "script, arguments and environment make a request of more than " + std::to_string(wire::kMaxRequestBytes) +
                    " bytes; keep data in files at the site");
  }
  if (call.has("--dry-run")) return dry_run(session, body, json);

  if (code) {
    if (auto brought = bring_code(session, *code, submission->spec); !brought)
      return std::unexpected(in_options(brought.error()));
  }
  const auto given = call.value("--idempotency-key");
  const auto key = given ? std::string(*given) : random_key(session.outside().random);
  auto answer = send_submission(session, body, key);
  if (!answer) return std::unexpected(in_options(answer.error()));
  const auto job = Session::read(*answer);
  const auto id = job ? shown(*job, "id") : std::string();
  if (id.empty()) return fail(ErrorKind::internal, "BAD_ANSWER", "the broker's answer is no job; check the address");
  tell_notes(session, *job);

  if (call.has("--wait")) {
    if (!json) session.print(id + "\n");
    return follow(session, id, json);
  }
  session.print(json ? answer->body : id + "\n");
  return judged(session, *job);
}

}  // namespace hansa::cli
