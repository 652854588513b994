// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/switch_transport.hpp"

#include "broker/async/with_deadline.hpp"
#include "connectors/transport/switch_protocol.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

namespace hansa::connectors::transport {

namespace asio = boost::asio;

namespace {

constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
constexpr Milliseconds kBusyPause{20};  // while the switch's queue of connections is full

/// One command's connection. Owned by run(), which outlives what it awaits.
struct Conversation {
  Conversation(const asio::any_io_executor& executor, std::string bytes, std::size_t output_limit)
      : socket(executor), request(std::move(bytes)), reply(output_limit) {}

  asio::local::stream_protocol::socket socket;
  std::string request;
  std::size_t sent = 0;
  ReplyReader reply;
  bool broken = false;  // the connection ended, or what came was no answer
  std::array<char, 65536> buffer;
};

enum class Connected { yes, busy };

/// Unix sockets connect at once or not at all.
Result<Connected> connect(asio::local::stream_protocol::socket& socket, const std::string& path, uid_t owner) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::invalid_argument, "SWITCH_SOCKET",
                "broker.switch_socket: \"" + path + "\" must be a path of 1 to 107 bytes");
  }
  path.copy(address.sun_path, path.size());
  const auto unavailable = [&](int error, const std::string& remedy) {
    return fail(ErrorKind::unavailable, "SWITCH_UNAVAILABLE",
                "hansa-switch cannot be reached at " + path + " (" + std::generic_category().message(error) + "): " + remedy);
  };
  boost::system::error_code failed;
  socket.open({}, failed);
  if (!failed) socket.native_non_blocking(true, failed);
  if (failed) return unavailable(failed.value(), "this broker is short of descriptors");
  if (::connect(socket.native_handle(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int error = errno;
    socket.close(failed);
    if (error == EAGAIN) return Connected::busy;
    if (error == EACCES) return unavailable(error, "let this broker's account connect (SocketGroup= in hansa-switch.socket)");
    return unavailable(error, "start it (systemctl start hansa-switch.socket), or set broker.switch_socket to where it listens");
  }
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.uid != owner) {
    return fail(ErrorKind::permission_denied, "SWITCH_IMPOSTOR",
                "what listens at " + path + " is not root's hansa-switch but uid " + std::to_string(peer.uid) +
                    "'s: nothing was sent to it");
  }
  return Connected::yes;
}

/// To the end of the answer; ends early, without throwing, when cut.
async::Task<> read_reply(Conversation* talk) {
  while (!talk->reply.ended()) {
    const auto [failed, count] = co_await talk->socket.async_read_some(asio::buffer(talk->buffer), kAsTuple);
    if (failed == asio::error::operation_aborted) co_return Result<void>();
    if (failed || !talk->reply.take({talk->buffer.data(), count})) {
      talk->broken = true;
      co_return Result<void>();
    }
  }
  co_return Result<void>();
}

async::Task<> exchange(Conversation* talk) {
  const auto [failed, count] = co_await asio::async_write(talk->socket, asio::buffer(talk->request), kAsTuple);
  talk->sent = count;
  if (failed == asio::error::operation_aborted) co_return Result<void>();
  // Another failure may be a refusal before all was sent: its reason is there to be read.
  co_return co_await read_reply(talk);
}

}  // namespace

SwitchTransport::SwitchTransport(async::Scheduler& scheduler, std::string socket, uid_t owner)
    : scheduler_(scheduler), path_(std::move(socket)), owner_(owner) {}

async::Task<CommandResult> SwitchTransport::run(Command command, async::Deadline deadline) {
  if (auto valid = check(command); !valid) co_return std::unexpected(valid.error());
  if (command.account.empty() || command.person.empty()) {
    co_return fail(ErrorKind::invalid_argument, "COMMAND",
                   "a command through hansa-switch needs an account, and a person on whose behalf: " + command.program);
  }
  auto request = encode_request(command, limit_of(command, deadline, scheduler_));
  if (!request) co_return std::unexpected(request.error());
  const auto talk = std::make_unique<Conversation>(co_await asio::this_coro::executor, std::move(*request), command.output_limit);

  while (true) {
    if (deadline.passed(scheduler_)) co_return std::unexpected(deadline_passed());
    const auto connected = connect(talk->socket, path_, owner_);
    if (!connected) co_return std::unexpected(connected.error());
    if (*connected == Connected::yes) break;
    co_await scheduler_.sleep_until(scheduler_.now_monotonic() + kBusyPause);
  }

  // From the first byte to the end nothing may throw past the connection: what may have been started is told, not lost.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await async::with_deadline(scheduler_, deadline, exchange(talk.get()));
  auto& reply = talk->reply;
  bool timed_out = false;
  bool cancelled = false;
  if (!reply.ended() && !talk->broken) {
    timed_out = deadline.passed(scheduler_);
    cancelled = !timed_out;
    if (talk->sent == talk->request.size()) {
      boost::system::error_code ignored;
      talk->socket.shutdown(asio::socket_base::shutdown_send, ignored);  // the switch ends the program and still tells how
      co_await async::with_deadline(scheduler_, async::Deadline::in(scheduler_, kEndGrace), read_reply(talk.get()));
    }
  }
  boost::system::error_code ignored;
  talk->socket.close(ignored);
  co_await asio::this_coro::throw_if_cancelled(throws);

  // CALLER_GONE: cut while it waited for its turn, and so never started.
  if (reply.refusal() && reply.refusal()->code != "CALLER_GONE") co_return std::unexpected(*reply.refusal());
  const bool never_started = talk->sent < talk->request.size() || reply.refusal();
  if (never_started && timed_out) co_return std::unexpected(deadline_passed());
  if (never_started && cancelled) co_return std::unexpected(caller_cancelled());
  if (never_started) {
    co_return fail(ErrorKind::unavailable, "SWITCH_UNAVAILABLE",
                   "hansa-switch at " + path_ + " ended the connection before the request was sent: its log (authpriv) says why");
  }
  if (!reply.ended() && !timed_out && !cancelled) {
    co_return fail(ErrorKind::unknown_outcome, "SWITCH_LOST",
                   "hansa-switch at " + path_ + " ended the connection without an answer: whether the command ran is not known");
  }
  auto& result = reply.result();
  result.timed_out = timed_out;
  result.cancelled = cancelled;
  co_return std::move(result);
}

}  // namespace hansa::connectors::transport
