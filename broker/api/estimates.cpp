// SPDX-License-Identifier: Apache-2.0
#include "broker/api/answers.hpp"
#include "broker/core/time_text.hpp"

#include <algorithm>

namespace hansa::api {

using identity::Action;
using ports::EstimateGroup;

namespace {

// By EstimateGroup's values.
constexpr std::string_view kEstimateGroups[] = {"site", "class", "project", "basis"};
static_assert(std::size(kEstimateGroups) == static_cast<std::size_t>(EstimateGroup::basis) + 1);

}  // namespace

/// Whose starts are counted: as report_usage, everybody's for operators and auditors, else the caller's own.
async::Task<http::Response> report_estimates(Exchange exchange) {
  QueryReader query(exchange.request.query);
  ports::EstimateQuery wanted{.since = query.time("since"), .owner = std::nullopt, .by = {}};
  Json by = Json::array();
  for (const auto& name : query.list("by")) {
    const auto known = std::ranges::find(kEstimateGroups, name);
    const auto group = static_cast<EstimateGroup>(known - std::ranges::begin(kEstimateGroups));
    if (known == std::ranges::end(kEstimateGroups))
      query.fault("by", no_such("thing to group by", name, kEstimateGroups));
    else if (std::ranges::find(wanted.by, group) != wanted.by.end())
      query.fault("by", "names " + name + " twice");
    else
      wanted.by.push_back(group);
    by.push_back(name);
  }
  if (wanted.by.empty()) {
    wanted.by = {EstimateGroup::site};
    by = {"site"};
  }
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  if (identity::reach(exchange.caller.role, Action::report_usage) != identity::Reach::everybody)
    wanted.owner = exchange.caller.principal;

  const auto since = wanted.since;
  auto rows = co_await exchange.api.parts().estimates.estimate_report(std::move(wanted));
  if (!rows) co_return std::unexpected(rows.error());
  const auto seconds = [](const std::optional<Seconds>& s) { return s ? Json(s->count()) : Json(); };
  Json list = Json::array();
  for (const auto& row : *rows) {
    Json entry{{"starts", row.starts},
               {"estimated", row.estimated},
               {"within_p50", row.within_p50},
               {"ranged", row.ranged},
               {"within_p90", row.within_p90},
               {"actual_s", row.actual.count()},
               {"predicted_s", seconds(row.predicted)},
               {"error_s", seconds(row.error)}};
    for (std::size_t i = 0; i < row.keys.size() && i < by.size(); ++i) entry[by[i].get<std::string>()] = row.keys[i];
    list.push_back(std::move(entry));
  }
  co_return json_answer(200, {{"by", by}, {"since", since ? Json(format_utc(*since)) : Json()}, {"rows", std::move(list)}});
}

}  // namespace hansa::api
