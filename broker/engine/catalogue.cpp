// SPDX-License-Identifier: Apache-2.0
#include "broker/engine/catalogue.hpp"

#include <algorithm>

namespace hansa::engine {
namespace {

using domain::DatasetChange;
using domain::DatasetChangeBody;

constexpr std::size_t kMostPending = 100;     // of one dataset
constexpr Seconds kLongestEvidence{366LL * 86'400};

std::unexpected<Error> refusal(ErrorKind kind, std::string_view code, std::vector<Fault> faults) {
  auto error = fail(kind, code, faults.front().where + ": " + faults.front().message);
  if (faults.size() > 1) error.error().message += " (and " + std::to_string(faults.size() - 1) + " more)";
  error.error().faults = std::move(faults);
  return error;
}

std::unexpected<Error> no_member(const Principal& person, const ProjectId& project, std::string where) {
  return refusal(ErrorKind::permission_denied, "NOT_A_MEMBER",
                 {{std::move(where), person.str() + " is not a member of project \"" + project.str() +
                                         "\": data of a project belong to one of its members"}});
}

}  // namespace

ports::Audience Catalogue::audience_of(const Principal& person) const {
  return {.person = person, .projects = accounts_.projects_of(person)};
}

bool Catalogue::is_member(const Principal& person, const ProjectId& project) const {
  const auto projects = accounts_.projects_of(person);
  return std::ranges::find(projects, project) != projects.end();
}

async::Task<CatalogueOutcome> Catalogue::add(Asking asking, DatasetId id, domain::Registered what) {
  if (!is_member(what.owner, what.project)) co_return no_member(what.owner, what.project, "/project");
  domain::Dataset none{.id = std::move(id)};
  std::vector<DatasetChangeBody> bodies{std::move(what)};
  co_return co_await record(std::move(asking), std::move(none), std::move(bodies));
}

async::Task<CatalogueOutcome> Catalogue::amend(Asking asking, domain::Dataset dataset, Amendment amendment) {
  auto& [labels, owner, permit, transfer_basis, reviewed] = amendment;
  std::vector<DatasetChangeBody> bodies;
  if (labels) {
    for (auto& step : domain::relabelling(dataset.labels, *labels)) bodies.emplace_back(std::move(step));
  }
  if (owner && *owner != dataset.owner) {
    if (!is_member(*owner, dataset.project)) co_return no_member(*owner, dataset.project, "/owner");
    bodies.emplace_back(domain::OwnerChanged{.before = dataset.owner, .after = std::move(*owner)});
  }
  auto terms = dataset.terms;
  if (permit) terms.permit = std::move(*permit);
  if (transfer_basis) terms.transfer_basis = std::move(*transfer_basis);
  if (reviewed) terms.reviewed = reviewed;
  for (auto& step : domain::terms_steps(dataset.terms, terms)) bodies.emplace_back(std::move(step));
  co_return co_await record(std::move(asking), std::move(dataset), std::move(bodies));
}

async::Task<CatalogueOutcome> Catalogue::add_replica(Asking asking, domain::Dataset dataset, domain::ReplicaAdded what) {
  std::vector<DatasetChangeBody> bodies{std::move(what)};
  co_return co_await record(std::move(asking), std::move(dataset), std::move(bodies));
}

async::Task<CatalogueOutcome> Catalogue::remove_replica(Asking asking, domain::Dataset dataset, SiteId site) {
  std::vector<DatasetChangeBody> bodies{domain::ReplicaRemoved{.site = std::move(site)}};
  co_return co_await record(std::move(asking), std::move(dataset), std::move(bodies));
}

async::Task<CatalogueOutcome> Catalogue::verify_replica(Asking asking, domain::Dataset dataset, SeenReplica seen) {
  const auto* replica = dataset.replica_at(seen.site);
  if (replica == nullptr) {
    co_return fail(ErrorKind::not_found, "REPLICA_NOT_FOUND",
                   "dataset " + dataset.id.str() + " has no replica at site \"" + seen.site.str().substr(0, 40) + "\"");
  }
  const auto now = clock_.now_utc();
  const auto at = seen.at.value_or(now);
  std::vector<Fault> faults;
  if (seen.hash != dataset.content.hash)
    faults.push_back({"/sha256", "is not the dataset's: what is there is something else; remove the replica"});
  if (at > now) faults.push_back({"/verified_at", "lies in the future"});
  if (seen.expires_at <= now)
    faults.push_back({"/expires_at", "lies in the past: such a verification would count for nothing"});
  else if (seen.expires_at - at > kLongestEvidence)
    faults.push_back({"/expires_at", "is more than 366 days after the verification: look again by then"});
  if (!faults.empty()) co_return refusal(ErrorKind::invalid_argument, "BAD_EVIDENCE", std::move(faults));
  std::vector<DatasetChangeBody> bodies{
      domain::ReplicaVerified{.site = seen.site, .replica = replica->added, .at = at, .expires_at = seen.expires_at}};
  co_return co_await record(std::move(asking), std::move(dataset), std::move(bodies));
}

async::Task<CatalogueOutcome> Catalogue::rule(Asking asking, domain::Dataset dataset, DatasetChange change, bool approve) {
  if (auto waits = domain::is_pending(change.id, change.state()); !waits) co_return std::unexpected(waits.error());
  const auto now = clock_.now_utc();
  if (approve) {
    if (auto allowed = domain::may_approve(asking.by, change); !allowed) co_return std::unexpected(allowed.error());
    if (auto applied = domain::apply(dataset, change, now); !applied) co_return std::unexpected(applied.error());
  }
  dataset.version += 1;
  change.ruling = domain::Ruling{
      .approved = approve, .by = asking.by, .at = now, .reason = std::move(asking.reason), .version = dataset.version};
  auto done = co_await store_.record_step(
      {.dataset = dataset, .changes = {}, .ruling = ports::NewRuling{.change = change.id, .ruling = *change.ruling}});
  if (!done) co_return std::unexpected(done.error());
  tell(change);
  CatalogueOutcome outcome{.dataset = std::move(dataset), .changes = {}};
  outcome.changes.push_back(std::move(change));
  co_return outcome;
}

async::Task<CatalogueOutcome> Catalogue::record(Asking asking, domain::Dataset dataset, std::vector<DatasetChangeBody> bodies) {
  if (auto news = co_await refuse_repeated(dataset, bodies); !news) co_return std::unexpected(news.error());
  const auto now = clock_.now_utc();
  CatalogueOutcome outcome{.dataset = std::move(dataset), .changes = {}};
  for (auto& body : bodies) {
    DatasetChange change{.id = ids_.next(),
                         .of = outcome.dataset.id,
                         .version = outcome.dataset.version + 1,
                         .by = asking.by,
                         .at = now,
                         .reason = asking.reason,
                         .body = std::move(body)};
    change.needs_second_person = domain::needs_second_person(change.body);
    if (!change.needs_second_person) {
      if (auto applied = domain::apply(outcome.dataset, change, now); !applied) co_return std::unexpected(applied.error());
    }
    outcome.dataset.version = change.version;
    outcome.changes.push_back(std::move(change));
  }
  if (outcome.changes.empty()) co_return outcome;
  auto done = co_await store_.record_step({.dataset = outcome.dataset, .changes = outcome.changes, .ruling = std::nullopt});
  if (!done) co_return std::unexpected(done.error());
  for (const auto& change : outcome.changes) tell(change);
  co_return outcome;
}

async::Task<> Catalogue::refuse_repeated(const domain::Dataset& dataset, const std::vector<DatasetChangeBody>& bodies) const {
  if (std::ranges::none_of(bodies, [](const auto& body) { return domain::needs_second_person(body); })) co_return Result<void>{};
  auto waiting = co_await store_.changes({.audience = std::nullopt,
                                          .dataset = dataset.id,
                                          .state = domain::ChangeState::pending,
                                          .before = std::nullopt,
                                          .limit = kMostPending});
  if (!waiting) co_return std::unexpected(waiting.error());
  for (const auto& change : *waiting) {
    if (std::ranges::find(bodies, change.body) != bodies.end()) {
      co_return fail(ErrorKind::conflict, "ALREADY_PENDING",
                     "this waits for a second person already, as change " + change.id.str() + " of " + change.by.str());
    }
  }
  if (waiting->size() >= kMostPending) {
    co_return fail(ErrorKind::conflict, "TOO_MANY_PENDING",
                   std::to_string(kMostPending) + " changes of dataset " + dataset.id.str() +
                       " wait already: have some approved or rejected first");
  }
  co_return Result<void>{};
}

void Catalogue::tell(const DatasetChange& change) const {
  if (changed_) changed_();
  const auto& ruling = change.ruling;
  log_.write(ports::LogLevel::info, ruling ? "change of a dataset ruled on" : "change of a dataset",
             {{"change", change.id.str()},
              {"dataset", change.of.str()},
              {"what", std::string(domain::change_name(change.body))},
              {"state", std::string(domain::to_string(change.state()))},
              {"by", change.by.str()},
              {"ruled_by", ruling ? ruling->by.str() : ""}});
}

}  // namespace hansa::engine
