// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the API answers. Times are RFC 3339 in UTC, durations whole seconds (`_s`), memory MiB (`_mib`). Optional fields that have
// no value are null in a job (so that a reader finds them all) and absent elsewhere.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/decision.hpp"
#include "broker/domain/event.hpp"
#include "broker/domain/usage.hpp"

namespace hansa::wire {

/// As listed and as answered to a submission: {"id", "state", "site", "site_job_id", "exit_code", "reason", "unknown_since",
/// ...}.
Json job_view(const domain::Job& job);
/// The same with its attempts and runs.
Json job_details_view(const domain::Job& job);
/// What a submission asks for, the script's directives included; without the script itself.
Json submission_view(const domain::Submission& submission);
Json decision_view(const domain::Decision& decision);
Json event_view(const domain::JobEvent& event, std::int64_t version);
Json usage_record_view(const domain::UsageRecord& record);

/// RFC 9457: {"type", "title", "status", "detail", "code", "errors": [{"pointer", "detail"}], "request_id"}.
Json problem_view(const Error& error, int status, std::string_view request_id);
/// The error that a problem document tells of; for clients.
Error error_from_problem(int status, const Json& problem);

/// The one table from kinds to HTTP.
int http_status(ErrorKind kind);

}  // namespace hansa::wire
