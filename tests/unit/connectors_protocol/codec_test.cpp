// SPDX-License-Identifier: Apache-2.0
// What is written meets the published schema and is read back as it was; what is wrong is refused, by the field's name.
#include "connectors/protocol/codec.hpp"

#include "broker/core/encoding.hpp"
#include "connectors/protocol/rpc.hpp"

#include <catch2/catch.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <fstream>
#include <set>

using namespace hansa;
using namespace hansa::connectors::protocol;

namespace {

const Json& published() {
  static const Json kSchema = Json::parse(std::ifstream(std::string(HANSA_SOURCE_DIR) + "/docs/connector-protocol.schema.json"));
  return kSchema;
}

/// Why `value` is no such thing; "" if it is.
std::string fault_of(const std::string& definition, const Json& value) {
  auto root = published()["definitions"].at(definition);
  root["definitions"] = published()["definitions"];
  valijson::Schema schema;
  valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
  parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(root), schema);
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(schema, valijson::adapters::NlohmannJsonAdapter(value), &results)) return "";
  valijson::ValidationResults::Error error;
  std::string fault = definition + ":";
  while (results.popError(error)) {
    fault += " ";
    for (const auto& step : error.context) fault += step;
    fault += " " + error.description;
  }
  return fault;
}

/// As it comes out of a line, once the schema has seen it.
Json sent(const std::string& definition, const Json& value) {
  CHECK(fault_of(definition, value) == "");
  return Json::parse(text_of(value));
}

const JobId kJob = *Ulid::parse("01KAZ5T4G3M8Q2R7V9W0X1Y2Z3");
const Tag kTag = domain::make_tag(kJob, 2);

ports::SiteJob a_job() {
  return {.id = SiteJobId("4711"),
          .tag = kTag,
          .account = LocalAccount("alice"),
          .person = Principal("local:alice"),
          .intended_at = from_unix_ms(1'760'000'000'123)};
}

