// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/exit_status.hpp"

#include <catch2/catch.hpp>

namespace hansa::cli {

TEST_CASE("errors map to the promised exit codes", "[exit_status]") {
  const auto code = [](ErrorKind kind) { return static_cast<int>(exit_status(kind)); };
  CHECK(code(ErrorKind::invalid_argument) == 2);
  CHECK(code(ErrorKind::too_large) == 2);
  CHECK(code(ErrorKind::not_found) == 3);
  CHECK(code(ErrorKind::unauthenticated) == 4);
  CHECK(code(ErrorKind::permission_denied) == 4);
  CHECK(code(ErrorKind::unavailable) == 5);
  CHECK(code(ErrorKind::unknown_outcome) == 5);
  CHECK(code(ErrorKind::storage_full) == 5);
  CHECK(code(ErrorKind::internal) == 5);
  CHECK(code(ErrorKind::conflict) == 8);
  CHECK(code(ErrorKind::rate_limited) == 8);
}

TEST_CASE("a job's end maps to the promised exit codes", "[exit_status]") {
  CHECK(exit_status("succeeded") == ExitStatus::done);
  for (const auto* state : {"failed", "timed_out", "cancelled", "lost"}) CHECK(exit_status(state) == ExitStatus::job_failed);
  CHECK(exit_status("rejected") == ExitStatus::rejected);
  for (const auto* state : {"accepted", "waiting", "held", "running", "from a newer broker"})
    CHECK(exit_status(state) == ExitStatus::done);
}

TEST_CASE("the worse of two is the same in any order and never hides an error", "[exit_status]") {
  constexpr ExitStatus kFromBad[] = {ExitStatus::usage,    ExitStatus::unreachable, ExitStatus::denied,
                                     ExitStatus::conflict, ExitStatus::not_found,   ExitStatus::timed_out,
                                     ExitStatus::rejected, ExitStatus::job_failed,  ExitStatus::done};
  for (std::size_t i = 0; i < std::size(kFromBad); ++i) {
    for (std::size_t j = i; j < std::size(kFromBad); ++j) {
      CHECK(worse(kFromBad[i], kFromBad[j]) == kFromBad[i]);
      CHECK(worse(kFromBad[j], kFromBad[i]) == kFromBad[i]);
    }
  }
}

}  // namespace hansa::cli
