// SPDX-License-Identifier: Apache-2.0
#pragma once
// Waiting for a job by long polls: the broker answers when the job changed, so there is nothing to poll for here.

#include "broker/cli/session.hpp"

#include <functional>
#include <optional>

namespace hansa::cli {

/// Between two looks or tries; each pause is twice the one before it.
inline constexpr Milliseconds kFirstPause{200}, kLongestPause{5'000};

/// Asks again while the broker restarts or cannot serve: pauses that grow, an end to the patience.
class Patience {
 public:
  explicit Patience(Session& session) : session_(session) {}

  /// After a failed request: false if it is not worth another try. Otherwise it has paused, not beyond `until`.
  bool again(const Error& error, const std::optional<MonotonicTime>& until = std::nullopt);
  void answered() { failing_since_.reset(); }

 private:
  Session& session_;
  std::optional<MonotonicTime> failing_since_;
  Milliseconds pause_{};
};

struct Watched {
  Json job;         // as GET /v1/jobs/{id} has it
  std::string body; // the same, byte for byte
  bool over = false;  // else the time was up
};

/// Until the job is over, or `until`. `changed` sees every new version of it. A broker that could never be reached is an
/// Error at once; one that went away is waited for.
Result<Watched> watch_job(Session& session, const std::string& id, const std::optional<MonotonicTime>& until,
                          const std::function<void(const Json& job)>& changed = {});

/// One look that waits up to `wait` for something newer than `version` (0: whatever there is).
Result<Watched> look_at_job(Session& session, const std::string& id, Seconds wait, std::int64_t version);

/// "succeeded", "failed, exit code 3", "held: no site can take it now: ...": a job's state in words.
std::string state_sentence(const Json& job, UtcTime now);

}  // namespace hansa::cli
