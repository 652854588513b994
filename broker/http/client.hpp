// SPDX-License-Identifier: Apache-2.0
#pragma once
// A blocking HTTP/1.1 client for the command line, and for threads that may block: no event loop, no TLS library touched for
// plain HTTP.

#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/secret.hpp"
#include "broker/http/message.hpp"
#include "broker/http/url.hpp"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::http {

struct ClientOptions {
  Secret token = {};         // sent as a bearer token; never over plain HTTP to another machine
  std::string token_field = {};  // the field it stands in by itself, in place of Authorization
  std::string ca_file = {};  // PEM; empty: the system's authorities. A certificate is always verified
  std::string unix_socket = {};  // its path, in place of the URL's host and port
  std::vector<std::string> addresses = {};  // of the URL's host, looked up before (look_up()); none: it is looked up here
  std::string peer = "the broker";  // for people
  std::string user_agent = "hansa";
  Milliseconds connect_timeout{5'000};  // name, connection and handshake; all addresses together
  Milliseconds answer_timeout{60'000};  // from the first byte sent to the last byte of an answer that does not stream
  Milliseconds stream_idle_timeout{60'000};         // between two pieces of one that does; servers send heartbeats
  std::size_t answer_limit = std::size_t{64} << 20; // bytes of body kept in memory
  std::shared_ptr<const std::atomic<bool>> stop = {};  // set by another thread: what waits ends within a moment, as if cut
};

/// Every status the server gives is a Response, 500 as well. Errors:
/// - unavailable, UNREACHABLE: not connected, or refused before the request was out: nothing happened over there;
/// - unknown_outcome, ANSWER_LOST: the request is out (or may be) and no whole answer came, for a method that changes
///   something; for GET and HEAD the same is unavailable, or deadline_exceeded;
/// - invalid_argument, permission_denied, too_large: told by their messages.
/// Not thread-safe.
class Client {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;
  /// A piece of the body as it comes. False: enough, the connection is closed.
  using OnData = std::function<bool(std::string_view)>;

  Client(Url url, ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// `target` begins with '/' and is percent-encoded; the URL's prefix is put before it. The connection is kept for the
  /// next request; one that the server closed meanwhile is opened again. A request that failed is not repeated, except
  /// on such a connection, before any answer, for GET, HEAD, or with an Idempotency-Key.
  Result<Response> request(std::string_view method, std::string_view target, const Fields& fields = {},
                           std::string_view body = {});

  /// GET whose 200 is given piece by piece to `on_data`, as long as it takes; any other answer comes whole, as above.
  /// An answer that ends before its end is an Error.
  Result<Response> stream(std::string_view target, const Fields& fields, const OnData& on_data);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hansa::http
