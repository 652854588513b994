// SPDX-License-Identifier: Apache-2.0
#pragma once
// The datasets of a play: what lies where, what moves it, and what must never become of it (I17 and I18, auditor.hpp). Outlives
// every life of the broker, as files and movers do.

#include "broker/ports/accounts.hpp"
#include "broker/ports/log.hpp"
#include "tests/bottle/fake_mover.hpp"
#include "tests/bottle/process.hpp"
#include "tests/sim/auditor.hpp"
#include "tests/sim/play.hpp"

#include <map>
#include <memory>
#include <string>

namespace hansa::sim {

class Depot {
 public:
  struct Parts {
    simulation::VirtualScheduler& time;
    simulation::SeededRandom& random;
    store::SqliteStore& store;
    const ports::Accounts& accounts;
    ports::Log& log;
    std::map<std::string, PlayedSite>& sites;
    Auditor& auditor;
  };
  /// Registers the plan's datasets, with verified copies where they lie.
  Depot(const Plan& plan, Parts parts);

  /// For one life of the broker: its ways to the register, to the transfers and to the mover, behind its gate.
  void open(bottle::Process::Parts& process, const std::shared_ptr<bottle::Gate>& gate, const Wrongs& wrongs);
  void close();

  void silence(bool on) { mover_.silent = on; }
  void kill_movers() { mover_.interrupt(); }
  void fail_next(int how) { failing_ = how; }
  /// How many transfers that should have failed did.
  [[nodiscard]] std::int64_t failed() const { return failed_; }
  [[nodiscard]] std::int64_t moved() const { return moved_; }

  void heal();
  /// No transfer is without an end.
  [[nodiscard]] bool at_rest() const;

 private:
  void begun(const ports::BegunTransfer& begun);
  void ended(const domain::TransferId& id, domain::TransferEnd end);
  void moving(const domain::Transfer& transfer);
  domain::TransferEnd end_of(const domain::Transfer& transfer);

  const Plan& plan_;
  Parts parts_;
  bottle::FakeMover mover_;
  std::map<DatasetId, domain::Dataset> register_;                 // durable
  std::map<domain::TransferId, domain::Transfer> under_way_;      // durable: begun and not ended
  std::optional<int> failing_;
  std::int64_t failed_ = 0, moved_ = 0;

  std::unique_ptr<ports::CatalogueStore> datasets_;
  std::unique_ptr<ports::TransferStore> transfers_;
  std::unique_ptr<ports::Mover> gated_mover_;
};

}  // namespace hansa::sim
