// SPDX-License-Identifier: Apache-2.0
#include "broker/api/registers.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::api {

using identity::Action;

namespace {

/// Of places that this broker has, everything.
Json facts_of_site(const engine::Regulations& in_force, const SiteId& site, UtcTime now) {
  const auto told = in_force.sites.find(site);
  return told == in_force.sites.end() ? Json::array() : facts_view(told->second, now);
}

Json site_view(const Exchange& exchange, const engine::SiteReport& report) {
  const auto in_force = exchange.api.parts().engine.rules().in_force();
  const auto& [site, state] = std::tie(report.site, report.state);
  const auto time = [](const std::optional<UtcTime>& t) { return t ? Json(format_utc(*t)) : Json(); };
  return {{"id", site.id.str()},
          {"name", site.name},
          {"country", site.country},
          {"connector", site.connector},
          {"state", state.drained ? "drained" : domain::to_string(state.health)},
          {"health", domain::to_string(state.health)},
          {"drained", state.drained},
          {"drain_reason", state.drain_reason},
          {"last_success", time(state.last_success)},
          {"last_failure", time(state.last_failure)},
          {"last_error",
           state.last_error.code.empty() ? Json() : Json{{"code", state.last_error.code}, {"message", state.last_error.message}}},
          {"snapshot_at", time(report.snapshot_at)},
          {"scheduler", report.scheduler},
          {"cluster", report.cluster},
          {"queues", report.queues},
          {"nodes", report.nodes},
          {"usable_nodes", report.usable_nodes},
          {"cores", report.cores},
          {"free_cores", report.free_cores},
          {"gpus", report.gpus},
          {"free_gpus", report.free_gpus},
          {"running_jobs", report.running_jobs},
          {"waiting_jobs", report.waiting_jobs},
          {"our_live_jobs", report.our_live_jobs},
          {"our_waiting_jobs", report.our_waiting_jobs},
          {"our_unknown_jobs", report.our_unknown_jobs},
          {"calls_made", report.calls_made},
          {"budget",
           {{"queries_per_minute", site.budget.queries_per_minute},
            {"submits_per_minute", site.budget.submits_per_minute},
            {"cancels_per_minute", site.budget.cancels_per_minute},
            {"concurrent_calls", site.budget.concurrent_calls},
            {"waiting_jobs", site.budget.waiting_jobs}}},
          {"facts", facts_of_site(*in_force, site.id, exchange.api.parts().scheduler.now_utc())}};
}

async::Task<http::Response> one_site(const Exchange& exchange, SiteId id) {
  auto reports = co_await on_engine(exchange, exchange.api.parts().engine.sites());
  if (!reports) co_return std::unexpected(reports.error());
  const auto at = std::ranges::find_if(*reports, [&](const auto& report) { return report.site.id == id; });
  if (at == reports->end())
    co_return fail(ErrorKind::not_found, "SITE_NOT_FOUND",
                   "there is no site \"" + id.str().substr(0, 40) + "\"; see: hansa sites");
  co_return json_answer(200, site_view(exchange, *at));
}

}  // namespace

async::Task<http::Response> list_sites(Exchange exchange) {
  if (auto allowed = identity::authorize(exchange.caller, Action::read_sites, exchange.caller.principal); !allowed)
    co_return std::unexpected(allowed.error());
  auto reports = co_await on_engine(exchange, exchange.api.parts().engine.sites());
  if (!reports) co_return std::unexpected(reports.error());
  Json list = Json::array();
  for (const auto& report : *reports) list.push_back(site_view(exchange, report));
  const bool ruled = exchange.api.parts().engine.rules().in_force()->rules != nullptr;
  co_return json_answer(200, {{"sites", std::move(list)}, {"rules_in_force", ruled}});
}

async::Task<http::Response> get_site(Exchange exchange) {
  if (auto allowed = identity::authorize(exchange.caller, Action::read_sites, exchange.caller.principal); !allowed)
    co_return std::unexpected(allowed.error());
  co_return co_await one_site(exchange, SiteId{exchange.path.at("id")});
}

async::Task<http::Response> drain_site(Exchange exchange) {
  if (auto allowed = identity::authorize(exchange.caller, Action::change_site, exchange.caller.principal); !allowed)
    co_return std::unexpected(allowed.error());
  BodyReader body(exchange.request);
  const auto reason = body.text("reason");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  const SiteId id{exchange.path.at("id")};
  if (auto done = co_await on_engine(exchange, exchange.api.parts().engine.drain_site(id, reason)); !done)
    co_return std::unexpected(done.error());
  co_return co_await one_site(exchange, id);
}

async::Task<http::Response> resume_site(Exchange exchange) {
  if (auto allowed = identity::authorize(exchange.caller, Action::change_site, exchange.caller.principal); !allowed)
    co_return std::unexpected(allowed.error());
  if (auto read = BodyReader(exchange.request).finish(); !read) co_return std::unexpected(read.error());
  const SiteId id{exchange.path.at("id")};
  if (auto done = co_await on_engine(exchange, exchange.api.parts().engine.resume_site(id)); !done)
    co_return std::unexpected(done.error());
  co_return co_await one_site(exchange, id);
}

}  // namespace hansa::api
