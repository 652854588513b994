// SPDX-License-Identifier: Apache-2.0
#include "connectors/websocket/listener.hpp"

#include "broker/async/event.hpp"
#include "broker/async/first_of.hpp"
#include "broker/async/task_group.hpp"
#include "broker/async/with_deadline.hpp"
#include "broker/http/header_scan.hpp"
#include "broker/http/listening.hpp"
#include "broker/http/response_head.hpp"
#include "connectors/websocket/agent_key.hpp"
#include "connectors/websocket/door_request.hpp"
#include "connectors/websocket/web_socket.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace hansa::connectors::websocket {

namespace asio = boost::asio;
using async::Task;

namespace {

int status_of(const Error& error) {
  switch (error.kind) {
    case ErrorKind::invalid_argument: return 400;
    case ErrorKind::unauthenticated: return 401;
    case ErrorKind::permission_denied: return 403;
    case ErrorKind::not_found: return 404;
    case ErrorKind::conflict: return 409;
    case ErrorKind::too_large: return 431;
    case ErrorKind::rate_limited: return 429;
    default: return 503;
  }
}

/// Agents are known by their keys: any certificate will do, and each handshake is signed anew.
Result<std::shared_ptr<asio::ssl::context>> context_for(const http::TlsFiles& files) {
  auto context = http::server_context(files);
  if (!context) return context;
  auto* native = (*context)->native_handle();
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(native, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  SSL_CTX_set_max_cert_list(native, 16 << 10);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(native, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(native, 0);
  return context;
}

}  // namespace

/// One that stands before the door.
struct Knocking {
  explicit Knocking(const asio::any_io_executor& executor) : told(executor) {}

  async::Event told;  // to give way
  std::shared_ptr<http::Threshold::Place> place;

  asio::awaitable<void> until_it_gives_way() {
    while (!place->gives_way() && co_await told.wait()) {}
  }
};

struct Listener::Impl {
  Impl(ListenerOptions o, Door& d, Berths& b, async::Scheduler& s, ports::Log& l)
      : options(std::move(o)), door(d), berths(b), scheduler(s), log(l) {}

  const ListenerOptions options;
  Door& door;
  Berths& berths;
  async::Scheduler& scheduler;
  ports::Log& log;
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  std::optional<Tcp::acceptor> acceptor;
  std::uint16_t port = 0;
  mutable std::mutex mutex;  // of what follows
  std::string key_id;
  std::shared_ptr<asio::ssl::context> tls;
  ListenerFigures figures;
  http::Threshold threshold{options.knocking};  // on its thread, as the next
  std::optional<MonotonicTime> crowd_told_at;
  std::thread thread;
  bool stopped = false;
  async::TaskGroup tasks{io.get_executor(), 1'024, [this](std::string_view name, const Error& error) {
                           log.write(ports::LogLevel::error, "a task of the agents' listener failed",
                                     {{"task", std::string(name)}, {"code", error.code}, {"error", error.message}});
                         }};

  template <typename Change>
  void count(Change change) {
    const std::scoped_lock lock(mutex);
    change(figures);
  }

  void tell_crowd(const std::string& network);
  Task<> accept_all();
  Task<> receive(Tcp::socket socket, std::string peer, std::shared_ptr<Knocking> knocking);
  Task<> let_in(std::shared_ptr<TlsStream> stream, std::string peer, std::shared_ptr<Knocking> knocking);
  Task<std::string> read_head(TlsStream* stream);
  Task<> answer(TlsStream* stream, http::Response response);
  Task<> refuse(TlsStream* stream, const std::string& peer, Error why);
};

void Listener::Impl::tell_crowd(const std::string& network) {
  constexpr Milliseconds kEvery{60'000};
  std::uint64_t gave_way = 0;
  count([&](auto& f) { gave_way = ++f.turned_away; });
  const auto now = scheduler.now_monotonic();
  if (crowd_told_at && now - *crowd_told_at < kEvery) return;
  crowd_told_at = now;
  log.write(
      ports::LogLevel::warning,
      "the agents' door is crowded: connections that are not let in yet give way to later ones; if agents do not get through, "
      "bar those networks in a firewall",
      {{"knocking", std::to_string(threshold.size())}, {"gave_way", std::to_string(gave_way)}, {"last_from", network}});
}

Task<> Listener::Impl::accept_all() {
  while (true) {
    auto [failed, socket] = co_await acceptor->async_accept(io, kAsTuple);
    if (!acceptor->is_open()) co_return Result<void>{};
    boost::system::error_code gone;
    if (failed) {
      log.write(ports::LogLevel::error, "cannot accept connections of agents", {{"error", failed.message()}});
      co_await scheduler.sleep_until(scheduler.now_monotonic() + Milliseconds{100});
      continue;
    }
    const auto remote = socket.remote_endpoint(gone);
    if (gone) continue;
    count([](auto& f) { ++f.connections; });
    bool another_left = false;
    const auto network = http::network_of(remote.address());
    auto knocking = std::make_shared<Knocking>(io.get_executor());
    knocking->place = threshold.enter(network, [told = &knocking->told] { told->set(); }, another_left);
    if (another_left) tell_crowd(network);
    socket.set_option(Tcp::no_delay(true), gone);
    (void)tasks.spawn("connection", receive(std::move(socket), http::name_of(remote), std::move(knocking)));
  }
}

Task<> Listener::Impl::receive(Tcp::socket socket, std::string peer, std::shared_ptr<Knocking> knocking) {
  std::shared_ptr<asio::ssl::context> context;
  {
    const std::scoped_lock lock(mutex);
    context = tls;
  }
  const auto stream = std::make_shared<TlsStream>(std::move(socket), *context);
  const auto deadline = async::Deadline::in(scheduler, options.admit_within);
  std::optional<Result<void>> done;
  co_await async::first_of(async::detail::keep(&done, async::with_deadline(scheduler, deadline, let_in(stream, peer, knocking))),
                           knocking->until_it_gives_way());
  if (done && *done) co_return Result<void>{};
  if (tasks.closed() || knocking->place->gives_way()) co_return Result<void>{};  // the one is no news, the other is counted
  const auto& why = done ? done->error() : async::detail::cancelled();
  const bool late = deadline.passed(scheduler);  // what it was cut off from says so in its own words
  const auto code = late ? std::string("TOO_SLOW") : why.code;
  count([&](auto& f) { code == "TLS_FAILED" ? ++f.tls_failed : ++f.refused[code]; });
  log.write(ports::LogLevel::info, "an agent's connection was not let in",
            {{"peer", peer}, {"code", code}, {"error", late ? "it took too long" : why.message}});
  co_return Result<void>{};
}

/// To the header's end, and not a byte further: what follows would belong to the WebSocket, which has not been granted.
Task<std::string> Listener::Impl::read_head(TlsStream* stream) {
  std::string head;
  http::HeaderScan scan;
  while (true) {
    const auto have = head.size();
    head.resize(std::min(have + 2'048, options.header_limit + 1));
    const auto [failed, size] = co_await stream->async_read_some(asio::buffer(head.data() + have, head.size() - have), kAsTuple);
    head.resize(have + size);
    if (failed) co_return fail(ErrorKind::unavailable, "CONNECTION_CUT", "it has gone: " + failed.message());
    const auto state = scan.feed(head);
    if (state == http::HeaderScan::State::bad)
      co_return fail(ErrorKind::invalid_argument, "BAD_REQUEST", std::string(scan.fault()));
    if (state == http::HeaderScan::State::complete) {
      if (scan.size() == head.size()) co_return head;
      co_return fail(ErrorKind::invalid_argument, "BAD_REQUEST", "something follows the request's header before it is answered");
    }
    if (head.size() > options.header_limit)
      co_return fail(ErrorKind::too_large, "HEADER_TOO_LARGE", "the request's header is too large");
  }
}

Task<> Listener::Impl::answer(TlsStream* stream, http::Response response) {
  std::string out;
  http::write_head(out, response, {.keep_alive = false}, "", http::imf_fixdate(scheduler.now_utc()));
  out += response.body;
  (void)co_await asio::async_write(*stream, asio::buffer(out), kAsTuple);
  (void)co_await stream->async_shutdown(kAsTuple);  // waits for the other end's: what was said is not lost with the connection
  co_return Result<void>{};
}

Task<> Listener::Impl::refuse(TlsStream* stream, const std::string& peer, Error why) {
  count([&](auto& f) { ++f.refused[why.code]; });
  log.write(ports::LogLevel::warning, "an agent was refused",
            {{"peer", peer}, {"code", why.code}, {"error", why.message}, {"detail", why.detail}});
  return answer(stream, http::problem(status_of(why), why.code, why.message));
}

Task<> Listener::Impl::let_in(std::shared_ptr<TlsStream> stream, std::string peer, std::shared_ptr<Knocking> knocking) {
  const auto [failed] = co_await stream->async_handshake(asio::ssl::stream_base::server, kAsTuple);
  if (failed) co_return fail(ErrorKind::unavailable, "TLS_FAILED", "no TLS handshake: " + failed.message());
  const auto head_text = co_await read_head(stream.get());
  if (!head_text) {
    if (head_text.error().code == "CONNECTION_CUT") co_return std::unexpected(head_text.error());
    co_return co_await refuse(stream.get(), peer, head_text.error());
  }
  auto request = read_door_request(*head_text);
  if (!request) co_return co_await refuse(stream.get(), peer, std::move(request.error()));
  Knock knock{.site = request->site,
              .key = key_id_of_peer(stream->native_handle()),
              .authorization = std::move(request->authorization),
              .name = std::move(request->name),
              .peer = peer};
  if (request->enrols) {
    auto enrolled = co_await door.enrol(std::move(knock));
    if (!enrolled) co_return co_await refuse(stream.get(), peer, std::move(enrolled.error()));
    count([](auto& f) { ++f.let_in["enrolled"]; });
    co_return co_await answer(stream.get(),
                              {.status = 200, .content_type = "application/json", .body = canonical_json(*enrolled)});
  }
  Visitor visitor{.berth = {}, .key = knock.key, .name = knock.name, .peer = peer};
  auto berth = co_await door.admit(knock);
  if (!berth) co_return co_await refuse(stream.get(), peer, std::move(berth.error()));
  visitor.berth = std::move(*berth);
  knocking->place->leave();  // from here on it is known
  auto room = co_await berths.make_room(visitor);
  if (!room) co_return co_await refuse(stream.get(), peer, std::move(room.error()));
  auto connection = co_await WebSocket::accept(std::move(*stream), *head_text);
  if (!connection) co_return std::unexpected(connection.error());
  count([](auto& f) { ++f.let_in["connected"]; });
  const auto id = visitor.berth;
  co_await asio::this_coro::throw_if_cancelled(false);  // who is in by the time that runs out is asked about all the same, or cut
  const auto before = berths.moor(*room, std::move(visitor), std::move(*connection));
  // Whoever was revoked since the door was asked was not there yet to be cut.
  if (const auto still = co_await door.admit(std::move(knock)); !still) co_await berths.cut(id, still.error());
  room->reset();
  if (before) co_await before->cut(scheduler, Berths::replaced());
  co_return Result<void>{};
}

Listener::Listener(ListenerOptions options, Door& door, Berths& berths, async::Scheduler& scheduler, ports::Log& log)
    : impl_(std::make_unique<Impl>(std::move(options), door, berths, scheduler, log)) {}

Listener::~Listener() {
  stop();
  impl_->work.reset();
  if (impl_->thread.joinable()) impl_->thread.join();
  impl_->berths.clear();  // what lies there stands on our context
}

Result<void> Listener::listen() {
  const auto& options = impl_->options;
  auto context = context_for(options.tls);
  if (!context) return std::unexpected(std::move(context.error()));
  auto key = key_id_of_certificate_file(options.tls.certificate);
  if (!key) return std::unexpected(std::move(key.error()));
  impl_->tls = std::move(*context);
  impl_->key_id = std::move(*key);
  auto acceptor = http::listen_on(impl_->io, options.address, options.port);
  if (!acceptor) return std::unexpected(std::move(acceptor.error()));
  impl_->acceptor.emplace(std::move(*acceptor));
  boost::system::error_code ignored;
  impl_->port = impl_->acceptor->local_endpoint(ignored).port();
  return {};
}

void Listener::start() {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the program's own threads
  impl_->thread = std::thread([impl = impl_.get()] {
    ::pthread_setname_np(::pthread_self(), "hansa-agents");
    impl->io.run();
  });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  asio::post(impl_->io, [impl = impl_.get()] { (void)impl->tasks.spawn("accept", impl->accept_all()); });
}

void Listener::stop() {
  if (std::exchange(impl_->stopped, true) || !impl_->thread.joinable()) return;
  asio::post(impl_->io, [impl = impl_.get()] {
    boost::system::error_code ignored;
    impl->acceptor->close(ignored);
    asio::co_spawn(impl->io, impl->tasks.close(), [](const std::exception_ptr&, const Result<void>&) {});
  });
}

std::uint16_t Listener::port() const { return impl_->port; }
std::string Listener::key_id() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->key_id;
}

ListenerFigures Listener::figures() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->figures;
}

Result<void> Listener::reload_tls() {
  auto context = context_for(impl_->options.tls);
  if (!context) return std::unexpected(std::move(context.error()));
  auto key = key_id_of_certificate_file(impl_->options.tls.certificate);
  if (!key) return std::unexpected(std::move(key.error()));
  std::string before;
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->tls = std::move(*context);
    before = std::exchange(impl_->key_id, *key);
  }
  if (before != *key)
    impl_->log.write(ports::LogLevel::warning,
                     "the agents' certificate has another key: agents that were enrolled with the old one (--pin) refuse it",
                     {{"before", before}, {"now", *key}});
  return {};
}

void Listener::run(asio::awaitable<void> work) {
  auto task = [](asio::awaitable<void> inner) -> Task<> {
    co_await std::move(inner);
    co_return Result<void>{};
  };
  asio::post(impl_->io, [impl = impl_.get(), wrapped = std::make_shared<Task<>>(task(std::move(work)))] {
    (void)impl->tasks.spawn("call", std::move(*wrapped));
  });
}

}  // namespace hansa::connectors::websocket
