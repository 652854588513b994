// SPDX-License-Identifier: Apache-2.0
// Any bytes as a script: fields within their bounds, or faults and notes that name a line and are fit to be shown.
#include "broker/core/encoding.hpp"
#include "broker/directives/directives.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::directives;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto script = as_text(bytes, size);
  const auto settled = settle(script, {});
  const auto lines = static_cast<std::size_t>(std::ranges::count(script, '\n')) + 1;
  const auto holds = [](const std::optional<std::int64_t>& value, std::int64_t least, std::int64_t most) {
    return !value || (*value >= least && *value <= most);
  };
  const auto& fields = settled.fields;
  require(holds(fields.nodes, 1, kMaxCount) && holds(fields.tasks, 1, kMaxCount) && holds(fields.cpus_per_task, 1, kMaxCount));
  require(holds(fields.gpus_per_node, 0, kMaxCount) && holds(fields.memory_per_node_mib, 1, kMaxMebibytes));
  require(!fields.time_limit || fields.time_limit->count() >= 1);
  require(settled.notes.size() <= kMaxRemarks && settled.faults.size() <= kMaxRemarks);
  for (const auto* remarks : {&settled.notes, &settled.faults}) {
    for (const auto& remark : *remarks) {
      require(remark.line >= 1 && remark.line <= lines && !remark.message.empty() && remark.words.starts_with('#'));
      require(!is_utf8(script) || is_utf8(to_text(remark)));
    }
  }
  if (!settled.notes.empty() || !settled.faults.empty()) require(has_directives(script));

  // Said by the request, nothing of it is left for the script to say.
  if (settled.faults.empty()) {
    const auto again = settle(script, fields);
    require(again.faults.empty() && !(fields.nodes && again.fields.nodes) && !(fields.tasks && again.fields.tasks));
  }
  return 0;
}
