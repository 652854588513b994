// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/job_watch.hpp"

#include "broker/domain/job.hpp"

#include <algorithm>

namespace hansa::cli {
namespace {

constexpr Seconds kLongPoll{50};            // the API takes up to 55
constexpr std::chrono::minutes kPatience{30};  // for a broker that does not come back

Result<Watched> watched(Result<Answer> answer) {
  if (!answer) return std::unexpected(answer.error());
  auto job = parse_json(answer->body);
  if (!job || raw_text(*job, "id").empty())
    return fail(ErrorKind::internal, "BAD_ANSWER", "the broker's answer is no job; check the address");
  const auto state = domain::parse_job_state(raw_text(*job, "state"));
  const bool over = state && domain::is_terminal(*state);
  return Watched{.job = std::move(*job), .body = std::move(answer->body), .over = over};
}

}  // namespace

bool Patience::again(const Error& error, const std::optional<MonotonicTime>& until) {
  if (!error.retryable) return false;
  const auto now = session_.outside().clock.now_monotonic();
  if (!failing_since_) {
    failing_since_ = now;
    pause_ = kFirstPause;
    session_.note(error.message + "; asking again until it does");
  }
  if (now - *failing_since_ > kPatience) return false;
  auto pause = pause_;
  if (until) pause = std::clamp(*until - now, Milliseconds{0}, pause);
  session_.outside().pause(pause);
  pause_ = std::min(pause_ * 2, kLongestPause);
  return true;
}

Result<Watched> look_at_job(Session& session, const std::string& id, Seconds wait, std::int64_t version) {
  Target target(job_path(id));
  if (wait.count() > 0) target.add("wait_s", std::to_string(wait.count())).add("version", std::to_string(version));
  return watched(session.send("GET", target.str()));
}

Result<Watched> watch_job(Session& session, const std::string& id, const std::optional<MonotonicTime>& until,
                          const std::function<void(const Json& job)>& changed) {
  const auto& clock = session.outside().clock;
  Patience patience(session);
  std::optional<Watched> last;
  std::int64_t version = 0;
  for (;;) {
    auto wait = kLongPoll;
    if (until) wait = std::clamp(std::chrono::ceil<Seconds>(*until - clock.now_monotonic()), Seconds{0}, kLongPoll);
    auto seen = look_at_job(session, id, last ? wait : Seconds{0}, version);
    const bool late = until && clock.now_monotonic() >= *until;
    if (!seen) {
      if (!last) return std::unexpected(seen.error());
      if (late) return std::move(*last);
      if (!patience.again(seen.error(), until)) return std::unexpected(seen.error());
      continue;
    }
    patience.answered();
    const auto now_at = number(seen->job, "version").value_or(0);
    if (changed && (!last || now_at > version)) changed(seen->job);
    version = now_at;
    last = std::move(*seen);
    if (last->over || late) return std::move(*last);
  }
}

std::string state_sentence(const Json& job, UtcTime now) {
  auto text = shown(job, "state");
  if (const auto site = shown(job, "site"); !site.empty()) text += " at " + site;
  if (const auto code = number_text(job, "exit_code"); !code.empty() && code != "0") text += ", exit code " + code;
  if (const auto signal = number_text(job, "signal"); !signal.empty()) text += ", signal " + signal;
  if (const auto unknown = time(job, "unknown_since")) text += ", not seen for " + age_text(unknown, now);
  if (const auto reason = shown(member(job, "reason"), "message"); !reason.empty()) text += ": " + reason;
  return text;
}

}  // namespace hansa::cli
