// SPDX-License-Identifier: Apache-2.0
#include "broker/http/server.hpp"

#include "broker/async/event.hpp"
#include "broker/core/encoding.hpp"
#include "broker/http/listening.hpp"
#include "broker/http/session.hpp"
#include "broker/http/worker.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <pthread.h>
#include <signal.h>

#include <array>
#include <mutex>
#include <vector>

namespace hansa::http {

namespace {

constexpr std::size_t kTurnedAwayAtATime = 64;

}  // namespace

struct Server::Impl {
  Impl(ServerOptions options, Handler handler) : shared(std::move(options), std::move(handler)) {}

  Shared shared;
  std::mutex tls_mutex;
  std::shared_ptr<asio::ssl::context> tls;  // null: plain; read per connection, replaced by reload_tls()
  std::vector<std::unique_ptr<Worker>> workers;
  std::optional<Tcp::acceptor> acceptor;  // on the first worker
  std::uint16_t port = 0;
  std::size_t next_worker = 0;
  bool stopped = false;

  std::shared_ptr<asio::ssl::context> current_tls() {
    const std::scoped_lock lock(tls_mutex);
    return tls;
  }

  Result<void> listen() {
    auto listener = listen_on(workers.front()->io, shared.options.address, shared.options.port);
    if (!listener) return std::unexpected(std::move(listener.error()));
    acceptor.emplace(std::move(*listener));
    boost::system::error_code ignored;
    port = acceptor->local_endpoint(ignored).port();
    return {};
  }

  asio::awaitable<Result<void>> accept_all() {
    for (;;) {
      auto& worker = *workers[next_worker++ % workers.size()];
      auto [error, socket] = co_await acceptor->async_accept(worker.io, kAsTuple);
      if (!acceptor->is_open()) co_return Result<void>{};
      if (error) {
        shared.report({.kind = ServerEvent::Kind::accept_failed, .detail = error.message()});
        co_await shared.clock.sleep_until(shared.clock.now_monotonic() + Milliseconds{100});
        continue;
      }
      if (&worker == workers.front().get()) {
        admit(worker, std::move(socket));
      } else {
        asio::post(worker.io, [this, &worker, s = std::move(socket)]() mutable { admit(worker, std::move(s)); });
      }
    }
  }

  /// On the worker's thread. Where all are taken somebody gives way; those who came a moment ago can only once they have begun to
  /// wait, so that a newcomer has some turns before it is turned away.
  void admit(Worker& worker, Tcp::socket socket, int turns = 8) {
    if (worker.stopping) return;
    Share connection;
    const auto most = shared.options.max_connections;
    bool welcome = connection.take(shared.connections, 1, most);
    if (!welcome) {
      welcome = worker.make_room();
      if (!welcome && turns > 0) {
        asio::post(worker.io,
                   [this, &worker, turns, s = std::move(socket)]() mutable { admit(worker, std::move(s), turns - 1); });
        return;
      }
      if (!connection.take(shared.connections, 1, most + kTurnedAwayAtATime))
        return shared.report({.kind = ServerEvent::Kind::dropped, .code = "TOO_MANY_CONNECTIONS"});
    }
    boost::system::error_code error;
    const auto remote = socket.remote_endpoint(error);
    if (error) return;  // gone already
    socket.set_option(Tcp::no_delay(true), error);
    if (const auto context = current_tls()) {
      open<TlsStream>(worker, TlsStream(std::move(socket), *context), remote, std::move(connection), welcome);
    } else {
      open<Tcp::socket>(worker, std::move(socket), remote, std::move(connection), welcome);
    }
  }

  template <class Stream>
  void open(Worker& worker, Stream stream, const Tcp::endpoint& remote, Share connection, bool welcome) {
    auto session = std::make_unique<Session<Stream>>(worker, std::move(stream), remote, std::move(connection));
    auto task = welcome ? Session<Stream>::run(std::move(session)) : Session<Stream>::turn_away(std::move(session));
    if (auto spawned = worker.group.spawn("connection", std::move(task)); !spawned) {
      shared.report({.kind = ServerEvent::Kind::dropped, .code = spawned.error().code, .detail = spawned.error().message});
    }
  }

  asio::awaitable<void> stop(Worker* worker, Milliseconds grace) {
    worker->stopping = true;
    if (worker == workers.front().get()) {
      boost::system::error_code ignored;
      acceptor->close(ignored);
    }
    for (auto* connection : worker->connections) connection->stop_when_idle();
    auto& clock = shared.clock;
    const auto end = clock.now_monotonic() + grace;
    // Once per stop, at the end of the process: looking every few milliseconds is simpler than being told.
    while (worker->group.size() > 0 && clock.now_monotonic() < end) {
      co_await clock.sleep_until(std::min(end, clock.now_monotonic() + Milliseconds{5}));
    }
    co_await worker->group.close();
    worker->work.reset();
  }
};

Server::Server(ServerOptions options, Handler handler) : impl_(std::make_unique<Impl>(std::move(options), std::move(handler))) {}

Server::~Server() { stop(Milliseconds{0}); }

Result<void> Server::listen() {
  auto& options = impl_->shared.options;
  if (options.tls) {
    auto context = server_context(*options.tls);
    if (!context) return std::unexpected(context.error());
    impl_->tls = std::move(*context);
  }
  for (unsigned i = 0; i < std::max(1U, options.threads); ++i) impl_->workers.push_back(std::make_unique<Worker>(impl_->shared));
  auto listening = impl_->listen();
  if (!listening) {
    impl_->acceptor.reset();
    impl_->workers.clear();
  }
  return listening;
}

Result<void> Server::start() {
  if (impl_->workers.empty()) {
    if (auto listening = listen(); !listening) return listening;
  }
  std::array<std::byte, 4> random{};
  async::SystemRandom{}.fill(random);
  impl_->shared.id_prefix = to_hex(random) + "-";
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the program's own threads
  for (auto& worker : impl_->workers) {
    worker->thread = std::thread([&io = worker->io] {
      ::pthread_setname_np(::pthread_self(), "hansa-http");
      io.run();
    });
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  auto& first = *impl_->workers.front();
  asio::post(first.io, [impl = impl_.get(), &first] {
    if (auto spawned = first.group.spawn("accept", impl->accept_all()); !spawned) std::terminate();  // the group is new
  });
  return {};
}

std::uint16_t Server::port() const { return impl_->port; }

ServerLoad Server::load() const { return {.connections = impl_->shared.connections, .streams = impl_->shared.streams}; }

std::optional<UtcTime> Server::certificate_ends() {
  const auto context = impl_->current_tls();
  return context ? end_of_certificate(*context) : std::nullopt;
}

Result<void> Server::reload_tls() {
  const auto& files = impl_->shared.options.tls;
  if (!files) return {};
  auto context = server_context(*files);
  if (!context) return std::unexpected(context.error());
  const std::scoped_lock lock(impl_->tls_mutex);
  impl_->tls = std::move(*context);
  return {};
}

void Server::stop(Milliseconds grace) {
  if (std::exchange(impl_->stopped, true) || impl_->workers.empty() || !impl_->workers.front()->thread.joinable()) return;
  for (auto& worker : impl_->workers) {
    asio::co_spawn(worker->io, impl_->stop(worker.get(), grace), [](const std::exception_ptr& failure) {
      if (failure) std::rethrow_exception(failure);  // a broken invariant: ends the process
    });
  }
  for (auto& worker : impl_->workers) worker->thread.join();
}

}  // namespace hansa::http
