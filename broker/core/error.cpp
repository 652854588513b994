// SPDX-License-Identifier: Apache-2.0
#include "broker/core/error.hpp"

namespace hansa {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_argument: return "invalid_argument";
    case ErrorKind::unauthenticated: return "unauthenticated";
    case ErrorKind::permission_denied: return "permission_denied";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::too_large: return "too_large";
    case ErrorKind::rate_limited: return "rate_limited";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::deadline_exceeded: return "deadline_exceeded";
    case ErrorKind::cancelled: return "cancelled";
    case ErrorKind::unknown_outcome: return "unknown_outcome";
    case ErrorKind::storage_full: return "storage_full";
    case ErrorKind::internal: return "internal";
  }
  return "internal";
}

}  // namespace hansa
