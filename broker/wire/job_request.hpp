// SPDX-License-Identifier: Apache-2.0
#pragma once
// A job as POST /v1/jobs takes it. Every fault of a request is found at once, each with its JSON pointer (RFC 6901) and what is
// allowed. Limits are public: clients may check before they send. What the request leaves open, the script's directives say
// (broker/directives), unless the request has them ignored.

#include "broker/core/canonical_json.hpp"
#include "broker/domain/job.hpp"

#include <span>

namespace hansa::wire {

inline constexpr std::size_t kMaxRequestBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxBulkBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxBulkJobs = 1'000;
inline constexpr std::size_t kMaxDepth = 16;
/// The wrapper carries the script in base 64, and Slurm takes 4 MiB (slurm.conf(5), SchedulerParameters=max_script_size).
inline constexpr std::size_t kMaxScriptBytes = std::size_t{5} << 19;  // 2.5 MiB
inline constexpr std::size_t kMaxArguments = 4'096;
inline constexpr std::size_t kMaxArgumentBytes = std::size_t{128} << 10;  // all arguments and the environment together
inline constexpr std::size_t kMaxNameBytes = 200;
inline constexpr std::size_t kMaxDatasets = 100;
inline constexpr std::size_t kMaxAfter = 100;
inline constexpr std::size_t kMaxArrayBytes = std::size_t{16} << 10;

/// What there is at this broker; of what is left empty anything that has the form is taken.
struct KnownNames {
  std::span<const std::string_view> sites = {};
  std::span<const std::string_view> labels = {};  // the rules' vocabulary of data
};

/// What whoever submits is told about a job that is taken: directives that are not used, and what others were read as.
using Notes = std::vector<std::string>;

/// Error: invalid_argument, code BAD_JSON (parse_json's) or BAD_JOB, with all faults. Whether a dataset is registered, or there
/// is a job to come after, is not a matter of form.
Result<domain::Submission> job_from_text(std::string_view text, const KnownNames& known = {}, Notes* notes = nullptr);

/// {"jobs": [...]}: at most kMaxBulkJobs; the faults of all jobs.
Result<std::vector<domain::Submission>> jobs_from_text(std::string_view text, const KnownNames& known = {},
                                                       std::vector<Notes>* notes = nullptr);

/// The same for a value.
Result<domain::Submission> job_from_json(const Json& json, const KnownNames& known = {});
Result<std::vector<domain::Submission>> jobs_from_json(const Json& json, const KnownNames& known = {});

/// What job_from_text reads back to an equal value; defaults are left out, and the script's directives have no say any more.
Json to_json(const domain::Submission& submission);

}  // namespace hansa::wire
