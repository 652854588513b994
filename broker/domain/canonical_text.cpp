// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/canonical_text.hpp"

#include "broker/core/json_text.hpp"
#include "broker/domain/variant.hpp"

namespace hansa::domain {
namespace {

void tell_why(JsonObjectText& out, const Reason& reason) {
  if (!reason.message.empty()) out.text("reason", reason.message);
  if (!reason.code.empty()) out.text("reason_code", reason.code);
}

// One overload for each event that a job can begin with; the others are rarer by far.

std::string text_of(const Accepted& e) { return accepted_text(e.owner, e.broker_id, canonical_text(e.spec)); }

std::string text_of(const Waiting& e) {
  std::string text;
  JsonObjectText out(text);
  tell_why(out, e.reason);
  out.end();
  return text;
}

std::string text_of(const Held& e) {
  std::string text;
  JsonObjectText out(text);
  out.flag("by_user", e.by_user);
  tell_why(out, e.reason);
  out.end();
  return text;
}

std::string text_of(const AttemptIntended& e) {
  std::string text;
  JsonObjectText out(text);
  out.text("account", e.account.str());
  out.number("attempt", e.attempt);
  out.text("queue", e.queue.str());
  out.text("scheduler_account", e.scheduler_account);
  out.text("site", e.site.str());
  if (!e.variant.empty()) out.text("variant", e.variant);
  out.end();
  return text;
}

std::string text_of(const std::map<std::string, std::string>& outputs) {
  std::string text;
  char before = '{';
  for (const auto& [name, path] : outputs) {
    text += before;
    before = ',';
    append_json_string(text, name);
    text += ':';
    append_json_string(text, path);
  }
  return text += before == '{' ? "{}" : "}";
}

std::vector<std::string> texts_of(const std::vector<SecretUse>& uses) {
  std::vector<std::string> texts;
  for (const auto& use : uses) texts.push_back(to_text(use));
  return texts;
}

std::string text_of(const auto& e) { return canonical_json(to_json(EventBody(e))); }

}  // namespace

std::string canonical_text(const JobSpec& spec) {
  const auto& r = spec.resources;
  std::string text;
  text.reserve(256);
  JsonObjectText out(text);
  if (!spec.after.empty()) out.texts("after", spec.after);
  if (!spec.array.empty()) out.text("array", to_text(spec.array));
  if (!spec.software.binds.empty()) out.texts("binds", spec.software.binds);
  if (!spec.code.empty()) out.text("code", spec.code.str());
  if (!spec.placement.countries.empty()) out.texts("countries", spec.placement.countries);
  out.number("cpus_per_task", r.cpus_per_task);
  if (!spec.datasets.empty()) out.texts("datasets", spec.datasets);
  if (r.exclusive) out.flag("exclusive", true);
  if (!r.gpu_model.empty()) out.text("gpu_model", r.gpu_model);
  if (r.gpus_per_node > 0) out.number("gpus_per_node", r.gpus_per_node);
  if (!spec.software.image.empty()) out.text("image", spec.software.image);
  if (!spec.labels.empty()) out.texts("labels", spec.labels);
  if (r.memory_per_node.value > 0) out.number("memory_per_node_mib", r.memory_per_node.value);
  if (!spec.software.modules.empty()) out.texts("modules", spec.software.modules);
  if (!spec.name.empty()) out.text("name", spec.name);
  out.number("nodes", r.nodes);
  if (spec.software.outbound) out.flag("outbound", true);
  if (!spec.outputs.empty()) out.json("outputs", text_of(spec.outputs));
  if (spec.software.processes_only) out.flag("processes_only", true);
  out.text("project", spec.project.str());
  if (spec.requeue) out.flag("requeue", true);
  if (!spec.secrets.empty()) out.texts("secrets", texts_of(spec.secrets));
  if (!spec.placement.sites.empty()) out.texts("sites", spec.placement.sites);
  out.number("tasks", r.tasks);
  out.number("time_limit_s", spec.time_limit.count());
  if (!spec.variants.empty()) out.json("variants", canonical_json(variants_to_json(spec.variants)));
  out.end();
  return text;
}

std::string canonical_text(const EventBody& body) {
  return std::visit([](const auto& event) { return text_of(event); }, body);
}

std::string accepted_text(const Principal& owner, std::string_view broker_id, std::string_view spec) {
  std::string text;
  text.reserve(64 + owner.str().size() + broker_id.size() + spec.size());
  JsonObjectText out(text);
  out.text("broker_id", broker_id);
  out.text("owner", owner.str());
  out.json("spec", spec);
  out.end();
  return text;
}

}  // namespace hansa::domain
