// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every store must do, whatever it stands on. An executable for a kind of store defines stores_under_test() and links
// the suite (hansa_store_contract).

#include "broker/domain/transition.hpp"
#include "broker/ports/agents.hpp"
#include "broker/ports/allocations.hpp"
#include "broker/ports/break_glass.hpp"
#include "broker/ports/catalogue.hpp"
#include "broker/ports/decisions.hpp"
#include "broker/ports/estimates.hpp"
#include "broker/ports/facts.hpp"
#include "broker/ports/ledger.hpp"
#include "broker/ports/periods.hpp"
#include "broker/ports/privacy.hpp"
#include "broker/ports/reconciliation.hpp"
#include "broker/ports/reports.hpp"
#include "broker/ports/revocations.hpp"
#include "broker/ports/secrets.hpp"
#include "broker/ports/stores.hpp"
#include "broker/ports/transfers.hpp"
#include "broker/ports/usage_lines.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace hansa::contract {

/// A store of its own, empty at first, gone with this. `beta` is in DE, `gamma` in FI and `delta` in SE, other sites nowhere; of
/// these two, and of the projects quantum and climate, it is told what reports need (sqlite_under_test.cpp).
class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual ports::JobStore& jobs() = 0;
  virtual ports::UsageStore& usage() = 0;
  virtual ports::SiteStore& sites() = 0;
  virtual ports::TokenStore& tokens() = 0;
  virtual ports::CatalogueStore& catalogue() = 0;
  virtual ports::EstimateStore& estimates() = 0;
  virtual ports::DecisionStore& decisions() = 0;
  virtual ports::TransferStore& transfers() = 0;
  virtual ports::FactStore& facts() = 0;
  virtual ports::AgentStore& agents() = 0;
  virtual ports::PersonAgentStore& person_agents() = 0;
  virtual ports::RevocationStore& revocations() = 0;
  virtual ports::MembershipStore& memberships() = 0;
  virtual ports::AllocationStore& allocations() = 0;
  /// Callable from many at once, each waiting on its own; else all calls are made on the one that waits.
  [[nodiscard]] virtual bool takes_threads() const = 0;
  virtual ports::LedgerStore& ledger() = 0;
  virtual ports::ReconciliationStore& reconciliations() = 0;
  virtual ports::PeriodStore& periods() = 0;
  virtual ports::PrivacyStore& privacy() = 0;
  virtual ports::BreakGlassStore& break_glass() = 0;
  virtual ports::SecretStore& secrets() = 0;
  virtual ports::ReportStore& reports() = 0;
  virtual ports::UsageLineStore& usage_lines() = 0;
  virtual std::int64_t begin_epoch() = 0;
  /// Closed and opened again, as by a restart of the broker.
  virtual void reopen() = 0;

  /// Runs `task` to its end.
  template <typename T>
  Result<T> wait(async::Task<T> task) {
    std::optional<Result<T>> outcome;
    boost::asio::co_spawn(context_, std::move(task), [&](const std::exception_ptr& thrown, Result<T> result) {
      if (thrown) std::rethrow_exception(thrown);
      outcome = std::move(result);
    });
    context_.restart();
    context_.run();
    if (!outcome) throw std::logic_error("the store left its caller waiting");
    return std::move(*outcome);
  }

 protected:
  boost::asio::io_context context_;
};

struct StoreKind {
  std::string name;
  std::function<std::unique_ptr<StoreUnderTest>()> make;
};
std::vector<StoreKind> stores_under_test();

/// One of the kinds, chosen by Catch2's generator, so that each test case runs with each.
std::unique_ptr<StoreUnderTest> next_store();

/// Ids that rise; the same in every run.
JobId next_id();
inline const Principal kAlice("local:alice"), kBob("local:bob");
inline UtcTime at(std::int64_t second) { return from_unix_seconds(1'780'000'000 + second); }

struct JobTraits {
  std::string owner = "local:alice";
  std::string project = "ai-lab";
  std::int64_t second = 0;
  std::int64_t epoch = 1;
};
ports::NewJob new_job(const JobTraits& traits);
inline ports::NewJob new_job() { return new_job(JobTraits{}); }

/// Accepts one job and returns it.
domain::Job accepted(StoreUnderTest& store, const JobTraits& traits);
inline domain::Job accepted(StoreUnderTest& store) { return accepted(store, JobTraits{}); }

/// `events` applied to `job`, as the engine would hand it to the store. Throws if the state machine refuses.
ports::JobChange change(domain::Job& job, std::vector<domain::EventBody> events, std::int64_t second = 10);
void recorded(StoreUnderTest& store, domain::Job& job, std::vector<domain::EventBody> events, std::int64_t second = 10);

/// A job bound at `site` as `site_job_id`.
domain::Job bound(StoreUnderTest& store, const std::string& site, const std::string& site_job_id, const JobTraits& traits);

template <typename T>
std::string code_of(const Result<T>& result) {
  return result ? "" : result.error().code;
}

}  // namespace hansa::contract
