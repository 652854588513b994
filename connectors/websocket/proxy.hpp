// SPDX-License-Identifier: Apache-2.0
#pragma once
// The way out through an HTTP proxy (CONNECT; RFC 9110, 9.3.6): which one, if any, and the request to it. TLS goes through it
// from end to end: the proxy learns the broker's name and port, and sees bytes.

#include "broker/async/task.hpp"
#include "broker/core/secret.hpp"
#include "broker/http/url.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::connectors::websocket {

struct Proxy {
  std::string host;
  std::uint16_t port = 0;
  Secret login = {};  // "user:password"; empty: none
  [[nodiscard]] std::string authority() const;
};

/// "host:port", "[2001:db8::7]:443": with its port, whichever that is.
std::string with_port(const std::string& host, std::uint16_t port);

/// As getenv(3).
using Environment = std::function<const char*(const char*)>;

/// Through what `broker` is reached. `configured`: "none", or an address, and then the environment does not count. Else what
/// `https_proxy` says, or HTTPS_PROXY; unless `no_proxy`, or NO_PROXY, names the broker, or it is this machine.
/// invalid_argument, BAD_PROXY: says where it stands; of what stands there nothing is repeated, for it may hold a password.
Result<std::optional<Proxy>> proxy_for(const std::optional<std::string>& configured, const http::Url& broker,
                                       const Environment& environment);

/// Whether a list such as no_proxy's has the broker in it: names with all below them, addresses, networks ("10.0.0.0/8"), each
/// with a port or without; "*".
bool is_exempt(std::string_view list, const http::Url& broker);

/// What a proxy answers, by its header's bytes; as open_tunnel() below.
Result<void> read_tunnel_answer(std::string_view head, const Proxy& proxy, const std::string& target);

/// Has the proxy at the other end open a tunnel to `target` ("host:port"). Errors are unavailable and say what to do: PROXY_LOGIN
/// (407), PROXY_REFUSED, PROXY_UPSTREAM (it cannot reach the target), NOT_A_PROXY, PROXY_CUT.
async::Task<> open_tunnel(boost::asio::ip::tcp::socket* socket, Proxy proxy, std::string target, std::string name);

}  // namespace hansa::connectors::websocket
