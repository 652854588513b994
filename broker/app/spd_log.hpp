// SPDX-License-Identifier: Apache-2.0
#pragma once
// The log: one line for each event on stderr, as text or as JSON (one object a line), for journald or a file to keep.

#include "broker/ports/log.hpp"

#include <memory>

namespace spdlog {
class logger;
}

namespace hansa::app {

class SpdLog final : public ports::Log {
 public:
  SpdLog(ports::LogLevel least, bool json);
  ~SpdLog() override;
  void write(ports::LogLevel level, std::string_view sentence, std::initializer_list<ports::LogField> fields) override;
  void flush();

 private:
  bool json_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace hansa::app
