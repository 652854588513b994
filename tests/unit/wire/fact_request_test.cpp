// SPDX-License-Identifier: Apache-2.0
#include "broker/wire/fact_request.hpp"

#include <catch2/catch.hpp>

using namespace hansa;
using namespace hansa::wire;

namespace {

const Json kFact{{"subject", "site:alpha"}, {"attribute", "site.labels"}, {"value", {"c5"}},  {"as_of", "2026-11-22"},
                 {"until", "2027-06-30"},   {"evidence", "no. 4711"},     {"reason", "audit"}};

std::string fault_places(const Json& json) {
  const auto read = fact_from_json(json);
  if (read) return "";
  CHECK(read.error().code == "BAD_REQUEST");
  std::string text;
  for (const auto& [where, message] : read.error().faults) {
    CHECK_FALSE(message.empty());
    text += (text.empty() ? "" : " ") + (where.empty() ? "-" : where);
  }
  return text;
}

Json altered(const char* field, Json value) {
  auto json = kFact;
  json[field] = std::move(value);
  return json;
}

}  // namespace

TEST_CASE("a fact is read as it was written, of whatever type its value is") {
  const auto read = fact_from_json(kFact);
  REQUIRE(read);
  CHECK(read->key.subject.str() == "site:alpha");
  CHECK(read->key.attribute == "site.labels");
  CHECK(*read->value == Json{"c5"});
  CHECK(read->as_of);
  CHECK(*read->as_of < *read->until);
  CHECK(read->evidence == "no. 4711");
  CHECK(read->reason == "audit");
  for (const auto& value : {Json(true), Json(7), Json("FI"), Json::array()})
    CHECK(*fact_from_json(altered("value", value))->value == value);
}

TEST_CASE("null withdraws, and has nothing beside it but a reason") {
  const auto gone = fact_from_json({{"subject", "broker"}, {"attribute", "site.status"}, {"value", nullptr}, {"reason", "r"}});
  REQUIRE(gone);
  CHECK_FALSE(gone->value);
  CHECK(fault_places(altered("value", nullptr)) == "/as_of /until /evidence");
}

TEST_CASE("every fault of a fact is told with its place") {
  CHECK(fault_places(Json::array()) == "-");
  CHECK(fault_places(Json::object()) == "/subject /attribute /value");
  CHECK(fault_places(altered("subject", "alpha")) == "/subject");
  CHECK(fault_places(altered("as_of", "soon")) == "/as_of");
  CHECK(fault_places(altered("until", 5)) == "/until");
  CHECK(fault_places(altered("evidence", "a\nb")) == "/evidence");
  CHECK(fault_places(altered("evidence", std::string(1'001, 'x'))) == "/evidence");
  CHECK(fault_places(altered("untill", "2027-06-30")) == "/untill");
}
