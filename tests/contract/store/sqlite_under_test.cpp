// SPDX-License-Identifier: Apache-2.0
#include "broker/store/sqlite_store.hpp"

#include "store_contract.hpp"
#include <unistd.h>

#include <cstdlib>

namespace hansa::contract {
namespace {

/// In memory where there is such a folder: durability is tests/integration/store's question.
std::filesystem::path new_folder() {
  const std::filesystem::path memory = "/dev/shm";
  auto name = ((::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path()) / "hansa-contract-XXXXXX")
                  .string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  return name;
}

class SqliteUnderTest final : public StoreUnderTest {
 public:
  explicit SqliteUnderTest(bool inline_mode) : inline_mode_(inline_mode), folder_(new_folder()) { open(); }
  ~SqliteUnderTest() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }
  ports::JobStore& jobs() override { return *store_; }
  ports::UsageStore& usage() override { return *store_; }
  ports::SiteStore& sites() override { return *store_; }
  ports::TokenStore& tokens() override { return *store_; }
  ports::CatalogueStore& catalogue() override { return *store_; }
  ports::EstimateStore& estimates() override { return *store_; }
  ports::DecisionStore& decisions() override { return *store_; }
  ports::TransferStore& transfers() override { return *store_; }
  ports::FactStore& facts() override { return *store_; }
  ports::AgentStore& agents() override { return *store_; }
  ports::PersonAgentStore& person_agents() override { return *store_; }
  ports::RevocationStore& revocations() override { return *store_; }
  ports::MembershipStore& memberships() override { return *store_; }
  ports::AllocationStore& allocations() override { return *store_; }
  [[nodiscard]] bool takes_threads() const override { return !inline_mode_; }
  ports::LedgerStore& ledger() override { return *store_; }
  ports::ReconciliationStore& reconciliations() override { return *store_; }
  ports::PeriodStore& periods() override { return *store_; }
  ports::PrivacyStore& privacy() override { return *store_; }
  ports::BreakGlassStore& break_glass() override { return *store_; }
  ports::SecretStore& secrets() override { return *store_; }
  ports::ReportStore& reports() override { return *store_; }
  ports::UsageLineStore& usage_lines() override { return *store_; }
  std::int64_t begin_epoch() override { return store_->begin_epoch().value(); }
  void reopen() override {
    store_->close().value();
    store_.reset();
    open();
  }

 private:
  void open() {
    store::Options options;
    options.state_dir = folder_;
    options.broker_id = "broker-1";
    options.countries = {{SiteId("beta"), "DE"}, {SiteId("gamma"), "FI"}, {SiteId("delta"), "SE"}};
    options.accounting[SiteId("gamma")] = {.centre = "csc",
                                           .energy_method = "ipmi",
                                           .pue_milli = 1'090,
                                           .carbon_mg_per_kwh = 58'000,
                                           .carbon_source = "a report of 2026"};
    options.accounting[SiteId("delta")] = {
        .centre = "pdc", .energy_method = "", .carbon_source = "its makers", .core_milliwatts = 3'500};
    options.projects[ProjectId("quantum")] = {
        .home = "csc", .home_country = "FI", .funding_body = "EuroHPC JU", .call = "EHPC-2026R01", .labels = {}};
    options.projects[ProjectId("climate")] = {.home = "pdc",
                                              .home_country = "SE",
                                              .funding_body = "=HYPERLINK(\"x\")",
                                              .call = "VR, 2026",
                                              .labels = {domain::Label("personal")}};
    options.inline_mode = inline_mode_;
    auto opened = store::SqliteStore::open(options);
    if (!opened) throw std::runtime_error(opened.error().message + " " + opened.error().detail);
    store_ = std::move(*opened);
  }

  bool inline_mode_;
  std::filesystem::path folder_;
  std::unique_ptr<store::SqliteStore> store_;
};

}  // namespace

std::vector<StoreKind> stores_under_test() {
  return {{"SQLite with its threads", [] { return std::make_unique<SqliteUnderTest>(false); }},
          {"SQLite inline", [] { return std::make_unique<SqliteUnderTest>(true); }}};
}

}  // namespace hansa::contract
