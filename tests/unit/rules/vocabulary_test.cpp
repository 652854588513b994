// SPDX-License-Identifier: Apache-2.0
#include "policies/rules/facts.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace hansa;
using namespace hansa::rules;

TEST_CASE("every attribute has a name of its own, a phrase, a domain and a source that fits its subject") {
  std::set<std::string_view> names;
  for (const auto& record : vocabulary()) {
    CAPTURE(record.name);
    CHECK(names.insert(record.name).second);
    CHECK(find_attribute(record.name) == &record);
    CHECK_FALSE(record.phrase.empty());
    CHECK_FALSE(record.help.empty());
    const auto member = member_type(record.type);
    CHECK((member == Type::word || member == Type::level) == !record.words.empty());
    if (record.type == Type::integer) CHECK(record.least < record.most);
    const auto scope = record.name.substr(0, record.name.find('.'));
    CHECK((scope == "site") == (record.subject == Subject::site));
    CHECK((scope == "dataset") == (record.subject == Subject::dataset));
    CHECK((scope == "request") == (record.source == Source::request));
    // Only what cannot change and what is said now does not age.
    CHECK((record.max_age == Seconds{0}) == (record.source == Source::clock || record.source == Source::request ||
                                             record.name == "site.id" || record.name == "site.kind"));
  }
  CHECK(find_attribute("site.colour") == nullptr);
}

TEST_CASE("every operator fits some type, and is named once") {
  std::set<std::string_view> names;
  for (const auto& record : operators()) {
    CAPTURE(record.name);
    CHECK(names.insert(record.name).second);
    CHECK(find_op(record.name)->op == record.op);
    CHECK(record_of(record.op).name == record.name);
    bool fits = false;
    for (const auto& attribute : vocabulary()) fits = fits || takes(record.op, attribute.type);
    CHECK(fits);
  }
}

TEST_CASE("evidence: what is no value of its attribute, too old, from the future or from somebody else is not believed") {
  const auto now = from_unix_seconds(2'000'000'000);
  const auto state = [&](Attribute attribute, Value value, Source source, Seconds age) {
    return state_of({attribute, std::move(value), source, now - age}, now);
  };
  const auto site = Source::site_descriptor;
  using namespace std::chrono_literals;
  CHECK(state(Attribute::site_country, "FI", site, 0s) == FactState::known);
  CHECK(state(Attribute::site_country, "XX", site, 0s) == FactState::ill_typed);
  CHECK(state(Attribute::site_country, std::vector<std::string>{"FI"}, site, 0s) == FactState::ill_typed);
  CHECK(state(Attribute::site_country, "FI", Source::request, 0s) == FactState::wrong_source);
  CHECK(state(Attribute::site_country, "FI", site, 366 * 24h) == FactState::known);
  CHECK(state(Attribute::site_country, "FI", site, 366 * 24h + 1s) == FactState::stale);
  CHECK(state(Attribute::site_country, "FI", site, -300s) == FactState::known);
  CHECK(state(Attribute::site_country, "FI", site, -301s) == FactState::from_future);
  CHECK(state(Attribute::site_id, "alpha", site, 100'000h) == FactState::known);
  CHECK(state(Attribute::site_id, "al pha", site, 0s) == FactState::ill_typed);
  CHECK(state(Attribute::site_id, "", site, 0s) == FactState::ill_typed);
  CHECK(state(Attribute::dataset_labels, std::vector<std::string>{}, Source::dataset_registry, 0s) == FactState::ill_typed);
  CHECK(state(Attribute::project_labels, std::vector<std::string>{}, Source::project_registry, 0s) == FactState::known);
  CHECK(state(Attribute::dataset_labels, std::vector<std::string>{"open", "secret"}, Source::dataset_registry, 0s) ==
        FactState::ill_typed);
  CHECK(state(Attribute::project_training_petaflop, std::int64_t{-1}, Source::project_registry, 0s) == FactState::ill_typed);
  CHECK(state(Attribute::project_training_petaflop, std::int64_t{7}, Source::project_registry, 0s) == FactState::known);
  CHECK(state(Attribute::project_export_licence, std::int64_t{1}, Source::project_registry, 0s) == FactState::ill_typed);
}

TEST_CASE("evidence: what is told twice is believed neither time") {
  const auto now = from_unix_seconds(2'000'000'000);
  const Fact fact{Attribute::site_country, std::string("FI"), Source::site_descriptor, now};
  CHECK(find_fact({fact}, Attribute::site_country, now).state == FactState::known);
  CHECK(find_fact({fact, fact}, Attribute::site_country, now).state == FactState::told_twice);
  CHECK(find_fact({}, Attribute::site_country, now).state == FactState::missing);
}
