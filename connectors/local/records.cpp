// SPDX-License-Identifier: Apache-2.0
#include "connectors/local/records.hpp"

#include "broker/domain/event.hpp"
#include "broker/domain/json_fields.hpp"

#include <algorithm>

namespace hansa::connectors::local {

using domain::FieldReader;
using domain::put;

Json to_json(const JobRecord& record) {
  Json environment = Json::array();
  for (const auto& [name, value] : record.launch.environment) environment.push_back({{"name", name}, {"value", value}});
  Json json{{"id", record.id},
          {"tag", record.tag.str()},
          {"person", record.person.str()},
          {"account", record.account.str()},
          {"scheduler_account", record.scheduler_account},
          {"queue", record.queue.str()},
          {"spec", domain::to_json(record.spec)},
          {"submitted_at", to_unix_ms(record.submitted_at)},
          {"work_dir", record.launch.work_dir},
          {"out", record.launch.out},
          {"err", record.launch.err},
          {"environment", std::move(environment)}};
  if (record.array != 0) {
    json["array"] = record.array;
    json["task"] = record.task;
  }
  return json;
}

Result<JobRecord> job_record(std::string_view text) {
  const auto json = parse_json(text);
  if (!json) return std::unexpected(json.error());
  FieldReader fields(*json);
  JobRecord record{
      .id = fields.integer("id"),
      .tag = Tag(fields.text("tag")),
      .person = Principal(fields.text("person")),
      .account = LocalAccount(fields.text("account")),
      .scheduler_account = fields.text("scheduler_account"),
      .queue = QueueName(fields.text("queue")),
      .spec = {},
      .submitted_at = fields.time("submitted_at"),
      .launch = {.work_dir = fields.text("work_dir"), .out = fields.text("out"), .err = fields.text("err"), .environment = {}}};
  for (const auto& entry : fields.array("environment")) {
    FieldReader variable(entry);
    record.launch.environment.emplace_back(variable.text("name"), variable.text("value"));
    if (!variable.ok()) return variable.error("local job");
  }
  if (json->contains("array")) {
    record.array = fields.integer("array");
    record.task = fields.small("task");
    if (record.array < 1 || record.array > record.id) fields.miss("array");
  }
  if (!fields.ok()) return fields.error("local job");
  const auto spec = json->find("spec");
  if (spec == json->end()) return fail(ErrorKind::internal, "BAD_STORED_JSON", "a stored local job has no specification");
  auto parsed = domain::spec_from_json(*spec);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  record.spec = std::move(*parsed);
  if (record.array != 0 && !std::ranges::binary_search(record.spec.array.tasks, record.task))
    return fail(ErrorKind::internal, "BAD_STORED_JSON", "a stored local job is no task of its array");
  return record;
}

Json to_json(const StartRecord& record) {
  return {{"supervisor", record.supervisor},
          {"supervisor_started", record.supervisor_started},
          {"payload", record.payload},
          {"boot_id", record.boot_id},
          {"started_at", to_unix_ms(record.started_at)}};
}

Result<StartRecord> start_record(std::string_view text) {
  const auto json = parse_json(text);
  if (!json) return std::unexpected(json.error());
  FieldReader fields(*json);
  StartRecord record{.supervisor = fields.small("supervisor"),
                     .supervisor_started = static_cast<std::uint64_t>(fields.integer("supervisor_started")),
                     .payload = fields.small("payload"),
                     .boot_id = fields.text("boot_id"),
                     .started_at = fields.time("started_at")};
  if (record.supervisor <= 1) fields.miss("supervisor");  // 0, -1 and 1 would mean a great many processes to kill()
  if (record.payload <= 1) fields.miss("payload");
  if (!fields.ok()) return fields.error("local job's start");
  return record;
}

Json to_json(const ResultRecord& record) {
  Json json{{"started_at", to_unix_ms(record.started_at)},
            {"ended_at", to_unix_ms(record.ended_at)},
            {"timed_out", record.timed_out},
            {"cancelled", record.cancelled},
            {"interrupted", record.interrupted},
            {"launch_error", record.launch_error},
            {"survivors", record.survivors},
            {"user_time_ms", record.user_time.count()},
            {"system_time_ms", record.system_time.count()}};
  put(json, "exit_code", record.exit_code);
  put(json, "signal", record.signal);
  return json;
}

Result<ResultRecord> result_record(std::string_view text) {
  const auto json = parse_json(text);
  if (!json) return std::unexpected(json.error());
  FieldReader fields(*json);
  ResultRecord record{.started_at = fields.time("started_at"),
                      .ended_at = fields.time("ended_at"),
                      .exit_code = fields.optional_small("exit_code"),
                      .signal = fields.optional_small("signal"),
                      .timed_out = fields.flag("timed_out"),
                      .cancelled = fields.flag("cancelled"),
                      .interrupted = fields.flag("interrupted"),
                      .launch_error = fields.text_or_empty("launch_error"),
                      .survivors = fields.small("survivors"),
                      .user_time = Milliseconds{fields.integer("user_time_ms")},
                      .system_time = Milliseconds{fields.integer("system_time_ms")}};
  if (!fields.ok()) return fields.error("local job's result");
  return record;
}

Json to_json(const EndRecord& record) {
  Json json{{"sequence", record.sequence},
            {"site_state", record.site_state},
            {"outcome", domain::to_string(record.outcome)},
            {"ended_at", to_unix_ms(record.ended_at)}};
  put(json, "started_at", record.started_at);
  put(json, "exit_code", record.exit_code);
  put(json, "signal", record.signal);
  domain::put_reason(json, record.reason);
  return json;
}

Result<EndRecord> end_record(std::string_view text) {
  const auto json = parse_json(text);
  if (!json) return std::unexpected(json.error());
  FieldReader fields(*json);
  const auto outcome = domain::parse_outcome(fields.text("outcome"));
  if (!outcome) fields.miss("outcome");
  EndRecord record{.sequence = fields.integer("sequence"),
                   .site_state = fields.text("site_state"),
                   .outcome = outcome.value_or(domain::Outcome::failed),
                   .started_at = fields.optional_time("started_at"),
                   .ended_at = fields.time("ended_at"),
                   .exit_code = fields.optional_small("exit_code"),
                   .signal = fields.optional_small("signal"),
                   .reason = fields.reason()};
  if (!fields.ok()) return fields.error("local job's end");
  return record;
}

}  // namespace hansa::connectors::local
