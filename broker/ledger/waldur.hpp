// SPDX-License-Identifier: Apache-2.0
#pragma once
// Component usage as Waldur's marketplace takes it of a service provider (waldur-mastermind; the fields are those of
// waldur/py-client of August 2026): for each resource the month's total of every component, and of every person. The document
// holds the bodies of POST /api/marketplace-component-usages/set_usage/ and .../{uuid}/set_user_usages/, ready to be sent
// (docs/exchange-formats.md).

#include "broker/ledger/apel.hpp"

namespace hansa::ledger {

inline constexpr std::string_view kWaldurFormat = "hansa-waldur-usage/1";

/// Holds sums, as many as there are projects and persons in them.
class WaldurUsage {
 public:
  /// Persons are told by their accounts at the site, as Waldur knows them, or not at all.
  WaldurUsage(Month month, Persons persons) : month_(month), persons_(persons) {}

  /// Runs without an account (erased) count in the total alone. SUM_TOO_LARGE.
  Result<void> take(const ExchangeRun& run, const WaldurSite& site);
  /// One line of canonical JSON and a newline. What was used by projects that have no resource there is told beside.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] std::int64_t resources() const;

 private:
  struct Use {
    const WaldurSite* site = nullptr;
    Amounts total;
    std::map<std::string, Amounts> persons;  // by account
  };

  Month month_;
  Persons persons_;
  std::map<std::pair<std::string, std::string>, Use> uses_;  // by site and project
};

}  // namespace hansa::ledger
