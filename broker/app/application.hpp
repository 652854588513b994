// SPDX-License-Identifier: Apache-2.0
#pragma once
// hansad's life: builds everything from the configuration, serves, stops everything in one order.
//
// Stop: not ready -> no new requests -> running requests end within the grace -> the engine's loops end -> connectors close ->
// the store is flushed and closed. What is under way at a site is resolved at the next start. A second signal ends at once.

#include "broker/core/error.hpp"
#include "broker/engine/rulebook.hpp"
#include "config/broker_config.hpp"

#include <filesystem>

namespace hansa::app {

/// Exit statuses of hansad, from sysexits(3) where one fits.
enum ExitStatus : int {
  kExitOk = 0,
  kExitUsage = 2,
  kExitData = 65,          // a backup that is damaged, or older than what it would replace
  kExitUnavailable = 69,   // the address is in use, a file cannot be read
  kExitSoftware = 70,
  kExitStorage = 74,       // the state folder or the database cannot be used
  kExitAlreadyRunning = 75,
  kExitRoot = 77,          // it refuses to run as root
  kExitConfiguration = 78,
};

struct Start {
  config::BrokerConfig config;
  engine::Regulations regulations;
  std::filesystem::path file;            // of the configuration: rules and facts are read from it again on SIGHUP
  std::filesystem::path program_folder;
};

/// Serves until SIGTERM or SIGINT. Says on stderr what keeps it from starting, and what to do.
int run(Start start);

}  // namespace hansa::app
