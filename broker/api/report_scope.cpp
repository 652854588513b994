// SPDX-License-Identifier: Apache-2.0
#include "broker/api/report_scope.hpp"

#include "broker/wire/object_reader.hpp"

#include <algorithm>
#include <iterator>

namespace hansa::api {

namespace {

constexpr std::size_t kMostNamed = 100;
constexpr std::size_t kMostBytes = 64;  // of an id, as the configuration has them

template <typename Id>
std::vector<Id> ids_in(QueryReader& reader, const http::Query& query, std::string_view parameter) {
  std::vector<Id> ids;
  auto texts = reader.list(parameter);
  // What no id can be has no records; in the manifest's query, which is signed, it could read as parameters that nobody gave.
  if (!std::ranges::all_of(texts, [](const std::string& text) { return wire::is_identifier(text, kMostBytes); }))
    reader.fault(parameter, "names what is no id: 1 to 64 letters, digits, \"_\", \".\" and \"-\"");
  for (auto& text : texts) ids.emplace_back(std::move(text));
  std::ranges::sort(ids);
  const auto again = std::ranges::unique(ids);
  ids.erase(again.begin(), again.end());
  // An empty one would be a report of everything, where somebody's variable was not set.
  if (ids.empty() && std::ranges::find(query, parameter, &http::Query::value_type::first) != query.end())
    reader.fault(parameter, "names none: name one, or leave it out");
  if (ids.size() > kMostNamed) reader.fault(parameter, "names more than " + std::to_string(kMostNamed));
  return ids;
}

bool may_report(const Exchange& exchange, const ProjectId& project) { return may(exchange, {.project = project}).has_value(); }
bool may_report(const Exchange& exchange, const SiteId& site) { return may(exchange, {.sites = {site}}).has_value(); }

/// The first of them that is out of the caller's reach; null: none is.
template <typename Id>
const Id* first_beyond(const Exchange& exchange, const std::vector<Id>& ids) {
  const auto at = std::ranges::find_if(ids, [&](const Id& id) { return !may_report(exchange, id); });
  return at == ids.end() ? nullptr : &*at;
}

/// Those of them that the table of rights lets the caller report on, as a query names them.
template <typename Id>
std::string within_reach(const Exchange& exchange, const std::vector<Id>& ids) {
  std::string text;
  for (const auto& id : ids) {
    if (may_report(exchange, id)) text += (text.empty() ? "" : ",") + id.str();
  }
  return text;
}

/// What to ask for instead.
std::string advice(const std::string& led, const std::string& run, const ReportScope& scope) {
  if (led.empty() && run.empty())
    return scope.has_own ? "without project and site it is of what is your own" : "see: hansa whoami";
  return "limit the report to " + (led.empty() ? "" : "project=" + led + ", which you lead") +
         (led.empty() || run.empty() ? "" : ", or to ") + (run.empty() ? "" : "site=" + run + ", whose operator you are");
}

std::unexpected<Error> not_theirs(std::string_view code, std::string_view thing, const std::string& id, std::string_view whose,
                                  const std::string& instead) {
  return fail(ErrorKind::not_found, std::string(code),
              "there is no " + std::string(thing) + " \"" + id.substr(0, 40) + "\" here " + std::string(whose) + "; " + instead);
}

}  // namespace

ports::ReportLimits read_limits(QueryReader& reader, const http::Query& query, const ReportScope& scope) {
  ports::ReportLimits within;
  if (scope.of_projects) within.projects = ids_in<ProjectId>(reader, query, "project");
  if (scope.of_sites) within.sites = ids_in<SiteId>(reader, query, "site");
  return within;
}

Result<std::optional<Principal>> owner_within(const Exchange& exchange, const ports::ReportLimits& within,
                                              const ReportScope& scope) {
  const auto& caller = exchange.caller;
  if (identity::reaches_all(caller, exchange.action)) return std::nullopt;
  if (scope.has_own && !within.any()) return caller.principal;
  const auto* project = first_beyond(exchange, within.projects);
  const auto* site = first_beyond(exchange, within.sites);
  if (!within.projects.empty() && project == nullptr) return std::nullopt;
  if (!within.sites.empty() && site == nullptr) return std::nullopt;  // of these sites, whatever project it is
  const std::string led = scope.of_projects ? within_reach(exchange, caller.leads) : "";
  const std::string run = scope.of_sites ? within_reach(exchange, caller.sites) : "";
  if (!scope.has_own && led.empty() && run.empty()) {
    if (auto allowed = may(exchange, identity::Action::read_ledger); !allowed) return std::unexpected(allowed.error());
  }
  const auto instead = advice(led, run, scope);
  if (project != nullptr) return not_theirs("PROJECT_NOT_FOUND", "project", project->str(), "that you lead", instead);
  if (site != nullptr) return not_theirs("SITE_NOT_FOUND", "site", site->str(), "whose operator you are", instead);
  return fail(ErrorKind::permission_denied, "REPORT_TOO_WIDE", "it would tell of more than is yours to see: " + instead);
}

}  // namespace hansa::api
