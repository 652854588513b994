// SPDX-License-Identifier: Apache-2.0
#pragma once
// The REST API: routes, authentication, errors as problems. Knows the engine's use cases and the wire's JSON; owns neither.
// handle() is called on the server's threads; what belongs to the engine is run on its strand.

#include "broker/api/request_limits.hpp"
#include "broker/engine/allocation_register.hpp"
#include "broker/engine/break_glass_register.hpp"
#include "broker/engine/catalogue.hpp"
#include "broker/engine/data_protection.hpp"
#include "broker/engine/engine.hpp"
#include "broker/engine/fact_register.hpp"
#include "broker/engine/notary.hpp"
#include "broker/engine/periods.hpp"
#include "broker/engine/reconciliations.hpp"
#include "broker/engine/secret_vault.hpp"
#include "broker/http/message.hpp"
#include "broker/identity/agents.hpp"
#include "broker/identity/authenticator.hpp"
#include "broker/identity/authorization.hpp"
#include "broker/identity/person_agents.hpp"
#include "broker/ledger/exchange.hpp"
#include "broker/metrics/exposition.hpp"
#include "broker/ports/decisions.hpp"
#include "broker/ports/facts.hpp"
#include "broker/ports/reports.hpp"
#include "broker/ports/usage_lines.hpp"

#include <atomic>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::api {

struct Match;

inline constexpr std::size_t kMaxCodePiece = std::size_t{4} << 20;

/// Who answers for people's data; "": nobody said so.
struct Responsible {
  std::string controller, processor, contact;
};
struct PrivacyFacts {
  Responsible broker;
  std::string legal_basis;
  struct Site {
    std::string id, name, country;
    Responsible responsible;
  };
  std::vector<Site> sites;
  std::map<domain::Holding, std::int64_t> days;  // how long each is kept; 0: it stays
};

struct BrokerFacts {
  std::string name;
  std::string country;
  std::string version;
  std::vector<std::string> sites = {};
  std::filesystem::path spool_folder = std::filesystem::temp_directory_path();  // long reports lie there while they are sent
  std::string agents_address = {};  // where sites' agents come in: "wss://..."; "" if none may
  /// The id of the key by which they may know this broker, as it is now; on any thread.
  std::function<std::string()> agents_key = {};
  PrivacyFacts privacy = {};
  std::vector<ledger::ExchangeSite> exchange = {};  // what sites are called in others' accounting
};

class Api {
 public:
  struct Parts {
    engine::Engine& engine;
    ports::JobStore& jobs;
    ports::UsageStore& usage;
    ports::CatalogueStore& datasets;
    ports::EstimateStore& estimates;
    ports::DecisionStore& decisions;
    ports::FactStore& facts;
    ports::LedgerStore& ledger;
    ports::ReportStore& reports;
    ports::UsageLineStore& usage_lines;
    engine::Catalogue& catalogue;
    engine::FactRegister& fact_register;
    engine::AllocationRegister& allocations;
    engine::Notary& notary;
    engine::Reconciliations& reconciliations;
    engine::Periods& periods;
    identity::TokenAuthority& tokens;
    identity::Authenticator& authenticator;
    const ports::Accounts& accounts;
    identity::AgentRegister& agents;
    identity::PersonAgentRegister& person_agents;
    async::Scheduler& scheduler;
    ports::Log& log;
    /// What else /metrics has; on any thread.
    std::function<void(metrics::Exposition&)> more_metrics;
    engine::DataProtection* protection = nullptr;  // none: nothing is erased, and nobody's reading is on record
    ports::PrivacyStore* privacy = nullptr;
    engine::BreakGlassRegister* break_glass = nullptr;  // none: what is an owner's alone stays so
    RequestRates rates = {};
    engine::SecretVault* secrets = nullptr;  // none: nobody's are kept
  };

  Api(Parts parts, BrokerFacts facts)
      : parts_(std::move(parts)), facts_(std::move(facts)), limits_(parts_.rates, parts_.scheduler) {}

  async::Task<http::Response> handle(http::Request request);

  /// For the server, on any of its threads: who may not have a long body read, and the answer they get. Nobody may whose token is
  /// not good.
  std::optional<http::Response> refuse_body(const http::Request& head);
  /// For the server: how long a body may be.
  static std::size_t body_limit(std::string_view method, std::string_view path);

  /// /readyz says 503 until told otherwise, and again while stopping.
  void set_ready(bool ready) { ready_ = ready; }

  /// Who asks, with what projects make of them at this moment. Errors: Authenticator's.
  async::Task<identity::Caller> caller_of(std::string authorization, async::Deadline deadline);

  // For the handlers.
  [[nodiscard]] const Parts& parts() const { return parts_; }
  [[nodiscard]] const BrokerFacts& facts() const { return facts_; }
  [[nodiscard]] const RequestLimits& limits() const { return limits_; }
  [[nodiscard]] std::span<const std::string_view> sites() const { return sites_; }
  [[nodiscard]] bool ready() const { return ready_; }

 private:
  async::Task<http::Response> answer(Match found, http::Request request, identity::Caller* caller);

  Parts parts_;
  const BrokerFacts facts_;
  RequestLimits limits_;
  const std::vector<std::string_view> sites_{facts_.sites.begin(), facts_.sites.end()};
  std::atomic<bool> ready_{false};
};

}  // namespace hansa::api
