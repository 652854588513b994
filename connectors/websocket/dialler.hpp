// SPDX-License-Identifier: Apache-2.0
#pragma once
// An agent's way out to its broker: a name, a proxy if there is one, TLS in which each end proves who it is, and the request for
// a WebSocket. Every failure has a code and says what to do, at the site or at the broker.

#include "broker/async/lookups.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/core/secret.hpp"
#include "broker/core/strong.hpp"
#include "broker/http/client_socket.hpp"
#include "broker/http/url.hpp"
#include "connectors/remote/carrier.hpp"
#include "connectors/websocket/proxy.hpp"
#include "connectors/websocket/web_socket.hpp"

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

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
  std::optional<Proxy> proxy = {};   // through which; none: straight
};

/// A name's addresses, in numbers; may block for as long as it likes.
using LookUp = std::function<Result<std::vector<std::string>>(const std::string& host)>;

class Dialler final : public remote::Carrier {
 public:
  /// `scheduler` outlives it. `look_up`: the machine's name service, unless it is another.
  Dialler(async::Scheduler& scheduler, DialOptions options, LookUp look_up = http::look_up)
      : scheduler_(scheduler), options_(std::move(options)), look_up_(std::move(look_up)) {}

  async::Task<std::unique_ptr<protocol::Lines>> open(async::Deadline deadline) override;

  /// Binds the site to the key, by a token that is of use once. Asking again with the same of both is harmless.
  async::Task<> enrol(Secret token, async::Deadline deadline);

 private:
  struct End;
  async::Task<std::vector<std::string>> find(End end, async::Deadline deadline);
  async::Task<Tcp::socket> reach(End end, async::Deadline deadline);
  async::Task<Tcp::socket> reach_through(Proxy proxy, async::Deadline deadline);
  async::Task<Tcp::socket> reach_broker(async::Deadline deadline);
  async::Task<std::shared_ptr<TlsStream>> connect(async::Deadline deadline);

  async::Scheduler& scheduler_;
  const DialOptions options_;
  const LookUp look_up_;
  async::Lookups names_{2};
};

}  // namespace hansa::connectors::websocket
