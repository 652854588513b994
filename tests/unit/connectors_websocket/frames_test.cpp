// SPDX-License-Identifier: Apache-2.0
// An agent that is let in, and then sends frames as no agent does.
#include "tests/unit/connectors_websocket/harbour.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/write.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <thread>

namespace hansa::connectors::websocket::test {

namespace {

/// The agent's end of a connection that is let in, as bytes.
class Wire {
 public:
  explicit Wire(const Harbour& harbour) : context_(with_key(harbour)) {
    stream_.next_layer().connect({boost::asio::ip::address_v4::loopback(), harbour.listener->port()});
    stream_.handshake(boost::asio::ssl::stream_base::client);
    send(
        "GET /v1/agents/alpha HTTP/1.1\r\nHost: h\r\nUser-Agent: hansa-agent test\r\nConnection: Upgrade\r\nUpgrade: "
        "websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    std::string head;
    boost::asio::read_until(stream_, boost::asio::dynamic_buffer(head), "\r\n\r\n");
    REQUIRE(head.starts_with("HTTP/1.1 101 "));
  }
  /// False: the other end takes no more.
  bool send(std::string_view bytes) {
    boost::system::error_code failed;
    boost::asio::write(stream_, boost::asio::buffer(bytes), failed);
    return !failed;
  }
  /// Up to the other end's close frame, or the end of it; nothing is answered.
  void read_to_the_close() {
    unsigned char head[2];
    std::string payload;
    for (boost::system::error_code failed; !failed;) {
      boost::asio::read(stream_, boost::asio::buffer(head), failed);
      if (failed || head[0] == 0x88) break;
      payload.resize(head[1]);  // a pong's: shorter than 126, without a mask
      boost::asio::read(stream_, boost::asio::buffer(payload), failed);
    }
    boost::system::error_code ignored;
    stream_.shutdown(ignored);
  }
  /// Reads until the other end has hung up, and answers nothing: what came; nothing if it has not within ten seconds.
  std::optional<std::string> read_to_the_end() {
    bool ended = false;
    boost::asio::async_read(stream_, boost::asio::dynamic_buffer(rest_),
                            [&ended](const boost::system::error_code&, std::size_t) { ended = true; });
    io_.run_for(10s);
    return ended ? std::optional(rest_) : std::nullopt;
  }

 private:
  static boost::asio::ssl::context with_key(const Harbour& harbour) {
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
    REQUIRE(use_key_file(context, harbour.key_file));
    return context;
  }

  boost::asio::io_context io_;
  std::string rest_;
  boost::asio::ssl::context context_;
  boost::asio::ssl::stream<Tcp::socket> stream_{io_, context_};
};

constexpr unsigned char kText = 0x81, kTextBegins = 0x01, kGoesOn = 0x00, kEnds = 0x80, kClose = 0x88, kPing = 0x89, kPong = 0x8a;

std::string bytes_of(std::initializer_list<unsigned> bytes) {
  std::string text;
  for (const auto byte : bytes) text += static_cast<char>(byte);
  return text;
}

/// Masked by zeros, so that the payload stands as it is.
std::string frame(unsigned char first, std::string_view payload) {
  std::string out(1, static_cast<char>(first));
  if (payload.size() < 126)
    out += static_cast<char>(0x80U | payload.size());
  else
    out += bytes_of({0xfe, static_cast<unsigned>(payload.size() >> 8U), static_cast<unsigned>(payload.size() & 0xffU)});
  return out.append(4, '\0').append(payload);
}

/// The head of a frame, masked likewise, whose length is written in 64 bits.
std::string claim(unsigned char first, std::uint64_t length) {
  std::string out = bytes_of({first, 0xff});
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>((length >> shift) & 0xffU);
  return out.append(4, '\0');
}

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

/// What the broker's end reads of an agent that sends this: the line, or the error's code.
std::string heard(const std::string& bytes) {
  Harbour harbour;
  auto wire = std::make_unique<Wire>(harbour);
  const auto broker = harbour.take();
  REQUIRE(broker);
  std::thread agent([&] {
    wire->send(bytes);
    wire->read_to_the_close();
    wire.reset();
  });
  const auto line = harbour.run(broker->read());
  harbour.end(*broker);
  agent.join();
  return line ? line->substr(0, 40) : line.error().code;
}

/// The same of an agent that then stays, without hanging up, and what it is told at the end: "CODE 1009", the status of the close
/// frame. "HELD": the broker's end has waited for it.
std::string heard_from_one_who_stays(const std::string& bytes) {
  Harbour harbour;
  auto wire = std::make_unique<Wire>(harbour);
  const auto broker = harbour.take();
  REQUIRE(broker);
  REQUIRE(wire->send(bytes));
  std::optional<Result<std::string>> line;
  boost::asio::co_spawn(harbour.context, async::detail::keep(&line, broker->read()), [](const std::exception_ptr&) {});
  harbour.context.restart();
  harbour.context.run_for(10s);
  std::string told = "HELD";
  if (line) {
    const auto rest = wire->read_to_the_end();
    told = line->has_value() ? "a line" : line->error().code;
    if (!rest)
      told += " HELD";
    else if (rest->size() >= 4 && rest->starts_with('\x88'))
      told += " " + std::to_string(static_cast<unsigned char>((*rest)[2]) * 256 + static_cast<unsigned char>((*rest)[3]));
  }
  wire.reset();
  while (!line) harbour.context.run_one_for(10s);
  harbour.end(*broker);
  return told;
}

}  // namespace

TEST_CASE("frames that RFC 6455 forbids end the connection") {
  const std::string mask(4, '\0');
  const std::pair<const char*, std::string> kCases[] = {
      {"without a mask", bytes_of({kText, 1}) + "x"},
      {"bits that nobody has agreed on", bytes_of({0xf1, 0x81}) + mask + "x"},
      {"an opcode that there is not", bytes_of({0x83, 0x81}) + mask + "x"},
      {"a ping in pieces", bytes_of({0x09, 0x80}) + mask},
      {"a ping of 126 bytes", frame(kPing, std::string(126, 'x'))},
      {"the end of no message", frame(kEnds, "x")},
      {"a message within a message", frame(kTextBegins, "x") + frame(kText, "y")},
      {"no UTF-8", frame(kText, "\xff\xfe")},
      {"binary", frame(0x82, "x")},
      {"a length that is written too long", bytes_of({kText, 0xfe, 0, 1}) + mask + "x"},
  };
  for (const auto& [what, bytes] : kCases) {
    CAPTURE(what);
    CHECK(heard(bytes) == "BAD_FRAME");
  }
}

TEST_CASE("who sends what ends the connection and then stays is not waited for", "[T24]") {
  CHECK(heard_from_one_who_stays(bytes_of({kText, 1}) + "x") == "BAD_FRAME 1002");  // without a mask
  CHECK(heard_from_one_who_stays(frame(kText, "\xff\xfe")) == "BAD_FRAME 1007");
  CHECK(heard_from_one_who_stays(claim(kText, protocol::kMaxLineBytes + 1) + std::string(200'000, 'x')) == "LINE_TOO_LONG 1009");
  CHECK(heard_from_one_who_stays(frame(kClose, "\x03\xe8 bye")) == "CONNECTION_ENDED 1000");
  CHECK(heard_from_one_who_stays(frame(kClose, "")) == "CONNECTION_ENDED 1000");
}

TEST_CASE("a length that no line may have is refused before its first byte has come", "[T24]") {
  constexpr auto kHighBit = std::uint64_t{1} << 63U;  // which RFC 6455, 5.2, forbids
  const std::pair<const char*, std::string> kCases[] = {
      {"a byte too many", claim(kText, protocol::kMaxLineBytes + 1)},
      {"2^63 - 1, the most that can be said", claim(kText, kHighBit - 1)},
      {"2^63", claim(kText, kHighBit)},
      {"2^64 - 1", claim(kText, ~std::uint64_t{0})},
      {"a byte too many of all pieces", frame(kTextBegins, "x") + claim(kEnds, protocol::kMaxLineBytes)},
      {"2^63 of all pieces", frame(kTextBegins, "x") + claim(kGoesOn, kHighBit - 1)},
      {"2^64 of all pieces", frame(kTextBegins, "x") + claim(kEnds, ~std::uint64_t{0})},
  };
  for (const auto& [what, bytes] : kCases) {
    CAPTURE(what);
    CHECK(heard_from_one_who_stays(bytes) == "LINE_TOO_LONG 1009");
  }
  CHECK(heard_from_one_who_stays(bytes_of({kText, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0})) == "BAD_FRAME 1002");  // without a mask
  CHECK(heard_from_one_who_stays(claim(kPing, kHighBit)) == "BAD_FRAME 1002");
  CHECK(heard(claim(kText, protocol::kMaxLineBytes) + std::string(protocol::kMaxLineBytes, 'x')) == std::string(40, 'x'));
}

TEST_CASE("a frame that claims a terabyte takes no more memory than a line may have", "[T24]") {
  CHECK(heard(claim(kText, std::uint64_t{1} << 40U) + std::string(9 << 20, 'x')) == "LINE_TOO_LONG");
  CHECK(heard(frame(kTextBegins, "x") + repeated(frame(kGoesOn, std::string(60'000, 'x')), 150)) == "LINE_TOO_LONG");
}

TEST_CASE("a line may come in any number of pieces and pings between them are answered, up to a flood", "[T24]") {
  CHECK(heard(frame(kTextBegins, "a") + repeated(frame(kGoesOn, "b"), 50'000) + frame(kEnds, "c")) == "a" + std::string(39, 'b'));
  CHECK_FALSE(heard(repeated(frame(kGoesOn, ""), 1)) == "line");
  CHECK(heard(frame(kTextBegins, "") + repeated(frame(kGoesOn, ""), 50'000) + frame(kEnds, "c")) == "c");
  CHECK(heard(repeated(frame(kPing, "p"), 900) + frame(kText, "line")) == "line");
  CHECK_FALSE(heard(repeated(frame(kPing, "p"), 2'000) + frame(kText, "line")) == "line");
  CHECK_FALSE(heard(repeated(frame(kPong, std::string(125, 'p')), 2'000) + frame(kText, "line")) == "line");
}

}  // namespace hansa::connectors::websocket::test
