// SPDX-License-Identifier: Apache-2.0
// Who reads whose data, put on record before the answer goes.
#include "broker/api/answers.hpp"

#include <algorithm>

namespace hansa::api {

namespace {

/// Operations that tell of everybody to whoever may see others.
struct Listing {
  std::string_view operation;
  bool (*is_personal)(const http::Query& query) = nullptr;  // none: always
};

bool asks_for(const http::Query& query, std::string_view parameter, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(query, [&](const auto& entry) {
    return entry.first == parameter && std::ranges::any_of(words, [&](std::string_view word) {
             return ("," + entry.second + ",").contains("," + std::string(word) + ",");
           });
  });
}

constexpr Listing kListings[] = {
    {"listJobs"},
    {"streamEvents"},
    {"listDecisions"},
    {"listChanges"},
    {"listConnections"},
    {"listTokens"},
    {"listLedgerRecords", [](const http::Query& query) { return asks_for(query, "personal", {"true"}); }},
    {"listRevocations"},
    {"listUsageInForce", [](const http::Query& query) { return asks_for(query, "persons", {"named", "pseudonyms"}); }},
    {"listAdjustments"},
    {"listErasures"},
    {"listBreakGlass"},
};

/// All the others: they tell of one (and note_access() of whom, where that is not the caller), of what is everybody's, or change
/// something. A report notes for itself, once it is known whose it is. The record of accesses would be the first thing in itself.
constexpr std::string_view kNoListings[] = {"submitJob",
                                            "submitJobs",
                                            "getJob",
                                            "explainJob",
                                            "listJobEvents",
                                            "getJobUsage",
                                            "readJobOutput",
                                            "listJobOutputs",
                                            "fetchJobOutput",
                                            "getCode",
                                            "putCode",
                                            "holdJob",
                                            "releaseJob",
                                            "cancelJob",
                                            "resolveJob",
                                            "listSecrets",
                                            "putSecret",
                                            "deleteSecret",
                                            "listSites",
                                            "getSite",
                                            "drainSite",
                                            "resumeSite",
                                            "lookOverSite",
                                            "getSiteAgent",
                                            "enrollAgent",
                                            "revokeAgent",
                                            "connectToSite",
                                            "disconnectFromSite",
                                            "getRules",
                                            "registerDataset",
                                            "listDatasets",
                                            "getDataset",
                                            "listTransfers",
                                            "amendDataset",
                                            "addReplica",
                                            "removeReplica",
                                            "verifyReplica",
                                            "getFacts",
                                            "stateFact",
                                            "approveChange",
                                            "rejectChange",
                                            "listAllocations",
                                            "grantAllocation",
                                            "tellBalances",
                                            "getAllocation",
                                            "releaseReservations",
                                            "revokeAllocation",
                                            "reportEstimates",
                                            "getReport",
                                            "getLedger",
                                            "signCheckpoint",
                                            "proveLedgerRecord",
                                            "proveLedgerGrowth",
                                            "listCorrections",
                                            "getExchange",
                                            "cosignCheckpoint",
                                            "changeLedgerKey",
                                            "beginReconciliation",
                                            "listReconciliations",
                                            "getReconciliation",
                                            "explainDifference",
                                            "listPeriods",
                                            "getPeriod",
                                            "openPeriod",
                                            "closePeriod",
                                            "proposeAdjustment",
                                            "approveAdjustment",
                                            "rejectAdjustment",
                                            "listDecisionLeaves",
                                            "listRetention",
                                            "getRecordOfProcessing",
                                            "exportPerson",
                                            "askErasure",
                                            "approveErasure",
                                            "rejectErasure",
                                            "getJobScript",
                                            "requestBreakGlass",
                                            "getBreakGlass",
                                            "approveBreakGlass",
                                            "rejectBreakGlass",
                                            "endBreakGlass",
                                            "createToken",
                                            "revokeToken",
                                            "listIssuers",
                                            "getMe",
                                            "revoke",
                                            "liftRevocation",
                                            "getHealth",
                                            "getReadiness",
                                            "getMetrics",
                                            "getOpenApi"};

}  // namespace

Result<void> note_access(const Exchange& exchange, const Principal& subject, std::string reason) {
  auto* protection = exchange.api.parts().protection;
  if (protection == nullptr) return {};
  return protection->accesses().note({.reader = exchange.caller.principal,
                                      .role = identity::role_text(exchange.caller.role, exchange.caller.sites),
                                      .subject = subject,
                                      .route = std::string(exchange.operation),
                                      .reason = std::move(reason)});
}

std::optional<bool> is_listing(std::string_view operation) {
  if (std::ranges::find(kListings, operation, &Listing::operation) != std::end(kListings)) return true;
  if (std::ranges::find(kNoListings, operation) != std::end(kNoListings)) return false;
  return std::nullopt;
}

Result<void> note_listing(const Exchange& exchange) {
  const auto* listing = std::ranges::find(kListings, exchange.operation, &Listing::operation);
  if (listing == std::end(kListings)) return {};
  if (!identity::reaches_others(exchange.caller, exchange.action)) return {};
  if (listing->is_personal != nullptr && !listing->is_personal(exchange.request.query)) return {};
  return note_access(exchange, Principal{});
}

}  // namespace hansa::api
