// SPDX-License-Identifier: Apache-2.0
// What projects may spend. Operators grant, revoke and tell; everybody sees their own projects'.
#include "broker/api/answers.hpp"
#include "broker/core/suggest.hpp"
#include "broker/core/time_text.hpp"
#include "broker/wire/allocation_request.hpp"
#include "broker/wire/object_reader.hpp"

#include <algorithm>
#include <set>

namespace hansa::api {

namespace {

constexpr std::size_t kAllocationDepth = 8;
constexpr std::size_t kReservationsShown = 1'000;

std::unexpected<Error> no_such_allocation(std::string_view id) {
  return fail(
      ErrorKind::not_found, "ALLOCATION_NOT_FOUND",
      "there is no allocation " + std::string(id.substr(0, 40)) + ", or it is not your project's; see: hansa allocation list");
}

Result<domain::AllocationId> id_in(const Exchange& exchange) {
  const auto& text = exchange.path.at("id");
  if (const auto id = Ulid::parse(text)) return *id;
  return no_such_allocation(text);
}

/// What jobs are charged in at a site, or at any.
std::vector<std::string_view> units_of(const std::vector<engine::SiteReport>& sites, const SiteId& site) {
  std::set<std::string_view> units;
  for (const auto& report : sites) {
    if (!report.site.charging || (!site.empty() && report.site.id != site)) continue;
    for (const auto& rule : report.site.charging->rules) units.insert(rule.unit);
  }
  return {units.begin(), units.end()};
}

/// What nobody would ever look at is refused: another name of a project, a site or a unit is a typing error.
class Names {
 public:
  Names(const Exchange& exchange, const std::vector<engine::SiteReport>& sites) : exchange_(exchange), sites_(sites) {}

  void check(const std::string& at, const ProjectId& project, const SiteId& site, const std::string& unit) {
    const auto in_force = exchange_.api.parts().engine.rules().in_force();
    if (!project.empty() && !in_force->projects.contains(project)) {
      std::vector<std::string_view> known;
      for (const auto& [id, facts] : in_force->projects) known.push_back(id.str());
      fault(at + "/project", no_such("project", project.str(), known));
    }
    const auto names = exchange_.api.sites();
    if (!site.empty() && std::ranges::find(names, site.str()) == names.end()) {
      fault(at + "/site", no_such("site", site.str(), names));
      return;
    }
    const auto units = units_of(sites_, site);
    if (units.empty()) {
      fault(at + "/site", (site.empty() ? std::string("no site") : "site " + site.str()) +
                              (site.empty() ? " charges for jobs" : " charges nothing for jobs") +
                              ": that is said by allocation and [[site.charge]] in hansad.toml");
    } else if (std::ranges::find(units, unit) == units.end()) {
      fault(at + "/unit", no_such("unit", unit, units));
    }
  }
  void fault(std::string where, std::string message) { faults_.push_back({std::move(where), std::move(message)}); }
  Result<void> finish() {
    if (faults_.empty()) return {};
    return wire::refusal("BAD_REQUEST", std::move(faults_));
  }

