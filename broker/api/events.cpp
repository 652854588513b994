// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/canonical_json.hpp"

#include <memory>
#include <unordered_map>

namespace hansa::api {

namespace {

constexpr std::size_t kPage = 500;
constexpr Seconds kHeartbeat{15};

/// One client's stream: where it stands, and whose jobs it has met.
class EventStream {
 public:
  EventStream(Exchange exchange, std::int64_t after) : exchange_(std::move(exchange)), after_(after) {}

  /// The next events; a comment when there were none for a while, so that a dead client is noticed.
  async::Task<std::optional<std::string>> next() {
    const auto& parts = exchange_.api.parts();
    const auto heartbeat = async::Deadline::in(parts.scheduler, kHeartbeat);
    while (true) {
      auto events = co_await parts.jobs.events_after(after_, kPage);
      if (!events) co_return std::unexpected(events.error());
      std::string text;
      for (const auto& stored : *events) {
        after_ = stored.sequence;
        if (!co_await may_see(stored.job)) continue;
        auto view = wire::event_view(stored.event, stored.version);
        view["job"] = stored.job.str();
        text += "id: " + std::to_string(stored.sequence) + "\nevent: " + std::string(domain::event_name(stored.event.body)) +
                "\ndata: " + canonical_json(view) + "\n\n";
      }
      // A stream lasts for as long as its client likes; its token and role need not. Who comes back is told why.
      const auto token = std::string(exchange_.request.headers.get("authorization").value_or(""));
      const auto now = co_await exchange_.api.caller_of(token, async::Deadline::in(parts.scheduler, kHeartbeat));
      const auto& then = exchange_.caller;
      if (!now || now->principal != then.principal || now->role != then.role || now->sites != then.sites ||
          now->leads != then.leads)
        co_return std::nullopt;
      if (!text.empty()) co_return text;
      if (events->size() == kPage) continue;
      auto changes = co_await on_engine(exchange_, parts.engine.wait_any(changes_seen_, heartbeat));
      if (!changes) co_return std::unexpected(changes.error());
      if (*changes == changes_seen_) co_return std::string(": nothing new\n\n");
      changes_seen_ = *changes;
    }
  }

 private:
  boost::asio::awaitable<bool> may_see(const JobId& id) {
    const auto& caller = exchange_.caller;
    if (identity::reaches_all(caller, exchange_.action)) co_return true;
    const auto known = mine_.find(id);
    if (known != mine_.end()) co_return known->second;
    auto job = co_await exchange_.api.parts().jobs.job(id);
    const bool mine = job && may(exchange_, object_of(*job, exchange_.action)).has_value();
    if (!caller.sites.empty()) co_return mine;  // it may come to one of their sites, and go
    if (mine_.size() > 100'000) mine_.clear();
    mine_.emplace(id, mine);
    co_return mine;
  }

  Exchange exchange_;
  std::int64_t after_;
  std::int64_t changes_seen_ = -1;  // known before the store is read
  std::unordered_map<JobId, bool> mine_;
};

}  // namespace

async::Task<http::Response> stream_events(Exchange exchange) {
  constexpr std::int64_t kUnset = -1;
  QueryReader query(exchange.request.query);
  auto after = query.integer("after", kUnset, 0, std::numeric_limits<std::int64_t>::max());
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  // A client that comes back says where it was (HTML Living Standard, server-sent events).
  if (const auto last = exchange.request.headers.get("last-event-id"); last && after == kUnset) {
    const http::Query resumed{{"after", std::string(*last)}};
    QueryReader reader(resumed);
    after = reader.integer("after", kUnset, 0, std::numeric_limits<std::int64_t>::max());
    if (auto done = reader.finish(); !done) co_return std::unexpected(done.error());
  }
  if (after == kUnset) {
    auto newest = co_await exchange.api.parts().jobs.last_event();
    if (!newest) co_return std::unexpected(newest.error());
    after = *newest;
  }
  auto stream = std::make_shared<EventStream>(std::move(exchange), after);
  http::Response answer{
      .status = 200, .content_type = "text/event-stream", .headers = {{"Cache-Control", "no-store"}}, .body = ": hansa\n\n"};
  answer.next = [stream] { return stream->next(); };
  co_return answer;
}

}  // namespace hansa::api
