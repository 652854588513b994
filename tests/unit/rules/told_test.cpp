// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/told.hpp"

#include "broker/core/time_text.hpp"
#include "policies/rules/evidence_json.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace hansa;
using namespace hansa::rules;

namespace {

Result<Value> told(std::string_view attribute, const Json& json) { return read_told(json, *find_attribute(attribute)); }

std::string refused(std::string_view attribute, const Json& json) {
  const auto value = told(attribute, json);
  REQUIRE_FALSE(value);
  CHECK(value.error().code == "BAD_FACT");
  CHECK(value.error().kind == ErrorKind::invalid_argument);
  for (const auto& fault : value.error().faults) CHECK(fault.where == "/value");
  return value.error().message;
}

}  // namespace

TEST_CASE("registers tell what the vocabulary believes them, and not what the broker itself knows") {
  const auto of_places = told_attributes("site."), of_projects = told_attributes("project."),
             of_people = told_attributes("user.");
  CHECK(of_people == std::vector<std::string_view>{"user.country", "user.assurance", "user.affiliation", "user.authentication"});
  CHECK(std::ranges::find(of_places, "site.country") != of_places.end());
  for (const auto* own : {"site.id", "site.kind"}) CHECK(std::ranges::find(of_places, own) == of_places.end());
  CHECK(std::ranges::find(of_projects, "project.id") == of_projects.end());
  for (const auto& names : {of_places, of_projects, of_people}) {
    for (const auto name : names) {
      const auto source = find_attribute(name)->source;
      CHECK((source == Source::site_descriptor || source == Source::project_registry || source == Source::token));
    }
  }
}

TEST_CASE("values are read by the vocabulary's types") {
  CHECK(told("site.country", "FI").value() == Value(std::string("FI")));
  CHECK(told("site.secure_processing", true).value() == Value(true));
  CHECK(told("project.training_petaflop", 12).value() == Value(std::int64_t{12}));
  CHECK(told("project.export_licence_until", "2027-01-31").value() == Value(*parse_utc("2027-01-31")));
  CHECK(told("site.labels", {"c5", "iso-27001"}).value() == Value(std::vector<std::string>{"c5", "iso-27001"}));
  CHECK(told("site.labels", Json::array()).value() == Value(std::vector<std::string>{}));
}

TEST_CASE("a value that an attribute cannot have is refused with what it can, and what was meant") {
  CHECK_THAT(refused("site.status", "membr"),
             Catch::Contains("member, suspended, leaving") && Catch::Contains("did you mean \"member\"?"));
  CHECK_THAT(refused("site.labels", Json{"iso-27002"}), Catch::Contains("did you mean \"iso-27001\"?"));
  CHECK_THAT(refused("site.country", "fi"), Catch::Contains("did you mean \"FI\"?"));
  CHECK_THAT(refused("site.secure_processing", "yes"), Catch::Contains("true or false"));
  CHECK_THAT(refused("project.training_petaflop", -1), Catch::Contains("an integer from 0"));
  CHECK_THAT(refused("project.training_petaflop", 1.5), Catch::Contains("a number with a fraction"));
  CHECK_THAT(refused("project.training_petaflop", std::uint64_t{1} << 63), Catch::Contains("too large"));
  CHECK_THAT(refused("project.export_licence_until", "soon"), Catch::Contains("a date, as"));
  CHECK_THAT(refused("project.export_licence_until", 5), Catch::Contains("a date, as"));
  CHECK_THAT(refused("project.member_countries", Json::array()), Catch::Contains("at least one"));
  CHECK_THAT(refused("site.labels", "c5"), Catch::Contains("a list"));
  CHECK_THAT(refused("site.labels", Json(std::vector<std::string>(1'001, "c5"))), Catch::Contains("more than 1000"));
  CHECK_THAT(refused("site.country", Json::object()), Catch::Contains("an object"));
  CHECK(read_told(Json{"x", Json::array({"y"})}, *find_attribute("site.labels")).error().faults.size() == 2);
}

TEST_CASE("evidence keeps which change of a register made it so") {
  const auto change = *Ulid::parse("01ARYZ6S41TSV4RRFFQ69G5FAV");
  const UtcTime then = *parse_utc("2026-11-22");
  const Evidence evidence{{Attribute::site_country, std::string("FI"), Source::site_descriptor, then, change},
                          {Attribute::site_status, std::string("member"), Source::site_descriptor, then}};
  const auto json = to_json(evidence);
  CHECK(json[0]["change"] == change.str());
  CHECK_FALSE(json[1].contains("change"));
  const auto read = evidence_from_json(json);
  REQUIRE(read);
  CHECK(read->at(0).change == change);
  CHECK_FALSE(read->at(1).change);
  auto damaged = json;
  damaged[0]["change"] = "x";
  CHECK_FALSE(evidence_from_json(damaged));
  CHECK(source_text(Source::site_descriptor, change) == "register, change " + change.str());
  CHECK(source_text(Source::site_descriptor, std::nullopt) == "site descriptor");
}
