// SPDX-License-Identifier: Apache-2.0
#pragma once
// One connection, from its handshake to its end: read a request, have it handled, answer, again. Requests that a client
// sends ahead wait in the socket: nothing is read while one is being handled.

#include "broker/async/first_of.hpp"
#include "broker/http/header_scan.hpp"
#include "broker/http/listening.hpp"
#include "broker/http/request_head.hpp"
#include "broker/http/response_head.hpp"
#include "broker/http/watchdog.hpp"
#include "broker/http/worker.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace hansa::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using Tcp = asio::ip::tcp;
using TlsStream = asio::ssl::stream<Tcp::socket>;

inline constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
inline constexpr std::chrono::seconds kLinger{2};
inline constexpr std::size_t kReadSize = 64 << 10;
inline constexpr std::size_t kIdleBuffer = 16 << 10;

/// On its worker's thread. `Stream`: Tcp::socket or TlsStream.
template <class Stream>
class Session final : public Stoppable {
  static constexpr bool kTls = std::is_same_v<Stream, TlsStream>;

 public:
  Session(Worker& worker, Stream stream, const Tcp::endpoint& remote, Share connection)
      : worker_(worker),
        shared_(worker.shared),
        options_(worker.shared.options),
        stream_(std::move(stream)),
        peer_(name_of(remote)),
        network_(network_of(remote.address())),
        connection_(std::move(connection)),
        entry_(worker.connections.insert(worker.connections.end(), this)) {}
  ~Session() override { worker_.connections.erase(entry_); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  static async::Task<void> run(std::unique_ptr<Session> session) {
    session->stand_at_threshold();
    if (co_await session->handshake()) {
      while (co_await session->serve_one()) {}
    }
    co_return Result<void>{};
  }

  /// One connection too many: said, if plain HTTP lets us say it quickly, and closed.
  static async::Task<void> turn_away(std::unique_ptr<Session> session) {
    if constexpr (!kTls) {
      session->watchdog_.set(std::chrono::seconds{1});
      if (co_await session->read_some(session->buffer_.prepare(1024)) > 0) {
        co_await session->refuse({503, "TOO_MANY_CONNECTIONS", "too many connections; try again later"});
      }
    }
    co_return Result<void>{};
  }

  void stop_when_idle() override {
    boost::system::error_code ignored;
    if (idle_ || streaming_) socket().cancel(ignored);
    parked_.cancel();
  }

  bool give_way() override {
    if (!idle_) return false;
    leave_for_another();
    return true;
  }

 private:
  using Parser = beast::http::request_parser<beast::http::string_body>;
  using SteadyTime = std::chrono::steady_clock::time_point;
  enum class Step { ok, gone, refused };

  struct Exchange {
    SteadyTime began = std::chrono::steady_clock::now();
    std::string request_id;
    std::string method;
    std::string target;
    std::string_view route;
    Framing framing;
    std::size_t request_bytes = 0;
    Share body_memory;
  };

  Tcp::socket& socket() {
    if constexpr (kTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  /// While it waits for a request, or for the rest of one, and nobody is known by it.
  void stand_at_threshold() {
    bool another_left = false;
    if (!known_) place_ = worker_.strangers.enter(network_, [this] { leave_for_another(); }, another_left);
  }

  void leave_for_another() {
    idle_ = false;
    gave_way_ = true;
    report({.kind = ServerEvent::Kind::dropped, .code = "GAVE_WAY", .detail = "another connection has its place"});
    boost::system::error_code ignored;
    socket().close(ignored);  // a cancel would end only what it waits for just now
    connection_ = Share{};  // its place is free before its coroutine has ended: many may come at once
    parked_.cancel();
  }

  asio::awaitable<bool> handshake() {
    if constexpr (kTls) {
      watchdog_.set(options_.handshake_timeout);
      const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, kAsTuple);
      if (error && gave_way_) co_return false;
      if (error) {
        report(
            {.kind = ServerEvent::Kind::tls_failed, .detail = watchdog_.expired() ? "handshake took too long" : error.message()});
        co_return false;
      }
    }
    co_return true;
  }

  /// 0: the client has gone, or the watchdog barked.
  template <class Buffer>
  asio::awaitable<std::size_t> read_some(Buffer buffer) {
    const auto [error, size] = co_await stream_.async_read_some(buffer, kAsTuple);
    co_return error ? 0 : size;
  }

  [[nodiscard]] std::string_view buffered() const {
    const auto bytes = buffer_.cdata();
    return {static_cast<const char*>(bytes.data()), bytes.size()};
  }

  Step refused(int status, std::string_view code, std::string detail) {
    refusal_ = Refusal{status, code, std::move(detail)};
    return Step::refused;
  }
  Step refused(Refusal refusal) {
    refusal_ = std::move(refusal);
    return Step::refused;
  }

  /// True: the connection goes on.
  asio::awaitable<bool> serve_one() {
    HeaderScan scan;
    auto step = co_await receive_header(&scan);
    if (step == Step::gone || gave_way_) co_return false;
    Exchange exchange;
    exchange.request_id = next_request_id();
    Request request;
    Parser parser;
    if (step == Step::ok) step = parse_header(scan.size(), parser, exchange, request);
    if (step == Step::ok) step = co_await receive_body(&parser, &exchange, &request);
    if (gave_way_) co_return false;
    place_.reset();
    if (step == Step::gone) {
      report_exchange(ServerEvent::Kind::dropped, exchange, 0, 0, "the client went while its request came in");
      co_return false;
    }
    if (step == Step::refused) {
      co_await refuse(std::move(*refusal_), &exchange);
      co_return false;
    }
    watchdog_.clear();
    Response response = co_await handle(std::move(request));
    exchange.body_memory.release();
    known_ = known_ || response.knows_caller;
    const bool sent = co_await answer(&exchange, &response);
    if (sent && !exchange.framing.keep_alive) co_await linger();
    if (!sent || !exchange.framing.keep_alive) co_return false;
    stand_at_threshold();
    co_return response.pause.count() == 0 || co_await pause(response.pause);
  }

  /// Who asks too often waits; what they send meanwhile waits with them. True: the connection goes on.
  asio::awaitable<bool> pause(Milliseconds time) {
    asio::steady_timer timer(socket().get_executor(), time);
    idle_ = true;
    co_await async::first_of(
        [](asio::steady_timer* until) -> asio::awaitable<void> { co_await until->async_wait(kAsTuple); }(&timer), until_gone());
    idle_ = false;
    const bool over = timer.expiry() <= std::chrono::steady_clock::now();
    co_return over && !gave_way_ && !worker_.stopping;
  }

  asio::awaitable<Step> receive_header(HeaderScan* scan) {
    if (buffer_.size() == 0) {
      if (buffer_.capacity() > kIdleBuffer) buffer_.shrink_to_fit();
      if (worker_.stopping) co_return Step::gone;
      idle_ = true;
      watchdog_.set(options_.idle_timeout);
      const auto size = co_await read_some(buffer_.prepare(kIdleBuffer));
      idle_ = false;
      if (size == 0) co_return Step::gone;
      buffer_.commit(size);
    }
    if (buffered().starts_with("\r\n")) buffer_.consume(2);  // after a body, by old clients (RFC 9112, 2.2)
    for (bool first = true;; first = false) {
      const auto state = scan->feed(buffered());
      if (state == HeaderScan::State::bad) co_return refused(400, "BAD_REQUEST", std::string(scan->fault()));
      const auto size = state == HeaderScan::State::complete ? scan->size() : buffer_.size();
      const auto line = buffered().substr(0, buffered().find('\r'));
      if (line.size() > options_.target_limit) co_return refused(414, "TARGET_TOO_LONG", "the request line is too long");
      if (size > options_.header_limit) co_return refused(431, "HEADER_TOO_LARGE", "the request's header is too large");
      if (state == HeaderScan::State::complete) co_return Step::ok;
      if (first) watchdog_.set(options_.header_timeout);
      const auto more = co_await read_some(buffer_.prepare(kIdleBuffer));
      if (watchdog_.expired()) co_return refused(408, "REQUEST_TIMEOUT", "the request's header did not come in time");
      if (more == 0) co_return Step::gone;
      buffer_.commit(more);
    }
  }

  Step parse_header(std::size_t size, Parser& parser, Exchange& exchange, Request& request) {
    boost::system::error_code error;
    parser.header_limit(static_cast<std::uint32_t>(options_.header_limit + 1));
    parser.body_limit(boost::none);  // known once the target is
    const auto used = parser.put(asio::buffer(buffered().data(), size), error);
    const auto line = buffered().substr(0, buffered().find('\r'));
    if (error == beast::http::error::bad_version && std::ranges::count(line, ' ') == 2)
      return refused(505, "HTTP_VERSION", "HTTP/1.1 is spoken here");
    if (error) return refused(400, "BAD_REQUEST", "malformed request: " + error.message());
    if (!parser.is_header_done()) return refused(400, "BAD_REQUEST", "malformed request");
    buffer_.consume(used);

    const auto& message = parser.get();
    request.method.assign(message.method_string().data(), message.method_string().size());
    for (const auto& field : message) {
      request.headers.add({field.name_string().data(), field.name_string().size()}, {field.value().data(), field.value().size()});
    }
    exchange.framing.http11 = message.version() == 11;
    exchange.framing.chunked = parser.chunked();
    exchange.framing.content_length = parser.content_length().value_or(0);
    exchange.framing.keep_alive = parser.keep_alive() && exchange.framing.http11 && !worker_.stopping;
    exchange.method = request.method;
    exchange.target.assign(message.target().data(), message.target().size());
    if (const auto id = request.headers.get("x-request-id"); id && is_request_id(*id)) exchange.request_id = *id;
    if (auto fault = interpret_target(exchange.target, request)) return refused(std::move(*fault));
    if (auto fault = check_fields(request.headers, exchange.framing)) return refused(std::move(*fault));
    request.peer = peer_;
    request.network = network_;
    request.encrypted = kTls;
    request.request_id = exchange.request_id;
    request.deadline = async::Deadline::in(shared_.clock, options_.request_timeout);
    return Step::ok;
  }

  asio::awaitable<Step> receive_body(Parser* parser, Exchange* exchange, Request* request) {
    const auto& framing = exchange->framing;
    if (!framing.chunked && framing.content_length == 0) co_return Step::ok;
    const std::size_t limit = options_.body_limit ? options_.body_limit(request->method, request->path) : std::size_t{4} << 20;
    const auto too_large = "the body is longer than " + std::to_string(limit) + " bytes";
    if (framing.content_length > limit) co_return refused(413, "BODY_TOO_LARGE", too_large);
    if (options_.refuse_body && (framing.chunked || framing.content_length > options_.free_body)) {
      if (auto answer = options_.refuse_body(*request))
        co_return refused({.status = answer->status, .code = "BODY_REFUSED", .detail = "not read", .answer = std::move(answer)});
      place_.reset();  // it is welcome, and may take its time
    }
    if (framing.expects_continue && buffer_.size() == 0) {
      watchdog_.set(options_.write_timeout);
      const auto [error, size] = co_await asio::async_write(stream_, asio::buffer("HTTP/1.1 100 Continue\r\n\r\n", 25), kAsTuple);
      if (error) co_return Step::gone;
    }
    const auto step = framing.chunked ? co_await receive_chunks(parser, exchange, limit, &request->body)
                                      : co_await receive_length(exchange, &request->body);
    if (step == Step::refused && refusal_->status == 413) refusal_->detail = too_large;
    exchange->request_bytes = request->body.size();
    co_return step;
  }

  asio::awaitable<Step> receive_length(Exchange* exchange, std::string* body) {
    const auto began = std::chrono::steady_clock::now();
    const auto length = static_cast<std::size_t>(exchange->framing.content_length);
    const auto ready = std::min(buffer_.size(), length);
    if (!charge(exchange, ready)) co_return overloaded();
    body->reserve(length);
    body->assign(buffered().substr(0, ready));
    buffer_.consume(ready);
    for (auto charged = ready; body->size() < length;) {
      const auto have = body->size();
      const auto room = std::min(length - have, kReadSize);
      // What came and the piece to come: a length that is only claimed keeps no other request out.
      if (have + room > charged && !charge(exchange, have + room - charged)) co_return overloaded();
      charged = std::max(charged, have + room);
      watchdog_.set_at(began + allowed(options_.body_timeout, have));
      body->resize(have + room);
      const auto size = co_await read_some(asio::buffer(body->data() + have, room));
      if (size == 0) co_return watchdog_.expired() ? too_slow() : Step::gone;
      body->resize(have + size);
    }
    co_return Step::ok;
  }

  asio::awaitable<Step> receive_chunks(Parser* parser, Exchange* exchange, std::size_t limit, std::string* body) {
    const auto began = std::chrono::steady_clock::now();
    parser->body_limit(limit);
    parser->eager(true);
    std::size_t charged = 0;
    while (!parser->is_done()) {
      boost::system::error_code error;
      if (!may_be_cut_end(buffered())) buffer_.consume(parser->put(buffer_.cdata(), error));
      if (error == beast::http::error::body_limit) co_return refused(413, "BODY_TOO_LARGE", {});
      if (error && error != beast::http::error::need_more) {
        co_return refused(400, "BAD_REQUEST", "malformed chunked body: " + error.message());
      }
      const auto size = parser->get().body().size();
      if (size > limit) co_return refused(413, "BODY_TOO_LARGE", {});
      if (!charge(exchange, size - charged)) co_return overloaded();
      charged = size;
      if (parser->is_done()) break;
      // What is left is the beginning of a chunk's header or of the trailer.
      if (buffer_.size() > options_.header_limit) co_return refused(400, "BAD_REQUEST", "a chunk's header is too long");
      // Chunk headers earn no time: else a body could be kept coming for ever.
      watchdog_.set_at(began + allowed(options_.body_timeout, size));
      const auto more = co_await read_some(buffer_.prepare(kReadSize));
      if (more == 0) co_return watchdog_.expired() ? too_slow() : Step::gone;
      buffer_.commit(more);
    }
    *body = std::move(parser->get().body());
    co_return Step::ok;
  }

  [[nodiscard]] std::chrono::milliseconds allowed(Milliseconds base, std::size_t bytes) const {
    return base + Milliseconds{static_cast<std::int64_t>(bytes * 1000 / std::max<std::size_t>(options_.minimum_rate, 1))};
  }

  [[nodiscard]] bool charge(Exchange* exchange, std::size_t bytes) const {
    return exchange->body_memory.take(shared_.body_bytes, bytes, options_.body_memory);
  }

  Step too_slow() { return refused(408, "REQUEST_TIMEOUT", "the request's body came too slowly"); }
  Step overloaded() { return refused(503, "OVERLOADED", "too many large requests at a time; try again"); }

  asio::awaitable<Response> handle(Request request) {
    const auto id = request.request_id;
    Error error;
    try {
      auto result = co_await shared_.handler(std::move(request));
      if (result) co_return std::move(*result);
      error = std::move(result.error());
    } catch (...) { error = async::to_error(std::current_exception()); }
    if (error.kind == ErrorKind::cancelled) co_return problem(503, "STOPPING", "the broker is stopping; try again", id);
    report({.kind = ServerEvent::Kind::refused, .request_id = id, .status = 500, .code = error.code, .detail = error.detail});
    co_return problem(500, "INTERNAL", "internal error; the broker's log has it under this request_id", id);
  }

  void add_hsts(Response* response) const {
    if (kTls && options_.hsts_max_age.count() > 0) response->headers.emplace_back("Strict-Transport-Security", shared_.hsts);
  }

  asio::awaitable<void> refuse(Refusal refusal, Exchange* exchange) {
    auto response =
        refusal.answer ? std::move(*refusal.answer) : problem(refusal.status, refusal.code, refusal.detail, exchange->request_id);
    if (refusal.status == 503 && !refusal.answer) response.headers.emplace_back("Retry-After", "1");
    exchange->framing = {.http11 = true, .keep_alive = false};
    exchange->body_memory.release();
    out_.clear();
    add_hsts(&response);
    write_head(out_, response, {.keep_alive = false}, exchange->request_id, worker_.now_as_date());
    if (exchange->method != "HEAD") out_ += response.body;
    watchdog_.set(options_.write_timeout);
    const auto [error, size] = co_await asio::async_write(stream_, asio::buffer(out_), kAsTuple);
    report_exchange(ServerEvent::Kind::refused, *exchange, refusal.status, response.body.size(), refusal.detail, refusal.code);
    if (!error) co_await linger();
  }

  asio::awaitable<void> refuse(Refusal refusal) {
    Exchange exchange;
    exchange.request_id = next_request_id();
    co_await refuse(std::move(refusal), &exchange);
  }

  /// True: all of it is sent.
  asio::awaitable<bool> answer(Exchange* exchange, Response* response) {
    auto& framing = exchange->framing;
    exchange->route = response->route;
    const bool head = exchange->method == "HEAD";
    const bool bodiless = response->status == 204 || response->status == 304;
    Share stream;
    if (response->next && !stream.take(shared_.streams, 1, options_.max_streams)) {
      *response = problem(503, "OVERLOADED", "too many streams at a time; try again", exchange->request_id);
      response->headers.emplace_back("Retry-After", "1");
    }
    Share memory;
    if (!memory.take(shared_.answer_bytes, response->body.size(), options_.answer_memory)) {
      *response = problem(503, "OVERLOADED", "too many large answers at a time; try again", exchange->request_id);
      response->headers.emplace_back("Retry-After", "1");
    }
    const bool streams = response->next && !bodiless;
    framing.keep_alive = framing.keep_alive && !worker_.stopping && (framing.http11 || !streams);
    out_.clear();
    add_hsts(response);
    write_head(out_, *response, {.has_body = !bodiless, .chunked = streams && framing.http11, .keep_alive = framing.keep_alive},
               exchange->request_id, worker_.now_as_date());
    if (head || bodiless) {
      const bool sent = co_await write(asio::buffer(out_));
      finish(*exchange, sent, response->status, 0);
      co_return sent;
    }
    if (streams) co_return co_await answer_stream(exchange, response, std::move(memory));
    bool sent = false;
    if (response->body.size() <= kIdleBuffer) {
      out_ += response->body;
      sent = co_await write(asio::buffer(out_));
    } else {
      sent = co_await write(std::array{asio::const_buffer(asio::buffer(out_)), asio::const_buffer(asio::buffer(response->body))});
    }
    finish(*exchange, sent, response->status, response->body.size());
    co_return sent;
  }

  asio::awaitable<bool> answer_stream(Exchange* exchange, Response* response, Share memory) {
    const bool chunked = exchange->framing.http11;
    std::size_t total = 0;
    std::string piece = std::move(response->body);
    bool complete = false;
    bool sent = true;
    streaming_ = true;
    for (;;) {
      if (!piece.empty()) {
        total += piece.size();
        if (chunked)
          append_chunk(out_, piece);
        else
          out_ += piece;
      }
      if (!out_.empty()) sent = co_await write(asio::buffer(out_));
      out_.clear();
      if (out_.capacity() > kIdleBuffer) out_.shrink_to_fit();
      piece = {};
      memory.release();
      if (!sent || complete || worker_.stopping) break;
      watchdog_.clear();
      std::optional<Result<std::optional<std::string>>> next;
      co_await async::first_of(pull(response, &next), until_gone());
      if (!next || !*next) break;
      if (**next) {
        piece = std::move(***next);
        if (!memory.take(shared_.answer_bytes, piece.size(), options_.answer_memory)) break;  // cut: it comes back where it was
      } else {
        complete = true;
        if (chunked) out_ = "0\r\n\r\n";
      }
    }
    streaming_ = false;
    finish(*exchange, sent && complete, response->status, total);
    co_return sent&& complete;
  }

  static asio::awaitable<void> pull(Response* response, std::optional<Result<std::optional<std::string>>>* next) {
    try {
      next->emplace(co_await response->next());
    } catch (...) { next->emplace(std::unexpected(async::to_error(std::current_exception()))); }
  }

  /// Ends when the client goes. A client that sends the next request ahead is there.
  asio::awaitable<void> until_gone() {
    const auto [error] = co_await socket().async_wait(Tcp::socket::wait_read, kAsTuple);
    char byte = 0;
    if (error || ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0) co_return;
    co_await parked_.async_wait(kAsTuple);
  }

  static void append_chunk(std::string& out, std::string_view piece) {
    std::array<char, 32> size{};
    const int length = std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
    out.append(size.data(), static_cast<std::size_t>(length));
    out += piece;
    out += "\r\n";
  }

  template <class Buffers>
  asio::awaitable<bool> write(Buffers buffers) {
    watchdog_.set(allowed(options_.write_timeout, asio::buffer_size(buffers)));
    const auto [error, size] = co_await asio::async_write(stream_, buffers, kAsTuple);
    co_return !error;
  }

  /// A socket closed over unread bytes is reset, and the client may never see our answer: we say that we are done and
  /// read, for a little while, what it still sends.
  asio::awaitable<void> linger() {
    watchdog_.set(kLinger);
    if constexpr (kTls) {
      co_await stream_.async_shutdown(kAsTuple);
      if (watchdog_.expired()) co_return;
    }
    boost::system::error_code error;
    socket().shutdown(Tcp::socket::shutdown_send, error);
    buffer_.consume(buffer_.size());
    idle_ = true;
    while (!error && !watchdog_.expired() && !worker_.stopping) {
      const auto [failed, size] = co_await socket().async_read_some(buffer_.prepare(kIdleBuffer), kAsTuple);
      if (failed) co_return;
    }
  }

  void finish(const Exchange& exchange, bool sent, int status, std::size_t bytes) {
    report_exchange(sent ? ServerEvent::Kind::answered : ServerEvent::Kind::dropped, exchange, status, bytes,
                    sent ? "" : "the client did not take its answer");
  }

  void report_exchange(ServerEvent::Kind kind, const Exchange& exchange, int status, std::size_t bytes, std::string_view detail,
                       std::string_view code = {}) {
    if (!options_.on_event) return;
    report(
        {.kind = kind,
         .request_id = exchange.request_id,
         .method = exchange.method,
         .target = exchange.target,
         .route = exchange.route,
         .status = status,
         .code = code,
         .detail = detail,
         .request_bytes = exchange.request_bytes,
         .response_bytes = bytes,
         .duration = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - exchange.began)});
  }

  void report(ServerEvent event) {
    event.peer = peer_;
    shared_.report(event);
  }

  std::string next_request_id() {
    return shared_.id_prefix + std::to_string(shared_.last_request.fetch_add(1, std::memory_order_relaxed) + 1);
  }

  Worker& worker_;
  Shared& shared_;
  const ServerOptions& options_;
  Stream stream_;
  std::string peer_;
  std::string network_;
  Share connection_;
  Watchdog watchdog_{socket()};
  asio::steady_timer parked_{socket().get_executor(), asio::steady_timer::time_point::max()};
  beast::flat_buffer buffer_;
  std::string out_;  // reused between answers
  std::optional<Refusal> refusal_;
  bool idle_ = false;
  bool streaming_ = false;
  bool known_ = false;  // who speaks by it
  bool gave_way_ = false;
  std::shared_ptr<Threshold::Place> place_;
  std::list<Stoppable*>::iterator entry_;
};

}  // namespace hansa::http
