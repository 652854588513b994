// SPDX-License-Identifier: Apache-2.0
#pragma once
// PBS's job states, substates and exit statuses (OpenPBS 23.06: src/include/job.h) in Hansa's words.

#include "broker/ports/site_connector.hpp"
#include "connectors/pbs/job_listing.hpp"

#include <string_view>

namespace hansa::connectors::pbs {

/// ended for F and X; not_seen for one we do not know, or that only says that another server has it (M).
ports::Phase phase_of(std::string_view state);

/// `run` counts from 0: PBS's run_count less one.
ports::JobStatus to_status(const JobRow& row);

}  // namespace hansa::connectors::pbs
