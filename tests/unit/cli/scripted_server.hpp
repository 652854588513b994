// SPDX-License-Identifier: Apache-2.0
#pragma once
// A server on loopback that answers each request as it was told: for what a real broker cannot be made to show.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace hansa::cli {

class ScriptedServer {
 public:
  /// One connection for each reply, then it is gone. An empty reply: the request is read, and nothing is answered.
  explicit ScriptedServer(std::vector<std::string> replies) : replies_(std::move(replies)) { listen(); }
  /// Or whatever this answers, for as long as it is asked.
  using Answer = std::function<std::string(const std::string& request, const std::string& url)>;
  struct AsAsked {};
  ScriptedServer(AsAsked /*it answers*/, Answer answer) : answer_(std::move(answer)) { listen(); }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer() { stop(); }

  /// Waits for the last connection; the requests may be looked at from then on.
  std::vector<std::string> requests() {
    stop();
    return requests_;
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  static std::string reply(int status, const std::string& body, const std::string& fields = "") {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" + fields +
           "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
  }

 private:
  void listen() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      std::abort();
    }
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  void stop() {
    ::shutdown(listener_, SHUT_RDWR);  // wakes accept
    if (thread_.joinable()) thread_.join();
    if (listener_ >= 0) ::close(listener_);
    listener_ = -1;
  }

  void serve() {
    while (answer_) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      requests_.push_back(read_request(connection));
      const auto reply = answer_(requests_.back(), url());
      [[maybe_unused]] const auto sent = ::send(connection, reply.data(), reply.size(), MSG_NOSIGNAL);
      ::close(connection);
    }
    for (const auto& reply : replies_) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      requests_.push_back(read_request(connection));
      [[maybe_unused]] const auto sent = ::send(connection, reply.data(), reply.size(), MSG_NOSIGNAL);
      ::close(connection);
    }
    ::shutdown(listener_, SHUT_RDWR);  // from now on nobody is there: refused
  }

  static std::string read_request(int connection) {
    std::string text;
    char buffer[4096];
    for (;;) {
      const auto end = text.find("\r\n\r\n");
      const auto length = text.find("Content-Length: ");
      if (end != std::string::npos) {
        const std::size_t body = length < end ? std::strtoul(text.c_str() + length + 16, nullptr, 10) : 0;
        if (text.size() >= end + 4 + body) return text;
      }
      const auto got = ::recv(connection, buffer, sizeof buffer, 0);
      if (got <= 0) return text;
      text.append(buffer, static_cast<std::size_t>(got));
    }
  }

  Answer answer_;
  std::vector<std::string> replies_;
  std::vector<std::string> requests_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace hansa::cli
