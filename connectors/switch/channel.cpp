// SPDX-License-Identifier: Apache-2.0
#include "connectors/switch/channel.hpp"

#include "broker/core/canonical_json.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>

namespace hansa::connectors::account_switch {
namespace {

constexpr std::size_t kReadPiece = std::size_t{64} * 1024;
constexpr std::size_t kFramePiece = std::size_t{64} * 1024;
constexpr int kSendTimeMs = 30'000;

}  // namespace

short Channel::watched_events() const { return is_socket_ ? POLLIN | POLLRDHUP : 0; }

bool Channel::caller_gone() const {
  pollfd ready{watched(), watched_events(), 0};
  return ::poll(&ready, 1, 0) > 0;
}

Result<std::string> Channel::read_exactly(std::size_t count) {
  using namespace std::chrono;
  std::string bytes;
  while (bytes.size() < count) {
    const auto left = ceil<milliseconds>(request_due_ - steady_clock::now()).count();
    pollfd ready{in_, POLLIN, 0};
    const int polled = left <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(left));
    if (polled < 0 && errno == EINTR) continue;
    if (polled <= 0) {
      return fail(ErrorKind::deadline_exceeded, "REQUEST_TOO_SLOW",
                  "the request did not arrive as a whole in the time that the site's switch.toml allows (request_time_s)");
    }
    const auto before = bytes.size();
    bytes.resize(before + std::min(kReadPiece, count - before));
    const auto got = ::read(in_, bytes.data() + before, bytes.size() - before);
    bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return fail(ErrorKind::invalid_argument, "REQUEST_TRUNCATED", "the connection ended within the request");
  }
  return bytes;
}

bool Channel::write_all(std::string_view bytes) {
  // poll() promises room for PIPE_BUF bytes of a blocking pipe; a socket of ours does not block.
  const auto piece = is_socket_ ? bytes.size() : std::size_t{PIPE_BUF};
  while (!bytes.empty()) {
    pollfd ready{out_, POLLOUT, 0};
    const int polled = ::poll(&ready, 1, kSendTimeMs);
    if (polled < 0 && errno == EINTR) continue;
    if (polled <= 0 || (ready.revents & POLLOUT) == 0) return false;
    const auto written = ::write(out_, bytes.data(), std::min(piece, bytes.size()));  // SIGPIPE is ignored
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool Channel::send(char type, std::string_view payload) {
  while (!payload.empty()) {
    const auto piece = payload.substr(0, kFramePiece);
    payload.remove_prefix(piece.size());
    std::string frame(1, type);
    for (const unsigned shift : {24U, 16U, 8U, 0U}) frame += static_cast<char>(piece.size() >> shift & 0xffU);
    frame += piece;
    if (!write_all(frame)) return false;
  }
  return true;
}

bool Channel::send_end(int wait_status, bool out_truncated, bool err_truncated) {
  Json end = {{"out_truncated", out_truncated}, {"err_truncated", err_truncated}};
  if (WIFSIGNALED(wait_status)) {
    end["signal"] = WTERMSIG(wait_status);
  } else {
    end["exit_status"] = WEXITSTATUS(wait_status);
  }
  return send('x', canonical_json(end));
}

bool Channel::send_error(const Error& error, bool started) {
  auto message = one_line(error);
  if (message.size() > 4096) message.resize(4096);
  return send('x', canonical_json({{"error", {{"kind", to_string(error.kind)}, {"code", error.code}, {"message", message}}},
                                   {"started", started}}));
}

}  // namespace hansa::connectors::account_switch
