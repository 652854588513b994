// SPDX-License-Identifier: Apache-2.0
// The ports of reconciliations and periods (broker/ports/reconciliation.hpp, periods.hpp).
#include "broker/store/ledger.hpp"
#include "broker/store/periods.hpp"
#include "broker/store/reconciliations.hpp"
#include "broker/store/sqlite_store_impl.hpp"

namespace hansa::store {

Task<ports::Compared> SqliteStore::compare_usage(SiteId site, std::vector<domain::UsageRecord> records, Seconds tolerance,
                                                 UtcTime at) {
  auto [bytes, asked] = impl_->book_request(std::move(site), std::move(records), {}, at);
  co_return co_await impl_->write<ports::Compared>(
      bytes, [request = std::move(asked), tolerance](Connection& db) { return store::compare_usage(db, request, tolerance); });
}

Task<std::vector<ports::StandingRun>> SqliteStore::standing_runs(SiteId site, UtcTime from, UtcTime to,
                                                                 std::optional<ports::StandingRun> after, std::size_t limit) {
  co_return co_await impl_->read<std::vector<ports::StandingRun>>(
      &Impl::scans_, [site = std::move(site), from, to, after = std::move(after), limit](Connection& db) {
        return read_standing_runs(db, site, from, to, after, limit);
      });
}

Task<> SqliteStore::keep_reconciliation(ports::Reconciliation made, std::vector<ports::Difference> differences) {
  co_return co_await impl_->write<void>(512 + 512 * differences.size(),
                                        [made = std::move(made), differences = std::move(differences)](Connection& db) {
                                          return store::keep_reconciliation(db, made, differences);
                                        });
}

Task<std::vector<ports::Reconciliation>> SqliteStore::reconciliations(ports::ReconciliationQuery query) {
  co_return co_await impl_->read<std::vector<ports::Reconciliation>>(
      &Impl::scans_, [query = std::move(query)](Connection& db) { return read_reconciliations(db, query); });
}

Task<std::vector<ports::Difference>> SqliteStore::differences(std::string reconciliation) {
  co_return co_await impl_->read<std::vector<ports::Difference>>(
      &Impl::scans_,
      [reconciliation = std::move(reconciliation)](Connection& db) { return read_differences(db, reconciliation); });
}

Task<> SqliteStore::explain(SiteId site, std::string key, ports::Explanation explanation) {
  co_return co_await impl_->write<void>(
      1024, [site = std::move(site), key = std::move(key), explanation = std::move(explanation)](Connection& db) {
        return store::explain(db, site, key, explanation);
      });
}

Task<std::optional<ports::Explanation>> SqliteStore::explanation(SiteId site, std::string key) {
  co_return co_await impl_->read<std::optional<ports::Explanation>>(
      &Impl::lookups_,
      [site = std::move(site), key = std::move(key)](Connection& db) { return read_explanation(db, site, key); });
}

Task<std::vector<ports::Month>> SqliteStore::months() {
  co_return co_await impl_->read<std::vector<ports::Month>>(&Impl::lookups_, [](Connection& db) { return read_months(db); });
}

Task<std::int64_t> SqliteStore::open_month(std::string period, UtcTime at) {
  co_return co_await impl_->write<std::int64_t>(
      512, [period = std::move(period), at](Connection& db) { return store::open_month(db, period, at); });
}

Task<std::pair<std::int64_t, std::int64_t>> SqliteStore::unseen_records(std::string period) {
  co_return co_await impl_->read<std::pair<std::int64_t, std::int64_t>>(
      &Impl::scans_, [period = std::move(period)](Connection& db) { return count_unseen(db, period); });
}

Task<ports::MonthSums> SqliteStore::sum_month(std::string period, ports::MonthSums so_far, std::size_t limit) {
  co_return co_await impl_->read<ports::MonthSums>(&Impl::scans_, [period = std::move(period), so_far, limit](Connection& db) {
    return store::sum_month(db, period, so_far, limit);
  });
}

Task<std::int64_t> SqliteStore::close_month(ports::MonthClose close) {
  co_return co_await impl_->write<std::int64_t>(
      1024 + close.rests_on.size(), [close = std::move(close)](Connection& db) { return store::close_month(db, close); });
}

Task<std::optional<ports::KeptCheckpoint>> SqliteStore::checkpoint_of(std::int64_t record) {
  co_return co_await impl_->read<std::optional<ports::KeptCheckpoint>>(
      &Impl::lookups_, [record](Connection& db) { return read_first_checkpoint(db, record + 1); });
}

Task<std::vector<SiteId>> SqliteStore::sites_in(std::string period) {
  co_return co_await impl_->read<std::vector<SiteId>>(
      &Impl::scans_, [period = std::move(period)](Connection& db) { return read_sites_in(db, period); });
}

Task<> SqliteStore::propose_adjustment(ports::Adjustment adjustment) {
  co_return co_await impl_->write<void>(
      1024, [adjustment = std::move(adjustment)](Connection& db) { return store::propose_adjustment(db, adjustment); });
}

Task<std::vector<ports::Adjustment>> SqliteStore::adjustments(std::optional<std::string> id, std::size_t limit) {
  co_return co_await impl_->read<std::vector<ports::Adjustment>>(
      &Impl::lookups_, [id = std::move(id), limit](Connection& db) { return read_adjustments(db, id, limit); });
}

Task<ports::Adjustment> SqliteStore::rule_on_adjustment(std::string id, ports::Adjustment::Ruling ruling) {
  co_return co_await impl_->write<ports::Adjustment>(1024, [id = std::move(id), ruling = std::move(ruling)](Connection& db) {
    return store::rule_on_adjustment(db, id, ruling);
  });
}

Task<std::string> SqliteStore::newest_record(std::string kind) {
  co_return co_await impl_->read<std::string>(&Impl::lookups_,
                                              [kind = std::move(kind)](Connection& db) { return read_newest_record(db, kind); });
}

Task<std::vector<ports::DecisionLeaf>> SqliteStore::decision_leaves(std::int64_t from, std::size_t limit, bool anew) {
  co_return co_await impl_->read<std::vector<ports::DecisionLeaf>>(
      &Impl::scans_, [=](Connection& db) { return read_decision_leaves(db, from, limit, anew); });
}

}  // namespace hansa::store
