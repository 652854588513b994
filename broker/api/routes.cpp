// SPDX-License-Identifier: Apache-2.0
#include "broker/api/routes.hpp"

#include <algorithm>

namespace hansa::api {
namespace {

constexpr Route kRoutes[] = {
    {"POST", "/v1/jobs", "submitJob", "Submit a job, or ask with ?dry_run=true what would become of it", false, submit_job, true},
    {"POST", "/v1/jobs/bulk", "submitJobs", "Submit up to 1,000 jobs, all or none", false, submit_jobs},
    {"GET", "/v1/jobs", "listJobs", "Jobs, newest first", false, list_jobs, true},
    {"GET", "/v1/jobs/{id}", "getJob", "One job with its attempts and runs; may wait for its next change", false, get_job, true},
    {"GET", "/v1/jobs/{id}/explain", "explainJob", "Where the job goes and why: a verdict for every site", false, explain_job},
    {"GET", "/v1/jobs/{id}/events", "listJobEvents", "Everything that happened to the job", false, list_job_events},
    {"GET", "/v1/jobs/{id}/usage", "getJobUsage", "What its runs used, as the site's accounting has it", false, get_job_usage},
    {"GET", "/v1/jobs/{id}/output", "readJobOutput", "A piece of what the job wrote", false, read_job_output, true},
    {"GET", "/v1/jobs/{id}/outputs", "listJobOutputs", "The outputs that the job names, and what is there of each", false,
     list_job_outputs},
    {"GET", "/v1/jobs/{id}/outputs/{name}", "fetchJobOutput", "An output, whole or a range of it", false, fetch_job_output},
    {"GET", "/v1/code/{digest}", "getCode", "How much of the caller's code is here", false, get_code},
    {"PUT", "/v1/code/{digest}", "putCode", "Bring code for jobs, whole or in pieces", false, put_code, true},
    {"POST", "/v1/jobs/{id}/hold", "holdJob", "Keep a waiting job from going to a site", false, hold_job},
    {"POST", "/v1/jobs/{id}/release", "releaseJob", "Let a held job go on", false, release_job},
    {"POST", "/v1/jobs/{id}/cancel", "cancelJob", "Cancel a job; the outcome is told by the job", false, cancel_job},
    {"POST", "/v1/jobs/{id}/resolve", "resolveJob", "An operator's word that a job is lost", false, resolve_job},
    {"GET", "/v1/events", "streamEvents", "Events of all jobs that the caller may see, as server-sent events", false,
     stream_events, true},
    {"GET", "/v1/sites", "listSites", "The sites, their state and their load", false, list_sites},
    {"GET", "/v1/sites/{id}", "getSite", "One site", false, get_site},
    {"POST", "/v1/sites/{id}/drain", "drainSite", "Send the site no new jobs", false, drain_site},
    {"POST", "/v1/sites/{id}/resume", "resumeSite", "Send the site jobs again", false, resume_site},
    {"POST", "/v1/sites/{id}/doctor", "lookOverSite", "Look the site over: versions, clocks, history, accounts, budget", false,
     look_over_site},
    {"GET", "/v1/sites/{id}/agent", "getSiteAgent", "The agent of a site that connects to the broker, and what became of it",
     false, get_site_agent},
    {"POST", "/v1/sites/{id}/agent/enrolment", "enrollAgent",
     "Make a token with which the site's agent enrols, once; it is shown this once", false, enroll_agent},
    {"POST", "/v1/sites/{id}/agent/revoke", "revokeAgent", "Take back the agent's key and token; its connection ends at once",
     false, revoke_agent},
    {"POST", "/v1/sites/{id}/connections", "connectToSite",
     "Make a token with which an agent of the caller's own comes in, once; it is shown this once", false, connect_to_site},
    {"GET", "/v1/sites/{id}/connections", "listConnections",
     "Whose own agents are connected; a user sees their own, operators and auditors everybody's", false, list_connections},
    {"POST", "/v1/sites/{id}/connections/end", "disconnectFromSite",
     "End the caller's sessions there, or, an operator, somebody's; the connection ends at once", false, disconnect_from_site},
    {"GET", "/v1/rules", "getRules", "The rules in force, in sentences", false, get_rules, true},
    {"GET", "/v1/decisions", "listDecisions", "Decisions of a period with the evidence that rules were asked about", false,
     list_decisions, true},
    {"POST", "/v1/datasets", "registerDataset", "Register a dataset", false, register_dataset},
    {"GET", "/v1/datasets", "listDatasets", "The datasets that the caller may see, by id", false, list_datasets, true},
    {"GET", "/v1/datasets/{id}", "getDataset", "One dataset with its replicas", false, get_dataset},
    {"GET", "/v1/datasets/{id}/transfers", "listTransfers", "Where the dataset is on its way to, and how far it has come", false,
     list_transfers},
    {"PATCH", "/v1/datasets/{id}", "amendDataset", "Change labels or owner; what loosens waits for a second person", false,
     amend_dataset},
    {"POST", "/v1/datasets/{id}/replicas", "addReplica", "Say that a copy is at a site; it counts once it is verified", false,
     add_replica},
    {"DELETE", "/v1/datasets/{id}/replicas/{site}", "removeReplica", "Forget the copy at a site; nothing is deleted there", false,
     remove_replica},
    {"POST", "/v1/datasets/{id}/replicas/{site}/verify", "verifyReplica",
     "Say what was seen of the copy at a site; waits for a second person", false, verify_replica},
    {"GET", "/v1/facts", "getFacts", "What rules may ask of a site, a project, a person or the broker, and who said it", false,
     get_facts, true},
    {"POST", "/v1/facts", "stateFact", "Say what is so; null at once, all else after a second person's yes", false, state_fact},
    {"GET", "/v1/changes", "listChanges", "Changes of the registers and who approved them, newest first", false, list_changes,
     true},
    {"POST", "/v1/changes/{id}/approve", "approveChange", "A second person's yes, an operator's", false, approve_change},
    {"POST", "/v1/changes/{id}/reject", "rejectChange", "A no, or the proposer's withdrawal", false, reject_change},
    {"GET", "/v1/allocations", "listAllocations", "What projects may spend, what is kept, used and left of it", false,
     list_allocations, true},
    {"POST", "/v1/allocations", "grantAllocation", "Grant a project a budget of Hansa's own", false, grant_allocation},
    {"POST", "/v1/allocations/balances", "tellBalances", "Tell what sites, or who grants there, say is left to projects", false,
     tell_balances},
    {"GET", "/v1/allocations/{id}", "getAllocation", "One allocation, what is kept of it and what became of it", false,
     get_allocation},
    {"POST", "/v1/allocations/release", "releaseReservations",
     "Let go what is kept for runs that are over and that no accounting will ever tell", false, release_reservations},
    {"POST", "/v1/allocations/{id}/revoke", "revokeAllocation", "Take back what is left of a grant", false, revoke_allocation},
    {"GET", "/v1/reports/{name}", "getReport",
     "A report: usage, countries, funding, corrections, sovereignty, energy, clearing, grants", false, get_report, true},
    {"GET", "/v1/reports/estimates", "reportEstimates", "Predicted waits against what became of them", false, report_estimates,
     true},
    {"GET", "/v1/ledger", "getLedger", "The ledger's head, its keys, its witnesses, and what was not booked", false, get_ledger},
    {"GET", "/v1/ledger/checkpoint", "signCheckpoint", "The ledger's newest checkpoint, signed now if there are new records",
     false, sign_checkpoint},
    {"GET", "/v1/ledger/records", "listLedgerRecords", "Records as they are hashed, in their order", false, list_ledger_records,
     true},
    {"GET", "/v1/ledger/proof", "proveLedgerRecord",
     "That a record, or a job's records, are in the tree of the newest checkpoint", false, prove_ledger_record, true},
    {"GET", "/v1/ledger/consistency", "proveLedgerGrowth", "That one tree is the beginning of another", false,
     prove_ledger_growth, true},
    {"GET", "/v1/ledger/corrections", "listCorrections", "Runs whose records their sites changed, newest first", false,
     list_corrections, true},
    {"GET", "/v1/ledger/usage", "listUsageInForce", "Usage records in force, corrections applied, by the ends of their runs",
     false, list_usage_in_force, true},
    {"GET", "/v1/exchange", "getExchange", "What the sites are called in APEL and in Waldur", false, get_exchange},
    {"POST", "/v1/ledger/cosignatures", "cosignCheckpoint", "A witness's word that it found a checkpoint consistent", false,
     cosign_checkpoint},
    {"POST", "/v1/ledger/key", "changeLedgerKey", "Have another key sign from now on; the old one says so in the ledger", false,
     change_ledger_key},
    {"POST", "/v1/ledger/reconciliations", "beginReconciliation",
     "Ask a site's own accounting anew and hold it against the ledger; begun, not awaited", false, begin_reconciliation},
    {"GET", "/v1/ledger/reconciliations", "listReconciliations", "What reconciliations saw, newest first", false,
     list_reconciliations, true},
    {"GET", "/v1/ledger/reconciliations/{id}", "getReconciliation", "One of them, with its differences", false,
     get_reconciliation},
    {"POST", "/v1/ledger/explanations", "explainDifference", "An operator's words about a difference, on record", false,
     explain_difference},
    {"GET", "/v1/ledger/periods", "listPeriods", "The ledger's months, oldest first", false, list_periods},
    {"GET", "/v1/ledger/periods/{id}", "getPeriod", "A month: what stands between it and its close, who signed it", false,
     get_period},
    {"POST", "/v1/ledger/periods/{id}/open", "openPeriod", "Open a month", false, open_period},
    {"POST", "/v1/ledger/periods/{id}/close", "closePeriod", "Close a month that is reconciled, sum it up and sign it", false,
     close_period, true},
    {"GET", "/v1/ledger/adjustments", "listAdjustments", "What operators asked to add by hand, newest first", false,
     list_adjustments, true},
    {"POST", "/v1/ledger/adjustments", "proposeAdjustment", "Ask that amounts be added to a record; waits for a second person",
     false, propose_adjustment},
    {"POST", "/v1/ledger/adjustments/{id}/approve", "approveAdjustment", "A second operator's yes: it is booked", false,
     approve_adjustment},
    {"POST", "/v1/ledger/adjustments/{id}/reject", "rejectAdjustment", "A no, or its withdrawal", false, reject_adjustment},
    {"GET", "/v1/ledger/decisions", "listDecisionLeaves",
     "Decisions as the ledger vouches for them, hashed anew from what is stored", false, list_decision_leaves, true},
    {"GET", "/v1/privacy/retention", "listRetention", "What is held of people, for how long, and when it ends", false,
     list_retention},
    {"GET", "/v1/privacy/expired", "listExpired", "What has ended by age, by day", false, list_expired, true},
    {"GET", "/v1/privacy/record", "getRecordOfProcessing", "The record of processing activities", false,
     get_record_of_processing},
    {"GET", "/v1/privacy/person", "exportPerson",
     "All that is held of a person: one's own, or, with a reason, an operator anybody's", false, export_person, true},
    {"POST", "/v1/privacy/erasures", "askErasure", "Have a person erased; waits for a second operator", false, ask_erasure},
    {"GET", "/v1/privacy/erasures", "listErasures", "Erasures and what became of them, newest first", false, list_erasures, true},
    {"POST", "/v1/privacy/erasures/{id}/approve", "approveErasure", "A second operator's yes to an erasure", false,
     approve_erasure},
    {"POST", "/v1/privacy/erasures/{id}/reject", "rejectErasure", "No to an erasure", false, reject_erasure},
    {"GET", "/v1/privacy/accesses", "listAccesses", "Who has read whose data, newest first", false, list_accesses, true},
    {"POST", "/v1/tokens", "createToken", "Make an API token; it is shown this once", false, create_token},
    {"GET", "/v1/tokens", "listTokens", "The API tokens, without their secrets", false, list_tokens},
    {"DELETE", "/v1/tokens/{id}", "revokeToken", "Revoke an API token, from now on", false, revoke_token},
    {"GET", "/v1/issuers", "listIssuers", "Whose tokens are taken beside the broker's own, and how one gets one", true,
     list_issuers},
    {"GET", "/v1/me", "getMe", "Who the caller is here: principal, role, projects", false, get_me},
    {"GET", "/v1/revocations", "listRevocations", "Persons, tokens, keys and issuers that are or were shut out", false,
     list_revocations},
    {"POST", "/v1/revocations", "revoke", "Shut out a person, a token, a key or an issuer, from now on", false, revoke},
    {"DELETE", "/v1/revocations/{number}", "liftRevocation", "Let them in again", false, lift_revocation},
    {"GET", "/healthz", "getHealth", "Whether the process serves", true, healthz},
    {"GET", "/readyz", "getReadiness", "Whether it takes jobs", true, readyz},
    {"GET", "/metrics", "getMetrics", "Prometheus metrics", false, metrics},
    {"GET", "/openapi.json", "getOpenApi", "This interface as an OpenAPI 3.1 document", true, openapi},
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
