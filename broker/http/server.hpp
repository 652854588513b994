// SPDX-License-Identifier: Apache-2.0
#pragma once
// An HTTP/1.1 server for hostile networks: everything a client can make us hold or wait for is bounded.
//
// A handler runs on its connection's thread. What belongs to another strand it reaches by async::run_on.

#include "broker/http/message.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::http {

/// PEM files: the certificate with its chain, and its key.
struct TlsFiles {
  std::string certificate;
  std::string key;
};

/// For the log. Views are valid during the call; `method`, `target` and `detail` may hold anything a client can send.
struct ServerEvent {
  enum class Kind {
    answered,       // by the handler
    refused,        // by the server itself, with `status` if it could still say so
    dropped,        // the connection broke, gave way (GAVE_WAY), or a stream was cut, before an answer was through
    tls_failed,     // no handshake
    accept_failed,  // out of descriptors, most likely
  };
  Kind kind;
  std::string_view request_id = {};
  std::string_view peer = {};
  std::string_view method = {};
  std::string_view target = {};
  std::string_view route = {};   // answered: Response::route
  int status = 0;
  std::string_view code = {};    // refused: the problem's code
  std::string_view detail = {};
  std::size_t request_bytes = 0;   // of the body
  std::size_t response_bytes = 0;  // of the body
  std::chrono::microseconds duration{0};
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address, v4 or v6
  std::uint16_t port = 0;             // 0: any free one
  unsigned threads = 1;               // each serves its own connections
  std::optional<TlsFiles> tls = {};   // TLS 1.2 and later

  std::size_t header_limit = std::size_t{16} << 10;
  std::size_t target_limit = std::size_t{8} << 10;
  /// Bytes of body that a request may have; asked before any of it is read. None: 4 MiB for all.
  std::function<std::size_t(std::string_view method, std::string_view path)> body_limit = {};
  /// Asked for a request whose body is chunked or longer than `free_body`, before any of it is read: the answer that refuses it.
  std::function<std::optional<Response>(const Request& head)> refuse_body = {};
  std::size_t free_body = std::size_t{64} << 10;
  std::size_t body_memory = std::size_t{64} << 20;  // of all requests at a time, as they come in; beyond it 503
  /// Of all answers that their clients have not read yet; beyond it 503, and a stream that wants more is cut.
  std::size_t answer_memory = std::size_t{256} << 20;
  /// Each has one request at a time. For one more another gives way that waits for a request: a stranger's first (nobody has been
  /// known by it yet), of the network that has the most, the oldest; then the oldest of all. If all are busy: 503 and close.
  std::size_t max_connections = 1024;
  std::size_t max_strangers_of_network = 256;  // threshold.hpp; beyond it the oldest of that network gives way
  std::size_t max_streams = 256;  // streaming answers; beyond it 503

  Milliseconds handshake_timeout{10'000};
  Milliseconds header_timeout{10'000};  // from the first byte of a request to the end of its header
  Milliseconds idle_timeout{60'000};  // between requests
  /// A body may take this long plus its bytes so far divided by `minimum_rate` (bytes a second); an answer likewise.
  Milliseconds body_timeout{30'000};
  Milliseconds write_timeout{30'000};
  std::size_t minimum_rate = std::size_t{32} << 10;
  Milliseconds request_timeout{60'000};  // Request::deadline, from the end of the header
  Seconds hsts_max_age{0};  // over TLS: Strict-Transport-Security (RFC 6797), which holds for all ports of the host; 0: not said

  std::function<void(const ServerEvent&)> on_event = {};  // on any of the server's threads; must not block or throw
};

/// Called on any of the server's threads. An Error it returns becomes a 500 (503 if cancelled); it maps its own errors.
/// It must end soon once cancelled, and its own Deadline is its own business: nobody cuts it off before stop().
using Handler = std::function<async::Task<Response>(Request)>;

/// At this moment, for metrics.
struct ServerLoad {
  std::size_t connections = 0;
  std::size_t streams = 0;
};

class Server {
 public:
  Server(ServerOptions options, Handler handler);
  /// stop() without a grace.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Reads the certificate and takes the address: from now on clients wait for start(). Errors say which address or file and why.
  Result<void> listen();
  /// Serves, on threads of its own; listens first if nobody has told it to.
  Result<void> start();
  /// After listen().
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] ServerLoad load() const;

  /// Of the certificate that new connections get; none: plain. After listen(), on any thread.
  [[nodiscard]] std::optional<UtcTime> certificate_ends();

  /// Reads certificate and key again, for new connections. On an error the old ones stay.
  Result<void> reload_tls();

  /// Refuses new connections, closes idle ones, lets requests end for `grace`, then cancels them and waits for their end.
  /// Blocks: not to be called from a handler, nor from the strand that handlers need. Once.
  void stop(Milliseconds grace);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hansa::http
