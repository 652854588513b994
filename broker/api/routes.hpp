// SPDX-License-Identifier: Apache-2.0
#pragma once
// The table of routes: the dispatcher's source, the OpenAPI document's, and the test's.

#include "broker/api/api.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace hansa::api {

/// One request on its way through a handler.
struct Exchange {
  Api& api;
  http::Request request;
  identity::Caller caller;                     // empty on open routes
  std::map<std::string, std::string, std::less<>> path;  // {id} -> value
  std::string_view operation = {};             // of the route
  identity::Action action = identity::Action::none;  // that the route asks for
};

using Handle = async::Task<http::Response> (*)(Exchange exchange);

struct Route {
  std::string_view method;
  std::string_view path;                       // "/v1/jobs/{id}"
  std::string_view operation;                  // OpenAPI's operationId
  std::string_view summary;
  identity::Action action = identity::Action::none;  // what the caller has to be allowed; open: anybody, without a token
  Handle handle = nullptr;
  bool reads_query = false;                    // otherwise the dispatcher refuses one: nothing that is asked goes unseen

  [[nodiscard]] bool is_open() const { return action == identity::Action::open; }
};

std::span<const Route> routes();

/// Before anything is served: a route that names no action is a fault of the program. internal, ROUTE_WITHOUT_ACTION.
Result<void> check_routes(std::span<const Route> table);

/// The route, with its path parameters; null with `allowed` (methods of that path, "GET, POST") empty if there is no such path.
struct Match {
  const Route* route = nullptr;
  std::map<std::string, std::string, std::less<>> path;
  std::string allowed;
};
Match match(std::string_view method, std::string_view path);

Json openapi_document(const BrokerFacts& facts);

