// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the registry of datasets is asked: a dataset, its amendment, a replica, what was seen at a site. Every fault of a request
// is found at once, each with its JSON pointer. Error: invalid_argument, code BAD_REQUEST.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/dataset.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace hansa::wire {

using Words = std::span<const std::string_view>;

struct DatasetRequest {
  DatasetId id;
  domain::Registered what;            // owner and project may be empty: whoever asks, and the project they must mean
  std::string reason;
};
/// {"id", "project", "owner", "labels", "size_bytes", "files", "sha256", "reason"}. `labels` are the vocabulary's.
Result<DatasetRequest> dataset_from_json(const Json& json, Words labels);

struct AmendmentRequest {
  std::optional<domain::Labels> labels;  // all that it is to have
  std::optional<Principal> owner;
  std::optional<std::optional<domain::DataPermit>> permit;  // {none}: null, it is to have none
  std::optional<std::string> transfer_basis;
  std::optional<bool> reviewed;
  std::string reason;
};
/// {"labels", "owner", "permit": {"id", "until"} | null, "transfer_basis", "reviewed", "reason"}; one at least beside the reason.
/// `bases` are the vocabulary's.
Result<AmendmentRequest> amendment_from_json(const Json& json, Words labels, Words bases = {});

struct ReplicaRequest {
  domain::ReplicaAdded what;
  std::string reason;
};
/// {"site", "root", "path", "reason"}. `sites` are those there are.
Result<ReplicaRequest> replica_from_json(const Json& json, Words sites);

struct EvidenceRequest {
  domain::ContentHash hash;
  std::optional<UtcTime> at;
  UtcTime expires_at{};
  std::string reason;
};
/// {"sha256", "verified_at", "expires_at", "reason"}.
Result<EvidenceRequest> evidence_from_json(const Json& json);

}  // namespace hansa::wire
