// SPDX-License-Identifier: Apache-2.0
#pragma once
// People's data and their end (broker/ports/privacy.hpp): by age (expiry.cpp), of one person (erasure.cpp), in the unused space
// of the file (wipe.cpp); what is held of somebody (persons.cpp), and who has read it (accesses.cpp).

#include "broker/ports/privacy.hpp"
#include "broker/store/connection.hpp"

namespace hansa::domain {
class Names;
}

namespace hansa::store {

/// How long a job that is over keeps its names for the sake of secrets that its site has not removed yet.
inline constexpr Seconds kSecretsWait{7 * 86'400};

/// While it stands, the transaction may take names out of what is append-only; shut() before the transaction is over. An
/// operation that fails is undone with the gate.
class ErasureGate {
 public:
  explicit ErasureGate(Connection& db);
  void shut();

 private:
  Connection& db_;
};

/// The job becomes nobody's: its row, attempts, events, payload; what its decisions were taken from goes. `names` gets whatever
/// its owner was called there. With the gate open.
Result<void> make_nobodys(Connection& db, std::int64_t row, domain::Names& names);
/// Says in the ledger that so many records have lost their personal part.
Result<void> add_tombstone(Connection& db, std::int64_t records, std::string_view reason, UtcTime now);

Result<ports::ErasedSome> expire(Connection& db, domain::Holding holding, UtcTime before, std::int64_t after, UtcTime now);
Result<std::int64_t> read_wipe_owed(Connection& db);
Result<void> settle_wipe(Connection& db, std::int64_t owed);
Result<ports::DueHolding> read_held(Connection& db, domain::Holding holding);

Result<ports::InTheWay> read_in_the_way(Connection& db, const Principal& person, UtcTime now);
Result<void> ask_erasure(Connection& db, const ports::Erasure& erasure);
Result<ports::Erasure> rule_erasure(Connection& db, ports::ErasureId id, const Principal& by, UtcTime at, bool approve);
Result<ports::Erasure> read_erasure(Connection& db, ports::ErasureId id);
Result<std::vector<ports::Erasure>> read_erasures(Connection& db, std::size_t limit);
Result<bool> erase_some(Connection& db, ports::ErasureId id, const std::vector<std::string>& names, UtcTime now);
Result<void> end_erasure(Connection& db, ports::ErasureId id, UtcTime at);

Result<ports::PersonPage> read_person_part(Connection& db, const Principal& person, ports::PersonPart part,
                                           const std::string& after);

Result<void> note_accesses(Connection& db, const std::vector<ports::Access>& accesses);

/// The next pages of the file from `page` on (1 is the first). Outside of any transaction, on the one connection that writes, and
/// with nothing in the log that is not in the file. See wipe.cpp. Fatal failures are thrown.
Result<ports::ErasedSome> wipe_pages(Connection& db, std::int64_t page);

}  // namespace hansa::store
