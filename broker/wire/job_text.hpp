// SPDX-License-Identifier: Apache-2.0
#pragma once
// A job as the API shows it, as text: the answer to whoever submits one, and each entry of a list.

#include "broker/domain/job.hpp"

#include <span>
#include <string>

namespace hansa::wire {

/// Canonical JSON.
std::string job_text(const domain::Job& job);
/// [...] of them.
std::string job_texts(std::span<const domain::Job> jobs);

}  // namespace hansa::wire
