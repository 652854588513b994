// SPDX-License-Identifier: Apache-2.0
#pragma once
// What slurmrestd is sent of a job, and what its answer to it means.

#include "broker/http/message.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/slurmrest/api_version.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurmrest {

/// The body of job/submit: as sbatch is asked (connectors/slurm/submission.hpp). `home` and `work_dir` are absolute; `qos` is ""
/// for the account's default. invalid_argument for what Slurm could read as more than one value.
Result<std::string> submission_body(const ports::SubmitRequest& request, std::string_view script, std::string_view home,
                                    std::string_view work_dir, ApiVersion version, const std::string& qos = {});

/// The body of an update: holds a pending job, or takes that back.
std::string hold_body(bool hold);
/// Of these tasks of an array, for the list of jobs to end (0.0.40 and later).
std::string end_body(const SiteJobId& array, const std::vector<std::int32_t>& tasks);

/// A job id above 0 in a 200 is a receipt, unless an error stands beside it; that the job is held is none (22.05.8:
/// tests/data/slurm/rest/22.05/rest.v0.0.38.submit-full.out). Anything else is unknown_outcome: SITE_REFUSED if Slurm says that
/// it refused, SITE_SILENT if slurmrestd could not reach it or is not what answered, SITE_GARBLED for the rest.
Result<ports::SubmitReceipt> read_receipt(http::Response response, const std::string& user);

}  // namespace hansa::connectors::slurmrest
