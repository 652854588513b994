// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/budgets.hpp"

#include "broker/domain/variant.hpp"

#include <algorithm>

namespace hansa::engine {

using namespace domain;

namespace {

std::int64_t runs_of(const TaskArray& array) { return std::max<std::int64_t>(1, std::ssize(array.tasks)); }

}  // namespace

void Budgets::job_changed(const Job& after) {
  stale_ = stale_ || std::ranges::any_of(after.attempts, [&](const Attempt& attempt) {
             const auto desk = desks_.find(attempt.site);
             return desk != desks_.end() && desk->second->site().charging.has_value();
           });
}

bool Budgets::is_behind() const {
  return stale_ && store_ != nullptr &&
         std::ranges::any_of(desks_, [](const auto& entry) { return entry.second->site().charging.has_value(); });
}

async::Task<bool> Budgets::refresh() {
  if (!is_behind()) co_return false;
  stale_ = false;
  auto all = co_await store_->allocations(std::nullopt, scheduler_.now_utc());
  if (!all) {
    stale_ = true;
    co_return std::unexpected(all.error());
  }
  std::map<ProjectId, std::vector<Allocation>> now;
  bool more = false;
  for (auto& one : *all) {
    const auto before = known_.find(one.project);
    const auto was = before == known_.end() ? nullptr : [&]() -> const Allocation* {
      const auto at = std::ranges::find(before->second, one.id, &Allocation::id);
      return at == before->second.end() ? nullptr : &*at;
    }();
    more = more || was == nullptr || was->left() < one.left() || was->granted != one.granted;
    now[one.project].push_back(std::move(one));
  }
  known_ = std::move(now);
  co_return more;
}

Result<std::optional<Hold>> Budgets::need(const Site& site, const QueueName& queue, const JobSpec& spec, std::string_view variant,
                                          const TaskArray& array) const {
  if (!site.charging) return std::nullopt;
  const auto* rule = rule_for(site.charging->rules, queue, scheduler_.now_utc());
  if (rule == nullptr) {
    return fail(ErrorKind::conflict, kNoChargeRule,
                "nobody says what a job costs in queue " + queue.str() + " of " + site.id.str() +
                    ": an operator of this broker adds a [[site.charge]] for it");
  }
  return Hold{.rule = *rule,
              .most = most_use(in_units_of(site.hardware, resources_of(spec, variant)), spec.time_limit),
              .runs = runs_of(array),
              .dispensable = site.charging->opportunistic};
}

std::optional<Reason> Budgets::lacking(const Site& site, const QueueName& queue, const JobSpec& spec, std::string_view variant,
                                       const TaskArray& array) const {
  const auto hold = need(site, queue, spec, variant, array);
  if (!hold) return Reason{hold.error().code, hold.error().message};
  if (!*hold || (*hold)->dispensable) return std::nullopt;
  const auto of = known_.find(spec.project);
  const auto known = of == known_.end() ? std::span<const Allocation>() : std::span<const Allocation>(of->second);
  return find_room(known, spec.project, site.id, (*hold)->rule.unit, (*hold)->amount(), scheduler_.now_utc()).lacking;
}

std::optional<Reason> Budgets::lacking_everywhere(const SiteDesk& desk, const JobSpec& spec, const TaskArray& array) const {
  if (!desk.site().charging || !desk.snapshot()) return std::nullopt;
  std::optional<Reason> first;
  for (const auto& queue : desk.snapshot()->queues) {
    const auto tried = [&](std::string_view variant) {
      auto lacks = lacking(desk.site(), queue.name, spec, variant, array);
      if (!lacks) return true;
      if (!first || queue.is_default) first = std::move(lacks);
      return false;
    };
    if (spec.variants.empty() ? tried("") : std::ranges::any_of(spec.variants, tried, &Variant::name)) return std::nullopt;
  }
  return first;
}

void Budgets::taken(const ProjectId& project, const SiteId& site, const Hold& hold) {
  const auto of = known_.find(project);
  if (of == known_.end()) return;
  const auto room = find_room(of->second, project, site, hold.rule.unit, hold.amount(), scheduler_.now_utc());
  if (room.lacking) return;
  for (auto& one : of->second) {
    if (&one == room.grant || &one == room.balance) one.reserved += hold.amount();
  }
}

}  // namespace hansa::engine
