// SPDX-License-Identifier: Apache-2.0
// The document against the routes that it is made from and the answers that it promises. That it is OpenAPI 3.1 at all is
// tests/openapi's business.
#include "broker/api/openapi_parts.hpp"
#include "broker/api/registers.hpp"
#include "broker/api/routes.hpp"
#include "broker/domain/transition.hpp"
#include "broker/wire/allocation_request.hpp"
#include "broker/wire/dataset_request.hpp"
#include "broker/wire/dataset_views.hpp"
#include "broker/wire/fact_request.hpp"
#include "broker/wire/fact_views.hpp"
#include "broker/wire/job_request.hpp"
#include "broker/wire/job_text.hpp"
#include "broker/wire/output_name.hpp"
#include "broker/wire/views.hpp"
#include "policies/rules/vocabulary.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <set>
#include <string>

using namespace hansa;
using namespace hansa::api;

namespace {

const Json& document() {
  static const Json made = openapi_document({.name = "b1", .country = "FI", .version = "1.2.3"});
  return made;
}
const Json& schemas() { return document()["components"]["schemas"]; }

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

void for_each_operation(
    const std::function<void(const std::string& path, const std::string& method, const Json& operation)>& visit) {
  for (const auto& [path, methods] : document()["paths"].items()) {
    for (const auto& [method, operation] : methods.items()) visit(path, method, operation);
  }
}

void for_each_reference(const Json& json, const std::function<void(const std::string&)>& visit) {
  if (json.is_object() && json.contains("$ref")) visit(json["$ref"].get<std::string>());
  if (json.is_structured()) {
    for (const auto& child : json) for_each_reference(child, visit);
  }
}

const Json& resolve(const Json& schema) {
  return schema.contains("$ref") ? document().at(Json::json_pointer(schema["$ref"].get<std::string>().substr(1))) : schema;
}

/// The properties of a schema, those of its allOf included.
std::set<std::string> properties(const std::string& name) {
  std::set<std::string> found;
  const std::function<void(const Json&)> collect = [&](const Json& schema) {
    for (const auto& part : schema.value("allOf", Json::array())) collect(resolve(part));
    for (const auto& [property, value] : schema.value("properties", Json::object()).items()) found.insert(property);
  };
  collect(schemas().at(name));
  return found;
}

std::set<std::string> fields(const Json& answer) {
  std::set<std::string> found;
  for (const auto& [field, value] : answer.items()) found.insert(field);
  return found;
}

bool has_type(const Json& value, const std::string& type) {
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return type == "null" && value.is_null();
}

/// Where `value` breaks `schema`, in the keywords that the document uses; "" if it does not.
std::string breach(const Json& value, const Json& raw, const std::string& at = "") {
  const auto& schema = resolve(raw);
  for (const auto& part : schema.value("allOf", Json::array())) {
    if (auto found = breach(value, part, at); !found.empty()) return found;
  }
  if (schema.contains("enum") && std::ranges::find(schema["enum"], value) == schema["enum"].end())
    return at + ": " + value.dump() + " is not in the enumeration";
  if (schema.contains("type")) {
    const auto& type = schema["type"];
    const bool fits =
        type.is_array() ? std::ranges::any_of(type, [&](const Json& t) { return has_type(value, t); }) : has_type(value, type);
    if (!fits) return at + ": " + value.dump() + " is no " + type.dump();
  }
  if (value.is_array() && schema.contains("items")) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (auto found = breach(value[i], schema["items"], at + "/" + std::to_string(i)); !found.empty()) return found;
    }
  }
  if (!value.is_object()) return "";
  for (const auto& name : schema.value("required", Json::array())) {
    if (!value.contains(name.get<std::string>())) return at + ": no " + name.get<std::string>();
  }
  const auto known = schema.value("properties", Json::object());
  for (const auto& [name, child] : value.items()) {
    if (known.contains(name)) {
      if (auto found = breach(child, known[name], at + "/" + name); !found.empty()) return found;
    } else if (schema.value("additionalProperties", Json(true)) == Json(false)) {
      return at + "/" + name + ": not in the schema";
    }
  }
  return "";
}

