// SPDX-License-Identifier: Apache-2.0
#include "broker/domain/event.hpp"

#include "broker/domain/canonical_text.hpp"
#include "broker/domain/json_fields.hpp"
#include "broker/domain/variant.hpp"

#include <array>
#include <type_traits>

namespace hansa::domain {
namespace {

// One overload of `write` and of `read` for each event, in the order of EventBody.

Json write(const Accepted& e) { return {{"owner", e.owner.str()}, {"broker_id", e.broker_id}, {"spec", to_json(e.spec)}}; }
Json with_reason(Json json, const Reason& reason) {
  put_reason(json, reason);
  return json;
}
Json attempt_only(std::int32_t attempt) { return {{"attempt", attempt}}; }

Json write(const Waiting& e) { return with_reason(Json::object(), e.reason); }
Json write(const Held& e) { return with_reason({{"by_user", e.by_user}}, e.reason); }
Json write(const Released&) { return Json::object(); }
Json write(const Rejected& e) { return with_reason(Json::object(), e.reason); }
Json write(const AttemptIntended& e) {
  Json json{{"attempt", e.attempt},
            {"site", e.site.str()},
            {"queue", e.queue.str()},
            {"account", e.account.str()},
            {"scheduler_account", e.scheduler_account}};
  if (!e.variant.empty()) json["variant"] = e.variant;
  return json;
}
Json write(const AttemptResent& e) { return attempt_only(e.attempt); }
Json write(const AttemptUnknown& e) { return with_reason(attempt_only(e.attempt), e.reason); }
Json write(const AttemptSeenAgain& e) { return attempt_only(e.attempt); }
Json write(const AttemptBound& e) {
  return {{"attempt", e.attempt}, {"site_job_id", e.site_job_id.str()}, {"adopted", e.adopted}};
}
Json write(const SightingQuarantined& e) {
  return with_reason({{"attempt", e.attempt}, {"site_job_id", e.site_job_id.str()}}, e.reason);
}
Json write(const AttemptSealed& e) { return attempt_only(e.attempt); }
Json write(const RunStarted& e) {
  return {{"attempt", e.attempt}, {"task_index", e.task_index}, {"run", e.run}, {"started_at_ms", to_unix_ms(e.started_at)}};
}
Json write(const RunRequeued& e) { return {{"attempt", e.attempt}, {"task_index", e.task_index}, {"run", e.run}}; }
Json write(const RunFinishing& e) { return attempt_only(e.attempt); }
Json write(const AttemptEnded& e) {
  Json json{{"attempt", e.attempt}, {"task_index", e.task_index}, {"run", e.run}, {"outcome", to_string(e.outcome)}};
  put(json, "started_at_ms", e.started_at);
  put(json, "ended_at_ms", e.ended_at);
  put(json, "exit_code", e.exit_code);
  put(json, "signal", e.signal);
  return with_reason(std::move(json), e.reason);
}
Json write(const CancelRequested& e) { return {{"by", e.by.str()}}; }
Json write(const CancelResolved& e) { return {{"outcome", to_string(e.outcome)}}; }
Json write(const Ended& e) { return with_reason({{"state", to_string(e.state)}}, e.reason); }
Json write(const ResolvedLost& e) { return {{"by", e.by.str()}, {"reason", e.reason}}; }
Json write(const MoveIntended& e) {
  auto json = to_json(e.move);
  json["attempt"] = e.attempt;
  return json;
}

Move move_of(FieldReader& f) { return {.to = SiteId{f.text("to")}, .from = SiteJobId{f.text("from")}, .why = f.text("why")}; }
Json write(const Staging& e) { return with_reason(Json::object(), e.reason); }
Json write(const TasksSeen& e) {
  Json json{{"attempt", e.attempt}, {"runs", Json::array()}};
  for (const auto& run : e.runs) {
    Json entry{{"task_index", run.task_index}, {"run", run.number}};
    put(entry, "started_at_ms", run.started_at);
    put(entry, "ended_at_ms", run.ended_at);
    put(entry, "exit_code", run.exit_code);
    put(entry, "signal", run.signal);
    if (run.outcome) entry["outcome"] = to_string(*run.outcome);
    json["runs"].push_back(std::move(entry));
  }
  return json;
}

Json write(const AttemptGranted& e) { return with_reason({{"attempt", e.attempt}, {"grant", to_json(e.grant)}}, e.reason); }
Json write(const TaskCancelRequested& e) { return {{"by", e.by.str()}, {"tasks", task_ranges(e.tasks)}}; }

void read(FieldReader& f, const Json& json, Accepted& e) {
  e.owner = Principal{f.text("owner")};
  e.broker_id = f.text("broker_id");
  auto spec = spec_from_json(json.contains("spec") ? json["spec"] : Json());
  if (!spec) return f.miss("spec");
  e.spec = std::move(*spec);
}
void read(FieldReader& f, const Json&, Waiting& e) { e.reason = f.reason(); }
void read(FieldReader& f, const Json&, Held& e) { e = {.reason = f.reason(), .by_user = f.flag("by_user")}; }
void read(FieldReader&, const Json&, Released&) {}
void read(FieldReader& f, const Json&, Rejected& e) { e.reason = f.reason(); }
void read(FieldReader& f, const Json&, AttemptIntended& e) {
  e.attempt = f.small("attempt");
  e.site = SiteId{f.text("site")};
  e.queue = f.name<QueueName>("queue");
  e.account = f.name<LocalAccount>("account");
  e.scheduler_account = f.text_or_empty("scheduler_account");
  e.variant = f.text_or_empty("variant");
}
void read(FieldReader& f, const Json&, AttemptResent& e) { e.attempt = f.small("attempt"); }
void read(FieldReader& f, const Json&, AttemptUnknown& e) { e = {.attempt = f.small("attempt"), .reason = f.reason()}; }
void read(FieldReader& f, const Json&, AttemptSeenAgain& e) { e.attempt = f.small("attempt"); }
void read(FieldReader& f, const Json&, AttemptBound& e) {
  e = {.attempt = f.small("attempt"), .site_job_id = SiteJobId{f.text("site_job_id")}, .adopted = f.flag("adopted")};
}
void read(FieldReader& f, const Json&, SightingQuarantined& e) {
  e = {.attempt = f.small("attempt"), .site_job_id = SiteJobId{f.text("site_job_id")}, .reason = f.reason()};
}
void read(FieldReader& f, const Json&, AttemptSealed& e) { e.attempt = f.small("attempt"); }
void read(FieldReader& f, const Json&, RunStarted& e) {
  e = {.attempt = f.small("attempt"),
       .task_index = f.small("task_index"),
       .run = f.small("run"),
       .started_at = f.time("started_at_ms")};
}
void read(FieldReader& f, const Json&, RunRequeued& e) {
  e = {.attempt = f.small("attempt"), .task_index = f.small("task_index"), .run = f.small("run")};
}
void read(FieldReader& f, const Json&, RunFinishing& e) { e.attempt = f.small("attempt"); }
void read(FieldReader& f, const Json&, AttemptEnded& e) {
  e.attempt = f.small("attempt");
  e.task_index = f.small("task_index");
  e.run = f.small("run");
  const auto outcome = parse_outcome(f.text("outcome"));
  if (!outcome) f.miss("outcome");
  e.outcome = outcome.value_or(Outcome::failed);
  e.started_at = f.optional_time("started_at_ms");
  e.ended_at = f.optional_time("ended_at_ms");
  e.exit_code = f.optional_small("exit_code");
  e.signal = f.optional_small("signal");
  e.reason = f.reason();
}
void read(FieldReader& f, const Json&, CancelRequested& e) { e.by = Principal{f.text("by")}; }
void read(FieldReader& f, const Json&, CancelResolved& e) {
  const auto outcome = parse_cancel_outcome(f.text("outcome"));
  if (!outcome) f.miss("outcome");
  e.outcome = outcome.value_or(CancelOutcome::unknown);
}
void read(FieldReader& f, const Json&, Ended& e) {
  const auto state = parse_job_state(f.text("state"));
  if (!state) f.miss("state");
  e = {.state = state.value_or(JobState::failed), .reason = f.reason()};
}
void read(FieldReader& f, const Json&, ResolvedLost& e) { e = {.by = Principal{f.text("by")}, .reason = f.text("reason")}; }
void read(FieldReader& f, const Json&, MoveIntended& e) { e = {.attempt = f.small("attempt"), .move = move_of(f)}; }
void read(FieldReader& f, const Json&, Staging& e) { e.reason = f.reason(); }
void read(FieldReader& f, const Json&, TasksSeen& e) {
  e.attempt = f.small("attempt");
  for (const auto& entry : f.array("runs")) {
    FieldReader run(entry);
    e.runs.push_back({.task_index = run.small("task_index"),
                      .number = run.small("run"),
                      .started_at = run.optional_time("started_at_ms"),
                      .ended_at = run.optional_time("ended_at_ms"),
                      .exit_code = run.optional_small("exit_code"),
                      .signal = run.optional_small("signal")});
    if (const auto outcome = run.text_or_empty("outcome"); !outcome.empty()) {
      e.runs.back().outcome = parse_outcome(outcome);
      if (!e.runs.back().outcome) f.miss("runs");
    }
    if (!run.ok()) f.miss("runs");
  }
}

void read(FieldReader& f, const Json& json, AttemptGranted& e) {
  e.attempt = f.small("attempt");
  auto grant = grant_from_json(json.contains("grant") ? json["grant"] : Json());
  if (!grant) return f.miss("grant");
  e.grant = std::move(*grant);
  e.reason = f.reason();
}

void read(FieldReader& f, const Json&, TaskCancelRequested& e) {
  e.by = Principal{f.text("by")};
  auto tasks = parse_task_array(f.text("tasks"));
  if (!tasks) return f.miss("tasks");
  e.tasks = std::move(tasks->tasks);
}

constexpr std::array<std::string_view, std::variant_size_v<EventBody>> kEventNames = {"accepted",
                                                                                      "waiting",
                                                                                      "held",
                                                                                      "released",
                                                                                      "rejected",
                                                                                      "attempt_intended",
                                                                                      "attempt_resent",
                                                                                      "attempt_unknown",
                                                                                      "attempt_seen_again",
                                                                                      "attempt_bound",
                                                                                      "sighting_quarantined",
                                                                                      "attempt_sealed",
                                                                                      "run_started",
                                                                                      "run_requeued",
                                                                                      "run_finishing",
                                                                                      "attempt_ended",
                                                                                      "cancel_requested",
                                                                                      "cancel_resolved",
                                                                                      "ended",
                                                                                      "resolved_lost",
                                                                                      "move_intended",
                                                                                      "staging",
                                                                                      "tasks_seen",
                                                                                      "attempt_granted",
                                                                                      "task_cancel_requested"};

template <std::size_t I = 0>
Result<EventBody> read_body(std::string_view name, const Json& json) {
  if constexpr (I == kEventNames.size()) {
    return fail(ErrorKind::internal, "BAD_STORED_JSON", "no event is called \"" + std::string(name) + "\"");
  } else {
    if (name != kEventNames[I]) return read_body<I + 1>(name, json);
    FieldReader field(json);
    std::variant_alternative_t<I, EventBody> event;
    read(field, json, event);
    if (!field.ok()) return field.error("event " + std::string(name));
    return event;
  }
}

}  // namespace

std::string_view event_name(const EventBody& body) { return kEventNames[body.index()]; }

Json to_json(const EventBody& body) {
  return std::visit([](const auto& event) { return write(event); }, body);
}

Result<EventBody> event_from_json(std::string_view name, const Json& json) { return read_body(name, json); }

Json to_json(const Move& move) { return {{"to", move.to.str()}, {"from", move.from.str()}, {"why", move.why}}; }

Result<Move> move_from_json(const Json& json) {
  FieldReader field(json);
  auto move = move_of(field);
  if (!field.ok()) return field.error("move");
  return move;
}

Json to_json(const JobSpec& spec) { return Json::parse(canonical_text(spec)); }

Result<JobSpec> spec_from_json(const Json& json) {
  FieldReader f(json);
  JobSpec spec;
  spec.name = f.text_or_empty("name");
  spec.project = ProjectId{f.text("project")};
  spec.resources = resources_in(json, f);
  spec.software = software_in(f);
  spec.variants = variants_in(f);
  spec.time_limit = Seconds{f.integer("time_limit_s")};
  for (auto& site : f.texts("sites")) spec.placement.sites.emplace_back(std::move(site));
  spec.placement.countries = f.texts("countries");
  for (auto& dataset : f.texts("datasets")) spec.datasets.emplace_back(std::move(dataset));
  for (auto& label : f.texts("labels")) spec.labels.emplace(std::move(label));
  if (const auto outputs = json.find("outputs"); outputs != json.end()) {
    for (const auto& [name, path] : outputs->items()) {
      if (path.is_string())
        spec.outputs.emplace(name, path.get<std::string>());
      else
        f.miss("outputs");
    }
  }
  spec.code = f.name<CodeId>("code");
  for (const auto& text : f.texts("secrets")) {
    auto use = parse_secret_use(text);
    if (use)
      spec.secrets.push_back(std::move(*use));
    else
      f.miss("secrets");
  }
  if (const auto text = f.text_or_empty("array"); !text.empty()) {
    auto array = parse_task_array(text);
    if (!array) f.miss("array");
    spec.array = std::move(array).value_or(TaskArray{});
  }
  for (const auto& text : f.texts("after")) {
    const auto id = JobId::parse(text);
    if (id)
      spec.after.push_back(*id);
    else
      f.miss("after");
  }
  spec.requeue = f.flag("requeue");
  if (!f.ok()) return f.error("job specification");
  return spec;
}

}  // namespace hansa::domain
