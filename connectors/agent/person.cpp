// SPDX-License-Identifier: Apache-2.0
#include "connectors/agent/person.hpp"

#include "broker/core/canonical_json.hpp"
#include "broker/core/time_text.hpp"
#include "connectors/agent/enrolment.hpp"
#include "connectors/assembly/regulations.hpp"
#include "connectors/transport/own_account.hpp"
#include "connectors/websocket/agent_key.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ranges>
#include <utility>

namespace hansa::connectors::agent {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostTicketBytes = 4'096;

std::unexpected<Error> no_ticket(const std::string& why) {
  return fail(ErrorKind::invalid_argument, "BAD_TICKET",
              "what came on standard input is not what hansa connect hands an agent (" + why +
                  "): run hansa connect SITE, or paste the line that hansa connect SITE --print shows");
}

/// To its end and not a byte further.
Result<std::string> read_line(int fd) {
  std::string line;
  char byte = 0;
  while (true) {
    const auto got = ::read(fd, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return no_ticket("it ended before a line did");
    if (byte == '\n') return line;
    line += byte;
    if (line.size() > kMostTicketBytes) return no_ticket("the line is too long");
  }
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// The folder of `PATH` that has the program.
std::optional<fs::path> folder_of(std::string_view program, std::string_view path) {
  for (const auto part : std::views::split(path, ':')) {
    const fs::path folder(std::string_view(part.begin(), part.end()));
    if (!folder.is_absolute()) continue;
    if (const auto file = folder / program; is_file(file) && ::access(file.c_str(), X_OK) == 0) return folder;
  }
  return std::nullopt;
}

std::string variable(const char* name) {
  const auto* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

Result<config::AgentConfig> site_of(const std::optional<fs::path>& file, const Ticket& ticket, const Login& login) {
  if (!file) return find_scheduler(ticket.site, login);
  auto config = config::load_agent_config(*file);
  if (!config) return config;
  using config::RunAs;
  if (config->site.id != ticket.site)
    return fail(ErrorKind::invalid_argument, "WRONG_SITE",
                file->string() + " is about site \"" + config->site.id.str() + "\", not \"" + ticket.site.str() + "\"");
  if (config->site.run_as != RunAs::self && config->site.run_as != RunAs::by_certificate)
    return fail(ErrorKind::invalid_argument, "WRONG_ACCOUNTS",
                file->string() +
                    " has jobs run as other accounts; an agent of a person's own runs them as itself "
                    "(run_as = \"certificate\", or \"self\")");
  return config;
}

int end_with(const Error& error, int status) {
  std::fprintf(stderr, "hansa-agent: %s\n", config::describe_errors(error).c_str());
  return status;
}

}  // namespace

Result<Ticket> read_ticket(std::string_view line) {
  if (line.size() > kMostTicketBytes) return no_ticket("the line is too long");
  const auto json = parse_json(line, 2);
  if (!json || !json->is_object()) return no_ticket("no JSON object");
  const auto field = [&](const char* key) {
    const auto at = json->find(key);
    return at != json->end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  Ticket ticket{.broker = field("broker"),
                .pin = field("pin"),
                .site = SiteId(field("site")),
                .person = Principal(field("person")),
                .token = Secret(field("token"))};
  const auto until = parse_utc(field("session_until"));
  const auto token = ticket.token.reveal();
  const bool plain = std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (ticket.broker.empty() || ticket.site.empty() || ticket.person.empty() || token.empty() || !plain || !until)
    return no_ticket("a field of it is missing");
  if (!websocket::is_key_id(ticket.pin)) return no_ticket("its pin is no key's id");
  ticket.session_until = *until;
  return ticket;
}

Result<config::AgentConfig> find_scheduler(const SiteId& site, const Login& login) {
  config::AgentConfig config;
  config.agent.state_dir = fs::path(login.home) / ".hansa" / "agent";
  config.site.id = site;
  config.site.name = site.str();
  config.site.run_as = config::RunAs::by_certificate;
  const auto first_of = [](std::initializer_list<fs::path> files) -> std::optional<fs::path> {
    const auto found = std::ranges::find_if(files, is_file);
    return found == files.end() ? std::nullopt : std::optional(*found);
  };
  if (const auto folder = folder_of("sbatch", login.path)) {
    const auto conf = first_of({login.slurm_conf, "/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf",
                                folder->parent_path() / "etc/slurm.conf", "/etc/slurm-llnl/slurm.conf"});
    if (!conf)
      return fail(ErrorKind::not_found, "NO_SCHEDULER",
                  "sbatch is in " + folder->string() + ", but no slurm.conf where it usually lies: set SLURM_CONF to it");
    config.site.connector = config::Connector::slurm;
    config.site.slurm = {.conf = *conf, .bin_dir = *folder};
    return config;
  }
  if (const auto folder = folder_of("qsub", login.path)) {
    const auto conf = first_of({login.pbs_conf, "/etc/pbs.conf"});
    if (!conf)
      return fail(ErrorKind::not_found, "NO_SCHEDULER",
                  "qsub is in " + folder->string() + ", but there is no /etc/pbs.conf: set PBS_CONF_FILE to it");
    config.site.connector = config::Connector::pbs;
    config.site.pbs.conf = *conf;
    config.site.pbs.bin_dir = *folder;
    return config;
  }
  return fail(
      ErrorKind::not_found, "NO_SCHEDULER",
      "this login finds neither sbatch nor qsub on its PATH: log in to a login node of the site, set PATH for logins that are "
      "not interactive (~/.profile is not always read), or say what the site is like with --config FILE");
}

int serve_person(std::optional<fs::path> file, fs::path program_folder, std::string name) {
  const auto line = read_line(STDIN_FILENO);
  if (!line) return end_with(line.error(), kExitUsage);
  const auto ticket = read_ticket(*line);
  if (!ticket) return end_with(ticket.error(), kExitUsage);
  const auto broker = websocket::parse_broker_address(ticket->broker);
  if (!broker) return end_with(broker.error(), kExitUsage);
  const auto own = transport::own_account();
  if (!own)
    return end_with(
        fail(ErrorKind::not_found, "NO_ACCOUNT", "this machine has no name for the account that this runs as").error(),
        kExitUnavailable);
  auto config = site_of(
      file, *ticket,
      {.home = own->home, .path = variable("PATH"), .slurm_conf = variable("SLURM_CONF"), .pbs_conf = variable("PBS_CONF_FILE")});
  if (!config) return end_with(config.error(), kExitConfiguration);
  // Whoever started it is served, and nobody else, whatever a file says of others.
  config->site.run_as = config::RunAs::by_certificate;
  config->site.accounts_file.reset();
  config->site.accounts = {{ticket->person, LocalAccount(own->name)}};
  auto proxy = proxy_to(*config, *broker);
  if (!proxy) return end_with(proxy.error(), kExitConfiguration);
  auto rules = own_regulations(*config, assembly::shipped_packs(program_folder));
  if (!rules) return end_with(rules.error(), kExitConfiguration);
  auto key = websocket::make_key_in_memory();
  if (!key) return end_with(key.error(), kExitUnavailable);
  return serve_session({.start = {.file = file.value_or(""),
                                  .config = std::move(*config),
                                  .own = std::move(*rules),
                                  .program_folder = std::move(program_folder),
                                  .name = name,
                                  .reloads = false},
                        .way = {.broker = *broker,
                                .pin = ticket->pin,
                                .key_file = websocket::file_of(*key),
                                .site = ticket->site,
                                .name = std::move(name),
                                .authorization = "Bearer " + std::string(ticket->token.reveal()),
                                .proxy = std::move(*proxy)},
                        .person = ticket->person,
                        .until = ticket->session_until});
}

}  // namespace hansa::connectors::agent