constexpr UtcTime at(std::int64_t s) { return from_unix_seconds(1'795'341'600 + s); }

domain::Job a_job() {
  using namespace domain;
  auto job = new_job(*JobId::parse("01ARYZ6S41TSV4RRFFQ69G5FAV"), 1, at(0),
                     {.owner = Principal("local:alice"), .broker_id = "b1", .spec = {.name = "n", .project = ProjectId("p")}});
  job.spec.resources = {.memory_per_node = {512}, .gpus_per_node = 1, .gpu_model = "a100"};
  const EventBody kHistory[] = {
      AttemptIntended{1, SiteId("alpha"), QueueName("main"), LocalAccount("alice"), "acc"},
      AttemptBound{1, SiteJobId("7"), false}, RunStarted{1, 0, 0, at(60)}, CancelRequested{Principal("local:alice")},
      AttemptEnded{
          .attempt = 1, .outcome = Outcome::cancelled, .ended_at = at(70), .exit_code = 1, .signal = 15, .reason = {"R", "r"}}};
  for (const auto& event : kHistory) REQUIRE(apply(job, {at(job.version), event}));
  return job;
}

}  // namespace

TEST_CASE("every route and nothing else is in the document") {
  std::set<std::string> expected, found;
  for (const auto& route : routes())
    expected.insert(lower(route.method) + " " + std::string(route.path) + " " + std::string(route.operation));
  for_each_operation([&](const auto& path, const auto& method, const Json& operation) {
    found.insert(method + " " + path + " " + operation["operationId"].template get<std::string>());
  });
  CHECK(found == expected);
  CHECK(document()["openapi"] == "3.1.0");
  CHECK(document()["info"]["version"] == "1.2.3");
}

TEST_CASE("every operation has its entry, and every entry its operation") {
  const auto parts = parse_json(kOperations);
  REQUIRE(parts);
  std::set<std::string> expected;
  for (const auto& route : routes()) expected.emplace(route.operation);
  CHECK(fields(*parts) == expected);
  for (const auto& [name, part] : parts->items()) {
    CAPTURE(name);
    CHECK(part.contains("answer") != part.contains("content"));
    for (const auto& [key, value] : part.items()) {
      CHECK(std::set<std::string>{"query", "headers", "body", "body_optional", "answer", "content", "content_in", "status",
                                  "or_200"}
                .contains(key));
    }
  }
}

TEST_CASE("every operation says what it answers, when it fails too, and whether it wants a token") {
  for_each_operation([](const auto& path, const auto& method, const Json& operation) {
    CAPTURE(method, path);
    CHECK_FALSE(operation["summary"].template get<std::string>().empty());
    const auto& responses = operation["responses"];
    const bool submission = path.starts_with("/v1/jobs") && responses.contains("201");  // or what was there already
    CHECK(responses.size() == (submission ? 3 : 2));
    for (const auto& [status, response] : responses.items()) {
      CAPTURE(status);
      CHECK((status == "200" || status == "201" || status == "default"));
      CHECK_FALSE(response["description"].template get<std::string>().empty());
      REQUIRE(response["content"].size() == 1);
      CHECK(response["content"].front()["schema"].is_object());
    }
    CHECK(responses["default"]["content"].contains("application/problem+json"));
    const auto route = std::ranges::find(routes(), operation["operationId"].template get<std::string>(), &Route::operation);
    REQUIRE(route != routes().end());
    const auto parameters = operation.value("parameters", Json::array());
    CHECK(route->reads_query == std::ranges::any_of(parameters, [](const Json& p) { return p["in"] == "query"; }));
    const bool open = operation.contains("security") && operation["security"].empty();
    CHECK(open == route->is_open());
  });
  CHECK(document()["security"] == Json::array({{{"token", Json::array()}}, {{"issuer", Json::array()}}}));  // one of them
}

TEST_CASE("every reference leads somewhere, and every schema is used") {
  std::set<std::string> used;
  for_each_reference(document(), [&](const std::string& reference) {
    CAPTURE(reference);
    REQUIRE(reference.starts_with("#/components/schemas/"));
    CHECK(schemas().contains(reference.substr(21)));
    used.insert(reference.substr(21));
  });
  CHECK(used == fields(schemas()));
  for (const auto part : kSchemas) CHECK(parse_json(part));
}

TEST_CASE("every parameter of a path is declared, and no other; names are given once") {
  for_each_operation([](const auto& path, const auto& method, const Json& operation) {
    CAPTURE(method, path);
    std::set<std::string> in_path, declared;
    for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{', at + 1))
      in_path.insert(path.substr(at + 1, path.find('}', at) - at - 1));
    std::set<std::pair<std::string, std::string>> names;
    const auto parameters = operation.value("parameters", Json::array());
    for (const auto& parameter : parameters) {
      const std::string place = parameter["in"];
      CHECK(std::set<std::string>{"path", "query", "header"}.contains(place));
      CHECK(parameter["schema"].contains("type"));
      if (place == "path") {
        declared.insert(parameter["name"]);
        CHECK(parameter["required"] == true);
      } else {
        CHECK_FALSE(parameter["description"].template get<std::string>().empty());
      }
      names.emplace(place, parameter["name"]);
    }
    CHECK(declared == in_path);
    CHECK(names.size() == parameters.size());
  });
}

TEST_CASE("a body is promised only where one can be sent") {
  for_each_operation([](const auto& path, const auto& method, const Json& operation) {
    CAPTURE(method, path);
    if (operation.contains("requestBody")) {
      CHECK((method == "post" || method == "patch" || method == "put"));
      CHECK(operation["requestBody"]["content"].contains(method == "put" ? "application/octet-stream" : "application/json"));
    }
  });
}

TEST_CASE("a job's answers have exactly the documented fields, of the documented types") {
  const auto job = a_job();
  CHECK(fields(wire::job_view(job)) == properties("Job"));
  CHECK(fields(wire::job_details_view(job)) == properties("JobDetails"));
  CHECK(fields(wire::job_details_view(job)["attempts"][0]) == properties("Attempt"));
  CHECK(fields(wire::job_details_view(job)["resources"]) == properties("Resources"));
  CHECK(fields(wire::job_view(job)["cancel"]) == properties("Cancel"));
  CHECK(fields(wire::job_view(job)["reason"]) == properties("Reason"));
  CHECK(breach(wire::job_details_view(job), schemas()["JobDetails"]).empty());
  const auto bare = domain::new_job(job.id, 1, at(0), {});
  CHECK(breach(wire::job_details_view(bare), schemas()["JobDetails"]).empty());
  const std::string notes[] = {"line 2: x"};
  CHECK(fields(Json::parse(wire::job_text(job, notes))) == properties("AcceptedJob"));
  CHECK(breach(Json::parse(wire::job_text(job, notes)), schemas()["AcceptedJob"]).empty());
  for (int i = 0; i <= static_cast<int>(domain::JobState::rejected); ++i) {
    auto in_state = bare;
    in_state.state = static_cast<domain::JobState>(i);
    CHECK(breach(wire::job_view(in_state), schemas()["Job"]).empty());
  }
  CHECK(schemas()["State"]["enum"].size() == 14);
}

TEST_CASE("allocations have exactly the documented fields, of the documented types") {
  const auto view = wire::allocation_view({.project = ProjectId("lab"), .unit = "BU"}, at(5));
  CHECK(breach(view, schemas()["Allocation"]).empty());
  CHECK(fields(view) == properties("Allocation"));
  CHECK(fields(view["forecast"]) == fields(schemas()["Allocation"]["properties"]["forecast"]["properties"]));
  const auto told =
      wire::allocation_view({.kind = domain::AllocationKind::balance, .site = SiteId("alpha"), .until = at(9)}, at(5));
  CHECK(breach(told, schemas()["Allocation"]).empty());
}

TEST_CASE("decisions, events, usage and problems have exactly the documented fields, of the documented types") {
  using namespace domain;
  const Decision decision{.at = at(0),
                          .chosen = SiteId("alpha"),
                          .queue = QueueName("main"),
                          .verdicts = {{.site = SiteId("alpha"),
                                        .code = "OK",
                                        .message = "fits",
                                        .source = "snapshot",
                                        .age = Seconds{5},
                                        .queue = QueueName("main"),
                                        .variant = "amd",
                                        .basis = Basis::queue,
                                        .predicted = Seconds{0},
                                        .correction = Correction{.count = 9, .p50_ppm = 1'000'000, .p90_ppm = 2'000'000},
                                        .wait = Seconds{0},
                                        .wait_p90 = Seconds{60},
                                        .stage_in = StageIn{.time = Seconds{60},
                                                            .bytes = {1 << 20},
                                                            .under_way = true,
                                                            .from = {{.dataset = DatasetId("d"), .site = SiteId("beta")}}},
                                        .method = "played",
                                        .snapshot_hash = "abc",
                                        .rules = RuleVerdict{.code = "PERMITTED", .rules = {"P"}, .obligations = {}}}},
                          .reason = {"EARLIEST", "first"}};
  const auto view = wire::decision_view(decision);
  CHECK(breach(view, schemas()["Decision"]).empty());
  CHECK(fields(view["verdicts"][0]) == properties("Verdict"));
  CHECK(fields(view["verdicts"][0]["rules"]) == properties("RuleVerdict"));
  CHECK(fields(view["verdicts"][0]["stage_in"]) == fields(schemas()["Verdict"]["properties"]["stage_in"]["properties"]));
  auto with_job = properties("Decision");
  with_job.erase("job");  // of a dry run and `explain`
  with_job.erase("fair_share");  // of `explain`, where it counts
  CHECK(fields(view) == with_job);
  CHECK(breach(wire::decision_view({.at = at(0)}), schemas()["Decision"]).empty());

  CHECK(fields(wire::submission_view({})) == properties("Submission"));
  CHECK(breach(wire::submission_view({}), schemas()["Submission"]).empty());

  const Json events{{"events", Json::array({wire::event_view({at(0), Waiting{}}, 2)})}};
  CHECK(breach(events, schemas()["EventList"]).empty());
  CHECK(fields(events["events"][0]) == fields(schemas()["EventList"]["properties"]["events"]["items"]["properties"]));

  CHECK(fields(wire::usage_record_view({})) == properties("UsageRecord"));
  CHECK(breach(wire::usage_record_view({}), schemas()["UsageRecord"]).empty());

  auto error = fail(ErrorKind::conflict, "C", "m").error();
  error.faults = {{"/a", "b"}};
  const auto problem = wire::problem_view(error, 409, "req");
  CHECK(fields(problem) == properties("Problem"));
  CHECK(breach(problem, schemas()["Problem"]).empty());
}

TEST_CASE("datasets, their transfers and their changes have exactly the documented fields, of the documented types") {
  using namespace domain;
  const auto transfer = wire::transfer_view({}, at(0), {});
  CHECK(fields(transfer) == properties("Transfer"));
  CHECK(breach(transfer, schemas()["Transfer"]).empty());
  Dataset dataset{.id = DatasetId("d"), .labels = {Label("open")}};
  dataset.replicas = {{.site = SiteId("alpha")},
                      {.site = SiteId("beta"), .verified = Verification{.by = Principal("a"), .at = at(0), .expires_at = at(9)}}};
  DatasetChange change{.of = dataset.id, .body = ReplicaRemoved{SiteId("alpha")}};
  const auto bare = wire::change_view(change);
  change.ruling = Ruling{.approved = true, .by = Principal("b"), .at = at(1), .reason = "r"};
  const auto view = wire::outcome_view(dataset, std::vector{change}, at(1));
  CHECK(fields(view) == properties("DatasetOutcome"));
  CHECK(fields(view["dataset"]) == properties("Dataset"));
  for (const auto& replica : view["dataset"]["replicas"]) CHECK(fields(replica) == properties("Replica"));
  CHECK(fields(view["changes"][0]) == properties("DatasetChange"));
  CHECK(fields(view["changes"][0]["ruling"]) == properties("Ruling"));
  CHECK(breach(view, schemas()["DatasetOutcome"]).empty());
  CHECK(breach(bare, schemas()["DatasetChange"]).empty());
  CHECK(schemas()["DatasetChange"]["properties"]["change"]["enum"].size() == std::variant_size_v<DatasetChangeBody>);
  CHECK(schemas()["Label"]["enum"] == Json(rules::data_labels()));
}

TEST_CASE("facts and their changes have exactly the documented fields, of the documented types") {
  using namespace domain;
  const FactKey key{parse_subject("site:alpha").value(), "site.country"};
  FactChange change{.of = key,
                    .body = {.before = Statement{.value = true, .evidence = ""}, .made_from = ChangeId{}, .after = {}}};
  for (const bool ruled : {false, true}) {
    if (ruled) change.ruling = Ruling{.approved = true, .by = Principal("b"), .at = at(1), .reason = "r"};
    const auto view = wire::change_view(change);
    CHECK(fields(view) == properties("FactChange"));
    CHECK(breach(view, schemas()["FactChange"]).empty());
  }
  change.body.after = Statement{.value = at(0), .as_of = at(0), .until = at(1), .evidence = "e"};
  CHECK(breach(wire::change_view(change), schemas()["FactChange"]).empty());
  const auto outcome = Json::parse(outcome_answer(200, {.fact = {.key = key}, .changes = {change}}).body);
  CHECK(fields(outcome) == properties("FactOutcome"));
  CHECK(breach(outcome, schemas()["FactOutcome"]).empty());

  using rules::Attribute;
  const engine::RegisterFacts facts{
      {Attribute::site_country, std::string("FI"), at(0)},
      {Attribute::site_status, std::string("member"), at(0), at(1), "e", ChangeId{}},
      {.attribute = Attribute::site_egress, .value = {}, .as_of = std::nullopt, .change = ChangeId{}, .withdrawn = true},
      {Attribute::site_country, std::string("FI"), at(-400LL * 86'400)},
      {Attribute::site_country, std::string("FI"), at(9'000)},
      {Attribute::site_country, std::string("fi"), at(0)}};
  std::string states;
  for (const auto& view : facts_view(facts, at(2))) {
    CHECK(fields(view) == properties("Fact"));
    CHECK(breach(view, schemas()["Fact"]).empty());
    states += view["state"].get<std::string>() + "; ";
  }
  CHECK(states == "known; ended; withdrawn; stale; from the future; not a value it can have; ");
}

TEST_CASE("the documented fields of what the registry is asked are those that are read") {
  const std::string hash(64, 'a');
  const std::string_view kSites[] = {"alpha"};
  const Json dataset{{"id", "d"},       {"project", "p"}, {"owner", "alice"}, {"labels", {"open"}},
                     {"size_bytes", 0}, {"files", 1},     {"sha256", hash},   {"reason", "r"}};
  REQUIRE(wire::dataset_from_json(dataset, rules::data_labels()));
  CHECK(fields(dataset) == properties("DatasetRequest"));
  CHECK(breach(dataset, schemas()["DatasetRequest"]).empty());
  const auto bases = rules::record_of(rules::Attribute::dataset_transfer_basis).words;
  const Json amendment{
      {"labels", {"open"}},           {"owner", "bob"},   {"permit", {{"id", "FI-0143"}, {"until", "2028-03-31"}}},
      {"transfer_basis", "adequacy"}, {"reviewed", true}, {"reason", "r"}};
  REQUIRE(wire::amendment_from_json(amendment, rules::data_labels(), bases));
  CHECK(fields(amendment["permit"]) == properties("DataPermit"));
  auto words = Json(std::vector<std::string_view>(bases.begin(), bases.end()));
  words.push_back(nullptr);
  CHECK(schemas()["TransferBasis"]["enum"] == words);
  CHECK(fields(amendment) == properties("DatasetAmendment"));
  const Json replica{{"site", "alpha"}, {"root", "r"}, {"path", "p"}, {"reason", "r"}};
  REQUIRE(wire::replica_from_json(replica, kSites));
  CHECK(fields(replica) == properties("ReplicaRequest"));
  const Json evidence{{"sha256", hash}, {"verified_at", "2026-11-22"}, {"expires_at", "2026-11-23"}, {"reason", "r"}};
  REQUIRE(wire::evidence_from_json(evidence));
  CHECK(fields(evidence) == properties("EvidenceRequest"));
  const Json fact{{"subject", "broker"},   {"attribute", "site.status"}, {"value", "member"},
                  {"as_of", "2026-11-22"}, {"until", "2027-11-22"},      {"evidence", "e"},
                  {"reason", "r"}};
  REQUIRE(wire::fact_from_json(fact));
  CHECK(fields(fact) == properties("FactRequest"));
  // What the document requires is required, and no more.
  const auto required = [](const Json& whole, const char* schema, auto read) {
    for (const auto& [field, value] : whole.items()) {
      auto without = whole;
      without.erase(field);
      const auto& names = schemas()[schema]["required"];
      CAPTURE(schema, field);
      CHECK(read(without) == (std::ranges::find(names, Json(field)) == names.end()));
    }
  };
  required(dataset, "DatasetRequest", [](const Json& j) { return wire::dataset_from_json(j, rules::data_labels()).has_value(); });
  required(replica, "ReplicaRequest", [&](const Json& j) { return wire::replica_from_json(j, kSites).has_value(); });
  required(fact, "FactRequest", [](const Json& j) { return wire::fact_from_json(j).has_value(); });
  required(evidence, "EvidenceRequest", [](const Json& j) { return wire::evidence_from_json(j).has_value(); });
}

TEST_CASE("the documented fields of a job request are those that are read") {
  const Json every{
      {"name", "n"},
      {"project", "p"},
      {"script", "#!x"},
      {"arguments", {"a"}},
      {"environment", {{"A", "b"}}},
      {"resources",
       {{"nodes", 1},
        {"tasks", 1},
        {"cpus_per_task", 1},
        {"memory_per_node_mib", 1},
        {"gpus_per_node", 1},
        {"gpu_model", "mi250x"}}},
      {"directives", "ignore"},
      {"container", {{"image", "/a.sif@sha256:" + std::string(64, 'a')}, {"binds", {"/a:/b:ro"}}, {"inside", "processes"}}},
      {"modules", {"gcc"}},
      {"network", "outbound"},
      {"variants",
       {{{"name", "v"},
         {"when",
          {{"gpu_vendor", "amd"}, {"gpu_model", "mi250x"}, {"architecture", "aarch64"}, {"site", "alpha"}, {"country", "FI"}}},
         {"resources", {{"gpus_per_node", 2}}},
         {"container", {{"image", ""}}},
         {"modules", {"rocm"}},
         {"network", "any"},
         {"environment", {{"A", "b"}}}}}},
      {"time_limit_s", 60},
      {"placement", {{"sites", {"alpha"}}, {"countries", {"FI"}}}},
      {"requeue", true},
      {"exclusive", true},
      {"datasets", {"imagenet-1k"}},
      {"labels", {"personal"}},
      {"code", "sha256:" + std::string(64, 'a')},
      {"outputs", {{"model.pt", "results/model.pt"}}},
      {"secrets", {"hf-token", "s3=credentials"}},
      {"array", ""},
      {"after", Json::array()}};
  REQUIRE(wire::job_from_json(every));
  CHECK(fields(every) == properties("JobRequest"));
  CHECK(fields(every["resources"]) == properties("Resources"));
  CHECK(fields(every["container"]) == properties("Container"));
  CHECK(fields(every["variants"][0]) == properties("Variant"));
  CHECK(fields(every["variants"][0]["when"]) == fields(schemas()["Variant"]["properties"]["when"]["properties"]));
  CHECK(fields(every["placement"]) == fields(schemas()["JobRequest"]["properties"]["placement"]["properties"]));
  CHECK(breach(every, schemas()["JobRequest"]).empty());
  const auto& request = schemas()["JobRequest"]["properties"];
  CHECK(request["name"]["maxLength"] == wire::kMaxNameBytes);
  CHECK(request["arguments"]["maxItems"] == wire::kMaxArguments);
  CHECK(request["datasets"]["maxItems"] == wire::kMaxDatasets);
  CHECK(request["outputs"]["maxProperties"] == wire::kMaxOutputs);
  CHECK(request["outputs"]["propertyNames"]["maxLength"] == wire::kMaxOutputNameBytes);
  CHECK(request["outputs"]["additionalProperties"]["maxLength"] == wire::kMaxOutputPathBytes);
  CHECK(schemas()["BulkRequest"]["properties"]["jobs"]["maxItems"] == wire::kMaxBulkJobs);

  // The checker itself sees what is wrong.
  CHECK(breach({{"script", 1}}, schemas()["JobRequest"]) == "/script: 1 is no \"string\"");
  CHECK(breach(Json::object(), schemas()["JobRequest"]) == ": no script");
  CHECK(breach({{"script", "#!"}, {"nodes", 1}}, schemas()["JobRequest"]) == "/nodes: not in the schema");
}
