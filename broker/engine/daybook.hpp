// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the ledger says once a day, beside runs: the root of the decisions taken since, the rules that are in force, the month
// that has begun (ADR 0055). A failure is told in the log and made up for the next day.
//
// Strand: the engine's.

#include "broker/async/event.hpp"
#include "broker/async/scheduler.hpp"
#include "broker/async/task_group.hpp"
#include "broker/engine/periods.hpp"
#include "broker/ports/ledger.hpp"

namespace hansa::engine {

class Daybook {
 public:
  Daybook(boost::asio::any_io_executor strand, async::Scheduler& scheduler, ports::LedgerStore& ledger, Periods& periods,
          ports::Log& log);

  /// Nothing is written into a ledger that no key belongs to.
  async::Task<> start();
  async::Task<> stop() { co_return co_await tasks_.close(); }

  /// The hash of the rules in force, "" if there are none; when it is another one than the ledger says, it is written.
  /// Thread-safe.
  void policy_in_force(std::string hash);

 private:
  async::Task<> run();
  async::Task<> note_policy();
  async::Task<> note_decisions();
  async::Task<> open_month();

  boost::asio::any_io_executor strand_;
  async::Scheduler& scheduler_;
  ports::LedgerStore& ledger_;
  Periods& periods_;
  ports::Log& log_;
  std::string policy_;
  async::Event news_;
  async::TaskGroup tasks_;
};

}  // namespace hansa::engine
