// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/sheet.hpp"

#include "broker/cli/session.hpp"

#include <utility>

namespace hansa::cli {
namespace {

std::string count_text(const Json& json, const char* key, const char* thing) {
  const auto count = number(json, key);
  return count && *count > 0 ? std::to_string(*count) + " " + thing + (*count == 1 ? "" : "s") : std::string();
}

std::string resources_text(const Json& resources) {
  std::string text;
  const auto add = [&](const std::string& part) {
    if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
  };
  add(count_text(resources, "nodes", "node"));
  add(count_text(resources, "tasks", "task"));
  add(count_text(resources, "cpus_per_task", "core") + " a task");
  if (const auto memory = number_text(resources, "memory_per_node_mib"); !memory.empty()) add(memory + " MiB a node");
  if (const auto model = shown(resources, "gpu_model"); !model.empty())
    add(count_text(resources, "gpus_per_node", (model + " GPU").c_str()) + " a node");
  else if (const auto gpus = count_text(resources, "gpus_per_node", "GPU"); !gpus.empty())
    add(gpus + " a node");
  return text;
}

/// "for gpu_vendor amd: 1 node, 8 GPUs a node; modules rocm; KERNELS"
std::string variant_text(const Json& variant) {
  std::string text;
  const auto& when = member(variant, "when");
  if (when.is_object()) {
    for (const auto& [name, value] : when.items()) {
      if (value.is_string()) text += (text.empty() ? "" : ", ") + printable(name) + " " + printable(value.get<std::string>());
    }
  }
  text = (text.empty() ? "everywhere" : "for " + text) + ": " + resources_text(member(variant, "resources"));
  if (const auto image = shown(member(variant, "container"), "image"); !image.empty()) text += "; " + image;
  if (const auto modules = listed(member(variant, "modules")); !modules.empty()) text += "; modules " + modules;
  if (raw_text(variant, "network") == "outbound") text += "; the network outside";
  std::string names;
  if (const auto& variables = member(variant, "environment"); variables.is_object()) {
    for (const auto& [name, value] : variables.items()) names += (names.empty() ? "" : ", ") + printable(name);
  }
  return text + (names.empty() ? "" : "; " + names);
}

/// "metrics.json, model.pt (out/model.pt)"
std::string outputs_text(const Json& outputs) {
  std::string text;
  for (const auto& [name, path] : outputs.items()) {
    if (!path.is_string()) continue;
    text += (text.empty() ? "" : ", ") + printable(name);
    if (path != name) text += " (" + printable(path.get<std::string>()) + ")";
  }
  return text;
}

/// "01J... (succeeded), 01K... (running)"
std::string before_text(const Json& jobs) {
  std::string text;
  if (!jobs.is_array()) return text;
  for (const auto& job : jobs) text += (text.empty() ? "" : ", ") + shown(job, "id") + " (" + shown(job, "state") + ")";
  return text;
}

}  // namespace

std::string granted_text(const Json& granted) {
  std::string text;
  const auto add = [&](const std::string& part) {
    if (!part.empty()) text += (text.empty() ? "" : ", ") + part;
  };
  constexpr std::pair<const char*, const char*> kAmounts[] = {
      {"nodes", "node"}, {"tasks", "task"}, {"cores", "core"}, {"gpus", "GPU"}};
  for (const auto& [key, thing] : kAmounts) add(count_text(granted, key, thing));
  if (const auto memory = number_text(granted, "memory_mib"); !memory.empty()) add(memory + " MiB");
  if (const auto limit = number(granted, "time_limit_s")) add(duration_text(Seconds{*limit}));
  if (member(granted, "exclusive") == true) add("its nodes for itself alone");
  if (const auto queue = shown(granted, "queue"); !queue.empty()) add("queue " + queue);
  if (const auto account = shown(granted, "scheduler_account"); !account.empty()) add("account " + account);
  return text;
}

void add_request(Sheet& sheet, const Json& job) {
  sheet.line("resources",
             resources_text(member(job, "resources")) + (member(job, "exclusive") == true ? ", its nodes for itself alone" : ""));
  if (const auto limit = number(job, "time_limit_s")) sheet.line("time limit", duration_text(Seconds{*limit}));
  sheet.line("only at sites", listed(member(member(job, "placement"), "sites")));
  sheet.line("only in", listed(member(member(job, "placement"), "countries")));
  const auto& container = member(job, "container");
  sheet.line("container",
             shown(container, "image") + (shown(container, "inside") == "processes" ? ", for what hansa-launch starts" : ""));
  sheet.line("bound", listed(member(container, "binds")));
  sheet.line("modules", listed(member(job, "modules")));
  if (raw_text(job, "network") == "outbound") sheet.line("network", "outbound");
  if (const auto& variants = member(job, "variants"); variants.is_array()) {
    for (const auto& variant : variants) sheet.line("variant", shown(variant, "name") + ", " + variant_text(variant));
  }
  sheet.line("array", shown(job, "array"));
  sheet.line("starts after", before_text(member(job, "after")));
  sheet.line("code", shown(job, "code"));
  sheet.line("secrets", listed(member(job, "secrets")));
  if (const auto& outputs = member(job, "outputs"); outputs.is_object()) sheet.line("outputs", outputs_text(outputs));
}

std::string submission_text(const Json& submission, const Look& look) {
  if (!submission.is_object()) return {};
  Sheet sheet;
  sheet.line("name", shown(submission, "name"));
  sheet.line("project", shown(submission, "project"));
  add_request(sheet, submission);
  if (member(submission, "requeue") == true) sheet.line("requeue", "the site may start it again");
  std::string names;
  if (const auto& variables = member(submission, "environment"); variables.is_object()) {
    for (const auto& [name, value] : variables.items()) names += (names.empty() ? "" : ", ") + printable(name);
  }
  sheet.line("variables", names);
  return "asks for\n" + sheet.text(look) + "\n";
}

}  // namespace hansa::cli
