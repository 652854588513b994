// SPDX-License-Identifier: Apache-2.0
#pragma once
// The bytes between a SwitchTransport and hansa-switch; their meaning is told in connectors/switch/request.hpp and channel.hpp.

#include "connectors/transport/transport.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace hansa::connectors::transport {

/// Refuses what the switch would refuse for its form: text that is not UTF-8, a header over 64 KiB, input over 8 MiB.
Result<std::string> encode_request(const Command& command, Seconds limit);

/// Puts the answer's frames together as they come.
class ReplyReader {
 public:
  explicit ReplyReader(std::size_t output_limit) : output_limit_(output_limit) {}

  /// False: these bytes are no answer of a switch, and never will be.
  bool take(std::string_view bytes);
  [[nodiscard]] bool ended() const { return refusal_.has_value() || result_.exit_status || result_.signal; }

  /// With ended(): the switch's refusal, if it was one (unknown_outcome: it had started the program), else the result.
  [[nodiscard]] const std::optional<Error>& refusal() const { return refusal_; }
  /// Before ended(): the output so far.
  [[nodiscard]] CommandResult& result() { return result_; }

 private:
  bool take_frame(char type, std::string_view payload);
  bool take_end(std::string_view json);

  std::size_t output_limit_;
  std::string pending_;
  CommandResult result_;
  std::optional<Error> refusal_;
};

}  // namespace hansa::connectors::transport
