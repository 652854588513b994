// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger's months: opened, closed once every site's accounting agrees or is explained, signed by the broker and, by its own
// key, by a site. And what operators add by hand, two of them. Who may ask at all is the caller's question (identity).
//
// A close is one short commit; what comes before it only looks, the month's sums a part at a time, and leaves nothing. What comes
// behind it (the signature) is made up for when close() is asked again. Callable from any strand.

#include "broker/engine/catalogue.hpp"
#include "broker/engine/notary.hpp"
#include "broker/ledger/close_statement.hpp"
#include "broker/ports/periods.hpp"
#include "broker/ports/reconciliation.hpp"

#include <map>

namespace hansa::engine {

/// What stands between a month and its close, and what it is worth, of one site.
struct SiteOfMonth {
  SiteId site;
  std::optional<UtcTime> unsettled_from;  // none: reconciled as closing asks
  std::int64_t unexplained = 0;  // differences, of the newest reconciliation that saw any of it
  std::optional<ports::Explanation> explanation;  // of the site as a whole: it cannot be asked
  std::optional<std::int64_t> signed_size;  // of the newest checkpoint that its own key vouches for
  ledger::Grade grade = ledger::Grade::c;
};
struct MonthView {
  std::optional<ports::Month> month;  // none: not opened
  std::string period;
  std::vector<SiteOfMonth> sites;
  std::int64_t unseen = 0;  // records that no reconciliation has seen
  std::optional<ports::KeptCheckpoint> opening, closing;
};

class Periods {
 public:
  struct Options {
    std::vector<SiteId> sites;  // that are configured
    std::map<SiteId, ledger::Verifier> keys;  // of those that sign
    Seconds apart{86'400};
  };
  Periods(Options options, const Clock& clock, UlidSource& ids, Notary& notary, ports::PeriodStore& store,
          ports::ReconciliationStore& reconciliations, ports::LedgerStore& ledger, ports::Log& log)
      : options_(std::move(options)),
        clock_(clock),
        ids_(ids),
        notary_(notary),
        store_(store),
        reconciliations_(reconciliations),
        ledger_(ledger),
        log_(log) {}

  /// Signed, too, if there is a key. BAD_PERIOD; conflict, NOT_BEGUN: a month of the future.
  async::Task<MonthView> open(std::string period);
  /// `early`: although the month is not over; what ends in it later is a correction of it. Conflict: NOT_OVER; NOT_SETTLED, with
  /// what each site lacks; TOO_MUCH_SEEN; LEDGER_MOVED: ask again. not_found, NOT_OPENED. Closed already: signed, if it was not
  /// yet.
  async::Task<MonthView> close(std::string period, bool early);
  /// BAD_PERIOD.
  async::Task<MonthView> look(std::string period);
  /// Of each site the weakest of those months, as look() has it. BAD_PERIOD.
  async::Task<std::map<SiteId, ledger::Grade>> grades(std::vector<std::pair<SiteId, std::string>> months_of_sites);

  /// From now on, whenever the difference is seen. `key`: the difference's, or a month's: then the site as a whole cannot be
  /// asked about it. not_found, SITE_NOT_FOUND; BAD_KEY; conflict, EXPLAINED.
  async::Task<> explain(Asking asking, SiteId site, std::string key);

  /// `wanted` has record and amounts. BAD_ADJUSTMENT: nothing is added, or too much; not_found, NO_SUCH_RECORD.
  async::Task<ports::Adjustment> adjust(Asking asking, ports::Adjustment wanted);
  /// As PeriodStore::rule_on_adjustment.
  async::Task<ports::Adjustment> rule(Asking asking, std::string id, bool approved);

  [[nodiscard]] ports::PeriodStore& store() const { return store_; }

 private:
  using RestsOn = std::vector<ledger::SiteThen>;
  async::Task<SiteOfMonth> site_of(SiteId site, ledger::MonthSpan span, const MonthView& view, UtcTime now, RestsOn& rests_on);
  async::Task<MonthView> look(std::string period, UtcTime now, RestsOn& rests_on);
  async::Task<ports::MonthSums> sum_up(std::string period);
  /// Without its sums. None: it is closed. As close() refuses.
  async::Task<std::optional<ports::MonthClose>> found_closable(std::string period, bool early);

  const Options options_;
  const Clock& clock_;
  UlidSource& ids_;
  Notary& notary_;
  ports::PeriodStore& store_;
  ports::ReconciliationStore& reconciliations_;
  ports::LedgerStore& ledger_;
  ports::Log& log_;
};

}  // namespace hansa::engine
