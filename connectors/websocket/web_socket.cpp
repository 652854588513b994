// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/web_socket.hpp"

#include "broker/async/event.hpp"
#include "broker/async/first_of.hpp"
#include "broker/async/with_deadline.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/core/encoding.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace hansa::connectors::websocket {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using async::Task;

namespace {

constexpr int kDrains = 64;  // reads of 16 KiB

/// Hangs up when the last frame has been sent.
struct PromptStream : TlsStream {
  explicit PromptStream(TlsStream stream) : TlsStream(std::move(stream)) {}
};

/// Beast finds it by its name. Its own for TLS waits until the other end has hung up, and goes on waiting when it is cancelled
/// (teardown_tcp_op, Boost 1.81): a peer that sends a bad frame and stays would hold this end for good.
template <class Handler>
void async_teardown(beast::role_type, PromptStream& stream, Handler&& handler) {
  auto& socket = stream.next_layer();
  boost::system::error_code ignored, ended;
  socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  // What has come and was not read would make a reset of the close, which overtakes our last frame. No wait for more of it.
  socket.non_blocking(true, ended);
  std::array<char, std::size_t{16} << 10> rest;
  for (int i = 0; i < kDrains && !ended; ++i) (void)socket.read_some(asio::buffer(rest), ended);
  socket.close(ignored);
  asio::post(stream.get_executor(), beast::bind_front_handler(std::forward<Handler>(handler), boost::system::error_code{}));
}

using Stream = beast::websocket::stream<PromptStream, false>;

constexpr std::size_t kHeaderLimit = std::size_t{16} << 10;
constexpr std::size_t kAnswerLimit = std::size_t{64} << 10;
constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::size_t kKeptBuffer = std::size_t{64} << 10;
constexpr std::size_t kReasonBytes = 123;  // RFC 6455, 5.5
constexpr std::size_t kWordsBytes = 1'000;
constexpr std::size_t kMostControls = 1'000;  // pings and pongs between two messages: either end sends one now and then
constexpr Milliseconds kFarewell{1'000};

std::string text_of(beast::string_view text) { return {text.data(), text.size()}; }

/// What a site's end, or a broker, says in a few words: "AGENT_REVOKED: ...", of which nothing is believed: other codes are this
/// end's own to say.
Error words_of_peer(const std::string& reason) {
  const auto colon = reason.find(": ");
  const bool coded = reason.starts_with("AGENT_") && colon != std::string::npos && colon < 40 &&
                     reason.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") >= colon;
  if (!coded)
    return fail(ErrorKind::unavailable, "CONNECTION_ENDED",
                "the other end has closed the connection" + (reason.empty() ? "" : ": " + protocol::excerpt(reason)))
        .error();
  return fail(ErrorKind::unavailable, reason.substr(0, colon),
              "the other end says: " + protocol::excerpt(reason.substr(colon + 2), kReasonBytes))
      .error();
}

ErrorKind kind_of(int status) {
  switch (status) {
    case 400: return ErrorKind::invalid_argument;
    case 401: return ErrorKind::unauthenticated;
    case 403: return ErrorKind::permission_denied;
    case 404: return ErrorKind::not_found;
    case 409: return ErrorKind::conflict;
    case 429: return ErrorKind::rate_limited;
    default: return ErrorKind::unavailable;
  }
}

}  // namespace

Result<RequestHead> read_request_head(std::string_view head) {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<std::uint32_t>(head.size() + 1));
  parser.skip(true);  // what follows, if anything, is for others to refuse
  boost::system::error_code failed;
  parser.put(asio::buffer(head.data(), head.size()), failed);
  if ((failed && failed != http::error::need_more) || !parser.is_header_done())
    return fail(ErrorKind::invalid_argument, "BAD_REQUEST", "malformed request: " + failed.message());
  const auto& request = parser.get();
  if (request.count(http::field::authorization) > 1 || request.count(http::field::host) != 1)
    return fail(ErrorKind::invalid_argument, "BAD_REQUEST", "malformed request: Host is there once, Authorization once at most");
  const auto length = request[http::field::content_length];
  return RequestHead{.method = text_of(request.method_string()),
                     .target = text_of(request.target()),
                     .authorization = text_of(request[http::field::authorization]),
                     .user_agent = text_of(request[http::field::user_agent]),
                     .upgrades = beast::websocket::is_upgrade(request),
                     .has_body = (!length.empty() && length != "0") || request.count(http::field::transfer_encoding) > 0};
}

