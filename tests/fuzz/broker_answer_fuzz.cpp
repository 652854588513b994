// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a broker, or whoever listens in its place, answers to `hansa`: a response or an error that says what is
// known, and nothing in the text made of it reaches the terminal but what is printable.
#include "broker/cli/estimate_report.hpp"
#include "broker/cli/explanation.hpp"
#include "broker/cli/job_watch.hpp"
#include "broker/core/encoding.hpp"
#include "broker/http/client.hpp"
#include "broker/http/client_socket.hpp"
#include "broker/wire/views.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>
#include <cstring>

using namespace hansa;

namespace {
std::string_view incoming;  // not yet read by the client
}

// In place of client_socket.cpp: a connection that answers `incoming`, in pieces, and closes.
namespace hansa::http {
struct ClientSocket::Tls {};
ClientSocket::ClientSocket() = default;
ClientSocket::ClientSocket(ClientSocket&&) noexcept = default;
ClientSocket& ClientSocket::operator=(ClientSocket&&) noexcept = default;
ClientSocket::~ClientSocket() = default;
Result<ClientSocket> ClientSocket::connect(const Url&, const Way&, Time) { return ClientSocket(); }
ClientSocket::Transfer ClientSocket::write(std::string_view bytes, Time) { return {.end = End::ok, .size = bytes.size()}; }
ClientSocket::Transfer ClientSocket::read(std::span<char> into, Time) {
  if (incoming.empty()) return {.end = End::closed};
  const auto size =
      std::min({into.size(), incoming.size(), incoming.size() % 3 == 0 ? incoming.size() : 1 + incoming.size() % 23});
  std::memcpy(into.data(), incoming.data(), size);
  incoming.remove_prefix(size);
  return {.end = End::ok, .size = size};
}
bool ClientSocket::stale() const { return fd_ >= 0; }
bool ClientSocket::is_loopback() const { return true; }
}  // namespace hansa::http

namespace {

void require_printable(const std::string& text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    const auto line = text.substr(begin, end - begin);
    require(cli::printable(line) == line);
    begin = end + 1;
  }
}

void show(const Json& json, int status) {
  const cli::Look narrow{.width = 40, .colours = false};
  require_printable(cli::complaint(wire::error_from_problem(status, json)));
  require_printable(cli::explanation(json, narrow));
  require_printable(cli::state_sentence(json, from_unix_seconds(1'800'000'000)));
  require_printable(cli::estimates_table(json, narrow));
  require(cli::estimates_csv(json).ends_with("\r\n"));
  require(is_utf8(cli::clipped(cli::shown(json, "detail"), 20)));
}

void check(const Result<http::Response>& answer, bool changes) {
  if (!answer) {
    const auto& error = answer.error();
    require(!error.message.empty() && (error.code == "ANSWER_LOST" || error.code == "ANSWER_TOO_LARGE"));
    require((error.kind == ErrorKind::unknown_outcome) == (changes && error.code == "ANSWER_LOST"));
    return;
  }
  require(answer->status >= 200 && answer->status <= 999);
  if (const auto json = parse_json(answer->body, 32)) show(*json, answer->status);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  http::Client client(*http::Url::parse("http://127.0.0.1:7717"), {.answer_limit = 64 * 1024});
  for (const auto* method : {"GET", "POST", "HEAD"}) {
    incoming = text;
    check(client.request(method, "/v1/jobs", {}, ""), std::string_view(method) == "POST");
  }
  incoming = text;
  std::size_t streamed = 0;
  static_cast<void>(client.stream("/v1/events", {}, [&](std::string_view piece) { return (streamed += piece.size()) < 1000; }));
  require(streamed <= size);
  if (const auto json = parse_json(text, 32)) show(*json, 400);  // without the trouble of an HTTP header before it
  return 0;
}
