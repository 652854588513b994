// SPDX-License-Identifier: Apache-2.0
#pragma once
// The registry of datasets and their replicas, by use case. As with the other stores (stores.hpp): a write returns when it is
// durable; callable from any strand. The log of changes and rulings is append-only; datasets and replicas are its projection.

#include "broker/async/task.hpp"
#include "broker/domain/dataset.hpp"

#include <optional>
#include <vector>

namespace hansa::ports {

struct NewRuling {
  domain::ChangeId change;            // of the same thing, recorded earlier, without a ruling
  domain::Ruling ruling;
};

/// What happened to one dataset at once. Each new change and the ruling have a version of their own, rising one by one; the last
/// is the dataset's.
struct CatalogueStep {
  domain::Dataset dataset;            // after it
  std::vector<domain::DatasetChange> changes;
  std::optional<NewRuling> ruling;
};

/// What somebody may see who may not see everything: what is theirs, and what their projects have.
struct Audience {
  Principal person;
  std::vector<ProjectId> projects;
};

struct DatasetQuery {
  std::optional<Audience> audience;   // none: everybody's
  std::optional<Principal> owner;
  std::optional<ProjectId> project;
  std::optional<domain::Label> label;
  std::optional<DatasetId> after;     // cursor: by id, ids above this one
  std::size_t limit = 100;
};

struct ChangeQuery {
  std::optional<Audience> audience;   // of the datasets as they are now
  std::optional<DatasetId> dataset;
  std::optional<domain::ChangeState> state;
  std::optional<domain::ChangeId> before;  // cursor: newest first, ids below this one
  std::size_t limit = 100;
};

class CatalogueStore {
 public:
  virtual ~CatalogueStore() = default;

  /// All of it or nothing. Conflicts: DATASET_EXISTS; CONTENT_RESTRICTED (a new dataset with the contents of another one that has
  /// labels which it lacks: registering twice is no way round a second person); STALE_VERSION (the dataset is not at the version
  /// before the step); ALREADY_RULED; STORE_CONFLICT (a ruling that is the proposer's own).
  virtual async::Task<> record_step(CatalogueStep step) = 0;

  virtual async::Task<domain::Dataset> dataset(DatasetId id) = 0;  // not_found, DATASET_NOT_FOUND
  virtual async::Task<std::vector<domain::Dataset>> datasets(DatasetQuery query) = 0;  // by id
  virtual async::Task<domain::DatasetChange> change(domain::ChangeId id) = 0;  // not_found, CHANGE_NOT_FOUND
  virtual async::Task<std::vector<domain::DatasetChange>> changes(ChangeQuery query) = 0;  // newest first
};

}  // namespace hansa::ports
