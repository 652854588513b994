// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the API answers about datasets and their changes. Fields without a value are null.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/dataset.hpp"
#include "broker/domain/transfer.hpp"

#include <span>

namespace hansa::wire {

/// {"id", "owner", "project", "labels", ..., "replicas": [{"site", "state": "verified" | "unverified" | "expired", ...}]}. `now`
/// decides which verifications are over.
Json dataset_view(const domain::Dataset& dataset, UtcTime now);
/// {"id", "dataset", "change", "state", "by", "at", "reason", "details", "ruling"}.
Json change_view(const domain::DatasetChange& change);
/// {"id", "dataset", "from", "to", "root", "path", "phase", "bytes", "size_bytes", ...}: what was heard last.
Json transfer_view(const domain::Transfer& transfer, UtcTime begun_at, const domain::TransferStatus& status);
/// {"dataset", "changes"}: what became of a request.
Json outcome_view(const domain::Dataset& dataset, std::span<const domain::DatasetChange> changes, UtcTime now);

}  // namespace hansa::wire
