// SPDX-License-Identifier: Apache-2.0
#pragma once
// How often people and networks may ask. Whoever shows a good token is counted by who they are and never by where they come
// from: nobody is kept out because somebody else of their network misbehaves (ADR 0066). Thread-safe.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"
#include "broker/http/message.hpp"
#include "broker/http/rate_limit.hpp"
#include "broker/metrics/exposition.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::api {

/// Requests a minute (http::RateLimit), but the last. 0: no limit.
struct RequestRates {
  std::int64_t of_person = 0;
  std::int64_t of_network = 0;  // where no token is asked for
  std::int64_t failures = 0;    // of a network: with tokens that are refused
  std::int64_t at_once = 0;     // of a person: that are worked on, or told in pieces
};

class RequestLimits {
 public:
  RequestLimits(RequestRates rates, const Clock& clock);

  struct Admission {
    std::optional<http::Response> refusal;
    std::shared_ptr<void> under_way = {};  // goes when the answer stands, or with the last piece of it; before these limits
  };
  Admission person(const Principal& person, std::string_view request_id);
  // None: it goes on. Else the answer, 429.
  std::optional<http::Response> stranger(const http::Request& request);
  /// Of a request whose token was refused, and why.
  std::optional<http::Response> failure(const http::Request& request, const Error& why);

  void write(metrics::Exposition& page) const;

 private:
  std::shared_ptr<void> begin(const std::string& person);

  const RequestRates rates_;
  const Clock& clock_;
  http::RateLimit people_;
  http::RateLimit networks_;
  http::RateLimit failures_;
  mutable std::mutex mutex_;  // of what follows
  std::map<std::string, std::int64_t> under_way_;
  std::uint64_t too_many_at_once_ = 0;
};

}  // namespace hansa::api
