// SPDX-License-Identifier: Apache-2.0
#pragma once
// What carries the protocol: lines, one after the other, both ways. A child's pipes, an SSH connection, a WebSocket's messages.

#include "broker/async/task.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace hansa::connectors::protocol {

inline constexpr std::size_t kMaxLineBytes = std::size_t{8} << 20;

/// Strand: that of whoever made it. One read and one write at a time.
class Lines {
 public:
  virtual ~Lines() = default;

  /// The next line, without its end. Errors, after which there is none: unavailable (CONNECTION_ENDED: between two lines;
  /// CONNECTION_CUT: within one), too_large (LINE_TOO_LONG).
  virtual async::Task<std::string> read() = 0;

  /// Error: not all of the line left, so that the other end has not had it, and never will.
  virtual async::Task<> write(std::string line) = 0;

  /// Ends the connection, and waits for that. Answers why it ended, for people: `why`, or better if the carrier knows better.
  virtual boost::asio::awaitable<Error> end(Error why) = 0;
};

/// The beginning of what somebody sent, fit for a message: one line of plain characters, in quotes.
std::string excerpt(std::string_view text, std::size_t most = 80);

}  // namespace hansa::connectors::protocol
