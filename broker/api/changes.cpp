// SPDX-License-Identifier: Apache-2.0
// Changes of all registers, and a second person's word on them.
#include "broker/api/registers.hpp"
#include "broker/wire/dataset_views.hpp"
#include "broker/wire/fact_views.hpp"

#include <algorithm>

namespace hansa::api {

using identity::Action;

namespace {

constexpr std::string_view kStates[] = {"applied", "pending", "approved", "rejected"};
constexpr std::string_view kRegisters[] = {"datasets", "facts"};

std::unexpected<Error> no_change(std::string_view id) {
  return fail(ErrorKind::not_found, "CHANGE_NOT_FOUND",
              "there is no change " + std::string(id.substr(0, 40)) +
                  ", or it is not yours; see: hansa data changes, hansa facts changes");
}

struct Word {
  bool approve = false;
  std::string reason;
};

async::Task<http::Response> rule_on(const Exchange& exchange, domain::DatasetChange change, Word word) {
  auto dataset = co_await find_dataset(exchange, change.of, Action::read_dataset);
  if (!dataset) {
    if (dataset.error().kind == ErrorKind::not_found) co_return no_change(change.id.str());
    co_return std::unexpected(dataset.error());
  }
  if (!may(exchange, {.owner = change.by}) && !may(exchange, object_of(*dataset))) {
    co_return fail(ErrorKind::permission_denied, "NOT_THE_OWNER",
                   "only who made change " + change.id.str() + ", the dataset's owner and operators reject it");
  }
  auto done = co_await exchange.api.parts().catalogue.rule({exchange.caller.principal, std::move(word.reason)},
                                                           std::move(*dataset), std::move(change), word.approve);
  if (!done) co_return std::unexpected(done.error());
  co_return outcome_answer(exchange, 200, *done);
}

async::Task<http::Response> rule_on(const Exchange& exchange, domain::FactChange change, Word word) {
  if (!may(exchange, {.owner = change.by})) co_return no_change(change.id.str());
  auto done = co_await exchange.api.parts().fact_register.rule({exchange.caller.principal, std::move(word.reason)},
                                                               std::move(change), word.approve);
  if (!done) co_return std::unexpected(done.error());
  co_return outcome_answer(200, *done);
}

async::Task<http::Response> rule_on_change(Exchange exchange, bool approve) {
  BodyReader body(exchange.request);
  Word word{.approve = approve, .reason = approve ? body.text("reason") : body.required("reason")};
  if (auto read = body.finish(); !read) co_return std::unexpected(read.error());

  const auto& text = exchange.path.at("id");
  const auto id = Ulid::parse(text);
  if (!id) co_return no_change(text);
  auto& parts = exchange.api.parts();
  auto of_dataset = co_await parts.datasets.change(*id);
  if (of_dataset) co_return co_await rule_on(exchange, std::move(*of_dataset), std::move(word));
  if (of_dataset.error().kind != ErrorKind::not_found) co_return std::unexpected(of_dataset.error());
  auto of_fact = co_await parts.facts.fact_change(*id);
  if (of_fact) co_return co_await rule_on(exchange, std::move(*of_fact), std::move(word));
  if (of_fact.error().kind != ErrorKind::not_found) co_return std::unexpected(of_fact.error());
  co_return no_change(text);
}

struct Asked {
  std::optional<DatasetId> dataset;
  std::optional<domain::FactSubject> subject;
  std::optional<std::string> which;       // register
  std::optional<domain::ChangeState> state;
  std::optional<domain::ChangeId> before;
  std::size_t limit = 100;

  [[nodiscard]] bool wants(std::string_view one) const { return !which || *which == one; }
};

Result<Asked> read_query(const Exchange& exchange) {
  QueryReader query(exchange.request.query);
  Asked asked;
  if (const auto dataset = query.text("dataset")) asked.dataset = DatasetId{*dataset}, asked.which = "datasets";
  if (const auto subject = query.text("subject")) {
    if (auto parsed = domain::parse_subject(*subject))
      asked.subject = std::move(*parsed), asked.which = "facts";
    else
      query.fault("subject", parsed.error().message);
    if (asked.dataset) query.fault("subject", "does not go with \"dataset\": these are other registers");
  }
  if (const auto which = query.text("register")) {
    if (std::ranges::find(kRegisters, *which) == std::end(kRegisters))
      query.fault("register", no_such("register", *which, kRegisters));
    else if (asked.which && *asked.which != *which)
      query.fault("register", "has no such changes as the other parameters ask for");
    asked.which = *which;
  }
  if (const auto state = query.text("state")) {
    asked.state = domain::parse_change_state(*state);
    if (!asked.state) query.fault("state", no_such("state", *state, kStates));
  }
  asked.limit = static_cast<std::size_t>(query.integer("limit", 100, 1, kMaxPage));
  if (const auto cursor = query.text("cursor")) {
    asked.before = Ulid::parse(*cursor);
    if (!asked.before) query.fault("cursor", "must be the \"next_cursor\" of an earlier answer");
  }
  if (auto done = query.finish(); !done) return std::unexpected(done.error());
  return asked;
}

}  // namespace

async::Task<http::Response> list_changes(Exchange exchange) {
  const auto asked = read_query(exchange);
  if (!asked) co_return std::unexpected(asked.error());
  const auto& parts = exchange.api.parts();
  std::vector<std::pair<domain::ChangeId, Json>> found;
  if (asked->wants("datasets")) {
    auto changes = co_await parts.datasets.changes({.audience = audience(exchange),
                                                    .dataset = asked->dataset,
                                                    .state = asked->state,
                                                    .before = asked->before,
                                                    .limit = asked->limit});
    if (!changes) co_return std::unexpected(changes.error());
    for (const auto& change : *changes) found.emplace_back(change.id, wire::change_view(change));
  }
  // They name who asked and why: for whoever sees all of them, and those who may change the same.
  const bool all = identity::reaches_all(exchange.caller, Action::read_facts) ||
                   (asked->subject && identity::authorize(exchange.caller, Action::change_facts, object_of(*asked->subject)));
  if (asked->wants("facts") && all) {
    auto changes = co_await parts.facts.fact_changes({.subject = asked->subject,
                                                      .attribute = std::nullopt,
                                                      .state = asked->state,
                                                      .before = asked->before,
                                                      .limit = asked->limit});
    if (!changes) co_return std::unexpected(changes.error());
    for (const auto& change : *changes) found.emplace_back(change.id, wire::change_view(change));
  } else if (asked->which == "facts") {
    co_return fail(ErrorKind::permission_denied, "ROLE_LACKS_RIGHT",
                   "changes of facts are read by operators, policy officers and auditors, and of a site by its operators");
  }
  std::ranges::sort(found, std::greater{}, [](const auto& change) { return change.first; });
  const bool more = found.size() >= asked->limit;
  found.resize(std::min(found.size(), asked->limit));
  Json list = Json::array();
  for (auto& [id, view] : found) list.push_back(std::move(view));
  co_return json_answer(200, {{"changes", std::move(list)}, {"next_cursor", more ? Json(found.back().first.str()) : Json()}});
}

async::Task<http::Response> approve_change(Exchange exchange) { return rule_on_change(std::move(exchange), true); }
async::Task<http::Response> reject_change(Exchange exchange) { return rule_on_change(std::move(exchange), false); }

}  // namespace hansa::api