ports::JobStatus ended_status() {
  return {.id = SiteJobId("4711"),
          .phase = ports::Phase::ended,
          .run = 1,
          .site_state = "NODE_FAIL",
          .pending_reason = "",
          .started_at = from_unix_seconds(1'760'000'100),
          .ended_at = from_unix_seconds(1'760'000'200),
          .outcome = domain::Outcome::failed,
          .exit_code = 3,
          .signal = 9,
          .reason = {"NODE_FAIL", "node n1 went away: \xC3\xA4"}};
}

domain::SiteSnapshot a_snapshot() {
  domain::SiteSnapshot s{.cluster = "alpha", .scheduler = "slurm 22.05.8", .sees_everyone = false};
  s.nodes = {{.name = "n1", .cores = 8, .memory = {16'000}, .gpus = 4, .gpu_model = "a100", .usable = false},
             {.name = "n2", .cores = 2, .memory = {100}}};
  s.queues = {{.name = QueueName("main"),
               .up = false,
               .is_default = true,
               .max_time = Seconds{7200},
               .max_nodes = 2,
               .min_nodes = 2,
               .priority_tier = 5,
               .nodes = {0, 1}},
              {.name = QueueName("empty"), .max_time = {}, .max_nodes = {}, .nodes = {}}};
  s.running = {{.id = SiteJobId("1"),
                .queue = QueueName("main"),
                .shares = {{.node = 1, .cores = 2, .memory = {50}, .gpus = 1}},
                .expected_end = from_unix_seconds(1'760'000'000)},
               {.id = {}, .queue = QueueName("main"), .shares = {}, .expected_end = from_unix_seconds(1'760'000'000)}};
  s.waiting = {
      {.id = SiteJobId("2"), .queue = QueueName("main"), .resources = {}, .time_limit = Seconds{60}, .eligible_at = {}},
      {.id = SiteJobId("3[1-9]"),
       .queue = QueueName("main"),
       .resources =
           {.nodes = 2, .tasks = 4, .cpus_per_task = 3, .memory_per_node = {7}, .gpus_per_node = 1, .gpu_model = "mi250"},
       .time_limit = Seconds{60},
       .priority = -5,
       .eligible = false,
       .eligible_at = from_unix_seconds(1'760'000'000)}};
  s.reservations = {
      {.name = "maintenance", .start = from_unix_seconds(1'760'000'000), .end = from_unix_seconds(1'760'100'000), .nodes = {1}}};
  s.quiet_until = from_unix_seconds(1'760'000'000);
  s.own_budget = {{.kind = "queries", .used = 3, .limit = 10}, {.kind = "concurrent_calls", .used = 0, .limit = 4}};
  s.site_rules = "a digest";
  return s;
}

ports::SubmitRequest a_submission() {
  ports::SubmitRequest request{.job = kJob,
                               .attempt = 2,
                               .tag = kTag,
                               .person = Principal("local:alice"),
                               .account = LocalAccount("alice"),
                               .scheduler_account = "proj1",
                               .queue = QueueName("main"),
                               .spec = {},
                               .payload = {.script = std::string("#!/bin/sh\0\xff\n", 12),
                                           .arguments = {"-n", "", "a b\n\"'$(id)"},
                                           .environment = {{"K", "v\n"}, {"EMPTY", ""}}},
                               .code = {}};
  request.spec.name = "train";
  request.spec.project = ProjectId("ai-lab");
  request.spec.resources = {
      .nodes = 2, .tasks = 8, .cpus_per_task = 4, .memory_per_node = {1000}, .gpus_per_node = 1, .gpu_model = "a100"};
  request.spec.requeue = true;
  request.facts = ports::JobFacts{
      .job = {{.attribute = "user.country", .value = std::string("FI"), .as_of = from_unix_ms(1'760'000'000'000)},
              {.attribute = "project.labels", .value = std::vector<std::string>{"open", "internal"}, .as_of = from_unix_ms(0)},
              {.attribute = "project.export_licence", .value = false, .as_of = from_unix_ms(1)},
              {.attribute = "project.export_licence_until", .value = from_unix_ms(2), .as_of = from_unix_ms(1)}},
      .datasets = {{{.attribute = "dataset.id", .value = std::string("d1"), .as_of = from_unix_ms(1)}}, {}}};
  request.code = {.id = CodeId("sha256:" + std::string(64, 'a')), .size = 5'120, .read = {}};
  return request;
}

}  // namespace

TEST_CASE("the schema's own texts are sound, and every method has one") {
  std::set<std::string> methods;
  for (const auto& [name, definition] : published()["definitions"].items()) {
    if (const auto dot = name.find('.'); dot != std::string::npos) methods.insert(name.substr(0, dot));
    CHECK_NOTHROW(fault_of(name, Json::object()));
  }
  for (const auto name :
       {method::initialize, method::ping, method::cancel_request, method::read_code, method::snapshot, method::submit,
        method::find, method::status, method::cancel, method::seal, method::usage, method::read_output, method::look_at,
        method::read_file, method::doctor, method::remove_secrets, method::account_limits})
    CHECK(methods.contains(std::string(name)));
  CHECK(methods.size() == 17);
  CHECK(fault_of("line", Json::parse(request_text(1, "ping", Json::object()))) == "");
  CHECK(fault_of("line", Json::parse(notification_text("cancel_request", {{"id", 1}}))) == "");
  CHECK(fault_of("line", Json::parse(result_text("x", Json::object()))) == "");
  CHECK(fault_of("line", Json::parse(error_text(1, fail(ErrorKind::not_found, "X", "y").error()))) == "");
  CHECK(fault_of("line", {{"jsonrpc", "2.0"}, {"id", 1}}) != "");
}

TEST_CASE("a snapshot goes there as it is") {
  const auto back = read_snapshot(sent("snapshot.result", to_json(a_snapshot())));
  REQUIRE(back.has_value());
  CHECK_FALSE(back->arrays.has_value());
  CHECK(to_json(*back) == to_json(a_snapshot()));
  CHECK(back->nodes[0].gpu_model == "a100");
  CHECK_FALSE(back->nodes[0].usable);
  CHECK(back->nodes[1].usable);
  CHECK(back->queues[0].nodes == std::vector<std::uint32_t>{0, 1});
  CHECK_FALSE(back->queues[1].max_time.has_value());
  CHECK(back->queues[1].up);
  CHECK(back->running[0].shares[0].cores == 2);
  CHECK(back->waiting[0].resources == domain::Resources{});
  CHECK(back->waiting[1].resources == a_snapshot().waiting[1].resources);
  CHECK(back->waiting[1].priority == -5);
  CHECK_FALSE(back->waiting[1].eligible);
  CHECK(back->reservations[0].end == from_unix_seconds(1'760'100'000));
  CHECK(back->quiet_until == from_unix_seconds(1'760'000'000));
  CHECK(back->site_rules == "a digest");
  CHECK(back->own_budget == a_snapshot().own_budget);
  CHECK_FALSE(back->sees_everyone);
}

TEST_CASE("arrays go there: which a site runs, which tasks are meant, how each is, whose right it is") {
  auto snapshot = a_snapshot();
  for (const auto& limits :
       {domain::ArrayLimits{}, domain::ArrayLimits{.max_index = 1'000, .any_indices = false, .at_most = false}}) {
    snapshot.arrays = limits;
    const auto back = read_snapshot(sent("snapshot.result", to_json(snapshot)));
    REQUIRE(back.has_value());
    REQUIRE(back->arrays.has_value());
    CHECK(back->arrays->max_index == limits.max_index);
    CHECK(back->arrays->any_indices == limits.any_indices);
    CHECK(back->arrays->at_most == limits.at_most);
  }

  auto submission = a_submission();
  submission.spec.array = domain::parse_task_array("0-99:3%10").value();
  CHECK(read_submit(sent("submit.params", to_json(submission)))->spec.array == submission.spec.array);

  auto job = a_job();
  for (std::int32_t task = 0; task < 1'000; ++task) job.tasks.push_back(4'000'000 - 2 * (999 - task));
  job.these_tasks_only = true;
  const auto cancel = read_cancel(sent("cancel.params", to_json(CancelRequest{.job = job, .when = ports::CancelWhen::always})));
  REQUIRE(cancel.has_value());
  CHECK(cancel->job.tasks == job.tasks);
  CHECK(cancel->job.these_tasks_only);
  CHECK_FALSE(read_jobs(sent("status.params", jobs_to_json({a_job()})))->at(0).these_tasks_only);

  auto array = ports::JobStatus{.id = SiteJobId("7"), .phase = ports::Phase::running, .reason = {}};
  auto task = ended_status();
  task.id = SiteJobId("7_3");
  task.task_index = 3;
  array.tasks = {ports::JobStatus{.id = SiteJobId("7_0"), .phase = ports::Phase::running, .reason = {}}, task};
  const auto statuses = read_statuses(sent("status.result", to_json(std::vector{array})), 1);
  REQUIRE(statuses.has_value());
  REQUIRE(statuses->at(0).tasks.size() == 2);
  CHECK(statuses->at(0).phase == ports::Phase::running);
  CHECK(statuses->at(0).tasks[1].task_index == 3);
  CHECK(statuses->at(0).tasks[1].id.str() == "7_3");
  CHECK(statuses->at(0).tasks[1].exit_code == 3);

  const auto fence = read_fence(sent(
      "seal.params", to_json(ports::Fence{.tag = kTag, .account = {}, .person = Principal("local:alice"), .whole_array = true})));
  REQUIRE(fence.has_value());
  CHECK(fence->whole_array);
}

TEST_CASE("secrets go there with the submission, and what takes them away names their files alone") {
  auto submission = a_submission();
  submission.secrets = {{.file = "token", .value = Secret(std::string("s3cret \0\n\xff", 10))},
                        {.file = "x.2", .value = Secret(std::string(3, 'x'))}};
  sent("submit.params", to_json(submission));
  submission.secrets[1].value = Secret(std::string(65'536, 'x'));  // too long for the patterns of who reads the schema here
  const auto json = to_json(submission);
  const auto back = read_submit(json);
  REQUIRE(back.has_value());
  REQUIRE(back->secrets.size() == 2);
  CHECK(back->secrets[0].file == "token");
  CHECK(back->secrets[0].value.reveal() == submission.secrets[0].value.reveal());
  CHECK(back->secrets[1].value.reveal().size() == 65'536);
  for (const auto& bad :
       {Json{{"file", "../x"}, {"value_base64", ""}}, Json{{"file", ""}, {"value_base64", ""}}, Json{{"file", "x"}},
        Json{{"file", "x"}, {"value_base64", to_base64(std::string(65'537, 'x'))}}, Json("x")}) {
    auto wrong = json;
    wrong["secrets"].push_back(bad);
    const auto refused = read_submit(wrong);
    CAPTURE(bad.dump().substr(0, 60));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.contains("secrets"));
  }
  auto many = json;
  for (int i = 0; i < 15; ++i) many["secrets"].push_back(many["secrets"][0]);
  CHECK_FALSE(read_submit(many));

  const auto removal =
      read_secret_removal(sent("remove_secrets.params", to_json(SecretRemoval{.job = a_job(), .files = {"token", "x.2"}})));
  REQUIRE(removal.has_value());
  CHECK(removal->job.tag == kTag);
  CHECK(removal->files == std::vector<std::string>{"token", "x.2"});
  for (const auto* bad : {"", "..", "a/b", ".x"}) {
    CHECK_FALSE(read_secret_removal(to_json(SecretRemoval{.job = a_job(), .files = {bad}})));
  }
}

TEST_CASE("a look at the site goes there and comes back, dated by who asked") {
  const ports::DoctorRequest request{
      .accounts = {LocalAccount("alice"), LocalAccount("")}, .person = Principal("broker:doctor"), .clock_skew = Seconds{30}};
  const auto asked = read_doctor_request(sent("doctor.params", to_json(request)));
  REQUIRE(asked.has_value());
  CHECK(asked->accounts == request.accounts);
  CHECK(asked->person == request.person);
  CHECK(asked->clock_skew == Seconds{30});
  domain::DoctorReport report{.at = {}, .scheduler = "", .findings = {}, .drift = {}, .questions = 9};
  report.findings = {{.check = "VERSION", .verdict = domain::DoctorVerdict::ok, .value = "slurm 22.05.8", .source = "scontrol"},
                     {.check = "QUOTA",
                      .subject = "alice",
                      .verdict = domain::DoctorVerdict::fault,
                      .value = "full\x1b[31m",
                      .source = "quota",
                      .remedy = "make space",
                      .reading = true,
                      .people = {Principal("local:alice"), Principal("local:eve")},
                      .bars = true},
                     {.check = "NETWORK",
                      .verdict = domain::DoctorVerdict::ok,
                      .value = "no default route",
                      .source = "routes",
                      .offers = std::string(domain::kOutboundNetwork),
                      .lacks = true,
                      .queue = QueueName("gpu")}};
  const auto now = from_unix_ms(1'760'000'000'000);
  const auto back = read_report(sent("doctor.result", report_to_json(report)), now);
  REQUIRE(back.has_value());
  CHECK(back->questions == 9);
  CHECK(back->at == now);
  report.findings[1].value = "full [31m";  // it is shown at a terminal
  for (auto& found : report.findings) found.at = now;
  CHECK(back->findings == report.findings);
}

TEST_CASE("what projects have left goes there as it is told, and what is not said is not nothing") {
  const std::vector<ports::ProjectAccount> wanted{{ProjectId("lab"), "proj1"}, {ProjectId("other"), ""}};
  CHECK(read_limits_request(sent("account_limits.params", to_json(wanted))) == wanted);
  ports::AccountLimits limits{.told = true,
                              .age = Seconds{86'400},
                              .limits = {{ProjectId("lab"), {"gres/gpu", 600, 60, 5}},
                                         {ProjectId("lab"), {"billing", domain::kMostMinutes, 0, domain::kMostMinutes}}}};
  const auto back = read_limits(sent("account_limits.result", to_json(limits)));
  REQUIRE(back.has_value());
  CHECK(back->told);
  CHECK(back->age == Seconds{86'400});
  CHECK(back->limits == limits.limits);
  const auto none = read_limits(sent("account_limits.result", to_json(ports::AccountLimits{})));
  REQUIRE(none.has_value());
  CHECK_FALSE(none->told);
  const auto good = to_json(limits);
  for (const auto* patch : {R"({"told": null})", R"({"told": false})", R"({"age_s": -1})", R"({"limits": null})"}) {
    CAPTURE(patch);
    auto wrong = good;
    wrong.merge_patch(Json::parse(patch));
    const auto refused = read_limits(wrong);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == "BAD_MESSAGE");
  }
  for (const auto* patch : {R"({"used_minutes": null})", R"({"limit_minutes": null})", R"({"running_minutes": null})",
                            R"({"used_minutes": -1})", R"({"project": ""})", R"({"resource": null})",
                            R"({"limit_minutes": 1e30})", R"({"running_minutes": 9007199254740993})"}) {
    CAPTURE(patch);
    auto wrong = good;
    wrong["limits"][0].merge_patch(Json::parse(patch));
    CHECK_FALSE(read_limits(wrong));
  }
  CHECK_FALSE(read_limits_request({{"projects", {{{"account", "proj1"}}}}}));
}

TEST_CASE("a submission goes there byte for byte") {
  const auto request = a_submission();
  const auto back = read_submit(sent("submit.params", to_json(request)));
  REQUIRE(back.has_value());
  CHECK(back->job == request.job);
  CHECK(back->attempt == 2);
  CHECK(back->tag == request.tag);
  CHECK(back->person == request.person);
  CHECK(back->account == request.account);
  CHECK(back->scheduler_account == "proj1");
  CHECK(back->queue == request.queue);
  CHECK(back->spec == request.spec);
  CHECK(back->payload == request.payload);
  CHECK(back->code.id == request.code.id);
  CHECK(back->code.size == 5'120);
  CHECK(back->facts == request.facts);
  const auto receipt = read_receipt(sent("submit.result", to_json(ports::SubmitReceipt{.site_job_id = SiteJobId("4711.alpha")})));
  REQUIRE(receipt.has_value());
  CHECK(receipt->site_job_id.str() == "4711.alpha");
}

TEST_CASE("a copy and an image of a dataset go there as such") {
  auto request = a_submission();
  request.stages_in = true;
  for (const auto* image : {"code:images/x.sif", "data:/scratch/torch/x.sif", "data:/scratch/my data/$(id)"}) {
    request.spec.software.image = image;
    request.spec.software.outbound = true;
    const auto back = read_submit(sent("submit.params", to_json(request)));
    REQUIRE(back.has_value());
    CHECK(back->stages_in);
    CHECK(back->spec.software == request.spec.software);
  }
  for (const auto* image : {"code:/etc/x", "code:a b", "data:/a/../b", "data:/a\nb"}) {
    INFO(image);
    request.spec.software.image = image;
    CHECK_FALSE(read_submit(to_json(request)));
  }
}

TEST_CASE("all other questions and answers go there as they are") {
  const auto jobs = read_jobs(sent("status.params", jobs_to_json({a_job()})));
  REQUIRE(jobs.has_value());
  REQUIRE(jobs->size() == 1);
  CHECK((*jobs)[0].id == a_job().id);
  CHECK((*jobs)[0].tag == a_job().tag);
  CHECK((*jobs)[0].account == a_job().account);
  CHECK((*jobs)[0].person == a_job().person);
  CHECK((*jobs)[0].intended_at == a_job().intended_at);

  ports::JobStatus queued{.id = SiteJobId("1"),
                          .phase = ports::Phase::queued,
                          .site_state = "PENDING",
                          .pending_reason = "Resources",
                          .reason = {},
                          .expected_start = from_unix_seconds(1'760'000'000)};
  const auto statuses = read_statuses(
      sent("status.result", to_json(std::vector{ended_status(), queued, ports::JobStatus{.id = SiteJobId("9"), .reason = {}}})),
      3);
  REQUIRE(statuses.has_value());
  const auto& ended = statuses->front();
  CHECK((ended.phase == ports::Phase::ended && ended.run == 1 && ended.outcome == domain::Outcome::failed &&
         ended.exit_code == 3 && ended.signal == 9));
  CHECK(ended.started_at == ended_status().started_at);
  CHECK(ended.ended_at == ended_status().ended_at);
  CHECK(ended.reason == ended_status().reason);
  CHECK((*statuses)[1].expected_start == queued.expected_start);
  CHECK((*statuses)[1].pending_reason == "Resources");
  CHECK((*statuses)[2].phase == ports::Phase::not_seen);

  ports::FindResult found{.sightings = {{.tag = kTag,
                                         .cluster = "alpha",
                                         .account = LocalAccount("alice"),
                                         .submitted_at = from_unix_ms(1'760'000'000'000),
                                         .status = ended_status()}},
                          .queue_seen = true};
  const auto seen = read_found(sent("find.result", to_json(found)));
  REQUIRE(seen.has_value());
  CHECK((seen->queue_seen && !seen->history_seen));
  CHECK(seen->sightings.at(0).cluster == "alpha");
  CHECK(seen->sightings.at(0).submitted_at == found.sightings[0].submitted_at);
  CHECK(seen->sightings.at(0).status.outcome == domain::Outcome::failed);

  const auto cancel =
      read_cancel(sent("cancel.params", to_json(CancelRequest{.job = a_job(), .when = ports::CancelWhen::only_while_pending})));
  REQUIRE(cancel.has_value());
  CHECK(cancel->when == ports::CancelWhen::only_while_pending);
  for (const auto outcome : {domain::CancelOutcome::never_started, domain::CancelOutcome::stopped,
                             domain::CancelOutcome::already_ended, domain::CancelOutcome::unknown})
    CHECK(read_cancel_outcome(sent("cancel.result", to_json(outcome))) == outcome);

  const auto fence = read_fence(sent(
      "seal.params",
      to_json(ports::Fence{.tag = kTag, .task_index = 7, .account = LocalAccount("alice"), .person = Principal("local:alice")})));
  REQUIRE(fence.has_value());
  CHECK((fence->task_index == 7 && fence->tag == kTag && fence->account.str() == "alice"));
  const auto sealed =
      read_seal_outcome(sent("seal.result", to_json(ports::SealOutcome{.sealed = false, .holder = SiteJobId("8")})));
  REQUIRE(sealed.has_value());
  CHECK((!sealed->sealed && sealed->holder.str() == "8"));

  domain::UsageRecord record{.site = SiteId("alpha"),
                             .cluster = "alpha",
                             .site_job_id = SiteJobId("4711"),
                             .tag = kTag,
                             .account = LocalAccount("alice"),
                             .scheduler_account = "proj1",
                             .queue = QueueName("main"),
                             .submitted_at = from_unix_seconds(1'760'000'000),
                             .started_at = from_unix_seconds(1'760'000'010),
                             .ended_at = from_unix_seconds(1'760'000'020),
                             .site_state = "COMPLETED",
                             .exit_code = 0,
                             .elapsed = Seconds{10},
                             .nodes = 1,
                             .cores = 4,
                             .gpus = 1,
                             .core_seconds = {40},
                             .gpu_seconds = {10},
                             .node_seconds = {10},
                             .gpu_model = "a100",
                             .energy_j = 5'000'000,
                             .source_line = "4711|x|\t",
                             .array_id = SiteJobId("47")};
  const auto page = read_usage_page(
      sent("usage.result",
           to_json(ports::UsagePage{.records = {record}, .next = {.text = "c"}, .complete = false, .others = 17})),
      SiteId("alpha"));
  REQUIRE(page.has_value());
  CHECK(page->records == std::vector{record});
  CHECK((page->next.text == "c" && !page->complete && page->others == 17));
  CHECK(read_cursor(sent("usage.params", to_json(ports::UsageCursor{.text = "c"})))->text == "c");

  const auto output = read_output_request(
      sent("read_output.params",
           to_json(OutputRequest{.job = a_job(), .stream = ports::Stream::err, .offset = 5, .limit = 100'000'000})));
  REQUIRE(output.has_value());
  CHECK((output->stream == ports::Stream::err && output->offset == 5 && output->limit == kMaxPieceBytes));
  const std::string bytes("\0\xff\n", 3);
  const auto chunk = read_output_chunk(
      sent("read_output.result", to_json(ports::OutputChunk{.bytes = bytes, .next_offset = 8, .exists = true})));
  REQUIRE(chunk.has_value());
  CHECK((chunk->bytes == bytes && chunk->next_offset == 8 && chunk->exists));

  const auto look =
      read_look_request(sent("look_at.params", to_json(LookRequest{.job = a_job(), .paths = {"a", "-n", "b c/\xC3\xA4"}})));
  REQUIRE(look.has_value());
  CHECK(look->paths == std::vector<std::string>{"a", "-n", "b c/\xC3\xA4"});
  const std::vector<ports::FileFacts> facts{{.state = ports::FileState::file, .size = 3, .version = "1-2.3"},
                                            {.state = ports::FileState::link, .version = {}}};
  CHECK(read_file_facts(sent("look_at.result", to_json(facts)), 2) == facts);
  const auto file =
      read_file_request(sent("read_file.params", to_json(FileRequest{.job = a_job(), .path = "x", .offset = 1, .limit = 2})));
  REQUIRE(file.has_value());
  CHECK((file->path == "x" && file->offset == 1 && file->limit == 2));
  const auto piece = read_file_chunk(sent("read_file.result", to_json(ports::FileChunk{.bytes = bytes, .facts = facts[0]})));
  REQUIRE(piece.has_value());
  CHECK((piece->bytes == bytes && piece->facts == facts[0]));

  const auto code = read_code_piece_request(
      sent("read_code.params", to_json(CodePieceRequest{.code = CodeId("sha256:x"), .offset = 1, .limit = 2})));
  REQUIRE(code.has_value());
  CHECK((code->code.str() == "sha256:x" && code->offset == 1 && code->limit == 2));
  CHECK(read_bytes(sent("read_code.result", bytes_to_json(bytes)), 3) == bytes);
}

TEST_CASE("what a site's end must not say is refused by the field's name") {
  struct Case {
    std::string what;
    Json json;
    std::string field;
  };
  const auto changed = [](Json json, const char* pointer, Json value) {
    json[Json::json_pointer(pointer)] = std::move(value);
    return json;
  };
  const auto snapshot = to_json(a_snapshot());
  const auto statuses = to_json(std::vector{ended_status()});
  const auto facts = to_json(std::vector<ports::FileFacts>{{.state = ports::FileState::file, .size = 3, .version = "1"}});
  const auto page = Json{{"records", {{{"site_job_id", "1"}, {"tag", kTag.str()}, {"submitted_at_ms", 1}, {"ended_at_ms", 2}}}},
                         {"next", ""},
                         {"complete", true}};
  const std::vector<Case> cases{
      {"snapshot", Json::array(), "not an object"},
      {"snapshot", changed(snapshot, "/cluster", ""), "cluster"},
      {"snapshot", changed(snapshot, "/nodes", 3), "nodes"},
      {"snapshot", changed(snapshot, "/nodes/0/cores", -1), "cores"},
      {"snapshot", changed(snapshot, "/nodes/0/cores", 3'000'000'000), "cores"},
      {"snapshot", changed(snapshot, "/nodes/0/name", "a\nb"), "name"},
      {"snapshot", changed(snapshot, "/queues/0/nodes/0", 2), "nodes"},
      {"snapshot", changed(snapshot, "/queues/0/nodes", {1, 0}), "nodes"},
      {"snapshot", changed(snapshot, "/queues/0/nodes/0", -1), "nodes"},
      {"snapshot", changed(snapshot, "/running/0/shares/0/0", 2), "shares"},
      {"snapshot", changed(snapshot, "/running/0/shares/0", {1, 2, 3}), "shares"},
      {"snapshot", changed(snapshot, "/running/0/shares/0", Json::object()), "shares"},
      {"snapshot", changed(snapshot, "/running/0/expected_end_ms", 9e18), "expected_end_ms"},
      {"snapshot", changed(snapshot, "/running/0/expected_end_ms", 300'000'000'000'000), "expected_end_ms"},
      {"snapshot", changed(snapshot, "/waiting/0/nodes", 0), "nodes"},
      {"snapshot", changed(snapshot, "/waiting/0/nodes", 2), "tasks"},
      {"snapshot", changed(snapshot, "/waiting/0/time_limit_s", std::int64_t{1} << 60), "time_limit_s"},
      {"snapshot", changed(snapshot, "/reservations/0/nodes/0", 9), "nodes"},
      {"snapshot", changed(snapshot, "/arrays", 3), "arrays"},
      {"snapshot", changed(snapshot, "/arrays", {{"max_index", -1}}), "arrays"},
      {"snapshot", changed(snapshot, "/arrays", {{"at_most", "yes"}}), "arrays"},
      {"statuses", changed(statuses, "/statuses/0/tasks", 3), "tasks"},
      {"statuses", changed(statuses, "/statuses/0/tasks", Json::array({3})), "not an object"},
      {"statuses", changed(statuses, "/statuses/0/tasks", {{{"id", "7_1"}, {"phase", "queued"}}}), "task"},
      {"statuses", changed(statuses, "/statuses/0/tasks", {{{"id", "7_1"}, {"phase", "ended"}, {"task", 1}}}), "outcome"},
      {"statuses", changed(statuses, "/statuses/0/tasks", {{{"id", "7_1"}, {"phase", "queued"}, {"task", 4'000'001}}}), "task"},
      {"statuses",
       changed(statuses, "/statuses/0/tasks",
               {{{"id", "7_1"}, {"phase", "queued"}, {"task", 1}}, {{"id", "7_1"}, {"phase", "queued"}, {"task", 1}}}),
       "task"},
      {"statuses", changed(statuses, "/statuses/0/tasks", std::vector<Json>(1'001, Json{{"id", "7_1"}})), "tasks"},
      {"report", Json::object(), "findings"},
      {"report", {{"findings", 3}}, "findings"},
      {"report", {{"findings", Json::array()}, {"questions", -1}}, "questions"},
      {"report", {{"findings", {{{"verdict", "ok"}}}}}, "check"},
      {"report", {{"findings", {{{"check", "a b"}, {"verdict", "ok"}}}}}, "check"},
      {"report", {{"findings", {{{"check", "CLOCK"}, {"verdict", "fine"}}}}}, "verdict"},
      {"report", {{"findings", {{{"check", "CLOCK"}, {"verdict", "ok"}, {"bars", true}}}}}, "bars"},
      {"report", {{"findings", {{{"check", "CLOCK"}, {"verdict", "ok"}, {"account", "a\nb"}}}}}, "account"},
      {"report", {{"findings", {{{"check", "CLOCK"}, {"verdict", "ok"}, {"value", std::string(5'000, 'x')}}}}}, "value"},
      {"report",
       {{"findings", {{{"check", "QUOTA"}, {"verdict", "ok"}, {"people", {"local:alice"}}}}}},
       "people"},  // bars nobody
      {"report",
       {{"findings", {{{"check", "QUOTA"}, {"verdict", "fault"}, {"bars", true}, {"people", {std::string(300, 'p')}}}}}},
       "people"},
      {"report", {{"findings", {{{"check", "NETWORK"}, {"verdict", "ok"}, {"offers", 1}}}}}, "offers"},
      {"report", {{"findings", {{{"check", "NETWORK"}, {"verdict", "ok"}, {"queue", "a\nb"}}}}}, "queue"},
      {"snapshot", changed(snapshot, "/budget", 3), "budget"},
      {"snapshot", changed(snapshot, "/budget/queries/used", -1), "budget"},
      {"snapshot", changed(snapshot, "/quiet_until_ms", -1), "quiet_until_ms"},
      {"snapshot", changed(snapshot, "/site_rules", std::string(300, 'r')), "site_rules"},
      {"statuses", Json::object(), "statuses"},
      {"statuses", {{"statuses", Json::array()}}, "statuses"},
      {"statuses", changed(statuses, "/statuses/0/phase", "done"), "phase"},
      {"statuses", changed(statuses, "/statuses/0/phase", "running"), "outcome"},  // of what has not ended
      {"statuses", changed(statuses, "/statuses/0/outcome", "great"), "outcome"},
      {"statuses", changed(statuses, "/statuses/0/exit_code", "3"), "exit_code"},
      {"statuses", changed(statuses, "/statuses/0/run", -1), "run"},
      {"statuses", changed(statuses, "/statuses/0/started_at_ms", -1), "started_at_ms"},
      {"statuses", changed(statuses, "/statuses/0/reason", "x"), "reason"},
      {"statuses", changed(statuses, "/statuses/0/site_state", std::string(5'000, 'x')), "site_state"},
      {"receipt", Json::object(), "site_job_id"},
      {"receipt", {{"site_job_id", ""}}, "site_job_id"},
      {"receipt", {{"site_job_id", 4711}}, "site_job_id"},
      {"receipt", {{"site_job_id", "47\x1b[1m11"}}, "site_job_id"},
      {"receipt", {{"site_job_id", std::string(300, '1')}}, "site_job_id"},
      {"found", {{"sightings", {{{"tag", kTag.str()}}}}}, "submitted_at_ms"},
      {"found",
       {{"sightings", {{{"tag", kTag.str()}, {"submitted_at_ms", 1}, {"status", {{"id", ""}, {"phase", "queued"}}}}}}},
       "status"},
      {"seal", Json::object(), "sealed"},
      {"seal", {{"sealed", 1}}, "sealed"},
      {"cancel", {{"outcome", "done"}}, "outcome"},
      {"usage", changed(page, "/records/0/tag", "hansa-x-1"), "tag"},
      {"usage", changed(page, "/records/0/cores", -4), "cores"},
      {"usage", changed(page, "/records/0/core_seconds", std::int64_t{1} << 51), "core_seconds"},
      {"usage", changed(page, "/complete", "yes"), "complete"},
      {"usage", {{"records", Json::array()}, {"next", ""}}, "complete"},
      {"output", {{"bytes_base64", "A"}, {"next_offset", 1}, {"exists", true}}, "bytes_base64"},
      {"output", {{"bytes_base64", "QQ=="}, {"next_offset", -1}, {"exists", true}}, "next_offset"},
      {"output", {{"bytes_base64", "QQ=="}, {"next_offset", 1}}, "exists"},
      {"facts", changed(facts, "/files/0/version", "a/b"), "version"},
      {"facts", changed(facts, "/files/0/version", ""), "version"},
      {"facts", changed(facts, "/files/0/state", "pipe"), "state"},
      {"facts", {{"files", Json::array()}}, "files"},
      {"chunk", {{"bytes_base64", "QQ=="}, {"file", {{"state", "missing"}}}}, "bytes_base64"},
  };
  const auto message_of = [](const auto& result) {
    return result ? std::string("taken") : result.error().code + " " + result.error().message;
  };
  for (const auto& [what, json, field] : cases) {
    const auto line = Json::parse(text_of(json));
    std::string message;
    if (what == "snapshot") message = message_of(read_snapshot(line));
    if (what == "report") message = message_of(read_report(line, {}));
    if (what == "statuses") message = message_of(read_statuses(line, 1));
    if (what == "receipt") message = message_of(read_receipt(line));
    if (what == "found") message = message_of(read_found(line));
    if (what == "seal") message = message_of(read_seal_outcome(line));
    if (what == "cancel") message = message_of(read_cancel_outcome(line));
    if (what == "usage") message = message_of(read_usage_page(line, SiteId("alpha")));
    if (what == "output") message = message_of(read_output_chunk(line));
    if (what == "facts") message = message_of(read_file_facts(line, 1));
    if (what == "chunk") message = message_of(read_file_chunk(line));
    CAPTURE(what, json.dump().substr(0, 500));
    CHECK_THAT(message, Catch::StartsWith("BAD_MESSAGE") && Catch::Contains(field));
  }
}

TEST_CASE("what a broker must not say is refused by the field's name") {
  const auto request = to_json(a_submission());
  const std::vector<std::tuple<std::string, Json, std::string>> cases{
      {"/job", "x", "job"},
      {"/tag", domain::make_tag(kJob, 3).str(), "tag"},
      {"/tag", "hansa-x-1", "tag"},
      {"/attempt", -1, "attempt"},
      {"/person", "", "person"},
      {"/account", "a\nb", "account"},
      {"/queue", std::string(300, 'q'), "queue"},
      {"/spec", 3, "spec"},
      {"/spec/nodes", "2", "spec"},
      {"/script_base64", "***", "script_base64"},
      {"/script_base64", std::string(5'000'000, 'A'), "script_base64"},
      {"/arguments", {1}, "arguments"},
      {"/arguments", {std::string(300'000, 'a')}, "arguments"},
      {"/environment", {{{"name", "X"}}}, "environment"},
      {"/environment", {"X=1"}, "environment"},
      {"/code/id", "md5:1", "code"},
      {"/code/size", 0, "code"},
      {"/code/size", std::int64_t{1} << 40, "code"},
      {"/facts", 3, "facts"},
      {"/facts/job", {1}, "facts"},
      {"/facts/job", std::vector<int>(300, 1), "facts"},
      {"/facts/job/0/attribute", "a\nb", "facts"},
      {"/facts/job/0/value", 1.5, "facts"},
      {"/facts/job/0/value", {1}, "facts"},
      {"/facts/job/0/as_of_ms", -1, "facts"},
      {"/facts/datasets", {1}, "facts"},
      {"/facts/datasets", "d1", "facts"},
  };
  for (const auto& [pointer, value, field] : cases) {
    auto json = request;
    json[Json::json_pointer(pointer)] = value;
    const auto read = read_submit(Json::parse(text_of(json)));
    CAPTURE(pointer, value.dump().substr(0, 200));
    REQUIRE_FALSE(read.has_value());
    CHECK_THAT(read.error().message, Catch::Contains(field));
  }
  CHECK(read_submit(Json::parse(text_of(request))).has_value());
  CHECK_FALSE(read_jobs(Json::parse(R"({"jobs": [{"id": "1"}]})")).has_value());
  CHECK_FALSE(read_cancel(Json::parse(R"({"job": {}, "when": "now"})")).has_value());
  CHECK_FALSE(read_fence(Json::parse(R"({"tag": ""})")).has_value());
  // Nothing leads out of the account's working folder.
  const auto job = [](const std::string& tag) {
    return R"({"id": "1", "tag": ")" + tag + R"(", "person": "local:alice", "intended_at_ms": 1})";
  };
  const auto file = [&](const std::string& tag, const std::string& path) {
    return read_file_request(Json::parse(R"({"job": )" + job(tag) + R"(, "path": ")" + path + R"(", "offset": 0, "limit": 9})"));
  };
  CHECK(file("hansa-a-1", "results/..model.pt").has_value());
  for (const auto* path : {"../x", "a/../../x", "/etc/passwd", "..", ".", "a/.", ""}) {
    CAPTURE(path);
    CHECK_FALSE(file("hansa-a-1", path).has_value());
    CHECK_FALSE(
        read_look_request(Json::parse(R"({"job": )" + job("hansa-a-1") + R"(, "paths": ["a", ")" + path + R"("]})")).has_value());
  }
  for (const auto* tag : {"../x", "a/b", "..", "a.b"}) {
    CAPTURE(tag);
    CHECK_FALSE(file(tag, "a").has_value());
    CHECK_FALSE(read_fence(Json::parse(R"({"tag": ")" + std::string(tag) + R"(", "task_index": 0, "person": "local:alice"})"))
                    .has_value());
  }
}
