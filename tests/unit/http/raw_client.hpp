// SPDX-License-Identifier: Apache-2.0
#pragma once
// A client that can misbehave: it sends any bytes, at any pace, and reads with a time-out.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace hansa::http {

class RawClient {
 public:
  /// `from`: one of loopback's addresses.
  explicit RawClient(std::uint16_t port, int receive_buffer = 0, const char* from = "127.0.0.1")
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    ::inet_pton(AF_INET, from, &own.sin_addr);
    if (::bind(fd_, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) throw std::runtime_error("bind");
    if (receive_buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("connect");
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void shut_write() { ::shutdown(fd_, SHUT_WR); }

  /// False if the other end does not take it (any more).
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto size = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }

  /// One whole response with a Content-Length, or what came before the end or the time-out.
  std::string response(int timeout_ms = 5000) {
    for (;;) {
      const auto head = received_.find("\r\n\r\n");
      if (head != std::string::npos) {
        std::size_t size = head + 4;
        const auto field = received_.find("Content-Length: ");
        if (field < head) size += std::stoul(received_.substr(field + 16));
        if (received_.size() >= size) {
          auto text = received_.substr(0, size);
          received_.erase(0, size);
          return text;
        }
      }
      if (!more(timeout_ms)) return std::exchange(received_, {});
    }
  }

  /// Until `text` came; all of what came.
  std::string until(std::string_view text, int timeout_ms = 5000) {
    while (!received_.contains(text)) {
      if (!more(timeout_ms)) break;
    }
    return std::exchange(received_, {});
  }

  /// All that comes until the other end closes.
  std::string rest(int timeout_ms = 5000) {
    while (more(timeout_ms)) {}
    return std::exchange(received_, {});
  }
  [[nodiscard]] int descriptor() const { return fd_; }
  /// The other end closed over bytes of ours that it never read.
  bool was_reset() const { return reset_; }
  bool closed_within(int timeout_ms) {
    rest(timeout_ms);
    return ended_;
  }

 private:
  bool more(int timeout_ms) {
    pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
    if (ended_ || ::poll(&wanted, 1, timeout_ms) <= 0) return false;
    std::array<char, 65536> buffer{};
    const auto size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (size <= 0) ended_ = true;
    if (size < 0) reset_ = true;
    if (size > 0) received_.append(buffer.data(), static_cast<std::size_t>(size));
    return size > 0;
  }

  int fd_;
  std::string received_;
  bool ended_ = false;
  bool reset_ = false;
};

inline int status_of(std::string_view response) {
  if (!response.starts_with("HTTP/1.1 ") || response.size() < 12) return 0;
  return std::stoi(std::string(response.substr(9, 3)));
}

}  // namespace hansa::http
