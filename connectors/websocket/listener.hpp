// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where agents come in: TLS, one request, and the connection is a WebSocket at its berth or is closed. Whoever knocks is hostile
// until the door has said otherwise: time, bytes and connections are bounded, of all and of one network
// (broker/http/threshold.hpp).
//
//   GET  /v1/agents/SITE            with "Upgrade: websocket": the connection of that site's agent
//   POST /v1/agents/SITE/enrolment  with a token: binds the site to the key that the TLS handshake was signed with
//
// It has a thread of its own, on which all of its connections are read and written.

#include "broker/async/scheduler.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/http/server.hpp"
#include "broker/http/threshold.hpp"
#include "broker/ports/log.hpp"
#include "connectors/websocket/berths.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace hansa::connectors::websocket {

/// What somebody shows at the door. Only the key is proven.
struct Knock {
  SiteId site;                // that is asked for
  std::string key;            // "" without a certificate
  std::string authorization;  // the request's field, as it came
  std::string name;           // what it calls itself: printable, short
  std::string peer;           // "192.0.2.7:40312"
};

/// Who may come in. An agent shows its key; whoever else may open a site (a person, with a token) is for another door to say.
/// On the listener's thread. Its errors are told to whoever knocks.
class Door {
 public:
  virtual ~Door() = default;
  virtual async::Task<BerthId> admit(Knock knock) = 0;
  /// The answer to one that has enrolled.
  virtual async::Task<Json> enrol(Knock knock) = 0;
};

struct ListenerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0: any free one
  http::TlsFiles tls;
  Milliseconds admit_within{10'000};  // from the connection to the WebSocket
  std::size_t header_limit = std::size_t{8} << 10;
  http::Threshold::Limits knocking = {};  // connections that are not let in yet; for one beyond it an older one gives way
};

struct ListenerFigures {
  std::uint64_t connections = 0;  // that came
  std::uint64_t turned_away = 0;  // gave way to others before they were let in
  std::uint64_t tls_failed = 0;
  std::map<std::string, std::uint64_t> let_in;   // by what they did: "connected", "enrolled"
  std::map<std::string, std::uint64_t> refused;  // by code
};

class Listener {
 public:
  /// All outlive it.
  Listener(ListenerOptions options, Door& door, Berths& berths, async::Scheduler& scheduler, ports::Log& log);
  /// stop(), and the end of its thread: nobody uses its connections any more.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Reads the certificate and takes the address. Errors say which file or address and why.
  Result<void> listen();
  void start();
  /// Lets nobody in any more; connections that are let in go on.
  void stop();

  [[nodiscard]] std::uint16_t port() const;
  /// The id of the certificate's key, by which agents may know this broker.
  [[nodiscard]] std::string key_id() const;
  [[nodiscard]] ListenerFigures figures() const;
  /// Of files with a fault nothing is taken. Another key than before is logged: agents that know the old one stay away.
  Result<void> reload_tls();
  /// Runs `work` on its thread, to its end; errors are logged. From any thread.
  void run(boost::asio::awaitable<void> work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hansa::connectors::websocket
