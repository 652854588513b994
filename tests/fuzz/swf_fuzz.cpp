// SPDX-License-Identifier: Apache-2.0
// Any bytes are a trace, or an error that says where. What is read as a trace can be shaken, brought to a load and counted.

#include "simulation/workload.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::simulation;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto trace = parse_swf(as_text(bytes, size), "t.swf");
  if (!trace) {
    require(!trace.error().message.empty() && trace.error().faults.size() <= 10);
    return 0;
  }
  require(std::ranges::is_sorted(trace->jobs, {}, &TraceJob::submit));
  for (const auto& job : trace->jobs) require(job.run >= 1 && job.limit >= job.run && job.cores >= 1);
  const std::vector<SimulatedSite> sites{{"a", 64, "", 300'000}, {"b", 8, "", 0}};
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const auto workload = make_workload(*trace, sites, {.load = 850'000, .seed = seed});
    require(std::ranges::is_sorted(workload.jobs, {}, &ReplayJob::submit));
    for (const auto& job : workload.jobs) require(job.submit >= 0 && job.cores >= 1 && job.cores <= sites[job.home].cores);
  }
  return 0;
}
