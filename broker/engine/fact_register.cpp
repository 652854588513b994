// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/fact_register.hpp"

#include <algorithm>

namespace hansa::engine {
namespace {

using domain::FactChange;
using domain::FactChangeBody;
using domain::FactKey;
using domain::RegisteredFact;
using domain::Statement;

Result<void> check_times(const FactKey& key, const Statement& wanted, UtcTime now) {
  std::vector<Fault> faults;
  if (wanted.as_of && !key.subject.is_place())
    faults.push_back(
        {"/as_of", "is for places: of projects and people a fact is so for as long as the register says so; see until"});
  if (wanted.as_of && *wanted.as_of > now) faults.push_back({"/as_of", "lies in the future"});
  if (wanted.until && *wanted.until <= now)
    faults.push_back({"/until", "lies in the past: withdraw the fact if it is not so any more"});
  if (faults.empty()) return {};
  auto error = fail(ErrorKind::invalid_argument, "BAD_FACT", faults.front().where + ": " + faults.front().message);
  error.error().faults = std::move(faults);
  return error;
}

bool is_in_effect(const FactChange& change) {
  const auto state = change.state();
  return state == domain::ChangeState::applied || state == domain::ChangeState::approved;
}

}  // namespace

async::Task<> FactRegister::load() {
  auto facts = co_await store_.registered_facts();
  if (!facts) co_return std::unexpected(facts.error());
  engine_.amend(*facts);
  co_return Result<void>{};
}

std::optional<Statement> FactRegister::said(const RegisteredFact& fact) const {
  return fact.change ? fact.statement : engine_.rules().configured(fact.key);
}

async::Task<FactOutcome> FactRegister::state(Asking asking, FactKey key, Statement wanted) {
  const auto now = clock_.now_utc();
  if (auto possible = check_times(key, wanted, now); !possible) co_return std::unexpected(possible.error());
  auto fact = co_await store_.registered_fact(key);
  if (!fact) co_return std::unexpected(fact.error());
  const auto before = said(*fact);
  if (before && domain::only_narrows(key, before->value, wanted.value)) {
    const bool counts = !before->until || *before->until > now;  // what has ended is not renewed by saying less
    if (!wanted.as_of && counts) wanted.as_of = before->as_of;
    if (!wanted.until && counts) wanted.until = before->until;
    if (wanted.evidence.empty()) wanted.evidence = before->evidence;
  }
  if (!wanted.as_of && key.subject.is_place()) wanted.as_of = now;
  // From the file's word on it is two people's even where it says less: it takes that place for good, whatever the file says
  // later.
  auto steps = domain::fact_steps(key, fact->change ? before : std::nullopt, std::move(wanted));
  if (!fact->change && before) {
    steps.front().before = before;
    if (steps.front().after == before) steps.clear();
  }
  co_return co_await record(std::move(asking), std::move(*fact), std::move(steps));
}

async::Task<FactOutcome> FactRegister::withdraw(Asking asking, FactKey key) {
  auto fact = co_await store_.registered_fact(std::move(key));
  if (!fact) co_return std::unexpected(fact.error());
  std::vector<FactChangeBody> bodies;
  if (auto before = said(*fact))
    bodies.push_back({.before = std::move(before), .made_from = std::nullopt, .after = std::nullopt});
  co_return co_await record(std::move(asking), std::move(*fact), std::move(bodies));
}

async::Task<FactOutcome> FactRegister::rule(Asking asking, FactChange change, bool approve) {
  if (auto waits = domain::is_pending(change.id, change.state()); !waits) co_return std::unexpected(waits.error());
  auto fact = co_await store_.registered_fact(change.of);
  if (!fact) co_return std::unexpected(fact.error());
  const auto now = clock_.now_utc();
  if (approve) {
    if (auto allowed = domain::may_approve(asking.by, change); !allowed) co_return std::unexpected(allowed.error());
    if (auto fits = domain::still_fits(change, engine_.rules().configured(change.of)); !fits)
      co_return std::unexpected(fits.error());
    if (auto applied = domain::apply(*fact, change, now); !applied) co_return std::unexpected(applied.error());
  }
  fact->version += 1;
  change.ruling = domain::Ruling{
      .approved = approve, .by = asking.by, .at = now, .reason = std::move(asking.reason), .version = fact->version};
  auto done = co_await store_.record_fact(
      {.fact = *fact, .changes = {}, .ruling = ports::NewRuling{.change = change.id, .ruling = *change.ruling}});
  if (!done) co_return std::unexpected(done.error());
  FactOutcome outcome{.fact = std::move(*fact), .changes = {}};
  outcome.changes.push_back(std::move(change));
  publish(outcome);
  co_return outcome;
}

async::Task<FactOutcome> FactRegister::record(Asking asking, RegisteredFact fact, std::vector<FactChangeBody> bodies) {
  if (std::ranges::any_of(bodies, [&](const FactChangeBody& body) { return domain::needs_second_person(fact, body); })) {
    if (auto first = co_await refuse_second(fact.key); !first) co_return std::unexpected(first.error());
  }
  const auto now = clock_.now_utc();
  FactOutcome outcome{.fact = std::move(fact), .changes = {}};
  for (auto& body : bodies) {
    body.made_from = outcome.fact.change;
    FactChange change{.id = ids_.next(),
                      .of = outcome.fact.key,
                      .version = outcome.fact.version + 1,
                      .by = asking.by,
                      .at = now,
                      .reason = asking.reason,
                      .body = std::move(body)};
    change.needs_second_person = domain::needs_second_person(outcome.fact, change.body);
    if (!change.needs_second_person) {
      if (auto applied = domain::apply(outcome.fact, change, now); !applied) co_return std::unexpected(applied.error());
    }
    outcome.fact.version = change.version;
    outcome.changes.push_back(std::move(change));
  }
  if (outcome.changes.empty()) co_return outcome;
  auto done = co_await store_.record_fact({.fact = outcome.fact, .changes = outcome.changes, .ruling = std::nullopt});
  if (!done) co_return std::unexpected(done.error());
  publish(outcome);
  co_return outcome;
}

async::Task<> FactRegister::refuse_second(const FactKey& key) const {
  auto waiting = co_await store_.fact_changes({.subject = key.subject,
                                               .attribute = key.attribute,
                                               .state = domain::ChangeState::pending,
                                               .before = std::nullopt,
                                               .limit = 1});
  if (!waiting) co_return std::unexpected(waiting.error());
  if (waiting->empty()) co_return Result<void>{};
  const auto& change = waiting->front();
  co_return fail(ErrorKind::conflict, "ALREADY_PENDING",
                 "another change of " + key.attribute + " of " + key.subject.str() +
                     " waits for a second person already: change " + change.id.str() + " of " + change.by.str() +
                     "; have it approved or rejected first");
}

void FactRegister::publish(const FactOutcome& outcome) const {
  if (std::ranges::any_of(outcome.changes, is_in_effect)) engine_.amend({outcome.fact});
  for (const auto& change : outcome.changes) {
    const auto& ruling = change.ruling;
    log_.write(ports::LogLevel::info, ruling ? "change of a fact ruled on" : "change of a fact",
               {{"change", change.id.str()},
                {"subject", change.of.subject.str()},
                {"attribute", change.of.attribute},
                {"what", std::string(domain::change_name(change.body))},
                {"state", std::string(domain::to_string(change.state()))},
                {"by", change.by.str()},
                {"ruled_by", ruling ? ruling->by.str() : ""}});
  }
}

}  // namespace hansa::engine
