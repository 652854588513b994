// SPDX-License-Identifier: Apache-2.0
#include "broker/http/client.hpp"

#include "broker/http/client_socket.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/parser.hpp>
#include <string.h>  // explicit_bzero

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace hansa::http {

namespace asio = boost::asio;
namespace beast = boost::beast;

namespace {

/// A body that grows with what has come. Beast's string_body takes the memory that the other side announces, at once.
struct GrowingBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool request, class Headers>
    reader(beast::http::header<request, Headers>& /*header*/, value_type& text) : text_(text) {}
    void init(const boost::optional<std::uint64_t>& /*announced*/, boost::system::error_code& error) { error = {}; }
    template <class Buffers>
    std::size_t put(const Buffers& buffers, boost::system::error_code& error) {
      error = {};
      const auto before = text_.size();
      for (const auto buffer : beast::buffers_range_ref(buffers))
        text_.append(static_cast<const char*>(buffer.data()), buffer.size());
      return text_.size() - before;
    }
    void finish(boost::system::error_code& error) { error = {}; }

   private:
    value_type& text_;
  };
};

using Parser = beast::http::response_parser<GrowingBody>;
using End = ClientSocket::End;
using Time = ClientSocket::Time;

constexpr std::uint32_t kHeaderLimit = 64 << 10;
constexpr std::chrono::seconds kEarlyAnswer{2};  // of a server that hung up in the middle of our request

Time in(Milliseconds time) { return std::chrono::steady_clock::now() + time; }

bool is_safe(std::string_view method) { return method == "GET" || method == "HEAD"; }

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").contains(c);
  });
}

bool is_printable(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == '\x7f'; });
}

/// One request on its way.
struct Call {
  std::string_view method;
  std::string_view body;
  const Client::OnData* on_data;  // null: the answer comes whole
  bool repeatable;
  std::string bytes;  // all of the request but a large body
  std::size_t sent = 0;
  bool answered = false;  // some of an answer came

  ~Call() { explicit_bzero(bytes.data(), bytes.size()); }  // the token is in it
  [[nodiscard]] std::size_t size() const { return bytes.size() + body.size(); }
};

}  // namespace

struct Client::Impl {
  Url url;
  ClientOptions options;
  std::optional<ClientSocket> socket;
  std::string ahead;  // bytes read beyond what was parsed

  Result<Response> call(std::string_view method, std::string_view target, const Fields& fields, std::string_view body,
                        const OnData* on_data) {
    auto call = prepare(method, target, fields, body, on_data);
    if (!call) return std::unexpected(call.error());
    for (bool again = false;; again = true) {
      if (socket && socket->stale()) socket.reset();
      const bool reused = socket.has_value();
      if (!reused) {
        if (auto connected = connect(); !connected) return std::unexpected(connected.error());
      }
      auto answer = exchange(*call);
      if (answer) return answer;
      socket.reset();
      // The server may have closed a kept connection just as we used it.
      const bool untouched = !call->answered && (call->repeatable || call->sent < call->size());
      if (again || !reused || !untouched || answer.error().kind == ErrorKind::deadline_exceeded) return answer;
      call->sent = 0;
    }
  }

  Result<Call> prepare(std::string_view method, std::string_view target, const Fields& fields, std::string_view body,
                       const OnData* on_data) const {
    const auto refuse = [](std::string why) { return fail(ErrorKind::invalid_argument, "BAD_REQUEST", std::move(why)); };
    if (!is_token(method)) return refuse("the method is no token");
    if (!target.starts_with('/') || std::ranges::any_of(target, [](char c) { return c <= ' ' || c >= '\x7f' || c == '#'; })) {
      return refuse("the target \"" + std::string(target) + "\" is no percent-encoded path");
    }
    Call call{.method = method, .body = body, .on_data = on_data, .repeatable = is_safe(method)};
    auto& out = call.bytes;
    out.reserve(1024);
    out.append(method).append(" ").append(url.prefix).append(target).append(" HTTP/1.1\r\nHost: ").append(url.authority());
    out.append("\r\nUser-Agent: ").append(options.user_agent);
    if (!options.token.empty()) {
      out.append("\r\n").append(options.token_field.empty() ? "Authorization: Bearer" : options.token_field + ':');
      out.append(" ").append(options.token.reveal());
    }
    for (const auto& [name, value] : fields) {
      if (!is_token(name) || !is_printable(value)) return refuse("the header field \"" + name + "\" cannot be sent");
      if (equal_ignoring_case(name, "Idempotency-Key")) call.repeatable = true;
      out.append("\r\n").append(name).append(": ").append(value);
    }
    if (!is_printable(options.token.reveal()) || options.token.reveal().contains(' ')) {
      return refuse("the token has a blank or control character (a line break at its file's end?)");
    }
    if (!body.empty() || method == "POST" || method == "PUT" || method == "PATCH") {
      out.append("\r\nContent-Length: ").append(std::to_string(body.size()));
    }
    out.append("\r\n\r\n");
    constexpr std::size_t kOnePacket = 16 << 10;
    if (body.size() <= kOnePacket) {
      out.append(body);
      call.body = {};
    }
    return call;
  }

