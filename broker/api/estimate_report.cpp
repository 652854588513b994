// SPDX-License-Identifier: Apache-2.0
// The report on estimates. Whose jobs it counts: report_scope.hpp.
#include "broker/api/report_scope.hpp"

namespace hansa::api {

using ports::EstimateGroup;

namespace {

// By the values of its enum.
constexpr std::string_view kEstimateGroups[] = {"site", "class", "project", "basis"};
static_assert(std::size(kEstimateGroups) == static_cast<std::size_t>(EstimateGroup::basis) + 1);

template <typename Group>
Json names_of(const std::vector<Group>& by, std::span<const std::string_view> names) {
  auto list = Json::array();
  for (const auto group : by) list.push_back(names[static_cast<std::size_t>(group)]);
  return list;
}

/// The row's groups beside its figures.
Json with_keys(Json figures, const Json& by, const std::vector<std::string>& keys) {
  for (std::size_t i = 0; i < keys.size(); ++i) figures[by.at(i).get<std::string>()] = keys[i];
  return figures;
}

template <typename Id>
void name_limit(Json& head, const char* kind, const std::vector<Id>& ids) {
  for (const auto& id : ids) head[kind].push_back(id.str());
}

}  // namespace

async::Task<http::Response> report_estimates(Exchange exchange) {
  QueryReader query(exchange.request.query);
  ports::EstimateQuery wanted{.since = query.time("since"), .owner = {}, .by = {}};
  wanted.by = query.groups<EstimateGroup>(kEstimateGroups, {EstimateGroup::site});
  wanted.within = read_limits(query, exchange.request.query, {});
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  auto owner = owner_within(exchange, wanted.within, {});
  if (!owner) co_return std::unexpected(owner.error());
  wanted.owner = std::move(*owner);

  Json report{{"by", names_of(wanted.by, kEstimateGroups)},
              {"since", time_or_none(wanted.since)},
              {"whose", wanted.owner ? "own" : "everybody"}};
  name_limit(report, "projects", wanted.within.projects);
  name_limit(report, "sites", wanted.within.sites);
  auto rows = co_await exchange.api.parts().estimates.estimate_report(std::move(wanted));
  if (!rows) co_return std::unexpected(rows.error());
  const auto seconds = [](const std::optional<Seconds>& s) { return s ? Json(s->count()) : Json(); };
  auto& list = report["rows"] = Json::array();
  for (const auto& row : *rows) {
    list.push_back(with_keys({{"starts", row.starts},
                              {"estimated", row.estimated},
                              {"within_p50", row.within_p50},
                              {"ranged", row.ranged},
                              {"within_p90", row.within_p90},
                              {"actual_s", row.actual.count()},
                              {"predicted_s", seconds(row.predicted)},
                              {"error_s", seconds(row.error)}},
                             report["by"], row.keys));
  }
  co_return json_answer(200, report);
}

}  // namespace hansa::api
