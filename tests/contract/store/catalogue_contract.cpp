// SPDX-License-Identifier: Apache-2.0
#include "store_contract.hpp"
#include <catch2/catch.hpp>

#include <algorithm>

using namespace hansa;
using namespace hansa::contract;

namespace {

using domain::ChangeState;
using domain::Dataset;
using domain::DatasetChange;
using domain::DatasetChangeBody;

domain::Labels labels(std::initializer_list<const char*> words) {
  domain::Labels set;
  for (const auto* word : words) set.emplace(word);
  return set;
}

DatasetChange dataset_change(const Dataset& dataset, DatasetChangeBody body, const char* by = "local:alice") {
  DatasetChange made{.id = next_id(),
                     .of = dataset.id,
                     .version = dataset.version + 1,
                     .by = Principal(by),
                     .at = at(dataset.version),
                     .reason = "why\n\"so\"",
                     .body = std::move(body)};
  made.needs_second_person = domain::needs_second_person(made.body);
  return made;
}

/// Records one change; what waits does nothing to the dataset yet. The code of a refusal, or "".
std::string record(StoreUnderTest& store, Dataset& dataset, const DatasetChange& made) {
  auto after = dataset;
  if (!made.needs_second_person) {
    const auto applied = domain::apply(after, made, made.at);
    if (!applied) return applied.error().code;
  }
  after.version = made.version;
  const auto done = store.wait(store.catalogue().record_step({.dataset = after, .changes = {made}, .ruling = std::nullopt}));
  if (done) dataset = after;
  return code_of(done);
}

struct Traits {
  std::string id = "d1";
  std::string owner = "local:alice";
  std::string project = "ai-lab";
  domain::Labels of = {domain::Label("personal")};
  char hash = 'a';
};

DatasetChange registration(const Traits& traits) {
  return dataset_change(
      {.id = DatasetId(traits.id)},
      domain::Registered{
          .owner = Principal(traits.owner),
          .project = ProjectId(traits.project),
          .labels = traits.of,
          .content = {.size = {std::int64_t{1} << 52}, .files = 7, .hash = domain::ContentHash(std::string(64, traits.hash))}},
      traits.owner.c_str());
}

Dataset registered(StoreUnderTest& store, const Traits& traits = {}) {
  Dataset dataset{.id = DatasetId(traits.id)};
  REQUIRE(record(store, dataset, registration(traits)).empty());
  return dataset;
}

/// A second person's word; the code of a refusal, or "".
std::string rule(StoreUnderTest& store, Dataset& dataset, const DatasetChange& made, bool approve, const char* by = "local:op") {
  auto after = dataset;
  if (approve) {
    const auto applied = domain::apply(after, made, at(500));
    if (!applied) return applied.error().code;
  }
  after.version += 1;
  const ports::NewRuling ruling{
      .change = made.id,
      .ruling = {.approved = approve, .by = Principal(by), .at = at(500), .reason = "seen", .version = after.version}};
  const auto done = store.wait(store.catalogue().record_step({.dataset = after, .changes = {}, .ruling = ruling}));
  if (done) dataset = after;
  return code_of(done);
}

Dataset stored(StoreUnderTest& store, const std::string& id = "d1") {
  auto dataset = store.wait(store.catalogue().dataset(DatasetId(id)));
  INFO(code_of(dataset));
  REQUIRE(dataset);
  return *dataset;
}

std::vector<DatasetChange> changes(StoreUnderTest& store, ports::ChangeQuery query = {}) {
  auto found = store.wait(store.catalogue().changes(std::move(query)));
  INFO(code_of(found));
  REQUIRE(found);
  return *found;
}

std::vector<std::string> ids(StoreUnderTest& store, ports::DatasetQuery query) {
  auto found = store.wait(store.catalogue().datasets(std::move(query)));
  INFO(code_of(found));
  REQUIRE(found);
  std::vector<std::string> list;
  for (const auto& dataset : *found) list.push_back(dataset.id.str());
  return list;
}

ports::Audience audience(const char* person, std::initializer_list<const char*> projects) {
  ports::Audience made{.person = Principal(person), .projects = {}};
  for (const auto* project : projects) made.projects.emplace_back(project);
  return made;
}

}  // namespace

