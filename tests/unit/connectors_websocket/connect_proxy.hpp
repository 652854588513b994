// SPDX-License-Identifier: Apache-2.0
#pragma once
// A fake HTTP proxy on loopback, that knows CONNECT and does as the test says. On a thread of its own.

#include "broker/core/encoding.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace hansa::connectors::websocket::test {

struct ProxyManners {
  std::string login = {};   // "user:password" that it asks for; empty: none
  std::string answer = {};  // this instead of a tunnel, and the end
  std::string before = {};  // bytes between its answer and the tunnel
  bool silent = false;
};

class ConnectProxy {
  using Tcp = boost::asio::ip::tcp;
  using Socket = std::shared_ptr<Tcp::socket>;

 public:
  explicit ConnectProxy(ProxyManners manners = {}) : manners_(std::move(manners)) {
    boost::asio::co_spawn(io_, accept(), boost::asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~ConnectProxy() {
    io_.stop();
    thread_.join();
  }
  ConnectProxy(const ConnectProxy&) = delete;
  ConnectProxy& operator=(const ConnectProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// The heads of the requests that came.
  [[nodiscard]] std::vector<std::string> heads() {
    const std::scoped_lock lock(mutex_);
    return heads_;
  }

 private:
  static constexpr auto kTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

  boost::asio::awaitable<void> accept() {
    while (true) {
      auto [failed, socket] = co_await acceptor_.async_accept(kTuple);
      if (failed) co_return;
      boost::asio::co_spawn(io_, serve(std::make_shared<Tcp::socket>(std::move(socket))), boost::asio::detached);
    }
  }

  boost::asio::awaitable<void> serve(Socket client) {
    std::string head;
    const auto [failed, size] =
        co_await boost::asio::async_read_until(*client, boost::asio::dynamic_buffer(head, 16'384), "\r\n\r\n", kTuple);
    if (failed) co_return;
    {
      const std::scoped_lock lock(mutex_);
      heads_.push_back(head);
    }
    if (manners_.silent) {
      (void)co_await client->async_wait(Tcp::socket::wait_read, kTuple);  // until the other end goes
      co_return;
    }
    auto answer = manners_.answer;
    if (!manners_.login.empty() && !head.contains("Proxy-Authorization: Basic " + to_base64(manners_.login) + "\r\n"))
      answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
    auto broker = std::make_shared<Tcp::socket>(io_);
    if (answer.empty()) {
      const auto port = head.substr(head.find(':') + 1, head.find(" HTTP/") - head.find(':') - 1);
      const Tcp::endpoint to(boost::asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(std::stoi(port)));
      const auto [unconnected] = co_await broker->async_connect(to, kTuple);
      if (unconnected) answer = "HTTP/1.1 502 Bad Gateway\r\n\r\n";
    }
    const bool opened = answer.empty();
    const auto text = opened ? "HTTP/1.1 200 Connection established\r\nVia: 1.1 fake\r\n\r\n" + manners_.before : answer;
    (void)co_await boost::asio::async_write(*client, boost::asio::buffer(text), kTuple);
    if (!opened) co_return;
    boost::asio::co_spawn(io_, pump(client, broker), boost::asio::detached);
    co_await pump(broker, client);
  }

  static boost::asio::awaitable<void> pump(Socket from, Socket to) {
    std::array<char, 16'384> buffer{};
    while (true) {
      const auto [failed, size] = co_await from->async_read_some(boost::asio::buffer(buffer), kTuple);
      if (failed) break;
      const auto [unsent, sent] = co_await boost::asio::async_write(*to, boost::asio::buffer(buffer, size), kTuple);
      if (unsent) break;
    }
    boost::system::error_code ignored;
    from->close(ignored);
    to->close(ignored);
  }

  const ProxyManners manners_;
  std::mutex mutex_;
  std::vector<std::string> heads_;
  boost::asio::io_context io_{1};
  Tcp::acceptor acceptor_{io_, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  const std::uint16_t port_ = acceptor_.local_endpoint().port();
  std::thread thread_;
};

}  // namespace hansa::connectors::websocket::test
