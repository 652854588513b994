// SPDX-License-Identifier: Apache-2.0
#include "connectors/model/model_connector.hpp"
#include "simulation/virtual_scheduler.hpp"
#include "tests/contract/connectors/connector_contract.hpp"

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <stdexcept>

namespace hansa::contract {

namespace {

namespace model = connectors::model;

class ModelUnderTest final : public ConnectorUnderTest {
 public:
  ModelUnderTest()
      : site_(std::make_shared<model::ModelSite>(time_, model::ClusterOptions{.name = "model-site",
                                                                              .node_groups = {{.count = 1, .cores = 4}},
                                                                              .accounts = {LocalAccount("alice")}})),
        connector_(time_, SiteId("model"), site_) {}

  ports::SiteConnector& connector() override { return connector_; }
  async::Scheduler& scheduler() override { return time_; }
  void run(boost::asio::awaitable<void> work) override {
    bool done = false;
    std::exception_ptr failure;
    boost::asio::co_spawn(time_.executor(), std::move(work), [&](const std::exception_ptr& e) {
      done = true;
      failure = e;
    });
    if (!time_.run_until([&] { return done; })) throw std::runtime_error("the work waits for something that never comes");
    if (failure) std::rethrow_exception(failure);
  }
  void advance(Milliseconds step) override { time_.advance(step); }
  [[nodiscard]] LocalAccount account() const override { return LocalAccount("alice"); }
  [[nodiscard]] QueueName queue() const override { return QueueName("batch"); }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("mallory"); }
  [[nodiscard]] domain::Resources whole_site() const override { return {.nodes = 1, .tasks = 4, .cpus_per_task = 1}; }
  domain::JobPayload payload(const Behaviour& behaviour) override {
    std::string script =
        "#!/bin/sh\n#model run=" + std::to_string(behaviour.runs.count()) + "s exit=" + std::to_string(behaviour.exit_code);
    for (std::size_t i = 0; i < behaviour.failing.size(); ++i)
      script += (i == 0 ? " fails=" : ",") + std::to_string(behaviour.failing[i]);
    if (behaviour.signal) script += " signal=" + std::to_string(*behaviour.signal);
    if (!behaviour.prints.empty()) script += "\n#model-out " + behaviour.prints;
    for (const auto& [kind, path, text] : behaviour.leaves) {
      using enum Behaviour::Left::Kind;
      if (kind != file) script += (kind == folder ? "\n#model-folder " : "\n#model-link ") + path;
      if (kind == file && text.empty()) script += "\n#model-file " + path + "=";
      for (std::size_t at = 0; kind == file && at < text.size(); at = text.find('\n', at) + 1)
        script += "\n#model-file " + path + "=" + text.substr(at, text.find('\n', at) - at);
    }
    return {.script = script + "\n", .arguments = {}, .environment = {}};
  }
  [[nodiscard]] bool executes() const override { return false; }
  [[nodiscard]] std::size_t site_calls() const override {
    const auto& calls = site_->calls;
    return calls.snapshot + calls.find + calls.status + calls.usage;
  }

 private:
  simulation::VirtualScheduler time_;
  std::shared_ptr<model::ModelSite> site_;
  model::ModelConnector connector_;
};

}  // namespace

std::unique_ptr<ConnectorUnderTest> make_connector_under_test() { return std::make_unique<ModelUnderTest>(); }

}  // namespace hansa::contract
