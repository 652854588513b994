// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/mover/mover_bench.hpp"

namespace hansa::contract {

std::vector<Ends> ends_under_test() { return {Ends::to_ssh, Ends::from_ssh}; }
bool by_jobs_under_test() { return false; }
connectors::mover::Tool tool_under_test() { return connectors::mover::Tool::HANSA_TOOL; }

}  // namespace hansa::contract
