// SPDX-License-Identifier: Apache-2.0
// The suite against a PBS: the stand-in of tests/testbed, with odd jobs of somebody else's in every listing; or, with
// HANSA_PBS=live, the real one of this machine, as alice, which needs root.
#include "connectors/pbs/pbs_connector.hpp"
#include "connectors/transport/direct_transport.hpp"
#include "tests/contract/connectors/profile_under_test.hpp"
#include "tests/contract/connectors/real_time_site.hpp"
#include "tests/testbed/bed_transport.hpp"
#include "tests/testbed/temporary_folder.hpp"

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string_view>

namespace hansa::contract {

namespace {

using connectors::pbs::Options;
using connectors::pbs::PbsConnector;

class PbsSite : public RealTimeSite {
 public:
  ports::SiteConnector& connector() override { return *connector_; }
  [[nodiscard]] QueueName queue() const override { return QueueName("workq"); }

 protected:
  void open(Options options, connectors::transport::Transport& transport) {
    options.site = SiteId("pbs");
    auto made = PbsConnector::make(std::move(options), transport, scheduler_, random_, log_);
    if (!made) throw std::runtime_error(made.error().message);
    connector_ = std::move(*made);
  }

 private:
  test::SilentLog log_;
  std::unique_ptr<PbsConnector> connector_;
};

/// This host, as the account of the test; counts what is asked of the server.
class CountingTransport final : public connectors::transport::Transport {
 public:
  explicit CountingTransport(async::Scheduler& scheduler) : direct_(scheduler) {}
  async::Task<connectors::transport::CommandResult> run(connectors::transport::Command command,
                                                        async::Deadline deadline) override {
    for (const std::string_view name : {"/qstat", "/qselect", "/pbsnodes"}) questions += command.program.ends_with(name) ? 1 : 0;
    return direct_.run(std::move(command), deadline);
  }
  std::size_t questions = 0;

 private:
  connectors::transport::DirectTransport direct_;
};

class StandIn final : public PbsSite {
 public:
  StandIn() : transport_(scheduler_) {
    const auto install = std::string(HANSA_PBS_STANDIN) + " install " + folder_.path();
    if (std::system(install.c_str()) != 0) throw std::runtime_error("cannot install the stand-in");
    std::ofstream(folder_.path() + "/settings.json") << R"({"neighbours": true})";
    open({.site = {},
          .conf = folder_.path() + "/pbs.conf",
          .bin_dir = folder_.path() + "/bin",
          .work_dir = folder_.path() + "/work",
          .own_account_only = true,
          .profile = pretended_profile(folder_.path())},
         transport_);
  }
  [[nodiscard]] LocalAccount account() const override { return {}; }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("nobody-else"); }
  [[nodiscard]] bool has_profile() const override { return true; }
  [[nodiscard]] domain::Resources whole_site() const override { return {.nodes = 2, .tasks = 4, .cpus_per_task = 1}; }
  [[nodiscard]] std::size_t site_calls() const override { return transport_.questions; }
  [[nodiscard]] Seconds time_unit() const override { return Seconds{2}; }

 private:
  test::TemporaryFolder folder_;
  CountingTransport transport_;
};

std::string from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

class Live final : public PbsSite {
 public:
  Live() : transport_(scheduler_) {
    open({.site = {}, .bin_dir = from_environment("HANSA_PBS_BIN_DIR", "/opt/pbs/bin")}, transport_);
  }
  [[nodiscard]] LocalAccount account() const override { return LocalAccount("alice"); }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("nobody-we-know"); }
  [[nodiscard]] domain::Resources whole_site() const override {
    return {.nodes = 1, .tasks = std::stoi(from_environment("HANSA_PBS_CORES", "4")), .cpus_per_task = 1};
  }
  [[nodiscard]] std::size_t site_calls() const override { return transport_.questions(); }
  [[nodiscard]] Seconds time_unit() const override { return Seconds{3}; }
  [[nodiscard]] Seconds patience() const override { return Seconds{60}; }

 private:
  testbed::BedTransport transport_;
};

}  // namespace

std::unique_ptr<ConnectorUnderTest> make_connector_under_test() {
  if (from_environment("HANSA_PBS", "") == "live") return std::make_unique<Live>();
  return std::make_unique<StandIn>();
}

}  // namespace hansa::contract
