// SPDX-License-Identifier: Apache-2.0
#include "broker/store/catalogue.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/store/change_rows.hpp"
#include "broker/store/readers.hpp"

#include <algorithm>

namespace hansa::store {
namespace {

using domain::Dataset;
using domain::DatasetChange;
using domain::Labels;
using domain::Replica;

constexpr char kInsertDataset[] =
    "INSERT INTO datasets(id, owner, project, labels, size_bytes, files, sha256, created_at_ms, changed_at_ms, version) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING";
constexpr char kUpdateDataset[] =
    "UPDATE datasets SET owner = ?2, labels = ?3, changed_at_ms = ?4, version = ?5, terms = ?7 WHERE id = ?1 AND version = ?6";
constexpr char kLabelsOfContent[] = "SELECT labels FROM datasets WHERE sha256 = ?1";
constexpr char kDeleteReplicas[] = "DELETE FROM replicas WHERE dataset = ?1";
constexpr char kInsertReplica[] =
    "INSERT INTO replicas(dataset, site, root, path, added, added_at_ms, verified_by, verified_at_ms, expires_at_ms) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
constexpr char kInsertChange[] =
    "INSERT INTO dataset_changes(id, dataset, version, by_whom, at_ms, reason, needs_second_person, name, body) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
constexpr char kInsertRuling[] =
    "INSERT INTO dataset_rulings(change, version, approved, by_whom, at_ms, reason) VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
constexpr char kSelectRuled[] = "SELECT 1 FROM dataset_rulings WHERE change = ?1";

const std::string kDatasets =
    "SELECT id, owner, project, labels, size_bytes, files, sha256, created_at_ms, changed_at_ms, version, terms FROM datasets ";
const std::string kSelectDataset = kDatasets + "WHERE id = ?1";
// A condition that is not asked for is NULL. The projects of an audience are a JSON array.
const std::string kSelectDatasets =
    kDatasets +
    "WHERE id > ?1 AND (?2 IS NULL OR owner = ?2 OR project IN (SELECT value FROM json_each(?3))) "
    "AND (?4 IS NULL OR owner = ?4) AND (?5 IS NULL OR project = ?5) "
    "AND (?6 IS NULL OR EXISTS(SELECT 1 FROM json_each(labels) WHERE value = ?6)) ORDER BY id LIMIT ?7";
constexpr char kSelectReplicas[] =
    "SELECT site, root, path, added, added_at_ms, verified_by, verified_at_ms, expires_at_ms FROM replicas WHERE dataset = ?1 "
    "ORDER BY site";

const std::string kChanges = std::string("SELECT ") + kChangeColumns +
                             ", c.dataset FROM dataset_changes c JOIN datasets d ON d.id = c.dataset "
                             "LEFT JOIN dataset_rulings r ON r.change = c.id ";
const std::string kSelectChange = kChanges + "WHERE c.id = ?1";
const std::string kSelectChanges = kChanges +
                                   "WHERE (?1 IS NULL OR c.id < ?1) "
                                   "AND (?2 IS NULL OR d.owner = ?2 OR d.project IN (SELECT value FROM json_each(?3))) "
                                   "AND (?4 IS NULL OR c.dataset = ?4) AND (?5 IS NULL OR ?5 = " +
                                   kChangeState + ") ORDER BY c.id DESC LIMIT ?6";

std::string json_of(const Labels& labels) {
  auto list = Json::array();
  for (const auto& label : labels) list.push_back(label.str());
  return canonical_json(list);
}

std::optional<std::string> json_of(const std::optional<ports::Audience>& audience) {
  if (!audience) return std::nullopt;
  return ids_as_json(audience->projects);
}

std::optional<Principal> person_of(const std::optional<ports::Audience>& audience) {
  return audience ? std::optional(audience->person) : std::nullopt;
}

Result<Labels> labels_of(std::string_view stored) {
  const auto json = parse_json(stored);
  if (!json || !json->is_array()) return unreadable("the labels of a dataset", std::string(stored));
  Labels labels;
  for (const auto& label : *json) {
    if (!label.is_string()) return unreadable("the labels of a dataset", std::string(stored));
    labels.emplace(label.get<std::string>());
  }
  return labels;
}

Result<Dataset> dataset_of(Connection& db, const Statement& row) {
  auto labels = labels_of(row.text(3));
  if (!labels) return std::unexpected(labels.error());
  const auto stored = parse_json(row.text(10));
  auto terms = domain::terms_from_json(stored ? *stored : Json());
  if (!terms) return unreadable("the terms of a dataset", row.string(10));
  Dataset dataset{.id = DatasetId(row.text(0)),
                  .owner = Principal(row.text(1)),
                  .project = ProjectId(row.text(2)),
                  .labels = std::move(*labels),
                  .terms = std::move(*terms),
                  .content = {.size = {row.integer(4)}, .files = row.integer(5), .hash = domain::ContentHash(row.text(6))},
                  .created_at = row.time_ms(7),
                  .changed_at = row.time_ms(8),
                  .version = row.integer(9),
                  .replicas = {}};
  auto rows = db.query(kSelectReplicas, dataset.id);
  while (rows.next()) {
    Replica replica{.site = SiteId(rows.text(0)),
                    .root = domain::RootName(rows.text(1)),
                    .path = rows.string(2),
                    .added = rows.job_id(3),
                    .added_at = rows.time_ms(4),
                    .verified = std::nullopt};
    if (!rows.is_null(5))
      replica.verified = {.by = Principal(rows.text(5)), .at = rows.time_ms(6), .expires_at = rows.time_ms(7)};
    dataset.replicas.push_back(std::move(replica));
  }
  return dataset;
}

Result<DatasetChange> dataset_change_of(const Statement& row) {
  const auto json = parse_json(row.text(kChangeBody));
  if (!json) return unreadable("a change of dataset " + row.string(kChangeOf), json.error().message);
  auto body = domain::change_from_json(row.text(kChangeName), *json);
  if (!body) return unreadable("a change of dataset " + row.string(kChangeOf), body.error().message);
  return change_of(row, DatasetId(row.text(kChangeOf)), std::move(*body));
}

Result<void> add_dataset(Connection& db, const Dataset& dataset) {
  auto same = db.query(kLabelsOfContent, dataset.content.hash);
  while (same.next()) {
    const auto labels = labels_of(same.text(0));
    if (!labels) return std::unexpected(labels.error());
    if (domain::is_loosening(*labels, dataset.labels)) {
      return fail(ErrorKind::conflict, "CONTENT_RESTRICTED",
                  "the same contents are registered already, with labels that yours lack: give it those too, or ask an operator");
    }
  }
  const auto made =
      db.execute(kInsertDataset, dataset.id, dataset.owner, dataset.project, json_of(dataset.labels), dataset.content.size,
                 dataset.content.files, dataset.content.hash, dataset.created_at, dataset.changed_at, dataset.version);
  if (made == 0)
    return fail(ErrorKind::conflict, "DATASET_EXISTS", "there is a dataset " + dataset.id.str() + " already: choose another id");
  return {};
}

}  // namespace

Result<void> record_step(Connection& db, const ports::CatalogueStep& step) {
  const auto& dataset = step.dataset;
  const auto before = dataset.version - static_cast<std::int64_t>(step.changes.size()) - (step.ruling ? 1 : 0);
  if (before == 0) {
    if (auto added = add_dataset(db, dataset); !added) return added;
  } else if (db.execute(kUpdateDataset, dataset.id, dataset.owner, json_of(dataset.labels), dataset.changed_at, dataset.version,
                        before, canonical_json(domain::to_json(dataset.terms))) == 0) {
    return fail(ErrorKind::conflict, "STALE_VERSION",
                "dataset " + dataset.id.str() + " was changed at the same moment: look at it, and try again");
  }
  for (const auto& change : step.changes) {
    db.execute(kInsertChange, change.id, change.of, change.version, change.by, change.at, change.reason,
               change.needs_second_person, domain::change_name(change.body), canonical_json(domain::to_json(change.body)));
  }
  if (step.ruling) {
    if (auto ruled = insert_ruling(db, kSelectRuled, kInsertRuling, step.ruling->change, step.ruling->ruling); !ruled)
      return ruled;
  }
  db.execute(kDeleteReplicas, dataset.id);
  for (const auto& replica : dataset.replicas) {
    const auto& seen = replica.verified;
    db.execute(kInsertReplica, dataset.id, replica.site, replica.root, replica.path, replica.added, replica.added_at,
               seen ? std::optional(seen->by) : std::nullopt, seen ? std::optional(seen->at) : std::nullopt,
               seen ? std::optional(seen->expires_at) : std::nullopt);
  }
  return {};
}

Result<Dataset> read_dataset(Connection& db, const DatasetId& id) {
  auto row = db.query(kSelectDataset.c_str(), id);
  if (!row.next()) return fail(ErrorKind::not_found, "DATASET_NOT_FOUND", "there is no dataset " + id.str().substr(0, 128));
  return dataset_of(db, row);
}

Result<std::vector<Dataset>> read_datasets(Connection& db, const ports::DatasetQuery& query) {
  std::vector<Dataset> found;
  auto rows = db.query(kSelectDatasets.c_str(), query.after.value_or(DatasetId{}), person_of(query.audience),
                       json_of(query.audience), query.owner, query.project, query.label, bounded(query.limit));
  while (rows.next()) {
    auto dataset = dataset_of(db, rows);
    if (!dataset) return std::unexpected(dataset.error());
    found.push_back(std::move(*dataset));
  }
  return found;
}

Result<DatasetChange> read_change(Connection& db, domain::ChangeId id) {
  auto row = db.query(kSelectChange.c_str(), id);
  if (!row.next()) return fail(ErrorKind::not_found, "CHANGE_NOT_FOUND", "there is no change " + id.str());
  return dataset_change_of(row);
}

Result<std::vector<DatasetChange>> read_changes(Connection& db, const ports::ChangeQuery& query) {
  std::vector<DatasetChange> found;
  const auto state = query.state ? std::optional(std::string(domain::to_string(*query.state))) : std::nullopt;
  auto rows = db.query(kSelectChanges.c_str(), query.before, person_of(query.audience), json_of(query.audience), query.dataset,
                       state, bounded(query.limit));
  while (rows.next()) {
    auto change = dataset_change_of(rows);
    if (!change) return std::unexpected(change.error());
    found.push_back(std::move(*change));
  }
  return found;
}

}  // namespace hansa::store
