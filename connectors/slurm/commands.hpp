// SPDX-License-Identifier: Apache-2.0
#pragma once
// Slurm's own commands at the site: what is asked of them, and their answers read. Questions only; what changes a job goes
// through run(), and sbatch is the connector's.
//
// Strand: the engine's. Nothing here is locked.

#include "broker/async/scheduler.hpp"
#include "broker/ports/site_connector.hpp"
#include "connectors/slurm/history_listing.hpp"
#include "connectors/slurm/inventory.hpp"
#include "connectors/slurm/queue_listing.hpp"
#include "connectors/transport/transport.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hansa::connectors::slurm {

/// Through whose eyes a question is asked; an empty account is the broker's own.
struct Viewer {
  LocalAccount account;
  Principal person;
};

struct QueueQuestion {
  Viewer viewer;
  std::vector<std::string> names;  // none: every job
  bool ended_too = true;
};

struct HistoryQuestion {
  Viewer viewer;
  std::vector<std::string> names;  // with `ids` empty too: every job
  std::vector<std::string> ids;
  UtcTime from{};
  std::optional<UtcTime> to;       // none: now
  bool only_ended = false;
};

class Commands {
 public:
  /// `slurm_conf` may be "": the commands' own default. `transport` and `random` outlive it.
  Commands(std::string bin_dir, std::string slurm_conf, transport::Transport& transport, Random& random)
      : bin_dir_(std::move(bin_dir)), slurm_conf_(std::move(slurm_conf)), transport_(transport), random_(random) {}

  /// A command with the environment that Slurm's need, for this account; nothing runs yet.
  [[nodiscard]] transport::Command command(Viewer viewer, std::string_view program, std::vector<std::string> arguments) const;

  /// What may be repeated: an outcome that is not known is only a failure.
  ports::Task<transport::CommandResult> run(transport::Command command, ports::Deadline deadline);

  ports::Task<Listing<QueueRow>> queue(QueueQuestion question, ports::Deadline deadline);
  ports::Task<Listing<HistoryRow>> history(HistoryQuestion question, ports::Deadline deadline);
  ports::Task<Inventory> inventory(ports::Deadline deadline);

  /// Nodes and all that stand in inventory() change; this is asked once.
  ports::Task<Configuration> configuration(ports::Deadline deadline);

  /// The broker sees everybody's jobs where it may; else each account is asked for its own.
  ports::Task<std::vector<Viewer>> viewers_of(std::vector<ports::SiteJob> jobs, ports::Deadline deadline);

 private:
  [[nodiscard]] transport::Command question_command(Viewer viewer, std::string_view program,
                                                    std::vector<std::string> arguments) const;

  std::string bin_dir_;
  std::string slurm_conf_;
  transport::Transport& transport_;
  Random& random_;
  std::optional<Configuration> configuration_;
  bool history_hides_jobs_ = false;  // slurmdbd's own PrivateData
};

/// A command that did not come to an answer, in the site's own words.
std::unexpected<Error> no_answer(const std::string& program, const transport::CommandResult& result);

}  // namespace hansa::connectors::slurm
