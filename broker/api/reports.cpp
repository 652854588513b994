// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::api {

using identity::Action;
using ports::UsageGroup;

namespace {

// By UsageGroup's values.
constexpr std::string_view kGroupNames[] = {"project", "owner", "site", "country", "queue", "account", "day", "month", "state"};
static_assert(std::size(kGroupNames) == static_cast<std::size_t>(UsageGroup::state) + 1);

}  // namespace

async::Task<http::Response> report_usage(Exchange exchange) {
  QueryReader query(exchange.request.query);
  ports::UsageQuery wanted{.from = query.time("from"), .to = query.time("to"), .owner = std::nullopt, .by = {}};
  Json by = Json::array();
  for (const auto& name : query.list("by")) {
    const auto known = std::ranges::find(kGroupNames, name);
    const auto group = static_cast<UsageGroup>(known - std::ranges::begin(kGroupNames));
    if (known == std::ranges::end(kGroupNames))
      query.fault("by", no_such("thing to sum by", name, kGroupNames));
    else if (std::ranges::find(wanted.by, group) != wanted.by.end())
      query.fault("by", "names " + name + " twice");
    else
      wanted.by.push_back(group);
    by.push_back(name);
  }
  if (wanted.by.empty()) {
    wanted.by = {UsageGroup::project, UsageGroup::site};
    by = {"project", "site"};
  }
  if (wanted.from && wanted.to && *wanted.to <= *wanted.from) query.fault("to", "must be later than from");
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
