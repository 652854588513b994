// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/connectors/connector_contract.hpp"

namespace hansa::contract {

std::string behaving_script(const Behaviour& behaviour) {
  std::string script = "#!/bin/bash\n";
  if (!behaviour.prints.empty()) script += "echo '" + behaviour.prints + "'${HANSA_ARRAY_INDEX:+ $HANSA_ARRAY_INDEX}\n";
  for (const auto& [kind, path, text] : behaviour.leaves) {
    using enum Behaviour::Left::Kind;
    const auto slash = path.rfind('/');
    if (slash != std::string::npos) script += "mkdir -p -- '" + path.substr(0, slash) + "'\n";
    if (kind == file) script += "printf '%s' '" + text + "' >'" + path + "'\n";
    if (kind == folder) script += "mkdir -p -- '" + path + "'\n";
    if (kind == link) script += "ln -s -- '" + text + "' '" + path + "'\n";
  }
  if (behaviour.runs.count() > 0) script += "sleep " + std::to_string(behaviour.runs.count()) + "\n";
  if (behaviour.signal) script += "kill -" + std::to_string(*behaviour.signal) + " $$\nsleep 5\n";
  for (const auto task : behaviour.failing)
    script += "[ \"$HANSA_ARRAY_INDEX\" != " + std::to_string(task) + " ] || exit " + std::to_string(behaviour.exit_code) + "\n";
  script += "exit " + std::to_string(behaviour.failing.empty() ? behaviour.exit_code : 0) + "\n";
  return script;
}

}  // namespace hansa::contract
