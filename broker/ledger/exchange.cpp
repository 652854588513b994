// SPDX-License-Identifier: Apache-2.0
#include "broker/ledger/exchange.hpp"

#include <algorithm>

namespace hansa::ledger {
namespace {

std::unexpected<Error> no_names() {
  return fail(ErrorKind::internal, "BAD_ANSWER",
              "the broker does not say what its sites are called elsewhere; check the address");
}

/// "" for what is no text.
std::string text_of(const Json& json, const char* name) {
  const auto at = json.find(name);
  return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::optional<ApelSite> read_apel(const Json& json) {
  ApelSite site{.name = text_of(json, "site"),
                .submit_host = text_of(json, "submit_host"),
                .is_grid = text_of(json, "infrastructure") == "grid",
                .description = text_of(json, "description"),
                .service_level_type = text_of(json, "service_level_type"),
                .service_level = text_of(json, "service_level")};
  for (const auto* needed : {&site.name, &site.submit_host, &site.service_level_type, &site.service_level}) {
    if (needed->empty()) return std::nullopt;
  }
  return site;
}

std::optional<WaldurSite> read_waldur(const Json& json) {
  WaldurSite site;
  const auto components = json.find("components"), resources = json.find("resources");
  if (components == json.end() || resources == json.end() || !components->is_object() || !resources->is_object())
    return std::nullopt;
  for (const auto& [type, component] : components->items()) {
    if (!component.is_object()) return std::nullopt;
    const auto of = std::ranges::find(kWaldurMeasures, text_of(component, "of"));
    const auto unit = component.find("unit_seconds");
    if (of == kWaldurMeasures.end() || unit == component.end() || !unit->is_number_integer() || unit->get<std::int64_t>() < 1)
      return std::nullopt;
    site.components[type] = {static_cast<WaldurMeasure>(of - kWaldurMeasures.begin()), unit->get<std::int64_t>()};
  }
  for (const auto& [project, resource] : resources->items()) {
    if (!resource.is_string()) return std::nullopt;
    site.resources[project] = resource.get<std::string>();
  }
  return site;
}

}  // namespace

Result<ExchangeRun> read_run(std::string_view record) {
  RecordFields fields;
  if (auto parsed = fields.parse(record); !parsed) return std::unexpected(std::move(parsed.error()));
  const auto missing = fields.text("kind") == to_string(Kind::usage) ? fields.missing_for(Kind::usage) : "kind";
  if (!missing.empty())
    return fail(ErrorKind::invalid_argument, "BAD_RECORD", "no usage record: it needs \"" + std::string(missing) + "\"");
  const auto text = [&](std::string_view name) { return std::string(*fields.text(name)); };
  const auto number = [&](std::string_view name) { return *fields.integer(name); };
  return ExchangeRun{
      .seq = number("seq"),
      .leaf = leaf_hash(record),
      .site = text("site"),
      .cluster = text("cluster"),
      .site_job_id = text("site_job_id"),
      .queue = text("queue"),
      .project = text("project"),
      .started_s = fields.integer("started_s"),
      .ended_s = number("ended_s"),
      .nodes = number("nodes"),
      .cores = number("cores"),
      .amounts = {number("runs"), number("elapsed_s"), number("core_seconds"), number("gpu_seconds"), number("node_seconds")}};
}

Result<void> add_amounts(Amounts& sum, const Amounts& amounts) {
  for (const auto member :
       {&Amounts::runs, &Amounts::elapsed_s, &Amounts::core_seconds, &Amounts::gpu_seconds, &Amounts::node_seconds}) {
    if (__builtin_add_overflow(sum.*member, amounts.*member, &(sum.*member)))
      return fail(ErrorKind::internal, "SUM_TOO_LARGE", "a sum of usage is too large; ask for fewer sites at a time");
  }
  return {};
}

Json exchange_json(const std::vector<ExchangeSite>& sites) {
  Json list = Json::array();
  for (const auto& site : sites) {
    Json entry{{"id", site.id}, {"apel", nullptr}, {"waldur", nullptr}};
    if (const auto& apel = site.apel) {
      entry["apel"] = {{"site", apel->name},
                       {"submit_host", apel->submit_host},
                       {"infrastructure", apel->is_grid ? "grid" : "local"},
                       {"description", apel->description},
                       {"service_level_type", apel->service_level_type},
                       {"service_level", apel->service_level}};
    }
    if (const auto& waldur = site.waldur) {
      Json components = Json::object();
      for (const auto& [type, component] : waldur->components)
        components[type] = {{"of", kWaldurMeasures[static_cast<std::size_t>(component.of)]},
                            {"unit_seconds", component.unit_seconds}};
      entry["waldur"] = {{"components", std::move(components)}, {"resources", Json(waldur->resources)}};
    }
    list.push_back(std::move(entry));
  }
  return {{"sites", std::move(list)}};
}

Result<std::vector<ExchangeSite>> read_exchange(const Json& json) {
  const auto list = json.find("sites");
  if (!json.is_object() || list == json.end() || !list->is_array()) return no_names();
  std::vector<ExchangeSite> sites;
  for (const auto& entry : *list) {
    if (!entry.is_object()) return no_names();
    auto& site = sites.emplace_back();
    site.id = text_of(entry, "id");
    if (const auto apel = entry.find("apel"); apel != entry.end() && apel->is_object())
      if (site.apel = read_apel(*apel); !site.apel) return no_names();
    if (const auto waldur = entry.find("waldur"); waldur != entry.end() && waldur->is_object())
      if (site.waldur = read_waldur(*waldur); !site.waldur) return no_names();
  }
  return sites;
}

}  // namespace hansa::ledger
