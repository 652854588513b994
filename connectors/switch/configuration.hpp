// SPDX-License-Identifier: Apache-2.0
#pragma once
// /etc/hansa/switch.toml: what the site allows. Every key is listed here, in the man page hansa-switch(8), and nowhere else.

#include "broker/core/error.hpp"

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hansa::connectors::account_switch {

inline constexpr const char* kDefaultConfiguration = "/etc/hansa/switch.toml";

struct Configuration {
  struct Caller {
    std::string name;
    uid_t uid;
  };
  std::vector<Caller> callers;              // who may ask; resolved when the file is read
  std::vector<std::string> programs;        // full paths
  uid_t minimum_uid = 1000;                 // never below 1000
  std::vector<std::string> denied_groups;   // no account that is in one of them
  std::vector<gid_t> denied_gids;           // the same, resolved
  std::vector<std::string> accounts;        // if not empty, no account but these
  std::vector<std::string> environment = {"LC_ALL", "TZ"};  // variables that a request may set
  std::size_t max_concurrent = 64;          // requests at one time; others wait
  int request_time_s = 10;                  // within which a request must have arrived as a whole
};

/// All faults at once: "file:line" and key, what was wrong and what is allowed. Names are looked up in the machine's accounts.
Result<Configuration> parse_configuration(std::string_view toml, const std::string& path);

/// The code of everything being refused because the site says so.
inline constexpr std::string_view kSwitchedOff = "SWITCHED_OFF";
/// While there is such a file beside the configuration (/etc/hansa/switch.off), nothing is started; its first line says why.
std::string off_file(const std::string& configuration_path);

/// Reads `path` if it and every folder above it are root's alone, and there is no off file.
Result<Configuration> load_configuration(const std::string& path);

}  // namespace hansa::connectors::account_switch
