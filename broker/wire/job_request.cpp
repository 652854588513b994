// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/job_request.hpp"

#include "broker/core/countries.hpp"
#include "broker/core/suggest.hpp"
#include "broker/directives/directives.hpp"
#include "broker/domain/code_archive.hpp"
#include "broker/domain/dataset.hpp"
#include "broker/wire/job_variants.hpp"
#include "broker/wire/object_reader.hpp"
#include "broker/wire/output_name.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <span>

namespace hansa::wire {

using namespace domain;

namespace {

constexpr std::size_t kMaxJobLabels = 20;
constexpr std::int64_t kMaxTimeLimit = 366LL * 86'400;

/// What the request says of resources and time, the rest open.
directives::Fields stated_resources(ObjectReader& job, std::vector<Fault>& faults) {
  directives::Fields stated;
  const auto* limit = job.field("time_limit_s");
  if (limit != nullptr) stated.time_limit = Seconds{job.integer("time_limit_s", 1, 1, kMaxTimeLimit)};
  const auto* value = job.field("resources");
  if (value == nullptr) return stated;
  ObjectReader fields(*value, job.at("resources"), faults);
  const auto read = [&](std::optional<std::int64_t>& into, std::string_view name, std::int64_t least, std::int64_t most) {
    if (fields.field(name) != nullptr) into = fields.integer(name, std::max<std::int64_t>(least, 1), least, most);
  };
  read(stated.nodes, "nodes", 1, kMaxCount);
  read(stated.tasks, "tasks", 1, kMaxCount);
  read(stated.cpus_per_task, "cpus_per_task", 1, kMaxCount);
  read(stated.memory_per_node_mib, "memory_per_node_mib", 0, kMaxMemory);
  read(stated.gpus_per_node, "gpus_per_node", 0, kMaxCount);
  if (fields.field("gpu_model") != nullptr) stated.gpu_model = fields.text("gpu_model", 64);
  fields.no_others();
  return stated;
}

/// With faults at the request's own fields, or at the script if it is its directives that say so.
Resources whole_resources(ObjectReader& job, const directives::Fields& stated, const directives::Fields& said) {
  Resources r;
  const auto number = [](const std::optional<std::int64_t>& first, const std::optional<std::int64_t>& second,
                         std::int64_t other) { return first ? *first : second.value_or(other); };
  const auto count = [&](const auto& first, const auto& second, std::int64_t other) {
    return static_cast<std::int32_t>(number(first, second, other));  // of what is at most kMaxCount
  };
  const auto fault = [&](const char* field, bool by_script, std::string message) {
    if (by_script)
      job.fault("script", "its directives: " + std::string(field) + " " + message);
    else
      job.fault_beneath("resources", field, std::move(message));
  };
  r.nodes = count(stated.nodes, said.nodes, 1);
  r.tasks = count(stated.tasks, said.tasks, r.nodes);
  r.cpus_per_task = count(stated.cpus_per_task, said.cpus_per_task, 1);
  r.memory_per_node = {number(stated.memory_per_node_mib, said.memory_per_node_mib, 0)};
  r.gpus_per_node = count(stated.gpus_per_node, said.gpus_per_node, 0);
  r.gpu_model = stated.gpu_model ? *stated.gpu_model : said.gpu_model.value_or("");
  r.exclusive = stated.exclusive ? *stated.exclusive : said.exclusive.value_or(false);
  if (r.tasks < r.nodes)
    fault("tasks", said.tasks.has_value(), "must be at least the number of nodes, " + std::to_string(r.nodes));
  if (std::int64_t{r.tasks} * r.cpus_per_task > std::numeric_limits<std::int32_t>::max())
    fault("cpus_per_task", said.cpus_per_task.has_value(), "tasks times cpus_per_task is too large");
  if (!r.gpu_model.empty() && !is_identifier(r.gpu_model, 64))
    fault("gpu_model", said.gpu_model.has_value(), "must be letters, digits, '.', '_' and '-', as in \"a100\"");
  if (!r.gpu_model.empty() && r.gpus_per_node == 0)
    fault("gpu_model", said.gpu_model.has_value(), "needs gpus_per_node of at least 1");
  return r;
}

bool ignores_directives(ObjectReader& job) {
  const auto* value = job.field("directives");
  if (value == nullptr) return false;
  const auto word = job.text("directives", 16);
  if (word != "read" && word != "ignore") job.fault("directives", "must be \"read\" or \"ignore\"");
  return word == "ignore";
}

using SiteNames = std::span<const std::string_view>;

Placement read_placement(ObjectReader& job, SiteNames known, std::vector<Fault>& faults) {
  Placement placement;
  const auto* value = job.field("placement");
  if (value == nullptr) return placement;
  ObjectReader fields(*value, job.at("placement"), faults);
  for (auto& site : fields.texts("sites", 100)) {
    if (!is_identifier(site, 32))
      fields.fault("sites", "\"" + site.substr(0, 40) + "\" is no site id");
    else if (!known.empty() && std::ranges::find(known, site) == known.end())
      fields.fault("sites", "there is no site \"" + site + "\"" + did_you_mean(site, known));
    placement.sites.emplace_back(std::move(site));
  }
  placement.countries = fields.texts("countries", 100);
  for (const auto& country : placement.countries) {
    if (is_country(country)) continue;
    const auto meant = country_meant_by(country);
    fields.fault("countries", "\"" + country.substr(0, 40) + "\" is no country of ISO 3166-1 alpha-2" +
                                  (meant.empty() ? ", as \"FI\"" : " (did you mean \"" + std::string(meant) + "\"?)"));
  }
  fields.no_others();
  return placement;
}

std::vector<DatasetId> read_datasets(ObjectReader& job) {
  std::vector<DatasetId> datasets;
  for (auto& text : job.texts("datasets", kMaxDatasets)) {
    DatasetId id{std::move(text)};
    if (!is_dataset_id(id.str()))
      job.fault("datasets", "\"" + id.str().substr(0, 40) + "\" is no dataset: letters, digits and ._:@+-");
    else if (std::ranges::find(datasets, id) != datasets.end())
      job.fault("datasets", "names " + id.str() + " twice");
    else
      datasets.push_back(std::move(id));
  }
  return datasets;
}

/// An image of the job's code needs code, and one of a dataset makes that one which the job reads.
void settle_images(ObjectReader& job, JobSpec& spec, std::vector<Fault>& faults) {
  const auto settle = [&](const std::string& image, const std::string& at) {
    const auto fault = [&](std::string message) { faults.push_back({at + "/container/image", std::move(message)}); };
    if (image.starts_with(kImageOfCode) && spec.code.empty())
      fault("is a file of the job's code, and it brings none: --code DIR, or `code`");
    auto dataset = image_dataset(image);
    if (dataset.empty() || !is_dataset_id(dataset.str()) || std::ranges::find(spec.datasets, dataset) != spec.datasets.end())
      return;
    if (spec.datasets.size() == kMaxDatasets)
      fault("is of one dataset more than the " + std::to_string(kMaxDatasets) + " that a job may read");
    else
      spec.datasets.push_back(std::move(dataset));
  };
  settle(spec.software.image, job.at("container").substr(0, job.at("container").rfind('/')));
  for (std::size_t i = 0; i < spec.variants.size(); ++i) {
    const auto& image = spec.variants[i].software.image;
    if (image != spec.software.image) settle(image, job.at("variants") + "/" + std::to_string(i));
  }
}

/// The request's own, or its script's directives'.
TaskArray read_array(ObjectReader& job, const directives::Fields& said) {
  auto text = job.text("array", kMaxArrayBytes);
  const bool directed = text.empty() && said.array;
  if (directed) text = *said.array;
  if (text.empty() || text.size() > kMaxArrayBytes) return {};
  auto array = parse_task_array(text);
  if (!array) job.fault(directed ? "script" : "array", (directed ? "its directives: the array: " : "") + array.error().message);
  return std::move(array).value_or(TaskArray{});
}

/// Ids; in a bulk request also "#N", the N-th of its jobs, counted from 0, if that one is earlier.
void read_after(ObjectReader& job, std::optional<std::size_t> place, Submission& submission) {
  const auto before = [&](std::string_view text) -> std::optional<std::size_t> {
    std::size_t earlier = 0;
    const auto* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + 1, end, earlier);
    const bool plain = error == std::errc{} && at == end && (text[1] != '0' || text.size() == 2);
    return plain && place && earlier < *place ? std::optional(earlier) : std::nullopt;
  };
  std::set<std::string> named;
  for (const auto& text : job.texts("after", kMaxAfter)) {
    if (!named.insert(text).second) {
      job.fault("after", "names " + text.substr(0, 40) + " twice");
    } else if (text.starts_with('#')) {
      if (const auto earlier = before(text))
        submission.after_earlier.push_back(*earlier);
      else
        job.fault("after",
                  "\"" + text.substr(0, 40) + "\": only jobs of a bulk request name an earlier one of it, the first as #0");
    } else if (const auto id = JobId::parse(text)) {
      submission.spec.after.push_back(*id);
    } else {
      job.fault("after", "\"" + text.substr(0, 40) + "\" is no job id: 26 letters and digits, as its submission answered");
    }
  }
}

Labels read_labels(ObjectReader& job, std::span<const std::string_view> known) {
  Labels labels;
  for (auto& word : job.texts("labels", kMaxJobLabels)) {
    const bool good = known.empty() ? is_identifier(word, 64) : std::ranges::find(known, word) != known.end();
    if (!good)
      job.fault("labels", "\"" + word.substr(0, 40) + "\" is no label" + did_you_mean(word, known));
    else
      labels.emplace(std::move(word));
  }
  return labels;
}

std::map<std::string, std::string> read_outputs(ObjectReader& job, std::vector<Fault>& faults) {
  std::map<std::string, std::string> outputs;
  const auto* value = job.field("outputs");
  if (value == nullptr) return outputs;
  if (!value->is_object()) {
    job.fault("outputs", "must be an object of paths, as in {\"model.pt\": \"results/model.pt\"}");
    return outputs;
  }
  if (value->count > kMaxOutputs) {
    job.fault("outputs", "has more than " + std::to_string(kMaxOutputs) + " entries; have the job pack them into one archive");
    return outputs;
  }
  for (const auto& output : value->members()) {
    if (faults.size() >= kMaxFaults) break;
    const auto& name = output.name;
    auto message = output_name_fault(name);
    if (message.empty()) message = output.is_string() ? output_path_fault(output.text) : "must be a string";
    if (message.empty())
      outputs.emplace(name, output.text);
    else
      faults.push_back({job.at("outputs") + "/" + escaped(name.substr(0, 64)), std::move(message)});
  }
  return outputs;
}

/// By name; each in a file of its own.
std::vector<SecretUse> read_secrets(ObjectReader& job) {
  std::vector<SecretUse> uses;
  for (const auto& text : job.texts("secrets", kMaxSecretsOfJob)) {
    auto use = parse_secret_use(text);
    if (!use)
      job.fault("secrets", use.error().message);
    else if (std::ranges::find(uses, use->file, &SecretUse::file) != uses.end())
      job.fault("secrets", "two secrets in the file " + use->file + ": give one of them another, as in NAME=FILE");
    else
      uses.push_back(std::move(*use));
  }
  return uses;
}

/// What the script's directives say of what the request leaves open; their faults and notes told.
directives::Fields read_directives(ObjectReader& job, const std::string& script, const directives::Fields& stated, Notes* notes) {
  auto settled = directives::settle(script, stated);
  auto& fields = settled.fields;
  const auto fault = [&](std::string message) { job.fault("script", std::move(message)); };
  for (const auto& remark : settled.faults) fault(to_text(remark));
  for (const auto& [name, value] : fields.environment) {
    if (const auto message = variable_name_fault(name); !message.empty())
      fault("its directives: variable \"" + name.substr(0, 64) + "\": " + std::string(message));
  }
  if (fields.time_limit && fields.time_limit->count() > kMaxTimeLimit)
    fault("its directives: the time limit is more than " + std::to_string(kMaxTimeLimit) + " s");
  if (notes != nullptr) {
    for (const auto& remark : settled.notes) notes->push_back(to_text(remark));
  }
  return std::move(fields);
}

/// `place`: in the list of a bulk request.
Submission read_job(const JsonNode& json, const std::string& at, std::optional<std::size_t> place, const KnownNames& known,
                    std::vector<Fault>& faults, Notes* notes) {
  Submission submission;
  auto& [spec, payload, after_earlier] = submission;
  ObjectReader job(json, at, faults);
  if (!json.is_object()) return submission;

  const auto* script = job.field("script");
  if (script == nullptr) job.fault("script", "is required: the text of the script, beginning with \"#!\"");
  payload.script = job.text("script", kMaxScriptBytes);
  if (!payload.script.empty() && !payload.script.starts_with("#!")) {
    job.fault("script", "must begin with \"#!\" and the interpreter, as in \"#!/bin/bash\"");
  } else if (payload.script.empty() && script != nullptr && script->is_string()) {
    job.fault("script", "must not be empty");
  }
  auto stated = stated_resources(job, faults);
  payload.environment = read_environment(job, faults);
  stated.environment = payload.environment;
  const auto text = [&](const char* name, std::size_t most) {
    return job.field(name) == nullptr ? std::nullopt : std::optional(job.text(name, most));
  };
  stated.name = text("name", kMaxNameBytes);
  stated.project = text("project", 64);
  if (job.field("requeue") != nullptr) stated.requeue = job.flag("requeue");
  if (job.field("exclusive") != nullptr) stated.exclusive = job.flag("exclusive");
  directives::Fields said;
  if (!ignores_directives(job)) said = read_directives(job, payload.script, stated, notes);

  spec.name = stated.name ? *stated.name : said.name.value_or("");
  if (spec.name.size() > kMaxNameBytes && said.name)
    job.fault("script", "its directives: the name is longer than " + std::to_string(kMaxNameBytes) + " bytes");
  if (std::ranges::any_of(spec.name, is_control)) job.fault(said.name ? "script" : "name", "must not hold control characters");
  spec.project = ProjectId{stated.project ? *stated.project : said.project.value_or("")};
  if (!spec.project.empty() && !is_identifier(spec.project.str(), 64)) {
    job.fault(said.project ? "script" : "project",
              std::string(said.project ? "its directives: the project " : "") + "must be letters, digits, '.', '_' and '-'");
  }
  std::ranges::move(said.environment, std::back_inserter(payload.environment));
  std::ranges::sort(payload.environment);
  payload.arguments = job.texts("arguments", kMaxArguments);
  std::size_t bytes = 0;
  for (const auto& argument : payload.arguments) bytes += argument.size() + 1;
  for (const auto& [name, value] : payload.environment) bytes += name.size() + value.size() + 2;
  if (bytes > kMaxArgumentBytes)
    job.fault("arguments", "arguments and environment together are longer than " + std::to_string(kMaxArgumentBytes) + " bytes");
  spec.resources = whole_resources(job, stated, said);
  spec.time_limit = stated.time_limit ? *stated.time_limit : said.time_limit.value_or(Seconds{3'600});
  spec.software = read_software(job, {}, faults);
  spec.variants = read_variants(job, spec, known.sites, faults);
  spec.placement = read_placement(job, known.sites, faults);
  spec.datasets = read_datasets(job);
  spec.labels = read_labels(job, known.labels);
  spec.outputs = read_outputs(job, faults);
  spec.requeue = stated.requeue ? *stated.requeue : said.requeue.value_or(false);
  spec.code = CodeId{job.text("code", 71)};
  if (!spec.code.empty() && !is_code_id(spec.code.str()))
    job.fault("code", "must be \"sha256:\" and 64 hex digits, of an archive that was brought before: PUT /v1/code/{id}");
  settle_images(job, spec, faults);
  spec.secrets = read_secrets(job);
  spec.array = read_array(job, said);
  if (!spec.array.empty() && !spec.outputs.empty())
    job.fault(
        "outputs",
        "of a job array none can be named: its tasks have folders of their own; have them write where they can be told apart");
  read_after(job, place, submission);
  job.no_others();
  return submission;
}

std::unexpected<Error> bad_job(std::vector<Fault> faults) { return refusal("BAD_JOB", std::move(faults)); }

}  // namespace

Result<Submission> job_from_text(std::string_view text, const KnownNames& known, Notes* notes) {
  const JsonTree json(text, kMaxDepth);
  if (!json.root()) return std::unexpected(json.root().error());
  std::vector<Fault> faults;
  auto submission = read_job(*json.root(), "", std::nullopt, known, faults, notes);
  if (!faults.empty()) return bad_job(std::move(faults));
  return submission;
}

Result<std::vector<Submission>> jobs_from_text(std::string_view text, const KnownNames& known, std::vector<Notes>* notes) {
  const JsonTree json(text, kMaxDepth + 2);
  if (!json.root()) return std::unexpected(json.root().error());
  std::vector<Fault> faults;
  std::vector<Submission> submissions;
  ObjectReader request(*json.root(), "", faults);
  const auto* jobs = request.field("jobs");
  if (jobs == nullptr || !jobs->is_array() || jobs->count == 0) {
    request.fault("jobs", "is required: a list of 1 to " + std::to_string(kMaxBulkJobs) + " jobs");
  } else if (jobs->count > kMaxBulkJobs) {
    request.fault("jobs",
                  "has " + std::to_string(jobs->count) + " jobs; at most " + std::to_string(kMaxBulkJobs) + " in one request");
  } else {
    submissions.reserve(jobs->count);
    for (std::size_t i = 0; i < jobs->count && faults.size() < kMaxFaults; ++i) {
      auto* of_job = notes == nullptr ? nullptr : &notes->emplace_back();
      submissions.push_back(read_job(jobs->members()[i], "/jobs/" + std::to_string(i), i, known, faults, of_job));
    }
  }
  request.no_others();
  if (!faults.empty()) return bad_job(std::move(faults));
  return submissions;
}

Result<Submission> job_from_json(const Json& json, const KnownNames& known) { return job_from_text(canonical_json(json), known); }
Result<std::vector<Submission>> jobs_from_json(const Json& json, const KnownNames& known) {
  return jobs_from_text(canonical_json(json), known);
}

Json to_json(const Submission& submission) {
  const auto& [spec, payload, after_earlier] = submission;
  const auto& r = spec.resources;
  Json json{{"script", payload.script}};
  if (directives::has_directives(payload.script)) json["directives"] = "ignore";
  if (!spec.name.empty()) json["name"] = spec.name;
  if (!spec.project.empty()) json["project"] = spec.project.str();
  if (!payload.arguments.empty()) json["arguments"] = payload.arguments;
  for (const auto& [name, value] : payload.environment) json["environment"][name] = value;
  Json resources = Json::object();
  if (r.nodes != 1) resources["nodes"] = r.nodes;
  if (r.tasks != r.nodes) resources["tasks"] = r.tasks;
  if (r.cpus_per_task != 1) resources["cpus_per_task"] = r.cpus_per_task;
  if (r.memory_per_node.value != 0) resources["memory_per_node_mib"] = r.memory_per_node.value;
  if (r.gpus_per_node != 0) resources["gpus_per_node"] = r.gpus_per_node;
  if (!r.gpu_model.empty()) resources["gpu_model"] = r.gpu_model;
  if (!resources.empty()) json["resources"] = std::move(resources);
  put_software(json, spec.software);
  if (!spec.variants.empty()) json["variants"] = to_json(spec.variants);
  json["time_limit_s"] = spec.time_limit.count();
  for (const auto& site : spec.placement.sites) json["placement"]["sites"].push_back(site.str());
  if (!spec.placement.countries.empty()) json["placement"]["countries"] = spec.placement.countries;
  for (const auto& dataset : spec.datasets) json["datasets"].push_back(dataset.str());
  for (const auto& label : spec.labels) json["labels"].push_back(label.str());
  for (const auto& [name, path] : spec.outputs) json["outputs"][name] = path;
  if (!spec.code.empty()) json["code"] = spec.code.str();
  for (const auto& use : spec.secrets) json["secrets"].push_back(to_text(use));
  if (!spec.array.empty()) json["array"] = to_text(spec.array);
  for (const auto& id : spec.after) json["after"].push_back(id.str());
  for (const auto earlier : after_earlier) json["after"].push_back("#" + std::to_string(earlier));
  if (spec.requeue) json["requeue"] = true;
  if (r.exclusive) json["exclusive"] = true;
  return json;
}

}  // namespace hansa::wire
