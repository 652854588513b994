// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where a browser on this machine comes back to after a login (RFC 8252, 7.3): loopback, any free port, one answer.

#include "broker/core/clock.hpp"
#include "broker/core/descriptor.hpp"
#include "broker/core/error.hpp"
#include "broker/http/url.hpp"

#include <string>

namespace hansa::cli {

class RedirectListener {
 public:
  static Result<RedirectListener> open();
  /// "http://127.0.0.1:40312/callback"
  [[nodiscard]] const std::string& address() const { return address_; }
  /// The query that the first request for /callback brings; others are told 404. deadline_exceeded, LOGIN_LATE.
  Result<http::Query> wait(const Clock& clock, Milliseconds longest);

 private:
  RedirectListener(Descriptor socket, std::string address) : socket_(std::move(socket)), address_(std::move(address)) {}
  Descriptor socket_;
  std::string address_;
};

}  // namespace hansa::cli
