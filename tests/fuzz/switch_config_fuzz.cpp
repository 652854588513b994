// SPDX-License-Identifier: Apache-2.0
// Any bytes as /etc/hansa/switch.toml: what is taken is no laxer than the switch promises, the rest is told.
#include "connectors/switch/configuration.hpp"
#include "connectors/switch/request.hpp"
#include "tests/fuzz/require.hpp"

#include <algorithm>

using namespace hansa;
using namespace hansa::connectors::account_switch;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto configuration = parse_configuration(as_text(bytes, size), "/f");
  if (!configuration) {
    const auto& error = configuration.error();
    require(error.code == "SWITCH_CONFIGURATION" && error.message.starts_with("/f") && !one_line(error).empty());
    for (const auto& fault : error.faults) require(fault.where.starts_with("/f") && !fault.message.empty());
    return 0;
  }
  require(!configuration->callers.empty() && !configuration->programs.empty() && configuration->minimum_uid >= 1000);
  for (const auto& caller : configuration->callers) require(caller.uid != 0);
  for (const auto& program : configuration->programs) require(program.starts_with('/'));
  for (const auto& name : configuration->environment)
    require(is_variable_name(name) && !name.starts_with("LD_") && name != "PATH");
  require(configuration->denied_groups.size() == configuration->denied_gids.size());
  require(configuration->max_concurrent >= 1 && configuration->request_time_s >= 1 && configuration->request_time_s <= 60);
  return 0;
}
