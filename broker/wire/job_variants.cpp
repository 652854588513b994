// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/job_variants.hpp"

#include "broker/core/countries.hpp"

#include <algorithm>
#include <limits>
#include <set>

namespace hansa::wire {

using namespace domain;

namespace {

bool is_variable_name(std::string_view text) {
  return is_identifier(text, 255) && !(text.front() >= '0' && text.front() <= '9') &&
         text.find_first_of("-.") == std::string_view::npos;
}

std::string choices(std::span<const std::string_view> words) {
  std::string text;
  for (const auto word : words) text.append(text.empty() ? "\"" : ", \"").append(word).append("\"");
  return text;
}

Condition read_when(const JsonNode& value, const std::string& at, std::span<const std::string_view> sites,
                    std::vector<Fault>& faults) {
  ObjectReader fields(value, at, faults);
  Condition when;
  const auto word = [&](std::string_view name) {
    const auto* field = fields.field(name);
    auto text = fields.text(name, 64);
    if (field != nullptr && field->is_string() && text.empty()) fields.fault(name, "must not be empty; leave it out to take any");
    return text;
  };
  when.gpu_vendor = word("gpu_vendor");
  if (!when.gpu_vendor.empty() && std::ranges::find(kGpuVendors, when.gpu_vendor) == kGpuVendors.end())
    fields.fault("gpu_vendor", "must be one of " + choices(kGpuVendors) + did_you_mean(when.gpu_vendor, kGpuVendors));
  when.gpu_model = word("gpu_model");
  if (!when.gpu_model.empty() && !is_identifier(when.gpu_model, 64))
    fields.fault("gpu_model", "must be letters, digits, '.', '_' and '-', as in \"mi250x\"");
  if (!when.gpu_model.empty() && !when.gpu_vendor.empty()) {
    const auto known = gpu_vendor_of(when.gpu_model);
    if (!known.empty() && known != when.gpu_vendor)
      fields.fault("gpu_model", when.gpu_model + " is a GPU of " + std::string(known) + ": this holds nowhere");
  }
  when.architecture = word("architecture");
  if (!when.architecture.empty() && std::ranges::find(kArchitectures, when.architecture) == kArchitectures.end()) {
    const auto meant = architecture_meant_by(when.architecture);
    fields.fault("architecture", "must be one of " + choices(kArchitectures) + ", as uname -m has it" +
                                     (meant.empty() ? did_you_mean(when.architecture, kArchitectures)
                                                    : " (did you mean \"" + std::string(meant) + "\"?)"));
  }
  when.site = SiteId(word("site"));
  if (!when.site.empty() && !is_identifier(when.site.str(), 32))
    fields.fault("site", "is no site id");
  else if (!when.site.empty() && !sites.empty() && std::ranges::find(sites, when.site.str()) == sites.end())
    fields.fault("site", "there is no site \"" + when.site.str() + "\"" + did_you_mean(when.site.str(), sites));
  when.country = word("country");
  if (!when.country.empty() && !is_country(when.country)) {
    const auto meant = country_meant_by(when.country);
    fields.fault("country", "is no country of ISO 3166-1 alpha-2" +
                                (meant.empty() ? std::string(", as \"FI\"") : " (did you mean \"" + std::string(meant) + "\"?)"));
  }
  fields.no_others();
  return when;
}

Resources read_resources(ObjectReader& variant, const Condition& when, const Resources& job, std::vector<Fault>& faults) {
  Resources r = job;
  bool says_tasks = job.tasks != job.nodes;
  bool says_model = false;
  if (const auto* value = variant.field("resources"); value != nullptr) {
    ObjectReader fields(*value, variant.at("resources"), faults);
    const auto count = [&](std::string_view name, std::int32_t otherwise, std::int32_t least) {
      return fields.count(name, otherwise, least);
    };
    says_tasks = says_tasks || fields.field("tasks") != nullptr;
    r.nodes = count("nodes", r.nodes, 1);
    r.tasks = count("tasks", says_tasks ? r.tasks : r.nodes, 1);
    r.cpus_per_task = count("cpus_per_task", r.cpus_per_task, 1);
    r.memory_per_node = {fields.integer("memory_per_node_mib", r.memory_per_node.value, 0, kMaxMemory)};
    r.gpus_per_node = count("gpus_per_node", r.gpus_per_node, 0);
    says_model = fields.field("gpu_model") != nullptr;
    if (says_model) r.gpu_model = fields.text("gpu_model", 64);
    fields.no_others();
  }
  if (r.gpus_per_node == 0 && !says_model) r.gpu_model.clear();
  if (!says_model && r.gpus_per_node > 0 && !when.gpu_model.empty()) r.gpu_model = when.gpu_model;  // whatever the job's own is
  const auto fault = [&](std::string_view field, std::string message) {
    variant.fault_beneath("resources", field, std::move(message));
  };
  if (r.tasks < r.nodes) fault("tasks", "must be at least the number of nodes, " + std::to_string(r.nodes));
  if (std::int64_t{r.tasks} * r.cpus_per_task > std::numeric_limits<std::int32_t>::max())
    fault("cpus_per_task", "tasks times cpus_per_task is too large");
  if (!r.gpu_model.empty() && !is_identifier(r.gpu_model, 64))
    fault("gpu_model", "must be letters, digits, '.', '_' and '-', as in \"a100\"");
  else if (!r.gpu_model.empty() && r.gpus_per_node == 0)
    fault("gpu_model", "needs gpus_per_node of at least 1");
  else if (!when.gpu_model.empty() && !r.gpu_model.empty() && r.gpu_model != when.gpu_model)
    fault("gpu_model", "is " + r.gpu_model + ", and `when` asks for " + when.gpu_model);
  const auto vendor = gpu_vendor_of(r.gpu_model);
  if (!r.gpu_model.empty() && !when.gpu_vendor.empty() && !vendor.empty() && vendor != when.gpu_vendor) {
    fault("gpu_model", r.gpu_model + (says_model ? "" : ", the job's own,") + " is a GPU of " + std::string(vendor) +
                           ", and `when` asks for " + when.gpu_vendor +
                           (says_model ? "" : "; say the variant's, or \"\" for any"));
  }
  if (when.gpu_vendor == "none" && r.gpus_per_node > 0)
    fault("gpus_per_node", "is " + std::to_string(r.gpus_per_node) + ", and `when` asks for no GPUs; say 0");
  return r;
}

Variant read_variant(const JsonNode& value, const std::string& at, std::size_t place, const JobSpec& spec,
                     std::span<const std::string_view> sites, std::vector<Fault>& faults) {
  Variant variant;
  ObjectReader fields(value, at, faults);
  if (!value.is_object()) return variant;
  variant.name = fields.text("name", 64);
  if (variant.name.empty()) variant.name = std::to_string(place);
  if (!is_identifier(variant.name, 64)) fields.fault("name", "must be letters, digits, '.', '_' and '-', as in \"amd\"");
  if (const auto* when = fields.field("when"); when == nullptr)
    fields.fault("when", "is required: where this variant is for, as in {\"gpu_vendor\": \"amd\"}; {} is everywhere");
  else
    variant.when = read_when(*when, fields.at("when"), sites, faults);
  variant.resources = read_resources(fields, variant.when, spec.resources, faults);
  variant.software = read_software(fields, spec.software, faults);
  for (auto& [name, text] : read_environment(fields, faults)) variant.environment.emplace(std::move(name), std::move(text));
  fields.no_others();
  return variant;
}

}  // namespace

std::string_view variable_name_fault(std::string_view name) {
  if (!is_variable_name(name)) return "the name of a variable is letters, digits and '_', and does not begin with a digit";
  return name.starts_with("HANSA_") ? "names that begin with HANSA_ are set by Hansa" : "";
}

Environment read_environment(ObjectReader& fields, std::vector<Fault>& faults) {
  Environment environment;
  const auto* value = fields.field("environment");
  if (value == nullptr) return environment;
  if (!value->is_object()) {
    fields.fault("environment", "must be an object of strings");
    return environment;
  }
  environment.reserve(value->count);
  for (const auto& variable : value->members()) {
    if (faults.size() >= kMaxFaults) break;
    const auto& name = variable.name;
    const auto fault = [&](std::string_view message) {
      faults.push_back({fields.at("environment") + "/" + escaped(name.substr(0, 64)), std::string(message)});
    };
    if (const auto message = variable_name_fault(name); !message.empty())
      fault(message);
    else if (!variable.is_string())
      fault("must be a string");
    else if (variable.text.find('\0') != std::string_view::npos)
      fault("must not hold a NUL character");
    else
      environment.emplace_back(name, variable.text);
  }
  return environment;
}

Software read_software(ObjectReader& fields, const Software& otherwise, std::vector<Fault>& faults) {
  auto software = otherwise;
  const auto each = [&](std::string_view field, ObjectReader& reader, std::size_t most, auto&& fault_of) {
    auto list = reader.texts(field, most);
    for (std::size_t i = 0; i < list.size(); ++i) {
      auto message = std::string(fault_of(list[i]));
      if (message.empty() && std::find(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(i), list[i]) !=
                                 list.begin() + static_cast<std::ptrdiff_t>(i))
        message = "stands in the list twice";
      if (!message.empty()) faults.push_back({reader.at(field) + "/" + std::to_string(i), std::move(message)});
    }
    return list;
  };
  if (const auto* value = fields.field("container"); value != nullptr) {
    ObjectReader container(*value, fields.at("container"), faults);
    if (container.field("image") != nullptr) {
      software.image = container.text("image", kMaxImageBytes);
      auto message = software.image.empty() ? std::string() : image_fault(software.image);
      if (!message.empty()) container.fault("image", std::move(message));
      if (software.image.empty()) software.binds.clear(), software.processes_only = false;
    }
    if (container.field("binds") != nullptr) software.binds = each("binds", container, kMaxBinds, bind_fault);
    if (container.field("inside") != nullptr) {
      const auto inside = container.text("inside", 16);
      if (inside != "script" && inside != "processes")
        container.fault("inside",
                        "must be \"script\", or \"processes\": the script runs beside it, what hansa-launch starts in it");
      software.processes_only = inside == "processes";
    }
    if (software.image.empty() && (!software.binds.empty() || software.processes_only))
      container.fault("image", "is required: without one there is nothing to bind into");
    container.no_others();
  }
  if (fields.field("modules") != nullptr) {
    software.modules = each("modules", fields, kMaxModules, [](std::string_view name) {
      return is_module_name(name) ? "" : "must be letters, digits and ._+-: a name of the site's profile, as in \"pytorch\"";
    });
  }
  if (fields.field("network") != nullptr) {
    const auto network = fields.text("network", 16);
    if (network != "outbound" && network != "any")
      fields.fault("network", "must be \"outbound\": its nodes reach the network outside; or \"any\"");
    software.outbound = network == "outbound";
  }
  return software;
}

std::vector<Variant> read_variants(ObjectReader& job, const JobSpec& spec, std::span<const std::string_view> sites,
                                   std::vector<Fault>& faults) {
  std::vector<Variant> variants;
  const auto* list = job.field("variants");
  if (list == nullptr) return variants;
  if (!list->is_array()) {
    job.fault("variants", "must be a list, as in [{\"when\": {\"gpu_vendor\": \"amd\"}, \"modules\": [\"rocm\"]}]");
    return variants;
  }
  if (list->count > kMaxVariants) {
    job.fault("variants", "has more than " + std::to_string(kMaxVariants) + " entries");
    return variants;
  }
  std::set<std::string> names;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < list->count; ++i) {
    const auto at = job.at("variants") + "/" + std::to_string(i);
    variants.push_back(read_variant(list->members()[i], at, i, spec, sites, faults));
    const auto& variant = variants.back();
    if (!variant.name.empty() && !names.insert(variant.name).second)
      faults.push_back({at + "/name", "\"" + variant.name +
                                          "\" is the name of an earlier one; without a name it is its place, counted from 0"});
    const auto earlier = std::ranges::find(variants, variant.when, &Variant::when);
    const auto anywhere = std::ranges::find(variants, Condition{}, &Variant::when);
    const auto last = variants.end() - 1;
    if (const auto before = std::min(earlier, anywhere); before < last && list->members()[i].find("when") != nullptr) {
      faults.push_back({at + "/when", "is never reached: the first that holds counts, and wherever this does, " +
                                          job.at("variants") + "/" + std::to_string(before - variants.begin()) + " does"});
    }
    for (const auto& [name, text] : variant.environment) bytes += name.size() + text.size() + 2;
  }
  if (bytes > kMaxVariantEnvironmentBytes) {
    job.fault("variants", "the environments of all together are longer than " + std::to_string(kMaxVariantEnvironmentBytes) +
                              " bytes; what is common to all stands in the job's own");
  }
  return variants;
}

