// SPDX-License-Identifier: Apache-2.0
#pragma once
// One end of the connector protocol on a connection, whatever carries it: requests and answers in any order, both ways, many at a
// time. Both ends are the same; who asks what is for those who use it.
//
// A request carries how long its answer is of use (`remaining_ms`) and when it left (`clock_ms`, the sender's own): a line that
// was held up on its way is not acted on past its time. Who asked and waits no longer says so (`cancel_request`). An end that
// hears nothing for a while asks (`ping`), and ends the connection if nothing comes.
//
// Strand: that of `executor`. It outlives run() and its calls: those who call hold it.

#include "broker/async/deadline.hpp"
#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/task_group.hpp"
#include "connectors/protocol/lines.hpp"
#include "connectors/protocol/rpc.hpp"
#include "connectors/protocol/transit.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace boost::asio {
class thread_pool;
}

namespace hansa::connectors::protocol {

struct SessionOptions {
  std::size_t requests = 64;  // of the other end under way; one more is refused (BUSY)
  std::size_t backlog = std::size_t{256} << 20;  // bytes that wait to be taken; with more of them the connection ends
  Milliseconds ping_after{20'000};  // of silence
  Milliseconds dead_after{90'000};
  boost::asio::thread_pool* readers = nullptr;  // where long lines are parsed, away from the strand; outlives it. Null: nowhere
};

class Session {
 public:
  /// Serves one request. What takes longer than `deadline` is cut.
  using Handler = std::function<async::Task<Json>(std::string method, Json params, async::Deadline deadline)>;

  Session(boost::asio::any_io_executor executor, async::Scheduler& scheduler, std::unique_ptr<Lines> lines, Handler handler,
          SessionOptions options = {});

  /// Reads, writes and serves until the connection ends, somebody calls stop(), or the caller is cancelled. Then what was being
  /// served has been cut, the carrier has ended, and every call has its Error. Answers why.
  boost::asio::awaitable<Error> run();

  /// The result of the other end's method. Errors, beside those that it answers: unavailable (LINE_NOT_SENT: for certain nothing
  /// left, also if time ran out before), too_large (LINE_TOO_LONG: neither), unknown_outcome (NO_ANSWER: it left, and the
  /// connection ended or time ran out), invalid_argument (NOT_UTF8: nothing left).
  async::Task<Json> call(std::string_view method, Json params, async::Deadline deadline);

  void stop(Error why);
  [[nodiscard]] bool ended() const { return ended_.has_value(); }

 private:
  struct Pending;
  struct Line {
    std::string text;
    std::shared_ptr<Pending> call;  // whose request it is
  };

  boost::asio::awaitable<void> read_lines();
  boost::asio::awaitable<void> write_lines();
  boost::asio::awaitable<void> watch_silence();
  boost::asio::awaitable<void> wait_for_end();
  async::Task<Json> parse(std::shared_ptr<const std::string> line);
  Result<void> take(const Result<Json>& message, std::string_view line);
  Result<void> take_request(const Json& message);
  Result<void> take_answer(const Json& message);
  async::Task<> serve(Json id, std::string method, Json params);
  [[nodiscard]] async::Deadline deadline_of(const Json& params);
  void send(std::string text, std::shared_ptr<Pending> call = {});
  void forget(const std::shared_ptr<Pending>& call);

  boost::asio::any_io_executor executor_;
  async::Scheduler& scheduler_;
  std::unique_ptr<Lines> lines_;
  Handler handler_;
  SessionOptions options_;
  Transit transit_;
  std::optional<Error> ended_;
  async::Event end_;
  std::deque<Line> out_;
  std::size_t out_bytes_ = 0;
  async::Event out_filled_;
  std::int64_t last_id_ = 0;
  std::map<std::int64_t, std::shared_ptr<Pending>> calls_;  // of ours that have no answer yet
  std::map<std::string, std::shared_ptr<async::Event>> serving_;  // by the request's id; set: its caller waits no longer
  std::size_t heard_ = 0;  // lines
  MonotonicTime heard_at_;
  MonotonicTime asked_at_;
  async::TaskGroup tasks_;
};

}  // namespace hansa::connectors::protocol
