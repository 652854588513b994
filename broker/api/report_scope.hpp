// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whose records a report tells of. Everybody's for whoever the table of rights gives everybody's; those of a project for its lead
// and of a site for its operator, if the query is limited to such; else the caller's own.

#include "broker/api/answers.hpp"
#include "broker/ports/report_limits.hpp"

#include <optional>

namespace hansa::api {

/// What a report can be limited to, and whether people have one of their own records.
struct ReportScope {
  bool of_projects = true;
  bool of_sites = true;
  bool has_own = true;
};

/// The query's `project` and `site`, those of them that the report can be limited to; the other is not read.
ports::ReportLimits read_limits(QueryReader& reader, const http::Query& query, const ReportScope& scope);

/// None: it is of everybody's records within these limits; else of this person's, the caller's. Refused, with what to ask for
/// instead: PROJECT_NOT_FOUND, SITE_NOT_FOUND (not_found) of what they do not lead or run, as if it did not exist;
/// REPORT_TOO_WIDE (permission_denied) of everybody's. ROLE_LACKS_RIGHT where no limit would help.
Result<std::optional<Principal>> owner_within(const Exchange& exchange, const ports::ReportLimits& within,
                                              const ReportScope& scope);

}  // namespace hansa::api
