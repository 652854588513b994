// SPDX-License-Identifier: Apache-2.0
#pragma once
// One life of a broker: an engine behind a gate, from its start to its end, which is always a crash. Another one on the same
// store is a restart.

#include "broker/async/task_group.hpp"
#include "broker/engine/engine.hpp"
#include "simulation/seeded_random.hpp"
#include "simulation/virtual_scheduler.hpp"
#include "tests/bottle/gate.hpp"

#include <boost/asio/co_spawn.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace hansa::bottle {

/// What a store answers at once, in no virtual time. Throws what it refuses.
template <class T>
T read(simulation::VirtualScheduler& time, async::Task<T> task) {
  std::optional<Result<T>> answer;
  boost::asio::co_spawn(time.executor(), std::move(task), [&](const std::exception_ptr&, Result<T> r) { answer = std::move(r); });
  time.run_ready();
  if (!answer || !*answer) throw std::runtime_error("the store does not answer: " + (answer ? answer->error().message : ""));
  return std::move(**answer);
}

class Process {
 public:
  struct Parts {
    simulation::VirtualScheduler& time;
    simulation::SeededRandom& random;
    Stores& stores;                        // behind the gate
    const ports::Accounts& accounts;
    ports::Log& log;
    std::shared_ptr<Gate> gate;
    ports::CatalogueStore* datasets = nullptr;
    ports::TransferStore* transfers = nullptr;
    engine::DataSetup data = {};
    ports::AllocationStore* allocations = nullptr;
    engine::SecretVault* secrets = nullptr;
  };

  /// `options.epoch` is this life's own; the sites' connectors are behind the gate.
  Process(Parts parts, engine::EngineOptions options, std::vector<engine::SiteSetup> sites);
  /// Nothing is stopped in order: what is not written is lost, what is at a site stays there.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// To the end of Engine::start(), or to the process's.
  Result<void> start();

  [[nodiscard]] engine::Engine& engine() { return *engine_; }
  [[nodiscard]] Gate& gate() { return *parts_.gate; }
  [[nodiscard]] bool dead() const { return parts_.gate->dead; }

  /// Both end early when the process dies.
  void advance(Milliseconds by);
  bool until(const std::function<bool()>& done, Milliseconds at_most);

  template <class T>
  using Answer = std::shared_ptr<std::optional<Result<T>>>;
  /// Asked, not waited for.
  template <class T>
  Answer<T> start_asking(async::Task<T> task) {
    auto outcome = std::make_shared<std::optional<Result<T>>>();
    if (auto started = asks_->spawn("ask", keep<T>(outcome, std::move(task))); !started)
      outcome->emplace(std::unexpected(started.error()));
    return outcome;
  }

 private:
  template <class T>
  static async::Task<> keep(Answer<T> outcome, async::Task<T> task) {
    outcome->emplace(co_await async::without_exceptions(std::move(task)));
    co_return Result<void>{};
  }

  Parts parts_;
  std::unique_ptr<UlidSource> ids_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<async::TaskGroup> asks_;
};

}  // namespace hansa::bottle
