// SPDX-License-Identifier: Apache-2.0
#pragma once
// The protocol's lines as the messages of a WebSocket (RFC 6455) over TLS: one text message a line, without a newline, 8 MiB at
// most, not compressed. And what comes before it: the head of the request that asks for it, a request without one.
//
// Strand: that of the stream's executor.

#include "broker/async/deadline.hpp"
#include "broker/async/scheduler.hpp"
#include "connectors/protocol/lines.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace hansa::connectors::websocket {

using Tcp = boost::asio::ip::tcp;
using TlsStream = boost::asio::ssl::stream<Tcp::socket>;

inline constexpr auto kAsTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

/// Of a request, what counts here. Everything may hold what any client can send, within the header's limit.
struct RequestHead {
  std::string method;
  std::string target;
  std::string authorization;
  std::string user_agent;
  bool upgrades = false;
  bool has_body = false;
};

/// `head`: all of it, with its empty line. invalid_argument, BAD_REQUEST.
Result<RequestHead> read_request_head(std::string_view head);

struct Answer {
  int status = 0;
  std::string body;
};
/// Sends `request` as it is, and reads one answer of bounded size.
async::Task<Answer> exchange(TlsStream* stream, std::string request);

/// Of an answer that refuses: its problem's code and words (RFC 9457), of bounded size.
Error refusal_of(const Answer& answer);

class WebSocket final : public protocol::Lines {
 public:
  /// Answers the request for a WebSocket whose head was read from the stream.
  static async::Task<std::shared_ptr<WebSocket>> accept(TlsStream stream, std::string head);

  /// Asks for one; `authorization` is the field of that name, if it is not empty. Errors: refusal_of() what the other end
  /// answers.
  static async::Task<std::unique_ptr<WebSocket>> open(TlsStream stream, std::string host, std::string target, std::string name,
                                                      std::string authorization);

  ~WebSocket() override;
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  async::Task<std::string> read() override;
  async::Task<> write(std::string line) override;
  boost::asio::awaitable<Error> end(Error why) override;

  /// Whether the other end answers a ping, while somebody reads here. Errors: it did not in time, or the connection has ended.
  async::Task<> probe(async::Scheduler& scheduler, async::Deadline deadline);

  /// Tells the other end why (the code and the beginning of the message), waits a moment for its farewell, and ends. Whoever
  /// reads is told `why`.
  boost::asio::awaitable<void> cut(async::Scheduler& scheduler, Error why);

  /// From any thread.
  [[nodiscard]] boost::asio::any_io_executor executor() const;

 private:
  struct Impl;
  explicit WebSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hansa::connectors::websocket
