// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may do what to whose objects: one table, asked by every route.

#include "broker/identity/tokens.hpp"

namespace hansa::identity {

enum class Action {
  submit_jobs,
  read_job,         // state, decision, events, usage of one job; lists are narrowed to what this allows
  read_output,      // what the job wrote: its owner's alone
  change_job,       // hold, release, cancel
  resolve_job,      // an operator's word that it is lost
  read_decisions,   // of everybody, with the evidence that they rest on
  read_sites,
  change_site,      // drain, resume, its agent's enrolment
  read_agents,      // sites' agents: keys, connections, what became of them
  report_usage,     // of everybody; one's own needs no more than being somebody
  read_ledger,      // of everybody, personal parts too
  witness_ledger,   // hand in a witness's word, which its own key vouches for
  change_ledger_key,
  keep_ledger,      // reconcile, explain, adjust, open and close months
  manage_tokens,
  read_dataset,     // and its changes; lists are narrowed to what this allows
  register_dataset, // as whose it is to stand
  change_dataset,   // labels, owner, replicas; what loosens waits for approve_change
  read_facts,       // of places, projects, people: what rules may ask of them; their changes only of everybody
  change_facts,     // what is stated waits for approve_change
  export_person,    // all that is held of somebody
  erase_person,     // takes two of them
  read_protection,  // periods, erasures, who has read whose data
  read_allocation,  // of a project: what it was granted, what is left; lists are narrowed to what this allows
  change_allocation, // grant, revoke, tell balances
  approve_change,   // a second person's word: never on one's own (domain::may_approve)
  reject_change,    // of one's own dataset, or one's own change
};

/// Whose objects the caller may do this to.
enum class Reach { nobody, own, project, everybody };  // project: one's own, and what belongs to a project of one's own

Reach reach(ports::Role role, Action action);

/// Allowed, or the error to answer: permission_denied (ROLE_LACKS_RIGHT) if the role has no such right at all; not_found for
/// another's object, as if it did not exist. `owner` is the object's; for what has no owner, the caller's own principal.
/// `shared`: the object belongs to a project that the caller is a member of.
Result<void> authorize(const Caller& caller, Action action, const Principal& owner, bool shared = false);

}  // namespace hansa::identity
