// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sums of each day's runs that reports read, kept in the transaction that books: they are the records' own, by a test
// (tests/contract/store/report_contract.cpp) and by `hansa ledger verify`, which compares them with what it has counted itself.

#include "broker/core/wide.hpp"
#include "broker/ledger/record.hpp"
#include "broker/store/connection.hpp"

#include <array>
#include <map>
#include <tuple>

namespace hansa::store {

/// The row of a context; a new one is written.
class Contexts {
 public:
  explicit Contexts(Connection& db) : db_(db) {}
  std::int64_t row_of(const ledger::UsageContext& context);
  ledger::UsageContext at(std::int64_t row);

 private:
  Connection& db_;
  std::map<ledger::UsageContext, std::int64_t> known_;
};

/// What a transaction adds to the sums, written once at its end.
class UsageSums {
 public:
  void add(const ledger::UsageEntry& entry, std::int64_t context);
  void write(Connection& db);

 private:
  struct Sum {
    std::int64_t runs = 0, measured = 0;
    std::array<Wide, 5> amounts{};  // elapsed, cores, GPUs, nodes, energy
  };
  // day, project, site, country, queue, context
  std::map<std::tuple<std::int64_t, std::string, std::string, std::string, std::string, std::int64_t>, Sum> sums_;
};

}  // namespace hansa::store
