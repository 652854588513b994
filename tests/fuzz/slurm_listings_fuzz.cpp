// SPDX-License-Identifier: Apache-2.0
// Any bytes are an answer of squeue or sacct. What is made of them can be told on: integers in range, no row from nothing.

#include "broker/core/encoding.hpp"
#include "connectors/batch/answers.hpp"
#include "connectors/slurm/history_listing.hpp"
#include "connectors/slurm/host_list.hpp"
#include "connectors/slurm/queue_listing.hpp"
#include "tests/fuzz/require.hpp"

using namespace hansa;
using namespace hansa::connectors::slurm;

namespace {

constexpr std::string_view kSeparator = "|";  // short, so that rows are found; the parsers do not care

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto text = as_text(bytes, size);
  const auto queue = parse_squeue(text, kSeparator);
  for (const auto& row : queue.rows) {
    require(!row.id.empty() && !row.state.empty() && row.restarts >= 0 && row.priority >= 0);
    require(row.tres.cpus >= 0 && row.tres.nodes >= 0 && row.tres.gpus >= 0 && row.tres.memory.value >= 0);
    const auto status = to_status(row);
    require((status.phase == ports::Phase::ended) == status.outcome.has_value());
    if (const auto hosts = expand_hosts(row.nodes)) require(hosts->size() <= kMaxHosts);
  }
  const auto history = parse_sacct(text, kSeparator);
  for (const auto& row : history.rows) {
    require(!row.id.empty() && row.elapsed.count() >= 0 && row.core_seconds.value >= 0);
    const auto usage = to_usage(row, SiteId("s"));
    require(usage.gpu_seconds.value >= 0 && usage.node_seconds.value >= 0 && usage.cores >= 0);
    require((to_status(row).phase == ports::Phase::ended) == to_status(row).outcome.has_value());
  }
  require(queue.rows.size() <= size && history.rows.size() <= size);
  require(is_utf8(connectors::batch::words_of(text)));
  return 0;
}
