// SPDX-License-Identifier: Apache-2.0
#pragma once
// A URL as a client needs it: where to connect, and what to ask for there.

#include "broker/http/url.hpp"

namespace hansa::http {

struct Location {
  Url url;           // without a prefix
  std::string path;  // "/...", with the query, as it was written

  /// Url::parse's errors; no fragment.
  static Result<Location> parse(std::string_view text);
};

}  // namespace hansa::http
