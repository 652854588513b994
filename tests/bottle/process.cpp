// SPDX-License-Identifier: Apache-2.0
#include "tests/bottle/process.hpp"

#include <boost/asio/co_spawn.hpp>

#include <cstdlib>
#include <iostream>

namespace hansa::bottle {

namespace {

constexpr std::size_t kAsks = 100'000;

async::Task<> stop(async::TaskGroup& asks, engine::Engine& engine) {
  (void)co_await asks.close();
  co_return co_await engine.stop();
}

}  // namespace

Process::Process(Parts parts, engine::EngineOptions options, std::vector<engine::SiteSetup> sites)
    : parts_(std::move(parts)),
      ids_(std::make_unique<UlidSource>(parts_.time, parts_.random)),
      engine_(std::make_unique<engine::Engine>(engine::Engine::Parts{.strand = parts_.time.executor(),
                                                                     .scheduler = parts_.time,
                                                                     .ids = *ids_,
                                                                     .jobs = parts_.stores,
                                                                     .usage = parts_.stores,
                                                                     .sites = parts_.stores,
                                                                     .accounts = parts_.accounts,
                                                                     .log = parts_.log,
                                                                     .datasets = parts_.datasets,
                                                                     .estimates = &parts_.stores,
                                                                     .transfers = parts_.transfers,
                                                                     .data = parts_.data,
                                                                     .allocations = parts_.allocations,
                                                                     .secrets = parts_.secrets},
                                               std::move(options), std::move(sites))),
      asks_(std::make_unique<async::TaskGroup>(parts_.time.executor(), kAsks, [](std::string_view, const Error&) {})) {}

Process::~Process() {
  parts_.gate->dead = true;
  bool stopped = false;
  boost::asio::co_spawn(parts_.time.executor(), stop(*asks_, *engine_),
                        [&](const std::exception_ptr&, const Result<void>&) { stopped = true; });
  parts_.time.run_ready();
  if (!stopped) {  // cannot be: a cancelled coroutine waits for nothing
    std::cerr << "the engine did not unwind\n";
    std::abort();
  }
  engine_.reset();
  asks_.reset();
  parts_.time.run_ready();  // what was posted and refers to none of it
}

Result<void> Process::start() {
  const auto started = start_asking(engine_->start());
  until([&] { return started->has_value(); }, std::chrono::hours{1});
  if (!started->has_value()) return fail(ErrorKind::cancelled, "NO_ANSWER", "the broker did not start in time, or it died");
  return std::move(**started);
}

void Process::advance(Milliseconds by) {
  auto& time = parts_.time;
  const auto end = time.now_monotonic() + by;
  if (!time.run_until([this] { return dead(); }, by) && time.now_monotonic() < end) time.run_until(end);
}

bool Process::until(const std::function<bool()>& done, Milliseconds at_most) {
  parts_.time.run_until([&] { return dead() || done(); }, at_most);
  return !dead() && done();
}

}  // namespace hansa::bottle