TEST_CASE("a dataset with its replicas is there as it was recorded, also after a restart") {
  auto store = next_store();
  auto dataset = registered(*store);
  CHECK(stored(*store) == dataset);
  REQUIRE(
      record(*store, dataset, dataset_change(dataset, domain::ReplicaAdded{SiteId("beta"), domain::RootName("r"), "p/\xC3\xA5"}))
          .empty());
  REQUIRE(record(*store, dataset, dataset_change(dataset, domain::ReplicaAdded{SiteId("alpha"), domain::RootName("s"), "q"}))
              .empty());
  const auto verified = dataset_change(
      dataset, domain::ReplicaVerified{SiteId("beta"), dataset.replica_at(SiteId("beta"))->added, at(400), at(900)}, "local:bob");
  REQUIRE(record(*store, dataset, verified).empty());
  CHECK_FALSE(stored(*store).replica_at(SiteId("beta"))->verified);  // it waits
  REQUIRE(rule(*store, dataset, verified, true).empty());
  CHECK(stored(*store) == dataset);
  CHECK(stored(*store).replica_at(SiteId("beta"))->verified ==
        domain::Verification{.by = Principal("local:bob"), .at = at(400), .expires_at = at(900)});
  store->reopen();
  CHECK(stored(*store) == dataset);
  REQUIRE(record(*store, dataset, dataset_change(dataset, domain::ReplicaRemoved{SiteId("beta")})).empty());
  CHECK(stored(*store).replicas.size() == 1);
  CHECK(stored(*store).terms == domain::Terms{});
  const domain::Terms terms{
      .permit = domain::DataPermit{.id = "FI-0143", .until = at(900)}, .transfer_basis = "adequacy", .reviewed = false};
  const auto recorded = dataset_change(dataset, domain::TermsChanged{domain::Terms{}, terms});
  REQUIRE(record(*store, dataset, recorded).empty());
  CHECK(stored(*store).terms == domain::Terms{});  // it waits
  REQUIRE(rule(*store, dataset, recorded, true).empty());
  store->reopen();
  CHECK(stored(*store).terms == terms);
  CHECK(stored(*store) == dataset);
}

TEST_CASE("the log alone gives the dataset again") {
  auto store = next_store();
  auto dataset = registered(*store);
  REQUIRE(record(*store, dataset, dataset_change(dataset, domain::ReplicaAdded{SiteId("alpha"), domain::RootName("r"), "p"}))
              .empty());
  const auto open = dataset_change(dataset, domain::Relabelled{labels({"personal"}), labels({"open"})});
  REQUIRE(record(*store, dataset, open).empty());
  const auto given = dataset_change(dataset, domain::OwnerChanged{Principal("local:alice"), Principal("local:bob")});
  REQUIRE(record(*store, dataset, given).empty());
  REQUIRE(rule(*store, dataset, given, true).empty());
  REQUIRE(rule(*store, dataset, open, false).empty());
  REQUIRE(
      record(*store, dataset, dataset_change(dataset, domain::Relabelled{labels({"personal"}), labels({"health", "personal"})}))
          .empty());
  store->reopen();

  // In the order of their versions: changes where they took effect at once, else their rulings.
  struct Effect {
    std::int64_t version;
    const DatasetChange* change;
    UtcTime at;
  };
  const auto log = changes(*store);
  std::vector<Effect> effects;
  std::int64_t last = 0;
  for (const auto& entry : log) {
    last = std::max({last, entry.version, entry.ruling ? entry.ruling->version : 0});
    if (entry.state() == ChangeState::applied) effects.push_back({entry.version, &entry, entry.at});
    if (entry.state() == ChangeState::approved) effects.push_back({entry.ruling->version, &entry, entry.ruling->at});
  }
  std::ranges::sort(effects, {}, &Effect::version);
  Dataset replayed;
  for (const auto& effect : effects) {
    REQUIRE(domain::apply(replayed, *effect.change, effect.at));
    replayed.version = effect.version;
  }
  replayed.version = last;
  CHECK(replayed == stored(*store));
  CHECK(replayed.owner == Principal("local:bob"));
  CHECK(log.size() == 5);
}

