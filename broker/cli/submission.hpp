// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a command line to the job that is sent: the same values that POST /v1/jobs reads.

#include "broker/cli/command_line.hpp"
#include "broker/cli/surroundings.hpp"
#include "broker/core/canonical_json.hpp"
#include "broker/domain/job.hpp"

namespace hansa::cli {

/// sbatch's --mem: "4G", "512M", "1T", "2048K", MiB without a unit, and "4GB"; K is rounded up to a whole MiB. Never 0.
Result<Mebibytes> parse_memory(std::string_view text);

struct GpuRequest {
  std::int32_t count = 0;
  std::string model;
};
/// "4" or "4:a100".
Result<GpuRequest> parse_gpus(std::string_view text);

/// A script as it must be before it is sent. `name` is how messages call it.
Result<void> check_script(const std::string& name, std::string_view text);

/// Everything that `hansa submit` says, the script read. Error: invalid_argument with every fault; where = the option.
Result<domain::Submission> submission_from(const Invocation& call, Surroundings& outside);

/// The body of the request: only what the command line says, so that the script's directives have the rest.
Json request_of(const domain::Submission& submission, const Invocation& call);

/// The broker's faults of a job, their places in the words of the command line: "/placement/sites" is --site.
Error in_options(Error error);

/// The value of --since, --from, --to, --expires: a time ("2026-11-22", "2026-11-22T10:00:00Z"), or a duration counted from now,
/// backwards or forwards. The message names the option.
enum class Direction { back, forward };
Result<UtcTime> parse_moment(std::string_view option, std::string_view text, UtcTime now, Direction direction);

}  // namespace hansa::cli
