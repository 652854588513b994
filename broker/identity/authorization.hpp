// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may do what to whose objects. One table of action, capacity and reach: every route names its action
// (broker/api/routes.cpp), the dispatcher asks whether the caller has any right to it, the handler whether it reaches the object.
// docs/identity.md and the OpenAPI document are made from it, and a test tries all of it on the whole API.

#include "broker/identity/tokens.hpp"

#include <array>
#include <span>

namespace hansa::identity {

enum class Action {
  none,  // nobody has said: such a route keeps the broker from starting
  open,  // answers without a token
  know_oneself,
  submit_jobs,
  read_job,  // state, decision, events, usage of one job; lists are narrowed to what this allows
  read_output,  // what the job wrote: its owner's alone
  change_job,  // hold, release, cancel
  resolve_job,  // an operator's word that it is lost
  read_decisions,  // of everybody, with the evidence that they rest on
  read_sites,
  read_rules,
  read_metrics,
  change_site,  // drain, resume, look over
  enrol_agent,  // of a site; its end, too
  inspect_site,  // its agent: keys, connections, what became of them; what was found there, which names accounts
  serve_site,  // be the agent that speaks for it: no route's, the agents' door has it (app::Agents)
  connect_agent,  // of one's own, at a site that people serve so
  read_connections,  // of people's own agents
  disconnect_agent,  // a person's, at a site
  report_usage,  // a lead, a site's operator: of what the query is limited to; one's own needs no more than being somebody
  check_ledger,  // its head, keys, proofs and months: nothing of people
  read_ledger,  // of everybody, personal parts too
  witness_ledger,  // hand in a witness's word, which its own key vouches for
  change_ledger_key,
  read_reconciliation,
  reconcile,  // ask a site's accounting, explain what differs
  keep_ledger,  // open and close months, adjust
  manage_tokens,  // make and revoke them, shut people out
  read_tokens,  // without their secrets; who is shut out
  read_dataset,
  register_dataset,  // as whose it is to stand
  change_dataset,  // labels, owner, replicas; what loosens waits for approve_change
  read_facts,  // of places, projects, people: what rules may ask of them
  change_facts,  // what is stated waits for approve_change
  read_changes,  // of datasets as read_dataset has it; of facts only who reads everybody's
  approve_change,  // a second person's word: never on one's own (domain::may_approve)
  reject_change,  // of one's own dataset, or one's own change
  export_person,  // all that is held of somebody
  erase_person,  // takes two of them
  read_protection,  // periods, erasures, who has read whose data
  read_allocation,  // of a project: what it was granted, what is left; lists are narrowed to what this allows
  change_allocation,  // grant, revoke, release what is kept
  tell_balances,  // what a site says is left
  break_glass,  // ask for it, approve another's (domain::second_person), end it
};

/// What somebody is when they ask: the role of their token, an operator's with or without sites, and what projects make of them.
enum class Capacity { user, project_lead, operator_, site_operator, policy_officer, auditor, agent };
inline constexpr std::size_t kCapacities = static_cast<std::size_t>(Capacity::agent) + 1;

/// Whose objects they may do it to. Each includes one's own. project: and those of the projects that they are a member of, or, in
/// a lead's capacity, lead; site: and those at their sites.
enum class Reach { nobody, own, project, site, everybody };

struct Right {
  Action action = Action::none;
  std::string_view name;  // "may not ..."
  std::array<Reach, kCapacities> reach{};
};

/// All actions but none and open, in their order.
std::span<const Right> rights();
std::string_view to_string(Capacity capacity);  // "project lead"
std::string_view to_string(Reach reach);

Reach reach(Capacity capacity, Action action);

/// What is asked about. What it has not stays empty.
struct Object {
  Principal owner = {};
  ProjectId project = {};
  std::vector<SiteId> sites = {};
};

/// The capacities in which the caller asks: one by their token, and a lead's beside it if that is a user's or an operator's.
std::vector<Capacity> capacities_of(const Caller& caller);

/// Whether there is any object that they may do this to: else permission_denied, ROLE_LACKS_RIGHT.
Result<void> has_right(const Caller& caller, Action action);
/// Allowed, or the error to answer: as has_right() has it; not_found for what is out of reach, as if it did not exist.
Result<void> authorize(const Caller& caller, Action action, const Object& object);
/// Whether it is everybody's that they may do it to: a list needs no narrowing.
bool reaches_all(const Caller& caller, Action action);
/// Whether it is more than their own and what they share as a member: who reads it is on record.
bool reaches_others(const Caller& caller, Action action);

}  // namespace hansa::identity
