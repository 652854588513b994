// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whose turn it is among projects whose jobs wait here: those that have used less of late than their share go sooner. By
// core-seconds that sites' accounting has told, over all sites, each GPU counting as so many cores. Strand: the engine's.

#include "broker/async/scheduler.hpp"
#include "broker/domain/fair_share.hpp"
#include "broker/engine/options.hpp"
#include "broker/ports/stores.hpp"

#include <map>
#include <optional>

namespace hansa::engine {

class FairShares {
 public:
  /// Without a half-life, or a project: all are alike.
  FairShares(async::Scheduler& scheduler, ports::UsageStore& usage, const EngineOptions& options)
      : scheduler_(scheduler), usage_(usage), options_(options) {}

  /// Reads what was used, if that is not known or known for a while.
  async::Task<> refresh();

  /// An urgency with the project's factor: between once and twice of it, so that nobody waits for ever.
  [[nodiscard]] std::int64_t weighed(const ProjectId& project, std::int64_t urgency) const;
  /// None: nobody counts.
  [[nodiscard]] std::optional<domain::FairShare> of(const ProjectId& project) const;

 private:
  async::Scheduler& scheduler_;
  ports::UsageStore& usage_;
  const EngineOptions& options_;
  std::map<ProjectId, domain::FairShare> known_;
  std::optional<MonotonicTime> read_at_;
};

}  // namespace hansa::engine
