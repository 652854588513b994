// SPDX-License-Identifier: Apache-2.0
#pragma once
// A dataset with its replicas, and the changes that made it so: what each change does, and whether it needs a second person, is
// decided here. Pure.

#include "broker/core/canonical_json.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "broker/core/strong.hpp"
#include "broker/core/ulid.hpp"
#include "broker/domain/change.hpp"
#include "broker/domain/label.hpp"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace hansa::domain {

using ContentHash = Name<struct ContentHashTag>;  // SHA-256 of the manifest: 64 hex digits, lower case
using RootName = Name<struct RootNameTag>;        // a site's name for a folder that holds replicas: [a-z0-9_-]{1,32}
using Bytes = Amount<struct BytesTag>;

/// 1 to 128 of [A-Za-z0-9._:@+-], the first a letter or digit: an id of the rules' vocabulary that is one segment of a path.
bool is_dataset_id(std::string_view text);
bool is_content_hash(std::string_view text);
bool is_root_name(std::string_view text);
/// A path beneath a root: relative, no empty, "." or ".." part, no control characters, at most 1,024 bytes.
bool is_replica_path(std::string_view text);

/// What the dataset holds. It never changes: other contents are another dataset.
struct Content {
  Bytes size{0};
  std::int64_t files = 0;
  ContentHash hash;
  friend bool operator==(const Content&, const Content&) = default;
};

/// Somebody looked: until `expires_at` the replica holds what the dataset's hash says.
struct Verification {
  Principal by;
  UtcTime at{};
  UtcTime expires_at{};
  friend bool operator==(const Verification&, const Verification&) = default;
};

struct Replica {
  SiteId site;                            // one a site
  RootName root;
  std::string path;
  ChangeId added;                         // by this change: what is put there later is another replica
  UtcTime added_at{};
  std::optional<Verification> verified;
  friend bool operator==(const Replica&, const Replica&) = default;
};

enum class ReplicaState { unverified, verified, expired };
std::string_view to_string(ReplicaState state);
/// Only a verified one counts: whatever asks where the data are must not see the others.
ReplicaState state_of(const Replica& replica, UtcTime now);

/// The permit under which the data may be used.
struct DataPermit {
  std::string id;                         // of the rules' vocabulary
  UtcTime until{};
  friend bool operator==(const DataPermit&, const DataPermit&) = default;
};

/// What was decided about the data elsewhere, as recorded here. What is not said is no evidence: rules that ask for it deny.
struct Terms {
  std::optional<DataPermit> permit;
  std::string transfer_basis;             // of transfers to third countries, a word of the vocabulary; "": not said
  std::optional<bool> reviewed;           // a reviewer found that the data are no longer personal
  friend bool operator==(const Terms&, const Terms&) = default;
};
inline constexpr std::string_view kNoTransferBasis = "none";

struct Dataset {
  DatasetId id;
  Principal owner;
  ProjectId project;
  Labels labels;                          // at least one
  Terms terms;
  Content content;
  UtcTime created_at{};
  UtcTime changed_at{};                   // by a change that took effect
  std::int64_t version = 0;               // changes and rulings so far
  std::vector<Replica> replicas;          // by site

  [[nodiscard]] const Replica* replica_at(const SiteId& site) const;
  friend bool operator==(const Dataset&, const Dataset&) = default;
};

// --- changes ---

struct Registered {
  Principal owner;
  ProjectId project;
  Labels labels;
  Content content;
  friend bool operator==(const Registered&, const Registered&) = default;
};
struct Relabelled {
  Labels before, after;
  friend bool operator==(const Relabelled&, const Relabelled&) = default;
};
struct OwnerChanged {
  Principal before, after;
  friend bool operator==(const OwnerChanged&, const OwnerChanged&) = default;
};
struct TermsChanged {
  Terms before, after;
  friend bool operator==(const TermsChanged&, const TermsChanged&) = default;
};
struct ReplicaAdded {
  SiteId site;
  RootName root;
  std::string path;
  friend bool operator==(const ReplicaAdded&, const ReplicaAdded&) = default;
};
struct ReplicaRemoved {
  SiteId site;
  friend bool operator==(const ReplicaRemoved&, const ReplicaRemoved&) = default;
};
struct ReplicaVerified {
  SiteId site;
  ChangeId replica;                       // the one that was looked at: Replica::added
  UtcTime at{};
  UtcTime expires_at{};
  friend bool operator==(const ReplicaVerified&, const ReplicaVerified&) = default;
};
using DatasetChangeBody =
    std::variant<Registered, Relabelled, OwnerChanged, ReplicaAdded, ReplicaRemoved, ReplicaVerified, TermsChanged>;

std::string_view change_name(const DatasetChangeBody& body);  // "registered", "relabelled", ...

using DatasetChange = Change<DatasetId, DatasetChangeBody>;

/// Whether somebody could do more with the data afterwards: a label that restricts is gone, or `open` has come.
bool is_loosening(const Labels& before, const Labels& after);
/// The same of terms: another permit or a longer one, a basis for transfers, a review that sets the data free. What is taken back
/// or cut short, and a "no", loosens nothing.
bool is_loosening(const Terms& before, const Terms& after);

/// Removing or lowering a label, another owner, terms that loosen, a replica verified by hand.
bool needs_second_person(const DatasetChangeBody& body);

/// From one set of labels to another, in at most two steps: what restricts comes at once, what loosens (the second) is to wait
/// for a second person. None if there is nothing to do.
std::vector<Relabelled> relabelling(const Labels& current, const Labels& wanted);
/// The same of terms.
std::vector<TermsChanged> terms_steps(const Terms& current, const Terms& wanted);

/// What the change makes of the dataset, at the moment it takes effect; `version` is the recorder's. Conflict: CHANGE_OUTDATED
/// (the dataset is no longer what the change was made from), REPLICA_EXISTS. not_found: REPLICA_NOT_FOUND.
Result<void> apply(Dataset& dataset, const DatasetChange& change, UtcTime effective_at);

/// Whether this person may approve it: not their own, and not what would make them the owner. permission_denied, OWN_CHANGE.
Result<void> may_approve(const Principal& person, const DatasetChange& change);

// JSON, as the store keeps it.
Json to_json(const Terms& terms);
Result<Terms> terms_from_json(const Json& json);
Json to_json(const DatasetChangeBody& body);
Result<DatasetChangeBody> change_from_json(std::string_view name, const Json& json);

}  // namespace hansa::domain
