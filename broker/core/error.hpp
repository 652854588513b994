// SPDX-License-Identifier: Apache-2.0
#pragma once
// Result and Error: how everything in Hansa says that something did not work.
//
// `message` may be shown to anybody and says what was wrong, where, and what to do next; `detail` goes to the log only.
// `code` is a stable UPPER_SNAKE name that a program may test for; each module declares its own.

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa {

enum class ErrorKind {
  invalid_argument,   // the caller's input is wrong; repeating it will not help
  unauthenticated,    // who is asking is not established
  permission_denied,  // it is established, and it may not
  not_found,
  conflict,           // it collides with what is stored (idempotency key, state, epoch)
  too_large,
  rate_limited,
  unavailable,        // a site, a store or this broker cannot serve now; try later
  deadline_exceeded,  // nothing happened, time ran out
  cancelled,
  unknown_outcome,    // something may have happened at the other side: look, never repeat blindly
  storage_full,
  internal,
};

std::string_view to_string(ErrorKind kind);

/// One fault of an input with several. `where` is a JSON pointer, or file:line and key.
struct Fault {
  std::string where;
  std::string message;
  friend bool operator==(const Fault&, const Fault&) = default;
};

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string code;
  std::string message;
  std::string detail = {};
  bool retryable = false;
  std::vector<Fault> faults = {};
};

template <typename T>
using Result = std::expected<T, Error>;

/// `return fail(ErrorKind::not_found, "JOB_NOT_FOUND", "no job ...");`
inline std::unexpected<Error> fail(ErrorKind kind, std::string_view code, std::string message, std::string detail = {}) {
  const bool retryable = kind == ErrorKind::unavailable || kind == ErrorKind::rate_limited ||
                         kind == ErrorKind::deadline_exceeded || kind == ErrorKind::storage_full;
  return std::unexpected(Error{.kind = kind,
                               .code = std::string(code),
                               .message = std::move(message),
                               .detail = std::move(detail),
                               .retryable = retryable});
}

}  // namespace hansa
