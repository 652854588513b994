// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a call of `hansa` meets outside: streams, environment, time. main.cpp gives the real ones, tests their own.

#include "broker/cli/text.hpp"
#include "broker/core/clock.hpp"
#include "broker/core/error.hpp"
#include "config/client_config.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::cli {

struct Surroundings {
  std::function<void(std::string_view bytes)> out;
  std::function<void(std::string_view bytes)> err;
  /// Standard input to its end, at most `limit` bytes and one more.
  std::function<Result<std::string>(std::size_t limit)> in;
  config::Environment environment;
  const Clock& clock;
  Random& random;
  std::function<void(Milliseconds)> pause;
  /// What is said when SIGINT ends the program from now on.
  std::function<void(std::string_view message)> on_interrupt;
  Look look = {};
  /// A line that a person at the terminal answers with, without its end; none: there is no terminal, or no more to come.
  std::function<std::optional<std::string>(std::string_view prompt)> ask = {};
  /// See foreground.hpp.
  std::function<Result<int>(const std::vector<std::string>& command, const std::string& line)> foreground = {};
};

}  // namespace hansa::cli
