// SPDX-License-Identifier: Apache-2.0
#include "broker/async/real_scheduler.hpp"
#include "broker/cli/files.hpp"
#include "broker/cli/foreground.hpp"
#include "broker/cli/run.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace {

using namespace hansa;
using namespace hansa::cli;

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      if (fd == STDERR_FILENO) return;  // nobody is left to be told
      const std::string why = std::string("hansa: cannot write to standard output: ") + std::strerror(errno) + "\n";
      write_all(STDERR_FILENO, why);
      ::_exit(static_cast<int>(ExitStatus::output));
    }
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

std::array<char, 512> farewell;  // what the handler may touch: written before the handler is set
std::size_t farewell_size = 0;

void interrupted(int) {
  [[maybe_unused]] const auto wrote = ::write(STDERR_FILENO, farewell.data(), farewell_size);
  ::_exit(static_cast<int>(ExitStatus::interrupted));
}

void on_interrupt(std::string_view message) {
  ::signal(SIGINT, SIG_DFL);
  const auto line = "\nhansa: " + printable(message);
  farewell_size = std::min(line.size(), farewell.size() - 1);
  std::memcpy(farewell.data(), line.data(), farewell_size);
  farewell[farewell_size++] = '\n';
  struct sigaction action{};
  action.sa_handler = interrupted;
  ::sigaction(SIGINT, &action, nullptr);
}

std::optional<std::string> ask(std::string_view prompt) {
  constexpr std::size_t kLongest = 1024;
  if (::isatty(STDIN_FILENO) == 0) return std::nullopt;
  write_all(STDERR_FILENO, prompt);
  std::string line;
  for (char c = 0; line.size() < kLongest;) {
    const auto got = ::read(STDIN_FILENO, &c, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    if (c == '\n') break;
    line += c;
  }
  return line;
}

Look look_of(int fd) {
  if (::isatty(fd) == 0) return {};
  winsize size{};
  const bool known = ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  const char* no_color = std::getenv("NO_COLOR");  // no-color.org: present and not empty
  const char* terminal = std::getenv("TERM");
  const bool plain = (no_color != nullptr && *no_color != '\0') || terminal == nullptr || std::string_view(terminal) == "dumb";
  return {.width = known ? size.ws_col : 80U, .colours = !plain};
}

}  // namespace

int main(int argc, char** argv) {
  async::RealScheduler clock;
  async::SystemRandom random;
  Surroundings outside{
      .out = [](std::string_view bytes) { write_all(STDOUT_FILENO, bytes); },
      .err = [](std::string_view bytes) { write_all(STDERR_FILENO, bytes); },
      .in = [](std::size_t limit) { return read_all(STDIN_FILENO, "standard input", limit); },
      .environment = [](const char* name) -> const char* { return std::getenv(name); },
      .clock = clock,
      .random = random,
      .pause =
          [](Milliseconds time) { ::poll(nullptr, 0, static_cast<int>(std::clamp<std::int64_t>(time.count(), 0, INT_MAX))); },
      .on_interrupt = on_interrupt,
      .look = look_of(STDOUT_FILENO),
      .ask = ask,
      .foreground = run_in_foreground,
  };
  const std::span<const char* const> arguments(argv, static_cast<std::size_t>(argc));
  return static_cast<int>(run(arguments.subspan(argc > 0 ? 1 : 0), outside));
}
