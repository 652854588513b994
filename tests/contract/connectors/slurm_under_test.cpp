// SPDX-License-Identifier: Apache-2.0
// The suite against a real Slurm cluster of tests/testbed, as one of its people. Needs root: to become that account.
#include "broker/async/real_scheduler.hpp"
#include "connectors/slurm/slurm_connector.hpp"
#include "tests/contract/connectors/connector_contract.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <thread>

namespace hansa::contract {

namespace {

constexpr std::string_view kAccount = "alice";

/// As hansa-switch would, with setpriv(1) in its place; counts what is asked of the scheduler.
class RootTransport final : public connectors::transport::Transport {
 public:
  explicit RootTransport(async::Scheduler& scheduler) : scheduler_(scheduler) {}

  async::Task<connectors::transport::CommandResult> run(connectors::transport::Command command,
                                                        async::Deadline deadline) override {
    if (auto valid = check(command); !valid) co_return std::unexpected(valid.error());
    const auto& account = command.account.str();
    if (!account.empty() && account != kAccount) {
      co_return fail(ErrorKind::permission_denied, "OTHER_ACCOUNT", "nobody may act as \"" + account + "\" here");
    }
    constexpr std::array kQuestions{"squeue", "sacct", "scontrol", "sacctmgr"};
    if (account.empty() && std::ranges::any_of(kQuestions, [&](auto name) { return command.program.ends_with(name); }))
      ++questions_;

    const std::string home = account.empty() ? "/" : "/home/" + account;
    async::ChildSpec spec{.argv = {},
                          .environment = std::move(command.environment),
                          .working_directory = home,
                          .input = std::move(command.input),
                          .output_limit = command.output_limit,
                          .self_limit = limit_of(command, deadline, scheduler_)};
    spec.environment.emplace_back("PATH", "/usr/bin:/bin");
    if (!account.empty()) {
      spec.environment.emplace_back("HOME", home);
      spec.environment.emplace_back("USER", account);
      spec.argv = {"/usr/bin/setpriv", "--reuid=" + account, "--regid=" + account, "--init-groups", "--"};
    }
    spec.argv.push_back(std::move(command.program));
    std::ranges::move(command.arguments, std::back_inserter(spec.argv));
    co_return co_await async::run_child(scheduler_, deadline, std::move(spec));
  }

  [[nodiscard]] std::size_t questions() const { return questions_; }

 private:
  async::Scheduler& scheduler_;
  std::size_t questions_ = 0;
};

std::string testbed_path(std::string_view below) {
  const char* folder = std::getenv("HANSA_TESTBED_DIR");
  return std::string(folder == nullptr ? "/var/tmp/hansa-testbed" : folder) + '/' + std::string(below);
}

class SlurmUnderTest final : public ConnectorUnderTest {
 public:
  SlurmUnderTest() : transport_(scheduler_) {
    const char* cluster = std::getenv("HANSA_TESTBED_CLUSTER");
    connectors::slurm::Options options{
        .site = SiteId("beta"), .slurm_conf = testbed_path(std::string(cluster == nullptr ? "beta" : cluster) + "/slurm.conf")};
    auto made = connectors::slurm::SlurmConnector::make(std::move(options), transport_, scheduler_, random_);
    if (!made) throw std::runtime_error(made.error().message);
    connector_ = std::move(*made);
  }

  ports::SiteConnector& connector() override { return *connector_; }
  async::Scheduler& scheduler() override { return scheduler_; }

  void run(boost::asio::awaitable<void> work) override {
    std::exception_ptr escaped;
    boost::asio::co_spawn(context_, std::move(work), [&](std::exception_ptr error) { escaped = std::move(error); });
    context_.restart();
    context_.run();
    if (escaped) std::rethrow_exception(escaped);
  }
  void advance(Milliseconds step) override { std::this_thread::sleep_for(step); }

  [[nodiscard]] LocalAccount account() const override { return LocalAccount(kAccount); }
  [[nodiscard]] QueueName queue() const override { return QueueName("main"); }
  [[nodiscard]] std::string scheduler_account() const override { return "proj1"; }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("nobody-we-know"); }
  [[nodiscard]] domain::Resources whole_site() const override {
    return {.nodes = 2, .tasks = 8, .cpus_per_task = 1, .memory_per_node = Mebibytes{0}, .gpus_per_node = 0, .gpu_model = ""};
  }
  domain::JobPayload payload(const Behaviour& behaviour) override {
    return {.script = behaving_script(behaviour), .arguments = {}, .environment = {}};
  }
  [[nodiscard]] std::size_t site_calls() const override { return transport_.questions(); }
  [[nodiscard]] Seconds time_unit() const override { return Seconds{60}; }
  [[nodiscard]] Seconds patience() const override { return Seconds{45}; }

 private:
  boost::asio::io_context context_;
  async::RealScheduler scheduler_;
  async::SystemRandom random_;
  RootTransport transport_;
  std::unique_ptr<connectors::slurm::SlurmConnector> connector_;
};

}  // namespace

std::unique_ptr<ConnectorUnderTest> make_connector_under_test() { return std::make_unique<SlurmUnderTest>(); }

}  // namespace hansa::contract
