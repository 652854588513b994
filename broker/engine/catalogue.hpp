// SPDX-License-Identifier: Apache-2.0
#pragma once
// The registry of datasets: who changed what, what takes effect at once and what waits for a second person. Who may ask at all is
// the caller's question (identity). Callable from any thread; returns on the caller's executor. What it says of a job's datasets
// decides where the job may go (rulebook.hpp).

#include "broker/core/ulid.hpp"
#include "broker/ports/accounts.hpp"
#include "broker/ports/catalogue.hpp"
#include "broker/ports/log.hpp"

#include <functional>

namespace hansa::engine {

struct CatalogueOutcome {
  domain::Dataset dataset;  // as it is now
  std::vector<domain::DatasetChange> changes;  // what was asked made these, or ruled on this one
};

/// Who asks, and why; kept with the change.
struct Asking {
  Principal by;
  std::string reason;
};

/// What somebody saw at a site.
struct SeenReplica {
  SiteId site;
  domain::ContentHash hash;  // of what is there
  std::optional<UtcTime> at;  // when; none: now
  UtcTime expires_at{};
};

/// What is to be otherwise; the rest stays.
struct Amendment {
  std::optional<domain::Labels> labels;
  std::optional<Principal> owner;
  std::optional<std::optional<domain::DataPermit>> permit;  // {none}: it has none any more
  std::optional<std::string> transfer_basis;
  std::optional<bool> reviewed;
};

class Catalogue {
 public:
  /// `changed`, if given, is called on any thread after each change that is durable: jobs may wait for it.
  Catalogue(const Clock& clock, UlidSource& ids, ports::CatalogueStore& store, const ports::Accounts& accounts, ports::Log& log,
            std::function<void()> changed = {})
      : clock_(clock), ids_(ids), store_(store), accounts_(accounts), log_(log), changed_(std::move(changed)) {}

  /// What this person may see of the registry, if not all of it.
  [[nodiscard]] ports::Audience audience_of(const Principal& person) const;
  [[nodiscard]] bool is_member(const Principal& person, const ProjectId& project) const;

  /// Errors beside the store's: permission_denied, NOT_A_MEMBER (the owner, of the project).
  async::Task<CatalogueOutcome> add(Asking asking, DatasetId id, domain::Registered what);

  // The dataset as it was read: if it has changed since, STALE_VERSION and nothing is done. Repeating what is so already, or what
  // waits already, adds nothing (ALREADY_PENDING names the change that waits).
  async::Task<CatalogueOutcome> amend(Asking asking, domain::Dataset dataset, Amendment amendment);
  async::Task<CatalogueOutcome> add_replica(Asking asking, domain::Dataset dataset, domain::ReplicaAdded what);
  async::Task<CatalogueOutcome> remove_replica(Asking asking, domain::Dataset dataset, SiteId site);
  /// Waits for a second person. invalid_argument (BAD_EVIDENCE): another hash than the dataset's, times that cannot be.
  async::Task<CatalogueOutcome> verify_replica(Asking asking, domain::Dataset dataset, SeenReplica seen);

  /// Approves or rejects. Conflict: NOT_PENDING, and what apply() says of a change that no longer fits.
  async::Task<CatalogueOutcome> rule(Asking asking, domain::Dataset dataset, domain::DatasetChange change, bool approve);

 private:
  async::Task<CatalogueOutcome> record(Asking asking, domain::Dataset dataset, std::vector<domain::DatasetChangeBody> bodies);
  async::Task<> refuse_repeated(const domain::Dataset& dataset, const std::vector<domain::DatasetChangeBody>& bodies) const;
  void tell(const domain::DatasetChange& change) const;

  const Clock& clock_;
  UlidSource& ids_;
  ports::CatalogueStore& store_;
  const ports::Accounts& accounts_;
  ports::Log& log_;
  std::function<void()> changed_;
};

}  // namespace hansa::engine
