// SPDX-License-Identifier: Apache-2.0
#include "broker/app/application.hpp"
#include "broker/app/backup.hpp"
#include "broker/app/issuers.hpp"
#include "broker/app/regulations.hpp"
#include "broker/app/secrets_key.hpp"
#include "broker/app/version.hpp"
#include "broker/async/real_scheduler.hpp"
#include "config/text_file.hpp"
#include "connectors/assembly/regulations.hpp"

#include <CLI/CLI.hpp>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

namespace {

using namespace hansa;

constexpr const char* kRefusesRoot =
    "hansad: refuses to run as root: start it as an account of its own (systemd: User=hansa; by hand: runuser -u hansa -- "
    "hansad ...); becoming others is hansa-switch's business\n";

/// Who can write it says which programs hansad runs. There are no secrets in it: those are files of their own.
bool others_may_write(const std::string& file) {
  struct stat found{};
  return ::stat(file.c_str(), &found) == 0 && (found.st_mode & S_IWOTH) != 0;
}

int failed(const Error& error) {
  std::fprintf(stderr, "hansad: %s\n", error.message.c_str());
  if (!error.detail.empty()) std::fprintf(stderr, "  (%s)\n", error.detail.c_str());
  if (error.code == "STATE_LOCKED") return app::kExitAlreadyRunning;
  const bool about_the_copy = error.code == "BACKUP_DAMAGED" || error.code == "BACKUP_OLDER" || error.code == "BACKUP_EXISTS";
  return about_the_copy ? app::kExitData : app::kExitStorage;
}

int back_up(const config::BrokerConfig& config, const std::string& to) {
  const async::RealScheduler clock;
  const auto made = app::back_up(config, to.empty() ? std::nullopt : std::optional<std::filesystem::path>(to), clock.now_utc());
  if (!made) return failed(made.error());
  std::printf("%s: %s; verified\n", made->file.c_str(), app::told(made->holds).c_str());
  std::printf(
      "The keys are not in it. Keep ledger.key, which signs the ledger, and secrets.key, without which nobody's secrets open,\n"
      "apart from it; %s.json names what else is not.\n",
      made->file.c_str());
  return app::kExitOk;
}

int restore(const config::BrokerConfig& config, const std::string& backup, bool over_newer) {
  const async::RealScheduler clock;
  const auto restored = app::restore(config, backup, over_newer, clock.now_utc());
  if (!restored) return failed(restored.error());
  std::printf("restored: %s\n", app::told(restored->holds).c_str());
  if (!restored->aside.empty()) std::printf("what was there is kept as %s\n", restored->aside.c_str());
  if (restored->signs_nothing) {
    std::printf(
        "ledger.signed vouches for more than this ledger has: hansad will sign nothing (LEDGER_WENT_BACK). If the newer\n"
        "database is lost for good, remove ledger.signed: that begins a second history, which every witness refuses;\n"
        "tell them why (docs/ledger.md, A database from a backup).\n");
  }
  return app::kExitOk;
}

int rekey(const config::BrokerConfig& config) {
  async::SystemRandom random;
  const auto file = app::secrets_key_file(config);
  const auto id = app::add_secrets_key(file, random);
  if (!id) return failed(id.error());
  std::printf(
      "%s: key %s is the first of it. Start hansad again: it seals all secrets anew with that one, and says so in its log.\n"
      "The older lines open what backups from before then hold; remove them once none of these is kept.\n",
      file.c_str(), id->c_str());
  return app::kExitOk;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App command(
      "hansad: the Hansa broker. Takes jobs over REST, picks a site for each, and has the site's own scheduler run it.",
      "hansad");
  std::string file = "/etc/hansa/hansad.toml";
  bool check = false;
  command.add_option("--config", file, "Configuration file (see config/reference.md)")->capture_default_str()->type_name("FILE");
  command.add_flag("--check", check, "Only check the configuration, and say every fault of it");
  command.set_version_flag("--version", "hansad " + std::string(app::kVersion));
  command.fallthrough();  // --config may stand after them
  std::string to;
  auto* backup =
      command.add_subcommand("backup", "Copy the database, also of a broker that runs; verified before it has its name");
  backup->add_option("--to", to, "The copy; never replaces a file (state_dir/backups/TIME.db)")->type_name("FILE");
  std::string copy;
  bool over_newer = false;
  auto* restoring = command.add_subcommand("restore", "Put a backup in the place of the database of a broker that is stopped");
  restoring->add_option("FILE", copy, "What hansad backup made")->required();
  restoring->add_flag("--over-newer", over_newer, "Also where what is there has more than the backup, which is then given up");
  auto* secrets = command.add_subcommand("secrets", "The keys that people's own secrets are sealed with");
  auto* rekeying = secrets->add_subcommand("rekey", "Draw a new key, which seals from the next start on");
  secrets->require_subcommand(1);
  command.require_subcommand(0, 1);
  command.footer(
      "Exit status: 0 stopped as asked, or done; 2 usage; 65 a backup that is damaged, there already, or older than what it "
      "would\n"
      "replace; 69 address in use; 74 state folder, database or disk unusable; 75 already running on this state folder;\n"
      "77 run as root; 78 configuration.");
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
  if (others_may_write(file)) {
    std::fprintf(stderr, "hansad: everybody on this machine can write %s, which says what hansad runs: chmod o-w it\n",
                 file.c_str());
    return app::kExitConfiguration;
  }
  if (const auto exposed = config::exposure_of(config->mover.rclone_config.value_or("").string())) {
    std::fprintf(stderr, "hansad: mover.rclone_config: %s\n", exposed->c_str());
    return app::kExitConfiguration;
  }
  const bool keeps = backup->parsed() || restoring->parsed() || rekeying->parsed();
  if (keeps && ::geteuid() == 0) {  // its files would be root's, and no broker could write them any more
    std::fputs(kRefusesRoot, stderr);
    return app::kExitRoot;
  }
  if (keeps) {
    ::umask(077);
    if (rekeying->parsed()) return rekey(*config);
    return backup->parsed() ? back_up(*config, to) : restore(*config, copy, over_newer);
  }
  std::error_code ignored;
  const auto folder = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  if (auto issuers = app::issuers_of(*config); !issuers) return refused(issuers.error());
  auto regulations = app::regulations_of(*config, connectors::assembly::shipped_packs(folder));
  if (!regulations) return refused(regulations.error());
  if (check) {
    std::printf("%s: good, %zu sites, %zu projects, %s\n", file.c_str(), config->sites.size(), config->projects.size(),
                regulations->rules ? ("rules in force: " + connectors::assembly::packs_in(*regulations->rules)).c_str()
                                   : "no rule in force");
    return app::kExitOk;
  }
  if (::geteuid() == 0) {
    std::fputs(kRefusesRoot, stderr);
    return app::kExitRoot;
  }
  ::umask(077);                // whatever it or what it starts writes is its own
  ::prctl(PR_SET_DUMPABLE, 0);  // no core dump with tokens and scripts in it, no ptrace by the same account
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);  // nor of what it starts, which execve(2) makes dumpable again
  return app::run({.config = *config, .regulations = std::move(*regulations), .file = file, .program_folder = folder});
}
