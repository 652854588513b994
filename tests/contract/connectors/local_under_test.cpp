// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/connectors/connector_contract.hpp"
#include "tests/contract/connectors/profile_under_test.hpp"
#include "tests/integration/connectors_local/local_site.hpp"

namespace hansa::contract {

namespace {

class LocalUnderTest final : public ConnectorUnderTest {
 public:
  ports::SiteConnector& connector() override { return site_.connector(); }
  async::Scheduler& scheduler() override { return site_.scheduler(); }
  void run(boost::asio::awaitable<void> work) override { site_.run(std::move(work)); }
  void advance(Milliseconds step) override { site_.let_pass(step); }
  [[nodiscard]] LocalAccount account() const override { return {}; }
  [[nodiscard]] QueueName queue() const override { return QueueName("local"); }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("nobody-else"); }
  [[nodiscard]] domain::Resources whole_site() const override { return {.nodes = 1, .tasks = 4, .cpus_per_task = 1}; }
  domain::JobPayload payload(const Behaviour& behaviour) override {
    return {.script = behaving_script(behaviour), .arguments = {}, .environment = {}};
  }
  [[nodiscard]] bool has_profile() const override { return true; }
  [[nodiscard]] std::size_t site_calls() const override { return 0; }  // it has its jobs in memory

 private:
  test::TemporaryFolder folder_;
  static connectors::local::LocalOptions with_profile(connectors::local::LocalOptions options, const std::string& folder) {
    options.profile = pretended_profile(folder);
    return options;
  }
  test::LocalSite site_{with_profile(test::options_in(folder_.path()), folder_.path())};
};

}  // namespace

std::unique_ptr<ConnectorUnderTest> make_connector_under_test() { return std::make_unique<LocalUnderTest>(); }

}  // namespace hansa::contract