void put_software(Json& json, const Software& software) {
  if (!software.image.empty()) {
    Json container{{"image", software.image}};
    if (!software.binds.empty()) container["binds"] = software.binds;
    if (software.processes_only) container["inside"] = "processes";
    json["container"] = std::move(container);
  }
  if (!software.modules.empty()) json["modules"] = software.modules;
  if (software.outbound) json["network"] = "outbound";
}

Json to_json(std::span<const Variant> variants) {
  Json list = Json::array();
  for (const auto& variant : variants) {
    const auto& r = variant.resources;
    Json json{{"name", variant.name},
              {"when", Json::object()},
              {"resources",
               {{"nodes", r.nodes},
                {"tasks", r.tasks},
                {"cpus_per_task", r.cpus_per_task},
                {"memory_per_node_mib", r.memory_per_node.value},
                {"gpus_per_node", r.gpus_per_node},
                {"gpu_model", r.gpu_model}}}};
    const auto put = [&](const char* name, const std::string& word) {
      if (!word.empty()) json["when"][name] = word;
    };
    put("gpu_vendor", variant.when.gpu_vendor);
    put("gpu_model", variant.when.gpu_model);
    put("architecture", variant.when.architecture);
    put("site", variant.when.site.str());
    put("country", variant.when.country);
    put_software(json, variant.software);
    if (!json.contains("container")) json["container"] = {{"image", ""}};
    if (!variant.software.image.empty()) {  // what is left out is the job's
      json["container"]["binds"] = variant.software.binds;
      json["container"]["inside"] = variant.software.processes_only ? "processes" : "script";
    }
    if (!json.contains("modules")) json["modules"] = Json::array();
    if (!json.contains("network")) json["network"] = "any";
    if (!variant.environment.empty()) json["environment"] = variant.environment;
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace hansa::wire
