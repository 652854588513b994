// SPDX-License-Identifier: Apache-2.0
#include "connectors/protocol/codec.hpp"
#include "connectors/protocol/fields.hpp"

namespace hansa::connectors::protocol {

namespace {

constexpr std::size_t kMaxProjects = 10'000;
constexpr std::size_t kMaxLimits = 10 * kMaxProjects;
constexpr std::int64_t kMaxAge = 366 * 86'400;

}  // namespace

Json to_json(const std::vector<ports::ProjectAccount>& wanted) {
  Json list = Json::array();
  for (const auto& one : wanted) list.push_back({{"project", one.project.str()}, {"account", one.account}});
  return {{"projects", std::move(list)}};
}

Result<std::vector<ports::ProjectAccount>> read_limits_request(const Json& json) {
  Fields f(json);
  const auto& list = f.array("projects");
  if (!f.has("projects") || list.size() > kMaxProjects) f.miss("projects");
  if (!f.ok()) return f.refused("a question about limits");
  return read_list<ports::ProjectAccount>(list, [](const Json& item) -> Result<ports::ProjectAccount> {
    Fields one(item);
    ports::ProjectAccount wanted{.project = ProjectId(one.needed_word("project")), .account = one.word("account")};
    if (!one.ok()) return one.refused("a question about a project's limits");
    return wanted;
  });
}

Json to_json(const ports::AccountLimits& answer) {
  Json list = Json::array();
  for (const auto& [project, limit] : answer.limits) {
    list.push_back({{"project", project.str()},
                    {"resource", limit.resource},
                    {"limit_minutes", limit.limit},
                    {"used_minutes", limit.used},
                    {"running_minutes", limit.running}});
  }
  return {{"told", answer.told}, {"age_s", answer.age.count()}, {"limits", std::move(list)}};
}

Result<ports::AccountLimits> read_limits(const Json& json) {
  Fields f(json);
  for (const auto* key : {"told", "limits"}) {
    if (!f.has(key)) f.miss(key);
  }
  const auto& list = f.array("limits");
  if (list.size() > kMaxLimits) f.miss("limits");
  ports::AccountLimits answer{.told = f.flag("told"), .age = Seconds{f.amount("age_s", kMaxAge)}, .limits = {}};
  if (!answer.told && !list.empty()) f.miss("told");
  if (!f.ok()) return f.refused("the limits of projects");
  auto limits = read_list<ports::ProjectLimit>(list, [](const Json& item) -> Result<ports::ProjectLimit> {
    Fields one(item);
    for (const auto* key : {"limit_minutes", "used_minutes", "running_minutes"}) {  // what is not said is not nothing
      if (!one.has(key)) one.miss(key);
    }
    ports::ProjectLimit limit{.project = ProjectId(one.needed_word("project")),
                              .limit = {.resource = one.needed_word("resource"),
                                        .limit = one.amount("limit_minutes", domain::kMostMinutes),
                                        .used = one.amount("used_minutes", domain::kMostMinutes),
                                        .running = one.amount("running_minutes", domain::kMostMinutes)}};
    if (!one.ok()) return one.refused("a project's limit");
    return limit;
  });
  if (!limits) return std::unexpected(std::move(limits.error()));
  answer.limits = std::move(*limits);
  return answer;
}

}  // namespace hansa::connectors::protocol
