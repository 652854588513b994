// SPDX-License-Identifier: Apache-2.0
#pragma once
// The register's word on the datasets of a job, read anew for every decision and every send: labels and copies change.

#include "broker/engine/context.hpp"

namespace hansa::engine {

/// As this person may see them: what belongs to somebody else is as if it were not registered. A job without datasets costs no
/// read. Errors: the store's, but for not_found.
async::Task<Dossier> open_dossier(const Context* context, Principal person, std::vector<DatasetId> datasets);

}  // namespace hansa::engine
