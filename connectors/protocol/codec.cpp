// SPDX-License-Identifier: Apache-2.0
#include "connectors/protocol/codec.hpp"

#include "broker/domain/code_archive.hpp"
#include "broker/domain/event.hpp"
#include "broker/domain/secret_use.hpp"
#include "broker/domain/variant.hpp"
#include "connectors/protocol/fields.hpp"

#include <utility>

namespace hansa::connectors::protocol {

using domain::CancelOutcome;
using domain::put;
using ports::CancelWhen;
using ports::FileFacts;
using ports::FileState;
using ports::JobStatus;
using ports::Phase;
using ports::SiteJob;
using ports::Stream;

namespace {

constexpr std::size_t kMaxScriptBytes = std::size_t{3} << 20;
constexpr std::size_t kMaxArgumentBytes = std::size_t{256} << 10;
constexpr std::size_t kMaxPathBytes = 4'096;
constexpr std::size_t kMaxPaths = 10'000;
constexpr std::size_t kMaxTasksBytes = domain::kMaxTasks * 9;

constexpr Names<Phase, 5> kPhases{{{Phase::not_seen, "not_seen"},
                                   {Phase::queued, "queued"},
                                   {Phase::running, "running"},
                                   {Phase::finishing, "finishing"},
                                   {Phase::ended, "ended"}}};
constexpr Names<CancelWhen, 2> kWhens{{{CancelWhen::only_while_pending, "only_while_pending"}, {CancelWhen::always, "always"}}};
constexpr Names<Stream, 2> kStreams{{{Stream::out, "out"}, {Stream::err, "err"}}};
constexpr Names<FileState, 6> kFileStates{{{FileState::missing, "missing"},
                                           {FileState::file, "file"},
                                           {FileState::folder, "folder"},
                                           {FileState::link, "link"},
                                           {FileState::special, "special"},
                                           {FileState::unreadable, "unreadable"}}};

/// Left out where it says nothing.
void put_text(Json& json, const char* key, const std::string& text, std::size_t most = kMaxWordsBytes) {
  if (!text.empty()) json[key] = text.substr(0, most);
}
void put_number(Json& json, const char* key, std::int64_t value) {
  if (value != 0) json[key] = value;
}

Json job_to_json(const SiteJob& job) {
  Json json{{"id", job.id.str()},
            {"tag", job.tag.str()},
            {"person", job.person.str()},
            {"intended_at_ms", to_unix_ms(job.intended_at)}};
  put_text(json, "account", job.account.str());
  put_text(json, "tasks", domain::task_ranges(job.tasks), kMaxTasksBytes);
  if (job.these_tasks_only) json["these_tasks_only"] = true;
  return json;
}

/// "0-3,7": none if it is missing.
std::vector<std::int32_t> read_tasks(Fields& f) {
  const auto text = f.words("tasks", kMaxTasksBytes);
  if (text.empty()) return {};
  auto array = domain::parse_task_array(text);
  if (!array || array->at_most != 0) return f.miss("tasks"), std::vector<std::int32_t>{};
  return std::move(array->tasks);
}

/// What stands in names of files: any tag of ours does, and nothing that leads elsewhere.
bool is_plain(std::string_view tag) {
  return !tag.empty() && std::ranges::all_of(tag, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

/// A path that stays beneath the folder that it is asked for in.
bool is_beneath(std::string_view path) {
  if (path.empty() || path.starts_with('/') || path.contains('\0') || path.size() > kMaxPathBytes) return false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    if (const auto step = path.substr(begin, end - begin); step == "." || step == "..") return false;
    begin = end + 1;
  }
  return true;
}

Result<SiteJob> read_job(const Json& json) {
  Fields f(json);
  SiteJob job{.id = f.as<SiteJobId>("id"),
              .tag = Tag(f.needed_word("tag")),
              .account = f.as<LocalAccount>("account"),
              .person = f.as<Principal>("person"),
              .intended_at = f.at("intended_at_ms"),
              .tasks = read_tasks(f),
              .these_tasks_only = f.flag("these_tasks_only")};
  if (!is_plain(job.tag.str())) f.miss("tag");
  if (job.these_tasks_only && job.tasks.empty()) f.miss("these_tasks_only");
  if (!f.ok()) return f.refused("a job");
  return job;
}

Json one_to_json(const JobStatus& status) {
  Json json{{"id", status.id.str()}, {"phase", name_of(kPhases, status.phase)}};
  put_number(json, "run", status.run);
  put_text(json, "site_state", status.site_state);
  put_text(json, "pending_reason", status.pending_reason);
  put(json, "started_at_ms", status.started_at);
  put(json, "ended_at_ms", status.ended_at);
  put(json, "expected_start_ms", status.expected_start);
  if (status.outcome && status.phase == Phase::ended) json["outcome"] = domain::to_string(*status.outcome);
  put(json, "exit_code", status.exit_code);
  put(json, "signal", status.signal);
  if (!status.reason.code.empty() || !status.reason.message.empty())
    json["reason"] = {{"code", status.reason.code}, {"message", status.reason.message.substr(0, kMaxWordsBytes)}};
  if (status.granted) json["granted"] = domain::to_json(*status.granted);
  return json;
}

/// With its tasks, of an array: none of them has any.
Json status_to_json(const JobStatus& status) {
  auto json = one_to_json(status);
  for (const auto& task : status.tasks) {
    auto one = one_to_json(task);
    one["task"] = task.task_index;
    json["tasks"].push_back(std::move(one));
  }
  return json;
}

Result<domain::Grant> read_grant(const Json& json) {
  Fields f(json);
  domain::Grant grant{.nodes = f.number("nodes"),
                      .tasks = f.number("tasks"),
                      .cores = f.number("cores"),
                      .gpus = f.number("gpus"),
                      .memory = {f.amount("memory_mib")},
                      .time_limit = Seconds{f.amount("time_limit_s")},
                      .queue = f.as<QueueName>("queue"),
                      .account = f.word("scheduler_account"),
                      .exclusive = {}};
  if (f.has("exclusive")) grant.exclusive = f.flag("exclusive");
  if (!f.ok()) return f.refused("what a job is given");
  return grant;
}

Result<JobStatus> read_one(const Json& json) {
  Fields f(json);
  JobStatus status{.id = f.as<SiteJobId>("id"),
                   .phase = f.choice("phase", kPhases),
                   .run = f.number("run"),
                   .site_state = f.words("site_state"),
                   .pending_reason = f.words("pending_reason"),
                   .started_at = f.maybe_at("started_at_ms"),
                   .ended_at = f.maybe_at("ended_at_ms"),
                   .outcome = {},
                   .exit_code = f.optional_small("exit_code"),
                   .signal = f.optional_small("signal"),
                   .reason = {},
                   .expected_start = f.maybe_at("expected_start_ms")};
  if (f.has("outcome")) {
    status.outcome = domain::parse_outcome(f.word("outcome"));
    if (!status.outcome) f.miss("outcome");
  }
  // The two go together, whatever is said: an end without an outcome is none that anybody could settle by.
  if ((status.phase == Phase::ended) != status.outcome.has_value()) f.miss("outcome");
  if (f.has("reason")) {
    Fields reason(f.object("reason"));
    status.reason = {reason.word("code"), reason.words("message")};
    if (!reason.ok()) f.miss("reason");
  }
  if (f.has("granted")) status.granted = f.part("granted", read_grant(f.object("granted")));
  if (!f.ok()) return f.refused("a job's status");
  return status;
}

Result<JobStatus> read_status(const Json& json) {
  auto status = read_one(json);
  if (!status) return status;
  Fields f(json);
  const auto& tasks = f.array("tasks");
  if (tasks.size() > domain::kMaxTasks) f.miss("tasks");
  if (!f.ok()) return f.refused("a job's status");
  for (const auto& item : tasks) {
    auto task = read_one(item);
    if (!task) return std::unexpected(std::move(task.error()));
    Fields of_task(item);
    if (!of_task.has("task")) of_task.miss("task");
    task->task_index = static_cast<std::int32_t>(of_task.amount("task", domain::kMaxTaskIndex));
    if (!status->tasks.empty() && task->task_index <= status->tasks.back().task_index) of_task.miss("task");
    if (!of_task.ok()) return of_task.refused("a task's status");
    status->tasks.push_back(std::move(*task));
  }
  return status;
}

Json facts_to_json(const FileFacts& facts) {
  Json json{{"state", name_of(kFileStates, facts.state)}};
  if (facts.state == FileState::file) json.update({{"size", facts.size}, {"version", facts.version}});
  return json;
}

Result<FileFacts> read_facts(const Json& json) {
  Fields f(json);
  FileFacts facts{.state = f.choice("state", kFileStates),
                  .size = static_cast<std::uint64_t>(f.amount("size")),
                  .version = f.word("version")};
  if (facts.state != FileState::file) facts = {.state = facts.state, .size = 0, .version = {}};
  // It stands in ETags and file names.
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  if (!std::ranges::all_of(facts.version, plain) || facts.version.empty() != (facts.state != FileState::file)) f.miss("version");
  if (!f.ok()) return f.refused("a file's facts");
  return facts;
}

}  // namespace

// ---- submission

namespace {

constexpr std::size_t kMaxFacts = 256;
constexpr std::size_t kMaxDatasets = 1'000;

Json facts_to_json(const std::vector<ports::ToldFact>& facts) {
  Json list = Json::array();
  for (const auto& fact : facts) {
    list.push_back(
        {{"attribute", fact.attribute}, {"value", domain::value_json(fact.value)}, {"as_of_ms", to_unix_ms(fact.as_of)}});
  }
  return list;
}

Result<std::vector<ports::ToldFact>> read_told(const Json& json) {
  const auto read = [](const Json& item) -> Result<ports::ToldFact> {
    Fields f(item);
    auto value = f.has("value") ? domain::value_from_json(item["value"]) : std::nullopt;
    if (!value) f.miss("value");
    ports::ToldFact fact{
        .attribute = f.needed_word("attribute"), .value = std::move(value).value_or(false), .as_of = f.at("as_of_ms")};
    if (!f.ok()) return f.refused("a fact");
    return fact;
  };
  if (!json.is_array() || json.size() > kMaxFacts) return fail(ErrorKind::invalid_argument, "BAD_MESSAGE", "a list of facts");
  return read_list<ports::ToldFact>(json, read);
}

Json to_json(const ports::JobFacts& facts) {
  Json datasets = Json::array();
  for (const auto& dataset : facts.datasets) datasets.push_back(facts_to_json(dataset));
  return {{"job", facts_to_json(facts.job)}, {"datasets", std::move(datasets)}};
}

Result<ports::JobFacts> read_job_facts(const Json& json) {
  Fields f(json);
  const auto& datasets = f.array("datasets");
  if (datasets.size() > kMaxDatasets) f.miss("datasets");
  if (!f.ok()) return f.refused("facts");
  auto job = read_told(f.array("job"));
  if (!job) return std::unexpected(std::move(job.error()));
  auto of_datasets = read_list<std::vector<ports::ToldFact>>(datasets, read_told);
  if (!of_datasets) return std::unexpected(std::move(of_datasets.error()));
  if (!f.ok()) return f.refused("facts");
  return ports::JobFacts{.job = std::move(*job), .datasets = std::move(*of_datasets)};
}

}  // namespace

Json to_json(const ports::SubmitRequest& request) {
  Json environment = Json::array();
  for (const auto& [name, value] : request.payload.environment) environment.push_back({{"name", name}, {"value", value}});
  Json json{{"job", request.job.str()},
            {"attempt", request.attempt},
            {"tag", request.tag.str()},
            {"person", request.person.str()},
            {"account", request.account.str()},
            {"scheduler_account", request.scheduler_account},
            {"queue", request.queue.str()},
            {"spec", domain::to_json(request.spec)},
            {"script_base64", to_base64(request.payload.script)},
            {"arguments", request.payload.arguments},
            {"environment", std::move(environment)}};
  put_text(json, "variant", request.variant);
  if (request.devices_per_gpu != 1) json["devices_per_gpu"] = request.devices_per_gpu;
  if (!request.code.id.empty()) json["code"] = {{"id", request.code.id.str()}, {"size", request.code.size}};
  if (request.stages_in) json["stages_in"] = true;
  if (request.facts) json["facts"] = to_json(*request.facts);
  for (const auto& [file, value] : request.secrets)
    json["secrets"].push_back({{"file", file}, {"value_base64", to_base64(value.reveal())}});
  return json;
}

Result<ports::SubmitRequest> read_submit(const Json& json) {
  Fields f(json);
  ports::SubmitRequest request{.job = {},
                               .attempt = f.number("attempt"),
                               .tag = Tag(f.needed_word("tag")),
                               .person = Principal(f.needed_word("person")),
                               .account = f.as<LocalAccount>("account"),
                               .scheduler_account = f.word("scheduler_account"),
                               .queue = f.as<QueueName>("queue"),
                               .spec = f.part("spec", domain::spec_from_json(f.object("spec"))),
                               .payload = {},
                               .code = {},
                               .variant = f.word("variant"),
                               .stages_in = f.flag("stages_in"),
                               .devices_per_gpu = f.has("devices_per_gpu") ? f.number("devices_per_gpu") : 1};
  if (request.devices_per_gpu < 1 || request.devices_per_gpu > domain::kMaxDevicesPerGpu) f.miss("devices_per_gpu");
  if (!domain::is_well_formed(request.spec.software)) f.miss("spec");
  const auto job = Ulid::parse(f.word("job"));
  if (!job) f.miss("job");
  request.job = job.value_or(Ulid());
  const auto tag = domain::parse_tag(request.tag.str());
  if (!tag || tag->job != request.job || tag->attempt != request.attempt) f.miss("tag");
  request.payload.script = f.bytes("script_base64", kMaxScriptBytes);
  request.payload.arguments = f.texts("arguments");
  std::size_t size = 0;
  for (const auto& argument : request.payload.arguments) size += argument.size();
  for (const auto& entry : f.array("environment")) {
    Fields variable(entry);
    request.payload.environment.emplace_back(variable.text("name"), variable.text("value"));
    if (!variable.ok()) f.miss("environment");
    size += entry.is_object() ? request.payload.environment.back().first.size() + request.payload.environment.back().second.size()
                              : 0;
  }
  if (size > kMaxArgumentBytes) f.miss("arguments");
  if (f.has("code")) {
    Fields code(f.object("code"));
    request.code = {.id = code.as<CodeId>("id"), .size = static_cast<std::uint64_t>(code.amount("size")), .read = {}};
    if (!code.ok() || !domain::is_code_id(request.code.id.str()) || request.code.size == 0 ||
        request.code.size > domain::kMaxCodeBytes)
      f.miss("code");
  }
  for (const auto& entry : f.array("secrets")) {
    Fields secret(entry);
    request.secrets.push_back(
        {.file = secret.word("file"), .value = Secret(secret.bytes("value_base64", domain::kMaxSecretBytes))});
    if (!secret.ok() || !secret.has("value_base64") || !domain::is_secret_name(request.secrets.back().file) ||
        request.secrets.size() > domain::kMaxSecretsOfJob) {
      f.miss("secrets");
      break;
    }
  }
  if (f.has("facts")) request.facts = f.part("facts", read_job_facts(f.object("facts")));
  if (!f.ok()) return f.refused("a submission");
  return request;
}

Json to_json(const ports::SubmitReceipt& receipt) { return {{"site_job_id", receipt.site_job_id.str()}}; }

Result<ports::SubmitReceipt> read_receipt(const Json& json) {
  Fields f(json);
  ports::SubmitReceipt receipt{.site_job_id = SiteJobId(f.needed_word("site_job_id"))};
  if (!f.ok()) return f.refused("a receipt");
  return receipt;
}

Json to_json(const CodePieceRequest& request) {
  return {{"code", request.code.str()}, {"offset", request.offset}, {"limit", request.limit}};
}

Result<CodePieceRequest> read_code_piece_request(const Json& json) {
  Fields f(json);
  CodePieceRequest request{.code = f.as<CodeId>("code"),
                           .offset = static_cast<std::uint64_t>(f.amount("offset")),
                           .limit = std::min(kMaxPieceBytes, static_cast<std::size_t>(f.amount("limit")))};
  if (!f.ok()) return f.refused("a request for code");
  return request;
}

Json bytes_to_json(std::string_view bytes) { return {{"bytes_base64", to_base64(bytes)}}; }

Result<std::string> read_bytes(const Json& json, std::size_t most) {
  Fields f(json);
  auto bytes = f.bytes("bytes_base64", most);
  if (!f.ok()) return f.refused("bytes");
  return bytes;
}

// ---- questions

Json jobs_to_json(const std::vector<SiteJob>& jobs) {
  Json list = Json::array();
  for (const auto& job : jobs) list.push_back(job_to_json(job));
  return {{"jobs", std::move(list)}};
}

Result<std::vector<SiteJob>> read_jobs(const Json& json) {
  Fields f(json);
  auto jobs = read_list<SiteJob>(f.array("jobs"), read_job);
  if (!f.ok()) return f.refused("a list of jobs");
  return jobs;
}

Json to_json(const ports::FindResult& found) {
  Json sightings = Json::array();
  for (const auto& sighting : found.sightings) {
    sightings.push_back({{"tag", sighting.tag.str()},
                         {"cluster", sighting.cluster},
                         {"account", sighting.account.str()},
                         {"submitted_at_ms", to_unix_ms(sighting.submitted_at)},
                         {"status", status_to_json(sighting.status)}});
  }
  return {{"sightings", std::move(sightings)}, {"queue_seen", found.queue_seen}, {"history_seen", found.history_seen}};
}

Result<ports::FindResult> read_found(const Json& json) {
  Fields f(json);
  const auto read_sighting = [](const Json& item) -> Result<ports::Sighting> {
    Fields s(item);
    ports::Sighting sighting{.tag = Tag(s.needed_word("tag")),
                             .cluster = s.word("cluster"),
                             .account = s.as<LocalAccount>("account"),
                             .submitted_at = s.at("submitted_at_ms"),
                             .status = s.part("status", read_status(s.object("status")))};
    if (sighting.status.id.empty()) s.miss("status");
    if (!s.ok()) return s.refused("a sighting");
    return sighting;
  };
  auto sightings = read_list<ports::Sighting>(f.array("sightings"), read_sighting);
  if (!sightings) return std::unexpected(std::move(sightings.error()));
  ports::FindResult found{
      .sightings = std::move(*sightings), .queue_seen = f.flag("queue_seen"), .history_seen = f.flag("history_seen")};
  if (!f.ok()) return f.refused("what was found");
  return found;
}

Json to_json(const std::vector<JobStatus>& statuses) {
  Json list = Json::array();
  for (const auto& status : statuses) list.push_back(status_to_json(status));
  return {{"statuses", std::move(list)}};
}

Result<std::vector<JobStatus>> read_statuses(const Json& json, std::size_t wanted) {
  Fields f(json);
  const auto& list = f.array("statuses");
  if (list.size() != wanted) f.miss("statuses");
  if (!f.ok()) return f.refused("the states of " + std::to_string(wanted) + " jobs");
  return read_list<JobStatus>(list, read_status);
}

// ---- interventions

Json to_json(const CancelRequest& request) {
  return {{"job", job_to_json(request.job)}, {"when", name_of(kWhens, request.when)}};
}

Result<CancelRequest> read_cancel(const Json& json) {
  Fields f(json);
  CancelRequest request{.job = f.part("job", read_job(f.object("job"))), .when = f.choice("when", kWhens)};
  if (!f.ok()) return f.refused("a cancellation");
  return request;
}

Json to_json(CancelOutcome outcome) { return {{"outcome", domain::to_string(outcome)}}; }

Result<CancelOutcome> read_cancel_outcome(const Json& json) {
  Fields f(json);
  const auto outcome = domain::parse_cancel_outcome(f.word("outcome"));
  if (!outcome) f.miss("outcome");
  if (!f.ok()) return f.refused("the outcome of a cancellation");
  return *outcome;
}

Json to_json(const ports::Fence& fence) {
  Json json{{"tag", fence.tag.str()},
            {"task_index", fence.task_index},
            {"account", fence.account.str()},
            {"person", fence.person.str()}};
  if (fence.whole_array) json["whole_array"] = true;
  return json;
}

Result<ports::Fence> read_fence(const Json& json) {
  Fields f(json);
  ports::Fence fence{.tag = Tag(f.needed_word("tag")),
                     .task_index = f.number("task_index"),
                     .account = f.as<LocalAccount>("account"),
                     .person = f.as<Principal>("person"),
                     .whole_array = f.flag("whole_array")};
  if (!is_plain(fence.tag.str())) f.miss("tag");
  if (!f.ok()) return f.refused("a fence");
  return fence;
}

Json to_json(const ports::SealOutcome& outcome) { return {{"sealed", outcome.sealed}, {"holder", outcome.holder.str()}}; }

Result<ports::SealOutcome> read_seal_outcome(const Json& json) {
  Fields f(json);
  if (!f.has("sealed")) f.miss("sealed");
  ports::SealOutcome outcome{.sealed = f.flag("sealed"), .holder = f.as<SiteJobId>("holder")};
  if (!f.ok()) return f.refused("the outcome of a seal");
  return outcome;
}

Json to_json(const SecretRemoval& request) { return {{"job", job_to_json(request.job)}, {"files", request.files}}; }

Result<SecretRemoval> read_secret_removal(const Json& json) {
  Fields f(json);
  SecretRemoval request{.job = f.part("job", read_job(f.object("job"))), .files = f.texts("files")};
  if (request.files.size() > domain::kMaxSecretsOfJob || !std::ranges::all_of(request.files, domain::is_secret_name))
    f.miss("files");
  if (!f.ok()) return f.refused("a removal of secrets");
  return request;
}

// ---- files

Json to_json(const OutputRequest& request) {
  return {{"job", job_to_json(request.job)},
          {"stream", name_of(kStreams, request.stream)},
          {"offset", request.offset},
          {"limit", request.limit}};
}

Result<OutputRequest> read_output_request(const Json& json) {
  Fields f(json);
  OutputRequest request{.job = f.part("job", read_job(f.object("job"))),
                        .stream = f.choice("stream", kStreams),
                        .offset = static_cast<std::uint64_t>(f.amount("offset")),
                        .limit = std::min(kMaxPieceBytes, static_cast<std::size_t>(f.amount("limit")))};
  if (!f.ok()) return f.refused("a request for output");
  return request;
}

Json to_json(const ports::OutputChunk& chunk) {
  auto json = bytes_to_json(chunk.bytes);
  json["next_offset"] = chunk.next_offset;
  json["exists"] = chunk.exists;
  return json;
}

Result<ports::OutputChunk> read_output_chunk(const Json& json) {
  Fields f(json);
  if (!f.has("exists")) f.miss("exists");
  ports::OutputChunk chunk{.bytes = f.bytes("bytes_base64", kMaxPieceBytes),
                           .next_offset = static_cast<std::uint64_t>(f.amount("next_offset")),
                           .exists = f.flag("exists")};
  if (!f.ok()) return f.refused("a piece of output");
  return chunk;
}

Json to_json(const LookRequest& request) { return {{"job", job_to_json(request.job)}, {"paths", request.paths}}; }

Result<LookRequest> read_look_request(const Json& json) {
  Fields f(json);
  LookRequest request{.job = f.part("job", read_job(f.object("job"))), .paths = f.texts("paths")};
  if (request.paths.size() > kMaxPaths || !std::ranges::all_of(request.paths, is_beneath)) f.miss("paths");
  if (!f.ok()) return f.refused("a look at files");
  return request;
}

Json to_json(const std::vector<FileFacts>& files) {
  Json list = Json::array();
  for (const auto& facts : files) list.push_back(facts_to_json(facts));
  return {{"files", std::move(list)}};
}

Result<std::vector<FileFacts>> read_file_facts(const Json& json, std::size_t wanted) {
  Fields f(json);
  const auto& list = f.array("files");
  if (list.size() != wanted) f.miss("files");
  if (!f.ok()) return f.refused("the facts of " + std::to_string(wanted) + " files");
  return read_list<FileFacts>(list, read_facts);
}

Json to_json(const FileRequest& request) {
  return {{"job", job_to_json(request.job)}, {"path", request.path}, {"offset", request.offset}, {"limit", request.limit}};
}

Result<FileRequest> read_file_request(const Json& json) {
  Fields f(json);
  FileRequest request{.job = f.part("job", read_job(f.object("job"))),
                      .path = f.words("path", kMaxPathBytes),
                      .offset = static_cast<std::uint64_t>(f.amount("offset")),
                      .limit = std::min(kMaxPieceBytes, static_cast<std::size_t>(f.amount("limit")))};
  if (!is_beneath(request.path)) f.miss("path");
  if (!f.ok()) return f.refused("a request for a file");
  return request;
}

Json to_json(const ports::FileChunk& chunk) {
  auto json = bytes_to_json(chunk.bytes);
  json["file"] = facts_to_json(chunk.facts);
  return json;
}

Result<ports::FileChunk> read_file_chunk(const Json& json) {
  Fields f(json);
  ports::FileChunk chunk{.bytes = f.bytes("bytes_base64", kMaxPieceBytes), .facts = f.part("file", read_facts(f.object("file")))};
  if (chunk.facts.state != FileState::file && !chunk.bytes.empty()) f.miss("bytes_base64");
  if (!f.ok()) return f.refused("a piece of a file");
  return chunk;
}

}  // namespace hansa::connectors::protocol
