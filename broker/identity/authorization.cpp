// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/authorization.hpp"

#include <algorithm>
#include <string>

namespace hansa::identity {

using ports::Role;

namespace {

constexpr std::array<std::string_view, kCapacities> kCapacityNames{"user",           "project lead", "operator", "site operator",
                                                                   "policy officer", "auditor",      "agent"};
constexpr std::string_view kReachNames[] = {"nobody", "own", "project", "site", "everybody"};

consteval auto all_rights() {
  constexpr auto none = Reach::nobody, own = Reach::own, prj = Reach::project, site = Reach::site, all = Reach::everybody;
  // clang-format off
  return std::to_array<Right>({
    //                                                                 user  lead  oper. site  policy audit agent
    {Action::know_oneself, "ask who they are",                        {own,  own,  own,  own,  own,  own,  none}},
    {Action::submit_jobs, "submit jobs",                              {own,  own,  own,  own,  none, none, none}},
    {Action::read_job, "read jobs",                                   {own,  prj,  all,  site, none, all,  none}},
    {Action::read_output, "read output",                              {own,  own,  own,  own,  none, none, none}},
    {Action::change_job, "change jobs",                               {own,  prj,  all,  site, none, none, none}},
    {Action::resolve_job, "resolve jobs",                             {none, none, all,  site, none, none, none}},
    {Action::read_decisions, "read everybody's decisions",            {none, none, all,  none, all,  all,  none}},
    {Action::read_sites, "read sites",                                {all,  all,  all,  all,  all,  all,  none}},
    {Action::read_rules, "read the rules",                            {all,  all,  all,  all,  all,  all,  none}},
    {Action::read_metrics, "read metrics",                            {all,  all,  all,  all,  all,  all,  none}},
    {Action::change_site, "change sites",                             {none, none, all,  site, none, none, none}},
    {Action::enrol_agent, "enrol sites' agents",                      {none, none, all,  site, none, none, none}},
    {Action::inspect_site, "read what became of sites' agents",       {none, none, all,  site, none, all,  none}},
    {Action::serve_site, "speak for a site",                          {none, none, none, none, none, none, site}},
    {Action::connect_agent, "serve a site by an agent of their own",  {own,  own,  own,  own,  none, none, none}},
    {Action::read_connections, "read whose agents are connected",     {own,  own,  all,  site, none, all,  none}},
    {Action::disconnect_agent, "end sessions of people's agents",     {own,  own,  all,  site, none, none, none}},
    {Action::report_usage, "report usage",                            {own,  prj,  all,  site, own,  all,  none}},
    {Action::check_ledger, "check the ledger",                        {none, none, all,  all,  none, all,  none}},
    {Action::read_ledger, "read the ledger",                          {none, none, all,  none, none, all,  none}},
    {Action::witness_ledger, "witness the ledger",                    {none, none, all,  all,  none, all,  none}},
    {Action::change_ledger_key, "change the ledger's key",            {none, none, all,  none, none, none, none}},
    {Action::read_reconciliation, "read reconciliations",             {none, none, all,  site, none, all,  none}},
    {Action::reconcile, "reconcile the ledger",                       {none, none, all,  site, none, none, none}},
    {Action::keep_ledger, "keep the ledger",                          {none, none, all,  none, none, none, none}},
    {Action::manage_tokens, "manage tokens",                          {none, none, all,  none, none, none, none}},
    {Action::read_tokens, "read of tokens and of who is shut out",    {none, none, all,  none, none, all,  none}},
    {Action::read_dataset, "read datasets",                           {prj,  prj,  all,  prj,  all,  all,  none}},
    {Action::register_dataset, "register datasets",                   {own,  own,  all,  own,  none, none, none}},
    {Action::change_dataset, "change datasets",                       {own,  own,  all,  own,  all,  none, none}},
    {Action::read_facts, "read facts",                                {prj,  prj,  all,  prj,  all,  all,  none}},
    {Action::change_facts, "change facts",                            {none, none, all,  site, all,  none, none}},
    {Action::read_changes, "read changes of datasets and facts",      {prj,  prj,  all,  prj,  all,  all,  none}},
    {Action::approve_change, "approve changes of datasets and facts", {none, none, all,  none, all,  none, none}},
    {Action::reject_change, "reject changes of datasets and facts",   {own,  own,  all,  own,  all,  none, none}},
    {Action::export_person, "have everything that is held of a person", {own, own, all,  own,  all,  all,  none}},
    {Action::erase_person, "have a person erased",                    {none, none, all,  none, all,  none, none}},
    {Action::read_protection, "read how people's data are protected", {none, none, all,  none, all,  all,  none}},
    {Action::read_allocation, "read allocations",                     {prj,  prj,  all,  prj,  prj,  all,  none}},
    {Action::change_allocation, "grant allocations",                  {none, none, all,  none, none, none, none}},
    {Action::tell_balances, "tell balances",                          {none, none, all,  site, none, none, none}},
    {Action::break_glass, "break glass",                              {none, none, all,  none, none, none, none}},
  });
  // clang-format on
}

constexpr auto kRights = all_rights();

constexpr std::size_t kNoRights = 2;  // none, open

const Right* right_of(Action action) {
  const auto at = static_cast<std::size_t>(action);
  return at < kNoRights || at - kNoRights >= std::size(kRights) ? nullptr : &kRights[at - kNoRights];
}

consteval bool in_order() {
  for (std::size_t i = 0; i < std::size(kRights); ++i) {
    if (static_cast<std::size_t>(kRights[i].action) != i + kNoRights) return false;
  }
  return kRights[std::size(kRights) - 1].action == Action::break_glass;
}
static_assert(in_order(), "every action has one line, in the enum's order");

template <typename Id>
bool contains(const std::vector<Id>& ids, const Id& id) {
  return std::ranges::find(ids, id) != ids.end();
}

bool covers(const Caller& caller, Capacity as, Reach far, const Object& object) {
  if (far == Reach::nobody) return false;
  if (far == Reach::everybody || (!object.owner.empty() && caller.principal == object.owner)) return true;
  if (far == Reach::project) return contains(as == Capacity::project_lead ? caller.leads : caller.projects, object.project);
  return far == Reach::site && std::ranges::any_of(object.sites, [&](const SiteId& at) { return contains(caller.sites, at); });
}

template <typename Holds>
bool any_capacity(const Caller& caller, Action action, Holds holds) {
  return std::ranges::any_of(capacities_of(caller), [&](Capacity as) { return holds(as, reach(as, action)); });
}

}  // namespace

std::span<const Right> rights() { return kRights; }

std::string_view to_string(Capacity capacity) {
  const auto at = static_cast<std::size_t>(capacity);
  return at < kCapacityNames.size() ? kCapacityNames[at] : "?";
}

std::string_view to_string(Reach reach) { return kReachNames[static_cast<std::size_t>(reach)]; }

Reach reach(Capacity capacity, Action action) {
  const auto* right = right_of(action);
  const auto at = static_cast<std::size_t>(capacity);
  return right == nullptr || at >= kCapacities ? Reach::nobody : right->reach[at];
}

std::vector<Capacity> capacities_of(const Caller& caller) {
  std::vector<Capacity> all;
  switch (caller.role) {
    case Role::user: all = {Capacity::user}; break;
    case Role::operator_: all = {caller.sites.empty() ? Capacity::operator_ : Capacity::site_operator}; break;
    case Role::policy_officer: return {Capacity::policy_officer};
    case Role::auditor: return {Capacity::auditor};  // who leads a project changes nothing with such a token either
    case Role::agent: return {Capacity::agent};
  }
  if (!all.empty() && !caller.leads.empty()) all.push_back(Capacity::project_lead);
  return all;
}

Result<void> has_right(const Caller& caller, Action action) {
  if (any_capacity(caller, action, [](Capacity, Reach far) { return far != Reach::nobody; })) return {};
  const auto* right = right_of(action);
  return fail(ErrorKind::permission_denied, "ROLE_LACKS_RIGHT",
              right == nullptr ? std::string("not allowed")
                               : "the role " + role_text(caller.role, caller.sites) + " may not " + std::string(right->name) +
                                     "; ask an operator of this broker");
}

Result<void> authorize(const Caller& caller, Action action, const Object& object) {
  if (auto some = has_right(caller, action); !some) return some;
  if (any_capacity(caller, action, [&](Capacity as, Reach far) { return covers(caller, as, far, object); })) return {};
  return fail(ErrorKind::not_found, "NOT_FOUND", "there is no such thing, or it is not yours");
}

bool reaches_all(const Caller& caller, Action action) {
  return any_capacity(caller, action, [](Capacity, Reach far) { return far == Reach::everybody; });
}

bool reaches_others(const Caller& caller, Action action) {
  return any_capacity(caller, action, [](Capacity as, Reach far) {
    return far >= Reach::site || (far == Reach::project && as == Capacity::project_lead);
  });
}

}  // namespace hansa::identity
