// SPDX-License-Identifier: Apache-2.0
// The ledger held against sites' own accounting, its months, and what operators add to it by hand.
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

namespace hansa::api {

namespace {

constexpr std::int64_t kMostSequences = std::int64_t{1} << 53;

std::string named_in(const Exchange& exchange) { return exchange.path.at("id"); }

Json explanation_view(const std::optional<ports::Explanation>& explanation) {
  if (!explanation) return {};
  return {{"reason", explanation->reason}, {"by", explanation->by.str()}, {"at", format_utc(explanation->at)}};
}

Json reconciliation_view(const ports::Reconciliation& made) {
  Json differences = Json::object();
  for (std::size_t i = 0; i < made.differences.size(); ++i)
    differences[std::string(ports::kDifferenceKinds[i])] = made.differences[i];
  return {{"id", made.id},
          {"state", "done"},
          {"site", made.site.str()},
          {"from", format_utc(made.from)},
          {"to", format_utc(made.to)},
          {"begun_at", format_utc(made.begun_at)},
          {"at", format_utc(made.at)},
          {"by", made.by.str()},
          {"ledger_size", made.ledger_size},
          {"tolerance_s", made.tolerance.count()},
          {"matched", made.matched},
          {"counts", std::move(differences)},
          {"listed", made.listed},
          {"unexplained", made.unexplained},
          {"others", made.others ? Json(*made.others) : Json()}};
}

Json difference_view(const ports::Difference& d) {
  const auto fields = d.fields.empty() ? Result<Json>(Json::object()) : parse_json(d.fields);
  return {{"kind", to_string(d.kind)},
          {"key", d.key},
          {"cluster", d.cluster},
          {"site_job_id", d.site_job_id},
          {"submitted_at", format_utc(d.submitted_at)},
          {"started_at", time_or_none(d.started_at)},
          {"ended_at", format_utc(d.ended_at)},
          {"record", d.record ? Json(*d.record) : Json()},
          {"fields", fields ? *fields : Json::object()},
          {"outcome", d.outcome},
          {"explanation", explanation_view(d.explanation)}};
}

Json checkpoint_or_null(const engine::Notary& notary, const std::optional<ports::KeptCheckpoint>& checkpoint) {
  if (!checkpoint) return {};
  return {{"size", checkpoint->size}, {"note", notary.note_of(*checkpoint)}, {"signed_at", format_utc(checkpoint->at)}};
}

Json month_view(const engine::Notary& notary, const engine::MonthView& view) {
  const auto& month = view.month;
  const bool closed = month && month->closed;
  Json json{{"period", view.period},
            {"state", closed  ? "closed"
                      : month ? "open"
                              : "not_opened"},
            {"opened_at", month ? Json(format_utc(month->opened_at)) : Json()},
            {"closed_at", closed ? Json(format_utc(month->closed_at)) : Json()},
            {"open_record", month ? Json(month->opened) : Json()},
            {"summary_record", month && month->summary ? Json(*month->summary) : Json()},
            {"close_record", closed ? Json(*month->closed) : Json()},
            {"apart_s", closed ? Json(month->apart.count()) : Json()},
            {"unseen_records", view.unseen},
            {"opening", checkpoint_or_null(notary, view.opening)},
            {"closing", checkpoint_or_null(notary, view.closing)},
            {"sites", Json::array()}};
  for (const auto& site : view.sites) {
    json["sites"].push_back({{"site", site.site.str()},
                             {"grade", to_string(site.grade)},
                             {"settled", !site.unsettled_from || site.explanation},
                             {"unsettled_from", time_or_none(site.unsettled_from)},
                             {"unexplained", site.unexplained},
                             {"explanation", explanation_view(site.explanation)},
                             {"signed_size", site.signed_size ? Json(*site.signed_size) : Json()}});
  }
  return json;
}

Json adjustment_view(const ports::Adjustment& a) {
  Json ruling;
  if (a.ruling) {
    ruling = {{"approved", a.ruling->approved},
              {"by", a.ruling->by.str()},
              {"reason", a.ruling->reason},
              {"at", format_utc(a.ruling->at)}};
  }
  return {{"id", a.id},
          {"record", a.record},
          {"core_seconds", a.core_seconds.value},
          {"gpu_seconds", a.gpu_seconds.value},
          {"node_seconds", a.node_seconds.value},
          {"reason", a.reason},
          {"by", a.by.str()},
          {"at", format_utc(a.at)},
          {"state", !a.ruling            ? "pending"
                    : a.ruling->approved ? "approved"
                                         : "rejected"},
          {"ruling", std::move(ruling)},
          {"booked_as", a.ruling && a.ruling->record ? Json(*a.ruling->record) : Json()}};
}

}  // namespace

async::Task<http::Response> begin_reconciliation(Exchange exchange) {
  BodyReader body(exchange.request);
  const SiteId site(body.required("site"));
  const auto time = [&](std::string_view name, const std::string& text) -> std::optional<UtcTime> {
    auto read = parse_utc(text);
    if (read) return *read;
    body.fault(name, read.error().message);
    return std::nullopt;
  };
  const auto from = time("from", body.required("from"));
  const auto to_text = body.text("to");
  const auto to = to_text.empty() ? std::nullopt : time("to", to_text);
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  if (auto allowed = may_at(exchange, site); !allowed) co_return std::unexpected(allowed.error());
  auto id = co_await on_engine(exchange, exchange.api.parts().reconciliations.begin(site, *from, to, exchange.caller.principal));
  if (!id) co_return std::unexpected(id.error());
  co_return json_answer(201, {{"id", *id}, {"state", "under_way"}, {"site", site.str()}});
}

async::Task<http::Response> get_reconciliation(Exchange exchange) {
  auto& reconciliations = exchange.api.parts().reconciliations;
  const auto id = named_in(exchange);
  auto outcome = co_await on_engine(exchange, reconciliations.outcome(id));
  if (!outcome) co_return std::unexpected(outcome.error());
  const auto& site = std::visit([](const auto& of) -> const SiteId& { return of.site; }, *outcome);
  if (!may(exchange, {.sites = {site}})) co_return engine::no_such_reconciliation(id);
  if (const auto* failed = std::get_if<engine::Reconciliations::Failed>(&*outcome)) {
    co_return json_answer(
        200, {{"id", id}, {"state", "failed"}, {"reason", {{"code", failed->error.code}, {"message", failed->error.message}}}});
  }
  const auto* made = std::get_if<ports::Reconciliation>(&*outcome);
  if (made == nullptr) co_return json_answer(200, {{"id", id}, {"state", "under_way"}});
  auto differences = co_await reconciliations.store().differences(id);
  if (!differences) co_return std::unexpected(differences.error());
  auto view = reconciliation_view(*made);
  auto& list = view["differences"] = Json::array();
  for (const auto& difference : *differences) list.push_back(difference_view(difference));
  co_return json_answer(200, view);
}

async::Task<http::Response> list_reconciliations(Exchange exchange) {
  QueryReader query(exchange.request.query);
  ports::ReconciliationQuery wanted;
  if (const auto site = query.text("site")) wanted.site = SiteId(*site);
  wanted.limit = static_cast<std::size_t>(query.integer("limit", 100, 1, kMaxPage));
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  std::vector<ports::Reconciliation> made;
  const auto& caller = exchange.caller;
  auto sites = std::vector<std::optional<SiteId>>{wanted.site};
  if (!identity::reaches_all(caller, exchange.action)) {
    const auto is_asked = [&](const SiteId& site) { return !wanted.site || site == *wanted.site; };
    sites.clear();
    std::ranges::copy_if(caller.sites, std::back_inserter(sites), is_asked);
  }
  for (const auto& site : sites) {
    wanted.site = site;
    auto of_site = co_await exchange.api.parts().reconciliations.store().reconciliations(wanted);
    if (!of_site) co_return std::unexpected(of_site.error());
    std::ranges::move(*of_site, std::back_inserter(made));
  }
  if (sites.size() > 1) {
    std::ranges::sort(made, std::greater{}, &ports::Reconciliation::at);
    made.resize(std::min(made.size(), wanted.limit));
  }
  Json list = Json::array();
  for (const auto& one : made) list.push_back(reconciliation_view(one));
  co_return json_answer(200, {{"reconciliations", std::move(list)}});
}

async::Task<http::Response> explain_difference(Exchange exchange) {
  BodyReader body(exchange.request);
  const SiteId site(body.required("site"));
  auto key = body.required("difference");
  auto reason = body.required("reason");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  if (auto allowed = may_at(exchange, site); !allowed) co_return std::unexpected(allowed.error());
  auto done = co_await exchange.api.parts().periods.explain({exchange.caller.principal, std::move(reason)}, site, std::move(key));
  if (!done) co_return std::unexpected(done.error());
  co_return json_answer(200, {{"status", "explained"}});
}

async::Task<http::Response> list_periods(Exchange exchange) {
  auto months = co_await exchange.api.parts().periods.store().months();
  if (!months) co_return std::unexpected(months.error());
  Json list = Json::array();
  for (const auto& month : *months) {
    list.push_back({{"period", month.period},
                    {"state", month.closed ? "closed" : "open"},
                    {"opened_at", format_utc(month.opened_at)},
                    {"closed_at", month.closed ? Json(format_utc(month.closed_at)) : Json()}});
  }
  co_return json_answer(200, {{"periods", std::move(list)}});
}

async::Task<http::Response> get_period(Exchange exchange) {
  auto& parts = exchange.api.parts();
  auto view = co_await parts.periods.look(named_in(exchange));
  if (!view) co_return std::unexpected(view.error());
  co_return json_answer(200, month_view(parts.notary, *view));
}

async::Task<http::Response> open_period(Exchange exchange) {
  auto& parts = exchange.api.parts();
  auto view = co_await parts.periods.open(named_in(exchange));
  if (!view) co_return std::unexpected(view.error());
  co_return json_answer(200, month_view(parts.notary, *view));
}

async::Task<http::Response> close_period(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const bool early = query.flag("early");
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto& parts = exchange.api.parts();
  auto view = co_await parts.periods.close(named_in(exchange), early);
  if (!view) co_return std::unexpected(view.error());
  co_return json_answer(200, month_view(parts.notary, *view));
}

async::Task<http::Response> list_adjustments(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const auto limit = query.integer("limit", 100, 1, kMaxPage);
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto all = co_await exchange.api.parts().periods.store().adjustments(std::nullopt, static_cast<std::size_t>(limit));
  if (!all) co_return std::unexpected(all.error());
  Json list = Json::array();
  for (const auto& one : *all) list.push_back(adjustment_view(one));
  co_return json_answer(200, {{"adjustments", std::move(list)}});
}

async::Task<http::Response> propose_adjustment(Exchange exchange) {
  BodyReader body(exchange.request);
  const auto record = body.integer("record");
  if (!record || *record < 0) body.fault("record", "is required: the number of a record of the ledger");
  ports::Adjustment wanted{.id = {},
                           .record = record.value_or(0),
                           .core_seconds = {body.integer("core_seconds").value_or(0)},
                           .gpu_seconds = {body.integer("gpu_seconds").value_or(0)},
                           .node_seconds = {body.integer("node_seconds").value_or(0)},
                           .reason = {},
                           .by = {},
                           .at = {},
                           .ruling = {}};
  auto reason = body.required("reason");
  if (reason.size() > kMostReason) body.fault("reason", "has at most " + std::to_string(kMostReason) + " bytes");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  auto asked = co_await exchange.api.parts().periods.adjust({exchange.caller.principal, std::move(reason)}, std::move(wanted));
  if (!asked) co_return std::unexpected(asked.error());
  co_return json_answer(201, adjustment_view(*asked));
}

namespace {

async::Task<http::Response> rule_on(Exchange exchange, bool approved) {
  BodyReader body(exchange.request);
  auto reason = body.text("reason");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  auto ruled =
      co_await exchange.api.parts().periods.rule({exchange.caller.principal, std::move(reason)}, named_in(exchange), approved);
  if (!ruled) co_return std::unexpected(ruled.error());
  co_return json_answer(200, adjustment_view(*ruled));
}

}  // namespace

async::Task<http::Response> approve_adjustment(Exchange exchange) { co_return co_await rule_on(std::move(exchange), true); }
async::Task<http::Response> reject_adjustment(Exchange exchange) { co_return co_await rule_on(std::move(exchange), false); }

async::Task<http::Response> list_decision_leaves(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const auto from = query.integer("from", 1, 0, kMostSequences);
  const auto limit = query.integer("limit", kMaxPage, 1, kMaxPage);
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto leaves = co_await exchange.api.parts().periods.store().decision_leaves(from, static_cast<std::size_t>(limit), true);
  if (!leaves) co_return std::unexpected(leaves.error());
  Json list = Json::array();
  for (const auto& leaf : *leaves) {
    list.push_back({{"sequence", leaf.sequence}, {"leaf", leaf.text}});
    if (leaf.erased) list.back()["erased"] = true;
  }
  co_return json_answer(200, {{"leaves", std::move(list)}});
}

}  // namespace hansa::api
