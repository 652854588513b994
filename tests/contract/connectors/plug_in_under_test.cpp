// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/connectors/plug_in_under_test.hpp"

#include "tests/contract/connectors/remote_site.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

namespace hansa::contract {

namespace {

class PlugInUnderTest final : public RemoteSite {
 public:
  PlugInUnderTest() {
    open(SiteId("under-test"), plug_in().command);
    std::optional<Result<domain::SiteSnapshot>> snapshot;
    run([](ports::SiteConnector* asked, async::Deadline until,
           std::optional<Result<domain::SiteSnapshot>>* told) -> boost::asio::awaitable<void> {
      told->emplace(co_await asked->snapshot(until));
    }(&connector(), async::Deadline::in(scheduler_, Seconds{60}), &snapshot));
    if (!*snapshot) throw std::runtime_error(snapshot->error().code + ": " + snapshot->error().message);
    look_at((*snapshot)->queues, (*snapshot)->nodes);
    arrays_ = (*snapshot)->arrays.has_value();
  }

  [[nodiscard]] Principal person() const override { return Principal(plug_in().person); }
  [[nodiscard]] LocalAccount account() const override { return LocalAccount(plug_in().account); }
  [[nodiscard]] QueueName queue() const override { return queue_; }
  [[nodiscard]] std::optional<LocalAccount> refused_account() const override { return LocalAccount("nobody-we-know"); }
  [[nodiscard]] domain::Resources whole_site() const override { return whole_; }
  [[nodiscard]] bool reads_back() const override { return false; }  // it may, and need not
  [[nodiscard]] bool runs_arrays() const override { return arrays_; }
  [[nodiscard]] std::size_t site_calls() const override { return 0; }  // nobody counts them
  [[nodiscard]] Seconds time_unit() const override { return plug_in().time_unit; }
  [[nodiscard]] Seconds patience() const override { return plug_in().patience; }

 private:
  void look_at(const std::vector<domain::Queue>& queues, const std::vector<domain::Node>& nodes) {
    const auto wanted = [](const domain::Queue& queue) {
      return plug_in().queue.empty() ? queue.is_default : queue.name.str() == plug_in().queue;
    };
    auto queue = std::ranges::find_if(queues, wanted);
    if (queue == queues.end() && plug_in().queue.empty()) queue = queues.begin();
    if (queue == queues.end() || queue->nodes.empty())
      throw std::runtime_error("its snapshot has no such queue, or one without nodes");
    queue_ = queue->name;
    std::int32_t cores = INT32_MAX;
    for (const auto node : queue->nodes) cores = std::min(cores, nodes[node].cores);
    whole_ = {.nodes = static_cast<std::int32_t>(queue->nodes.size())};
    whole_.tasks = whole_.nodes * std::max(cores, 1);
  }

  bool arrays_ = false;
  QueueName queue_;
  domain::Resources whole_;
};

}  // namespace

PlugIn& plug_in() {
  static PlugIn chosen;
  return chosen;
}

std::unique_ptr<ConnectorUnderTest> make_connector_under_test() { return std::make_unique<PlugInUnderTest>(); }

}  // namespace hansa::contract
