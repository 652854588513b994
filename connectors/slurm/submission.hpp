// SPDX-License-Identifier: Apache-2.0
#pragma once
// sbatch: what it is asked, and what its answer means.

#include "broker/async/child.hpp"
#include "broker/ports/site_connector.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::slurm {

/// invalid_argument for names that Slurm could read as more than one value.
Result<void> check_names(const ports::SubmitRequest& request);

/// The job's time limit in Slurm's unit, rounded up.
std::int64_t limit_in_minutes(const ports::SubmitRequest& request);

/// Without the program itself; the script comes on standard input. `work_dir` as WrapperSpec has it: what is relative is so
/// to sbatch's working directory, the account's home. `qos`: "" for the account's default. invalid_argument as check_names has
/// it.
Result<std::vector<std::string>> sbatch_arguments(const ports::SubmitRequest& request, std::string_view work_dir,
                                                  std::string_view qos = {});

/// A job id and nothing else is a receipt (`--parsable`: "123" or "123;cluster"). Anything else is unknown_outcome: SITE_REFUSED
/// if sbatch says that the site refused, SITE_SILENT if it was cut or could not reach the controller, SITE_GARBLED for the rest.
Result<ports::SubmitReceipt> read_sbatch_answer(const async::ChildResult& result);

/// Slurm's ways to say that it could not talk to its daemons, rather than that they said no.
bool is_communication_failure(std::string_view standard_error);

}  // namespace hansa::connectors::slurm
