// SPDX-License-Identifier: Apache-2.0
#pragma once
// qsub: what it is asked, and what its answer means.

#include "broker/async/child.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/pbs/values.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::pbs {

/// Without the program itself; the script comes on standard input. invalid_argument for what qsub could read as more than one
/// value, and for a GPU model where the site has no resource that tells it.
Result<std::vector<std::string>> qsub_arguments(const ports::SubmitRequest& request, const GpuNames& gpus);

/// A job id and nothing else is a receipt. Anything else is unknown_outcome (batch::submission_failure).
Result<ports::SubmitReceipt> read_qsub_answer(const async::ChildResult& result);

/// PBS's ways to say that it could not talk to its server, rather than that the server said no.
bool is_communication_failure(std::string_view standard_error);

/// What a question's end means: an Error, or whether the answer is all there is. A job that is unknown (153) or over (35) is an
/// answer about that job, which says nothing of the others.
Result<bool> read_ending(const std::string& program, const async::ChildResult& result);

/// The same for what changes a job: that it is unknown or over is seen when its state is read back.
Result<void> read_change(const std::string& program, const async::ChildResult& result);

}  // namespace hansa::connectors::pbs
