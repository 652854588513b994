// SPDX-License-Identifier: Apache-2.0
#include "connectors/transport/transport.hpp"

#include <algorithm>
#include <string_view>

namespace hansa::connectors::transport {
namespace {

bool leaves_home(std::string_view path) {
  if (path.starts_with('/')) return true;
  while (true) {
    const auto slash = path.find('/');
    const auto component = path.substr(0, slash);
    if (component.empty() || component == "." || component == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

Result<void> check(const Command& command) {
  const auto refuse = [](std::string message) { return fail(ErrorKind::invalid_argument, "COMMAND", std::move(message)); };
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  if (!command.program.starts_with('/')) return refuse("\"" + command.program + "\": a program is named by its full path");
  if (has_nul(command.program) || std::ranges::any_of(command.arguments, has_nul)) {
    return refuse("an argument of " + command.program + " holds a NUL character");
  }
  for (const auto& [name, value] : command.environment) {
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name) || has_nul(value)) {
      return refuse("an environment variable of " + command.program + " is malformed");
    }
  }
  const auto& directory = command.working_directory;
  if (has_nul(directory) || (!directory.empty() && leaves_home(directory))) {
    return refuse("working directory \"" + directory +
                  "\": must be a path beneath the account's home, without \".\", \"..\" and \"//\"");
  }
  return {};
}

Error deadline_passed() {
  return fail(ErrorKind::deadline_exceeded, "DEADLINE_EXCEEDED", "the command was not done within its time limit").error();
}

Error caller_cancelled() { return fail(ErrorKind::cancelled, "CANCELLED", "the command was cancelled").error(); }

Seconds limit_of(const Command& command, async::Deadline deadline, const Clock& clock) {
  const auto limit =
      command.self_limit > Seconds{0} ? command.self_limit : std::chrono::ceil<Seconds>(deadline.remaining(clock)) + Seconds{1};
  return std::clamp(limit, Seconds{1}, kMaxSelfLimit);
}

}  // namespace hansa::connectors::transport
