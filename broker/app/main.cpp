// SPDX-License-Identifier: Apache-2.0
#include "broker/app/application.hpp"
#include "broker/app/regulations.hpp"
#include "broker/app/version.hpp"
#include "connectors/assembly/regulations.hpp"

#include <CLI/CLI.hpp>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
  using namespace hansa;
  CLI::App command(
      "hansad: the Hansa broker. Takes jobs over REST, picks a site for each, and has the site's own scheduler run it.",
      "hansad");
  std::string file = "/etc/hansa/hansad.toml";
  bool check = false;
  command.add_option("--config", file, "Configuration file (see config/reference.md)")->capture_default_str()->type_name("FILE");
  command.add_flag("--check", check, "Only check the configuration, and say every fault of it");
  command.set_version_flag("--version", "hansad " + std::string(app::kVersion));
  command.footer(
      "Exit status: 0 stopped as asked; 2 usage; 69 address in use; 74 state folder or database unusable;\n"
      "75 already running on this state folder; 77 run as root; 78 configuration.");
  try {
    command.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int status = command.exit(error);
    return status == 0 ? app::kExitOk : app::kExitUsage;
  }

  const auto refused = [](const Error& error) {
    std::fprintf(stderr, "hansad: the configuration cannot be used:\n%s", config::describe_errors(error).c_str());
    return app::kExitConfiguration;
  };
  const auto config = config::load_broker_config(file);
  if (!config) return refused(config.error());
  std::error_code ignored;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  auto regulations = app::regulations_of(*config, connectors::assembly::shipped_packs(folder));
  if (!regulations) return refused(regulations.error());
  if (check) {
    std::printf("%s: good, %zu sites, %zu projects, %s\n", file.c_str(), config->sites.size(), config->projects.size(),
                regulations->rules ? ("rules in force: " + connectors::assembly::packs_in(*regulations->rules)).c_str()
                                   : "no rule in force");
    return app::kExitOk;
  }
  if (::geteuid() == 0) {
    std::fprintf(stderr,
                 "hansad: refuses to run as root: start it as an account of its own (systemd: User=hansa); becoming others is "
                 "hansa-switch's business\n");
    return app::kExitRoot;
  }
  ::umask(077);                // whatever it or what it starts writes is its own
  ::prctl(PR_SET_DUMPABLE, 0);  // no core dump with tokens and scripts in it, no ptrace by the same account
  return app::run({.config = *config, .regulations = std::move(*regulations), .file = file, .program_folder = folder});
}
