// SPDX-License-Identifier: Apache-2.0
#include "connectors/remote/link.hpp"

#include "broker/async/with_deadline.hpp"
#include "connectors/protocol/fields.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace hansa::connectors::remote {

using async::Deadline;
using async::Task;
using protocol::Fields;

namespace {

std::unexpected<Error> closed() { return fail(ErrorKind::unavailable, "LINK_CLOSED", "this broker is stopping"); }

/// {"version": 1, "name": "hansa-agent 0.1.0", "site": "alpha", "capabilities": {"code": true, "arrays": true, "doctor": true,
/// "secrets": true, "facts": true, "limits": true}}
Result<Peer> read_hello(const Json& json, const SiteId& site) {
  Fields f(json);
  const auto version = f.integer("version");
  Peer peer{.name = f.word("name")};
  const auto serves = f.word("site");
  if (f.has("capabilities")) {
    Fields can(f.object("capabilities"));
    peer.code = can.flag("code");
    peer.arrays = can.flag("arrays");
    peer.doctor = can.flag("doctor");
    peer.secrets = can.flag("secrets");
    peer.facts = can.flag("facts");
    peer.limits = can.flag("limits");
  }
  if (!f.ok()) return f.refused("the answer to initialize");
  if (version != protocol::kVersion) {
    return fail(ErrorKind::unavailable, "PROTOCOL_VERSION",
                "the site's end chose version " + std::to_string(version) +
                    " of the connector protocol, which this broker did not offer");
  }
  if (!serves.empty() && serves != site.str()) {
    return fail(ErrorKind::permission_denied, "WRONG_SITE",
                "what answers there serves site \"" + serves + "\", not \"" + site.str() +
                    "\": its configuration names another site.id, or this is not the machine that was meant");
  }
  return peer;
}

}  // namespace

Error told_by_the_site(Error error) {
  constexpr std::string_view kOurs[] = {"NOBODY_CONNECTED", "NO_RULES",        "RULES_DENY", "SITE_BUDGET",
                                        "SITE_DRAINED",     "SITE_LEFT_ALONE", "SITE_UNFIT", "SECRET_MISSING"};
  if (std::ranges::find(kOurs, error.code) != std::end(kOurs) || error.code.starts_with("CREDENTIAL_")) error.code = "SITE_ERROR";
  return error;
}

Link::Link(boost::asio::any_io_executor executor, async::Scheduler& scheduler, Random& random, ports::Log& log,
           std::unique_ptr<Carrier> carrier, protocol::Session::Handler handler, LinkOptions options)
    : executor_(executor),
      scheduler_(scheduler),
      log_(log),
      carrier_(std::move(carrier)),
      handler_(std::move(handler)),
      options_(std::move(options)),
      pauses_(random, options_.pauses),
      tasks_(std::move(executor), 4, [&log, site = options_.site](std::string_view name, const Error& error) {
        log.write(ports::LogLevel::error, "a task of a site's connection failed",
                  {{"site", site.str()}, {"task", std::string(name)}, {"error", error.message}});
      }) {
  (void)tasks_.spawn("connection", keep_up());
}

Task<> Link::close() { return tasks_.close(); }

void Link::tell_waiters() {
  for (const auto& waiter : std::exchange(waiters_, {})) waiter->set();
}

Task<Link::Connection> Link::connection(Deadline deadline) {
  while (true) {
    if (connection_ && !connection_->session->ended()) co_return *connection_;
    if (tasks_.closed()) co_return closed();
    if (!connection_ && failure_) co_return std::unexpected(*failure_);
    const auto change = std::make_shared<async::Event>(executor_);
    waiters_.push_back(change);
    if (co_await change->wait_until(scheduler_, deadline.at)) continue;
    std::erase(waiters_, change);
    co_return fail(ErrorKind::unavailable, "NOT_CONNECTED",
                   "the connection to site " + options_.site.str() + " was not there in time");
  }
}

Task<> Link::keep_up() {
  while (true) {
    const auto began = scheduler_.now_monotonic();
    auto why = co_await connect_once();
    if (!why || tasks_.closed()) break;
    const auto pause = pauses_.next(scheduler_.now_monotonic() - began);
    log_.write(ports::LogLevel::warning, "no connection to the site",
               {{"site", options_.site.str()},
                {"code", why->code},
                {"error", why->message},
                {"detail", why->detail},
                {"next_try_in_ms", options_.once ? "" : std::to_string(pause.count())}});
    failure_ = std::move(*why);
    failure_->kind = ErrorKind::unavailable;  // whatever it was there: of what is asked meanwhile nothing leaves
    failure_->retryable = true;
    tell_waiters();
    if (options_.once) break;
    co_await carrier_->rest(scheduler_, scheduler_.now_monotonic() + pause);
    failure_.reset();
  }
  tell_waiters();
  co_return Result<void>{};
}

/// From a connection's beginning to its end: why it ended.
boost::asio::awaitable<std::optional<Error>> Link::connect_once() {
  auto lines = co_await async::with_deadline(scheduler_, Deadline::in(scheduler_, options_.greet_within),
                                             carrier_->open(Deadline::in(scheduler_, options_.greet_within)));
  if (!lines) co_return std::move(lines.error());
  const auto session = std::make_shared<protocol::Session>(executor_, scheduler_, std::move(*lines), handler_, options_.session);
  if (!tasks_.spawn("greeting", greet(session))) co_return std::nullopt;  // closing
  auto why = co_await session->run();
  connection_.reset();
  co_return why;
}

Task<> Link::greet(std::shared_ptr<protocol::Session> session) {
  auto answer = co_await session->call(protocol::method::initialize,
                                       {{"versions", {protocol::kVersion}},
                                        {"name", options_.name},
                                        {"site", options_.site.str()},
                                        {"ping_after_ms", options_.session.ping_after.count()}},
                                       Deadline::in(scheduler_, options_.greet_within));
  Result<Peer> peer = std::unexpected(Error{});
  if (answer) peer = read_hello(*answer, options_.site);
  if (session->ended()) co_return Result<void>{};  // told by it
  if (!answer) {
    auto error = told_by_the_site(std::move(answer.error()));
    if (error.kind == ErrorKind::unknown_outcome || error.code == "LINE_NOT_SENT") {
      error =
          fail(ErrorKind::unavailable, "AGENT_SILENT",
               "the site's end did not answer within " + std::to_string(options_.greet_within.count() / 1000) + " s of its start")
              .error();
    }
    session->stop(std::move(error));
  } else if (!peer) {
    session->stop(std::move(peer.error()));
  } else {
    log_.write(ports::LogLevel::info, "connected to the site", {{"site", options_.site.str()}, {"peer", peer->name}});
    connection_ = Connection{.session = session, .peer = std::move(*peer)};
    tell_waiters();
    if (tell_connected_) tell_connected_();
  }
  co_return Result<void>{};
}

}  // namespace hansa::connectors::remote
