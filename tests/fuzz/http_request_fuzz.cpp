// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a client sends over one connection, to the server's own session: it answers or hangs up, and a request that
// reaches the handler keeps the promises of message.hpp. The handler reads it as those of broker/api do.
#include "broker/api/answers.hpp"
#include "broker/core/encoding.hpp"
#include "broker/core/time_text.hpp"
#include "broker/http/session.hpp"
#include "broker/identity/tokens.hpp"
#include "tests/fuzz/require.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>

using namespace hansa;

namespace {

constexpr std::size_t kBodyLimit = 1024;

class NoTokens final : public ports::TokenStore {
  async::Task<> create_token(ports::ApiToken) override { co_return Result<void>{}; }
  async::Task<ports::ApiToken> token_by_hash(std::string) override { co_return ports::ApiToken{}; }
  async::Task<std::vector<ports::ApiToken>> tokens() override { co_return std::vector<ports::ApiToken>{}; }
  async::Task<ports::ApiToken> revoke_token(std::string, UtcTime) override { co_return ports::ApiToken{}; }
};

void check_promises(const http::Request& request) {
  require(!request.method.empty());
  require(request.path.starts_with('/') || (request.path == "*" && request.method == "OPTIONS"));
  require(is_utf8(request.path) && std::ranges::none_of(request.path, [](char c) { return c >= 0 && c < ' '; }));
  require((request.path + "/").find("/../") == std::string::npos && (request.path + "/").find("/./") == std::string::npos);
  for (const auto& [name, value] : request.query) require(is_utf8(name) && is_utf8(value));
  require(request.headers.count("host") <= 1 && request.body.size() <= kBodyLimit);
  require(request.headers.count("content-length") + request.headers.count("transfer-encoding") <= 1);
}

void require_told(const Error& error) {
  require(error.kind == ErrorKind::invalid_argument && !error.message.empty());
  for (const auto& fault : error.faults) require(!fault.message.empty());
}

Result<void> read_as_handlers_do(const http::Request& request) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  api::QueryReader query(request.query);
  for (const auto& state : query.list("state")) {
    require(!state.empty());
    if (!domain::parse_job_state(state)) query.fault("state", "no state");
  }
  if (const auto cursor = query.text("cursor"); cursor && !JobId::parse(*cursor)) query.fault("cursor", "no cursor");
  const auto since = query.time("since");
  const auto limit = query.integer("limit", 100, 1, 1000);
  const auto after = query.integer("after", -1, 0, kMost);
  query.flag("dry_run");
  require(limit >= 1 && limit <= 1000 && after >= -1);
  if (since) require(parse_utc(format_utc(*since)) == *since);
  if (auto done = query.finish(); !done) return done;
  if (const auto last = request.headers.get("last-event-id")) {
    const http::Query resumed{{"after", std::string(*last)}};
    api::QueryReader reader(resumed);
    require(reader.integer("after", -1, 0, kMost) >= -1);
    if (auto done = reader.finish(); !done) return done;
  }
  if (const auto wait = api::preferred_wait(request.headers, Seconds{55})) require(*wait >= Seconds{0} && *wait <= Seconds{55});
  api::BodyReader body(request);
  require(is_utf8(body.required("as")) && is_utf8(body.text("reason")));
  if (auto done = body.finish(); !done) return done;
  return {};
}

async::Task<std::optional<std::string>> piece(std::shared_ptr<int> left) {
  co_return (*left)-- > 0 ? std::optional<std::string>("data: x\n\n") : std::nullopt;
}

async::Task<http::Response> answer(http::Request request) {
  check_promises(request);
  static async::RealScheduler clock;
  static async::SystemRandom random;
  static NoTokens no_tokens;
  static const identity::TokenAuthority authority(clock, random, no_tokens);
  const auto caller = authority.authenticate(request.headers.get("authorization").value_or(""));
  require(!caller && caller.error().kind == ErrorKind::unauthenticated);
  if (request.path.starts_with("/s")) {
    http::Response stream{.content_type = "text/event-stream", .body = ": begins\n\n"};
    stream.next = [left = std::make_shared<int>(2)] { return piece(left); };
    co_return stream;
  }
  const auto read = read_as_handlers_do(request);
  if (!read) require_told(read.error());
  co_return read ? api::json_answer(200, {{"path", request.path}}) : api::problem_answer(read.error(), request.request_id);
}

std::string received(int socket) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0;)
    text.append(buffer.data(), static_cast<std::size_t>(got));
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size > 16 * 1024) return 0;  // the socket holds it, and all of the answers
  using Socket = http::Tcp::socket;
  static http::Shared shared({.header_limit = 2048,
                              .target_limit = 512,
                              .body_limit = [](std::string_view, std::string_view) { return kBodyLimit; },
                              .on_event = [](const http::ServerEvent&) {}},
                             answer);
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  std::string text;
  {
    http::Worker worker(shared);
    Socket socket(worker.io);
    socket.assign(http::Tcp::v4(), ends[1]);  // whose kind it is, nothing here asks
    auto session = std::make_unique<http::Session<Socket>>(worker, std::move(socket), http::Tcp::endpoint(), http::Share{});
    require(worker.group.spawn("connection", http::Session<Socket>::run(std::move(session))).has_value());
    const std::size_t piece = size % 3 == 0 ? size : 1 + size % 7;  // as the network cuts it
    for (std::size_t sent = 0; sent < size;) {
      const auto part = std::min(piece, size - sent);
      if (::send(ends[0], bytes + sent, part, MSG_NOSIGNAL) != static_cast<ssize_t>(part)) break;  // it hung up
      sent += part;
      if (piece < size) worker.io.poll();
    }
    ::shutdown(ends[0], SHUT_WR);
    while (worker.group.size() > 0) worker.io.run_one();
    text = received(ends[0]);
  }
  ::close(ends[0]);
  require(text.empty() || (text.starts_with("HTTP/1.1 ") && text.contains("\r\n\r\n")));
  require(shared.answer_bytes == 0 && shared.streams == 0 && shared.body_bytes == 0);
  return 0;
}