Task<Answer> exchange(TlsStream* stream, std::string request) {
  const auto [unsent, sent] = co_await asio::async_write(*stream, asio::buffer(request), kAsTuple);
  if (unsent) co_return fail(ErrorKind::unavailable, "CONNECTION_CUT", "nothing was asked: " + unsent.message());
  beast::flat_buffer buffer(kAnswerLimit + kHeaderLimit);
  http::response_parser<http::string_body> parser;
  parser.header_limit(kHeaderLimit);
  parser.body_limit(kAnswerLimit);
  const auto [failed, size] = co_await http::async_read(*stream, buffer, parser, kAsTuple);
  if (failed) {
    co_return fail(ErrorKind::unknown_outcome, "ANSWER_LOST",
                   "no whole answer came (" + failed.message() + "): it may have been done, and may be asked again");
  }
  co_return Answer{.status = static_cast<int>(parser.get().result_int()), .body = parser.get().body()};
}

Error refusal_of(const Answer& answer) {
  const auto json = parse_json(answer.body, 8);
  const auto text = [&](const char* key) {
    if (!json || !json->is_object() || !json->contains(key) || !(*json)[key].is_string()) return std::string();
    return (*json)[key].get<std::string>().substr(0, kWordsBytes);
  };
  auto code = text("code");
  auto detail = text("detail");
  if (code.empty() || detail.empty()) {
    return fail(ErrorKind::unavailable, "NOT_A_BROKER",
                "what answers there is no broker's door for agents (HTTP status " + std::to_string(answer.status) +
                    "): is it the address of [agents], not of [api], and no proxy's?")
        .error();
  }
  for (auto* words : {&code, &detail})
    std::ranges::replace_if(*words, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, '?');
  return fail(kind_of(answer.status), code, std::move(detail)).error();
}

struct WebSocket::Impl {
  explicit Impl(TlsStream tls) : stream(std::move(tls)), executor(stream.get_executor()), answered(executor) {
    stream.text(true);
    stream.auto_fragment(false);
    stream.read_message_max(protocol::kMaxLineBytes);  // refused by the length that a frame claims, before its payload is there
    // Whoever uses it has heartbeats of its own.
    stream.set_option(beast::websocket::stream_base::timeout{.handshake_timeout = beast::websocket::stream_base::none(),
                                                             .idle_timeout = beast::websocket::stream_base::none(),
                                                             .keep_alive_pings = false});
    stream.control_callback([this](beast::websocket::frame_type kind, beast::string_view) {
      if (kind == beast::websocket::frame_type::pong) answered.set();
      if (kind != beast::websocket::frame_type::close && ++controls > kMostControls) close_socket();
    });
  }

  void close_socket() {
    boost::system::error_code ignored;
    stream.next_layer().next_layer().close(ignored);
  }
  [[nodiscard]] Error why_ended(const boost::system::error_code& failed) const;

  Stream stream;
  asio::any_io_executor executor;
  beast::flat_buffer buffer;
  async::Event answered;  // a ping
  std::size_t controls = 0;  // since the last message
  std::optional<Error> cut_short;  // by this end, and why
  bool broken = false;  // a write has failed
};

Error WebSocket::Impl::why_ended(const boost::system::error_code& failed) const {
  if (cut_short) return *cut_short;
  if (controls > kMostControls)
    return fail(ErrorKind::internal, "BAD_FRAME",
                "more than " + std::to_string(kMostControls) + " pings and pongs came from the other end without a message")
        .error();
  // What TLS makes of the end afterwards says less than the other end's farewell.
  if (stream.reason() || failed == beast::websocket::error::closed)
    return words_of_peer(std::string(stream.reason().reason.c_str()));
  if (failed == beast::websocket::error::message_too_big)
    return fail(ErrorKind::too_large, "LINE_TOO_LONG",
                "a message of more than 8 MiB came from the other end: it does not speak the connector protocol, or not this "
                "version of it")
        .error();
  if (failed == asio::error::operation_aborted)
    return fail(ErrorKind::unavailable, "CONNECTION_CLOSED", "this end has closed the connection").error();
  if (failed.category() == make_error_code(beast::websocket::error::bad_opcode).category())
    return fail(ErrorKind::internal, "BAD_FRAME", "what came from the other end is no WebSocket: " + failed.message()).error();
  if (buffer.size() == 0 && (failed == asio::error::eof || failed == asio::ssl::error::stream_truncated))
    return fail(ErrorKind::unavailable, "CONNECTION_ENDED", "the other end has closed the connection without a word").error();
  return fail(ErrorKind::unavailable, "CONNECTION_CUT", "the connection was cut: " + failed.message()).error();
}

WebSocket::WebSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebSocket::~WebSocket() = default;

asio::any_io_executor WebSocket::executor() const { return impl_->executor; }

