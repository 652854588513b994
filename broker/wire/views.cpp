// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/views.hpp"

#include "broker/core/time_text.hpp"
#include "broker/wire/job_text.hpp"
#include "broker/wire/job_variants.hpp"

#include <map>
#include <span>
#include <vector>

namespace hansa::wire {

using namespace domain;

namespace {

Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json or_null(const std::optional<UtcTime>& time) { return time ? Json(format_utc(*time)) : Json(); }
Json or_null(const std::optional<std::int32_t>& number) { return number ? Json(*number) : Json(); }
Json reason_view(const Reason& reason) {
  return reason.code.empty() ? Json() : Json{{"code", reason.code}, {"message", reason.message}};
}

Json resources_view(const Resources& r) {
  Json json{{"nodes", r.nodes}, {"tasks", r.tasks}, {"cpus_per_task", r.cpus_per_task}, {"gpus_per_node", r.gpus_per_node}};
  if (r.memory_per_node.value > 0) json["memory_per_node_mib"] = r.memory_per_node.value;
  if (!r.gpu_model.empty()) json["gpu_model"] = r.gpu_model;
  return json;
}

/// Into the view of what has it.
void add_spec(Json& json, const JobSpec& spec) {
  json["resources"] = resources_view(spec.resources);
  json["time_limit_s"] = spec.time_limit.count();
  json["requeue"] = spec.requeue;
  json["exclusive"] = spec.resources.exclusive;
  json["placement"] = {{"sites", Json::array()}, {"countries", spec.placement.countries}};
  for (const auto& site : spec.placement.sites) json["placement"]["sites"].push_back(site.str());
  for (const auto* key : {"datasets", "labels", "after"}) json[key] = Json::array();
  for (const auto& id : spec.after) json["after"].push_back({{"id", id.str()}});  // how those are the store tells
  for (const auto& dataset : spec.datasets) json["datasets"].push_back(dataset.str());
  for (const auto& label : spec.labels) json["labels"].push_back(label.str());
  json["outputs"] = Json::object();
  for (const auto& [name, path] : spec.outputs) json["outputs"][name] = path;
  json["code"] = or_null(spec.code.str());
  json["secrets"] = Json::array();
  for (const auto& use : spec.secrets) json["secrets"].push_back(to_text(use));
  json["container"] = nullptr;
  json["modules"] = Json::array();
  json["network"] = "any";
  put_software(json, spec.software);
  json["variants"] = to_json(spec.variants);
  for (auto& variant : json["variants"]) {  // as of the job's own: whoever may look at the job need not know them
    if (!variant.contains("environment")) continue;
    for (auto& value : variant["environment"]) value = nullptr;
  }
  json["array"] = spec.array.empty() ? Json() : Json(to_text(spec.array));
}

Json attempt_view(const Job& job, const Attempt& attempt) {
  const auto otherwise = attempt.granted ? compare(job.spec, attempt, *attempt.granted) : Reason{};
  Json json{{"number", attempt.number},
            {"site", attempt.site.str()},
            {"queue", or_null(attempt.queue.str())},
            {"tag", make_tag(job.id, attempt.number).str()},
            {"state", to_string(attempt.state)},
            {"account", or_null(attempt.account.str())},
            {"scheduler_account", or_null(attempt.scheduler_account)},
            {"variant", or_null(attempt.variant)},
            {"site_job_id", or_null(attempt.site_job_id.str())},
            {"intended_at", format_utc(attempt.intended_at)},
            {"sends", attempt.sends},
            {"sealed", attempt.sealed},
            {"unknown_since", or_null(attempt.unknown_since)},
            {"outcome", attempt.outcome ? Json(to_string(*attempt.outcome)) : Json()},
            {"reason", reason_view(attempt.reason)},
            {"granted", attempt.granted ? to_json(*attempt.granted) : Json()},
            {"granted_otherwise", reason_view(otherwise)},
            {"move", attempt.move ? Json{{"to", attempt.move->to.str()}, {"why", attempt.move->why}} : Json()},
            {"runs", Json::array()}};
  for (const auto& run : attempt.runs) {
    json["runs"].push_back({{"task_index", run.task_index},
                            {"number", run.number},
                            {"started_at", or_null(run.started_at)},
                            {"ended_at", or_null(run.ended_at)},
                            {"exit_code", or_null(run.exit_code)},
                            {"signal", or_null(run.signal)},
                            {"outcome", run.outcome ? Json(to_string(*run.outcome)) : Json()}});
  }
  return json;
}

/// Of an array in its last attempt, or before it has one: the tasks by their state, as ranges.
Json tasks_view(const Job& job) {
  if (job.spec.array.empty()) return {};
  std::map<std::string_view, std::vector<std::int32_t>> by_state;
  const auto* attempt = job.last_attempt();
  const bool left = attempt == nullptr || attempt->outcome == Outcome::never_started;
  std::map<std::int32_t, const Run*> last;
  for (const auto& run : left ? std::span<const Run>() : std::span(attempt->runs)) {
    auto& known = last[run.task_index];
    if (known == nullptr || run.number > known->number) known = &run;
  }
  for (const auto task : job.spec.array.tasks) {
    const auto at = last.find(task);
    const auto* run = at == last.end() ? nullptr : at->second;
    by_state[run == nullptr  ? "waiting"
             : run->outcome  ? to_string(*run->outcome)
             : run->ended_at ? "waiting"
                             : "running"]
        .push_back(task);
  }
  Json json = Json::object();
  for (const auto& [state, tasks] : by_state) json[std::string(state)] = {{"count", tasks.size()}, {"tasks", task_ranges(tasks)}};
  return json;
}

struct KindRow {
  ErrorKind kind;
  int status;
  const char* title;
};
constexpr KindRow kKinds[] = {
    {ErrorKind::invalid_argument, 400, "Bad request"},
    {ErrorKind::unauthenticated, 401, "Not authenticated"},
    {ErrorKind::permission_denied, 403, "Not allowed"},
    {ErrorKind::not_found, 404, "Not found"},
    {ErrorKind::conflict, 409, "Conflict"},
    {ErrorKind::too_large, 413, "Too large"},
    {ErrorKind::rate_limited, 429, "Too many requests"},
    {ErrorKind::unavailable, 503, "Not available"},
    {ErrorKind::cancelled, 503, "Stopping"},
    {ErrorKind::deadline_exceeded, 504, "Took too long"},
    {ErrorKind::unknown_outcome, 502, "Outcome unknown"},
    {ErrorKind::storage_full, 507, "Storage full"},
    {ErrorKind::internal, 500, "Internal error"},
};

}  // namespace

int http_status(ErrorKind kind) {
  for (const auto& row : kKinds) {
    if (row.kind == kind) return row.status;
  }
  return 500;
}

Json job_view(const Job& job) { return Json::parse(job_text(job)); }

Json job_details_view(const Job& job) {
  auto json = job_view(job);
  json["broker_id"] = job.broker_id;
  add_spec(json, job.spec);
  json["cancelled_tasks"] = or_null(task_ranges(job.cancelled_tasks));
  json["transfers"] = Json::array();  // the engine's to tell
  json["tasks"] = tasks_view(job);
  json["attempts"] = Json::array();
  for (const auto& attempt : job.attempts) json["attempts"].push_back(attempt_view(job, attempt));
  return json;
}

Json submission_view(const Submission& submission) {
  const auto& [spec, payload, after_earlier] = submission;
  Json json{{"name", or_null(spec.name)}, {"project", or_null(spec.project.str())}, {"environment", Json::object()}};
  add_spec(json, spec);
  for (const auto& [name, value] : payload.environment) json["environment"][name] = value;
  return json;
}

Json decision_view(const Decision& decision) {
  Json json{{"at", format_utc(decision.at)},
            {"site", decision.chosen ? Json(decision.chosen->str()) : Json()},
            {"queue", or_null(decision.queue.str())},
            {"reason", reason_view(decision.reason)},
            {"policy_hash", or_null(decision.policy_hash)},
            {"verdicts", Json::array()}};
  for (const auto& verdict : decision.verdicts) {
    Json entry{{"site", verdict.site.str()},
               {"possible", verdict.obstacle == Obstacle::none},
               {"obstacle", to_string(verdict.obstacle)},
               {"code", verdict.code},
               {"message", verdict.message},
               {"source", verdict.source}};
    if (verdict.age) entry["age_s"] = verdict.age->count();
    if (!verdict.queue.empty()) entry["queue"] = verdict.queue.str();
    if (!verdict.variant.empty()) entry["variant"] = verdict.variant;
    if (verdict.basis) entry["basis"] = to_string(*verdict.basis);
    if (verdict.predicted) entry["predicted_s"] = verdict.predicted->count();
    if (verdict.correction) entry["correction"] = domain::to_json(*verdict.correction);
    if (verdict.wait) entry["wait_s"] = verdict.wait->count();
    if (verdict.wait_p90) entry["wait_p90_s"] = verdict.wait_p90->count();
    if (verdict.stage_in) {
      const auto& stage = *verdict.stage_in;
      entry["stage_in"] = {
          {"time_s", stage.time.count()}, {"bytes", stage.bytes.value}, {"under_way", stage.under_way}, {"from", Json::array()}};
      for (const auto& source : stage.from)
        entry["stage_in"]["from"].push_back({{"dataset", source.dataset.str()}, {"site", source.site.str()}});
    }
    if (!verdict.method.empty()) entry["method"] = verdict.method;
    if (!verdict.snapshot_hash.empty()) entry["snapshot_hash"] = verdict.snapshot_hash;
    if (verdict.rules) {
      entry["rules"] = {
          {"code", verdict.rules->code}, {"rules", verdict.rules->rules}, {"obligations", verdict.rules->obligations}};
    }
    json["verdicts"].push_back(std::move(entry));
  }
  return json;
}

Json event_view(const JobEvent& event, std::int64_t version) {
  return {{"version", version},
          {"at", format_utc(event.at)},
          {"event", event_name(event.body)},
          {"details", domain::to_json(event.body)}};
}

Json usage_record_view(const UsageRecord& record) {
  return {{"site", record.site.str()},
          {"cluster", record.cluster},
          {"site_job_id", record.site_job_id.str()},
          {"account", or_null(record.account.str())},
          {"scheduler_account", or_null(record.scheduler_account)},
          {"queue", or_null(record.queue.str())},
          {"submitted_at", format_utc(record.submitted_at)},
          {"started_at", or_null(record.started_at)},
          {"ended_at", format_utc(record.ended_at)},
          {"site_state", record.site_state},
          {"exit_code", or_null(record.exit_code)},
          {"elapsed_s", record.elapsed.count()},
          {"nodes", record.nodes},
          {"cores", record.cores},
          {"gpus", record.gpus},
          {"core_seconds", record.core_seconds.value},
          {"gpu_seconds", record.gpu_seconds.value},
          {"node_seconds", record.node_seconds.value}};
}

Json problem_view(const Error& error, int status, std::string_view request_id) {
  const char* title = "Internal error";
  for (const auto& row : kKinds) {
    if (row.kind == error.kind) title = row.title;
  }
  Json json{{"type", "about:blank"}, {"title", title}, {"status", status}, {"detail", error.message}, {"code", error.code}};
  if (!request_id.empty()) json["request_id"] = request_id;
  for (const auto& fault : error.faults) json["errors"].push_back({{"pointer", fault.where}, {"detail", fault.message}});
  return json;
}

Error error_from_problem(int status, const Json& problem) {
  Error error{.kind = ErrorKind::internal,
              .code = "HTTP_" + std::to_string(status),
              .message = "the broker answered with status " + std::to_string(status)};
  for (const auto& row : kKinds) {
    if (row.status == status) {
      error.kind = row.kind;
      break;
    }
  }
  error.retryable = status == 429 || status == 503 || status == 504 || status == 507;
  if (!problem.is_object()) return error;
  const auto text = [&](const Json& json, const char* key, std::string fallback) {
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : std::move(fallback);
  };
  error.code = text(problem, "code", error.code);
  error.message = text(problem, "detail", error.message);
  const auto faults = problem.find("errors");
  if (faults != problem.end() && faults->is_array()) {
    for (const auto& fault : *faults) {
      if (fault.is_object()) error.faults.push_back({text(fault, "pointer", ""), text(fault, "detail", "")});
    }
  }
  return error;
}

}  // namespace hansa::wire
