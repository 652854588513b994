// SPDX-License-Identifier: Apache-2.0
#pragma once
// A job as the API shows it, as text: the answer to whoever submits one, and each entry of a list.

#include "broker/domain/job.hpp"

#include <span>
#include <string>
#include <vector>

namespace hansa::wire {

/// Canonical JSON. With `notes`, if there are any, when it answers a submission.
std::string job_text(const domain::Job& job, std::span<const std::string> notes = {});
/// [...] of them; `notes` of each, or of none.
std::string job_texts(std::span<const domain::Job> jobs, std::span<const std::vector<std::string>> notes = {});

}  // namespace hansa::wire
