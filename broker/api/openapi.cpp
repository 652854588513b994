// SPDX-License-Identifier: Apache-2.0
// The OpenAPI 3.1 document, made from the table of routes: a route without an entry in kOperations shows as one without an
// answer, which the test refuses.
#include "broker/api/openapi_parts.hpp"
#include "broker/api/routes.hpp"
#include "policies/rules/vocabulary.hpp"

#include <algorithm>

namespace hansa::api {
namespace {

Json schema_ref(const Json& name) { return {{"$ref", "#/components/schemas/" + name.get<std::string>()}}; }

Json content(const char* type, Json schema) { return {{type, {{"schema", std::move(schema)}}}}; }

Json parameters_of(const Route& route, const Json& operation) {
  Json parameters = Json::array();
  for (auto rest = route.path; rest.find('{') != std::string_view::npos;) {
    rest.remove_prefix(rest.find('{') + 1);
    parameters.push_back(
        {{"name", rest.substr(0, rest.find('}'))}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  }
  for (const auto& entry : operation.value("query", Json::array())) {
    parameters.push_back({{"name", entry[0]}, {"in", "query"}, {"description", entry[2]}, {"schema", {{"type", entry[1]}}}});
  }
  for (const auto& entry : operation.value("headers", Json::array())) {
    parameters.push_back({{"name", entry[0]}, {"in", "header"}, {"description", entry[1]}, {"schema", {{"type", "string"}}}});
  }
  return parameters;
}

Json describe(const Route& route, const Json& operation) {
  Json described{{"operationId", route.operation}, {"summary", route.summary}};
  if (auto parameters = parameters_of(route, operation); !parameters.empty()) described["parameters"] = std::move(parameters);
  if (operation.contains("body")) {
    described["requestBody"] = {{"required", !operation.value("body_optional", false)},
                                {"content", content("application/json", schema_ref(operation["body"]))}};
  }
  if (operation.contains("content_in")) {
    described["requestBody"] = {
        {"required", true},
        {"content", content(operation["content_in"].get_ref<const std::string&>().c_str(), {{"type", "string"}})}};
  }
  const auto status = std::to_string(operation.value("status", 200));
  auto& answer = described["responses"][status];
  answer["description"] = "As asked.";
  if (operation.contains("answer")) answer["content"] = content("application/json", schema_ref(operation["answer"]));
  if (operation.contains("content"))
    answer["content"] = content(operation["content"].get_ref<const std::string&>().c_str(), {{"type", "string"}});
  if (operation.contains("or_200")) {
    auto& other = described["responses"]["200"];
    other["description"] = operation["or_200"][0];
    Json schemas = Json::array();
    for (std::size_t i = 1; i < operation["or_200"].size(); ++i) schemas.push_back(schema_ref(operation["or_200"][i]));
    other["content"] = content("application/json", schemas.size() == 1 ? schemas[0] : Json{{"anyOf", schemas}});
  }
  described["responses"]["default"] = {
      {"description", "A problem. 429 and 503 say with Retry-After when to ask again; TOO_MANY_REQUESTS: nothing was done."},
      {"headers",
       {{"Retry-After", {{"description", "Seconds."}, {"schema", {{"type", "integer"}}}}},
        {"X-Request-Id",
         {{"description",
           "The request's own, if it is 1 to 64 of [A-Za-z0-9._-]; also request_id of the problem, and in the log."},
          {"schema", {{"type", "string"}}}}}}},
      {"content", content("application/problem+json", schema_ref("Problem"))}};
  if (route.is_open()) {
    described["security"] = Json::array();
    return described;
  }
  // Who may, and whose: x-hansa-roles, by the table of rights.
  auto& roles = described["x-hansa-roles"] = Json::object();
  for (std::size_t i = 0; i < identity::kCapacities; ++i) {
    const auto capacity = static_cast<identity::Capacity>(i);
    if (const auto reach = identity::reach(capacity, route.action); reach != identity::Reach::nobody)
      roles[std::string(to_string(capacity))] = to_string(reach);
  }
  return described;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return out;
}

}  // namespace

Json openapi_document(const BrokerFacts& facts) {
  const auto operations = Json::parse(kOperations, nullptr, false);
  Json schemas = Json::object();
  for (const auto part : kSchemas) schemas.update(Json::parse(part, nullptr, false));
  Json document{
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "Hansa"},
        {"version", facts.version},
        {"description", "One submission, every site: a federated meta-scheduler. Errors are problems (RFC 9457)."},
        {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
      {"servers", Json::array({{{"url", "/"}}})},
      {"security", Json::array({{{"token", Json::array()}}, {{"issuer", Json::array()}}})},
      {"components",
       {{"schemas", std::move(schemas)},
        {"securitySchemes",
         {{"token", {{"type", "http"}, {"scheme", "bearer"}, {"description", "A token of the broker's own: hansa_..."}}},
          {"issuer",
           {{"type", "http"},
            {"scheme", "bearer"},
            {"bearerFormat", "JWT"},
            {"description", "An access token of one of GET /v1/issuers, whose audience is this broker (RFC 9068)."}}}}}}}};
  document["components"]["schemas"]["Label"]["enum"] = rules::data_labels();  // there is one list of them
  for (const auto& route : routes()) {
    const std::string operation(route.operation);
    document["paths"][std::string(route.path)][lower(route.method)] =
        describe(route, operations.value(operation, Json::object()));
  }
  return document;
}

}  // namespace hansa::api
