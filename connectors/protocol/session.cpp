// SPDX-License-Identifier: Apache-2.0
#include "connectors/protocol/session.hpp"

#include "broker/async/first_of.hpp"
#include "broker/async/on_thread.hpp"
#include "broker/async/with_deadline.hpp"
#include "broker/core/encoding.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <utility>

namespace hansa::connectors::protocol {

namespace asio = boost::asio;
using async::Deadline;
using async::Task;

namespace {

constexpr std::size_t kMaxDepth = 16;
constexpr std::size_t kParsedHere = std::size_t{128} << 10;  // a millisecond or two; of 8 MiB it is a hundred
constexpr std::size_t kMaxIdBytes = 64;
constexpr std::int64_t kMostRemaining = 3'600'000;
constexpr std::int64_t kUsualRemaining = 60'000;  // of a request that does not say it

std::unexpected<Error> not_sent(const std::string& why) {
  return fail(ErrorKind::unavailable, "LINE_NOT_SENT", "nothing was sent to the site: " + why);
}

std::int64_t integer_in(const Json& object, const char* key, std::int64_t otherwise) {
  const auto at = object.find(key);
  return at != object.end() && at->is_number_integer() ? at->get<std::int64_t>() : otherwise;
}

bool all_utf8(const Json& json) {
  if (json.is_string()) return is_utf8(json.get_ref<const std::string&>());
  if (!json.is_structured()) return true;
  for (const auto& [key, value] : json.items()) {
    if ((json.is_object() && !is_utf8(key)) || !all_utf8(value)) return false;
  }
  return true;
}

bool is_id(const Json& id) {
  return id.is_number_integer() || (id.is_string() && id.get_ref<const std::string&>().size() <= kMaxIdBytes);
}

asio::awaitable<void> wait_on(async::Event* event) { co_await event->wait(); }

}  // namespace

struct Session::Pending {
  explicit Pending(const asio::any_io_executor& executor) : answered(executor) {}
  std::int64_t id = 0;
  bool left = false;  // its line, or it is leaving
  std::optional<Result<Json>> answer;
  async::Event answered;