// Handlers, by file.
// jobs.cpp
async::Task<http::Response> submit_job(Exchange exchange);
async::Task<http::Response> submit_jobs(Exchange exchange);
async::Task<http::Response> list_jobs(Exchange exchange);
async::Task<http::Response> get_job(Exchange exchange);
async::Task<http::Response> explain_job(Exchange exchange);
async::Task<http::Response> list_job_events(Exchange exchange);
async::Task<http::Response> get_job_usage(Exchange exchange);
async::Task<http::Response> read_job_output(Exchange exchange);
async::Task<http::Response> hold_job(Exchange exchange);
async::Task<http::Response> release_job(Exchange exchange);
async::Task<http::Response> cancel_job(Exchange exchange);
async::Task<http::Response> resolve_job(Exchange exchange);
// outputs.cpp
async::Task<http::Response> list_job_outputs(Exchange exchange);
async::Task<http::Response> fetch_job_output(Exchange exchange);
// code.cpp
async::Task<http::Response> get_code(Exchange exchange);
async::Task<http::Response> put_code(Exchange exchange);
// secrets.cpp
async::Task<http::Response> list_secrets(Exchange exchange);
async::Task<http::Response> put_secret(Exchange exchange);
async::Task<http::Response> delete_secret(Exchange exchange);
// events.cpp
async::Task<http::Response> stream_events(Exchange exchange);
// allocations.cpp
async::Task<http::Response> list_allocations(Exchange exchange);
async::Task<http::Response> grant_allocation(Exchange exchange);
async::Task<http::Response> tell_balances(Exchange exchange);
async::Task<http::Response> get_allocation(Exchange exchange);
async::Task<http::Response> revoke_allocation(Exchange exchange);
async::Task<http::Response> release_reservations(Exchange exchange);
// sites.cpp
async::Task<http::Response> list_sites(Exchange exchange);
async::Task<http::Response> get_site(Exchange exchange);
async::Task<http::Response> drain_site(Exchange exchange);
async::Task<http::Response> resume_site(Exchange exchange);
async::Task<http::Response> look_over_site(Exchange exchange);
// agents.cpp
async::Task<http::Response> get_site_agent(Exchange exchange);
async::Task<http::Response> enroll_agent(Exchange exchange);
async::Task<http::Response> revoke_agent(Exchange exchange);
/// Null if the site's agent does not come to us, or the caller may not know.
Json agent_view(const Exchange& exchange, const SiteId& site);
// connections.cpp
async::Task<http::Response> connect_to_site(Exchange exchange);
async::Task<http::Response> list_connections(Exchange exchange);
async::Task<http::Response> disconnect_from_site(Exchange exchange);
/// Null if people's own agents do not serve the site.
Json people_view(const Exchange& exchange, const SiteId& site);
// rules.cpp
async::Task<http::Response> get_rules(Exchange exchange);
// decisions.cpp
async::Task<http::Response> list_decisions(Exchange exchange);
// datasets.cpp
async::Task<http::Response> register_dataset(Exchange exchange);
async::Task<http::Response> list_datasets(Exchange exchange);
async::Task<http::Response> get_dataset(Exchange exchange);
async::Task<http::Response> list_transfers(Exchange exchange);
async::Task<http::Response> amend_dataset(Exchange exchange);
async::Task<http::Response> add_replica(Exchange exchange);
async::Task<http::Response> remove_replica(Exchange exchange);
async::Task<http::Response> verify_replica(Exchange exchange);
/// Those of these datasets that are under way.
async::Task<Json> transfers_of(const Exchange& exchange, std::vector<DatasetId> datasets);
// facts.cpp
async::Task<http::Response> get_facts(Exchange exchange);
async::Task<http::Response> state_fact(Exchange exchange);
// changes.cpp
async::Task<http::Response> list_changes(Exchange exchange);
async::Task<http::Response> approve_change(Exchange exchange);
async::Task<http::Response> reject_change(Exchange exchange);
// reports.cpp
async::Task<http::Response> get_report(Exchange exchange);
// estimate_report.cpp
async::Task<http::Response> report_estimates(Exchange exchange);
// ledger.cpp
async::Task<http::Response> get_ledger(Exchange exchange);
async::Task<http::Response> sign_checkpoint(Exchange exchange);
async::Task<http::Response> list_ledger_records(Exchange exchange);
async::Task<http::Response> prove_ledger_record(Exchange exchange);
async::Task<http::Response> prove_ledger_growth(Exchange exchange);
async::Task<http::Response> cosign_checkpoint(Exchange exchange);
async::Task<http::Response> change_ledger_key(Exchange exchange);
async::Task<http::Response> list_corrections(Exchange exchange);
// periods.cpp
async::Task<http::Response> begin_reconciliation(Exchange exchange);
async::Task<http::Response> get_reconciliation(Exchange exchange);
async::Task<http::Response> list_reconciliations(Exchange exchange);
async::Task<http::Response> explain_difference(Exchange exchange);
async::Task<http::Response> list_periods(Exchange exchange);
async::Task<http::Response> get_period(Exchange exchange);
async::Task<http::Response> open_period(Exchange exchange);
async::Task<http::Response> close_period(Exchange exchange);
async::Task<http::Response> list_adjustments(Exchange exchange);
async::Task<http::Response> propose_adjustment(Exchange exchange);
async::Task<http::Response> approve_adjustment(Exchange exchange);
async::Task<http::Response> reject_adjustment(Exchange exchange);
async::Task<http::Response> list_decision_leaves(Exchange exchange);
// exchange.cpp
async::Task<http::Response> list_usage_in_force(Exchange exchange);
async::Task<http::Response> get_exchange(Exchange exchange);
// tokens.cpp
async::Task<http::Response> create_token(Exchange exchange);
async::Task<http::Response> list_tokens(Exchange exchange);
async::Task<http::Response> revoke_token(Exchange exchange);
// privacy.cpp
async::Task<http::Response> list_retention(Exchange exchange);
async::Task<http::Response> get_record_of_processing(Exchange exchange);
async::Task<http::Response> export_person(Exchange exchange);
async::Task<http::Response> ask_erasure(Exchange exchange);
async::Task<http::Response> list_erasures(Exchange exchange);
async::Task<http::Response> approve_erasure(Exchange exchange);
async::Task<http::Response> reject_erasure(Exchange exchange);
// break_glass.cpp
async::Task<http::Response> get_job_script(Exchange exchange);
async::Task<http::Response> request_break_glass(Exchange exchange);
async::Task<http::Response> list_break_glass(Exchange exchange);
async::Task<http::Response> get_break_glass(Exchange exchange);
async::Task<http::Response> approve_break_glass(Exchange exchange);
async::Task<http::Response> reject_break_glass(Exchange exchange);
async::Task<http::Response> end_break_glass(Exchange exchange);
// people.cpp
async::Task<http::Response> list_issuers(Exchange exchange);
async::Task<http::Response> get_me(Exchange exchange);
async::Task<http::Response> list_revocations(Exchange exchange);
async::Task<http::Response> revoke(Exchange exchange);
async::Task<http::Response> lift_revocation(Exchange exchange);
// service.cpp
async::Task<http::Response> healthz(Exchange exchange);
async::Task<http::Response> readyz(Exchange exchange);
async::Task<http::Response> openapi(Exchange exchange);
// metrics.cpp
async::Task<http::Response> metrics(Exchange exchange);

}  // namespace hansa::api
