// SPDX-License-Identifier: Apache-2.0
#include "broker/api/registers.hpp"
#include "broker/core/suggest.hpp"
#include "broker/wire/fact_request.hpp"
#include "broker/wire/fact_views.hpp"
#include "policies/rules/told.hpp"

#include <algorithm>

namespace hansa::api {

namespace {

constexpr std::size_t kFactDepth = 8;

std::string_view state_view(const engine::RegisterFact& fact, UtcTime now) {
  if (fact.withdrawn) return "withdrawn";
  if (!fact.counts(now)) return "ended";
  const auto source = rules::record_of(fact.attribute).source;
  return to_string(rules::state_of({fact.attribute, fact.value, source, fact.as_of.value_or(now)}, now));
}

/// Of what does not exist as well.
std::unexpected<Error> not_yours(const domain::FactSubject& subject) {
  return fail(ErrorKind::not_found, "SUBJECT_NOT_FOUND",
              "there is no " + subject.str().substr(0, 80) + ", or what is said of it is not yours");
}

/// What is in force of the subject. not_found: no place or project of that name here.
Result<engine::RegisterFacts> facts_of(const Exchange& exchange, const domain::FactSubject& subject) {
  const auto in_force = exchange.api.parts().engine.rules().in_force();
  if (subject.kind == domain::FactSubject::Kind::person) return in_force->facts_of_person(Principal(subject.id));
  if (const auto* facts = in_force->facts_of(subject)) return *facts;
  return fail(ErrorKind::not_found, "SUBJECT_NOT_FOUND",
              "there is no " + subject.str().substr(0, 80) + " at this broker; sites and projects are added to hansad.toml");
}

/// The record of an attribute that is told of such a subject.
Result<const rules::AttributeRecord*> attribute_of(const domain::FactKey& key) {
  const auto names = rules::told_attributes(key.subject.attribute_prefix());
  if (std::ranges::find(names, key.attribute) != names.end()) return rules::find_attribute(key.attribute);
  const auto faulty = no_such("fact of " + key.subject.str().substr(0, key.subject.str().find(':')), key.attribute, names);
  auto error = fail(ErrorKind::invalid_argument, "BAD_FACT", "/attribute: " + faulty);
  error.error().faults.push_back({"/attribute", faulty});
  return error;
}

}  // namespace

identity::Object object_of(const domain::FactSubject& subject) {
  using Kind = domain::FactSubject::Kind;
  switch (subject.kind) {
    case Kind::site: return {.sites = {SiteId(subject.id)}};
    case Kind::project: return {.project = ProjectId(subject.id)};
    case Kind::person: return {.owner = Principal(subject.id)};
    case Kind::broker: break;
  }
  return {};
}

Json facts_view(const engine::RegisterFacts& facts, UtcTime now) {
  Json list = Json::array();
  for (const auto& fact : facts) {
    const auto& record = rules::record_of(fact.attribute);
    list.push_back({{"attribute", record.name},
                    {"value", fact.withdrawn ? Json() : Json(rules::text_of(fact.value))},
                    {"state", state_view(fact, now)},
                    {"source", fact.change ? std::string("register") : std::string(to_string(record.source))},
                    {"change", fact.change ? Json(fact.change->str()) : Json()},
                    {"as_of", time_or_none(fact.as_of)},
                    {"until", time_or_none(fact.until)},
                    {"evidence", fact.evidence}});
  }
  return list;
}

http::Response outcome_answer(int status, const engine::FactOutcome& outcome) {
  Json changes = Json::array();
  for (const auto& change : outcome.changes) changes.push_back(wire::change_view(change));
  return json_answer(
      status,
      {{"subject", outcome.fact.key.subject.str()}, {"attribute", outcome.fact.key.attribute}, {"changes", std::move(changes)}});
}

async::Task<http::Response> get_facts(Exchange exchange) {
  QueryReader query(exchange.request.query);
  const auto text = query.text("subject");
  const auto subject = domain::parse_subject(text.value_or(""));
  if (!subject) query.fault("subject", (text ? "" : "is required: ") + subject.error().message);
  if (auto done = query.finish(); !done) co_return std::unexpected(done.error());
  // Everybody knows what is said of places, members what is said of their project, and each person what is said of them.
  if (!subject->is_place() && !may(exchange, object_of(*subject))) co_return not_yours(*subject);
  const auto facts = facts_of(exchange, *subject);
  if (!facts) co_return std::unexpected(facts.error());
  if (subject->kind == domain::FactSubject::Kind::person && subject->id != exchange.caller.principal.str()) {
    if (auto noted = note_access(exchange, Principal(subject->id)); !noted) co_return std::unexpected(noted.error());
  }
  auto list = facts_view(*facts, exchange.api.parts().scheduler.now_utc());
  for (const auto name : rules::told_attributes(subject->attribute_prefix())) {
    if (std::ranges::none_of(*facts, [&](const auto& fact) { return rules::record_of(fact.attribute).name == name; })) {
      list.push_back({{"attribute", name},
                      {"value", Json()},
                      {"state", "missing"},
                      {"source", Json()},
                      {"change", Json()},
                      {"as_of", Json()},
                      {"until", Json()},
                      {"evidence", ""}});
    }
  }
  co_return json_answer(200, {{"subject", subject->str()}, {"facts", std::move(list)}});
}

async::Task<http::Response> state_fact(Exchange exchange) {
  const auto& caller = exchange.caller;
  auto json = parse_json(exchange.request.body, kFactDepth);
  if (!json) co_return std::unexpected(json.error());
  auto asked = wire::fact_from_json(*json);
  if (!asked) co_return std::unexpected(asked.error());
  if (!may(exchange, object_of(asked->key.subject))) co_return not_yours(asked->key.subject);
  if (auto known = facts_of(exchange, asked->key.subject); !known) co_return std::unexpected(known.error());
  const auto record = attribute_of(asked->key);
  if (!record) co_return std::unexpected(record.error());
  engine::Asking asking{caller.principal, std::move(asked->reason)};
  auto& facts = exchange.api.parts().fact_register;
  if (!asked->value) {
    auto done = co_await facts.withdraw(std::move(asking), std::move(asked->key));
    if (!done) co_return std::unexpected(done.error());
    co_return outcome_answer(200, *done);
  }
  auto value = rules::read_told(*asked->value, **record);
  if (!value) co_return std::unexpected(value.error());
  domain::Statement wanted{
      .value = std::move(*value), .as_of = asked->as_of, .until = asked->until, .evidence = std::move(asked->evidence)};
  auto done = co_await facts.state(std::move(asking), std::move(asked->key), std::move(wanted));
  if (!done) co_return std::unexpected(done.error());
  co_return outcome_answer(200, *done);
}

}  // namespace hansa::api
