// SPDX-License-Identifier: Apache-2.0
#pragma once
// An agent's way out to its broker: a name, TLS in which each end proves who it is, and the request for a WebSocket. Every
// failure has a code and says what to do, at the site or at the broker.

#include "broker/core/clock.hpp"
#include "broker/core/secret.hpp"
#include "broker/core/strong.hpp"
#include "broker/http/url.hpp"
#include "connectors/remote/carrier.hpp"

#include <filesystem>
#include <string>

namespace hansa::connectors::websocket {

/// "wss://HOST[:PORT]"
Result<http::Url> parse_broker_address(std::string_view text);

struct DialOptions {
  http::Url broker;
  std::string pin = {};              // the id of the broker's key; else:
  std::filesystem::path ca_file = {};  // the authorities that its certificate is verified by; empty: the system's
  std::filesystem::path key_file;    // the agent's own
  SiteId site;
  std::string name;                  // with its version
  std::string authorization = {};    // the field of that name, for who is no site's agent; "" is left out
};

class Dialler final : public remote::Carrier {
 public:
  /// `clock` outlives it.
  Dialler(const Clock& clock, DialOptions options) : clock_(clock), options_(std::move(options)) {}

  async::Task<std::unique_ptr<protocol::Lines>> open(async::Deadline deadline) override;

 private:
  const Clock& clock_;
  DialOptions options_;
};

/// Binds the site to the key, by a token that is of use once. Asking again with the same of both is harmless.
async::Task<> enrol(const Clock* clock, DialOptions options, Secret token);

}  // namespace hansa::connectors::websocket
