// SPDX-License-Identifier: Apache-2.0
#include "broker/http/watchdog.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

#include <array>
#include <optional>

using namespace hansa::http;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

struct Connection {
  asio::io_context io;
  asio::ip::tcp::socket far{io};
  asio::ip::tcp::socket near{io};
  std::array<char, 16> buffer{};
  std::optional<boost::system::error_code> read;

  Connection() {
    asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
    far.connect(acceptor.local_endpoint());
    acceptor.accept(near);
  }
  void begin_read() {
    io.restart();  // it may have run out of work
    read.reset();
    near.async_read_some(asio::buffer(buffer), [this](const boost::system::error_code& error, std::size_t) { read = error; });
  }
  template <class Condition>
  bool until(Condition condition) {
    while (!condition() && io.run_one_for(5s) > 0) {}
    return condition();
  }
};

}  // namespace

TEST_CASE("a watchdog ends what is waiting when its deadline passes") {
  Connection c;
  Watchdog watchdog(c.near);
  c.begin_read();
  watchdog.set(1ms);
  REQUIRE(c.until([&] { return c.read.has_value(); }));
  CHECK(*c.read == asio::error::operation_aborted);
  CHECK(watchdog.expired());
}

TEST_CASE("a watchdog whose deadline passed while nothing was waiting ends what is begun afterwards") {
  Connection c;
  Watchdog watchdog(c.near);
  watchdog.set(1ms);
  REQUIRE(c.until([&] { return watchdog.expired(); }));
  for (int part = 0; part < 2; ++part) {
    c.begin_read();
    REQUIRE(c.until([&] { return c.read.has_value(); }));
    CHECK(*c.read == asio::error::operation_aborted);
  }
}

TEST_CASE("a deadline set anew, or cleared, lets the socket live") {
  Connection c;
  Watchdog watchdog(c.near);
  watchdog.set(1ms);
  REQUIRE(c.until([&] { return watchdog.expired(); }));
  SECTION("set") { watchdog.set(1h); }
  SECTION("cleared") { watchdog.clear(); }
  c.begin_read();
  c.io.run_for(150ms);  // it would have barked again by then
  CHECK_FALSE(c.read.has_value());
  asio::write(c.far, asio::buffer("x", 1));
  REQUIRE(c.until([&] { return c.read.has_value(); }));
  CHECK_FALSE(*c.read);
}
