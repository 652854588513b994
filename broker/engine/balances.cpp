// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/balances.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

constexpr std::string_view kNotTold = "BALANCES_NOT_TOLD";
constexpr std::int64_t kChargesPerMinute = kChargesPerUnit / 60;
constexpr std::size_t kMostReservations = 100'000;

constexpr std::chrono::minutes kLongestRun{10 * 366 * 1'440};  // whatever a site says

std::int64_t count_of(const std::string& resource, const domain::Grant& granted) {
  return resource == "cpu" ? granted.cores : resource == "gres/gpu" ? granted.gpus : resource == "node" ? granted.nodes : 0;
}

}  // namespace

Balances::Asked Balances::asked_of(const Site& site) {
  std::map<std::string, std::vector<ProjectId>> projects;
  for (const auto& [project, account] : site.scheduler_accounts) projects[account].push_back(project);
  Asked asked;
  for (const auto& [account, of] : projects) {
    if (of.size() == 1) {
      asked.wanted.push_back({.project = of.front(), .account = account});
      continue;
    }
    for (const auto& project : of) asked.nobodys.push_back(project.str() + ": account " + account + " is several projects'");
  }
  return asked;
}

const BalanceReading* Balances::reading(const SiteId& site) const {
  const auto at = readings_.find(site);
  return at == readings_.end() ? nullptr : &at->second;
}

async::Task<> Balances::run(SiteDesk& desk) {
  const auto& site = desk.site();
  if (store_ == nullptr || !site.charging || site.charging->limits.empty()) co_return Result<void>{};
  auto& scheduler = context_.scheduler;
  auto& reading = readings_[site.id];
  const auto asked = asked_of(site);
  reading.left_out = asked.nobodys;
  if (asked.wanted.empty()) co_return Result<void>{};
  while (!desk.snapshot()) co_await scheduler.sleep_until(scheduler.now_monotonic() + context_.options.snapshot_interval / 4);
  for (auto retry = context_.options.usage_interval;;) {
    co_await scheduler.sleep_until(desk.spare_query_at(SiteDesk::Spare::half));
    const auto done = co_await read(desk, asked);
    auto pause = context_.options.balance_interval;
    if (done) {
      reading.failing.reset();
      retry = context_.options.usage_interval;
    } else {
      const auto& error = done.error();
      const bool left_alone = error.code == kLeftAlone;  // for what was told then
      const bool told = reading.failing && reading.failing->code == error.code;
      context_.log.write(told || left_alone ? ports::LogLevel::debug : ports::LogLevel::warning,
                         "what is left to projects could not be read",
                         {{"site", site.id.str()}, {"code", error.code}, {"error", error.message}, {"detail", error.detail}});
      if (!left_alone || !reading.failing) reading.failing = Reason{error.code, error.message};
      pause = std::min(pause, retry);
      retry = pause * 2;
    }
    co_await scheduler.sleep_until(scheduler.now_monotonic() + desk.interval(pause));
  }
}

async::Task<> Balances::read(SiteDesk& desk, Asked asked) {
  auto ours = running(desk, asked.wanted);
  const auto asked_at = context_.scheduler.now_utc();
  auto answer = co_await desk.call<ports::AccountLimits>(
      CallKind::query, context_.call_deadline(),
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.account_limits(asked.wanted, until); });
  if (!answer) co_return std::unexpected(answer.error());
  if (!answer->told)
    co_return fail(ErrorKind::conflict, kNotTold,
                   "what speaks for the site does not tell what is left to projects: import it (hansa allocation import)");
  const auto runs = [](const ports::ProjectLimit& one) { return one.limit.running > 0; };
  if (!ours.empty() && answer->age == Seconds{0} && std::ranges::any_of(answer->limits, runs)) {
    auto going_on = co_await those_that_go_on(desk, std::move(ours));
    if (!going_on) co_return std::unexpected(going_on.error());
    auto counted = co_await count_once(desk, std::move(*going_on), std::move(answer->limits));
    if (!counted) co_return std::unexpected(counted.error());
    answer->limits = std::move(*counted);
  }
  // Of a run that the site's clock has ended a little later than ours, rather too much is counted than nothing.
  const auto as_of = asked_at - answer->age - context_.options.clock_skew;
  co_return co_await keep(desk, std::move(asked), std::move(*answer), as_of);
}

std::vector<Balances::OfOurs> Balances::running(const SiteDesk& desk, const std::vector<ports::ProjectAccount>& wanted) const {
  std::vector<OfOurs> ours;
  if (desk.asks_as_persons()) return ours;  // to ask how they are is a question for each
  std::map<ProjectId, const ports::ProjectAccount*> of_project;
  for (const auto& one : wanted) of_project.emplace(one.project, &one);
  for (const auto& id : desk.bound) {
    const auto* job = context_.book.find(id);
    const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
    if (attempt == nullptr) continue;
    const auto of = of_project.find(job->spec.project);
    if (of == of_project.end()) continue;
    OfOurs one{.job = id, .attempt = attempt->number, .of = *of->second, .started = {}};
    for (const auto& run : attempt->runs) {
      if (run.started_at && !run.ended_at && !run.outcome) one.started[run.task_index] = *run.started_at;
    }
    if (!one.started.empty()) ours.push_back(std::move(one));
  }
  return ours;
}