TEST_CASE("changes and rulings are kept whole, newest first") {
  auto store = next_store();
  auto dataset = registered(*store);
  auto waits = dataset_change(dataset, domain::Relabelled{labels({"personal"}), labels({"open"})});
  REQUIRE(record(*store, dataset, waits).empty());
  store->reopen();
  const auto log = changes(*store);
  REQUIRE(log.size() == 2);
  CHECK(log[0] == waits);
  CHECK(log[0].state() == ChangeState::pending);
  CHECK(log[1].state() == ChangeState::applied);
  REQUIRE(rule(*store, dataset, waits, true).empty());
  waits.ruling =
      domain::Ruling{.approved = true, .by = Principal("local:op"), .at = at(500), .reason = "seen", .version = dataset.version};
  CHECK(store->wait(store->catalogue().change(waits.id)).value() == waits);
  CHECK(stored(*store).labels == labels({"open"}));
  CHECK(code_of(store->wait(store->catalogue().change(next_id()))) == "CHANGE_NOT_FOUND");
  CHECK(code_of(store->wait(store->catalogue().dataset(DatasetId("d2")))) == "DATASET_NOT_FOUND");
}

TEST_CASE("a change is ruled on once, never by whoever made it, and only if it waits") {
  auto store = next_store();
  auto dataset = registered(*store);
  const auto first = changes(*store).front();
  const auto waits = dataset_change(dataset, domain::Relabelled{labels({"personal"}), labels({"open"})}, "local:op");
  REQUIRE(record(*store, dataset, waits).empty());
  const auto before = dataset;
  CHECK(rule(*store, dataset, waits, true, "local:op") == "STORE_CONFLICT");
  CHECK(rule(*store, dataset, first, false) == "STORE_CONFLICT");  // it took effect at once
  CHECK(stored(*store) == before);
  CHECK(rule(*store, dataset, waits, false, "local:op").empty());  // to withdraw one's own is fine
  CHECK(rule(*store, dataset, waits, false) == "ALREADY_RULED");
  CHECK(rule(*store, dataset, waits, true) == "ALREADY_RULED");
  CHECK(stored(*store).labels == labels({"personal"}));
  CHECK(changes(*store, {.state = ChangeState::rejected}).size() == 1);
}

TEST_CASE("a step is recorded only on top of the version it was made from, whole or not at all") {
  auto store = next_store();
  auto dataset = registered(*store);
  auto stale = dataset;
  REQUIRE(record(*store, dataset, dataset_change(dataset, domain::ReplicaAdded{SiteId("alpha"), domain::RootName("r"), "p"}))
              .empty());
  CHECK(record(*store, stale, dataset_change(stale, domain::Relabelled{labels({"personal"}), labels({"health", "personal"})})) ==
        "STALE_VERSION");
  CHECK(stored(*store) == dataset);
  CHECK(changes(*store).size() == 2);
  Dataset unknown{.id = DatasetId("d9"), .version = 3};
  CHECK(record(*store, unknown, dataset_change(unknown, domain::OwnerChanged{Principal(""), Principal("x")})) == "STALE_VERSION");
}

TEST_CASE("an id is taken once; the same contents are not registered again with less than their labels") {
  auto store = next_store();
  const auto dataset = registered(*store, {.of = labels({"health", "personal"})});
  Dataset again{.id = DatasetId("d1")};
  CHECK(record(*store, again, registration({.hash = 'b'})) == "DATASET_EXISTS");
  Dataset twin{.id = DatasetId("d2")};
  for (const auto& fewer : {labels({"open"}), labels({"personal"}), labels({"health", "open", "personal"})})
    CHECK(record(*store, twin, registration({.id = "d2", .owner = "local:bob", .of = fewer})) == "CONTENT_RESTRICTED");
  CHECK(changes(*store).size() == 1);
  CHECK(record(*store, twin, registration({.id = "d2", .of = labels({"health", "internal", "personal"})})).empty());
  Dataset other{.id = DatasetId("d3")};
  CHECK(record(*store, other, registration({.id = "d3", .of = labels({"open"}), .hash = 'b'})).empty());
  CHECK(stored(*store) == dataset);
}

