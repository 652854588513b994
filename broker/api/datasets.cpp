// SPDX-License-Identifier: Apache-2.0
#include "broker/api/registers.hpp"
#include "broker/wire/dataset_request.hpp"
#include "broker/wire/dataset_views.hpp"
#include "policies/rules/vocabulary.hpp"

namespace hansa::api {

using identity::Action;

namespace {

constexpr std::size_t kDepth = 8;

UtcTime now(const Exchange& exchange) { return exchange.api.parts().scheduler.now_utc(); }

async::Task<domain::Dataset> dataset_of_path(const Exchange& exchange) {
  return find_dataset(exchange, DatasetId{exchange.path.at("id")}, exchange.action);
}

}  // namespace

identity::Object object_of(const domain::Dataset& dataset) { return {.owner = dataset.owner, .project = dataset.project}; }

std::optional<ports::Audience> audience(const Exchange& exchange) {
  if (identity::reaches_all(exchange.caller, Action::read_dataset)) return std::nullopt;
  return ports::Audience{.person = exchange.caller.principal, .projects = exchange.caller.projects};
}

async::Task<domain::Dataset> find_dataset(const Exchange& exchange, DatasetId id, Action action) {
  const auto missing = [&] {
    return fail(ErrorKind::not_found, "DATASET_NOT_FOUND",
                "there is no dataset " + id.str().substr(0, 128) + ", or it is not yours; see: hansa data list");
  };
  auto dataset = co_await exchange.api.parts().datasets.dataset(id);
  if (!dataset) {
    if (dataset.error().kind == ErrorKind::not_found) co_return missing();
    co_return dataset;
  }
  const auto object = object_of(*dataset);
  if (!identity::authorize(exchange.caller, Action::read_dataset, object)) co_return missing();
  if (auto allowed = identity::authorize(exchange.caller, action, object); !allowed) {
    if (allowed.error().kind != ErrorKind::not_found) co_return std::unexpected(allowed.error());
    co_return fail(ErrorKind::permission_denied, "NOT_THE_OWNER",
                   "dataset " + dataset->id.str() + " is " + dataset->owner.str() + "'s: only its owner and operators change it");
  }
  co_return dataset;
}

http::Response outcome_answer(const Exchange& exchange, int status, const engine::CatalogueOutcome& outcome) {
  return json_answer(status, wire::outcome_view(outcome.dataset, outcome.changes, now(exchange)));
}

async::Task<Json> transfers_of(const Exchange& exchange, std::vector<DatasetId> datasets) {
  Json list = Json::array();
  for (auto& id : datasets) {
    auto transfers = co_await on_engine(exchange, exchange.api.parts().engine.transfers(std::move(id)));
    if (!transfers) co_return std::unexpected(transfers.error());
    for (const auto& t : *transfers) list.push_back(wire::transfer_view(t.transfer, t.begun_at, t.status));
  }
  co_return list;
}

async::Task<http::Response> register_dataset(Exchange exchange) {
  const auto& caller = exchange.caller;
  auto json = parse_json(exchange.request.body, kDepth);
  if (!json) co_return std::unexpected(json.error());
  auto asked = wire::dataset_from_json(*json, rules::data_labels());
  if (!asked) co_return std::unexpected(asked.error());
  auto& what = asked->what;
  if (what.owner.empty()) what.owner = caller.principal;
  if (!may(exchange, {.owner = what.owner})) {
    auto refused = fail(ErrorKind::permission_denied, "NOT_THE_OWNER", "only operators register what belongs to somebody else");
    refused.error().faults.push_back({"/owner", refused.error().message});
    co_return refused;
  }
  auto& parts = exchange.api.parts();
  auto project = parts.engine.intake().project_for(what.owner, what.project);
  if (!project) co_return std::unexpected(project.error());
  what.project = std::move(*project);
  auto done = co_await parts.catalogue.add({caller.principal, std::move(asked->reason)}, std::move(asked->id), std::move(what));
  if (!done) co_return std::unexpected(done.error());
  auto answer = outcome_answer(exchange, 201, *done);
  answer.headers.emplace_back("Location", "/v1/datasets/" + done->dataset.id.str());
  co_return answer;
}

async::Task<http::Response> list_datasets(Exchange exchange) {
  QueryReader query(exchange.request.query);
  ports::DatasetQuery wanted{.audience = audience(exchange)};
  if (const auto label = query.text("label")) {
    if (std::ranges::find(rules::data_labels(), *label) == rules::data_labels().end())
      query.fault("label", no_such("label", *label, rules::data_labels()));
    wanted.label = domain::Label{*label};
  }
  if (const auto project = query.text("project")) wanted.project = ProjectId{*project};
  if (const auto owner = query.text("owner")) wanted.owner = Principal{*owner};
  wanted.limit = static_cast<std::size_t>(query.integer("limit", 100, 1, kMaxPage));
  if (const auto cursor = query.text("cursor")) {
    wanted.after = DatasetId{*cursor};
    if (!domain::is_dataset_id(*cursor)) query.fault("cursor", "must be the \"next_cursor\" of an earlier answer");
  }
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  const auto limit = wanted.limit;
  auto datasets = co_await exchange.api.parts().datasets.datasets(std::move(wanted));
  if (!datasets) co_return std::unexpected(datasets.error());
  Json list = Json::array();
  for (const auto& dataset : *datasets) list.push_back(wire::dataset_view(dataset, now(exchange)));
  const bool more = datasets->size() == limit;
  co_return json_answer(200, {{"datasets", std::move(list)}, {"next_cursor", more ? Json(datasets->back().id.str()) : Json()}});
}

async::Task<http::Response> get_dataset(Exchange exchange) {
  auto dataset = co_await dataset_of_path(exchange);
  if (!dataset) co_return std::unexpected(dataset.error());
  co_return json_answer(200, wire::dataset_view(*dataset, now(exchange)));
}

async::Task<http::Response> list_transfers(Exchange exchange) {
  auto dataset = co_await dataset_of_path(exchange);
  if (!dataset) co_return std::unexpected(dataset.error());
  auto transfers = co_await transfers_of(exchange, {dataset->id});
  if (!transfers) co_return std::unexpected(transfers.error());
  co_return json_answer(200, {{"transfers", std::move(*transfers)}});
}

async::Task<http::Response> amend_dataset(Exchange exchange) {
  auto dataset = co_await dataset_of_path(exchange);
  if (!dataset) co_return std::unexpected(dataset.error());
  auto json = parse_json(exchange.request.body, kDepth);
  if (!json) co_return std::unexpected(json.error());
  auto asked =
      wire::amendment_from_json(*json, rules::data_labels(), rules::record_of(rules::Attribute::dataset_transfer_basis).words);
  if (!asked) co_return std::unexpected(asked.error());
  engine::Amendment amendment{.labels = std::move(asked->labels),
                              .owner = std::move(asked->owner),
                              .permit = std::move(asked->permit),
                              .transfer_basis = std::move(asked->transfer_basis),
                              .reviewed = asked->reviewed};
  auto done = co_await exchange.api.parts().catalogue.amend({exchange.caller.principal, std::move(asked->reason)},
                                                            std::move(*dataset), std::move(amendment));
  if (!done) co_return std::unexpected(done.error());
  co_return outcome_answer(exchange, 200, *done);
}

async::Task<http::Response> add_replica(Exchange exchange) {
  auto dataset = co_await dataset_of_path(exchange);
  if (!dataset) co_return std::unexpected(dataset.error());
  auto json = parse_json(exchange.request.body, kDepth);
  if (!json) co_return std::unexpected(json.error());
  auto asked = wire::replica_from_json(*json, exchange.api.sites());
  if (!asked) co_return std::unexpected(asked.error());
  auto done = co_await exchange.api.parts().catalogue.add_replica({exchange.caller.principal, std::move(asked->reason)},
                                                                  std::move(*dataset), std::move(asked->what));
  if (!done) co_return std::unexpected(done.error());
  co_return outcome_answer(exchange, 201, *done);
}

async::Task<http::Response> remove_replica(Exchange exchange) {
  auto dataset = co_await dataset_of_path(exchange);
  if (!dataset) co_return std::unexpected(dataset.error());
  auto done = co_await exchange.api.parts().catalogue.remove_replica({exchange.caller.principal, ""}, std::move(*dataset),
                                                                     SiteId{exchange.path.at("site")});
  if (!done) co_return std::unexpected(done.error());
  co_return outcome_answer(exchange, 200, *done);
}

async::Task<http::Response> verify_replica(Exchange exchange) {
  auto dataset = co_await dataset_of_path(exchange);
  if (!dataset) co_return std::unexpected(dataset.error());
  auto json = parse_json(exchange.request.body, kDepth);
  if (!json) co_return std::unexpected(json.error());
  auto asked = wire::evidence_from_json(*json);
  if (!asked) co_return std::unexpected(asked.error());
  engine::SeenReplica seen{
      .site = SiteId{exchange.path.at("site")}, .hash = std::move(asked->hash), .at = asked->at, .expires_at = asked->expires_at};
  auto done = co_await exchange.api.parts().catalogue.verify_replica({exchange.caller.principal, std::move(asked->reason)},
                                                                     std::move(*dataset), std::move(seen));
  if (!done) co_return std::unexpected(done.error());
  co_return outcome_answer(exchange, 200, *done);
}

}  // namespace hansa::api