Task<std::shared_ptr<WebSocket>> WebSocket::accept(TlsStream stream, std::string head) {
  http::request_parser<http::empty_body> parser;
  boost::system::error_code bad;
  parser.header_limit(static_cast<std::uint32_t>(head.size() + 1));
  parser.put(asio::buffer(head), bad);
  if (bad) co_return fail(ErrorKind::invalid_argument, "BAD_REQUEST", "malformed request: " + bad.message());
  auto impl = std::make_unique<Impl>(std::move(stream));
  const auto request = parser.release();
  const auto [failed] = co_await impl->stream.async_accept(request, kAsTuple);
  if (failed)
    co_return fail(ErrorKind::invalid_argument, "NOT_A_WEBSOCKET", "the request for a WebSocket is wrong: " + failed.message());
  co_return std::shared_ptr<WebSocket>(new WebSocket(std::move(impl)));
}

Task<std::unique_ptr<WebSocket>> WebSocket::open(TlsStream stream, std::string host, std::string target, std::string name,
                                                 std::string authorization) {
  auto impl = std::make_unique<Impl>(std::move(stream));
  impl->stream.set_option(beast::websocket::stream_base::decorator(
      [name = std::move(name), authorization = std::move(authorization)](beast::websocket::request_type& request) {
        request.set(http::field::user_agent, name);
        if (!authorization.empty()) request.set(http::field::authorization, authorization);
      }));
  beast::websocket::response_type response;
  const auto [failed] = co_await impl->stream.async_handshake(response, host, target, kAsTuple);
  if (failed == beast::websocket::error::upgrade_declined)
    co_return std::unexpected(refusal_of({.status = static_cast<int>(response.result_int()), .body = response.body()}));
  if (failed) co_return std::unexpected(impl->why_ended(failed));
  co_return std::unique_ptr<WebSocket>(new WebSocket(std::move(impl)));
}

Task<std::string> WebSocket::read() {
  auto& buffer = impl_->buffer;
  do {
    const auto [failed, size] = co_await impl_->stream.async_read_some(buffer, kReadBytes, kAsTuple);
    if (failed) co_return std::unexpected(impl_->why_ended(failed));
  } while (!impl_->stream.is_message_done());
  impl_->controls = 0;
  if (!impl_->stream.got_text())
    co_return fail(ErrorKind::internal, "BAD_FRAME", "a binary message came from the other end; the protocol is text");
  std::string line(static_cast<const char*>(buffer.data().data()), buffer.size());
  buffer.consume(buffer.size());
  if (buffer.capacity() > kKeptBuffer) buffer.shrink_to_fit();
  co_return line;
}

Task<> WebSocket::write(std::string line) {
  if (impl_->broken) co_return fail(ErrorKind::unavailable, "CONNECTION_CUT", "the connection has ended");
  impl_->broken = true;  // also if it is cancelled
  const auto [failed, size] = co_await impl_->stream.async_write(asio::buffer(line), kAsTuple);
  // Beast, TLS and the kernel do not say how much of it went: of the line with which the connection broke nothing is certain, so
  // it counts as one that left; all later ones did not.
  if (!failed) impl_->broken = false;
  co_return Result<void>{};
}

asio::awaitable<Error> WebSocket::end(Error why) {
  impl_->broken = true;
  impl_->close_socket();
  co_return impl_->cut_short.value_or(std::move(why));
}

Task<> WebSocket::probe(async::Scheduler& scheduler, async::Deadline deadline) {
  auto ping = [](Impl* impl) -> Task<> {
    const auto [failed] = co_await impl->stream.async_ping({}, kAsTuple);
    if (failed) co_return fail(ErrorKind::unavailable, "CONNECTION_CUT", failed.message());
    co_return Result<void>{};
  };
  if (auto asked = co_await async::with_deadline(scheduler, deadline, ping(impl_.get())); !asked) co_return asked;
  if (co_await impl_->answered.wait_until(scheduler, deadline.at) && !impl_->cut_short) co_return Result<void>{};
  co_return fail(ErrorKind::unavailable, "CONNECTION_SILENT", "it does not answer a ping");
}

asio::awaitable<void> WebSocket::cut(async::Scheduler& scheduler, Error why) {
  if (impl_->cut_short) co_return;  // the first one's farewell, which ends by itself: a stream is closed once
  impl_->cut_short = std::move(why);
  impl_->broken = true;
  auto words = impl_->cut_short->code + ": " + impl_->cut_short->message;
  words.resize(std::min(words.size(), kReasonBytes));
  if (!is_utf8(words)) words = impl_->cut_short->code;
  auto farewell = [](Impl* impl, std::string reason) -> asio::awaitable<void> {
    (void)co_await impl->stream.async_close({beast::websocket::close_code::policy_error, reason}, kAsTuple);
  };
  // Not every wait within Beast's closing can be cancelled (for whoever reads): closing the socket ends them all.
  auto patience = [](Impl* impl, async::Scheduler* clock) -> asio::awaitable<void> {
    co_await clock->sleep_until(clock->now_monotonic() + kFarewell);
    impl->close_socket();
  };
  co_await async::first_of(farewell(impl_.get(), std::move(words)), patience(impl_.get(), &scheduler));
  impl_->close_socket();
}

}  // namespace hansa::connectors::websocket
