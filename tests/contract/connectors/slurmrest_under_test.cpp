// SPDX-License-Identifier: Apache-2.0
// The suite against the slurmrestd of a cluster of tests/testbed, as one of its people. Needs root: to become that account, and
// to have tokens made.
#include "connectors/slurmrest/slurmrest_connector.hpp"
#include "tests/contract/connectors/real_time_site.hpp"
#include "tests/testbed/bed_transport.hpp"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace hansa::contract {

namespace {

constexpr std::string_view kAccount = "alice";

std::string cluster_name() {
  const char* cluster = std::getenv("HANSA_TESTBED_CLUSTER");
  return cluster == nullptr ? "beta" : cluster;
}

/// The bed's slurmrestd listens one port above the controller (tests/testbed/slurm_testbed).
std::string url_of(const std::string& cluster) {
  std::ifstream file(testbed::path_in_bed(cluster + "/slurm.conf"));
  constexpr std::string_view kPort = "SlurmctldPort=";
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(kPort)) return "http://127.0.0.1:" + std::to_string(std::stoi(line.substr(kPort.size())) + 1);
  }
  throw std::runtime_error("the bed's cluster " + cluster + " does not say where it listens");
}

class SlurmrestUnderTest final : public RealTimeSite {
 public:
  SlurmrestUnderTest() : transport_(scheduler_) {
    const auto cluster = cluster_name();
    connectors::slurmrest::Options options{
        .site = SiteId("beta"),
        .url = url_of(cluster),
        .tokens = {.file = {},
                   .command = {"/usr/bin/env", "SLURM_CONF=" + testbed::path_in_bed(cluster + "/slurm.conf"), "/usr/bin/scontrol",
                               "token", "lifespan=600", "username={account}"}},
        .cluster = cluster};
    auto made = connectors::slurmrest::SlurmrestConnector::make(std::move(options), transport_, scheduler_);
    if (!made) throw std::runtime_error(made.error().message);
    connector_ = std::move(*made);
  }

  ports::SiteConnector& connector() override { return *connector_; }
  [[nodiscard]] LocalAccount account() const override { return LocalAccount(kAccount); }
  [[nodiscard]] QueueName queue() const override { return QueueName("main"); }
  [[nodiscard]] std::string scheduler_account() const override { return "proj1"; }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("nobody-we-know"); }
  [[nodiscard]] bool books_exit_codes() const override { return false; }  // 0.0.38 does not
  [[nodiscard]] domain::Resources whole_site() const override {
    return {.nodes = 2, .tasks = 8, .cpus_per_task = 1, .memory_per_node = Mebibytes{0}, .gpus_per_node = 0, .gpu_model = ""};
  }
  [[nodiscard]] std::size_t site_calls() const override { return connector_->questions_asked(); }
  [[nodiscard]] std::size_t snapshot_calls() const override { return 4; }  // each list has its own
  [[nodiscard]] Seconds time_unit() const override { return Seconds{60}; }
  [[nodiscard]] Seconds patience() const override { return Seconds{45}; }

 private:
  testbed::BedTransport transport_;
  std::unique_ptr<connectors::slurmrest::SlurmrestConnector> connector_;
};

}  // namespace

std::unique_ptr<ConnectorUnderTest> make_connector_under_test() { return std::make_unique<SlurmrestUnderTest>(); }

}  // namespace hansa::contract
