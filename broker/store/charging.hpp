// SPDX-License-Identifier: Apache-2.0
#pragma once
// What runs cost, charged in the transaction that books them. A page of a site's records is mostly of few projects and rules:
// each rule is read once, and what is added to an allocation is added up and written once, at the end.

#include "broker/domain/allocation.hpp"
#include "broker/domain/usage.hpp"
#include "broker/store/reservations.hpp"

#include <array>
#include <map>
#include <tuple>

namespace hansa::store {

/// Of one transaction, in which nobody else touches allocations until finish().
class Charging {
 public:
  explicit Charging(Connection& db) : db_(db) {}

  /// A run of that attempt was booked; not `is_first`: anew, since its site has changed its record. Then what it was charged is
  /// taken back first, as of the end that it was charged for.
  Result<void> charge(std::int64_t job_row, std::int32_t attempt, const domain::UsageRecord& record, bool is_first);
  /// The allocations follow. Before the transaction ends; whoever charges calls it.
  void finish();

 private:
  /// A reservation, and what a run of its attempt is charged by.
  struct Basis {
    Kept kept;
    domain::Charge used;
    domain::Use asked;
    const domain::ChargeRule* rule = nullptr;
    bool last_run_began = false;
  };
  /// An allocation that runs add to.
  struct Account {
    std::int64_t since_ms;  // of a balance: when it was told; runs that ended later are not in it
    domain::Charge used;
    domain::Charge more_reserved, more_used;  // than its row has
  };
  Result<std::optional<Basis>> basis_of(std::int64_t job_row, std::int32_t attempt, std::int32_t task);
  bool take_back(std::int64_t job_row, Basis& basis, const domain::UsageRecord& record);
  void settle(std::int64_t job_row, Basis& basis, domain::Charge used, std::int64_t ended_s);
  /// Its grant and its balance; null where there is none.
  std::array<Account*, 2> accounts_of(const Kept& kept);
  Account* account_at(std::int64_t row);

  Connection& db_;
  std::map<std::string, domain::ChargeRule, std::less<>> rules_;  // by their texts
  std::map<std::string, domain::Use, std::less<>> asked_;
  std::map<std::tuple<std::string, std::string, std::string>, std::optional<std::int64_t>> balances_;  // rows
  std::map<std::int64_t, Account> accounts_;  // by row
};

}  // namespace hansa::store
