// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/exit_status.hpp"

#include "broker/domain/job.hpp"

#include <algorithm>
#include <iterator>

namespace hansa::cli {

ExitStatus exit_status(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_argument:
    case ErrorKind::too_large: return ExitStatus::usage;
    case ErrorKind::not_found: return ExitStatus::not_found;
    case ErrorKind::unauthenticated:
    case ErrorKind::permission_denied: return ExitStatus::denied;
    case ErrorKind::conflict:
    case ErrorKind::rate_limited: return ExitStatus::conflict;
    case ErrorKind::unavailable:
    case ErrorKind::deadline_exceeded:
    case ErrorKind::cancelled:
    case ErrorKind::unknown_outcome:
    case ErrorKind::storage_full:
    case ErrorKind::internal: return ExitStatus::unreachable;
  }
  return ExitStatus::unreachable;
}

ExitStatus exit_status(std::string_view job_state) {
  const auto state = domain::parse_job_state(job_state);
  if (!state || !domain::is_terminal(*state) || *state == domain::JobState::succeeded) return ExitStatus::done;
  return *state == domain::JobState::rejected ? ExitStatus::rejected : ExitStatus::job_failed;
}

ExitStatus worse(ExitStatus a, ExitStatus b) {
  // What keeps the caller from knowing comes before what it would have learnt.
  constexpr ExitStatus kFromBad[] = {ExitStatus::usage,    ExitStatus::unreachable, ExitStatus::denied,
                                     ExitStatus::conflict, ExitStatus::not_found,   ExitStatus::timed_out,
                                     ExitStatus::rejected, ExitStatus::job_failed,  ExitStatus::done};
  const auto rank = [&](ExitStatus status) { return std::ranges::find(kFromBad, status) - std::begin(kFromBad); };
  return rank(a) <= rank(b) ? a : b;
}

}  // namespace hansa::cli
