// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the engine's loops share. All of it lives as long as the Engine, and is touched on its strand only.

#include "broker/async/task_group.hpp"
#include "broker/engine/budgets.hpp"
#include "broker/engine/data_setup.hpp"
#include "broker/engine/fair_shares.hpp"
#include "broker/engine/forecasts.hpp"
#include "broker/engine/job_book.hpp"
#include "broker/engine/options.hpp"
#include "broker/engine/rulebook.hpp"
#include "broker/engine/site_desk.hpp"
#include "broker/engine/training_compute.hpp"
#include "broker/ports/accounts.hpp"
#include "broker/ports/catalogue.hpp"
#include "broker/ports/code_store.hpp"
#include "broker/ports/log.hpp"
#include "broker/ports/stores.hpp"

#include <map>
#include <memory>

namespace hansa::engine {

class SecretVault;

inline constexpr Milliseconds kAfterFailure{1'000};  // when the store refuses

struct Context {
  boost::asio::any_io_executor strand;
  async::Scheduler& scheduler;
  const EngineOptions& options;
  ports::Log& log;
  ports::JobStore& jobs;
  ports::UsageStore& usage;
  ports::CatalogueStore* datasets;  // none: no dataset is registered
  ports::CodeStore* code;           // none: no code is carried
  SecretVault* secrets;             // none: people's secrets are not kept
  const ports::Accounts& accounts;
  const Rulebook& rules;
  const DataSetup& data;
  JobBook& book;
  Forecasts& forecasts;
  TrainingCompute& training;
  Budgets& budgets;
  FairShares& shares;
  Desks& desks;
  async::TaskGroup& tasks;
  async::Event& placing;   // set when there may be something to place: somebody new in line, room at a site

  [[nodiscard]] SiteDesk* desk(const SiteId& id) const {
    const auto at = desks.find(id);
    return at == desks.end() ? nullptr : at->second.get();
  }
  [[nodiscard]] async::Deadline call_deadline() const { return async::Deadline::in(scheduler, options.call_timeout); }
};

/// The live attempt as its site knows it.
inline ports::SiteJob site_job(const domain::Job& job, const domain::Attempt& attempt) {
  return {.id = attempt.site_job_id,
          .tag = domain::make_tag(job.id, attempt.number),
          .account = attempt.account,
          .person = job.owner,
          .intended_at = attempt.intended_at,
          .tasks = job.open_tasks(attempt)};
}

}  // namespace hansa::engine
