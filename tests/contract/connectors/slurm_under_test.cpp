// SPDX-License-Identifier: Apache-2.0
// The suite against a real Slurm cluster of tests/testbed, as one of its people. Needs root: to become that account.
#include "connectors/slurm/slurm_connector.hpp"
#include "tests/contract/connectors/profile_under_test.hpp"
#include "tests/contract/connectors/real_time_site.hpp"
#include "tests/testbed/bed_transport.hpp"
#include "tests/testbed/temporary_folder.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <stdexcept>

namespace hansa::contract {

namespace {

constexpr std::string_view kAccount = "alice";

class SlurmUnderTest final : public RealTimeSite {
 public:
  SlurmUnderTest() : transport_(scheduler_) {
    const char* cluster = std::getenv("HANSA_TESTBED_CLUSTER");
    connectors::slurm::Options options{
        .site = SiteId("beta"),
        .slurm_conf = testbed::path_in_bed(std::string(cluster == nullptr ? "beta" : cluster) + "/slurm.conf"),
        .profile = pretended_profile(folder_.path())};
    ::chmod(folder_.path().c_str(), 0755);  // alice's jobs find it there
    auto made = connectors::slurm::SlurmConnector::make(std::move(options), transport_, scheduler_, random_);
    if (!made) throw std::runtime_error(made.error().message);
    connector_ = std::move(*made);
  }

  ports::SiteConnector& connector() override { return *connector_; }
  [[nodiscard]] LocalAccount account() const override { return LocalAccount(kAccount); }
  [[nodiscard]] QueueName queue() const override { return QueueName("main"); }
  [[nodiscard]] std::string scheduler_account() const override { return "proj1"; }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("nobody-we-know"); }
  [[nodiscard]] domain::Resources whole_site() const override {
    return {.nodes = 2, .tasks = 8, .cpus_per_task = 1, .memory_per_node = Mebibytes{0}, .gpus_per_node = 0, .gpu_model = ""};
  }
  [[nodiscard]] std::size_t site_calls() const override { return transport_.questions(); }
  [[nodiscard]] Seconds time_unit() const override { return Seconds{60}; }
  [[nodiscard]] Seconds patience() const override { return Seconds{45}; }
  [[nodiscard]] bool has_profile() const override { return true; }

 private:
  test::TemporaryFolder folder_;
  testbed::BedTransport transport_;
  std::unique_ptr<connectors::slurm::SlurmConnector> connector_;
};

}  // namespace

std::unique_ptr<ConnectorUnderTest> make_connector_under_test() { return std::make_unique<SlurmUnderTest>(); }

}  // namespace hansa::contract
