// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/stderr_log.hpp"

#include "broker/core/canonical_json.hpp"

#include <cstdio>
#include <string>

namespace hansa::connectors::agent {

void StderrLog::write(ports::LogLevel level, std::string_view sentence, std::initializer_list<ports::LogField> fields) {
  if (level == ports::LogLevel::debug) return;
  auto line = "hansa-agent: " + std::string(sentence);
  for (const auto& [name, value] : fields) {
    if (!value.empty()) line += " " + std::string(name) + "=" + canonical_json(value);
  }
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace hansa::connectors::agent
