// SPDX-License-Identifier: Apache-2.0
#pragma once
// Structured log lines: a fixed sentence and fields. Never a script, an environment, a token.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace hansa::ports {

enum class LogLevel { debug, info, warning, error };

struct LogField {
  std::string_view name;            // "job", "site", "error", ...
  std::string value;
};

class Log {
 public:
  virtual ~Log() = default;
  /// Callable from any thread.
  virtual void write(LogLevel level, std::string_view sentence, std::initializer_list<LogField> fields) = 0;
};

}  // namespace hansa::ports