TEST_CASE("datasets are listed by id, filtered, page by page, and to whom they belong or whose project has them") {
  auto store = next_store();
  registered(*store, {.id = "c", .hash = '1'});
  registered(*store, {.id = "a", .owner = "local:bob", .project = "climate", .of = labels({"open"}), .hash = '2'});
  registered(*store, {.id = "b", .owner = "local:bob", .of = labels({"health", "personal"}), .hash = '3'});
  registered(*store, {.id = "B", .owner = "local:carol", .project = "other's \"x\"", .of = labels({"health"}), .hash = '4'});
  using Ids = std::vector<std::string>;
  CHECK(ids(*store, {}) == Ids{"B", "a", "b", "c"});
  CHECK(ids(*store, {.owner = Principal("local:bob")}) == Ids{"a", "b"});
  CHECK(ids(*store, {.project = ProjectId("ai-lab")}) == Ids{"b", "c"});
  CHECK(ids(*store, {.label = domain::Label("personal")}) == Ids{"b", "c"});
  CHECK(ids(*store, {.label = domain::Label("person")}).empty());
  CHECK(ids(*store, {.owner = Principal("local:bob"), .label = domain::Label("personal")}) == Ids{"b"});
  CHECK(ids(*store, {.limit = 2}) == Ids{"B", "a"});
  CHECK(ids(*store, {.after = DatasetId("a"), .limit = 2}) == Ids{"b", "c"});
  CHECK(ids(*store, {.audience = audience("local:alice", {})}) == Ids{"c"});
  CHECK(ids(*store, {.audience = audience("local:alice", {"ai-lab"})}) == Ids{"b", "c"});
  CHECK(ids(*store, {.audience = audience("local:bob", {"climate", "other's \"x\""})}) == Ids{"B", "a", "b"});
  CHECK(ids(*store, {.audience = audience("local:dave", {"a', 'climate"})}).empty());
  CHECK(ids(*store, {.audience = audience("local:alice", {"ai-lab"}), .owner = Principal("local:carol")}).empty());
}

TEST_CASE("changes are listed by dataset, state and page, and to whom the dataset is shown") {
  auto store = next_store();
  auto mine = registered(*store, {.id = "mine", .hash = '1'});
  auto theirs = registered(*store, {.id = "theirs", .owner = "local:bob", .project = "climate", .hash = '2'});
  const auto waits = dataset_change(mine, domain::Relabelled{labels({"personal"}), labels({"open"})});
  REQUIRE(record(*store, mine, waits).empty());
  const auto given = dataset_change(theirs, domain::OwnerChanged{Principal("local:bob"), Principal("local:alice")}, "local:bob");
  REQUIRE(record(*store, theirs, given).empty());
  CHECK(changes(*store).size() == 4);
  CHECK(changes(*store, {.dataset = DatasetId("mine")}).size() == 2);
  CHECK(changes(*store, {.state = ChangeState::pending}) == std::vector{given, waits});
  CHECK(changes(*store, {.state = ChangeState::applied}).size() == 2);
  CHECK(changes(*store, {.state = ChangeState::approved}).empty());
  CHECK(changes(*store, {.limit = 1}) == std::vector{given});
  CHECK(changes(*store, {.before = given.id, .limit = 1}) == std::vector{waits});
  CHECK(changes(*store, {.audience = audience("local:alice", {})}).size() == 2);
  CHECK(changes(*store, {.audience = audience("local:carol", {"climate"})}).size() == 2);
  CHECK(changes(*store, {.audience = audience("local:carol", {})}).empty());
  REQUIRE(rule(*store, theirs, given, true).empty());  // now it is alice's
  CHECK(changes(*store, {.audience = audience("local:alice", {})}).size() == 4);
  CHECK(changes(*store, {.state = ChangeState::approved}).size() == 1);
}
