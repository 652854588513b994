// SPDX-License-Identifier: Apache-2.0
#include "broker/api/registers.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::api {

namespace {

/// Of places that this broker has, everything.
Json facts_of_site(const engine::Regulations& in_force, const SiteId& site, UtcTime now) {
  const auto told = in_force.sites.find(site);
  return told == in_force.sites.end() ? Json::array() : facts_view(told->second, now);
}

std::string_view to_string(engine::Breaker::State state) {
  switch (state) {
    case engine::Breaker::State::closed: return "closed";
    case engine::Breaker::State::open: return "open";
    case engine::Breaker::State::half_open: return "half_open";
  }
  return "?";
}

Json use_view(const std::vector<engine::BudgetUse>& use) {
  Json view = Json::object();
  for (const auto& line : use) {
    view[std::string(line.kind)] = {{"used", line.used}, {"limit", line.limit}};
    if (line.kind != "waiting_jobs") view[std::string(line.kind)]["held_back"] = line.held_back;
  }
  return view;
}

/// Null: it keeps none.
Json use_view(const std::vector<domain::BudgetShare>& use) {
  Json view;
  for (const auto& share : use) view[share.kind] = {{"used", share.used}, {"limit", share.limit}};
  return view;
}

Json doctor_view(const domain::DoctorReport& report) {
  Json findings = Json::array(), drift = Json::array();
  const auto shown = [](const auto& each) {
    auto json = words_of(each);
    json["at"] = format_utc(each.at);
    if (!each.subject.empty()) json["account"] = each.subject;
    return json;
  };
  for (const auto& f : report.findings) findings.push_back(shown(f));
  for (const auto& d : report.drift) drift.push_back(shown(d));
  return {{"at", format_utc(report.at)},
          {"scheduler", report.scheduler},
          {"faults", report.count(domain::DoctorVerdict::fault)},
          {"warnings", report.count(domain::DoctorVerdict::warning)},
          {"findings", std::move(findings)},
          {"drift", std::move(drift)}};
}

Json profile_view(const domain::Site& site) {
  Json json{{"containers", site.software.containers},
            {"modules", site.software.modules},
            {"devices_per_gpu", site.hardware.devices_per_gpu}};
  if (!site.hardware.gpu_vendor.empty()) json["gpu_vendor"] = site.hardware.gpu_vendor;
  if (!site.hardware.architecture.empty()) json["architecture"] = site.hardware.architecture;
  if (!site.software.images.empty()) json["images"] = site.software.images;
  if (!site.software.binds.empty()) json["binds"] = site.software.binds;
  if (!site.software.outbound.empty()) json["outbound"] = site.software.outbound;
  return json;
}

Json balances_view(const std::optional<engine::BalanceReading>& reading) {
  if (!reading) return Json();
  return {
      {"read_at", reading->read_at ? Json(format_utc(*reading->read_at)) : Json()},
      {"balances", reading->balances},
      {"left_out", reading->left_out},
      {"failing", reading->failing ? Json{{"code", reading->failing->code}, {"message", reading->failing->message}} : Json()}};
}

Json site_view(const Exchange& exchange, const engine::SiteReport& report) {
  const auto in_force = exchange.api.parts().engine.rules().in_force();
  const auto& [site, state] = std::tie(report.site, report.state);
  const auto time = [](const std::optional<UtcTime>& t) { return t ? Json(format_utc(*t)) : Json(); };
  std::vector<std::string> quiet_hours;
  for (const auto& hours : site.budget.quiet_hours) quiet_hours.push_back(hours.text());
  // They name accounts.
  const bool may_see_report =
      identity::authorize(exchange.caller, identity::Action::inspect_site, {.sites = {site.id}}).has_value();
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
          {"profile", profile_view(site)},
          {"budget",
           {{"queries_per_minute", site.budget.queries_per_minute},
            {"submits_per_minute", site.budget.submits_per_minute},
            {"cancels_per_minute", site.budget.cancels_per_minute},
            {"concurrent_calls", site.budget.concurrent_calls},
            {"waiting_jobs", site.budget.waiting_jobs}}},
          {"budget_use", use_view(report.budget_use)},
          {"own_budget", use_view(report.own_budget)},
          {"quiet_hours", std::move(quiet_hours)},
          {"quiet_until", time(report.quiet_until)},
          {"breaker",
           {{"state", to_string(report.breaker)},
            {"failures_in_a_row", report.failures_in_a_row},
            {"next_probe_at", time(report.next_probe)}}},
          {"balances", may_see_report ? balances_view(report.balances) : Json()},
          {"agent", agent_view(exchange, site.id)},
          {"people", people_view(exchange, site.id)},
          {"doctor", may_see_report && state.doctor ? doctor_view(*state.doctor) : Json()},
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
  auto reports = co_await on_engine(exchange, exchange.api.parts().engine.sites());
  if (!reports) co_return std::unexpected(reports.error());
  Json list = Json::array();
  for (const auto& report : *reports) list.push_back(site_view(exchange, report));
  const bool ruled = exchange.api.parts().engine.rules().in_force()->rules != nullptr;
  co_return json_answer(200, {{"sites", std::move(list)}, {"rules_in_force", ruled}});
}

async::Task<http::Response> get_site(Exchange exchange) { co_return co_await one_site(exchange, SiteId{exchange.path.at("id")}); }

async::Task<http::Response> drain_site(Exchange exchange) {
  const SiteId id{exchange.path.at("id")};
  if (auto allowed = may_at(exchange, id); !allowed) co_return std::unexpected(allowed.error());
  BodyReader body(exchange.request);
  const auto reason = body.text("reason");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  if (auto done = co_await on_engine(exchange, exchange.api.parts().engine.drain_site(id, reason)); !done)
    co_return std::unexpected(done.error());
  co_return co_await one_site(exchange, id);
}

async::Task<http::Response> resume_site(Exchange exchange) {
  const SiteId id{exchange.path.at("id")};
  if (auto allowed = may_at(exchange, id); !allowed) co_return std::unexpected(allowed.error());
  if (auto read = BodyReader(exchange.request).finish(); !read) co_return std::unexpected(read.error());
  if (auto done = co_await on_engine(exchange, exchange.api.parts().engine.resume_site(id)); !done)
    co_return std::unexpected(done.error());
  co_return co_await one_site(exchange, id);
}

async::Task<http::Response> look_over_site(Exchange exchange) {
  const SiteId id{exchange.path.at("id")};
  if (auto allowed = may_at(exchange, id); !allowed) co_return std::unexpected(allowed.error());
  if (auto read = BodyReader(exchange.request).finish(); !read) co_return std::unexpected(read.error());
  auto report = co_await on_engine(exchange, exchange.api.parts().engine.look_over_site(id, exchange.caller.principal));
  if (!report) co_return std::unexpected(report.error());
  auto view = doctor_view(*report);
  view["site"] = id.str();
  co_return json_answer(200, view);
}

}  // namespace hansa::api
