// SPDX-License-Identifier: Apache-2.0
#include "broker/async/real_scheduler.hpp"
#include "connectors/slurm/slurm_connector.hpp"
#include "tests/integration/model_and_slurm/stage.hpp"
#include "tests/testbed/bed_transport.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdlib>
#include <exception>
#include <stdexcept>

namespace hansa::held_against {

namespace {

constexpr const char* kCluster = "alpha";

class SlurmStage final : public Stage {
 public:
  SlurmStage() : transport_(scheduler_) {
    auto made = connectors::slurm::SlurmConnector::make(
        {.site = SiteId(kCluster), .slurm_conf = conf(), .usage_history = Seconds{3600}}, transport_, scheduler_, random_);
    if (!made) throw std::runtime_error(made.error().message);
    connector_ = std::move(*made);
  }

  ports::SiteConnector& connector() override { return *connector_; }
  async::Scheduler& scheduler() override { return scheduler_; }
  boost::asio::any_io_executor executor() override { return context_.get_executor(); }

  void run(awaitable<void> work) override {
    std::exception_ptr escaped;
    boost::asio::co_spawn(context_, std::move(work), [&](std::exception_ptr error) { escaped = std::move(error); });
    context_.restart();
    context_.run();
    if (escaped) std::rethrow_exception(escaped);
  }

  awaitable<void> requeue(SiteJobId id) override {
    co_await scontrol({"update", "jobid=" + id.str(), "Requeue=1"});
    co_await scontrol({"requeue", id.str()});
    // Slurm lets a requeued job wait for two minutes, counted from when its old run has been cleaned up. Hurried at once, its
    // second start may find the node still busy with the first one, and fail.
    std::string state;
    for (int tries = 0; tries < 100 && state != "PENDING\n"; ++tries) {
      co_await pause(Milliseconds{250});
      co_await command("/usr/bin/squeue", {"--noheader", "--all", "--jobs=" + id.str(), "--format=%T"}, &state);
    }
    co_await pause(Seconds{5});
    co_await scontrol({"update", "jobid=" + id.str(), "StartTime=now"});
  }
  awaitable<void> hold(SiteJobId id, bool held) override { co_await scontrol({held ? "hold" : "release", id.str()}); }
  awaitable<void> hurry_time_limit(SiteJobId id) override { co_await scontrol({"update", "jobid=" + id.str(), "EndTime=now+1"}); }
  awaitable<void> set_controller(bool up) override { co_await bed({up ? "start" : "stop", kCluster, "slurmctld"}); }
  awaitable<void> set_accounting(bool up) override { co_await bed({up ? "start" : "stop", "-", "slurmdbd"}); }
  awaitable<void> set_last_node(bool usable) override {
    const auto node = std::string("nodename=") + kCluster + "-n2";
    if (!usable) co_await scontrol({"update", node, "state=DOWN", "reason=test"});
    // Refused if it has come back by itself (ReturnToService=2).
    if (usable) co_await command("/usr/bin/scontrol", {"update", node, "state=RESUME"});
  }
  awaitable<void> wait_until_forgotten(SiteJobId id) override {
    for (int tries = 0; tries < 100; ++tries) {
      std::string out;
      co_await command("/usr/bin/squeue", {"--noheader", "--all", "--states=all", "--format=%A"}, &out);
      if (!('\n' + out).contains('\n' + id.str() + '\n')) co_return;
      co_await pause(Seconds{2});
    }
    throw std::runtime_error("the queue does not forget job " + id.str());
  }

 private:
  static std::string conf() { return testbed::path_in_bed(std::string(kCluster) + "/slurm.conf"); }

  awaitable<void> pause(Milliseconds time) { co_await scheduler_.sleep_until(scheduler_.now_monotonic() + time); }

  /// Its exit status.
  awaitable<int> command(std::string program, std::vector<std::string> arguments, std::string* out = nullptr) {
    async::ChildSpec spec{.argv = {std::move(program)},
                          .environment = {{"SLURM_CONF", conf()}, {"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}}};
    for (const char* name : {"HANSA_TESTBED_DIR", "HANSA_TESTBED_PORT", "HANSA_TESTBED_CONF"}) {
      if (const char* value = std::getenv(name)) spec.environment.emplace_back(name, value);
    }
    std::ranges::move(arguments, std::back_inserter(spec.argv));
    const auto result = co_await async::run_child(scheduler_, async::Deadline::in(scheduler_, Seconds{90}), std::move(spec));
    if (!result) throw std::runtime_error(result.error().message);
    if (out != nullptr) *out = result->out;
    co_return result->exit_status.value_or(-1);
  }
  awaitable<void> scontrol(std::vector<std::string> arguments) {
    auto said = arguments.front();
    if (co_await command("/usr/bin/scontrol", std::move(arguments)) != 0)
      throw std::runtime_error("scontrol " + said + " failed");
  }
  awaitable<void> bed(std::vector<std::string> arguments) {
    auto said = arguments.front();
    if (co_await command(HANSA_SLURM_TESTBED, std::move(arguments)) != 0)
      throw std::runtime_error("slurm_testbed " + said + " failed");
  }

  boost::asio::io_context context_;
  async::RealScheduler scheduler_;
  async::SystemRandom random_;
  testbed::BedTransport transport_;
  std::unique_ptr<connectors::slurm::SlurmConnector> connector_;
};

}  // namespace

std::unique_ptr<Stage> make_slurm_stage() { return std::make_unique<SlurmStage>(); }

}  // namespace hansa::held_against
