// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/waldur.hpp"

#include "broker/ledger/report_writer.hpp"

#include <algorithm>

namespace hansa::ledger {
namespace {

constexpr int kDecimals = 2;  // Waldur's amounts have no more

std::int64_t measured(const Amounts& amounts, WaldurMeasure of) {
  switch (of) {
    case WaldurMeasure::core_seconds: return amounts.core_seconds;
    case WaldurMeasure::gpu_seconds: return amounts.gpu_seconds;
    case WaldurMeasure::node_seconds: return amounts.node_seconds;
  }
  return 0;
}

std::string in_units(const Amounts& amounts, const WaldurComponent& component) {
  return decimal_text(measured(amounts, component.of), component.unit_seconds, kDecimals);
}

Json exact(const Amounts& amounts) {
  return {{"runs", amounts.runs},
          {"core_seconds", amounts.core_seconds},
          {"gpu_seconds", amounts.gpu_seconds},
          {"node_seconds", amounts.node_seconds}};
}

std::string two_digits(std::int64_t number) { return (number < 10 ? "0" : "") + std::to_string(number); }

}  // namespace

Result<void> WaldurUsage::take(const ExchangeRun& run, const WaldurSite& site) {
  auto& use = uses_[{run.site, run.project}];
  use.site = &site;
  if (auto added = add_amounts(use.total, run.amounts); !added) return added;
  if (persons_ != Persons::named || run.account.empty()) return {};
  return add_amounts(use.persons[run.account], run.amounts);
}

std::int64_t WaldurUsage::resources() const {
  return std::ranges::count_if(uses_, [](const auto& use) { return use.second.site->resources.contains(use.first.second); });
}

std::string WaldurUsage::text() const {
  const auto month = std::to_string(month_.year) + "-" + two_digits(month_.month);
  const auto date = month + "-01T00:00:00Z";  // of the billing period: its first day, as waldur-site-agent has it
  Json resources = Json::array(), without = Json::array();
  for (const auto& [of, use] : uses_) {
    const auto& [site, project] = of;
    Json entry{{"site", site}, {"project", project}, {"exact", exact(use.total)}};
    const auto resource = use.site->resources.find(project);
    if (resource == use.site->resources.end()) {
      without.push_back(std::move(entry));
      continue;
    }
    Json usages = Json::array(), of_persons = Json::object();
    for (const auto& [type, component] : use.site->components) {
      usages.push_back({{"type", type}, {"amount", in_units(use.total, component)}});
      Json persons = Json::array();
      for (const auto& [account, amounts] : use.persons)
        persons.push_back({{"username", account}, {"usage", in_units(amounts, component)}, {"date", date}});
      if (!persons.empty()) of_persons[type] = {{"usages", std::move(persons)}};
    }
    entry["set_usage"] = {{"resource", resource->second}, {"date", date}, {"usages", std::move(usages)}};
    entry["set_user_usages"] = std::move(of_persons);
    resources.push_back(std::move(entry));
  }
  return canonical_json({{"format", kWaldurFormat},
                         {"month", month},
                         {"resources", std::move(resources)},
                         {"without_resource", std::move(without)}}) +
         "\n";
}

}  // namespace hansa::ledger