  Result<void> connect() {
    ahead.clear();
    auto connected = ClientSocket::connect(url,
                                           {.ca_file = options.ca_file,
                                            .unix_socket = options.unix_socket,
                                            .addresses = options.addresses,
                                            .peer = options.peer,
                                            .stop = options.stop},
                                           in(options.connect_timeout));
    if (!connected) return std::unexpected(connected.error());
    if (!url.tls && !options.token.empty() && !connected->is_loopback()) {
      return fail(ErrorKind::permission_denied, "INSECURE",
                  "the token is not sent to " + url.str() + ": it would cross the network in the clear; use https://");
    }
    socket.emplace(std::move(*connected));
    return {};
  }

  Result<Response> exchange(Call& call) {
    const auto deadline = in(options.answer_timeout);
    for (auto sent = End::ok; call.sent < call.size();) {
      const auto rest = call.sent < call.bytes.size() ? std::string_view(call.bytes).substr(call.sent)
                                                      : call.body.substr(call.sent - call.bytes.size());
      auto transfer = socket->write(rest, deadline);
      sent = transfer.end;
      call.sent += transfer.size;
      if (sent == End::ok) continue;
      if (sent == End::timed_out) return lost(call, sent, transfer.detail);
      auto early = receive(call, std::min(deadline, in(kEarlyAnswer)));
      socket.reset();
      return early ? early : lost(call, sent, transfer.detail);
    }
    return receive(call, deadline);
  }

  Result<Response> receive(Call& call, Time deadline) {
    std::optional<Parser> parser;
    std::array<char, 32768> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read
    const auto begin = [&] {
      parser.emplace();
      parser->header_limit(kHeaderLimit);
      parser->body_limit(boost::none);
      parser->eager(true);
      if (call.method == "HEAD") parser->skip(true);
    };
    begin();
    bool ended = false;
    for (;;) {
      boost::system::error_code error;
      if (!ahead.empty() && !(parser->is_header_done() && parser->chunked() && may_be_cut_end(ahead))) {
        const auto used = parser->put(asio::buffer(ahead), error);
        ahead.erase(0, used);
      }
      if (ended && parser->got_some() && !parser->is_done()) parser->put_eof(error);
      if (error && error != beast::http::error::need_more) {
        return ended ? lost(call, End::closed, "the connection ended") : lost(call, End::failed, "no HTTP: " + error.message());
      }
      if (parser->is_header_done() && parser->get().result_int() < 200) {
        if (!parser->is_done()) return lost(call, End::failed, "no HTTP");
        begin();
        if (!ahead.empty()) continue;
      }
      const bool streaming = call.on_data != nullptr && parser->is_header_done() && parser->get().result_int() == 200;
      auto& text = parser->get().body();
      if (streaming && !text.empty()) {
        const auto piece = std::exchange(text, {});
        if (!(*call.on_data)(piece)) {
          socket.reset();
          return take(*parser);
        }
      }
      if (text.size() > options.answer_limit) {
        socket.reset();
        return fail(ErrorKind::too_large, "ANSWER_TOO_LARGE",
                    "the answer of " + options.peer + " is longer than " + std::to_string(options.answer_limit) + " bytes");
      }
      if (parser->is_done()) {
        if (ended || !ahead.empty() || !parser->keep_alive()) socket.reset();
        return take(*parser);
      }
      if (ended) return lost(call, End::closed, "the connection ended");
      if (ahead.size() > kHeaderLimit) return lost(call, End::failed, "no HTTP: a header that does not end");
      auto transfer = socket->read(buffer, streaming ? in(options.stream_idle_timeout) : deadline);
      if (transfer.end == End::ok) {
        call.answered = true;
        ahead.append(buffer.data(), transfer.size);
      } else if (transfer.end == End::closed) {
        ended = true;
      } else {
        return lost(call, transfer.end, transfer.detail);
      }
    }
  }

  static Response take(Parser& parser) {
    auto& message = parser.get();
    Response response{.status = static_cast<int>(message.result_int())};
    for (const auto& field : message) {
      response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    if (const auto type = response.header("Content-Type")) response.content_type = *type;
    response.body = std::move(message.body());
    return response;
  }

  /// No answer, or not the whole of one: what that means depends on how far the request came.
  Result<Response> lost(const Call& call, End end, const std::string& why) const {
    if (call.sent < call.size()) {
      return fail(ErrorKind::unavailable, "UNREACHABLE", options.peer + " at " + url.str() + " did not take the request: " + why);
    }
    if (!is_safe(call.method)) {
      return fail(ErrorKind::unknown_outcome, "ANSWER_LOST",
                  "no answer from " + options.peer + " at " + url.str() + " (" + why +
                      "): it may or may not have done what was asked; look before you repeat it");
    }
    if (end == End::timed_out) {
      return fail(ErrorKind::deadline_exceeded, "ANSWER_LATE",
                  "no answer from " + options.peer + " at " + url.str() + " in time");
    }
    return fail(ErrorKind::unavailable, "ANSWER_LOST", "no answer from " + options.peer + " at " + url.str() + ": " + why);
  }
};

Client::Client(Url url, ClientOptions options) : impl_(new Impl{.url = std::move(url), .options = std::move(options)}) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Response> Client::request(std::string_view method, std::string_view target, const Fields& fields, std::string_view body) {
  return impl_->call(method, target, fields, body, nullptr);
}

Result<Response> Client::stream(std::string_view target, const Fields& fields, const OnData& on_data) {
  return impl_->call("GET", target, fields, {}, &on_data);
}

}  // namespace hansa::http
