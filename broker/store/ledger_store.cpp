// SPDX-License-Identifier: Apache-2.0
// The ledger's ports (broker/ports/ledger.hpp, usage_lines.hpp).
#include "broker/store/ledger.hpp"
#include "broker/store/sqlite_store_impl.hpp"
#include "broker/store/usage_lines.hpp"

namespace hansa::store {

Task<ports::LedgerHead> SqliteStore::ledger_head() {
  co_return co_await impl_->read<ports::LedgerHead>(&Impl::lookups_, [](Connection& db) { return read_ledger_head(db); });
}

Task<std::vector<ports::LedgerRecord>> SqliteStore::ledger_records(std::int64_t from, std::size_t limit, bool personal) {
  co_return co_await impl_->read<std::vector<ports::LedgerRecord>>(
      &Impl::scans_, [=](Connection& db) { return read_ledger_records(db, from, limit, personal); });
}

Task<std::vector<std::int64_t>> SqliteStore::ledger_records_of(JobId id) {
  co_return co_await impl_->read<std::vector<std::int64_t>>(&Impl::lookups_,
                                                            [id](Connection& db) { return read_ledger_records_of(db, id); });
}

Task<ports::LedgerProof> SqliteStore::prove_record(std::int64_t seq, std::int64_t size) {
  co_return co_await impl_->read<ports::LedgerProof>(&Impl::lookups_,
                                                     [=](Connection& db) { return store::prove_record(db, seq, size); });
}

Task<std::vector<Sha256>> SqliteStore::prove_growth(std::int64_t from, std::int64_t to) {
  co_return co_await impl_->read<std::vector<Sha256>>(&Impl::lookups_,
                                                      [=](Connection& db) { return store::prove_growth(db, from, to); });
}

Task<Sha256> SqliteStore::ledger_root(std::int64_t size) {
  co_return co_await impl_->read<Sha256>(&Impl::lookups_, [size](Connection& db) { return read_ledger_root(db, size); });
}

Task<std::vector<std::pair<std::int64_t, std::string>>> SqliteStore::ledger_keys() {
  co_return co_await impl_->read<std::vector<std::pair<std::int64_t, std::string>>>(
      &Impl::lookups_, [](Connection& db) { return read_ledger_keys(db); });
}

Task<std::int64_t> SqliteStore::append_record(ports::LedgerAddition addition) {
  co_return co_await impl_->write<std::int64_t>(
      1024, [addition = std::move(addition)](Connection& db) { return store::append_record(db, addition); });
}

Task<std::optional<ports::KeptCheckpoint>> SqliteStore::last_checkpoint() {
  co_return co_await impl_->read<std::optional<ports::KeptCheckpoint>>(&Impl::lookups_,
                                                                       [](Connection& db) { return read_last_checkpoint(db); });
}

Task<> SqliteStore::keep_checkpoint(ports::KeptCheckpoint checkpoint) {
  co_return co_await impl_->write<void>(
      1024, [checkpoint = std::move(checkpoint)](Connection& db) { return store::keep_checkpoint(db, checkpoint); });
}

Task<> SqliteStore::keep_cosignature(std::int64_t size, ports::Cosignature cosignature) {
  co_return co_await impl_->write<void>(512, [size, cosignature = std::move(cosignature)](Connection& db) {
    return store::keep_cosignature(db, size, cosignature);
  });
}

Task<std::vector<std::pair<std::int64_t, ports::Cosignature>>> SqliteStore::last_cosignatures() {
  co_return co_await impl_->read<std::vector<std::pair<std::int64_t, ports::Cosignature>>>(
      &Impl::lookups_, [](Connection& db) { return read_last_cosignatures(db); });
}

Task<std::vector<ports::Correction>> SqliteStore::corrections(std::size_t limit) {
  co_return co_await impl_->read<std::vector<ports::Correction>>(&Impl::scans_,
                                                                 [limit](Connection& db) { return read_corrections(db, limit); });
}

Task<std::vector<ports::UsageRefusal>> SqliteStore::usage_refusals() {
  co_return co_await impl_->read<std::vector<ports::UsageRefusal>>(&Impl::lookups_,
                                                                   [](Connection& db) { return read_usage_refusals(db); });
}

Task<std::vector<ports::UsageLine>> SqliteStore::usage_lines(ports::UsageLinesQuery query) {
  co_return co_await impl_->read<std::vector<ports::UsageLine>>(
      &Impl::scans_, [query = std::move(query)](Connection& db) { return read_usage_lines(db, query); });
}

}  // namespace hansa::store
