// SPDX-License-Identifier: Apache-2.0
#include "connectors/model/model_connector.hpp"
#include "simulation/virtual_scheduler.hpp"
#include "tests/integration/model_and_slurm/stage.hpp"

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <stdexcept>

namespace hansa::held_against {

namespace {

namespace model = connectors::model;

/// What tests/testbed makes of a cluster, in the model's words.
model::ClusterOptions testbed_cluster() {
  return {.name = "alpha",
          .node_groups = {{.count = 1, .cores = 8, .memory = Mebibytes{16'000}},
                          {.count = 1, .cores = 8, .memory = Mebibytes{16'000}}},
          .queues = {{.name = QueueName("main"), .max_time = Seconds{2 * 86'400}},
                     {.name = QueueName("short"), .max_time = Seconds{600}},
                     {.name = QueueName("service"), .max_time = Seconds{86'400}, .groups = {1}}},
          .accounts = {LocalAccount("alice"), LocalAccount("bob")},
          .scheduler_accounts = {"proj1", "proj2"},
          .min_job_age = Seconds{60}};
}

class ModelStage final : public Stage {
 public:
  ModelStage() : site_(std::make_shared<model::ModelSite>(time_, testbed_cluster())), connector_(time_, SiteId("alpha"), site_) {}

  ports::SiteConnector& connector() override { return connector_; }
  async::Scheduler& scheduler() override { return time_; }
  boost::asio::any_io_executor executor() override { return time_.executor(); }

  void run(awaitable<void> work) override {
    bool done = false;
    std::exception_ptr failure;
    boost::asio::co_spawn(time_.executor(), std::move(work), [&](const std::exception_ptr& e) {
      done = true;
      failure = e;
    });
    if (!time_.run_until([&] { return done; })) throw std::runtime_error("the history waits for something that never comes");
    if (failure) std::rethrow_exception(failure);
  }

  awaitable<void> requeue(SiteJobId id) override {
    site_->cluster().requeue(id);
    co_return;
  }
  awaitable<void> hold(SiteJobId id, bool held) override {
    site_->cluster().hold(id, held);
    co_return;
  }
  awaitable<void> hurry_time_limit(SiteJobId) override { co_return; }
  awaitable<void> set_controller(bool up) override {
    site_->faults.queue_off = !up;
    co_return;
  }
  awaitable<void> set_accounting(bool up) override {
    site_->faults.history_off = !up;
    co_return;
  }
  awaitable<void> set_last_node(bool usable) override {
    site_->cluster().set_node_usable(1, usable);
    co_return;
  }
  awaitable<void> wait_until_forgotten(SiteJobId) override {
    co_await time_.sleep_until(time_.now_monotonic() + testbed_cluster().min_job_age + Seconds{1});
  }

 private:
  simulation::VirtualScheduler time_;
  std::shared_ptr<model::ModelSite> site_;
  model::ModelConnector connector_;
};

}  // namespace

std::unique_ptr<Stage> make_model_stage() { return std::make_unique<ModelStage>(); }

}  // namespace hansa::held_against
