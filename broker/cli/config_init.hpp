// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `hansa config init` writes: the answers to four questions as a hansad.toml, and as the switch.toml that goes with it.

#include <string>

namespace hansa::cli {

struct FirstAnswers {
  std::string name;       // of the broker
  std::string country;    // ISO 3166-1 alpha-2
  std::string connector;  // slurm, pbs or local
  std::string person;     // a local account; "local:<person>" to the broker
  std::string bin_dir;    // where the scheduler's commands are; "" with local
};

std::string first_broker_file(const FirstAnswers& answers);
/// What hansa-switch may run for it; "" where nobody else's account is needed.
std::string first_switch_file(const FirstAnswers& answers);

}  // namespace hansa::cli
