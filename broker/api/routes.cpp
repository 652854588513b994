// SPDX-License-Identifier: Apache-2.0
#include "broker/api/routes.hpp"

#include <algorithm>

namespace hansa::api {

using identity::Action;

namespace {

constexpr Route kRoutes[] = {
    {"POST", "/v1/jobs", "submitJob", "Submit a job, or ask with ?dry_run=true what would become of it", Action::submit_jobs,
     submit_job, true},
    {"POST", "/v1/jobs/bulk", "submitJobs", "Submit up to 1,000 jobs, all or none", Action::submit_jobs, submit_jobs},
    {"GET", "/v1/jobs", "listJobs", "Jobs, newest first", Action::read_job, list_jobs, true},
    {"GET", "/v1/jobs/{id}", "getJob", "One job with its attempts and runs; may wait for its next change", Action::read_job,
     get_job, true},
    {"GET", "/v1/jobs/{id}/explain", "explainJob", "Where the job goes and why: a verdict for every site", Action::read_job,
     explain_job},
    {"GET", "/v1/jobs/{id}/events", "listJobEvents", "Everything that happened to the job", Action::read_job, list_job_events},
    {"GET", "/v1/jobs/{id}/script", "getJobScript", "What the job was given: its owner's alone, or by break-glass",
     Action::read_output, get_job_script},
    {"GET", "/v1/jobs/{id}/usage", "getJobUsage", "What its runs used, as the site's accounting has it", Action::read_job,
     get_job_usage},
    {"GET", "/v1/jobs/{id}/output", "readJobOutput", "A piece of what the job wrote", Action::read_output, read_job_output, true},
    {"GET", "/v1/jobs/{id}/outputs", "listJobOutputs", "The outputs that the job names, and what is there of each",
     Action::read_output, list_job_outputs},
    {"GET", "/v1/jobs/{id}/outputs/{name}", "fetchJobOutput", "An output, whole or a range of it", Action::read_output,
     fetch_job_output},
    {"GET", "/v1/code/{digest}", "getCode", "How much of the caller's code is here", Action::submit_jobs, get_code},
    {"PUT", "/v1/code/{digest}", "putCode", "Bring code for jobs, whole or in pieces", Action::submit_jobs, put_code, true},
    {"GET", "/v1/secrets", "listSecrets", "The caller's secrets, by name; never what they are", Action::submit_jobs,
     list_secrets},
    {"PUT", "/v1/secrets/{name}", "putSecret", "Keep a secret for the caller's jobs, sealed; it is never shown again",
     Action::submit_jobs, put_secret},
    {"DELETE", "/v1/secrets/{name}", "deleteSecret", "Delete one of the caller's secrets", Action::submit_jobs, delete_secret},
    {"POST", "/v1/jobs/{id}/hold", "holdJob", "Keep a waiting job from going to a site", Action::change_job, hold_job},
    {"POST", "/v1/jobs/{id}/release", "releaseJob", "Let a held job go on", Action::change_job, release_job},
    {"POST", "/v1/jobs/{id}/cancel", "cancelJob", "Cancel a job; the outcome is told by the job", Action::change_job, cancel_job},
    {"POST", "/v1/jobs/{id}/resolve", "resolveJob", "An operator's word that a job is lost", Action::resolve_job, resolve_job},
    {"GET", "/v1/events", "streamEvents", "Events of all jobs that the caller may see, as server-sent events", Action::read_job,
     stream_events, true},
    {"GET", "/v1/sites", "listSites", "The sites, their state and their load", Action::read_sites, list_sites},
    {"GET", "/v1/sites/{id}", "getSite", "One site", Action::read_sites, get_site},
    {"POST", "/v1/sites/{id}/drain", "drainSite", "Send the site no new jobs", Action::change_site, drain_site},
    {"POST", "/v1/sites/{id}/resume", "resumeSite", "Send the site jobs again", Action::change_site, resume_site},
    {"POST", "/v1/sites/{id}/doctor", "lookOverSite", "Look the site over: versions, clocks, history, accounts, budget",
     Action::change_site, look_over_site},
    {"GET", "/v1/sites/{id}/agent", "getSiteAgent", "The agent of a site that connects to the broker, and what became of it",
     Action::inspect_site, get_site_agent},
    {"POST", "/v1/sites/{id}/agent/enrolment", "enrollAgent",
     "Make a token with which the site's agent enrols, once; it is shown this once", Action::enrol_agent, enroll_agent},
    {"POST", "/v1/sites/{id}/agent/revoke", "revokeAgent", "Take back the agent's key and token; its connection ends at once",
     Action::enrol_agent, revoke_agent},
    {"POST", "/v1/sites/{id}/connections", "connectToSite",
     "Make a token with which an agent of the caller's own comes in, once; it is shown this once", Action::connect_agent,
     connect_to_site},
    {"GET", "/v1/sites/{id}/connections", "listConnections",
     "Whose own agents are connected; a user sees their own, operators and auditors everybody's", Action::read_connections,
     list_connections},
    {"POST", "/v1/sites/{id}/connections/end", "disconnectFromSite",
     "End the caller's sessions there, or, an operator, somebody's; the connection ends at once", Action::disconnect_agent,
     disconnect_from_site},
    {"GET", "/v1/rules", "getRules", "The rules in force, in sentences", Action::read_rules, get_rules, true},
    {"GET", "/v1/decisions", "listDecisions", "Decisions of a period with the evidence that rules were asked about",
     Action::read_decisions, list_decisions, true},
    {"POST", "/v1/datasets", "registerDataset", "Register a dataset", Action::register_dataset, register_dataset},
    {"GET", "/v1/datasets", "listDatasets", "The datasets that the caller may see, by id", Action::read_dataset, list_datasets,
     true},
    {"GET", "/v1/datasets/{id}", "getDataset", "One dataset with its replicas", Action::read_dataset, get_dataset},
    {"GET", "/v1/datasets/{id}/transfers", "listTransfers", "Where the dataset is on its way to, and how far it has come",
     Action::read_dataset, list_transfers},
    {"PATCH", "/v1/datasets/{id}", "amendDataset", "Change labels or owner; what loosens waits for a second person",
     Action::change_dataset, amend_dataset},
    {"POST", "/v1/datasets/{id}/replicas", "addReplica", "Say that a copy is at a site; it counts once it is verified",
     Action::change_dataset, add_replica},
    {"DELETE", "/v1/datasets/{id}/replicas/{site}", "removeReplica", "Forget the copy at a site; nothing is deleted there",
     Action::change_dataset, remove_replica},
    {"POST", "/v1/datasets/{id}/replicas/{site}/verify", "verifyReplica",
     "Say what was seen of the copy at a site; waits for a second person", Action::change_dataset, verify_replica},
    {"GET", "/v1/facts", "getFacts", "What rules may ask of a site, a project, a person or the broker, and who said it",
     Action::read_facts, get_facts, true},
    {"POST", "/v1/facts", "stateFact", "Say what is so; null at once, all else after a second person's yes", Action::change_facts,
     state_fact},
    {"GET", "/v1/changes", "listChanges", "Changes of the registers and who approved them, newest first", Action::read_changes,
     list_changes, true},
    {"POST", "/v1/changes/{id}/approve", "approveChange", "A second person's yes, an operator's", Action::approve_change,
     approve_change},
    {"POST", "/v1/changes/{id}/reject", "rejectChange", "A no, or the proposer's withdrawal", Action::reject_change,
     reject_change},
    {"GET", "/v1/allocations", "listAllocations", "What projects may spend, what is kept, used and left of it",
     Action::read_allocation, list_allocations, true},
    {"POST", "/v1/allocations", "grantAllocation", "Grant a project a budget of Hansa's own", Action::change_allocation,
     grant_allocation},
    {"POST", "/v1/allocations/balances", "tellBalances", "Tell what sites, or who grants there, say is left to projects",
     Action::tell_balances, tell_balances},
    {"GET", "/v1/allocations/{id}", "getAllocation", "One allocation, what is kept of it and what became of it",
     Action::read_allocation, get_allocation},
    {"POST", "/v1/allocations/release", "releaseReservations",
     "Let go what is kept for runs that are over and that no accounting will ever tell", Action::change_allocation,
     release_reservations},
    {"POST", "/v1/allocations/{id}/revoke", "revokeAllocation", "Take back what is left of a grant", Action::change_allocation,
     revoke_allocation},
    {"GET", "/v1/reports/{name}", "getReport",
     "A report: usage, countries, funding, corrections, sovereignty, energy, clearing, grants, period, reconciliation, "
     "completeness, access, retention",
     Action::report_usage, get_report, true},
    {"GET", "/v1/reports/estimates", "reportEstimates", "Predicted waits against what became of them", Action::report_usage,
     report_estimates, true},
    {"GET", "/v1/ledger", "getLedger", "The ledger's head, its keys, its witnesses, and what was not booked",
     Action::check_ledger, get_ledger},
    {"GET", "/v1/ledger/checkpoint", "signCheckpoint", "The ledger's newest checkpoint, signed now if there are new records",
     Action::check_ledger, sign_checkpoint},
    {"GET", "/v1/ledger/records", "listLedgerRecords", "Records as they are hashed, in their order", Action::read_ledger,
     list_ledger_records, true},
    {"GET", "/v1/ledger/proof", "proveLedgerRecord",
     "That a record, or a job's records, are in the tree of the newest checkpoint", Action::check_ledger, prove_ledger_record,
     true},
    {"GET", "/v1/ledger/consistency", "proveLedgerGrowth", "That one tree is the beginning of another", Action::check_ledger,
     prove_ledger_growth, true},
    {"GET", "/v1/ledger/corrections", "listCorrections", "Runs whose records their sites changed, newest first",
     Action::read_ledger, list_corrections, true},
    {"GET", "/v1/ledger/usage", "listUsageInForce", "Usage records in force, corrections applied, by the ends of their runs",
     Action::read_ledger, list_usage_in_force, true},
    {"GET", "/v1/exchange", "getExchange", "What the sites are called in APEL and in Waldur", Action::check_ledger, get_exchange},
    {"POST", "/v1/ledger/cosignatures", "cosignCheckpoint", "A witness's word that it found a checkpoint consistent",
     Action::witness_ledger, cosign_checkpoint},
    {"POST", "/v1/ledger/key", "changeLedgerKey", "Have another key sign from now on; the old one says so in the ledger",
     Action::change_ledger_key, change_ledger_key},
    {"POST", "/v1/ledger/reconciliations", "beginReconciliation",
     "Ask a site's own accounting anew and hold it against the ledger; begun, not awaited", Action::reconcile,
     begin_reconciliation},
    {"GET", "/v1/ledger/reconciliations", "listReconciliations", "What reconciliations saw, newest first",
     Action::read_reconciliation, list_reconciliations, true},
    {"GET", "/v1/ledger/reconciliations/{id}", "getReconciliation", "One of them, with its differences",
     Action::read_reconciliation, get_reconciliation},
    {"POST", "/v1/ledger/explanations", "explainDifference", "An operator's words about a difference, on record",
     Action::reconcile, explain_difference},
    {"GET", "/v1/ledger/periods", "listPeriods", "The ledger's months, oldest first", Action::check_ledger, list_periods},
    {"GET", "/v1/ledger/periods/{id}", "getPeriod", "A month: what stands between it and its close, who signed it",
     Action::check_ledger, get_period},
    {"POST", "/v1/ledger/periods/{id}/open", "openPeriod", "Open a month", Action::keep_ledger, open_period},
    {"POST", "/v1/ledger/periods/{id}/close", "closePeriod", "Close a month that is reconciled, sum it up and sign it",
     Action::keep_ledger, close_period, true},
    {"GET", "/v1/ledger/adjustments", "listAdjustments", "What operators asked to add by hand, newest first", Action::read_ledger,
     list_adjustments, true},
    {"POST", "/v1/ledger/adjustments", "proposeAdjustment", "Ask that amounts be added to a record; waits for a second person",
     Action::keep_ledger, propose_adjustment},
    {"POST", "/v1/ledger/adjustments/{id}/approve", "approveAdjustment", "A second operator's yes: it is booked",
     Action::keep_ledger, approve_adjustment},
    {"POST", "/v1/ledger/adjustments/{id}/reject", "rejectAdjustment", "A no, or its withdrawal", Action::keep_ledger,
     reject_adjustment},
    {"GET", "/v1/ledger/decisions", "listDecisionLeaves",
     "Decisions as the ledger vouches for them, hashed anew from what is stored", Action::read_ledger, list_decision_leaves,
     true},
    {"GET", "/v1/privacy/retention", "listRetention", "What is held of people, for how long, and when it ends",
     Action::read_protection, list_retention},
    {"GET", "/v1/privacy/record", "getRecordOfProcessing", "The record of processing activities", Action::read_protection,
     get_record_of_processing},
    {"GET", "/v1/privacy/person", "exportPerson",
     "All that is held of a person: one's own, or, with a reason, operators, policy officers and auditors anybody's",
     Action::export_person, export_person, true},
    {"POST", "/v1/privacy/erasures", "askErasure", "Have a person erased; waits for a second operator", Action::erase_person,
     ask_erasure},
    {"GET", "/v1/privacy/erasures", "listErasures", "Erasures and what became of them, newest first", Action::read_protection,
     list_erasures, true},
    {"POST", "/v1/privacy/erasures/{id}/approve", "approveErasure", "A second operator's yes to an erasure", Action::erase_person,
     approve_erasure},
    {"POST", "/v1/privacy/erasures/{id}/reject", "rejectErasure", "No to an erasure", Action::erase_person, reject_erasure},
    {"POST", "/v1/break-glass", "requestBreakGlass",
     "Ask for what is a job's owner's alone, for a time; waits for a second operator", Action::break_glass, request_break_glass},
    {"GET", "/v1/break-glass", "listBreakGlass", "What was opened or asked for by break-glass, newest first",
     Action::read_protection, list_break_glass, true},
    {"GET", "/v1/break-glass/{id}", "getBreakGlass", "One of them, with its uses and the ledger's records of it",
     Action::read_protection, get_break_glass},
    {"POST", "/v1/break-glass/{id}/approve", "approveBreakGlass", "A second operator's yes: its time begins", Action::break_glass,
     approve_break_glass},
    {"POST", "/v1/break-glass/{id}/reject", "rejectBreakGlass", "A no, or its withdrawal", Action::break_glass,
     reject_break_glass},
    {"POST", "/v1/break-glass/{id}/end", "endBreakGlass", "Ended before its time", Action::break_glass, end_break_glass},
    {"POST", "/v1/tokens", "createToken", "Make an API token; it is shown this once", Action::manage_tokens, create_token},
    {"GET", "/v1/tokens", "listTokens", "The API tokens, without their secrets", Action::read_tokens, list_tokens},
    {"DELETE", "/v1/tokens/{id}", "revokeToken", "Revoke an API token, from now on", Action::manage_tokens, revoke_token},
    {"GET", "/v1/issuers", "listIssuers", "Whose tokens are taken beside the broker's own, and how one gets one", Action::open,
     list_issuers},
    {"GET", "/v1/me", "getMe", "Who the caller is here: principal, role, projects", Action::know_oneself, get_me},
    {"GET", "/v1/revocations", "listRevocations", "Persons, tokens, keys and issuers that are or were shut out",
     Action::read_tokens, list_revocations},
    {"POST", "/v1/revocations", "revoke", "Shut out a person, a token, a key or an issuer, from now on", Action::manage_tokens,
     revoke},
    {"DELETE", "/v1/revocations/{number}", "liftRevocation", "Let them in again", Action::manage_tokens, lift_revocation},
    {"GET", "/healthz", "getHealth", "Whether the process serves", Action::open, healthz},
    {"GET", "/readyz", "getReadiness", "Whether it takes jobs", Action::open, readyz},
    {"GET", "/metrics", "getMetrics", "Prometheus metrics", Action::read_metrics, metrics},
    {"GET", "/openapi.json", "getOpenApi", "This interface as an OpenAPI 3.1 document", Action::open, openapi},
};

/// Compares segment by segment; {name} takes any one segment that is not empty.
bool fits(std::string_view pattern, std::string_view path, std::map<std::string, std::string, std::less<>>& parameters) {
  while (true) {
    const auto want = pattern.substr(0, pattern.find('/'));
    const auto have = path.substr(0, path.find('/'));
    if (want.size() > 2 && want.front() == '{') {
      if (have.empty()) return false;
      parameters[std::string(want.substr(1, want.size() - 2))] = std::string(have);
    } else if (want != have) {
      return false;
    }
    const bool more_pattern = want.size() < pattern.size(), more_path = have.size() < path.size();
    if (more_pattern != more_path) return false;
    if (!more_pattern) return true;
    pattern.remove_prefix(want.size() + 1);
    path.remove_prefix(have.size() + 1);
  }
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

Result<void> check_routes(std::span<const Route> table) {
  std::vector<Fault> faults;
  for (const auto& route : table) {
    if (route.action == Action::open) continue;
    const auto known = std::ranges::any_of(identity::rights(), [&](const auto& right) { return right.action == route.action; });
    if (!known) faults.push_back({std::string(route.operation), "says not what its caller has to be allowed"});
  }
  if (faults.empty()) return {};
  auto error =
      fail(ErrorKind::internal, "ROUTE_WITHOUT_ACTION",
           "a route names no action, so that anybody might take it: give it one of identity::Action, " + faults.front().where);
  error.error().faults = std::move(faults);
  return error;
}

Match match(std::string_view method, std::string_view path) {
  Match found;
  const bool head = method == "HEAD";
  for (const auto& route : kRoutes) {
    std::map<std::string, std::string, std::less<>> parameters;
    if (!fits(route.path, path, parameters)) continue;
    // "/v1/jobs/bulk" is no job: what is written out goes before what is a parameter.
    const bool literal = parameters.empty();
    if (route.method == method || (head && route.method == "GET")) {
      found.route = &route;
      found.path = std::move(parameters);
      if (literal) return found;
    } else {
      found.allowed += (found.allowed.empty() ? "" : ", ") + std::string(route.method);
    }
  }
  return found;
}

}  // namespace hansa::api
