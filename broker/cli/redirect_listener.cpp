// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/redirect_listener.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>

namespace hansa::cli {
namespace {

constexpr std::string_view kPath = "/callback";
constexpr std::size_t kMostRequest = std::size_t{16} << 10;
constexpr int kPatienceMs = 5'000;  // with one connection

bool ready(int fd, int milliseconds) {
  pollfd state{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&state, 1, milliseconds) > 0;
}

/// As far as its header's end, "" for what is none.
std::string read_head(int fd) {
  std::string text;
  std::array<char, 2048> buffer{};
  while (!text.contains("\r\n\r\n")) {
    if (text.size() > kMostRequest || !ready(fd, kPatienceMs)) return {};
    const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return {};
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

void answer(int fd, std::string_view status, std::string_view sentence) {
  const auto body = "<!doctype html><meta charset=utf-8><title>Hansa</title><p>" + std::string(sentence) + "\n";
  const auto text = "HTTP/1.1 " + std::string(status) +
                    "\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
                    "Connection: close\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body;
  [[maybe_unused]] const auto sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

}  // namespace

Result<RedirectListener> RedirectListener::open() {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(socket.get(), 8) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return fail(ErrorKind::unavailable, "NO_LISTENER",
                std::string("a browser could not come back here: ") + std::strerror(errno) + "; use hansa login --device");
  auto name = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + std::string(kPath);
  return RedirectListener(std::move(socket), std::move(name));
}

Result<http::Query> RedirectListener::wait(const Clock& clock, Milliseconds longest) {
  const auto end = clock.now_monotonic() + longest;
  for (auto left = longest; left > Milliseconds{0}; left = end - clock.now_monotonic()) {
    if (!ready(socket_.get(), static_cast<int>(std::min<std::int64_t>(left.count(), INT_MAX)))) continue;
    const Descriptor connection(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) continue;
    const auto head = read_head(connection.get());
    const std::string_view line = std::string_view(head).substr(0, head.find("\r\n"));
    constexpr std::string_view kGet = "GET ", kVersion = " HTTP/1.1";
    const bool get = line.starts_with(kGet) && line.ends_with(kVersion) && line.size() > kGet.size() + kVersion.size();
    const auto target = get ? line.substr(kGet.size(), line.size() - kGet.size() - kVersion.size()) : std::string_view{};
    const auto mark = std::min(target.find('?'), target.size());
    auto query = http::parse_query(target.substr(std::min(mark + 1, target.size())));
    if (target.substr(0, mark) != kPath || !query || query->empty()) {
      answer(connection.get(), "404 Not Found", "There is nothing here.");
      continue;
    }
    answer(connection.get(), "200 OK", "This is all: go back to your terminal.");
    return std::move(*query);
  }
  return fail(ErrorKind::deadline_exceeded, "LOGIN_LATE",
              "no browser came back in time; run hansa login again, perhaps with --device");
}

}  // namespace hansa::cli
