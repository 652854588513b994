// SPDX-License-Identifier: Apache-2.0
// hansa-agent: a site's end of the connector protocol. As a forced command it is what it is whatever was asked for: nothing is
// read from SSH_ORIGINAL_COMMAND.
#include "connectors/agent/enrolment.hpp"
#include "connectors/agent/person.hpp"
#include "connectors/agent/serve.hpp"
#include "connectors/assembly/regulations.hpp"

#include <CLI/CLI.hpp>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <string_view>
#include <utility>

namespace {

/// The checks are a program of their own, so that this one has no test framework in it.
int run_conformance(const std::filesystem::path& folder, char** arguments) {
  const auto program = folder / "hansa-conformance";
  ::execv(program.c_str(), arguments);
  std::fprintf(stderr, "hansa-agent: %s cannot be run: install it beside hansa-agent\n", program.c_str());
  return hansa::connectors::agent::kExitUnavailable;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace hansa;
  using namespace hansa::connectors::agent;
  CLI::App command(
      "hansa-agent: a site's end of Hansa's connector protocol. Serves the site's scheduler to a broker, for the people of the\n"
      "site's own account map, and ends with the connection.",
      "hansa-agent");
  std::string file = "/etc/hansa/agent.toml";
  bool stdio = false;
  bool connect = false;
  bool person = false;
  bool check = false;
  auto* config_option = command.add_option("--config", file, "Configuration file (see config/reference.md)")
                            ->capture_default_str()
                            ->type_name("FILE");
  command.add_flag("--stdio", stdio, "Serve the broker at the other end of standard input and output");
  command.add_flag("--connect", connect, "Connect to the broker with which it is enrolled, and serve it, until it is stopped");
  command.add_flag("--person", person,
                   "Serve the person who has started it, and nobody else, at the broker that the line of standard input names "
                   "(hansa connect), and end with that input. Without --config the scheduler is the one that the login finds");
  command.add_flag("--check", check, "Only check the configuration, and say every fault of it");
  command.set_version_flag("--version", "hansa-agent " HANSA_VERSION);
  EnrolmentWish wish{.token_file = "-"};
  auto* enrolling = command.add_subcommand(
      "enroll",
      "Bind the site to this agent's key, with a token of an operator of the broker (hansa site enroll), which is good once");
  enrolling->fallthrough();
  enrolling->add_option("--broker", wish.broker, "Where the broker lets agents in: wss://HOST:PORT")
      ->required()
      ->type_name("URL");
  enrolling->add_option("--pin", wish.pin, "The id of the broker's key, by which it is known: sha256:...")->type_name("ID");
  enrolling->add_option("--ca", wish.ca_file, "Or the authority that signed its certificate, PEM; without either the system's")
      ->type_name("FILE");
  enrolling->add_option("--token-file", wish.token_file, "Where the token stands; - is standard input")
      ->capture_default_str()
      ->type_name("FILE");
  enrolling->add_flag("--new-key", wish.new_key, "Make a new key, in place of the one that there is");
  command.add_subcommand("conformance", "Check a plug-in: conformance [--account A] [--person P] -- COMMAND [ARG...]");
  command.footer(
      "Environment: https_proxy, HTTPS_PROXY (an HTTP proxy on the way to the broker, unless agent.proxy is set), no_proxy, "
      "NO_PROXY.\n"
      "Exit status: 0 the connection ended; 2 usage; 69 the site's scheduler, or the broker, cannot be reached or refuses it; 76 "
      "what came was not the\n"
      "protocol; 77 run as root; 78 configuration. conformance: 0 all checks passed, 1 not.");
  std::error_code ignored;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  if (argc > 1 && std::string_view(argv[1]) == "conformance") return run_conformance(folder, argv + 1);
  try {
    command.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = command.exit(error);
    return status == 0 ? kExitOk : kExitUsage;
  }

  const auto refuse_root = [] {
    if (::geteuid() != 0) return false;
    std::fprintf(
        stderr,
        "hansa-agent: refuses to run as root: give it an account of its own; becoming others is hansa-switch's business\n");
    return true;
  };
  const auto be_careful = [] {
    ::umask(077);
    ::prctl(PR_SET_DUMPABLE, 0);  // no ptrace by the same account, no core dump
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);  // nor of what it starts
    std::signal(SIGPIPE, SIG_IGN);
  };
  constexpr auto kName = "hansa-agent " HANSA_VERSION;
  if (person && !stdio && !connect && !check && !enrolling->parsed()) {
    if (refuse_root()) return kExitRoot;
    be_careful();
    return serve_person(config_option->count() > 0 ? std::optional<std::filesystem::path>(file) : std::nullopt, folder, kName);
  }
  auto config = config::load_agent_config(file);
  if (!config) {
    std::fprintf(stderr, "hansa-agent: the configuration cannot be used:\n%s", config::describe_errors(config.error()).c_str());
    return kExitConfiguration;
  }
  auto own = own_regulations(*config, connectors::assembly::shipped_packs(folder));
  if (!own) {
    std::fprintf(stderr, "hansa-agent: the site's own rules cannot be used:\n%s", config::describe_errors(own.error()).c_str());
    return kExitConfiguration;
  }
  if (check) {
    std::printf("%s: good, site %s, %s\n", file.c_str(), config->site.id.str().c_str(),
                own->rules ? ("its own rules: " + connectors::assembly::packs_in(*own->rules)).c_str() : "no rules of its own");
    return kExitOk;
  }
  if (int{stdio} + int{connect} + int{person} + int{enrolling->parsed()} != 1) {
    std::fprintf(stderr, "hansa-agent: say how it is to serve: --stdio, --connect, or --person (see --help)\n");
    return kExitUsage;
  }
  if (refuse_root()) return kExitRoot;
  be_careful();
  if (enrolling->parsed()) return enroll(*config, wish, kName);
  Start start{.file = file, .config = std::move(*config), .own = std::move(*own), .program_folder = folder, .name = kName};
  return connect ? serve_broker(std::move(start)) : serve_stdio(std::move(start));
}
