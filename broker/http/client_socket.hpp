// SPDX-License-Identifier: Apache-2.0
#pragma once
// A blocking connection, plain or TLS, whose every wait ends at a deadline.

#include "broker/core/error.hpp"
#include "broker/http/url.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::http {

/// A host's addresses, in numbers; of an address itself. Blocks for as long as the machine's resolver likes. unavailable,
/// NO_ADDRESS.
Result<std::vector<std::string>> look_up(const std::string& host);
/// It needs no look-up.
bool is_address(const std::string& host);

class ClientSocket {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class End { ok, closed, timed_out, failed };
  struct Transfer {
    End end;
    std::size_t size = 0;
    std::string detail = {};
  };

  struct Way {
    std::string ca_file = {};      // PEM; empty: the system's authorities
    std::string unix_socket = {};  // its path; empty: TCP to the URL's host
    std::vector<std::string> addresses = {};  // of the host, in numbers; none: they are looked up, for as long as that takes
    std::string peer = "the broker";  // for people
    std::shared_ptr<const std::atomic<bool>> stop = {};  // set: every wait ends soon, as failed
  };
  /// Tries all of the host's addresses. Errors are ErrorKind::unavailable, UNREACHABLE (TLS_REFUSED: not who it should be).
  static Result<ClientSocket> connect(const Url& url, const Way& way, Time deadline);

  ClientSocket(ClientSocket&&) noexcept;
  ClientSocket& operator=(ClientSocket&&) noexcept;
  ~ClientSocket();

  /// Some of it, at least one byte if ok.
  Transfer write(std::string_view bytes, Time deadline);
  Transfer read(std::span<char> into, Time deadline);

  /// The other end has closed, or has sent what nobody asked for: not to be used again.
  [[nodiscard]] bool stale() const;
  /// The other end is this machine.
  [[nodiscard]] bool is_loopback() const;

 private:
  struct Tls;
  ClientSocket();
  Result<void> start_tls(const Url& url, const Way& way, Time deadline);
  [[nodiscard]] int wait_for(short events, Time deadline) const;

  int fd_ = -1;
  std::shared_ptr<const std::atomic<bool>> stop_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace hansa::http
