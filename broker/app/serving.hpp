// SPDX-License-Identifier: Apache-2.0
#pragma once
// The HTTP server as the configuration has it, and what it leaves in the log.

#include "broker/core/clock.hpp"
#include "broker/http/server.hpp"
#include "broker/ports/log.hpp"
#include "config/broker_config.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>

namespace hansa::app {

/// How many connections there are descriptors for, at most `wanted`; the process' own limit is raised as far as it may be.
std::size_t room_for_connections(std::size_t wanted);

http::ServerOptions server_options(const config::ApiConfig& config, ports::Log& log,
                                   std::function<void(const http::ServerEvent&)> on_event);

/// New connections get the new one; of a bad one nothing is taken.
void reload_certificate(http::Server& server, ports::Log& log);

/// Whoever floods the server does not fill the log: of what came to nothing (401 and 429 are among it) there are so many lines in
/// ten seconds, and then how many were left out. Any thread.
class RequestLog {
 public:
  static constexpr std::uint64_t kLines = 50;
  static constexpr Milliseconds kIn{10'000};

  RequestLog(ports::Log& log, const Clock& clock) : log_(log), clock_(clock) {}
  void write(const http::ServerEvent& event);

 private:
  bool has_room();

  ports::Log& log_;
  const Clock& clock_;
  std::mutex mutex_;  // of all that follows
  MonotonicTime began_{};
  std::uint64_t lines_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace hansa::app
