// SPDX-License-Identifier: Apache-2.0
// Any lines as what the other end of a connection sends: the session serves, settles and ends. Each call of ours has one answer,
// each request at most one, and what leaves is the protocol.

#include "broker/async/real_scheduler.hpp"
#include "broker/core/encoding.hpp"
#include "connectors/protocol/session.hpp"
#include "tests/fuzz/require.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <deque>
#include <optional>
#include <vector>

using namespace hansa;
using namespace hansa::connectors::protocol;

namespace {

constexpr std::size_t kAtOnce = 8;

struct Wire final : Lines {
  std::deque<std::string> incoming;
  std::vector<std::string>* written = nullptr;

  async::Task<std::string> read() override {
    if (incoming.empty()) co_return fail(ErrorKind::unavailable, "CONNECTION_ENDED", "it has ended");
    auto line = std::move(incoming.front());
    incoming.pop_front();
    co_return line;
  }
  async::Task<> write(std::string line) override {
    written->push_back(std::move(line));
    co_return Result<void>{};
  }
  boost::asio::awaitable<Error> end(Error why) override { co_return why; }
};

async::Task<Json> serve(std::string method, Json params, async::Deadline) {
  require(is_utf8(method) && params.is_object());
  if (method.size() % 2 == 0) co_return fail(ErrorKind::not_found, "NO", method);
  co_return params;
}

void check_written(const std::string& line) {
  const auto json = parse_json(line);
  require(json && json->is_object() && json->at("jsonrpc") == "2.0" && !line.contains('\n') && is_utf8(line));
  require(json->contains("method") || (json->contains("id") && json->contains("result") != json->contains("error")));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static async::RealScheduler scheduler;
  auto text = as_text(bytes, size);
  auto wire = std::make_unique<Wire>();
  std::vector<std::string> written;
  wire->written = &written;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    wire->incoming.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto lines = wire->incoming.size();
  boost::asio::io_context context{1};
  Session session(context.get_executor(), scheduler, std::move(wire), serve, {.requests = kAtOnce});
  std::vector<std::optional<Result<Json>>> answers(3);
  std::optional<Error> why;
  auto run = [](Session* of, std::optional<Error>* ended) -> boost::asio::awaitable<void> { *ended = co_await of->run(); };
  for (auto& answer : answers) {  // before it runs, so that the ids of its answers are ours
    boost::asio::co_spawn(
        context,
        async::detail::keep(&answer, session.call("status", Json::object(), async::Deadline::in(scheduler, Seconds{60}))),
        [](const std::exception_ptr&) {});
  }
  boost::asio::co_spawn(context, run(&session, &why), [](const std::exception_ptr&) {});
  context.run();
  require(why && !why->code.empty() && !why->message.empty() && session.ended());
  for (const auto& answer : answers) require(answer.has_value());
  require(written.size() <= lines + 2 * answers.size());
  for (const auto& line : written) check_written(line);
  return 0;
}
