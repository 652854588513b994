// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slurm's job states (22.05 to 26.05) in Hansa's words.

#include "broker/ports/site_connector.hpp"
#include "connectors/slurm/values.hpp"

#include <string>
#include <string_view>

namespace hansa::connectors::slurm {

/// What a run that is over looked like to the site.
struct EndedRun {
  std::string_view state;       // "COMPLETED", "CANCELLED by 1001", ...
  std::string_view reason;      // squeue's, "" from the history
  bool had_nodes = true;        // false: it never got any, so its payload cannot have run
  std::optional<ExitCode> exit;
};

/// The first word: "CANCELLED by 1001" -> "CANCELLED".
std::string_view state_word(std::string_view state);

/// ended for a final state; not_seen for one we do not know, or that only says that another row follows (REQUEUED).
ports::Phase phase_of(std::string_view state);

/// Waiting for something other than its turn: held, a dependency, a begin time, a limit of the association. Such a job
/// stands in nobody's way.
bool is_eligible(std::string_view pending_reason);

/// Fills outcome, exit_code, signal and reason of a run whose phase is ended.
void describe_end(ports::JobStatus& status, const EndedRun& run);

}  // namespace hansa::connectors::slurm
