// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a request's header to its meaning: what it asks for, how its body is framed, or why it is refused.

#include "broker/http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::http {

/// An answer that the server itself gives; the connection is closed after it.
struct Refusal {
  int status;
  std::string_view code;
  std::string detail;
  std::optional<Response> answer = {};  // instead of the problem that would be made of these
};

/// How the body follows, and how the connection goes on.
struct Framing {
  bool http11 = true;
  bool keep_alive = true;
  bool chunked = false;
  std::uint64_t content_length = 0;  // 0 if chunked
  bool expects_continue = false;
};

/// `target` as sent -> path and query of `request`.
std::optional<Refusal> interpret_target(std::string_view target, Request& request);

/// What Beast leaves open: Host exactly once, one way to frame a body, no expectation but 100-continue.
std::optional<Refusal> check_fields(const Headers& headers, Framing& framing);

}  // namespace hansa::http
