// SPDX-License-Identifier: Apache-2.0
#pragma once
// An agent's log: lines on its standard error, which the broker's log shows as what the site's end says.

#include "broker/ports/log.hpp"

namespace hansa::connectors::agent {

class StderrLog final : public ports::Log {
 public:
  void write(ports::LogLevel level, std::string_view sentence, std::initializer_list<ports::LogField> fields) override;
};

}  // namespace hansa::connectors::agent
