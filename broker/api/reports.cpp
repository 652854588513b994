// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

namespace hansa::api {

using identity::Action;
using ports::UsageGroup;

namespace {

constexpr std::pair<std::string_view, UsageGroup> kGroups[] = {
    {"project", UsageGroup::project}, {"owner", UsageGroup::owner}, {"site", UsageGroup::site},
    {"country", UsageGroup::country}, {"queue", UsageGroup::queue}, {"account", UsageGroup::account},
    {"day", UsageGroup::day},         {"month", UsageGroup::month}, {"state", UsageGroup::state}};

}  // namespace

async::Task<http::Response> report_usage(Exchange exchange) {
  QueryReader query(exchange.request.query);
  ports::UsageQuery wanted{.from = query.time("from"), .to = query.time("to"), .owner = std::nullopt, .by = {}};
  Json by = Json::array();
  for (const auto& name : query.list("by")) {
    bool known = false;
    for (const auto& [text, group] : kGroups) {
      if (text != name) continue;
      wanted.by.push_back(group);
      known = true;
    }
    if (!known)
      query.fault("by",
                  "\"" + name.substr(0, 40) +
                      "\" is nothing to sum by; choose among project, owner, site, country, queue, account, day, month, state");
    by.push_back(name);
  }
  if (wanted.by.empty()) {
    wanted.by = {UsageGroup::project, UsageGroup::site};
    by = {"project", "site"};
  }
  if (wanted.by.size() > std::size(kGroups)) query.fault("by", "names something twice");
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  if (identity::reach(exchange.caller.role, Action::report_usage) != identity::Reach::everybody)
    wanted.owner = exchange.caller.principal;

  const auto time = [](const std::optional<UtcTime>& t) { return t ? Json(format_utc(*t)) : Json(); };
  const auto from = wanted.from, to = wanted.to;
  auto rows = co_await exchange.api.parts().usage.usage_report(std::move(wanted));
  if (!rows) co_return std::unexpected(rows.error());
  Json list = Json::array();
  for (const auto& row : *rows) {
    Json entry{{"runs", row.runs},
               {"elapsed_s", row.elapsed.count()},
               {"core_seconds", row.core_seconds.value},
               {"gpu_seconds", row.gpu_seconds.value},
               {"node_seconds", row.node_seconds.value}};
    for (std::size_t i = 0; i < row.keys.size() && i < by.size(); ++i) entry[by[i].get<std::string>()] = row.keys[i];
    list.push_back(std::move(entry));
  }
  co_return json_answer(200, {{"by", by}, {"from", time(from)}, {"to", time(to)}, {"rows", std::move(list)}});
}

}  // namespace hansa::api
