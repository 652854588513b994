// SPDX-License-Identifier: Apache-2.0
// hansa-switch: runs a program that the site allows, as an account that the site allows, for a caller that the site allows.
// The one program of Hansa that runs as root; see hansa-switch(8).

#include "connectors/switch/audit_log.hpp"
#include "connectors/switch/configuration.hpp"
#include "connectors/switch/daemon.hpp"
#include "connectors/switch/session.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>

namespace {

using namespace hansa::connectors::account_switch;

constexpr const char* kHelp =
    R"(hansa-switch: run an allowed program as an allowed local account

  hansa-switch --listen SOCKET [--config FILE] [--log syslog|stderr]
                             serve a Unix stream socket (root); without --listen: the one systemd passes
  hansa-switch --stdio       serve one request on standard input and output (setuid root, mode 4750)
  hansa-switch --check [--config FILE]
                             say whether the configuration is valid
  hansa-switch --version | --help

The configuration is /etc/hansa/switch.toml unless said otherwise; a setuid call always uses that one.
Exit status: 0 done, 64 wrong usage, 69 the socket cannot be used, 75 already running, 77 not root, 78 configuration not valid.
See hansa-switch(8).
)";

enum class Mode { daemon, stdio, check };

struct Options {
  Mode mode = Mode::daemon;
  std::string socket;
  std::string configuration = kDefaultConfiguration;
  LogTarget log = LogTarget::syslog;
};

int complain(int status, const std::string& text) {
  std::fprintf(stderr, "hansa-switch: %s\n", text.c_str());
  return status;
}

int complain(int status, const hansa::Error& error) {
  complain(status, error.message);
  for (const auto& fault : error.faults) std::fprintf(stderr, "  %s: %s\n", fault.where.c_str(), fault.message.c_str());
  return status;
}

/// Nothing opened later may land on a standard descriptor.
bool open_standard_descriptors() {
  int number = 0;
  do { number = ::open("/dev/null", O_RDWR); } while (number >= 0 && number <= 2);
  return number > 2 && ::close(number) == 0;
}

/// An exit status to leave with, or the options.
std::optional<int> parse_options(std::span<char*> arguments, bool is_setuid, Options& options) {
  bool mode_given = false;
  const auto choose = [&](Mode mode) {
    if (std::exchange(mode_given, true)) return false;
    options.mode = mode;
    return true;
  };
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string_view option = arguments[i];
    const bool takes_value = option == "--listen" || option == "--config" || option == "--log";
    if (takes_value && i + 1 == arguments.size()) return complain(EX_USAGE, std::string(option) + " needs a value");
    if (takes_value && is_setuid)
      return complain(EX_USAGE, std::string(option) + " is root's to give; a setuid call takes --stdio alone");
    const std::string value = takes_value ? arguments[++i] : "";
    bool good = true;
    if (option == "--help") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (option == "--version") {
      std::puts("hansa-switch " HANSA_VERSION);
      return 0;
    }
    if (option == "--stdio") {
      good = choose(Mode::stdio);
    } else if (option == "--check") {
      good = choose(Mode::check);
    } else if (option == "--listen") {
      good = choose(Mode::daemon);
      options.socket = value;
    } else if (option == "--config") {
      options.configuration = value;
    } else if (option == "--log" && (value == "syslog" || value == "stderr")) {
      options.log = value == "stderr" ? LogTarget::standard_error : LogTarget::syslog;
    } else {
      return complain(
          EX_USAGE, std::string(option) + (takes_value ? " " + value : "") + ": unknown; hansa-switch --help says what there is");
    }
    if (!good) return complain(EX_USAGE, "only one of --listen, --stdio and --check");
  }
  return std::nullopt;
}

int check(const std::string& path) {
  const auto configuration = load_configuration(path);
  if (!configuration && configuration.error().code == hansa::connectors::account_switch::kSwitchedOff) {
    std::printf("%s\n", configuration.error().message.c_str());
    return 0;  // it starts, and refuses everything
  }
  if (!configuration) return complain(EX_CONFIG, configuration.error());
  std::printf("%s is valid\n", path.c_str());
  return 0;
}

int serve_standard_streams(const std::string& configuration_path) {
  const int signals = open_signals();
  auto channel = Channel::pipes(0, 1);
  serve(channel, ::getuid(), load_configuration(configuration_path), signals);
  return 0;
}

int serve_socket(const Options& options, hansa::Result<hansa::Descriptor> inherited) {
  if (!inherited) return complain(EX_UNAVAILABLE, inherited.error());
  if (static_cast<bool>(*inherited) == !options.socket.empty()) {
    return complain(EX_USAGE, "either --listen SOCKET or a socket of systemd's, not both and not none");
  }
  if (const auto configuration = load_configuration(options.configuration);
      !configuration && configuration.error().code != hansa::connectors::account_switch::kSwitchedOff) {
    return complain(EX_CONFIG, configuration.error());
  }
  auto listener = *inherited ? std::move(inherited) : listen_at(options.socket);
  if (!listener) return complain(listener.error().code == "ALREADY_RUNNING" ? EX_TEMPFAIL : EX_UNAVAILABLE, listener.error());
  serve_connections(std::move(*listener), options.configuration);
  if (!options.socket.empty()) ::unlink(options.socket.c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (!open_standard_descriptors()) return EX_OSERR;
  const bool is_setuid = ::getuid() != ::geteuid();
  auto inherited = is_setuid ? hansa::Result<hansa::Descriptor>() : inherited_socket();
  ::clearenv();  // nothing of the caller's steers what follows, name lookups included
  ::umask(077);

  Options options;
  if (const auto status = parse_options({argv, static_cast<std::size_t>(argc)}, is_setuid, options)) return *status;
  if (options.mode == Mode::check) {
    // A setuid program must not read for its caller what the caller cannot read.
    if (::setresuid(::getuid(), ::getuid(), ::getuid()) != 0) return EX_OSERR;
    return check(options.configuration);
  }
  if (::geteuid() != 0) return complain(EX_NOPERM, "must be started by root, or be setuid root for --stdio");
  open_log(options.log);
  return options.mode == Mode::stdio ? serve_standard_streams(options.configuration)
                                     : serve_socket(options, std::move(inherited));
}
