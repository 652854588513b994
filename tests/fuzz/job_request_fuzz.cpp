// SPDX-License-Identifier: Apache-2.0
// Any bytes as the body of a submission: jobs or faults with their place, and what was accepted is written out and read back the
// same.
#include "broker/core/encoding.hpp"
#include "broker/wire/job_request.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::wire;

namespace {

template <typename T>
void require_told(const Result<T>& result) {
  if (result) return;
  require(result.error().code == "BAD_JOB" && !result.error().faults.empty() && result.error().faults.size() < 20'000);
  for (const auto& fault : result.error().faults)
    require((fault.where.empty() || fault.where.front() == '/') && !fault.message.empty());
}

void require_same_again(const domain::Submission& submission) {
  const auto text = canonical_json(to_json(submission));
  const auto json = parse_json(text, kMaxDepth);
  require(json.has_value());
  const auto again = job_from_json(*json);
  require(again && *again == submission);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  const auto json = parse_json(text, kMaxDepth);
  const auto job = job_from_text(text);
  if (!json) {
    require(json.error().code == "BAD_JSON" && !json.error().message.empty());
    require(!job && job.error().code == "BAD_JSON" && job.error().message == json.error().message);
    return 0;
  }
  require(is_utf8(text));
  require_told(job);
  const auto of_value = job_from_json(*json);  // in another order, with other escapes
  require(job ? of_value && *job == *of_value : !of_value && job.error().message == of_value.error().message);
  if (job) require_same_again(*job);
  const auto jobs = jobs_from_text(text);
  require_told(jobs);
  if (jobs) {
    for (const auto& each : *jobs) require_same_again(each);
  }
  return 0;
}
