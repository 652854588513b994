// SPDX-License-Identifier: Apache-2.0
// The table of rights as people read it: docs/identity.md and the OpenAPI document say what the source says.
#include "broker/api/routes.hpp"
#include "broker/identity/authorization.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

using namespace hansa;
using namespace hansa::api;
using identity::Capacity;

namespace {

constexpr const char* kDocument = HANSA_SOURCE_DIR "/docs/identity.md";
constexpr std::string_view kBegin = "<!-- rights: made from broker/identity/authorization.cpp and broker/api/routes.cpp -->\n";
constexpr std::string_view kEnd = "<!-- end of rights -->\n";

std::string operations_of(identity::Action action) {
  std::string text;
  for (const auto& route : routes()) {
    if (route.action == action) text += (text.empty() ? "`" : ", `") + std::string(route.operation) + "`";
  }
  return text.empty() ? "where agents come in" : text;
}

std::string rights_table() {
  std::string text = "| to | ";
  for (std::size_t i = 0; i < identity::kCapacities; ++i) text += std::string(to_string(static_cast<Capacity>(i))) + " | ";
  text += "operations |\n| --- |";
  for (std::size_t i = 0; i < identity::kCapacities; ++i) text += " --- |";
  text += " --- |\n";
  for (const auto& right : identity::rights()) {
    text += "| " + std::string(right.name) + " |";
    for (const auto reach : right.reach)
      text += reach == identity::Reach::nobody ? " - |" : " " + std::string(to_string(reach)) + " |";
    text += " " + operations_of(right.action) + " |\n";
  }
  return text + "\nWithout a token: " + operations_of(identity::Action::open) + ".\n";
}

std::string identity_page() {
  std::ifstream in(kDocument);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("docs/identity.md prints the table of rights") {
  const auto text = identity_page();
  const auto begin = text.find(kBegin), end = text.find(kEnd);
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const auto from = begin + kBegin.size();
  if (std::getenv("HANSA_WRITE_DOCUMENTS") != nullptr)
    std::ofstream(kDocument) << text.substr(0, from) << rights_table() << text.substr(end);
  INFO("rights have changed; write them anew: HANSA_WRITE_DOCUMENTS=1 build/release/tests/api_test \"docs/identity.md*\"");
  CHECK((text.substr(from, end - from) == rights_table()));
}

TEST_CASE("the OpenAPI document says of every operation who may") {
  const auto paths = openapi_document({.name = "b", .country = "FI", .version = "1"})["paths"];
  for (const auto& route : routes()) {
    CAPTURE(route.operation);
    std::string method(route.method);
    for (auto& c : method) c = static_cast<char>(c - 'A' + 'a');
    const auto& operation = paths.at(std::string(route.path)).at(method);
    CHECK(operation.contains("x-hansa-roles") == !route.is_open());
    if (route.is_open()) continue;
    for (std::size_t i = 0; i < identity::kCapacities; ++i) {
      const auto capacity = static_cast<Capacity>(i);
      const auto reach = identity::reach(capacity, route.action);
      const auto told = operation["x-hansa-roles"].value(std::string(to_string(capacity)), "nobody");
      CHECK(told == to_string(reach));
    }
  }
}
