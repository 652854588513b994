// SPDX-License-Identifier: Apache-2.0
#include "policies/routing/queue_fit.hpp"

#include "broker/core/suggest.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>
#include <set>

namespace hansa::routing {
namespace {

using domain::Obstacle;

std::string count_of(std::int64_t count, std::string_view thing) {
  return std::to_string(count) + " " + std::string(thing) + (count == 1 ? "" : "s");
}

/// "256000 MiB (250 GiB)": exact, and readable.
std::string memory_text(std::int64_t mib) {
  auto text = std::to_string(mib) + " MiB";
  if (mib >= 10 * 1024) text += " (" + std::to_string(mib / 1024) + " GiB)";
  return text;
}

/// The kinds of node in a queue, and how many of each.
struct Stock {
  const NodeKind* kind = nullptr;
  std::int64_t count = 0;
};

std::vector<Stock> stock_of(const SiteFacts& facts, const QueueFacts& queue) {
  std::vector<Stock> stock;
  for (std::size_t i = 0; i < queue.of_kind.size(); ++i) {
    if (queue.of_kind[i] > 0) stock.push_back({.kind = &facts.kinds[i], .count = queue.of_kind[i]});
  }
  return stock;
}

std::int64_t most(const std::vector<Stock>& stock, std::int64_t Room::* amount) {
  std::int64_t result = 0;
  for (const auto& entry : stock) result = std::max(result, entry.kind->room.*amount);
  return result;
}

std::string models_text(const std::vector<Stock>& stock, const std::string& wanted) {
  std::set<std::string> models;
  bool unnamed = false;
  for (const auto& entry : stock) {
    if (!entry.kind->gpu_model.empty()) models.insert(entry.kind->gpu_model);
    unnamed = unnamed || (entry.kind->room.gpus > 0 && entry.kind->gpu_model.empty());
  }
  if (models.empty()) return unnamed ? "the site does not name the models of its GPUs" : "it has no GPUs";
  std::string text;
  std::vector<std::string_view> names;
  for (const auto& model : models) {
    text += (text.empty() ? "it has " : ", ") + model;
    names.emplace_back(model);
  }
  return text + did_you_mean(wanted, names);
}

/// "with 4 cores, 2048 MiB and 2 a100 GPUs each"
std::string each_text(const Demand& demand, const std::string& model) {
  auto text = (demand.whole ? "for itself alone with " : "with ") + count_of(demand.per_node.cores, "core");
  const auto gpus = model.empty() ? count_of(demand.per_node.gpus, "GPU") : count_of(demand.per_node.gpus, model + " GPU");
  if (demand.per_node.memory_mib > 0) {
    text += (demand.per_node.gpus > 0 ? ", " : " and ") + memory_text(demand.per_node.memory_mib);
  }
  if (demand.per_node.gpus > 0) text += " and " + gpus;
  return text + (demand.nodes == 1 ? "" : " each");
}

}  // namespace

QueueFit fit_queue(const SiteFacts& facts, const QueueFacts& queue, const domain::Resources& resources, Seconds time_limit) {
  const auto demand = demand_of(resources, time_limit);
  const auto& need = demand.per_node;
  const auto& model = resources.gpu_model;
  const auto name = [&] { return "queue \"" + queue.name.str() + "\""; };
  int passed = 0;
  const auto never = [&](std::string code, std::string message) {
    return QueueFit{Obstacle::permanent, std::move(code), std::move(message), passed};
  };
  const auto not_now = [&](std::string code, std::string message) {
    return QueueFit{Obstacle::temporary, std::move(code), std::move(message), passed};
  };

  if (queue.max_time && time_limit > *queue.max_time) {
    return never("TIME_LIMIT_TOO_LONG",
                 "needs " + format_duration(time_limit) + "; " + name() + " allows " + format_duration(*queue.max_time));
  }
  ++passed;
  if (queue.max_nodes && demand.nodes > *queue.max_nodes) {
    return never("NODE_COUNT_NOT_ALLOWED", "needs " + count_of(demand.nodes, "node") + "; " + name() + " allows at most " +
                                               std::to_string(*queue.max_nodes) + " a job");
  }
  if (demand.nodes < queue.min_nodes) {
    return never("NODE_COUNT_NOT_ALLOWED", "needs " + count_of(demand.nodes, "node") + "; " + name() +
                                               " takes only jobs of at least " + std::to_string(queue.min_nodes));
  }
  ++passed;
  auto stock = stock_of(facts, queue);
  const auto total = static_cast<std::int64_t>(queue.nodes.size());
  if (need.gpus > 0) {
    auto suitable = stock;
    std::erase_if(suitable, [&](const Stock& entry) {
      return entry.kind->room.gpus == 0 || (!model.empty() && entry.kind->gpu_model != model);
    });
    if (suitable.empty()) {
      return never("NO_SUCH_GPU", "needs " + (model.empty() ? std::string("GPUs") : "GPUs of model " + model) + "; " + name() +
                                      ": " + models_text(stock, model));
    }
    stock = std::move(suitable);
    ++passed;
    if (most(stock, &Room::gpus) < need.gpus) {
      return never("TOO_FEW_GPUS", "needs " + count_of(need.gpus, model.empty() ? "GPU" : model + " GPU") +
                                       " on one node; no node of " + name() + " has more than " +
                                       std::to_string(most(stock, &Room::gpus)));
    }
  }
  ++passed;
  if (most(stock, &Room::cores) < need.cores) {
    return never("TOO_FEW_CORES", "needs " + count_of(need.cores, "core") + " on one node; no " +
                                      (need.gpus > 0 ? "suitable " : "") + "node of " + name() + " has more than " +
                                      std::to_string(most(stock, &Room::cores)));
  }
  ++passed;
  if (most(stock, &Room::memory_mib) < need.memory_mib) {
    return never("TOO_LITTLE_MEMORY", "needs " + memory_text(need.memory_mib) + " on one node; no " +
                                          (need.gpus > 0 ? "suitable " : "") + "node of " + name() + " has more than " +
                                          memory_text(most(stock, &Room::memory_mib)));
  }
  ++passed;
  std::int64_t fitting = 0;
  std::int64_t usable = 0;
  for (const auto& entry : stock) {
    if (!entry.kind->room.holds(need)) continue;
    fitting += entry.count;
    if (entry.kind->usable) usable += entry.count;
  }
  const auto wanted = [&] { return "needs " + count_of(demand.nodes, "node") + " " + each_text(demand, model) + "; "; };
  if (fitting < demand.nodes) {
    return never("TOO_FEW_NODES",
                 wanted() + name() + " has " + std::to_string(fitting) + " such, of " + count_of(total, "node") + " in all");
  }
  ++passed;
  if (!queue.up) return not_now("QUEUE_DOWN", name() + " is closed and starts nothing now");
  ++passed;
  if (usable < demand.nodes) {
    return not_now("TOO_FEW_NODES", wanted() + "of the " + std::to_string(fitting) + " such nodes of " + name() + " only " +
                                        std::to_string(usable) + (usable == 1 ? " is" : " are") + " in service now");
  }
  return {};
}

}  // namespace hansa::routing