 private:
  const Exchange& exchange_;
  const std::vector<engine::SiteReport>& sites_;
  std::vector<Fault> faults_;
};

/// Of a project's account in a site's scheduler. None, or several: nobody knows whose.
std::vector<ProjectId> projects_of(const std::vector<engine::SiteReport>& sites, const SiteId& site, std::string_view account) {
  std::vector<ProjectId> projects;
  for (const auto& report : sites) {
    if (report.site.id != site) continue;
    for (const auto& [project, name] : report.site.scheduler_accounts) {
      if (name == account) projects.push_back(project);
    }
  }
  return projects;
}

Json reservation_view(const ports::Reservation& kept) {
  return {{"job", kept.job.str()},   {"attempt", kept.attempt},     {"site", kept.site.str()},
          {"unit", kept.unit},       {"of_run", kept.of_run.value}, {"reserved", kept.reserved.value},
          {"used", kept.used.value}, {"at", format_utc(kept.at)}};
}

UtcTime window_before(UtcTime now) { return now - domain::kForecastWindow; }

}  // namespace

async::Task<http::Response> list_allocations(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const auto project = query.text("project");
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  const auto now = exchange.api.parts().scheduler.now_utc();
  auto all = co_await exchange.api.parts().allocations.store().allocations(
      project ? std::optional(ProjectId(*project)) : std::nullopt, window_before(now));
  if (!all) co_return std::unexpected(all.error());
  Json list = Json::array();
  for (const auto& one : *all) {
    if (may(exchange, {.project = one.project})) list.push_back(wire::allocation_view(one, now));
  }
  co_return json_answer(200, {{"allocations", std::move(list)}});
}

async::Task<http::Response> grant_allocation(Exchange exchange) {
  auto json = parse_json(exchange.request.body, kAllocationDepth);
  if (!json) co_return std::unexpected(json.error());
  auto wanted = wire::grant_request_from_json(*json);
  if (!wanted) co_return std::unexpected(wanted.error());
  const auto sites = co_await on_engine(exchange, exchange.api.parts().engine.sites());
  if (!sites) co_return std::unexpected(sites.error());
  Names names(exchange, *sites);
  names.check("", wanted->project, wanted->site, wanted->unit);
  if (auto known = names.finish(); !known) co_return std::unexpected(known.error());
  auto granted = co_await exchange.api.parts().allocations.grant({exchange.caller.principal, std::move(wanted->reason)},
                                                                 {.project = std::move(wanted->project),
                                                                  .site = std::move(wanted->site),
                                                                  .unit = std::move(wanted->unit),
                                                                  .amount = wanted->amount,
                                                                  .from = wanted->from,
                                                                  .until = wanted->until});
  if (!granted) co_return std::unexpected(granted.error());
  co_return json_answer(201, wire::allocation_view(*granted, exchange.api.parts().scheduler.now_utc()));
}

async::Task<http::Response> tell_balances(Exchange exchange) {
  auto json = parse_json(exchange.request.body, kAllocationDepth);
  if (!json) co_return std::unexpected(json.error());
  auto told = wire::balances_from_json(*json);
  if (!told) co_return std::unexpected(told.error());
  const auto sites = co_await on_engine(exchange, exchange.api.parts().engine.sites());
  if (!sites) co_return std::unexpected(sites.error());
  Names names(exchange, *sites);
  const auto now = exchange.api.parts().scheduler.now_utc();
  std::vector<ports::ToldBalance> balances;
  for (std::size_t i = 0; i < told->rows.size(); ++i) {
    auto& row = told->rows[i];
    const auto at = "/balances/" + std::to_string(i);
    if (row.project.empty()) {
      auto projects = projects_of(*sites, row.site, row.account);
      if (projects.size() == 1)
        row.project = std::move(projects.front());
      else
        names.fault(at + "/account", projects.empty() ? "is no project's account in the site's `projects` in hansad.toml"
                                                      : "is several projects' account there: say which project's balance it is");
    }
    names.check(at, row.project, row.site, row.unit);
    if (!may(exchange, {.sites = {row.site}})) names.fault(at + "/site", "is no site whose operator you are: name one that is");
    balances.push_back(
        {.project = row.project, .site = row.site, .unit = row.unit, .left = row.left, .as_of = row.as_of.value_or(now)});
  }
  if (auto known = names.finish(); !known) co_return std::unexpected(known.error());
  const auto count = balances.size();
  auto taken =
      co_await exchange.api.parts().allocations.tell({exchange.caller.principal, std::move(told->reason)}, std::move(balances));
  if (!taken) co_return std::unexpected(taken.error());
  co_return json_answer(200, {{"taken", *taken}, {"older", count - *taken}});
}

async::Task<http::Response> get_allocation(Exchange exchange) {
  const auto id = id_in(exchange);
  if (!id) co_return std::unexpected(id.error());
  const auto now = exchange.api.parts().scheduler.now_utc();
  auto& store = exchange.api.parts().allocations.store();
  auto found = co_await store.allocation(*id, window_before(now));
  if (!found && found.error().kind == ErrorKind::not_found) co_return no_such_allocation(id->str());
  if (!found) co_return std::unexpected(found.error());
  if (!may(exchange, {.project = found->project})) co_return no_such_allocation(id->str());
  auto kept = co_await store.reservations(*id, kReservationsShown);
  if (!kept) co_return std::unexpected(kept.error());
  auto events = co_await store.allocation_events(*id);
  if (!events) co_return std::unexpected(events.error());
  Json answer{{"allocation", wire::allocation_view(*found, now)}, {"reservations", Json::array()}, {"events", Json::array()}};
  for (const auto& one : *kept) answer["reservations"].push_back(reservation_view(one));
  for (const auto& event : *events) {
    answer["events"].push_back({{"name", event.name},
                                {"by", event.by.str()},
                                {"at", format_utc(event.at)},
                                {"amount", event.amount.value},
                                {"note", event.note}});
  }
  co_return json_answer(200, answer);
}

async::Task<http::Response> release_reservations(Exchange exchange) {
  BodyReader body(exchange.request);
  const auto of = body.required("job");
  auto reason = body.required("reason");
  if (reason.size() > kMostReason) body.fault("reason", "is longer than 500 bytes");
  const auto tag = domain::parse_tag(of);
  const auto job = tag ? std::optional(tag->job) : Ulid::parse(of);
  if (!of.empty() && !job) body.fault("job", "is neither a job's id nor an attempt's tag (hansa-<job>-<attempt>)");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  auto released = co_await exchange.api.parts().allocations.release({exchange.caller.principal, std::move(reason)}, *job,
                                                                    tag ? std::optional(tag->attempt) : std::nullopt);
  if (!released) co_return std::unexpected(released.error());
  Json list = Json::array();
  for (const auto& one : *released) list.push_back(reservation_view(one));
  co_return json_answer(200, {{"released", std::move(list)}});
}

async::Task<http::Response> revoke_allocation(Exchange exchange) {
  const auto id = id_in(exchange);
  if (!id) co_return std::unexpected(id.error());
  BodyReader body(exchange.request);
  auto reason = body.text("reason");
  if (reason.size() > kMostReason) body.fault("reason", "is longer than 500 bytes");
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());
  auto revoked = co_await exchange.api.parts().allocations.revoke({exchange.caller.principal, std::move(reason)}, *id);
  if (!revoked) co_return std::unexpected(revoked.error());
  co_return json_answer(200, wire::allocation_view(*revoked, exchange.api.parts().scheduler.now_utc()));
}

}  // namespace hansa::api
