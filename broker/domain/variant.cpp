// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/variant.hpp"

#include "broker/domain/json_fields.hpp"

#include <algorithm>
#include <cctype>

namespace hansa::domain {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  for (auto& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

Json to_json(const Condition& when) {
  Json json = Json::object();
  if (!when.gpu_vendor.empty()) json["gpu_vendor"] = when.gpu_vendor;
  if (!when.gpu_model.empty()) json["gpu_model"] = when.gpu_model;
  if (!when.architecture.empty()) json["architecture"] = when.architecture;
  if (!when.site.empty()) json["site"] = when.site.str();
  if (!when.country.empty()) json["country"] = when.country;
  return json;
}

Json to_json(const Resources& r) {
  Json json{{"nodes", r.nodes}, {"tasks", r.tasks}, {"cpus_per_task", r.cpus_per_task}};
  if (r.memory_per_node.value > 0) json["memory_per_node_mib"] = r.memory_per_node.value;
  if (r.gpus_per_node > 0) json["gpus_per_node"] = r.gpus_per_node;
  if (!r.gpu_model.empty()) json["gpu_model"] = r.gpu_model;
  if (r.exclusive) json["exclusive"] = true;
  return json;
}

Variant variant_in(const Json& json, FieldReader& outer) {
  FieldReader field(json);
  Variant variant{.name = field.text("name"),
                  .when = {},
                  .resources = resources_in(json, field),
                  .software = software_in(field),
                  .environment = {}};
  const Json none = Json::object();
  const auto part = [&](const char* key) -> const Json& {
    if (!json.is_object() || !json.contains(key)) return none;
    return json.at(key);
  };
  FieldReader when(part("when"));
  variant.when = {.gpu_vendor = when.text_or_empty("gpu_vendor"),
                  .gpu_model = when.text_or_empty("gpu_model"),
                  .architecture = when.text_or_empty("architecture"),
                  .site = when.name<SiteId>("site"),
                  .country = when.text_or_empty("country")};
  const auto& environment = part("environment");
  if (!environment.is_object()) outer.miss("variants");
  for (const auto& [name, value] : environment.items()) {
    if (value.is_string())
      variant.environment.emplace(name, value.get<std::string>());
    else
      outer.miss("variants");
  }
  if (!field.ok() || !when.ok() || variant.name.empty()) outer.miss("variants");
  return variant;
}

}  // namespace

std::string_view gpu_vendor_of(std::string_view model) {
  constexpr std::pair<std::string_view, std::string_view> kFamilies[] = {
      {"mi", "amd"},     {"max", "intel"},  {"pvc", "intel"}, {"gaudi", "intel"}, {"gh", "nvidia"}, {"gb", "nvidia"},
      {"rtx", "nvidia"}, {"gtx", "nvidia"}, {"a", "nvidia"},  {"b", "nvidia"},    {"h", "nvidia"},  {"v", "nvidia"},
      {"p", "nvidia"},   {"t", "nvidia"},   {"l", "nvidia"},  {"k", "nvidia"}};
  const auto word = lower(model);
  for (const auto vendor : {"nvidia", "amd", "intel"}) {
    if (std::string_view(word).starts_with(vendor)) return *std::ranges::find(kGpuVendors, std::string_view(vendor));
  }
  for (const auto& [family, vendor] : kFamilies) {
    if (word.size() > family.size() && word.starts_with(family) && std::isdigit(static_cast<unsigned char>(word[family.size()])))
      return vendor;
  }
  return {};
}

std::string_view architecture_meant_by(std::string_view word) {
  constexpr std::pair<std::string_view, std::string_view> kOthers[] = {
      {"x86-64", "x86_64"}, {"x86", "x86_64"},  {"x64", "x86_64"},    {"amd64", "x86_64"},
      {"arm64", "aarch64"}, {"arm", "aarch64"}, {"armv9", "aarch64"}, {"armv8", "aarch64"}};
  const auto text = lower(word);
  for (const auto known : kArchitectures) {
    if (text == known) return known;
  }
  for (const auto& [other, known] : kOthers) {
    if (text == other) return known;
  }
  return {};
}

std::string to_text(const Condition& when) {
  std::string text;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) text.append(text.empty() ? "" : ", ").append(name).append(" ").append(value);
  };
  add("gpu_vendor", when.gpu_vendor);
  add("gpu_model", when.gpu_model);
  add("architecture", when.architecture);
  add("site", when.site.str());
  add("country", when.country);
  return text.empty() ? "everywhere" : text;
}

const Variant* find_variant(const JobSpec& spec, std::string_view name) {
  const auto at = std::ranges::find(spec.variants, name, &Variant::name);
  return at == spec.variants.end() ? nullptr : &*at;
}

const Resources& resources_of(const JobSpec& spec, std::string_view variant) {
  const auto* chosen = find_variant(spec, variant);
  return chosen == nullptr ? spec.resources : chosen->resources;
}

Resources in_units_of(const Hardware& hardware, Resources resources) {
  const auto each = std::max(hardware.devices_per_gpu, 1);
  resources.gpus_per_node = resources.gpus_per_node / each + (resources.gpus_per_node % each > 0 ? 1 : 0);
  return resources;
}

JobSpec spec_for(JobSpec spec, std::string_view variant, const Hardware& hardware) {
  if (const auto* chosen = find_variant(spec, variant)) {
    spec.resources = chosen->resources;
    spec.software = chosen->software;
  }
  spec.variants.clear();
  spec.resources = in_units_of(hardware, std::move(spec.resources));
  return spec;
}

void put_environment(std::vector<std::pair<std::string, std::string>>& environment, const Variant& variant) {
  for (const auto& [name, value] : variant.environment) {
    const auto at = std::ranges::find(environment, name, &std::pair<std::string, std::string>::first);
    if (at == environment.end())
      environment.emplace_back(name, value);
    else
      at->second = value;
  }
}

Resources resources_in(const Json& json, FieldReader& field) {
  Resources resources{
      .nodes = field.small("nodes"), .tasks = field.small("tasks"), .cpus_per_task = field.small("cpus_per_task")};
  if (json.is_object() && json.contains("memory_per_node_mib"))
    resources.memory_per_node = {field.integer("memory_per_node_mib")};
  resources.gpus_per_node = field.optional_small("gpus_per_node").value_or(0);
  resources.gpu_model = field.text_or_empty("gpu_model");
  resources.exclusive = field.flag("exclusive");
  return resources;
}

Software software_in(FieldReader& field) {
  return {.image = field.text_or_empty("image"),
          .binds = field.texts("binds"),
          .processes_only = field.flag("processes_only"),
          .modules = field.texts("modules"),
          .outbound = field.flag("outbound")};
}

Json variants_to_json(std::span<const Variant> variants) {
  Json list = Json::array();
  for (const auto& variant : variants) {
    auto json = to_json(variant.resources);
    json.update(to_json(variant.software));
    json["name"] = variant.name;
    if (auto when = to_json(variant.when); !when.empty()) json["when"] = std::move(when);
    if (!variant.environment.empty()) json["environment"] = variant.environment;
    list.push_back(std::move(json));
  }
  return list;
}

std::vector<Variant> variants_in(FieldReader& field) {
  std::vector<Variant> variants;
  for (const auto& entry : field.array("variants")) variants.push_back(variant_in(entry, field));
  return variants;
}

}  // namespace hansa::domain
