// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sites' own accounting asked anew, whatever the usage cursor has read, and held against the ledger: once a day, and when an
// operator asks. What the ledger lacks is booked, what a site has changed is corrected, the rest is for people to explain; what
// was seen is kept. (reconciler.hpp looks for jobs; this looks at accounts.)
//
// Memory: one page of the site's records, one of the ledger's, a bit for each record of the ledger. A run that the process does
// not survive leaves nothing but what it has booked; it is made again.
//
// Strand: the engine's.

#include "broker/async/task_group.hpp"
#include "broker/engine/engine.hpp"
#include "broker/ledger/settlement.hpp"
#include "broker/ports/ledger.hpp"
#include "broker/ports/reconciliation.hpp"

#include <map>
#include <variant>

namespace hansa::engine {

class Reconciliations {
 public:
  struct Options {
    std::map<SiteId, Seconds> sites;  // by how much numbers may be off: 0, of PBS 1
    Seconds interval{86'400};         // between two that nobody asks for; 0: there are none
    Seconds apart{86'400};            // that closing a month needs between two clean ones
    Seconds settling{600};            // what ended since has not reached the ledger by its normal way yet
    std::int64_t most_pages = 20'000; // of a site's accounting, in one reconciliation,
    Seconds longest{43'200};          // and how long they may take: an accounting that never ends is none
  };
  struct UnderWay {
    SiteId site;
  };
  struct Failed {
    SiteId site;
    Error error;
  };
  /// What became of one that was begun: it is under way, what it saw, or why it failed.
  using Outcome = std::variant<UnderWay, ports::Reconciliation, Failed>;

  Reconciliations(Options options, async::Scheduler& scheduler, UlidSource& ids, Engine& engine,
                  ports::ReconciliationStore& store, ports::LedgerStore& ledger, ports::Log& log);

  async::Task<> start();
  async::Task<> stop() { co_return co_await tasks_.close(); }

  /// Begins one; its id. not_found, SITE_NOT_FOUND; invalid_argument, BAD_TIME; conflict, RECONCILING: one of the site is under
  /// way.
  async::Task<std::string> begin(SiteId site, UtcTime from, std::optional<UtcTime> to, Principal by);
  /// not_found, NO_SUCH_RECONCILIATION: none of that id was begun since the start, or kept.
  async::Task<Outcome> outcome(std::string id);

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] ports::ReconciliationStore& store() const { return store_; }

 private:
  class Comparison;

  /// As it is begun: the site is taken until it has run.
  Result<ports::Reconciliation> prepare(SiteId site, UtcTime from, std::optional<UtcTime> to, Principal by);
  async::Task<> run(ports::Reconciliation asked);
  async::Task<ports::Reconciliation> compare(ports::Reconciliation asked);
  /// Why no further page is asked for: NO_END, ACCOUNTING_STUCK.
  [[nodiscard]] Result<void> check_progress(const SiteId& site, std::int64_t pages, MonotonicTime begun, bool moved) const;
  async::Task<> daily(SiteId site);
  async::Task<Milliseconds> until_due(SiteId site);
  async::Task<> look_at(SiteId site);
  /// From the first second that is not settled yet, two months back at most.
  async::Task<UtcTime> where_to_begin(SiteId site, UtcTime to);

  const Options options_;
  async::Scheduler& scheduler_;
  UlidSource& ids_;
  Engine& engine_;
  ports::ReconciliationStore& store_;
  ports::LedgerStore& ledger_;
  ports::Log& log_;
  std::map<SiteId, std::string> under_way_;
  std::map<std::string, Failed> failed_;  // the newest few
  MonotonicTime started_at_{};
  async::TaskGroup tasks_;
};

std::unexpected<Error> no_such_reconciliation(std::string_view id);

/// For closing and for the next day's: what it saw.
ledger::Look look_of(const ports::Reconciliation& made);

}  // namespace hansa::engine