  void settle(Result<Json> with) {
    if (!answer) answer = std::move(with);
    answered.set();
  }
};

Session::Session(asio::any_io_executor executor, async::Scheduler& scheduler, std::unique_ptr<Lines> lines, Handler handler,
                 SessionOptions options)
    : executor_(executor),
      scheduler_(scheduler),
      lines_(std::move(lines)),
      handler_(std::move(handler)),
      options_(options),
      end_(executor),
      out_filled_(executor),
      heard_at_(scheduler.now_monotonic()),
      asked_at_(heard_at_),
      tasks_(executor, options.requests, [](std::string_view, const Error&) {}) {}

asio::awaitable<Error> Session::run() {
  try {
    co_await async::first_of(async::first_of(read_lines(), write_lines()), async::first_of(watch_silence(), wait_for_end()));
  } catch (...) { stop(async::to_error(std::current_exception())); }
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  if (!ended_) stop(fail(ErrorKind::unavailable, "CONNECTION_CLOSED", "this end has closed the connection").error());
  (void)co_await tasks_.close();
  auto why = co_await lines_->end(*ended_);
  ended_ = why;
  for (const auto& [id, call] : std::exchange(calls_, {})) {
    if (call->left) {
      call->settle(fail(ErrorKind::unknown_outcome, "NO_ANSWER",
                        "the connection to the site ended before it answered: " + why.message,
                        why.code + (why.detail.empty() ? "" : ": " + why.detail)));
    } else {
      call->settle(not_sent(why.message));
    }
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return why;
}

void Session::stop(Error why) {
  if (!ended_) ended_ = std::move(why);
  end_.set();
}

asio::awaitable<void> Session::wait_for_end() { co_await end_.wait(); }

// ---- lines

asio::awaitable<void> Session::read_lines() {
  while (true) {
    auto line = co_await lines_->read();
    if (!line) co_return stop(std::move(line.error()));
    if (line->ends_with('\r')) line->pop_back();
    ++heard_;
    heard_at_ = scheduler_.now_monotonic();
    const auto whole = std::make_shared<const std::string>(std::move(*line));
    const auto message = co_await parse(whole);  // what comes after it waits, and so does who sends it
    if (auto taken = take(message, *whole); !taken) co_return stop(std::move(taken.error()));
  }
}

Task<Json> Session::parse(std::shared_ptr<const std::string> line) {
  if (options_.readers == nullptr || line->size() <= kParsedHere) co_return parse_json(*line, kMaxDepth);
  std::function<Result<Json>()> work = [line = std::move(line)] { return parse_json(*line, kMaxDepth); };
  co_return co_await async::on_thread<Json>(*options_.readers, std::make_shared<std::atomic<bool>>(false), std::move(work));
}

asio::awaitable<void> Session::write_lines() {
  while (true) {
    if (out_.empty()) {
      if (!co_await out_filled_.wait()) co_return;
      continue;
    }
    auto line = std::move(out_.front());
    out_.pop_front();
    out_bytes_ -= line.text.size();
    if (line.call) line.call->left = true;
    const auto written = co_await async::with_deadline(scheduler_, Deadline::in(scheduler_, options_.dead_after),
                                                       lines_->write(std::move(line.text)));
    if (written) continue;
    if (written.error().kind == ErrorKind::deadline_exceeded) {
      co_return stop(fail(ErrorKind::unavailable, "CONNECTION_CLOGGED",
                          "the other end has not read a line for " + std::to_string(options_.dead_after.count() / 1000) + " s")
                         .error());
    }
    if (line.call) line.call->left = false;
    // Why it ended is what the reading finds; a moment later it would.
    co_await scheduler_.sleep_until(scheduler_.now_monotonic() + Milliseconds{500});
    co_return stop(written.error());
  }
}

void Session::send(std::string text, std::shared_ptr<Pending> call) {
  out_bytes_ += text.size();
  out_.push_back({std::move(text), std::move(call)});
  out_filled_.set();
  if (out_bytes_ > options_.backlog) {
    stop(fail(ErrorKind::unavailable, "CONNECTION_CLOGGED",
              "the other end does not read what it is told: " + std::to_string(out_bytes_ >> 20) + " MiB wait for it")
             .error());
  }
}

asio::awaitable<void> Session::watch_silence() {
  while (true) {
    const auto now = scheduler_.now_monotonic();
    if (now - heard_at_ >= options_.dead_after) {
      co_return stop(fail(ErrorKind::unavailable, "CONNECTION_SILENT",
                          "nothing has come from the other end for " + std::to_string(options_.dead_after.count() / 1000) +
                              " s, not even an answer to a ping: it hangs, or the network between is cut")
                         .error());
    }
    if (now - std::max(heard_at_, asked_at_) >= options_.ping_after) {
      asked_at_ = now;
      send(request_text(++last_id_, method::ping, Json::object()));  // whatever comes shows that it lives
    }
    co_await scheduler_.sleep_until(std::max(heard_at_, asked_at_) + std::min(options_.ping_after, options_.dead_after));
  }
}

// ---- what comes

Result<void> Session::take(const Result<Json>& message, std::string_view line) {
  const auto is_rpc = [&] {
    if (!message || !message->is_object()) return false;
    const auto version = message->find("jsonrpc");
    return version != message->end() && *version == "2.0";
  };
  if (!is_rpc()) {
    return fail(ErrorKind::internal, heard_ == 1 ? "NOT_THE_PROTOCOL" : "BAD_LINE",
                heard_ == 1
                    ? "the other end begins with " + excerpt(line) +
                          ", which is not the connector protocol: nothing may be printed before it (a message of the day, "
                          "what start-up files of the account's shell say, colours); a forced command in authorized_keys keeps "
                          "those out"
                    : "line " + std::to_string(heard_) + " from the other end is no JSON-RPC 2.0 message: " + excerpt(line),
                message ? "" : message.error().message);
  }
  return message->contains("method") ? take_request(*message) : take_answer(*message);
}

Result<void> Session::take_request(const Json& message) {
  const auto id = message.find("id");
  const auto& name = message["method"];
  auto params = message.contains("params") ? message["params"] : Json::object();
  if (!name.is_string() || !params.is_object() || (id != message.end() && !is_id(*id)))
    return fail(ErrorKind::internal, "BAD_LINE",
                "the other end sent a request without a name, with an odd id, or without an object of parameters");
  if (id == message.end()) {
    if (name != method::cancel_request || !params.contains("id"))
      return {};  // of a notification that is not known nothing is made
    if (const auto at = serving_.find(text_of(params["id"])); at != serving_.end()) at->second->set();
    return {};
  }
  if (name == method::ping) {
    send(result_text(*id, Json::object()));
    return {};
  }
  const auto key = text_of(*id);
  Result<void> begun = fail(ErrorKind::invalid_argument, "SAME_ID", "a request with this id is being served");
  if (!serving_.contains(key)) {
    begun = tasks_.spawn("request", serve(*id, name.get<std::string>(), std::move(params)));
    if (begun)
      serving_.emplace(key, std::make_shared<async::Event>(executor_));
    else
      begun = fail(ErrorKind::rate_limited, "BUSY",
                   std::to_string(options_.requests) + " requests are being served; try again later");
  }
  if (!begun) send(error_text(*id, begun.error()));
  return {};
}

Result<void> Session::take_answer(const Json& message) {
  const auto id = message.find("id");
  const auto result = message.find("result");
  const auto error = message.find("error");
  if (id == message.end() || (result == message.end()) == (error == message.end()))
    return fail(ErrorKind::internal, "BAD_LINE",
                "the other end sent what is neither a request nor an answer: an answer has an id, and a result or an error");
  if (error != message.end() && id->is_null()) {
    return fail(ErrorKind::internal, "NOT_UNDERSTOOD",
                "the other end did not understand a line: " + error_from_json(*error).message);
  }
  const auto at = id->is_number_integer() ? calls_.find(id->get<std::int64_t>()) : calls_.end();
  if (at == calls_.end()) return {};  // of a ping, or too late
  const auto call = at->second;
  calls_.erase(at);
  if (error != message.end())
    call->settle(std::unexpected(error_from_json(*error)));
  else
    call->settle(*result);
  return {};
}

Deadline Session::deadline_of(const Json& params) {
  auto remaining = Milliseconds{std::clamp(integer_in(params, "remaining_ms", kUsualRemaining), std::int64_t{0}, kMostRemaining)};
  const auto sent = params.find("clock_ms");
  if (sent != params.end() && sent->is_number_integer() && sent->get<std::int64_t>() >= 0 &&
      sent->get<std::int64_t>() < std::int64_t{1} << 53) {
    remaining -= transit_.delay(Milliseconds{sent->get<std::int64_t>()}, scheduler_.now_monotonic());
  }
  return Deadline::in(scheduler_, std::max(remaining, Milliseconds{0}));
}

Task<> Session::serve(Json id, std::string method, Json params) {
  const auto deadline = deadline_of(params);
  const auto given_up = serving_.at(text_of(id));
  std::optional<Result<Json>> outcome;
  co_await async::first_of(
      async::detail::keep(&outcome,
                          async::with_deadline(scheduler_, deadline, handler_(std::move(method), std::move(params), deadline))),
      wait_on(given_up.get()));
  serving_.erase(text_of(id));
  if (!outcome) outcome = std::unexpected(async::detail::cancelled());
  auto text = *outcome ? result_text(id, **outcome) : error_text(id, outcome->error());
  if (text.size() > kMaxLineBytes) {
    text = error_text(
        id, fail(ErrorKind::too_large, "ANSWER_TOO_LARGE", "the answer does not fit into a line of 8 MiB: ask for less at a time")
                .error());
  }
  send(std::move(text));
  co_return Result<void>{};
}

// ---- what is asked

void Session::forget(const std::shared_ptr<Pending>& call) {
  if (calls_.erase(call->id) == 0) return;
  if (call->left)
    send(notification_text(method::cancel_request, {{"id", call->id}}));
  else
    std::erase_if(out_, [&](const Line& line) {
      const bool is_its = line.call == call;
      if (is_its) out_bytes_ -= line.text.size();
      return is_its;
    });
}

Task<Json> Session::call(std::string_view name, Json params, Deadline deadline) {
  if (ended_) co_return not_sent(ended_->message);
  if (!all_utf8(params))
    co_return fail(ErrorKind::invalid_argument, "NOT_UTF8", "nothing was sent to the site: a text of the request is not UTF-8");
  params["remaining_ms"] = deadline.remaining(scheduler_).count();
  params["clock_ms"] = scheduler_.now_monotonic().since_origin.count();
  const auto call = std::make_shared<Pending>(executor_);
  call->id = ++last_id_;
  auto text = request_text(call->id, name, std::move(params));
  if (text.size() > kMaxLineBytes)
    co_return fail(ErrorKind::too_large, "LINE_TOO_LONG",
                   "nothing was sent to the site: the request does not fit into a line of 8 MiB");
  calls_.emplace(call->id, call);
  send(std::move(text), call);
  struct Leave {
    Session& session;
    std::shared_ptr<Pending> call;
    ~Leave() { session.forget(call); }
  } leave{*this, call};
  while (!call->answer && co_await call->answered.wait_until(scheduler_, deadline.at)) {}
  if (call->answer) co_return std::move(*call->answer);
  if (!call->left) co_return not_sent("it took no more lines in time");
  co_return fail(ErrorKind::unknown_outcome, "NO_ANSWER", "the site did not answer in time");
}

}  // namespace hansa::connectors::protocol
