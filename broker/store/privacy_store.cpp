// SPDX-License-Identifier: Apache-2.0
// The port of what is held of people (broker/ports/privacy.hpp).
#include "broker/store/privacy.hpp"
#include "broker/store/sqlite_store_impl.hpp"

namespace hansa::store {

Task<ports::ErasedSome> SqliteStore::expire(domain::Holding holding, UtcTime before, std::int64_t after, UtcTime now) {
  co_return co_await impl_->write<ports::ErasedSome>(
      4096, [=](Connection& db) { return store::expire(db, holding, before, after, now); });
}

Task<ports::DueHolding> SqliteStore::held(domain::Holding holding) {
  co_return co_await impl_->read<ports::DueHolding>(&Impl::scans_, [=](Connection& db) { return read_held(db, holding); });
}

Task<ports::InTheWay> SqliteStore::in_the_way_of_erasing(Principal person, UtcTime now) {
  co_return co_await impl_->read<ports::InTheWay>(
      &Impl::scans_, [person = std::move(person), now](Connection& db) { return read_in_the_way(db, person, now); });
}

Task<> SqliteStore::ask_erasure(ports::Erasure erasure) {
  co_return co_await impl_->write<void>(
      512, [erasure = std::move(erasure)](Connection& db) { return store::ask_erasure(db, erasure); });
}

Task<ports::Erasure> SqliteStore::rule_erasure(ports::ErasureId id, Principal by, UtcTime at, bool approve) {
  co_return co_await impl_->write<ports::Erasure>(
      512, [=, by = std::move(by)](Connection& db) { return store::rule_erasure(db, id, by, at, approve); });
}

Task<ports::Erasure> SqliteStore::erasure(ports::ErasureId id) {
  co_return co_await impl_->read<ports::Erasure>(&Impl::lookups_, [id](Connection& db) { return read_erasure(db, id); });
}

Task<std::vector<ports::Erasure>> SqliteStore::erasures(std::size_t limit) {
  co_return co_await impl_->read<std::vector<ports::Erasure>>(&Impl::scans_,
                                                              [limit](Connection& db) { return read_erasures(db, limit); });
}

Task<bool> SqliteStore::erase_some(ports::ErasureId id, std::vector<std::string> names, UtcTime now) {
  co_return co_await impl_->write<bool>(
      65'536, [id, names = std::move(names), now](Connection& db) { return store::erase_some(db, id, names, now); });
}

Task<> SqliteStore::end_erasure(ports::ErasureId id, UtcTime at) {
  co_return co_await impl_->write<void>(64, [=](Connection& db) { return store::end_erasure(db, id, at); });
}

Task<ports::ErasedSome> SqliteStore::wipe_unused(std::int64_t page) {
  co_return co_await impl_->between_commits<ports::ErasedSome>([page,
                                                                impl = impl_.get()](Connection& db) -> Result<ports::ErasedSome> {
    const auto in_use = [] {
      return fail(ErrorKind::unavailable, "LOG_IN_USE", "somebody reads what is older in the database: try again in a moment");
    };
    if (!db.copy_log()) return in_use();
    auto wiped = wipe_pages(db, page);
    if (!wiped || wiped->next) return wiped;
    if (!db.empty_log()) return in_use();
    impl->lengthen_log(db);
    return wiped;
  });
}

Task<std::int64_t> SqliteStore::wipe_owed() {
  co_return co_await impl_->read<std::int64_t>(&Impl::lookups_, [](Connection& db) { return read_wipe_owed(db); });
}

Task<> SqliteStore::wiped(std::int64_t owed) {
  co_return co_await impl_->write<void>(64, [owed](Connection& db) { return store::settle_wipe(db, owed); });
}

Task<ports::PersonPage> SqliteStore::person_part(Principal person, ports::PersonPart part, std::string after) {
  co_return co_await impl_->read<ports::PersonPage>(&Impl::scans_,
                                                    [=, person = std::move(person), after = std::move(after)](Connection& db) {
                                                      return read_person_part(db, person, part, after);
                                                    });
}

Task<> SqliteStore::note_accesses(std::vector<ports::Access> accesses) {
  co_return co_await impl_->write<void>(
      256 * accesses.size(), [accesses = std::move(accesses)](Connection& db) { return store::note_accesses(db, accesses); });
}

}  // namespace hansa::store
