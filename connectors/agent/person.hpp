// SPDX-License-Identifier: Apache-2.0
#pragma once
// An agent that a person starts for themselves, by their own login (hansa connect): what it is handed, and the site as it finds
// it there. It needs no file and leaves none: its key lies in memory.

#include "broker/core/clock.hpp"
#include "broker/core/secret.hpp"
#include "broker/core/strong.hpp"
#include "connectors/agent/serve.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace hansa::connectors::agent {

/// What the broker has given the person for this agent: one line of JSON, as `hansa connect --print` shows it.
///   {"broker": "wss://HOST:PORT", "pin": "sha256:...", "site": "alpha", "person": "local:alice", "token": "hansa_berth_...",
///    "session_until": "2026-11-29T20:00:00Z"}
struct Ticket {
  std::string broker;
  std::string pin;
  SiteId site;
  Principal person;
  Secret token;
  UtcTime session_until{};
};

/// invalid_argument, BAD_TICKET: it is none; nothing of it is repeated in the message.
Result<Ticket> read_ticket(std::string_view line);

/// Where to look, for tests: the environment of the login.
struct Login {
  std::string home;
  std::string path;
  std::string slurm_conf;  // SLURM_CONF
  std::string pbs_conf;    // PBS_CONF_FILE
};

/// The scheduler that the login finds: Slurm by sbatch and slurm.conf, PBS by qsub and pbs.conf. not_found, NO_SCHEDULER.
Result<config::AgentConfig> find_scheduler(const SiteId& site, const Login& login);

/// Reads the ticket from standard input, and serves that person until the input ends, the session does, the broker will have this
/// agent no more, or a signal comes. An exit status. `file`: the site as a file says it; none: as the login finds it.
int serve_person(std::optional<std::filesystem::path> file, std::filesystem::path program_folder, std::string name);

}  // namespace hansa::connectors::agent
