// SPDX-License-Identifier: Apache-2.0
// Who reads whose data, put on record before the answer goes.
#include "broker/api/answers.hpp"

#include <algorithm>

namespace hansa::api {

using identity::Action;

namespace {

/// Operations that tell of everybody to whoever may see everybody.
struct Listing {
  std::string_view operation;
  Action action;
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
    {"listJobs", Action::read_job},
    {"streamEvents", Action::read_job},
    {"listDecisions", Action::read_decisions},
    {"listChanges", Action::approve_change},
    {"listConnections", Action::read_agents},
    {"listTokens", Action::manage_tokens},
    {"listLedgerRecords", Action::read_ledger, [](const http::Query& query) { return asks_for(query, "personal", {"true"}); }},
    {"listRevocations", Action::manage_tokens},
    {"getReport", Action::report_usage,
     [](const http::Query& query) { return asks_for(query, "by", {"owner", "account", "person"}); }},
};

}  // namespace

Result<void> note_access(const Exchange& exchange, const Principal& subject, std::string reason) {
  auto* protection = exchange.api.parts().protection;
  if (protection == nullptr) return {};
  return protection->accesses().note({.reader = exchange.caller.principal,
                                      .role = std::string(identity::to_string(exchange.caller.role)),
                                      .subject = subject,
                                      .route = std::string(exchange.operation),
                                      .reason = std::move(reason)});
}

Result<void> note_listing(const Exchange& exchange) {
  const auto* listing = std::ranges::find(kListings, exchange.operation, &Listing::operation);
  if (listing == std::end(kListings)) return {};
  if (identity::reach(exchange.caller.role, listing->action) != identity::Reach::everybody) return {};
  if (listing->is_personal != nullptr && !listing->is_personal(exchange.request.query)) return {};
  return note_access(exchange, Principal{});
}

}  // namespace hansa::api
