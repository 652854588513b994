// SPDX-License-Identifier: Apache-2.0
#include "broker/identity/authorization.hpp"

#include <string>

namespace hansa::identity {

using ports::Role;

namespace {

struct Right {
  Action action;
  std::string_view name;
  Reach user, operator_, auditor;
};

constexpr Right kRights[] = {
    {Action::submit_jobs, "submit jobs", Reach::own, Reach::own, Reach::nobody},
    {Action::read_job, "read jobs", Reach::own, Reach::everybody, Reach::everybody},
    {Action::read_output, "read output", Reach::own, Reach::own, Reach::nobody},
    {Action::change_job, "change jobs", Reach::own, Reach::everybody, Reach::nobody},
    {Action::resolve_job, "resolve jobs", Reach::nobody, Reach::everybody, Reach::nobody},
    {Action::read_decisions, "read everybody's decisions", Reach::nobody, Reach::everybody, Reach::everybody},
    {Action::read_sites, "read sites", Reach::everybody, Reach::everybody, Reach::everybody},
    {Action::change_site, "change sites", Reach::nobody, Reach::everybody, Reach::nobody},
    {Action::read_agents, "read what became of sites' agents", Reach::nobody, Reach::everybody, Reach::everybody},
    {Action::report_usage, "report usage", Reach::own, Reach::everybody, Reach::everybody},
    {Action::read_ledger, "read the ledger", Reach::nobody, Reach::everybody, Reach::everybody},
    {Action::witness_ledger, "witness the ledger", Reach::nobody, Reach::everybody, Reach::everybody},
    {Action::change_ledger_key, "change the ledger's key", Reach::nobody, Reach::everybody, Reach::nobody},
    {Action::keep_ledger, "keep the ledger", Reach::nobody, Reach::everybody, Reach::nobody},
    {Action::manage_tokens, "manage tokens", Reach::nobody, Reach::everybody, Reach::nobody},
    {Action::read_dataset, "read datasets", Reach::project, Reach::everybody, Reach::everybody},
    {Action::register_dataset, "register datasets", Reach::own, Reach::everybody, Reach::nobody},
    {Action::change_dataset, "change datasets", Reach::own, Reach::everybody, Reach::nobody},
    {Action::read_facts, "read facts", Reach::project, Reach::everybody, Reach::everybody},
    {Action::change_facts, "change facts", Reach::nobody, Reach::everybody, Reach::nobody},
    {Action::export_person, "have everything that is held of a person", Reach::own, Reach::everybody, Reach::own},
    {Action::erase_person, "have a person erased", Reach::nobody, Reach::everybody, Reach::nobody},
    {Action::read_protection, "read how people's data are protected", Reach::nobody, Reach::everybody, Reach::everybody},
    {Action::read_allocation, "read allocations", Reach::project, Reach::everybody, Reach::everybody},
    {Action::change_allocation, "grant allocations", Reach::nobody, Reach::everybody, Reach::nobody},
    {Action::approve_change, "approve changes of datasets and facts", Reach::nobody, Reach::everybody, Reach::nobody},
    {Action::reject_change, "reject changes of datasets and facts", Reach::own, Reach::everybody, Reach::nobody},
};

}  // namespace

Reach reach(Role role, Action action) {
  for (const auto& right : kRights) {
    if (right.action != action) continue;
    switch (role) {
      case Role::user: return right.user;
      case Role::operator_: return right.operator_;
      case Role::auditor: return right.auditor;
    }
  }
  return Reach::nobody;
}

Result<void> authorize(const Caller& caller, Action action, const Principal& owner, bool shared) {
  const auto allowed = reach(caller.role, action);
  if (allowed == Reach::everybody || (allowed != Reach::nobody && caller.principal == owner)) return {};
  if (allowed == Reach::project && shared) return {};
  if (allowed != Reach::nobody) return fail(ErrorKind::not_found, "NOT_FOUND", "there is no such thing, or it is not yours");
  for (const auto& right : kRights) {
    if (right.action == action) {
      return fail(ErrorKind::permission_denied, "ROLE_LACKS_RIGHT",
                  "the role " + std::string(to_string(caller.role)) + " may not " + std::string(right.name) +
                      "; ask an operator of this broker");
    }
  }
  return fail(ErrorKind::permission_denied, "ROLE_LACKS_RIGHT", "not allowed");
}

}  // namespace hansa::identity