async::Task<std::vector<Balances::StillRuns>> Balances::those_that_go_on(SiteDesk& desk, std::vector<OfOurs> ours) {
  std::vector<ports::SiteJob> asked;
  std::erase_if(ours, [&](const OfOurs& one) {
    const auto* job = context_.book.find(one.job);
    const auto* attempt = job == nullptr ? nullptr : job->live_attempt();
    if (attempt == nullptr || attempt->number != one.attempt) return true;
    asked.push_back(site_job(*job, *attempt));
    return false;
  });
  std::vector<StillRuns> going_on;
  if (asked.empty()) co_return going_on;
  const auto answers = co_await desk.call<std::vector<ports::JobStatus>>(
      CallKind::query, context_.call_deadline(),
      [&](ports::SiteConnector& connector, async::Deadline until) { return connector.status(asked, until); });
  if (!answers) co_return std::unexpected(answers.error());
  const auto now = context_.scheduler.now_utc() + context_.options.clock_skew;
  for (std::size_t i = 0; i < std::min(ours.size(), answers->size()); ++i) {
    const auto& one = ours[i];
    const auto& status = (*answers)[i];
    const auto add = [&](const ports::JobStatus& run) {
      const auto started = one.started.find(run.task_index);
      const auto& granted = run.granted ? run.granted : status.granted;
      if (run.phase != ports::Phase::running || started == one.started.end() || run.started_at != started->second) return;
      if (!granted || granted->account != one.of.account) return;
      const auto left =
          std::min(std::chrono::floor<std::chrono::minutes>(started->second + granted->time_limit - now), kLongestRun);
      if (left.count() > 0)
        going_on.push_back(
            {.job = one.job, .attempt = one.attempt, .project = one.of.project, .granted = *granted, .left = left});
    };
    if (status.tasks.empty()) add(status);
    std::ranges::for_each(status.tasks, add);
  }
  co_return going_on;
}

async::Task<std::vector<ports::ProjectLimit>> Balances::count_once(SiteDesk& desk, std::vector<StillRuns> ours,
                                                                   std::vector<ports::ProjectLimit> limits) {
  const auto allocations = co_await store_->allocations(std::nullopt, context_.scheduler.now_utc());
  if (!allocations) co_return std::unexpected(allocations.error());
  std::map<std::pair<ProjectId, std::string>, AllocationId> balances;  // by unit
  for (const auto& one : *allocations) {
    if (one.kind == AllocationKind::balance && one.site == desk.site().id)
      balances.emplace(std::pair(one.project, one.unit), one.id);
  }
  std::map<ProjectId, std::vector<const StillRuns*>> of_project;
  for (const auto& run : ours) of_project[run.project].push_back(&run);
  for (auto& [project, limit] : limits) {
    const auto runs = of_project.find(project);
    const auto unit = desk.site().charging->limits.find(limit.resource);
    if (runs == of_project.end() || unit == desk.site().charging->limits.end()) continue;
    const auto balance = balances.find(std::pair(project, unit->second));
    if (balance == balances.end()) continue;
    const auto reservations = co_await store_->reservations(balance->second, kMostReservations);
    if (!reservations) co_return std::unexpected(reservations.error());
    std::map<std::pair<JobId, std::int32_t>, std::int64_t> kept;  // for a run, in minutes
    for (const auto& one : *reservations) kept[{one.job, one.attempt}] = one.of_run.value / kChargesPerMinute;
    for (const auto* run : runs->second) {
      const auto its = kept.find({run->job, run->attempt});
      if (its == kept.end()) continue;
      const auto both = std::min(run->left.count() * count_of(limit.resource, run->granted), its->second);
      limit.running = std::max<std::int64_t>(limit.running - both, 0);
    }
  }
  co_return limits;
}

async::Task<> Balances::keep(SiteDesk& desk, Asked asked, ports::AccountLimits answer, UtcTime as_of) {
  const auto& site = desk.site();
  auto& reading = readings_[site.id];
  ports::BalanceReport report{.balances = {},
                              .by = Principal("broker:balances"),
                              .at = context_.scheduler.now_utc(),
                              .note = "read at the site",
                              .by_itself = true};
  auto left_out = std::move(asked.nobodys);
  std::map<std::pair<ProjectId, std::string>, Charge> told;  // by resource; of several limits the least
  for (const auto& [project, limit] : answer.limits) {
    auto& least = told.try_emplace({project, limit.resource}, kMostCharge).first->second;
    least = std::min(least, limit.left());
  }
  for (const auto& [project, account] : asked.wanted) {
    for (const auto& [resource, unit] : site.charging->limits) {
      const auto left = told.find(std::pair(project, resource));
      if (left != told.end())
        report.balances.push_back({.project = project, .site = site.id, .unit = unit, .left = left->second, .as_of = as_of});
      else
        left_out.push_back(project.str() + ": the site tells no limit of " + resource + " for account " + account);
    }
  }
  std::vector<AllocationId> ids;
  for (std::size_t i = 0; i < report.balances.size(); ++i) ids.push_back(ids_.next());
  const auto balances = report.balances.size();
  if (balances > 0) {
    const auto taken = co_await store_->tell_balances(std::move(report), std::move(ids));
    if (!taken) co_return std::unexpected(taken.error());
    if (*taken > 0) {
      context_.budgets.stale();
      context_.placing.set();
    }
  }
  reading.read_at = context_.scheduler.now_utc();
  reading.balances = balances;
  reading.left_out = std::move(left_out);
  co_return Result<void>{};
}

}  // namespace hansa::engine
